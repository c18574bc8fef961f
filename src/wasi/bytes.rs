//! What takes bytes of a component's: they are copied once, where there is memory for them, and no
//! more of them than is taken.

use bytes::Bytes;
use wasmtime::component::__internal::LiftContext;
use wasmtime::component::{Linker, Resource, WasmList};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, Host as _, HostDescriptor as _};
use wasmtime_wasi::p2::bindings::io::streams::{self, Host as _};
use wasmtime_wasi::p2::{DynOutputStream, StreamResult};

use super::{files, parts};
use crate::contract::held::room;
use crate::contract::host::Host;
use crate::direct::wasi::{PERMIT, check_written};
use crate::general::views::{part, stands_for};

/// The names that `wasmtime-wasi` gives the interfaces.
const STREAMS: &str = "wasi:io/streams@0.2.12";
/// The same.
pub const FILES: &str = "wasi:filesystem/types@0.2.12";

/// What a file is given at once. Less may be written than was asked for, so the rest comes next.
const PIECE: usize = 1 << 20;

type Written = (std::result::Result<(), streams::StreamError>,);

/// A `list<u8>` of which `MOST` bytes are taken, copied as it is lifted. Wasmtime's own would be copied
/// whole, and end the process where there is no memory for it.
struct Taken<const MOST: usize> {
    bytes: Vec<u8>,
    /// How many there were.
    len: usize,
}

impl<const MOST: usize> Taken<MOST> {
    fn lift(cx: &LiftContext<'_>, (at, len): (usize, usize)) -> Result<Self> {
        let all = part(cx.memory(), at, len)?;
        let mut bytes = room(len.min(MOST))?;
        bytes.extend_from_slice(&all[..len.min(MOST)]);
        Ok(Self { bytes, len })
    }
}

stands_for!(
    [<const MOST: usize>] Taken<MOST>, WasmList<u8>, |cx: &mut LiftContext<'_>, _, at| Self::lift(cx, at)
);

fn answer(host: &mut Host, result: StreamResult<()>) -> Result<Written> {
    Ok((match result {
        Ok(()) => Ok(()),
        Err(error) => Err(parts(host).table.convert_stream_error(error)?),
    },))
}

/// Puts the functions in place of `wasmtime-wasi`'s.
pub fn add(linker: &mut Linker<Host>) -> Result<()> {
    type Output = Resource<DynOutputStream>;
    let mut streams = linker.instance(STREAMS)?;
    let write = |mut cx: StoreContextMut<'_, Host>, (stream, bytes): (Output, Taken<PERMIT>)| {
        check_written(bytes.len, false)?;
        let bytes = Bytes::from(bytes.bytes);
        let result = parts(cx.data_mut()).table.get_mut(&stream)?.write(bytes);
        answer(cx.data_mut(), result)
    };
    streams.func_wrap("[method]output-stream.write", write)?;
    let flush = "[method]output-stream.blocking-write-and-flush";
    streams.func_wrap_async(flush, |mut cx: StoreContextMut<'_, Host>, (stream, bytes): (Output, Taken<PERMIT>)| {
        Box::new(async move {
            check_written(bytes.len, true)?;
            let bytes = Bytes::from(bytes.bytes);
            let result = parts(cx.data_mut()).table.get_mut(&stream)?.blocking_write_and_flush(bytes).await;
            answer(cx.data_mut(), result)
        })
    })?;
    type Write = (Resource<Descriptor>, Taken<PIECE>, u64);
    let mut files = linker.instance(FILES)?;
    let write = "[method]descriptor.write";
    files.func_wrap_async(write, |mut cx: StoreContextMut<'_, Host>, (fd, bytes, offset): Write| {
        Box::new(async move {
            let mut files = files::view(cx.data_mut());
            let result: std::result::Result<u64, ErrorCode> = match files.write(fd, bytes.bytes, offset).await {
                Ok(written) => Ok(written),
                Err(error) => Err(files.convert_error_code(error)?),
            };
            Ok((result,))
        })
    })
}
