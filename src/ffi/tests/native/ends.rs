//! Instances of native components: states, deadlines, cancels, and what runs at the end.

use std::thread;
use std::time::Instant;

use super::super::super::args::Clear as _;
use super::super::super::cancel::*;
use super::super::super::imports::*;
use super::super::super::log::{LogLevel, LogLine};
use super::super::super::usage::*;
use super::super::handles::{Sent, stats};
use super::*;

#[test]
fn instances_have_states_of_their_own() {
    let world = World::default();
    let linked = linked_native(&config(), &processor(&world));
    let instances = [7, 8].map(|id| {
        let mut out = null_mut();
        assert_eq!(unsafe { torvyn_instance_new(linked, id, null(), &raw mut out, null_mut()) }, TORVYN_OK);
        unsafe { torvyn_init(out, Str::EMPTY, null_mut()) };
        out
    });
    let mut err = null_mut();
    unsafe {
        for wanted in ["1 of 7", "1 of 8", "2 of 7", "2 of 8"] {
            let instance = instances[usize::from(wanted.ends_with('8'))];
            assert_eq!(process(instance, b"count").2.unwrap(), wanted.as_bytes());
        }
        assert_eq!(torvyn_instance_reset(instances[0], null_mut()), TORVYN_OK);
        assert_eq!((world.made.load(SeqCst), world.freed.load(SeqCst)), (3, 1));
        torvyn_init(instances[0], Str::EMPTY, null_mut());
        assert_eq!(process(instances[0], b"count").2.unwrap(), b"1 of 7");
        assert_eq!(process(instances[1], b"count").2.unwrap(), b"3 of 8");

        let mut none = instances[0];
        let status = torvyn_instance_new(linked, 13, null(), &raw mut none, &raw mut err);
        assert_eq!((status, none.is_null()), (TORVYN_ERROR_INSTANTIATION, true));
        assert!(detail(status, err).contains("TORVYN_ERROR_UNAVAILABLE"));
        torvyn_linked_free(linked);
        torvyn_instance_free(instances[0]);
        assert_eq!((world.freed.load(SeqCst), world.ended.load(SeqCst)), (2, 0));
        torvyn_instance_free(instances[1]);
    }
    assert_eq!((world.made.load(SeqCst), world.freed.load(SeqCst), world.ended.load(SeqCst)), (3, 3, 1));
}

#[test]
fn instances_of_one_table_run_on_several_threads() {
    let world = World::default();
    let linked = linked_native(&config(), &processor(&world));
    let run = |id: u64| {
        let mut instance = null_mut();
        unsafe {
            torvyn_instance_new(linked, id, null(), &raw mut instance, null_mut());
            assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_OK);
        }
        let instance = Sent(instance);
        thread::spawn(move || {
            for n in 1..=1000 {
                assert_eq!(process(instance.get(), b"count").2.unwrap(), format!("{n} of {id}").into_bytes());
            }
            unsafe { torvyn_instance_free(instance.get()) };
        })
    };
    let threads = [run(1), run(2)];
    unsafe { torvyn_linked_free(linked) };
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((world.freed.load(SeqCst), world.ended.load(SeqCst)), (2, 1));
}

