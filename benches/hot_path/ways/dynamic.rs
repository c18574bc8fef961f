//! Wasmtime from Rust with dynamic `Val`: what a host does that learns the types at run time. The
//! handles that it lends are made once.

use wasmtime::component::{
    Component, Func, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val,
};
use wasmtime::{Engine, Store, StoreContextMut};

use super::slab::{CONTEXT, PAYLOAD, Slab};
use super::typed::{Buffer, FlowContext, MutableBuffer};
use super::{Key, Result, Way};
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

type Cx<'a> = StoreContextMut<'a, Slab>;

/// The number behind a handle that the guest passes.
fn rep<T: 'static>(cx: &mut Cx<'_>, val: &Val) -> wasmtime::Result<u32> {
    let Val::Resource(any) = val else { unreachable!("a handle") };
    Ok(any.try_into_resource::<T>(cx)?.rep())
}

/// A handle that the guest will own.
fn own<T: 'static>(cx: &mut Cx<'_>, rep: u32) -> wasmtime::Result<Val> {
    Ok(Val::Resource(Resource::<T>::new_own(rep).try_into_resource_any(cx)?))
}

fn list(bytes: &[u8]) -> Val {
    Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect())
}

fn types(l: &mut LinkerInstance<'_, Slab>) -> wasmtime::Result<()> {
    l.resource("buffer", ResourceType::host::<Buffer>(), |mut cx, rep| {
        cx.data_mut().give(rep);
        Ok(())
    })?;
    l.resource("mutable-buffer", ResourceType::host::<MutableBuffer>(), |mut cx, rep| {
        cx.data_mut().drop_mutable(rep);
        Ok(())
    })?;
    l.resource("flow-context", ResourceType::host::<FlowContext>(), |_, _| Ok(()))?;
    l.func_new("[method]buffer.read-all", |mut cx, _, args, results| {
        let rep = rep::<Buffer>(&mut cx, &args[0])?;
        results[0] = list(cx.data().bytes(rep));
        Ok(())
    })?;
    l.func_new("[method]buffer.read", |mut cx, _, args, results| {
        let rep = rep::<Buffer>(&mut cx, &args[0])?;
        let [_, Val::U64(offset), Val::U64(len)] = args else { unreachable!("two numbers") };
        results[0] = list(cx.data().range(rep, *offset, *len));
        Ok(())
    })?;
    l.func_new("[method]mutable-buffer.append", |mut cx, _, args, results| {
        let rep = rep::<MutableBuffer>(&mut cx, &args[0])?;
        let Val::List(bytes) = &args[1] else { unreachable!("a list") };
        let byte = |val: &Val| if let Val::U8(byte) = val { *byte } else { unreachable!("a byte") };
        cx.data_mut().bytes_mut(rep).extend(bytes.iter().map(byte));
        results[0] = Val::Result(Ok(None));
        Ok(())
    })?;
    l.func_new("[method]mutable-buffer.set-content-type", |mut cx, _, args, _| {
        rep::<MutableBuffer>(&mut cx, &args[0])?;
        let Val::String(text) = &args[1] else { unreachable!("a string") };
        assert_eq!(text, CONTENT_TYPE);
        Ok(())
    })?;
    l.func_new("[method]mutable-buffer.freeze", |mut cx, _, args, results| {
        let rep = rep::<MutableBuffer>(&mut cx, &args[0])?;
        cx.data_mut().freeze(rep);
        results[0] = own::<Buffer>(&mut cx, rep)?;
        Ok(())
    })
}

fn allocator(l: &mut LinkerInstance<'_, Slab>) -> wasmtime::Result<()> {
    l.func_new("allocate", |mut cx, _, _, results| {
        let rep = cx.data_mut().take();
        results[0] = Val::Result(Ok(Some(Box::new(own::<MutableBuffer>(&mut cx, rep)?))));
        Ok(())
    })
}

