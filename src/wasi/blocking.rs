//! Work that waits for files is done by threads of Tokio's, each started by whoever needs one: within a
//! call, on a thread of the program's, whose signals it would have.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;

use bytes::Bytes;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::pipe::{ClosedInputStream, ClosedOutputStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::runtime::spawn_blocking;

use crate::engine::signals::starting;

/// Does `work`, whose threads have no signals from their first instruction on.
pub async fn blocking<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| starting(|| work.as_mut().poll(cx))).await
}

/// Runs `work` on such a thread.
pub async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    starting(|| spawn_blocking(work)).await
}

/// A file's stream: what `wasmtime-wasi` does of it by threads.
struct Stream<S>(S);

#[async_trait]
impl<S: Pollable> Pollable for Stream<S> {
    async fn ready(&mut self) {
        blocking(self.0.ready()).await;
    }
}

#[async_trait]
impl InputStream for Stream<DynInputStream> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        starting(|| self.0.read(size))
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        blocking(self.0.blocking_read(size)).await
    }

    async fn cancel(&mut self) {
        self.0.cancel().await;
    }
}

#[async_trait]
impl OutputStream for Stream<DynOutputStream> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        starting(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.0.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        blocking(self.0.blocking_write_and_flush(bytes)).await
    }

    async fn cancel(&mut self) {
        self.0.cancel().await;
    }
}

/// Lets a file's stream in `table` start its threads so.
pub fn input(table: &mut ResourceTable, stream: &Resource<DynInputStream>) -> Result<(), ResourceTableError> {
    let stream = table.get_mut(stream)?;
    *stream = Box::new(Stream(mem::replace(stream, Box::new(ClosedInputStream))));
    Ok(())
}

/// The same.
pub fn output(table: &mut ResourceTable, stream: &Resource<DynOutputStream>) -> Result<(), ResourceTableError> {
    let stream = table.get_mut(stream)?;
    *stream = Box::new(Stream(mem::replace(stream, Box::new(ClosedOutputStream))));
    Ok(())
}
