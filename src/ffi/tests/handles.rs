//! Handles: references, artifacts, one call at a time, and the end of an instance that runs.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::super::cancel::*;
use super::super::imports::*;
use super::super::running::{self, Held};
use super::super::usage::*;
use super::*;
use crate::contract::StreamElement;
use crate::engine::control::Control;
use crate::engine::invoke::Invoker;
use crate::engine::traits::ComponentInvoker as _;

/// An instance that a test takes to another thread.
#[derive(Clone, Copy)]
pub struct Sent(pub *mut InstanceHandle);
unsafe impl Send for Sent {}
unsafe impl Sync for Sent {}

impl Sent {
    pub fn get(self) -> *mut InstanceHandle {
        self.0
    }
}

fn held(instance: *mut InstanceHandle) -> NonNull<Held> {
    NonNull::new(instance.cast()).unwrap()
}

pub fn stats(instance: *const InstanceHandle) -> Stats {
    let mut stats = Stats { struct_size: size_of::<Stats>() as u32, ..Stats::zeroed() };
    assert_eq!(unsafe { torvyn_instance_stats(instance, &raw mut stats, null_mut()) }, TORVYN_OK);
    stats
}

#[test]
fn references_are_counted_and_components_describe_themselves() {
    let bytes = guest("upper-case");
    let (mut component, mut blob, mut again, mut linked) = (null_mut(), null_mut(), null_mut(), null_mut());
    unsafe {
        let engine = engine(&config());
        let clone = torvyn_engine_clone(engine);
        assert_eq!(clone, engine);
        torvyn_engine_free(clone);
        let status = torvyn_component_compile(engine, bytes.as_ptr(), bytes.len(), &raw mut component, null_mut());
        assert_eq!(status, TORVYN_OK);
        torvyn_component_free(torvyn_component_clone(component));
        assert_eq!(torvyn_component_roles(component), Role::TORVYN_ROLE_PROCESSOR as u32);
        assert_eq!(torvyn_component_path(component), Path::TORVYN_PATH_DIRECT);
        assert_eq!(torvyn_component_path_reason(component).len, 0);
        let export = torvyn_component_export(component, 0);
        assert_eq!(export.text("").unwrap(), "torvyn:streaming/processor@0.1.0");
        assert_eq!(*export.data.add(export.len), 0);
        let count = torvyn_component_import_count(component);
        assert!(count > 0 && torvyn_component_import(component, count).len == 0);
        assert_eq!(torvyn_component_content_id(component).len, 32);

        assert_eq!(torvyn_component_serialize(component, &raw mut blob, null_mut()), TORVYN_OK);
        let artifact = torvyn_blob_bytes(blob);
        let load =
            |engine, out| torvyn_component_deserialize_unchecked(engine, artifact.data, artifact.len, out, null_mut());
        assert_eq!(load(engine, &raw mut again), TORVYN_OK);
        let id = |c| std::slice::from_raw_parts(torvyn_component_content_id(c).data, 32);
        assert_eq!(id(component), id(again));
        torvyn_component_free(again);

        let on = MaybeUninit::new(Switch::TORVYN_ON);
        let other = super::engine(&EngineConfig { fuel: on, ..config() });
        again = component;
        assert_eq!(load(other, &raw mut again), TORVYN_INCOMPATIBLE);
        assert!(again.is_null());
        torvyn_blob_free(blob);

        let mut imports = null_mut();
        assert_eq!(torvyn_imports_new(other, &raw mut imports, null_mut()), TORVYN_OK);
        let status = torvyn_linked_new(component, imports, &raw mut linked, null_mut());
        assert_eq!(status, TORVYN_ERROR_WRONG_ENGINE);
        torvyn_imports_free(imports);
        let status = torvyn_component_compile(engine, null(), 3, &raw mut component, null_mut());
        assert_eq!(status, TORVYN_ERROR_NULL);
        for engine in [engine, other] {
            torvyn_engine_free(engine);
        }
    }
}

