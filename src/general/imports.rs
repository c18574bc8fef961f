//! The contract's host side for Wasmtime's component linker, defined once per engine under the
//! contract's version (compatible ones are found by Wasmtime) and without one.
//!
//! Each function looks at the time first: a guest that does nothing but call them is looked after by
//! nobody else. (On the direct path the glue's functions are compiled with such a look.)

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType};

use super::types::{Buffer, BufferError, FlowContext, MutableBuffer};
use super::views::{Bytes, LentBytes, Text, lent};
use crate::contract::host::{Breach, BufferError as Refused, Host, MAX_NAME, Resource as Kind};
use crate::contract::names::VERSION;
use crate::direct::shapes::{ALLOCATOR, CAPABILITIES, TYPES};
use crate::engine::fuel::charge;

type Cx<'a> = StoreContextMut<'a, Host>;
type Trapped<T> = wasmtime::Result<T>;
type Done = (Result<(), BufferError>,);
type New = (Result<Resource<MutableBuffer>, BufferError>,);

/// The host side, where there is time left.
#[inline]
fn timed<'a>(cx: &'a mut Cx<'_>) -> Trapped<&'a mut Host> {
    let host = cx.data_mut();
    host.check_time()?;
    Ok(host)
}

/// Gives a text or bytes, which use fuel.
fn give<T: ?Sized>(cx: &mut Cx<'_>, given: &'static T) -> Trapped<(&'static T,)> {
    charge(&mut *cx, size_of_val(given))?;
    Ok((given,))
}

/// Has `put` take bytes that the guest gives, and counts those that were copied.
fn take(
    mut cx: Cx<'_>,
    bytes: &Bytes,
    put: impl FnOnce(&mut Host, &[u8]) -> Result<Result<(), Refused>, Breach>,
) -> Trapped<Done> {
    timed(&mut cx)?;
    let (result, copied) = bytes.beside(&mut cx, |bytes, host| -> Trapped<_> {
        let result = put(host, bytes)?;
        let copied = if result.is_ok() { bytes.len() } else { 0 };
        host.control.counters.bytes_out.add(copied as u64);
        Ok((result, copied))
    })?;
    charge(&mut cx, copied)?;
    Ok((result.map_err(Into::into),))
}

/// `capability-query.has-capability`.
fn has_capability(mut cx: Cx<'_>, (name,): (Text,)) -> Trapped<(bool,)> {
    timed(&mut cx)?;
    let (has, len) = name.beside(&mut cx, |name, host| -> Trapped<_> {
        let has = match name.as_utf8() {
            Some(name) => host.has_capability(name)?,
            None if name.least() <= MAX_NAME => host.has_capability(&name.utf8(name.len()?)?)?,
            // Nothing is granted that is called so; but it has to be a text.
            None => name.check(|| host.check_time()).map(|()| false)?,
        };
        Ok((has, name.least()))
    })?;
    charge(&mut cx, len)?;
    Ok((has,))
}

/// All host functions of the general path.
pub fn linker(engine: &wasmtime::Engine) -> Trapped<Linker<Host>> {
    let mut linker = Linker::new(engine);
    for version in [format!("@{VERSION}"), String::new()] {
        types(&mut linker.instance(&format!("{TYPES}{version}"))?)?;
        allocator(&mut linker.instance(&format!("{ALLOCATOR}{version}"))?)?;
        linker.instance(&format!("{CAPABILITIES}{version}"))?.func_wrap("has-capability", has_capability)?;
    }
    Ok(linker)
}