#[test]
fn the_states_are_those_of_any_component() {
    let world = World::default();
    let linked = linked_native(&config(), &processor(&world));
    let (mut instance, mut err) = (null_mut(), null_mut());
    let state = |instance| unsafe { torvyn_instance_state(instance) };
    unsafe {
        torvyn_instance_new(linked, 7, null(), &raw mut instance, null_mut());
        assert_eq!(state(instance), State::TORVYN_STATE_NEW);
        assert_eq!(process(instance, b"x").0, TORVYN_ERROR_STATE);
        let status = torvyn_init(instance, Str::of("refuse"), &raw mut err);
        assert_eq!((status, state(instance)), (TORVYN_ERROR_UNAVAILABLE, State::TORVYN_STATE_FAILED));
        assert!(torvyn_error_is_fatal(err) && !torvyn_error_is_retryable(err));
        assert_eq!(detail(status, err), "no broker");
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_init(instance, Str::of("good"), null_mut()), TORVYN_OK);
        assert_eq!(torvyn_init(instance, Str::of("again"), null_mut()), TORVYN_ERROR_STATE);
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_OK);
        assert_eq!((state(instance), process(instance, b"x").0), (State::TORVYN_STATE_TORN_DOWN, TORVYN_ERROR_STATE));
        torvyn_instance_free(instance);
        torvyn_linked_free(linked);
    }
    assert_eq!(*world.said.lock(), ["init refuse", "init good", "teardown"]);

    // A teardown alone makes a lifecycle too, and none starts READY.
    let world = World::default();
    for (teardown, wanted) in [(processor(&world).teardown, State::TORVYN_STATE_NEW), (None, State::TORVYN_STATE_READY)]
    {
        let linked = linked_native(&config(), &Native { teardown, process: Some(obey), ..empty(&world) });
        unsafe {
            torvyn_instance_new(linked, 7, null(), &raw mut instance, null_mut());
            assert_eq!(state(instance), wanted);
            assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_OK);
            assert_eq!(process(instance, b"x").2.unwrap(), b"X");
            torvyn_instance_free(instance);
            torvyn_linked_free(linked);
        }
    }
}

unsafe extern "C" fn line(user: *mut c_void, line: *const LogLine) {
    let line = unsafe { &*line };
    let message = unsafe { line.message.text("") }.unwrap();
    world(user).said.lock().push(format!("{:?} {message}", line.level));
}

#[test]
fn a_teardown_that_fails_goes_to_the_log() {
    let world = World::default();
    let log_user = std::ptr::from_ref(&world).cast_mut().cast();
    let log_level = MaybeUninit::new(LogLevel::TORVYN_LOG_DEBUG);
    let instance = native_in(&EngineConfig { log: Some(line), log_user, log_level, ..config() }, &processor(&world));
    assert_eq!(process(instance, b"answer 3").0, TORVYN_ERROR_INTERNAL);
    unsafe {
        torvyn_instance_reset(instance, null_mut());
        torvyn_init(instance, Str::EMPTY, null_mut());
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_OK);
        torvyn_instance_free(instance);
    }
    let said = world.said.lock();
    let lines: Vec<_> = said.iter().filter(|line| line.starts_with("TORVYN")).collect();
    assert!(lines[0].starts_with("TORVYN_LOG_DEBUG the native function answered"), "{lines:?}");
    assert_eq!(lines[1], "TORVYN_LOG_INFO reset in state POISONED");
    assert_eq!(lines[2], "TORVYN_LOG_ERROR answered internal: left\\nover");
}

#[test]
fn a_call_that_returns_too_late_has_no_result() {
    let world = World::default();
    let instance = native_in(&EngineConfig { timeout_ns: 5_000_000, ..config() }, &processor(&world));
    let flow = Flow { trace_id: Str::CLEAR, span_id: Str::CLEAR, flow_id: Str::CLEAR, deadline_ns: 5_000_000 };
    for (command, flow) in [(&b"wait"[..], null()), (b"sleep 30", null()), (b"wait", &raw const flow)] {
        let (mut output, mut err, began) = (stale(), null_mut(), Instant::now());
        unsafe {
            let element = Element { flow, ..element(command) };
            let status = torvyn_process(instance, &element, &raw mut output, &raw mut err);
            assert_eq!((status, taken(output)), (TORVYN_ERROR_DEADLINE, None));
            assert!(torvyn_error_is_fatal(err) && began.elapsed() >= Duration::from_millis(5));
            detail(status, err);
            assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_POISONED);
            assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
            assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_OK);
        }
    }
    assert_eq!(process(instance, b"x").2.unwrap(), b"X");
    let seen = stats(instance);
    assert_eq!((seen.deadlines, seen.stopped, seen.elements_out), (3, 3, 1));
    unsafe { torvyn_instance_free(instance) };
}

