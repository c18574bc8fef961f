//! What takes bytes of a component's: they are copied once, where there is memory for them, and no
//! more of them than is taken.

use bytes::Bytes;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, WasmList};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, Host as _, HostDescriptor as _};
use wasmtime_wasi::p2::{DynOutputStream, IoError, StreamError, StreamResult};

use super::{files, parts, reserve};
use crate::contract::host::{Breach, Host};
use crate::direct::wasi::{MOST_FLUSHED, PERMIT};

/// The names that `wasmtime-wasi` gives the interfaces.
const STREAMS: &str = "wasi:io/streams@0.2.12";
const FILES: &str = "wasi:filesystem/types@0.2.12";

/// What a file is given at once. Less may be written than was asked for, so the rest comes next.
const PIECE: usize = 1 << 20;

/// What a stream is given at once; more is refused.
const MOST_WRITTEN: usize = PERMIT as usize;

/// The `stream-error` of the WIT.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum Failed {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Written = (std::result::Result<(), Failed>,);

/// A `list<u8>` of which `MOST` bytes are taken, copied as it is lifted. Wasmtime's own would be copied
/// whole, and end the process where there is no memory for it.
struct Taken<const MOST: usize> {
    bytes: Vec<u8>,
    /// How many there were.
    len: usize,
}

impl<const MOST: usize> Taken<MOST> {
    fn lift(cx: &LiftContext<'_>, at: u32, len: u32) -> Result<Self> {
        let (at, len) = (at as usize, len as usize);
        let all = at.checked_add(len).and_then(|end| cx.memory().get(at..end)).ok_or(Breach::OutOfBounds)?;
        let mut bytes = reserve(len.min(MOST))?;
        bytes.extend_from_slice(&all[..len.min(MOST)]);
        Ok(Self { bytes, len })
    }
}

// SAFETY: layout, type check and representation are those of `WasmList<u8>`.
#[allow(unsafe_code)] // a type that stands for another in every way
unsafe impl<const MOST: usize> ComponentType for Taken<MOST> {
    type Lower = <WasmList<u8> as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <WasmList<u8> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <WasmList<u8>>::typecheck(ty, types)
    }
}

// SAFETY: pointer and length are read as `WasmList` does.
#[allow(unsafe_code)] // the same
unsafe impl<const MOST: usize> Lift for Taken<MOST> {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, _: InterfaceType, src: &Self::Lower) -> Result<Self> {
        Self::lift(cx, src[0].get_u32(), src[1].get_u32())
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, _: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self::lift(cx, word(0), word(4))
    }
}

fn answer(host: &mut Host, result: StreamResult<()>) -> Result<Written> {
    Ok((match result {
        Ok(()) => Ok(()),
        Err(StreamError::Closed) => Err(Failed::Closed),
        Err(StreamError::LastOperationFailed(error)) => {
            Err(Failed::LastOperationFailed(parts(host).table.push(error)?))
        }
        Err(StreamError::Trap(error)) => return Err(error),
    },))
}

/// What a component may not write at once, in the words of the direct path.
fn check(len: usize, flushes: bool) -> Result<()> {
    if flushes && len > MOST_FLUSHED as usize {
        let most = format!("expected at most {MOST_FLUSHED}");
        return Err(wasmtime::Error::msg(format!("Buffer too large for blocking-write-and-flush ({most})")));
    }
    if len > MOST_WRITTEN {
        return Err(wasmtime::Error::msg("more was written than `check-write` allows"));
    }
    Ok(())
}

/// Puts the functions in place of `wasmtime-wasi`'s.
pub fn add(linker: &mut Linker<Host>) -> Result<()> {
    type Output = Resource<DynOutputStream>;
    let mut streams = linker.instance(STREAMS)?;
    let write = |mut cx: StoreContextMut<'_, Host>, (stream, bytes): (Output, Taken<MOST_WRITTEN>)| {
        check(bytes.len, false)?;
        let bytes = Bytes::from(bytes.bytes);
        let result = parts(cx.data_mut()).table.get_mut(&stream)?.write(bytes);
        answer(cx.data_mut(), result)
    };
    streams.func_wrap("[method]output-stream.write", write)?;
    let flush = "[method]output-stream.blocking-write-and-flush";
    streams.func_wrap_async(
        flush,
        |mut cx: StoreContextMut<'_, Host>, (stream, bytes): (Output, Taken<MOST_WRITTEN>)| {
            Box::new(async move {
                check(bytes.len, true)?;
                let bytes = Bytes::from(bytes.bytes);
                let result = parts(cx.data_mut()).table.get_mut(&stream)?.blocking_write_and_flush(bytes).await;
                answer(cx.data_mut(), result)
            })
        },
    )?;
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
