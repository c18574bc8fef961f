//! The contract's host side as core functions, defined once per engine.
//!
//! A function that puts a string or list into guest memory comes in two halves, because the guest's
//! realloc runs between them and is called by the glue, core to core: `begin-*` checks the handle
//! and says how many bytes come, `finish` copies them to where realloc put them.

use wasmtime::{Caller, Linker};

use super::canon::{self, Source};
use super::shapes::Import;
use crate::contract::Function;
use crate::contract::host::{Breach, BufferError, Host, RANDOM_PIECE, Resource};
use crate::engine::fuel::charge;

/// The module name under which the functions stand in the linker.
pub const MODULE: &str = "torvyn";

type Guest<'a> = Caller<'a, Host>;
/// What a host function gives: an error traps the guest.
pub type Trapped<T> = wasmtime::Result<T>;

/// The guest's memory and the host beside it.
#[inline]
pub fn both<'c>(caller: &'c mut Guest<'_>) -> Result<(&'c mut [u8], &'c mut Host), Breach> {
    let memory = caller.data().canon.memory.ok_or(Breach::OutOfBounds)?;
    Ok(memory.data_and_store_mut(caller))
}

/// `result<_, buffer-error>` and `result<own<mutable-buffer>, buffer-error>` at `at`: discriminant
/// 0, payload 4; 16 bytes, alignment 4. What a case does not have stays as the guest left it.
#[inline]
fn store_result(memory: &mut [u8], at: u32, result: Result<Option<u32>, BufferError>) -> Result<(), Breach> {
    if !at.is_multiple_of(4) {
        return Err(Breach::Unaligned);
    }
    let record = canon::slice_mut(memory, at, 16)?;
    match result {
        Ok(handle) => {
            record[0] = 0;
            if let Some(handle) = handle {
                record[4..8].copy_from_slice(&handle.to_le_bytes());
            }
        }
        Err(error) => {
            record[0] = 1;
            record[4] = match error {
                BufferError::CapacityExceeded => 0,
                BufferError::OutOfBounds => 1,
                BufferError::AllocationFailed(_) => 2,
            };
        }
    }
    Ok(())
}

/// Has `put` take `len` bytes that the guest has at `at`, says at `ret` what came of it, and counts those
/// that were copied.
#[inline]
fn take(
    c: &mut Guest<'_>,
    (at, len, ret): (u32, u32, u32),
    put: impl FnOnce(&mut Host, &[u8]) -> Result<Result<(), BufferError>, Breach>,
) -> Trapped<()> {
    let (memory, host) = both(&mut *c)?;
    let result = put(host, canon::slice(memory, at, len)?)?;
    let copied = if result.is_ok() { len } else { 0 };
    host.control.counters.bytes_out.add(u64::from(copied));
    store_result(memory, ret, result.map(|()| None))?;
    charge(c, copied as usize)
}

/// Stores what an allocation came to. A refusal's text goes through realloc: its length, or -1
/// where there is none.
#[inline]
fn allocated(memory: &mut [u8], host: &mut Host, at: u32, result: Result<u32, BufferError>) -> Result<i32, Breach> {
    store_result(memory, at, result.map(Some))?;
    let Err(BufferError::AllocationFailed(text)) = result else { return Ok(-1) };
    host.canon.source = Source::Refusal(text);
    Ok(text.len() as i32)
}

/// A string or list at `ret`: pointer and length.
#[inline]
fn store_pair(memory: &mut [u8], ret: u32, at: u32, len: u32) -> Result<(), Breach> {
    if !ret.is_multiple_of(4) {
        return Err(Breach::Unaligned);
    }
    let pair = canon::slice_mut(memory, ret, 8)?;
    pair[..4].copy_from_slice(&at.to_le_bytes());
    pair[4..].copy_from_slice(&len.to_le_bytes());
    Ok(())
}