#[test]
fn files() {
    let dir = env!("CARGO_MANIFEST_DIR");
    let path = |name: &str| std::ffi::CString::new(format!("{dir}/tests/guests/{name}")).unwrap();
    let (mut component, mut err) = (null_mut(), null_mut());
    unsafe {
        let engine = engine(&config());
        let good = path("even-filter.wasm");
        let status = torvyn_component_compile_file(engine, good.as_ptr(), &raw mut component, null_mut());
        assert_eq!(status, TORVYN_OK);
        torvyn_component_free(component);
        let missing = path("no such");
        for load in [torvyn_component_compile_file, torvyn_component_deserialize_file_unchecked] {
            let status = load(engine, missing.as_ptr(), &raw mut component, &raw mut err);
            assert_eq!(status, TORVYN_ERROR_IO);
            assert!(component.is_null() && detail(status, err).contains("no such"));
            assert_eq!(load(engine, null(), &raw mut component, null_mut()), TORVYN_ERROR_NULL);
        }
        torvyn_engine_free(engine);
    }
}

#[test]
fn a_second_call_is_refused_and_a_cancel_stops_the_first() {
    let instance = Sent(instance("misbehave", ""));
    unsafe {
        let cancel = torvyn_instance_cancel_handle(instance.get());
        let call = thread::spawn(move || process(instance.get(), b"loop").0);
        while stats(instance.get()).elements_in == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let (status, said, _) = process(instance.get(), b"x");
        assert_eq!(status, TORVYN_ERROR_BUSY);
        assert!(said.contains("already"), "{said}");
        assert_eq!(torvyn_instance_reset(instance.get(), null_mut()), TORVYN_ERROR_BUSY);
        let mut fuel = 3;
        let status = torvyn_instance_fuel_remaining(instance.get(), &raw mut fuel, null_mut());
        assert_eq!((status, fuel), (TORVYN_ERROR_BUSY, 0));
        assert_eq!(torvyn_instance_state(instance.get()), State::TORVYN_STATE_READY);
        torvyn_cancel(cancel);
        assert_eq!(call.join().unwrap(), TORVYN_ERROR_CANCELLED);
        assert_eq!(torvyn_instance_state(instance.get()), State::TORVYN_STATE_POISONED);
        assert_eq!(torvyn_instance_reset(instance.get(), null_mut()), TORVYN_OK);
        torvyn_init(instance.get(), Str::EMPTY, null_mut());

        // Before a call: it stops the next one, and what only looks at the instance is none.
        torvyn_cancel(cancel);
        assert_eq!(torvyn_instance_fuel_remaining(instance.get(), &raw mut fuel, null_mut()), TORVYN_FUEL_OFF);
        let (mut output, mut err) = (stale(), null_mut());
        let status = torvyn_process(instance.get(), &element(b"x"), &raw mut output, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_CANCELLED);
        assert!(!torvyn_error_is_fatal(err), "nothing ran");
        torvyn_error_free(err);
        assert_eq!(process(instance.get(), b"x").2.unwrap(), b"x");
        torvyn_instance_free(instance.get());
        torvyn_cancel(cancel);
        torvyn_cancel_free(torvyn_cancel_clone(cancel));
        torvyn_cancel_free(cancel);
    }
}

