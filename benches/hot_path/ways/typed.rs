//! Wasmtime from Rust with `TypedFunc`, as well as it can be used: typed functions resolved once,
//! resources as numbers of a slab, no copy and no allocation that its API does not ask for. No
//! deadline and no limits, which libtorvyn has.

use std::sync::Arc;

use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, TypedFunc, WasmList, WasmStr,
};
use wasmtime::{Engine, Store, StoreContextMut};

use super::slab::{CONTEXT, PAYLOAD, Slab};
use super::{Key, Result, Way};
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

pub enum Buffer {}
pub enum MutableBuffer {}
pub enum FlowContext {}

#[derive(ComponentType, Lower)]
#[component(record)]
struct MetaIn {
    sequence: u64,
    #[component(name = "timestamp-ns")]
    timestamp_ns: u64,
    #[component(name = "content-type")]
    content_type: &'static str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct ElementIn {
    meta: MetaIn,
    payload: Resource<Buffer>,
    context: Resource<FlowContext>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct MetaOut {
    #[allow(dead_code)] // the host's own is used
    sequence: u64,
    #[allow(dead_code)] // as above
    #[component(name = "timestamp-ns")]
    timestamp_ns: u64,
    #[component(name = "content-type")]
    content_type: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct ElementOut {
    meta: MetaOut,
    payload: Resource<Buffer>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum ProcessOut {
    #[component(name = "emit")]
    Emit(ElementOut),
    #[component(name = "drop")]
    Drop,
}

#[derive(ComponentType, Lift, Debug)]
#[component(variant)]
#[allow(dead_code)] // read by Debug
enum ErrorOut {
    #[component(name = "invalid-input")]
    InvalidInput(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "internal")]
    Internal(String),
    #[component(name = "deadline-exceeded")]
    DeadlineExceeded,
    #[component(name = "fatal")]
    Fatal(String),
}

#[derive(ComponentType, Lift, PartialEq)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // `Pause`
enum Signal {
    #[component(name = "ready")]
    Ready,
    #[component(name = "pause")]
    Pause,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code)] // nothing is refused here
enum BufferError {
    #[component(name = "capacity-exceeded")]
    CapacityExceeded,
    #[component(name = "out-of-bounds")]
    OutOfBounds,
    #[component(name = "allocation-failed")]
    AllocationFailed(&'static str),
}

type Cx<'a> = StoreContextMut<'a, Slab>;
type Trapped<T> = wasmtime::Result<T>;
type Done = (std::result::Result<(), BufferError>,);

fn types(l: &mut LinkerInstance<'_, Slab>) -> Trapped<()> {
    l.resource("buffer", ResourceType::host::<Buffer>(), |mut cx, rep| {
        cx.data_mut().give(rep);
        Ok(())
    })?;
    l.resource("mutable-buffer", ResourceType::host::<MutableBuffer>(), |mut cx, rep| {
        cx.data_mut().drop_mutable(rep);
        Ok(())
    })?;
    l.resource("flow-context", ResourceType::host::<FlowContext>(), |_, _| Ok(()))?;
    // Only the payload is read here, so nothing is copied before Wasmtime copies it.
    l.func_wrap("[method]buffer.read-all", |cx: Cx<'_>, (h,): (Resource<Buffer>,)| -> Trapped<(Arc<[u8]>,)> {
        assert_eq!(h.rep(), PAYLOAD);
        Ok((cx.data().payload.clone(),))
    })?;
    l.func_wrap(
        "[method]buffer.read",
        |cx: Cx<'_>, (h, offset, len): (Resource<Buffer>, u64, u64)| -> Trapped<(Vec<u8>,)> {
            Ok((cx.data().range(h.rep(), offset, len).to_vec(),))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.append",
        |mut cx: Cx<'_>, (h, bytes): (Resource<MutableBuffer>, WasmList<u8>)| -> Trapped<Done> {
            // Taken out of the store, which lends the guest's bytes meanwhile.
            let mut to = std::mem::take(cx.data_mut().bytes_mut(h.rep()));
            to.extend_from_slice(bytes.as_le_slice(&cx));
            *cx.data_mut().bytes_mut(h.rep()) = to;
            Ok((Ok(()),))
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.set-content-type",
        |cx: Cx<'_>, (_, text): (Resource<MutableBuffer>, WasmStr)| -> Trapped<()> {
            assert_eq!(text.to_str(&cx)?, CONTENT_TYPE);
            Ok(())
        },
    )?;
    l.func_wrap(
        "[method]mutable-buffer.freeze",
        |mut cx: Cx<'_>, (h,): (Resource<MutableBuffer>,)| -> Trapped<(Resource<Buffer>,)> {
            cx.data_mut().freeze(h.rep());
            Ok((Resource::new_own(h.rep()),))
        },
    )
}

