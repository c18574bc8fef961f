//! The contract's host side for Wasmtime's component linker, defined once per engine under the
//! contract's version (compatible ones are found by Wasmtime) and without one.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmList, WasmStr};

use super::types::{Buffer, BufferError, FlowContext, MutableBuffer};
use crate::contract::host::{Host, Resource as Kind};
use crate::contract::names::VERSION;
use crate::direct::shapes::{ALLOCATOR, CAPABILITIES, TYPES};

type Cx<'a> = StoreContextMut<'a, Host>;
type Trapped<T> = wasmtime::Result<T>;
type Done = (Result<(), BufferError>,);
type New = (Result<Resource<MutableBuffer>, BufferError>,);

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
    l.func_wrap("[method]buffer.content-type", |cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(String,)> {
        Ok((cx.data().buffer_type(h.rep())?.to_owned(),))
    })?;
    l.func_wrap(
        "[method]buffer.read",
        |cx: Cx<'_>, (h, offset, len): (Resource<Buffer>, u64, u64)| -> Trapped<(Vec<u8>,)> {
            let bytes = cx.data().buffer_bytes(h.rep())?;
            let size = bytes.len();
            let start = usize::try_from(offset).unwrap_or(size).min(size);
            let end = start + usize::try_from(len).unwrap_or(size).min(size - start);
            cx.data().control.counters.bytes_in.add((end - start) as u64);
            Ok((bytes[start..end].to_vec(),))
        },
    )?;
    l.func_wrap("[method]buffer.read-all", |cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(Vec<u8>,)> {
        let bytes = cx.data().buffer_bytes(h.rep())?;
        cx.data().control.counters.bytes_in.add(bytes.len() as u64);
        Ok((bytes.to_vec(),))
    })?;

    // The guest's bytes are copied out before the table is borrowed: Wasmtime lends them by way of
    // the store, which holds the table too.
    l.func_wrap(
        "[method]mutable-buffer.write",
        |mut cx: Cx<'_>, (h, offset, bytes): (Resource<MutableBuffer>, u64, WasmList<u8>)| -> Trapped<Done> {
            let bytes = bytes.as_le_slice(&cx).to_vec();
            let host = cx.data_mut();
            let result = host.handles.write(h.rep(), offset, &bytes)?;
            if result.is_ok() {
                host.control.counters.bytes_out.add(bytes.len() as u64);
            }
            Ok((result.map_err(Into::into),))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.append",
        |mut cx: Cx<'_>, (h, bytes): (Resource<MutableBuffer>, WasmList<u8>)| -> Trapped<Done> {
            let bytes = bytes.as_le_slice(&cx).to_vec();
            let host = cx.data_mut();
            let result = host.handles.append(h.rep(), &bytes)?;
            if result.is_ok() {
                host.control.counters.bytes_out.add(bytes.len() as u64);
            }
            Ok((result.map_err(Into::into),))
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
        |mut cx: Cx<'_>, (h, text): (Resource<MutableBuffer>, String)| -> Trapped<()> {
            Ok(cx.data_mut().handles.set_content_type(h.rep(), &text)?)
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.freeze",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(Resource<Buffer>,)> {
            Ok((Resource::new_own(cx.data_mut().handles.freeze(h.rep())?),))
        },
    )?;

    l.func_wrap("[method]flow-context.trace-id", |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(String,)> {
        Ok((cx.data().flow(h.rep())?.trace_id().to_owned(),))
    })?;
    l.func_wrap("[method]flow-context.span-id", |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(String,)> {
        Ok((cx.data().flow(h.rep())?.span_id().to_owned(),))
    })?;
    l.func_wrap("[method]flow-context.flow-id", |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(String,)> {
        Ok((cx.data().flow(h.rep())?.flow_id().to_owned(),))
    })?;
    l.func_wrap("[method]flow-context.deadline-ns", |cx: Cx<'_>, (h,): (Resource<FlowContext>,)| -> Trapped<(u64,)> {
        cx.data().flow(h.rep())?;
        Ok((cx.data().deadline_left(),))
    })
}

fn allocator(l: &mut LinkerInstance<'_, Host>) -> Trapped<()> {
    l.func_wrap("allocate", |mut cx: Cx<'_>, (hint,): (u64,)| -> Trapped<New> {
        Ok((cx.data_mut().handles.allocate(hint).map(Resource::new_own).map_err(Into::into),))
    })?;
    l.func_wrap("clone-into-mutable", |mut cx: Cx<'_>, (source,): (Resource<Buffer>,)| -> Trapped<New> {
        Ok((cx.data_mut().clone_into_mutable(source.rep())?.map(Resource::new_own).map_err(Into::into),))
    })
}