/// The bytes on their way, copied to `at`, which realloc gave; how many, and whether they count as
/// payload.
#[inline]
fn copy_source(memory: &mut [u8], host: &mut Host, at: u32) -> Trapped<u32> {
    let bytes = match host.canon.source {
        Source::None => return Err(Breach::CannotLeave.into()),
        Source::Buffer(handle, start, end) => {
            host.control.counters.bytes_in.add((end - start) as u64);
            &Host::bytes_in(&host.loan, &host.handles, handle)?[start..end]
        }
        Source::ContentType(handle) => host.buffer_type(handle)?.as_bytes(),
        Source::Parameter if host.canon.function == Function::Init => host.loan.payload(),
        Source::Parameter => host.loan.content_type().as_bytes(),
        Source::TraceId => host.loan.trace_id().as_bytes(),
        Source::SpanId => host.loan.span_id().as_bytes(),
        Source::FlowId => host.loan.flow_id().as_bytes(),
        Source::Refusal(text) => text.as_bytes(),
        Source::Empty if !at.is_multiple_of(4) => return Err(Breach::Unaligned.into()),
        Source::Empty => &[],
        Source::Random(len) => {
            let bytes = canon::slice_mut(memory, at, len as u32).map_err(|_| Breach::Realloc)?;
            for piece in bytes.chunks_mut(RANDOM_PIECE) {
                host.check_time()?;
                getrandom::fill(piece).map_err(|_| Breach::NoRandomness)?;
            }
            return Ok(arrived(host, len));
        }
    };
    let len = bytes.len() as u32;
    canon::slice_mut(memory, at, len).map_err(|_| Breach::Realloc)?.copy_from_slice(bytes);
    Ok(arrived(host, len as usize))
}

/// Nothing is on its way any more: imports may be called again.
#[inline]
fn arrived(host: &mut Host, len: usize) -> u32 {
    host.canon.source = Source::None;
    len as u32
}

/// Starts a string or list on its way: `len` bytes of `source`.
#[inline]
pub fn begin(host: &mut Host, source: Source, len: usize) -> u32 {
    host.canon.source = source;
    len as u32
}

/// The same for what the contract gives, which uses fuel.
#[inline]
fn give(c: &mut Guest<'_>, source: Source, len: usize) -> Trapped<u32> {
    charge(&mut *c, len)?;
    Ok(begin(c.data_mut(), source, len))
}

/// The name of the host function for an import, and whether the glue joins it to realloc.
pub const fn host_function(import: Import) -> (&'static str, bool) {
    match import {
        Import::BufferSize => ("buffer-size", false),
        Import::BufferContentType => ("begin-content-type", true),
        Import::BufferRead => ("begin-read", true),
        Import::BufferReadAll => ("begin-read-all", true),
        Import::MutableWrite => ("write", false),
        Import::MutableAppend => ("append", false),
        Import::MutableSize => ("mutable-size", false),
        Import::MutableCapacity => ("mutable-capacity", false),
        Import::MutableSetContentType => ("set-content-type", false),
        Import::MutableFreeze => ("freeze", false),
        Import::FlowTraceId => ("begin-trace-id", true),
        Import::FlowSpanId => ("begin-span-id", true),
        Import::FlowDeadlineNs => ("deadline-ns", false),
        Import::FlowId => ("begin-flow-id", true),
        Import::Allocate => ("allocate", true),
        Import::CloneIntoMutable => ("clone-into-mutable", true),
        Import::HasCapability => ("has-capability", false),
    }
}

/// The name of the host function that drops a resource.
pub const fn drop_function(resource: Resource) -> &'static str {
    match resource {
        Resource::Buffer => "drop-buffer",
        Resource::MutableBuffer => "drop-mutable-buffer",
        Resource::FlowContext => "drop-flow-context",
    }
}

