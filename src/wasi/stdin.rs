//! Standard input: bytes of the program's, shared by all instances, each of which reads them from
//! their beginning.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// What is read at once, at most.
const PIECE: usize = 16 << 10;

/// One instance's; its handles share it.
#[derive(Clone)]
pub struct Stdin {
    bytes: Arc<[u8]>,
    read: Arc<AtomicUsize>,
}

impl Stdin {
    /// At the beginning of `bytes`.
    pub fn new(bytes: Arc<[u8]>) -> Self {
        Self { bytes, read: Arc::default() }
    }

    /// Up to `len` bytes that come next; none at the end.
    fn take(&self, len: usize) -> Option<&[u8]> {
        let left = self.bytes.get(self.read.load(Relaxed)..).filter(|left| !left.is_empty())?;
        let piece = &left[..left.len().min(len).min(PIECE)];
        self.read.fetch_add(piece.len(), Relaxed); // an instance is on one thread at a time
        Some(piece)
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Stdin {
    fn read(&mut self, len: usize) -> StreamResult<Bytes> {
        self.take(len).map(Bytes::copy_from_slice).ok_or(StreamError::Closed)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {}
}

// What asks for it is WASI 0.3 alone, which is not provided.
impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if let Some(bytes) = self.take(buf.remaining()) {
            buf.put_slice(bytes);
        }
        Poll::Ready(Ok(()))
    }
}