fn allocator(l: &mut LinkerInstance<'_, Slab>) -> Trapped<()> {
    type New = (std::result::Result<Resource<MutableBuffer>, BufferError>,);
    l.func_wrap("allocate", |mut cx: Cx<'_>, (_,): (u64,)| -> Trapped<New> {
        Ok((Ok(Resource::new_own(cx.data_mut().take())),))
    })
}

/// The contract's host side, for `dynamic.rs` too.
pub fn linker(engine: &Engine) -> Trapped<Linker<Slab>> {
    let mut linker = Linker::new(engine);
    types(&mut linker.instance("torvyn:streaming/types@0.1.0")?)?;
    allocator(&mut linker.instance("torvyn:streaming/buffer-allocator@0.1.0")?)?;
    Ok(linker)
}

type Answer<T> = (std::result::Result<T, ErrorOut>,);

enum Function {
    Process(TypedFunc<(ElementIn,), Answer<ProcessOut>>),
    Pull(TypedFunc<(), Answer<Option<ElementOut>>>),
    Push(TypedFunc<(ElementIn,), Answer<Signal>>),
    Evaluate(TypedFunc<(ElementIn,), Answer<bool>>),
}

struct Typed {
    store: Store<Slab>,
    function: Function,
    work: Work,
}

pub fn make(task: &Task, count: usize) -> Result<Vec<Box<dyn Way>>> {
    let engine = Engine::default();
    let component = Component::new(&engine, task.work.guest())?;
    let pre = linker(&engine)?.instantiate_pre(&component)?;
    let (interface, name) = task.work.export();
    let index = component.get_export_index(None, interface).ok_or("no such interface")?;
    let index = component.get_export_index(Some(&index), name).ok_or("no such function")?;
    let one = |_| -> Result<Box<dyn Way>> {
        let mut store = Store::new(&engine, Slab::new(task.payload.clone()));
        let instance = pre.instantiate(&mut store)?;
        let function = match task.work {
            Work::Metadata | Work::Transform | Work::UpperCase => {
                Function::Process(instance.get_typed_func(&mut store, index)?)
            }
            Work::Pull => Function::Pull(instance.get_typed_func(&mut store, index)?),
            Work::Push => Function::Push(instance.get_typed_func(&mut store, index)?),
            Work::Evaluate => Function::Evaluate(instance.get_typed_func(&mut store, index)?),
        };
        Ok(Box::new(Typed { store, function, work: task.work }))
    };
    (0..count).map(one).collect()
}

#[inline(always)]
fn element(work: Work, i: u64) -> (ElementIn,) {
    let meta = MetaIn { sequence: work.sequence(i), timestamp_ns: 1, content_type: CONTENT_TYPE };
    (ElementIn { meta, payload: Resource::new_borrow(PAYLOAD), context: Resource::new_borrow(CONTEXT) },)
}

#[inline(always)]
fn emitted(store: &mut Store<Slab>, element: ElementOut) -> u64 {
    assert_eq!(element.meta.content_type, CONTENT_TYPE);
    let rep = element.payload.rep();
    let mark = seen(store.data().bytes(rep));
    store.data_mut().give(rep);
    mark
}

impl Way for Typed {
    fn key(&self) -> Key {
        Key::Typed
    }

    fn run(&mut self, n: u64) -> u64 {
        let (store, work) = (&mut self.store, self.work);
        match &self.function {
            Function::Process(f) => {
                sum(n, |i| match f.call(&mut *store, element(work, i)).expect("no trap").0.expect("no error") {
                    ProcessOut::Emit(element) => emitted(store, element),
                    ProcessOut::Drop => DROPPED,
                })
            }
            Function::Pull(f) => sum(n, |_| {
                let element = f.call(&mut *store, ()).expect("no trap").0.expect("no error");
                emitted(store, element.expect("an element"))
            }),
            Function::Push(f) => sum(n, |i| {
                let signal = f.call(&mut *store, element(work, i)).expect("no trap").0.expect("no error");
                assert!(signal == Signal::Ready);
                READY
            }),
            Function::Evaluate(f) => sum(n, |i| {
                let passes = f.call(&mut *store, element(work, i)).expect("no trap").0.expect("no error");
                if passes { TRUE } else { FALSE }
            }),
        }
    }
}