/// All host functions of the direct path.
pub fn linker(engine: &wasmtime::Engine) -> Trapped<Linker<Host>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    l.func_wrap(MODULE, "buffer-size", |mut c: Guest<'_>, h: u32| -> Trapped<u64> {
        Ok(c.data_mut().buffer_bytes(h)?.len() as u64)
    })?;
    l.func_wrap(MODULE, "begin-content-type", |mut c: Guest<'_>, h: u32| -> Trapped<u32> {
        let len = c.data().buffer_type(h)?.len();
        give(&mut c, Source::ContentType(h), len)
    })?;
    l.func_wrap(MODULE, "begin-read", |mut c: Guest<'_>, h: u32, offset: u64, len: u64| -> Trapped<u32> {
        let size = c.data().buffer_bytes(h)?.len();
        // Cut at the end; wholly past it, empty (`types.wit`, `buffer.read`).
        let start = usize::try_from(offset).unwrap_or(size).min(size);
        let end = start + usize::try_from(len).unwrap_or(size).min(size - start);
        give(&mut c, Source::Buffer(h, start, end), end - start)
    })?;
    l.func_wrap(MODULE, "begin-read-all", |mut c: Guest<'_>, h: u32| -> Trapped<u32> {
        let size = c.data().buffer_bytes(h)?.len();
        give(&mut c, Source::Buffer(h, 0, size), size)
    })?;
    l.func_wrap(MODULE, "begin-trace-id", |mut c: Guest<'_>, h: u32| -> Trapped<u32> {
        let len = c.data().flow(h)?.trace_id().len();
        give(&mut c, Source::TraceId, len)
    })?;
    l.func_wrap(MODULE, "begin-span-id", |mut c: Guest<'_>, h: u32| -> Trapped<u32> {
        let len = c.data().flow(h)?.span_id().len();
        give(&mut c, Source::SpanId, len)
    })?;
    l.func_wrap(MODULE, "begin-flow-id", |mut c: Guest<'_>, h: u32| -> Trapped<u32> {
        let len = c.data().flow(h)?.flow_id().len();
        give(&mut c, Source::FlowId, len)
    })?;
    l.func_wrap(MODULE, "deadline-ns", |mut c: Guest<'_>, h: u32| -> Trapped<u64> {
        let host = c.data_mut();
        host.flow(h)?;
        Ok(host.deadline_left())
    })?;
    l.func_wrap(MODULE, "finish", |mut c: Guest<'_>, at: u32, ret: u32| -> Trapped<()> {
        let (memory, host) = both(&mut c)?;
        let len = copy_source(memory, host, at)?;
        Ok(store_pair(memory, ret, at, len)?)
    })?;
    l.func_wrap(MODULE, "finish-payload", |mut c: Guest<'_>, at: u32, ret: u32| -> Trapped<()> {
        let size = c.data().loan.payload().len();
        charge(&mut c, size)?;
        let (memory, host) = both(&mut c)?;
        let payload = host.loan.payload();
        host.control.counters.bytes_in.add(payload.len() as u64);
        canon::slice_mut(memory, at, payload.len() as u32).map_err(|_| Breach::Realloc)?.copy_from_slice(payload);
        Ok(store_pair(memory, ret, at, payload.len() as u32)?)
    })?;
    l.func_wrap(MODULE, "allocate", |mut c: Guest<'_>, hint: u64, ret: u32| -> Trapped<i32> {
        let (memory, host) = both(&mut c)?;
        let result = host.handles.allocate(hint);
        Ok(allocated(memory, host, ret, result)?)
    })?;
    l.func_wrap(MODULE, "clone-into-mutable", |mut c: Guest<'_>, source: u32, ret: u32| -> Trapped<i32> {
        let (memory, host) = both(&mut c)?;
        let result = host.clone_into_mutable(source)?;
        let refused = allocated(memory, host, ret, result.map(|(new, _)| new))?;
        charge(&mut c, result.map_or(0, |(_, copied)| copied))?;
        Ok(refused)
    })?;
    l.func_wrap(MODULE, "refuse", |mut c: Guest<'_>, at: u32, ret: u32| -> Trapped<()> {
        let (memory, host) = both(&mut c)?;
        let len = copy_source(memory, host, at)?;
        // Behind the two discriminants that `store_result` stored.
        Ok(store_pair(memory, ret.wrapping_add(8), at, len)?)
    })?;
    l.func_wrap(MODULE, "append", |mut c: Guest<'_>, h: u32, at: u32, len: u32, ret: u32| -> Trapped<()> {
        take(&mut c, (at, len, ret), |host, bytes| host.handles.append(h, bytes))
    })?;
    l.func_wrap(
        MODULE,
        "write",
        |mut c: Guest<'_>, h: u32, offset: u64, at: u32, len: u32, ret: u32| -> Trapped<()> {
            take(&mut c, (at, len, ret), |host, bytes| host.handles.write(h, offset, bytes))
        },
    )?;
    l.func_wrap(MODULE, "mutable-size", |mut c: Guest<'_>, h: u32| -> Trapped<u64> {
        Ok(c.data_mut().handles.mutable_size(h)?)
    })?;
    l.func_wrap(MODULE, "mutable-capacity", |mut c: Guest<'_>, h: u32| -> Trapped<u64> {
        Ok(c.data_mut().handles.mutable_capacity(h)?)
    })?;
    l.func_wrap(MODULE, "set-content-type", |mut c: Guest<'_>, h: u32, at: u32, len: u32| -> Trapped<()> {
        let (memory, host) = both(&mut c)?;
        host.handles.set_content_type(h, canon::slice(memory, at, len)?, &host.loan)?;
        charge(&mut c, len as usize)
    })?;
    l.func_wrap(MODULE, "freeze", |mut c: Guest<'_>, h: u32| -> Trapped<u32> { Ok(c.data_mut().handles.freeze(h)?) })?;
    l.func_wrap(MODULE, "has-capability", |mut c: Guest<'_>, at: u32, len: u32| -> Trapped<u32> {
        let (memory, host) = both(&mut c)?;
        let has = host.has_capability(canon::slice(memory, at, len)?)?;
        charge(&mut c, len as usize)?;
        Ok(u32::from(has))
    })?;
    for resource in [Resource::Buffer, Resource::MutableBuffer, Resource::FlowContext] {
        l.func_wrap(MODULE, drop_function(resource), move |mut c: Guest<'_>, h: u32| -> Trapped<()> {
            Ok(c.data_mut().handles.drop_handle(h, resource)?)
        })?;
    }
    super::wasi::define(l)?;
    // What the entries of the glue call around the guest's function.
    l.func_wrap(MODULE, "parameter", |mut c: Guest<'_>, at: u32| -> Trapped<()> {
        let (memory, host) = both(&mut c)?;
        copy_source(memory, host, at)?;
        Ok(())
    })?;
    l.func_wrap(MODULE, "lift", |mut c: Guest<'_>, at: u32, lent: u32, gone: u32| -> Trapped<()> {
        let (memory, host) = both(&mut c)?;
        let copied = canon::lift(memory, host, at, lent, gone)?;
        charge(&mut c, copied)
    })?;
    l.func_wrap(MODULE, "unknown-handle", |_: Guest<'_>, h: u32| -> Trapped<()> {
        Err(Breach::UnknownHandle(h).into())
    })?;
    l.func_wrap(MODULE, "bad-pointer", |_: Guest<'_>, at: u32| -> Trapped<()> {
        Err(if at.is_multiple_of(4) { Breach::OutOfBounds } else { Breach::Unaligned }.into())
    })?;
    l.func_wrap(MODULE, "cannot-leave", |_: Guest<'_>| -> Trapped<()> { Err(Breach::CannotLeave.into()) })?;
    Ok(linker)
}