#[test]
fn a_cancel_is_told_to_the_callback() {
    let world = World::default();
    let instance = Sent(native(&processor(&world)));
    unsafe {
        let cancel = torvyn_instance_cancel_handle(instance.get());
        let call = thread::spawn(move || process(instance.get(), b"wait").0);
        while !world.said.lock().contains(&"waits".into()) {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(process(instance.get(), b"x").0, TORVYN_ERROR_BUSY);
        torvyn_cancel(cancel);
        assert_eq!(call.join().unwrap(), TORVYN_ERROR_CANCELLED);
        assert_eq!(torvyn_instance_state(instance.get()), State::TORVYN_STATE_POISONED);
        torvyn_instance_reset(instance.get(), null_mut());
        torvyn_init(instance.get(), Str::EMPTY, null_mut());
        torvyn_cancel(cancel);
        assert_eq!(process(instance.get(), b"x").0, TORVYN_ERROR_CANCELLED);
        assert_eq!(process(instance.get(), b"x").2.unwrap(), b"X", "as it was");
        torvyn_cancel_free(cancel);
        torvyn_instance_free(instance.get());
    }
}

#[test]
fn a_callback_cannot_call_its_own_instance_but_others() {
    let world = World::default();
    let instance = native(&processor(&world));
    world.instance.store(instance, SeqCst);
    assert_eq!(process(instance, b"reenter").2.unwrap(), b"REENTER");
    assert_eq!(process(instance, b"keep").2.unwrap(), b"KEEP");
    let kept = world.kept.load(SeqCst);
    unsafe {
        assert_eq!(torvyn_native_append(kept, b"x".as_ptr(), 1, null_mut()), TORVYN_ERROR_STATE);
        assert_eq!(torvyn_native_emit(kept, 0, 0, Str::EMPTY, null_mut()), TORVYN_ERROR_STATE);
        assert_eq!(torvyn_native_commit(kept, 0, null_mut()), TORVYN_ERROR_STATE);
        assert_eq!(torvyn_native_port(kept, Str::EMPTY, null_mut()), TORVYN_ERROR_STATE);
        assert!(torvyn_native_should_stop(kept));
        let other = native(&processor(&world));
        world.instance.store(other, SeqCst);
        assert_eq!(process(instance, b"free").2.unwrap(), b"FREE", "it freed the other");
        assert_eq!((world.freed.load(SeqCst), world.ended.swap(0, SeqCst)), (1, 1));
        world.instance.store(instance, SeqCst);
        assert_eq!(process(instance, b"free").2.unwrap(), b"FREE", "and now itself");
    }
    assert_eq!((world.freed.load(SeqCst), world.ended.load(SeqCst)), (2, 1));
}

#[test]
fn fuel_and_memory_are_the_programs_own() {
    let world = World::default();
    let on = MaybeUninit::new(Switch::TORVYN_ON);
    let instance = native_in(&EngineConfig { fuel: on, ..config() }, &processor(&world));
    let (mut fuel, mut err) = (9, null_mut());
    let mut usage = MemoryUsage { struct_size: size_of::<MemoryUsage>() as u32, ..MemoryUsage::zeroed() };
    unsafe {
        assert_eq!(torvyn_instance_fuel_remaining(instance, &raw mut fuel, null_mut()), TORVYN_FUEL_OFF);
        let status = torvyn_instance_set_fuel(instance, 1, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_FUEL_DISABLED);
        assert!(detail(status, err).contains("native"));
        assert_eq!(process(instance, b"x").2.unwrap(), b"X");
        assert_eq!(torvyn_instance_memory_usage(instance, &raw mut usage, null_mut()), TORVYN_OK);
        assert_eq!((usage.total, usage.linear, usage.buffers), (0, 0, 0));
        assert_eq!(stats(instance).fuel_used, 0);
        torvyn_instance_free(instance);
    }
}

#[test]
fn a_native_component_describes_itself() {
    let world = World::default();
    let (mut component, mut blob, mut linked, mut imports) = (null_mut(), null_mut(), null_mut(), null_mut());
    unsafe {
        let (engine, other) = (engine(&config()), super::super::engine(&config()));
        assert_eq!(torvyn_component_native(engine, &processor(&world), &raw mut component, null_mut()), TORVYN_OK);
        let roles = Role::TORVYN_ROLE_PROCESSOR as u32 | Role::TORVYN_ROLE_LIFECYCLE as u32;
        assert_eq!(torvyn_component_roles(component), roles);
        assert_eq!(torvyn_component_path(component), Path::TORVYN_PATH_NATIVE);
        assert_eq!(torvyn_component_path_reason(component).text("").unwrap(), "is native");
        assert_eq!(torvyn_component_content_id(component).len, 0);
        assert_eq!((torvyn_component_import_count(component), torvyn_component_export_count(component)), (0, 2));
        let export = torvyn_component_export(component, 0).text("").unwrap();
        assert_eq!(export, "torvyn:streaming/processor@0.1.0");
        let status = torvyn_component_serialize(component, &raw mut blob, null_mut());
        assert_eq!((status, blob.is_null()), (TORVYN_ERROR_UNSUPPORTED, true));
        torvyn_imports_new(other, &raw mut imports, null_mut());
        let status = torvyn_linked_new(component, imports, &raw mut linked, null_mut());
        assert_eq!(status, TORVYN_ERROR_WRONG_ENGINE);
        assert_eq!(torvyn_linked_new(component, null(), &raw mut linked, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_linked_path(linked), Path::TORVYN_PATH_NATIVE);
        torvyn_imports_free(imports);
        torvyn_linked_free(linked);
        torvyn_component_free(torvyn_component_clone(component));
        assert_eq!(world.ended.load(SeqCst), 0);
        torvyn_component_free(component);
        assert_eq!(world.ended.load(SeqCst), 1);
        torvyn_engine_free(engine);
        torvyn_engine_free(other);
        let mut none = null_mut();
        let native = MaybeUninit::new(Path::TORVYN_PATH_NATIVE);
        let status = torvyn_engine_new(&EngineConfig { path: native, ..config() }, &raw mut none, null_mut());
        assert_eq!(status, TORVYN_ERROR_CONFIG);
    }
}

#[test]
fn the_finalizer_runs_once_whatever_comes_of_the_component() {
    let world = World::default();
    let good = processor(&world);
    let size = size_of::<Native>();
    let mut longer = [0u8; size_of::<Native>() + 8];
    unsafe { (&raw const good).cast::<u8>().copy_to(longer.as_mut_ptr(), size) };
    longer[..4].copy_from_slice(&(size as u32 + 8).to_le_bytes());
    longer[size] = 1;
    let engine = engine(&config());
    let mut component = null_mut();
    let cases: [(*const EngineHandle, *const Native, bool, Status, &str); 9] = [
        (engine, &raw const good, true, TORVYN_OK, ""),
        (null(), &raw const good, true, TORVYN_ERROR_NULL, "`engine`"),
        (engine, &raw const good, false, TORVYN_ERROR_NULL, "`out`"),
        (engine, longer.as_ptr().cast(), true, TORVYN_ERROR_ARGUMENT, "offset"),
        (engine, &empty(&world), true, TORVYN_ERROR_NO_ROLE, "no role"),
        (engine, &Native { reserved: 1, ..good }, true, TORVYN_ERROR_ARGUMENT, "`table.reserved`"),
        (engine, &Native { complete: good.teardown, ..good }, true, TORVYN_ERROR_ARGUMENT, "`push`"),
        (engine, &Native { flush: good.teardown, ..good }, true, TORVYN_ERROR_ARGUMENT, "`ingest`"),
        (engine, &Native { instance_new: None, ..good }, true, TORVYN_ERROR_ARGUMENT, "`instance_new`"),
    ];
    for (engine, table, out, wanted, says) in cases {
        let (out, mut err) = (if out { &raw mut component } else { null_mut() }, null_mut());
        unsafe {
            let status = torvyn_component_native(engine, table, out, &raw mut err);
            assert_eq!(status, wanted);
            let said = detail(status, err);
            assert!(said.contains(says), "{said}");
            torvyn_component_free(component);
        }
        component = null_mut();
        assert_eq!(world.ended.swap(0, SeqCst), 1, "{says}");
    }
    for (table, wanted) in [(null(), TORVYN_ERROR_NULL), (&Native { struct_size: 0, ..good }, TORVYN_ERROR_ARGUMENT)] {
        assert_eq!(unsafe { torvyn_component_native(engine, table, &raw mut component, null_mut()) }, wanted);
        assert_eq!(world.ended.load(SeqCst), 0, "nothing was there to read");
    }
    unsafe { torvyn_engine_free(engine) };
}
