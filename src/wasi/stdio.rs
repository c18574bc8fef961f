//! Standard output and standard error: to the log line by line, to the program, or inherited.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Watch;
use crate::contract::ComponentId;
use crate::engine::grants::{Output, Writer};
use crate::engine::log::Level;

/// What a component may write at once.
const PERMIT: usize = 64 << 10;

/// A longer line is logged in pieces.
const LINE: usize = 8 << 10;

/// Makes lines of what comes in pieces.
struct Lines {
    watch: Watch,
    level: Level,
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&bytes[..end]);
            self.give(true);
            bytes = &bytes[end + 1..];
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() >= LINE {
            self.give(false);
        }
    }

    /// Gives the line that is there, in pieces where it is long. Where it is not `whole`, the last
    /// piece waits for more.
    fn give(&mut self, whole: bool) {
        let mut line = &self.rest[..];
        while line.len() >= LINE {
            // Not within a character.
            let cut = (LINE - 3..=LINE).rev().find(|at| line.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80));
            let (piece, rest) = line.split_at(cut.unwrap_or(LINE));
            self.watch.say(self.level, &String::from_utf8_lossy(piece));
            line = rest;
        }
        if whole {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.watch.say(self.level, &String::from_utf8_lossy(line));
            self.rest.clear();
        } else {
            let given = self.rest.len() - line.len();
            self.rest.drain(..given);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.rest.is_empty() {
            self.give(true);
        }
    }
}

#[derive(Clone)]
enum Kind {
    Log(Arc<Mutex<Lines>>),
    Program(Writer, ComponentId),
    Out,
    Err,
}

/// One stream of one instance; its handles share it.
#[derive(Clone)]
pub struct Stream(Kind);

impl Stream {
    /// The stream that goes where `output` says.
    pub fn new(output: &Output, watch: &Watch, level: Level) -> Self {
        Self(match output {
            Output::Log => Kind::Log(Arc::new(Mutex::new(Lines { watch: watch.clone(), level, rest: Vec::new() }))),
            Output::Program(writer) => Kind::Program(writer.clone(), watch.id),
            Output::Inherit if level == Level::Info => Kind::Out,
            Output::Inherit => Kind::Err,
        })
    }

    fn put(&self, bytes: &[u8]) -> std::io::Result<()> {
        match &self.0 {
            Kind::Log(lines) => lines.lock().take(bytes),
            Kind::Program(writer, id) => writer(*id, bytes),
            Kind::Out => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()?; // the program's own buffer knows nothing of this one
            }
            Kind::Err => std::io::stderr().write_all(bytes)?,
        }
        Ok(())
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        match &self.0 {
            Kind::Out => std::io::IsTerminal::is_terminal(&std::io::stdout()),
            Kind::Err => std::io::IsTerminal::is_terminal(&std::io::stderr()),
            _ => false,
        }
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::BrokenPipe => StreamError::Closed,
            _ => StreamError::LastOperationFailed(e.into()),
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(self.put(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
