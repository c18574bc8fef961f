//! The floor: the guest's core module alone, called through Wasmtime's core API, with host
//! functions that make the same copies and the same nested calls of the guest's realloc. Handles
//! are numbers of a slab that nobody checks, no borrow is tracked, nothing bounds a call: a
//! measure, not a product.

use wasmtime::{Caller, Config, Engine, Linker, Memory, Module, Store, TypedFunc};

use super::slab::{CONTEXT, PAYLOAD, Slab};
use super::{Key, Result, Way};
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;
type Element = (u64, u64, u32, u32, u32, u32);
type Cx<'a> = Caller<'a, Host>;
type Trapped<T> = wasmtime::Result<T>;

struct Host {
    slab: Slab,
    memory: Option<Memory>,
    realloc: Option<Realloc>,
}

/// The guest's memory and the slab.
#[inline(always)]
fn parts<'a>(cx: &'a mut Cx<'_>) -> (&'a mut [u8], &'a mut Slab) {
    let memory = cx.data().memory.expect("set at instantiation");
    let (memory, host) = memory.data_and_store_mut(cx);
    (memory, &mut host.slab)
}

fn at(memory: &[u8], ptr: u32, len: u32) -> Trapped<&[u8]> {
    let bytes = memory.get(ptr as usize..).and_then(|from| from.get(..len as usize));
    bytes.ok_or_else(|| wasmtime::Error::msg("out of bounds"))
}

fn at_mut(memory: &mut [u8], ptr: u32, len: usize) -> Trapped<&mut [u8]> {
    let bytes = memory.get_mut(ptr as usize..).and_then(|from| from.get_mut(..len));
    bytes.ok_or_else(|| wasmtime::Error::msg("out of bounds"))
}

/// Lowers a list: the guest's realloc, the copy, pointer and length at `ret`.
fn lower(cx: &mut Cx<'_>, rep: u32, offset: u64, len: u64, ret: u32) -> Trapped<()> {
    let len = cx.data().slab.range(rep, offset, len).len();
    // Taken out rather than cloned, which would count references.
    let realloc = cx.data_mut().realloc.take().expect("set at instantiation");
    let ptr = realloc.call(&mut *cx, (0, 0, 1, len as u32))?;
    cx.data_mut().realloc = Some(realloc);
    let (memory, slab) = parts(cx);
    at_mut(memory, ptr, len)?.copy_from_slice(slab.range(rep, offset, len as u64));
    let ret = at_mut(memory, ret, 8)?;
    ret[..4].copy_from_slice(&ptr.to_le_bytes());
    ret[4..].copy_from_slice(&(len as u32).to_le_bytes());
    Ok(())
}

fn linker(engine: &Engine) -> Trapped<Linker<Host>> {
    const TYPES: &str = "torvyn:streaming/types@0.1.0";
    let mut l = Linker::new(engine);
    l.func_wrap(TYPES, "[method]buffer.read-all", |mut cx: Cx<'_>, rep: u32, ret: u32| {
        lower(&mut cx, rep, 0, u64::MAX, ret)
    })?;
    l.func_wrap(TYPES, "[method]buffer.read", |mut cx: Cx<'_>, rep: u32, offset: u64, len: u64, ret: u32| {
        lower(&mut cx, rep, offset, len, ret)
    })?;
    l.func_wrap(TYPES, "[method]mutable-buffer.append", |mut cx: Cx<'_>, rep: u32, ptr: u32, len: u32, ret: u32| {
        let (memory, slab) = parts(&mut cx);
        slab.bytes_mut(rep).extend_from_slice(at(memory, ptr, len)?);
        at_mut(memory, ret, 1)?[0] = 0;
        Trapped::Ok(())
    })?;
    l.func_wrap(TYPES, "[method]mutable-buffer.set-content-type", |mut cx: Cx<'_>, _: u32, ptr: u32, len: u32| {
        assert_eq!(at(parts(&mut cx).0, ptr, len)?, CONTENT_TYPE.as_bytes());
        Trapped::Ok(())
    })?;
    l.func_wrap(TYPES, "[method]mutable-buffer.freeze", |mut cx: Cx<'_>, rep: u32| {
        cx.data_mut().slab.freeze(rep);
        rep
    })?;
    l.func_wrap(TYPES, "[resource-drop]mutable-buffer", |mut cx: Cx<'_>, rep: u32| {
        cx.data_mut().slab.drop_mutable(rep);
    })?;
    l.func_wrap(TYPES, "[resource-drop]buffer", |_: Cx<'_>, rep: u32| assert_eq!(rep, PAYLOAD))?;
    l.func_wrap(TYPES, "[resource-drop]flow-context", |_: Cx<'_>, rep: u32| assert_eq!(rep, CONTEXT))?;
    l.func_wrap("torvyn:streaming/buffer-allocator@0.1.0", "allocate", |mut cx: Cx<'_>, _: u64, ret: u32| {
        let (memory, slab) = parts(&mut cx);
        let ret = at_mut(memory, ret, 8)?;
        ret[0] = 0;
        ret[4..].copy_from_slice(&slab.take().to_le_bytes());
        Trapped::Ok(())
    })?;
    Ok(l)
}