fn types(l: &mut LinkerInstance<'_, Host>) -> Trapped<()> {
    l.resource("buffer", ResourceType::host::<Buffer>(), |mut cx, rep| {
        Ok(timed(&mut cx)?.handles.drop_handle(rep, Kind::Buffer)?)
    })?;
    l.resource("mutable-buffer", ResourceType::host::<MutableBuffer>(), |mut cx, rep| {
        Ok(timed(&mut cx)?.handles.drop_handle(rep, Kind::MutableBuffer)?)
    })?;
    // Only ever lent.
    l.resource("flow-context", ResourceType::host::<FlowContext>(), |mut cx, _| timed(&mut cx).map(drop))?;

    l.func_wrap("[method]buffer.size", |mut cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(u64,)> {
        Ok((timed(&mut cx)?.buffer_bytes(h.rep())?.len() as u64,))
    })?;
    l.func_wrap(
        "[method]buffer.content-type",
        |mut cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(&'static str,)> {
            let text = lent(timed(&mut cx)?.buffer_type(h.rep())?);
            give(&mut cx, text)
        },
    )?;
    l.func_wrap(
        "[method]buffer.read",
        |mut cx: Cx<'_>, (h, offset, len): (Resource<Buffer>, u64, u64)| -> Trapped<(LentBytes,)> {
            let host = timed(&mut cx)?;
            let bytes = host.buffer_bytes(h.rep())?;
            let size = bytes.len();
            let start = usize::try_from(offset).unwrap_or(size).min(size);
            let end = start + usize::try_from(len).unwrap_or(size).min(size - start);
            host.control.counters.bytes_in.add((end - start) as u64);
            let bytes = lent(&bytes[start..end]);
            give(&mut cx, bytes).map(|(bytes,)| (LentBytes(bytes),))
        },
    )?;
    l.func_wrap("[method]buffer.read-all", |mut cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(LentBytes,)> {
        let host = timed(&mut cx)?;
        let bytes = lent(host.buffer_bytes(h.rep())?);
        host.control.counters.bytes_in.add(bytes.len() as u64);
        give(&mut cx, bytes).map(|(bytes,)| (LentBytes(bytes),))
    })?;

    l.func_wrap(
        "[method]mutable-buffer.write",
        |cx: Cx<'_>, (h, offset, bytes): (Resource<MutableBuffer>, u64, Bytes)| -> Trapped<Done> {
            take(cx, &bytes, |host, bytes| host.handles.write(h.rep(), offset, bytes))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.append",
        |cx: Cx<'_>, (h, bytes): (Resource<MutableBuffer>, Bytes)| -> Trapped<Done> {
            take(cx, &bytes, |host, bytes| host.handles.append(h.rep(), bytes))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.size",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(u64,)> {
            Ok((timed(&mut cx)?.handles.mutable_size(h.rep())?,))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.capacity",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(u64,)> {
            Ok((timed(&mut cx)?.handles.mutable_capacity(h.rep())?,))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.set-content-type",
        |mut cx: Cx<'_>, (h, text): (Resource<MutableBuffer>, Text)| -> Trapped<()> {
            timed(&mut cx)?;
            let len = text.beside(&mut cx, |text, Host { handles, loan, .. }| -> Trapped<usize> {
                let len = text.allowed(|len| handles.check_content_type(h.rep(), len, loan))?;
                handles.set_content_type(h.rep(), &text.utf8(len)?, loan)?;
                Ok(len)
            })?;
            charge(&mut cx, len)
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.freeze",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(Resource<Buffer>,)> {
            Ok((Resource::new_own(timed(&mut cx)?.handles.freeze(h.rep())?),))
        },
    )?;

    l.func_wrap(
        "[method]flow-context.trace-id",
        |mut cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(&'static str,)> {
            let text = lent(timed(&mut cx)?.flow(h.rep())?.trace_id());
            give(&mut cx, text)
        },
    )?;
    l.func_wrap(
        "[method]flow-context.span-id",
        |mut cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(&'static str,)> {
            let text = lent(timed(&mut cx)?.flow(h.rep())?.span_id());
            give(&mut cx, text)
        },
    )?;
    l.func_wrap(
        "[method]flow-context.flow-id",
        |mut cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(&'static str,)> {
            let text = lent(timed(&mut cx)?.flow(h.rep())?.flow_id());
            give(&mut cx, text)
        },
    )?;
    l.func_wrap(
        "[method]flow-context.deadline-ns",
        |mut cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(u64,)> {
            let host = timed(&mut cx)?;
            host.flow(h.rep())?;
            Ok((host.deadline_left(),))
        },
    )
}

fn allocator(l: &mut LinkerInstance<'_, Host>) -> Trapped<()> {
    l.func_wrap("allocate", |mut cx: Cx<'_>, (hint,): (u64,)| -> Trapped<New> {
        Ok((timed(&mut cx)?.handles.allocate(hint).map(Resource::new_own).map_err(Into::into),))
    })?;
    l.func_wrap("clone-into-mutable", |mut cx: Cx<'_>, (source,): (Resource<Buffer>,)| -> Trapped<New> {
        let new = timed(&mut cx)?.clone_into_mutable(source.rep())?;
        charge(&mut cx, new.map_or(0, |(_, copied)| copied))?;
        Ok((new.map(|(new, _)| Resource::new_own(new)).map_err(Into::into),))
    })
}
