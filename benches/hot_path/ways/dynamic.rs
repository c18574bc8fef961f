//! Wasmtime from Rust with dynamic `Val`: what a host does that learns the guest's types at run
//! time. The handles that it lends are made once, and its own functions stay typed, which spares it
//! the lists of bytes (`capi.rs` has those).

use wasmtime::component::{Component, Func, Resource, ResourceAny, Val};
use wasmtime::{Engine, Store};

use super::slab::{CONTEXT, PAYLOAD, Slab};
use super::typed::{Buffer, FlowContext, linker};
use super::{Key, Result, Way};
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

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
    let mut store = Store::new(&engine, Slab::new(task.payload.clone()));
    let instance = linker(&engine)?.instantiate(&mut store, &component)?;
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
            Work::Metadata | Work::Transform | Work::UpperCase => sum(n, |i| match self.call(&self.element(i)) {
                Val::Variant(case, Some(element)) if case == "emit" => self.emitted(&element),
                Val::Variant(case, None) if case == "drop" => DROPPED,
                other => panic!("not a result: {other:?}"),
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