/// An initialised instance of a component that is compiled once.
fn instance_of_one_linked(name: &str) -> *mut InstanceHandle {
    static LINKED: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let linked = *LINKED.get_or_init(|| unsafe {
        let engine = engine(&config());
        let linked = linked(engine, name);
        torvyn_engine_free(engine);
        linked.expose_provenance()
    });
    let mut out = null_mut();
    unsafe {
        let linked = std::ptr::with_exposed_provenance(linked);
        assert_eq!(torvyn_instance_new(linked, 7, null(), &raw mut out, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_init(out, Str::EMPTY, null_mut()), TORVYN_OK);
    }
    out
}

/// The control block of an instance, and whether the instance is gone.
fn watched(instance: *mut InstanceHandle) -> (Arc<Control>, impl Fn(&Arc<Control>) -> bool) {
    let control = unsafe { held(instance).as_ref() }.control.clone();
    (control, |control| Arc::strong_count(control) == 1)
}

#[test]
fn an_instance_freed_in_its_call_ends_with_it() {
    let instance = instance("upper-case", "");
    let (control, gone) = watched(instance);
    let inside = |_: &mut running::Parts| {
        unsafe { torvyn_instance_free(instance) };
        assert!(!gone(&control));
        Ok(3)
    };
    assert_eq!(unsafe { running::run(held(instance), None, inside) }.unwrap(), 3);
    assert!(gone(&control));
}

#[test]
fn an_instance_freed_elsewhere_ends_with_its_call() {
    let instance = Sent(instance("misbehave", ""));
    let (control, gone) = watched(instance.get());
    let call = thread::spawn(move || process(instance.get(), b"loop").0);
    while control.counters.elements_in.get() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    unsafe { torvyn_instance_free(instance.get()) };
    assert!(!gone(&control));
    control.cancel();
    assert_eq!(call.join().unwrap(), TORVYN_ERROR_CANCELLED);
    assert!(gone(&control));
}

#[test]
fn an_instance_freed_at_its_calls_end_ends_once() {
    for round in 0..100u32 {
        let instance = Sent(instance_of_one_linked("misbehave"));
        let (control, gone) = watched(instance.get());
        let call = thread::spawn(move || process(instance.get(), b"spin:3000").0);
        while control.counters.elements_in.get() == 0 {
            std::hint::spin_loop();
        }
        for _ in 0..round * 20 {
            std::hint::spin_loop();
        }
        unsafe { torvyn_instance_free(instance.get()) };
        assert_eq!(call.join().unwrap(), TORVYN_OK);
        assert!(gone(&control), "round {round}");
    }
}

#[test]
fn a_panic_poisons() {
    let instance = instance("upper-case", "");
    let inside = |parts: &mut running::Parts| -> crate::error::Result<Status> {
        Invoker.invoke_process(&mut parts.instance, &StreamElement { payload: b"x", ..Default::default() })?;
        panic!("in a call")
    };
    let (mut err, mut id) = (null_mut(), 0);
    let run = || unsafe { running::run(held(instance), None, inside) };
    assert_eq!(unsafe { super::super::guard::status(&raw mut err, run) }, TORVYN_ERROR_PANIC);
    unsafe {
        assert!(torvyn_error_is_fatal(err) && torvyn_error_component_id(err, &raw mut id) && id == 7);
        torvyn_error_free(err);
        let outside = || -> crate::error::Result<Status> { panic!("in no call") };
        assert_eq!(super::super::guard::status(&raw mut err, outside), TORVYN_ERROR_PANIC);
        assert!(!torvyn_error_is_fatal(err) && !torvyn_error_component_id(err, &raw mut id));
        torvyn_error_free(err);
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_POISONED);
        let counters = stats(instance);
        assert_eq!((counters.calls, counters.stopped, counters.traps), (1, 1, 0));
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        let no_call = |_: &mut running::Parts| -> crate::error::Result<Status> { panic!("not in a call") };
        let run = || running::run(held(instance), None, no_call);
        assert_eq!(super::super::guard::status(null_mut(), run), TORVYN_ERROR_PANIC);
        let counters = stats(instance);
        assert_eq!((counters.calls, counters.stopped), (1, 1), "what was no call was not stopped");
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(process(instance, b"x").2.unwrap(), b"X");
        torvyn_instance_free(instance);
    }
}

#[test]
fn fuel_memory_and_counters() {
    let on = MaybeUninit::new(Switch::TORVYN_ON);
    let instance = instance_in(&EngineConfig { fuel: on, ..config() }, "misbehave", "");
    let (mut fuel, mut err) = (0, null_mut());
    let mut usage = MemoryUsage { struct_size: size_of::<MemoryUsage>() as u32, ..MemoryUsage::zeroed() };
    unsafe {
        assert_eq!(process(instance, b"hold").0, TORVYN_NOTHING_EMITTED);
        assert_eq!(torvyn_instance_fuel_remaining(instance, &raw mut fuel, null_mut()), TORVYN_OK);
        assert!(fuel > 0 && fuel < 1_000_000_000);
        assert_eq!(torvyn_instance_memory_usage(instance, &raw mut usage, null_mut()), TORVYN_OK);
        assert!(usage.linear >= 128 << 10 && usage.buffers == 4096, "{usage:?}");
        assert_eq!(usage.total, usage.linear + usage.buffers);
        let seen = stats(instance);
        assert_eq!((seen.calls, seen.elements_in, seen.elements_out, seen.resets), (2, 1, 0, 0));
        assert_eq!(seen.linear_bytes, usage.linear);

        usage.struct_size = 0;
        let status = torvyn_instance_memory_usage(instance, &raw mut usage, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_ARGUMENT);
        assert!(detail(status, err).contains("struct_size"));

        assert_eq!(torvyn_instance_set_fuel(instance, 100, null_mut()), TORVYN_OK);
        assert_eq!(process(instance, b"spin:100000").0, TORVYN_ERROR_FUEL);
        torvyn_instance_free(instance);

        let without = super::instance("upper-case", "");
        assert_eq!(torvyn_instance_set_fuel(without, 1, null_mut()), TORVYN_ERROR_FUEL_DISABLED);
        torvyn_instance_free(without);
    }
}

