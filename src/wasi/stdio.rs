//! Standard output and standard error: to the log line by line, to the program, or inherited.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::io::Errno;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::{Watch, inherited};
use crate::contract::ComponentId;
use crate::direct::wasi::PERMIT;
use crate::engine::grants::{Output, Writer};
use crate::engine::log::{Level, Lines};
use crate::general::watch;

/// What a pipe that is ready takes without waiting (PIPE_BUF on Linux): what is written at once to a
/// stream that is inherited.
const PIECE: usize = 4096;

/// How long another instance's write is waited for; it takes microseconds.
const TURN: Duration = Duration::from_millis(1);

/// How often a stream that is not ready is looked at: first, and at the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

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
    Inherited(Arc<Inherited>),
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
            Output::Inherit => {
                Kind::Inherited(Arc::new(Inherited { err: level != Level::Info, rest: Mutex::default() }))
            }
        })
    }

    /// Takes all of `bytes`; what an inherited stream does not take now waits in it.
    fn put(&self, bytes: &[u8]) -> Result<(), Errno> {
        match &self.0 {
            Kind::Log(logged) => {
                let Logged { watch, level, lines } = &mut *logged.lock();
                lines.take(bytes, |line| watch.say(*level, line), || watch::look().is_ok());
            }
            Kind::Program(writer, id) => writer(*id, bytes),
            Kind::Inherited(stream) => {
                let mut rest = stream.rest.lock();
                rest.try_reserve(bytes.len()).map_err(|_| Errno::NOMEM)?;
                rest.extend_from_slice(bytes);
                drop(rest);
                stream.pass()?;
            }
        }
        Ok(())
    }

    /// How much waits to be written.
    fn waiting(&self) -> usize {
        if let Kind::Inherited(stream) = &self.0 { stream.rest.lock().len() } else { 0 }
    }

    /// How much may be written now.
    fn permit(&self) -> Result<usize, Errno> {
        match &self.0 {
            Kind::Inherited(stream) => Ok(if stream.pass()? && stream.stream().takes()? { PIECE } else { 0 }),
            _ => Ok(PERMIT),
        }
    }
}

/// The process's own stream. Whoever reads it may do so late or never, and that is a matter of the
/// instance that writes alone: nothing here waits for it, and no lock is held while a call waits.
struct Inherited {
    err: bool,
    /// Not written yet: it was ready when the guest asked, and another writer was quicker.
    rest: Mutex<Vec<u8>>,
}

impl Inherited {
    fn stream(&self) -> &'static inherited::Stream {
        inherited::stream(self.err)
    }

    /// Writes what waits; whether that was all.
    fn pass(&self) -> Result<bool, Errno> {
        let mut rest = self.rest.lock();
        if rest.is_empty() {
            return Ok(true);
        }
        let Some(turn) = self.stream().turn(TURN) else { return Ok(false) };
        let mut written = 0;
        let passed = loop {
            let left = &rest[written..];
            if left.is_empty() {
                break Ok(true);
            }
            match turn.write(&left[..left.len().min(PIECE)]) {
                Ok(n) => written += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        rest.drain(..written);
        if passed.is_err() {
            rest.clear();
        }
        passed
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        let _ = self.pass(); // nobody is left to be told
    }
}

fn failed(error: Errno) -> StreamError {
    match error {
        Errno::PIPE => StreamError::Closed,
        error => StreamError::LastOperationFailed(std::io::Error::from(error).into()),
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        match &self.0 {
            Kind::Inherited(stream) => std::io::IsTerminal::is_terminal(&stream.stream().fd()),
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

#[wasmtime_wasi::async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() + self.waiting() > PERMIT {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        self.put(&bytes).map_err(failed)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.permit().map_err(failed)
    }

    /// Without the bound on attempts of the trait's own: other writers may be quicker any number of
    /// times, and the call's limits end the wait.
    async fn write_ready(&mut self) -> StreamResult<usize> {
        loop {
            self.ready().await;
            match self.check_write()? {
                0 => {}
                permit => return Ok(permit),
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        let (mut pause, longest) = LOOKS;
        // An error is what `check_write` says then.
        while self.permit() == Ok(0) {
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }
}

// What asks for it is WASI 0.3 alone, which is not provided.
impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let len = bytes.len().min(self.permit()?);
        if len == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(std::io::ErrorKind::WouldBlock.into()));
        }
        self.put(&bytes[..len])?;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
