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
use crate::engine::log::{Level, Lines};

/// What a component may write at once.
const PERMIT: usize = 64 << 10;

/// Lines on their way to the log.
struct Logged {
    watch: Watch,
    level: Level,
    lines: Lines,
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.lines.end(|line| self.watch.say(self.level, line));
    }
}

#[derive(Clone)]
enum Kind {
    Log(Arc<Mutex<Logged>>),
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
            Output::Log => {
                Kind::Log(Arc::new(Mutex::new(Logged { watch: watch.clone(), level, lines: Lines::default() })))
            }
            Output::Program(writer) => Kind::Program(writer.clone(), watch.id),
            Output::Inherit if level == Level::Info => Kind::Out,
            Output::Inherit => Kind::Err,
        })
    }

    fn put(&self, bytes: &[u8]) -> std::io::Result<()> {
        match &self.0 {
            Kind::Log(logged) => {
                let Logged { watch, level, lines } = &mut *logged.lock();
                lines.take(bytes, |line| watch.say(*level, line));
            }
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