#[test]
fn null_is_no_handle_anywhere() {
    let mut fuel = 0;
    unsafe {
        torvyn_engine_tick(null());
        assert!(torvyn_engine_clone(null()).is_null() && torvyn_component_clone(null()).is_null());
        assert!(torvyn_linked_clone(null()).is_null() && torvyn_imports_clone(null()).is_null());
        assert!(torvyn_instance_cancel_handle(null()).is_null() && torvyn_cancel_clone(null()).is_null());
        torvyn_cancel(null());
        torvyn_cancel_free(null_mut());
        torvyn_instance_free(null_mut());
        torvyn_linked_free(null_mut());
        torvyn_imports_free(null_mut());
        torvyn_component_free(null_mut());
        torvyn_blob_free(null_mut());
        torvyn_engine_free(null_mut());
        assert_eq!(torvyn_instance_state(null()), State::TORVYN_STATE_NONE);
        assert_eq!(torvyn_instance_id(null()), 0);
        assert_eq!(torvyn_instance_reset(null_mut(), null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_instance_fuel_remaining(null_mut(), &raw mut fuel, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_component_path(null()), Path::TORVYN_PATH_AUTO);
        assert_eq!(torvyn_linked_path(null()), Path::TORVYN_PATH_AUTO);
        assert_eq!(torvyn_component_content_id(null()).len, 0);
        assert_eq!(torvyn_engine_new(null(), null_mut(), null_mut()), TORVYN_ERROR_NULL);
    }
}

#[test]
fn imports_and_exports_have_types() {
    let bytes = guest("importer");
    let mut component = null_mut();
    unsafe {
        let engine = engine(&config());
        let status = torvyn_component_compile(engine, bytes.as_ptr(), bytes.len(), &raw mut component, null_mut());
        assert_eq!(status, TORVYN_OK);
        let count = torvyn_component_import_count(component);
        let import = |i| (torvyn_component_import(component, i), torvyn_component_import_type(component, i));
        let of = |name: &str| {
            let (_, ty) = (0..count).map(import).find(|(found, _)| found.text("").unwrap() == name).unwrap();
            ty.text("").unwrap()
        };
        assert_eq!(of("acme:db/lookup@1.0.0"), "get: func(key: string) -> option<string>");
        let types = of("torvyn:streaming/types@0.1.0");
        for line in [
            "resource buffer",
            "[method]buffer.read-all: func(self: borrow<buffer>) -> list<u8>",
            "type element-meta = record { sequence: u64, timestamp-ns: u64, content-type: string }",
            "[method]mutable-buffer.append: func(self: borrow<mutable-buffer>, bytes: list<u8>) -> result<_, buffer-error>",
        ] {
            assert!(types.lines().any(|found| found == line), "{line}\n{types}");
        }
        assert_eq!(torvyn_component_export(component, 0).text("").unwrap(), "torvyn:streaming/processor@0.1.0");
        let processor = torvyn_component_export_type(component, 0).text("").unwrap();
        let line = "process: func(input: stream-element) -> result<process-result, process-error>";
        assert!(processor.lines().any(|found| found == line), "{processor}");
        assert_eq!(torvyn_component_import_type(component, count).len, 0);
        assert_eq!(torvyn_component_export_type(null(), 0).len, 0);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}
