//! The contract's host side for Wasmtime's component linker, defined once per engine under the
//! contract's version (compatible ones are found by Wasmtime) and without one.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmList, WasmStr};

use super::types::{Buffer, BufferError, FlowContext, MutableBuffer};
use crate::contract::host::{Handles, Host, Resource as Kind};
use crate::contract::names::VERSION;
use crate::direct::shapes::{ALLOCATOR, CAPABILITIES, TYPES};

type Cx<'a> = StoreContextMut<'a, Host>;
type Trapped<T> = wasmtime::Result<T>;
type Done = (Result<(), BufferError>,);
type New = (Result<Resource<MutableBuffer>, BufferError>,);

/// A result that Wasmtime copies into the guest as the host function returns, so that no copy has to
/// be made for it before.
#[allow(unsafe_code)] // a host function's result has no lifetime that could say this
fn lent<T: ?Sized>(result: &T) -> &'static T {
    // SAFETY: `result` lies in what the call lends, or in a buffer of the guest's. Both stay as they
    // are until the copy is made: only the guest's realloc runs before that, from which no import
    // can be called. Wasmtime keeps the reference no longer.
    unsafe { &*std::ptr::from_ref(result) }
}

/// Works on the table while Wasmtime lends the guest's bytes by way of the store, which has the
/// table in it otherwise.
fn beside<R>(cx: &mut Cx<'_>, work: impl FnOnce(&mut Handles, &Cx<'_>) -> R) -> R {
    let mut handles = std::mem::take(&mut cx.data_mut().handles);
    let result = work(&mut handles, cx);
    cx.data_mut().handles = handles;
    result
}

/// Answers with what became of `len` bytes that the guest gave.
fn taken(cx: &Cx<'_>, len: usize, result: Result<(), crate::contract::host::BufferError>) -> Trapped<Done> {
    if result.is_ok() {
        cx.data().control.counters.bytes_out.add(len as u64);
    }
    Ok((result.map_err(Into::into),))
}

/// All host functions of the general path.
pub fn linker(engine: &wasmtime::Engine) -> Trapped<Linker<Host>> {
    let mut linker = Linker::new(engine);
    for version in [format!("@{VERSION}"), String::new()] {
        types(&mut linker.instance(&format!("{TYPES}{version}"))?)?;
        allocator(&mut linker.instance(&format!("{ALLOCATOR}{version}"))?)?;
        linker.instance(&format!("{CAPABILITIES}{version}"))?.func_wrap(
            "has-capability",
            |cx: Cx<'_>, (name,): (WasmStr,)| -> Trapped<(bool,)> {
                let name = name.to_str(&cx)?;
                Ok((cx.data().has_capability(&name),))
            },
        )?;
    }
    Ok(linker)
}

fn types(l: &mut LinkerInstance<'_, Host>) -> Trapped<()> {
    l.resource("buffer", ResourceType::host::<Buffer>(), |mut cx, rep| {
        Ok(cx.data_mut().handles.drop_handle(rep, Kind::Buffer)?)
    })?;
    l.resource("mutable-buffer", ResourceType::host::<MutableBuffer>(), |mut cx, rep| {
        Ok(cx.data_mut().handles.drop_handle(rep, Kind::MutableBuffer)?)
    })?;
    // Only ever lent.
    l.resource("flow-context", ResourceType::host::<FlowContext>(), |_, _| Ok(()))?;

    l.func_wrap("[method]buffer.size", |cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(u64,)> {
        Ok((cx.data().buffer_bytes(h.rep())?.len() as u64,))
    })?;
    l.func_wrap("[method]buffer.content-type", |cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(&'static str,)> {
        Ok((lent(cx.data().buffer_type(h.rep())?),))
    })?;
    l.func_wrap(
        "[method]buffer.read",
        |cx: Cx<'_>, (h, offset, len): (Resource<Buffer>, u64, u64)| -> Trapped<(&'static [u8],)> {
            let bytes = cx.data().buffer_bytes(h.rep())?;
            let size = bytes.len();
            let start = usize::try_from(offset).unwrap_or(size).min(size);
            let end = start + usize::try_from(len).unwrap_or(size).min(size - start);
            cx.data().control.counters.bytes_in.add((end - start) as u64);
            Ok((lent(&bytes[start..end]),))
        },
    )?;
    l.func_wrap("[method]buffer.read-all", |cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(&'static [u8],)> {
        let bytes = cx.data().buffer_bytes(h.rep())?;
        cx.data().control.counters.bytes_in.add(bytes.len() as u64);
        Ok((lent(bytes),))
    })?;

    l.func_wrap(
        "[method]mutable-buffer.write",
        |mut cx: Cx<'_>, (h, offset, bytes): (Resource<MutableBuffer>, u64, WasmList<u8>)| -> Trapped<Done> {
            let result = beside(&mut cx, |handles, cx| handles.write(h.rep(), offset, bytes.as_le_slice(cx)))?;
            taken(&cx, bytes.len(), result)
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.append",
        |mut cx: Cx<'_>, (h, bytes): (Resource<MutableBuffer>, WasmList<u8>)| -> Trapped<Done> {
            let result = beside(&mut cx, |handles, cx| handles.append(h.rep(), bytes.as_le_slice(cx)))?;
            taken(&cx, bytes.len(), result)
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.size",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(u64,)> {
            Ok((cx.data_mut().handles.mutable_size(h.rep())?,))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.capacity",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(u64,)> {
            Ok((cx.data_mut().handles.mutable_capacity(h.rep())?,))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.set-content-type",
        |mut cx: Cx<'_>, (h, text): (Resource<MutableBuffer>, WasmStr)| -> Trapped<()> {
            beside(&mut cx, |handles, cx| Ok(handles.set_content_type(h.rep(), &text.to_str(cx)?, &cx.data().loan)?))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.freeze",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(Resource<Buffer>,)> {
            Ok((Resource::new_own(cx.data_mut().handles.freeze(h.rep())?),))
        },
    )?;

    l.func_wrap(
        "[method]flow-context.trace-id",
        |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(&'static str,)> {
            Ok((lent(cx.data().flow(h.rep())?.trace_id()),))
        },
    )?;
    l.func_wrap(
        "[method]flow-context.span-id",
        |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(&'static str,)> {
            Ok((lent(cx.data().flow(h.rep())?.span_id()),))
        },
    )?;
    l.func_wrap(
        "[method]flow-context.flow-id",
        |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(&'static str,)> {
            Ok((lent(cx.data().flow(h.rep())?.flow_id()),))
        },
    )?;
    l.func_wrap(
        "[method]flow-context.deadline-ns",
        |mut cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(u64,)> {
            cx.data().flow(h.rep())?;
            Ok((cx.data_mut().deadline_left(),))
        },
    )
}

fn allocator(l: &mut LinkerInstance<'_, Host>) -> Trapped<()> {
    l.func_wrap("allocate", |mut cx: Cx<'_>, (hint,): (u64,)| -> Trapped<New> {
        Ok((cx.data_mut().handles.allocate(hint).map(Resource::new_own).map_err(Into::into),))
    })?;
    l.func_wrap("clone-into-mutable", |mut cx: Cx<'_>, (source,): (Resource<Buffer>,)| -> Trapped<New> {
        Ok((cx.data_mut().clone_into_mutable(source.rep())?.map(Resource::new_own).map_err(Into::into),))
    })
}