struct Dynamic {
    store: Store<Slab>,
    function: Func,
    work: Work,
    payload: ResourceAny,
    context: ResourceAny,
}

pub fn make(task: &Task) -> Result<Vec<Box<dyn Way>>> {
    let engine = Engine::default();
    let component = Component::new(&engine, task.work.guest())?;
    let mut linker = Linker::new(&engine);
    types(&mut linker.instance("torvyn:streaming/types@0.1.0")?)?;
    allocator(&mut linker.instance("torvyn:streaming/buffer-allocator@0.1.0")?)?;
    let mut store = Store::new(&engine, Slab::new(task.payload.clone()));
    let instance = linker.instantiate(&mut store, &component)?;
    let (interface, name) = task.work.export();
    let index = instance.get_export_index(&mut store, None, interface).ok_or("no such interface")?;
    let index = instance.get_export_index(&mut store, Some(&index), name).ok_or("no such function")?;
    let function = instance.get_func(&mut store, index).ok_or("no function")?;
    let payload = Resource::<Buffer>::new_own(PAYLOAD).try_into_resource_any(&mut store)?;
    let context = Resource::<FlowContext>::new_own(CONTEXT).try_into_resource_any(&mut store)?;
    Ok(vec![Box::new(Dynamic { store, function, work: task.work, payload, context })])
}

/// A field of a record.
fn field(name: &str, val: Val) -> (String, Val) {
    (name.to_owned(), val)
}

impl Dynamic {
    fn element(&self, i: u64) -> [Val; 1] {
        let meta = Val::Record(vec![
            field("sequence", Val::U64(self.work.sequence(i))),
            field("timestamp-ns", Val::U64(1)),
            field("content-type", Val::String(CONTENT_TYPE.to_owned())),
        ]);
        [Val::Record(vec![
            field("meta", meta),
            field("payload", Val::Resource(self.payload)),
            field("context", Val::Resource(self.context)),
        ])]
    }

    /// Calls the function and takes its result out of `ok`.
    fn call(&mut self, args: &[Val]) -> Val {
        let mut results = [Val::Bool(false)];
        self.function.call(&mut self.store, args, &mut results).expect("no trap");
        let [Val::Result(Ok(Some(val)))] = results else { panic!("no success: {results:?}") };
        *val
    }

    fn emitted(&mut self, element: &Val) -> u64 {
        let Val::Record(fields) = element else { unreachable!("an element") };
        let [(_, Val::Record(meta)), (_, Val::Resource(payload))] = &fields[..] else { unreachable!("its fields") };
        assert!(matches!(&meta[2].1, Val::String(text) if text == CONTENT_TYPE));
        let rep = payload.try_into_resource::<Buffer>(&mut self.store).expect("a buffer").rep();
        let mark = seen(self.store.data().bytes(rep));
        self.store.data_mut().give(rep);
        mark
    }
}

impl Way for Dynamic {
    fn key(&self) -> Key {
        Key::Dynamic
    }

    fn run(&mut self, n: u64) -> u64 {
        match self.work {
            Work::Metadata | Work::Transform | Work::UpperCase => sum(n, |i| {
                match self.call(&self.element(i)) {
                    Val::Variant(case, Some(element)) if case == "emit" => self.emitted(&element),
                    Val::Variant(case, None) if case == "drop" => DROPPED,
                    other => panic!("not a result: {other:?}"),
                }
            }),
            Work::Pull => sum(n, |_| {
                let Val::Option(Some(element)) = self.call(&[]) else { panic!("no element") };
                self.emitted(&element)
            }),
            Work::Push => sum(n, |i| {
                let Val::Enum(signal) = self.call(&self.element(i)) else { panic!("no signal") };
                assert_eq!(signal, "ready");
                READY
            }),
            Work::Evaluate => sum(n, |i| {
                let Val::Bool(passes) = self.call(&self.element(i)) else { panic!("no verdict") };
                if passes { TRUE } else { FALSE }
            }),
        }
    }
}