/// The first core module in a component: the program that its toolchain compiled.
fn core_module(component: &[u8]) -> Result<&[u8]> {
    const CORE_MODULE: u8 = 1;
    let mut rest = &component[8..];
    while let [id, after @ ..] = rest {
        let (mut len, mut shift, mut used) = (0usize, 0, 0);
        for byte in after {
            len |= usize::from(byte & 0x7f) << shift;
            (shift, used) = (shift + 7, used + 1);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (section, next) = after[used..].split_at(len);
        if *id == CORE_MODULE {
            return Ok(section);
        }
        rest = next;
    }
    Err("no core module".into())
}

enum Function {
    Process(TypedFunc<Element, u32>),
    Pull(TypedFunc<(), u32>),
}

struct Bare {
    store: Store<Host>,
    memory: Memory,
    realloc: Realloc,
    function: Function,
    post_return: Option<TypedFunc<u32, ()>>,
    work: Work,
}

pub fn make(task: &Task) -> Result<Vec<Box<dyn Way>>> {
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(&engine, core_module(task.work.guest())?)?;
    let host = Host { slab: Slab::new(task.payload.clone()), memory: None, realloc: None };
    let mut store = Store::new(&engine, host);
    let instance = linker(&engine)?.instantiate(&mut store, &module)?;
    if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
        initialize.call(&mut store, ())?;
    }
    let memory = instance.get_memory(&mut store, "memory").ok_or("no memory")?;
    let realloc: Realloc = instance.get_typed_func(&mut store, "cabi_realloc")?;
    (store.data_mut().memory, store.data_mut().realloc) = (Some(memory), Some(realloc.clone()));
    let (interface, name) = task.work.export();
    let name = format!("{interface}#{name}");
    let function = match task.work {
        Work::Pull => Function::Pull(instance.get_typed_func(&mut store, &name)?),
        _ => Function::Process(instance.get_typed_func(&mut store, &name)?),
    };
    let post_return = instance.get_typed_func(&mut store, &format!("cabi_post_{name}")).ok();
    Ok(vec![Box::new(Bare { store, memory, realloc, function, post_return, work: task.work })])
}

impl Bare {
    /// Calls the function on the `i`-th element, has `lift` read the result at the place that it
    /// gives, and lets the guest free that.
    #[inline(always)]
    fn call(&mut self, i: u64, lift: impl FnOnce(&[u8], &mut Slab, usize) -> Trapped<u64>) -> Trapped<u64> {
        let store = &mut self.store;
        let ret = match &self.function {
            Function::Pull(f) => f.call(&mut *store, ())?,
            Function::Process(f) => {
                let len = CONTENT_TYPE.len();
                let ptr = self.realloc.call(&mut *store, (0, 0, 1, len as u32))?;
                at_mut(self.memory.data_mut(&mut *store), ptr, len)?.copy_from_slice(CONTENT_TYPE.as_bytes());
                f.call(&mut *store, (self.work.sequence(i), 1, ptr, len as u32, PAYLOAD, CONTEXT))?
            }
        };
        let (memory, host) = self.memory.data_and_store_mut(&mut *store);
        assert_eq!(memory[ret as usize], 0, "an error");
        let mark = lift(memory, &mut host.slab, ret as usize)?;
        if let Some(post_return) = &self.post_return {
            post_return.call(&mut *store, ret)?;
        }
        Ok(mark)
    }
}

/// Lifts an output element at `ret`: its content type, then its payload.
#[inline(always)]
fn emitted(memory: &[u8], slab: &mut Slab, ret: usize) -> Trapped<u64> {
    let word = |offset: usize| u32::from_le_bytes(memory[ret + offset..][..4].try_into().expect("four bytes"));
    assert_eq!(std::str::from_utf8(at(memory, word(32), word(36))?)?, CONTENT_TYPE);
    let rep = word(40);
    let mark = seen(slab.bytes(rep));
    slab.give(rep);
    Ok(mark)
}

impl Way for Bare {
    fn key(&self) -> Key {
        Key::Bare
    }

    fn run(&mut self, n: u64) -> u64 {
        match self.work {
            Work::Metadata | Work::Transform | Work::UpperCase => sum(n, |i| {
                self.call(i, |m, slab, ret| if m[ret + 8] == 0 { emitted(m, slab, ret) } else { Ok(DROPPED) })
                    .expect("no trap")
            }),
            Work::Pull => sum(n, |i| {
                self.call(i, |m, slab, ret| {
                    assert_eq!(m[ret + 8], 1);
                    emitted(m, slab, ret)
                })
                .expect("no trap")
            }),
            Work::Push => sum(n, |i| {
                self.call(i, |m, _, ret| {
                    assert_eq!(m[ret + 4], 0);
                    Ok(READY)
                })
                .expect("no trap")
            }),
            Work::Evaluate => {
                sum(n, |i| self.call(i, |m, _, ret| Ok(if m[ret + 4] == 1 { TRUE } else { FALSE })).expect("no trap"))
            }
        }
    }
}
