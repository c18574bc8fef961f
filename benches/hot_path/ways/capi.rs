//! Wasmtime's C API, called as a C program would: values are trees of 32-byte nodes, a byte string
//! is a list of them. What can be made once is: the argument's tree (only the sequence number
//! changes) and the handles in it.

#![allow(clippy::undocumented_unsafe_blocks)] // all for one reason: the C API's own rules are kept

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use wasmtime_c_api as _; // links the functions below

use super::slab::{CONTEXT, PAYLOAD, Slab};
use super::{Key, Result, Way};
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

// The types of `wasmtime/component/val.h`.

/// `wasm_name_t`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Name {
    size: usize,
    data: *mut u8,
}

impl Name {
    unsafe fn is(&self, text: &str) -> bool {
        unsafe { std::slice::from_raw_parts(self.data, self.size) == text.as_bytes() }
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
struct List {
    size: usize,
    data: *mut Val,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    size: usize,
    data: *mut Entry,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    name: Name,
    val: Val,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Variant {
    discriminant: Name,
    val: *mut Val,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Answer {
    is_ok: bool,
    val: *mut Val,
}

#[derive(Clone, Copy)]
#[repr(C)]
union Of {
    boolean: bool,
    u8: u8,
    u64: u64,
    /// Of a string and of an enumeration.
    name: Name,
    list: List,
    record: Record,
    variant: Variant,
    option: *mut Val,
    answer: Answer,
    resource: *mut Any,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Val {
    kind: u8,
    of: Of,
}

const BOOL: u8 = 0;
const U8: u8 = 2;
const U64: u8 = 8;
const STRING: u8 = 12;
const LIST: u8 = 13;
const RECORD: u8 = 14;
const RESULT: u8 = 19;
const RESOURCE: u8 = 21;

const NONE: Val = Val { kind: BOOL, of: Of { boolean: false } };

macro_rules! opaque {
    ($($name:ident)*) => { $(#[repr(C)] struct $name { _private: [u8; 0] })* };
}

opaque! { Engine StoreOwner Context Component Linker LinkerInstance Index FuncType ResourceType Any HostResource Error }

/// `wasmtime_component_instance_t`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Instance {
    store: u64,
    private: u32,
}

/// `wasmtime_component_func_t`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Func {
    instance: Instance,
    private: u32,
}

type Finalizer = Option<extern "C" fn(*mut c_void)>;
type Callback =
    extern "C" fn(*mut c_void, *mut Context, *const FuncType, *mut Val, usize, *mut Val, usize) -> *mut Error;
type Destructor = extern "C" fn(*mut c_void, *mut Context, u32) -> *mut Error;

unsafe extern "C" {
    fn wasm_engine_new() -> *mut Engine;
    fn wasm_engine_delete(engine: *mut Engine);
    fn wasm_byte_vec_new(out: *mut Name, size: usize, data: *const u8);
    fn wasm_byte_vec_delete(name: *mut Name);
    fn wasmtime_error_message(error: *const Error, out: *mut Name);
    fn wasmtime_error_delete(error: *mut Error);
    fn wasmtime_store_new(engine: *mut Engine, data: *mut c_void, finalizer: Finalizer) -> *mut StoreOwner;
    fn wasmtime_store_context(store: *mut StoreOwner) -> *mut Context;
    fn wasmtime_store_delete(store: *mut StoreOwner);
    fn wasmtime_component_new(engine: *mut Engine, bytes: *const u8, n: usize, out: *mut *mut Component) -> *mut Error;
    fn wasmtime_component_delete(component: *mut Component);
    fn wasmtime_component_linker_new(engine: *mut Engine) -> *mut Linker;
    fn wasmtime_component_linker_root(linker: *mut Linker) -> *mut LinkerInstance;
    fn wasmtime_component_linker_instantiate(
        linker: *mut Linker,
        context: *mut Context,
        component: *mut Component,
        out: *mut Instance,
    ) -> *mut Error;
    fn wasmtime_component_linker_delete(linker: *mut Linker);
    fn wasmtime_component_linker_instance_add_instance(
        at: *mut LinkerInstance,
        name: *const u8,
        n: usize,
        out: *mut *mut LinkerInstance,
    ) -> *mut Error;
    fn wasmtime_component_linker_instance_add_func(
        at: *mut LinkerInstance,
        name: *const u8,
        n: usize,
        callback: Callback,
        data: *mut c_void,
        finalizer: Finalizer,
    ) -> *mut Error;
    fn wasmtime_component_linker_instance_add_resource(
        at: *mut LinkerInstance,
        name: *const u8,
        n: usize,
        ty: *const ResourceType,
        destructor: Destructor,
        data: *mut c_void,
        finalizer: Finalizer,
    ) -> *mut Error;
    fn wasmtime_component_linker_instance_delete(at: *mut LinkerInstance);
    fn wasmtime_component_resource_type_new_host(ty: u32) -> *mut ResourceType;
    fn wasmtime_component_resource_type_delete(ty: *mut ResourceType);
    fn wasmtime_component_instance_get_export_index(
        instance: *const Instance,
        context: *mut Context,
        within: *const Index,
        name: *const u8,
        n: usize,
    ) -> *mut Index;
    fn wasmtime_component_export_index_delete(index: *mut Index);
    fn wasmtime_component_instance_get_func(
        instance: *const Instance,
        context: *mut Context,
        index: *const Index,
        out: *mut Func,
    ) -> bool;
    fn wasmtime_component_func_call(
        func: *const Func,
        context: *mut Context,
        args: *const Val,
        n: usize,
        results: *mut Val,
        results_n: usize,
    ) -> *mut Error;
    fn wasmtime_component_resource_host_new(owned: bool, rep: u32, ty: u32) -> *mut HostResource;
    fn wasmtime_component_resource_host_rep(resource: *const HostResource) -> u32;
    fn wasmtime_component_resource_host_delete(resource: *mut HostResource);
    fn wasmtime_component_resource_any_to_host(
        context: *mut Context,
        resource: *const Any,
        out: *mut *mut HostResource,
    ) -> *mut Error;
    fn wasmtime_component_resource_host_to_any(
        context: *mut Context,
        resource: *const HostResource,
        out: *mut *mut Any,
    ) -> *mut Error;
    fn wasmtime_component_val_new(val: *mut Val) -> *mut Val;
    fn wasmtime_component_val_delete(val: *mut Val);
    fn wasmtime_component_vallist_new_uninit(out: *mut List, size: usize);
    fn wasmtime_component_valrecord_new_uninit(out: *mut Record, size: usize);
}

const BUFFER: u32 = 1;
const MUTABLE_BUFFER: u32 = 2;
const FLOW_CONTEXT: u32 = 3;

fn checked(error: *mut Error) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    let mut text = Name { size: 0, data: null_mut() };
    unsafe {
        wasmtime_error_message(error, &mut text);
        let message = String::from_utf8_lossy(std::slice::from_raw_parts(text.data, text.size)).into_owned();
        wasm_byte_vec_delete(&mut text);
        wasmtime_error_delete(error);
        Err(message.into())
    }
}

fn string(text: &str) -> Name {
    let mut name = Name { size: 0, data: null_mut() };
    unsafe { wasm_byte_vec_new(&mut name, text.len(), text.as_ptr()) };
    name
}

unsafe fn record<const N: usize>(fields: [(&str, Val); N]) -> Val {
    let mut record = Record { size: 0, data: null_mut() };
    unsafe {
        wasmtime_component_valrecord_new_uninit(&mut record, N);
        for (i, (name, val)) in fields.into_iter().enumerate() {
            record.data.add(i).write(Entry { name: string(name), val });
        }
    }
    Val { kind: RECORD, of: Of { record } }
}

/// The number behind a handle; ends the handle's state in the host.
unsafe fn rep(context: *mut Context, val: *const Val) -> u32 {
    let mut host = null_mut();
    unsafe {
        checked(wasmtime_component_resource_any_to_host(context, (*val).of.resource, &mut host)).expect("a handle");
        let rep = wasmtime_component_resource_host_rep(host);
        wasmtime_component_resource_host_delete(host);
        rep
    }
}

unsafe fn own(context: *mut Context, rep: u32, ty: u32) -> Val {
    let mut resource = null_mut();
    unsafe {
        let host = wasmtime_component_resource_host_new(true, rep, ty);
        checked(wasmtime_component_resource_host_to_any(context, host, &mut resource)).expect("a handle");
        wasmtime_component_resource_host_delete(host);
    }
    Val { kind: RESOURCE, of: Of { resource } }
}

unsafe fn list(bytes: &[u8]) -> Val {
    let mut list = List { size: 0, data: null_mut() };
    unsafe {
        wasmtime_component_vallist_new_uninit(&mut list, bytes.len());
        for (i, byte) in bytes.iter().enumerate() {
            list.data.add(i).write(Val { kind: U8, of: Of { u8: *byte } });
        }
    }
    Val { kind: LIST, of: Of { list } }
}

/// A host function: `|slab, context, args| result`, the result none where it has none.
macro_rules! host {
    (|$slab:ident, $context:ident, $args:ident| $body:expr) => {{
        extern "C" fn call(
            data: *mut c_void,
            $context: *mut Context,
            _: *const FuncType,
            $args: *mut Val,
            _: usize,
            results: *mut Val,
            n: usize,
        ) -> *mut Error {
            unsafe {
                let $slab = &mut *data.cast::<Slab>();
                let result: Option<Val> = $body;
                if let Some(result) = result {
                    assert_eq!(n, 1);
                    results.write(result);
                }
            }
            null_mut()
        }
        call as Callback
    }};
}

macro_rules! destructor {
    (|$slab:ident, $rep:ident| $body:block) => {{
        extern "C" fn call(data: *mut c_void, _: *mut Context, $rep: u32) -> *mut Error {
            let $slab = unsafe { &mut *data.cast::<Slab>() };
            $body
            null_mut()
        }
        call as Destructor
    }};
}

unsafe fn define(
    linker: *mut Linker,
    interface: &str,
    slab: *mut c_void,
    functions: &[(&str, Callback)],
    resources: bool,
) -> Result<()> {
    unsafe {
        let root = wasmtime_component_linker_root(linker);
        let mut at = null_mut();
        checked(wasmtime_component_linker_instance_add_instance(root, interface.as_ptr(), interface.len(), &mut at))?;
        if resources {
            let destructors: [(&str, u32, Destructor); 3] = [
                ("buffer", BUFFER, destructor!(|slab, rep| { slab.give(rep) })),
                ("mutable-buffer", MUTABLE_BUFFER, destructor!(|slab, rep| { slab.drop_mutable(rep) })),
                ("flow-context", FLOW_CONTEXT, destructor!(|_slab, _rep| {})),
            ];
            for (name, ty, destructor) in destructors {
                let ty = wasmtime_component_resource_type_new_host(ty);
                let (name, n) = (name.as_ptr(), name.len());
                checked(wasmtime_component_linker_instance_add_resource(at, name, n, ty, destructor, slab, None))?;
                wasmtime_component_resource_type_delete(ty);
            }
        }
        for (name, callback) in functions {
            let (name, n) = (name.as_ptr(), name.len());
            checked(wasmtime_component_linker_instance_add_func(at, name, n, *callback, slab, None))?;
        }
        wasmtime_component_linker_instance_delete(at);
        wasmtime_component_linker_instance_delete(root);
        Ok(())
    }
}

unsafe fn define_all(linker: *mut Linker, slab: *mut c_void) -> Result<()> {
    let types = [
        ("[method]buffer.read-all", host!(|slab, cx, args| Some(list(slab.bytes(rep(cx, args)))))),
        (
            "[method]buffer.read",
            host!(|slab, cx, args| {
                let rep = rep(cx, args);
                Some(list(slab.range(rep, (*args.add(1)).of.u64, (*args.add(2)).of.u64)))
            }),
        ),
        (
            "[method]mutable-buffer.append",
            host!(|slab, cx, args| {
                let (rep, bytes) = (rep(cx, args), (*args.add(1)).of.list);
                slab.bytes_mut(rep).extend((0..bytes.size).map(|i| (*bytes.data.add(i)).of.u8));
                Some(Val { kind: RESULT, of: Of { answer: Answer { is_ok: true, val: null_mut() } } })
            }),
        ),
        (
            "[method]mutable-buffer.set-content-type",
            host!(|_slab, cx, args| {
                rep(cx, args);
                assert!((*args.add(1)).of.name.is(CONTENT_TYPE));
                None
            }),
        ),
        (
            "[method]mutable-buffer.freeze",
            host!(|slab, cx, args| {
                let rep = rep(cx, args);
                slab.freeze(rep);
                Some(own(cx, rep, BUFFER))
            }),
        ),
    ];
    let allocate = host!(|slab, cx, _args| {
        let mut handle = own(cx, slab.take(), MUTABLE_BUFFER);
        let val = wasmtime_component_val_new(&mut handle);
        Some(Val { kind: RESULT, of: Of { answer: Answer { is_ok: true, val } } })
    });
    unsafe {
        define(linker, "torvyn:streaming/types@0.1.0", slab, &types, true)?;
        define(linker, "torvyn:streaming/buffer-allocator@0.1.0", slab, &[("allocate", allocate)], false)
    }
}

struct CApi {
    work: Work,
    slab: *mut Slab,
    engine: *mut Engine,
    store: *mut StoreOwner,
    context: *mut Context,
    function: Func,
    args: Vec<Val>,
}

// SAFETY: nothing of it is bound to a thread.
unsafe impl Send for CApi {}

impl Drop for CApi {
    fn drop(&mut self) {
        unsafe {
            self.args.iter_mut().for_each(|arg| wasmtime_component_val_delete(arg));
            wasmtime_store_delete(self.store);
            wasm_engine_delete(self.engine);
            drop(Box::from_raw(self.slab));
        }
    }
}

pub fn make(task: &Task) -> Result<Vec<Box<dyn Way>>> {
    let (work, guest) = (task.work, task.work.guest());
    let slab = Box::into_raw(Box::new(Slab::new(task.payload.clone())));
    unsafe {
        let engine = wasm_engine_new();
        let mut component = null_mut();
        checked(wasmtime_component_new(engine, guest.as_ptr(), guest.len(), &mut component))?;
        let linker = wasmtime_component_linker_new(engine);
        define_all(linker, slab.cast())?;
        let store = wasmtime_store_new(engine, null_mut(), None);
        let context = wasmtime_store_context(store);
        let mut instance = MaybeUninit::uninit();
        checked(wasmtime_component_linker_instantiate(linker, context, component, instance.as_mut_ptr()))?;
        let instance = instance.assume_init();
        wasmtime_component_linker_delete(linker);
        wasmtime_component_delete(component);
        let (interface, name) = work.export();
        let find = |within: *const Index, name: &str| {
            wasmtime_component_instance_get_export_index(&instance, context, within, name.as_ptr(), name.len())
        };
        let interface = find(null(), interface);
        let index = find(interface, name);
        let mut function = MaybeUninit::uninit();
        if !wasmtime_component_instance_get_func(&instance, context, index, function.as_mut_ptr()) {
            return Err("no such function".into());
        }
        wasmtime_component_export_index_delete(index);
        wasmtime_component_export_index_delete(interface);
        let function = function.assume_init();
        let args = if work == Work::Pull { Vec::new() } else { vec![element(context)] };
        Ok(vec![Box::new(CApi { work, slab, engine, store, context, function, args })])
    }
}

/// The argument's tree.
unsafe fn element(context: *mut Context) -> Val {
    unsafe {
        let meta = record([
            ("sequence", Val { kind: U64, of: Of { u64: 0 } }),
            ("timestamp-ns", Val { kind: U64, of: Of { u64: 1 } }),
            ("content-type", Val { kind: STRING, of: Of { name: string(CONTENT_TYPE) } }),
        ]);
        record([
            ("meta", meta),
            ("payload", own(context, PAYLOAD, BUFFER)),
            ("context", own(context, CONTEXT, FLOW_CONTEXT)),
        ])
    }
}

impl CApi {
    /// Calls the function on the `i`-th element and gives what `look` makes of the value in `ok`.
    #[inline]
    fn call(&mut self, i: u64, look: impl FnOnce(&mut Self, *mut Val) -> u64) -> u64 {
        unsafe {
            if let Some(arg) = self.args.first() {
                let meta = (*arg.of.record.data).val.of.record.data;
                (*meta).val.of.u64 = self.work.sequence(i);
            }
            let mut result = NONE;
            let (args, n) = (self.args.as_ptr(), self.args.len());
            checked(wasmtime_component_func_call(&self.function, self.context, args, n, &mut result, 1))
                .expect("no trap");
            let answer = result.of.answer;
            assert!(answer.is_ok);
            let mark = look(self, answer.val);
            wasmtime_component_val_delete(&mut result);
            mark
        }
    }

    unsafe fn emitted(&mut self, element: *const Val) -> u64 {
        unsafe {
            let fields = (*element).of.record.data;
            let meta = (*fields).val.of.record.data;
            assert!((*meta.add(2)).val.of.name.is(CONTENT_TYPE));
            let rep = rep(self.context, &(*fields.add(1)).val);
            let slab = &mut *self.slab;
            let mark = seen(slab.bytes(rep));
            slab.give(rep);
            mark
        }
    }
}

impl Way for CApi {
    fn key(&self) -> Key {
        Key::CApi
    }

    fn run(&mut self, n: u64) -> u64 {
        match self.work {
            Work::Metadata | Work::Transform | Work::UpperCase => sum(n, |i| {
                self.call(i, |this, val| unsafe {
                    let variant = (*val).of.variant;
                    if variant.discriminant.is("emit") { this.emitted(variant.val) } else { DROPPED }
                })
            }),
            Work::Pull => sum(n, |i| self.call(i, |this, val| unsafe { this.emitted((*val).of.option) })),
            Work::Push => sum(n, |i| {
                self.call(i, |_, val| unsafe {
                    assert!((*val).of.name.is("ready"));
                    READY
                })
            }),
            Work::Evaluate => {
                sum(n, |i| self.call(i, |_, val| if unsafe { (*val).of.boolean } { TRUE } else { FALSE }))
            }
        }
    }
}
