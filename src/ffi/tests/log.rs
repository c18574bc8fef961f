//! The log: which lines it gets, and the end of its `user`.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};

use parking_lot::Mutex;

use super::super::log::*;
use super::*;

/// Level, component id, function, message.
type Written = (LogLevel, Option<u64>, String, String);

/// What a test's `user` points to.
#[derive(Default)]
struct Seen {
    lines: Mutex<Vec<Written>>,
    ended: AtomicU32,
    /// An instance for the callback to call.
    call: AtomicPtr<InstanceHandle>,
}

unsafe extern "C" fn line(user: *mut c_void, line: *const LogLine) {
    let (seen, line) = unsafe { (&*user.cast::<Seen>(), &*line) };
    assert_eq!(line.struct_size as usize, size_of::<LogLine>());
    let text = |text: Str| unsafe { text.text("") }.unwrap().to_owned();
    let id = unsafe { line.component_id.as_ref() }.copied();
    seen.lines.lock().push((line.level, id, text(line.function), text(line.message)));
    let instance = seen.call.load(SeqCst);
    if !instance.is_null() {
        unsafe {
            assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_ERROR_BUSY);
            assert_ne!(torvyn_instance_state(instance), State::TORVYN_STATE_NONE);
        }
    }
}

unsafe extern "C" fn end(user: *mut c_void) {
    unsafe { &*user.cast::<Seen>() }.ended.fetch_add(1, SeqCst);
}

fn logged(seen: &Seen, level: LogLevel) -> EngineConfig {
    let log_user = std::ptr::from_ref(seen).cast_mut().cast();
    EngineConfig { log: Some(line), log_user, log_finalizer: Some(end), log_level: MaybeUninit::new(level), ..config() }
}

#[test]
fn a_call_outside_of_the_contract_is_none_of_its_functions() {
    let seen = Seen::default();
    let engine = engine(&logged(&seen, LogLevel::TORVYN_LOG_DEBUG));
    let body = r#"(core module $n (func (export "trap") unreachable)) (core instance $j (instantiate $n))
        (func (export "trap") (canon lift (core func $j "trap")))"#;
    let component = super::host::compiled(engine, super::host::component_with("", body).as_bytes());
    let instance = super::host::instance_of(super::host::link(component, null()).unwrap());
    unsafe {
        assert_eq!(super::host::call(instance, "", "trap", &[]).err().unwrap().0, TORVYN_ERROR_TRAP);
        torvyn_instance_free(instance);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
    let lines = seen.lines.lock();
    assert!(lines.iter().any(|(_, id, function, text)| *id == Some(7) && function.is_empty() && text.contains("trap")));
    assert!(lines.iter().all(|(_, _, function, _)| function.is_empty()), "{lines:?}");
}

#[test]
fn what_no_caller_is_told_is_in_the_log() {
    let seen = Seen::default();
    let instance = instance_in(&logged(&seen, LogLevel::TORVYN_LOG_DEBUG), "misbehave", "trap-teardown");
    seen.call.store(instance, SeqCst);
    unsafe {
        assert_eq!(process(instance, b"trap").0, TORVYN_ERROR_TRAP);
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_init(instance, Str::of("trap-teardown"), null_mut()), TORVYN_OK);
        assert_eq!(process(instance, b"invalid").0, TORVYN_ERROR_INVALID_INPUT);
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_TORN_DOWN);
    }
    let lines = std::mem::take(&mut *seen.lines.lock());
    let got: Vec<_> = lines.iter().map(|(level, id, function, _)| (*level, *id, function.as_str())).collect();
    let wanted = [
        (LogLevel::TORVYN_LOG_DEBUG, Some(7), "process"),
        (LogLevel::TORVYN_LOG_INFO, Some(7), ""),
        (LogLevel::TORVYN_LOG_ERROR, Some(7), "teardown"),
    ];
    assert_eq!(got, wanted);
    assert_eq!(lines[1].3, "reset in state POISONED");
    for at in [0, 2] {
        assert!(lines[at].3.contains("unreachable") && lines[at].3.contains(", in "), "{}", lines[at].3);
    }
    assert_eq!(seen.ended.load(SeqCst), 0, "the instance keeps the engine alive");
    unsafe { torvyn_instance_free(instance) };
    assert_eq!(seen.ended.load(SeqCst), 1);
}

#[test]
fn a_cancel_that_came_before_a_teardown_is_none_of_its_failures() {
    use super::super::cancel::*;
    let seen = Seen::default();
    let instance = instance_in(&logged(&seen, LogLevel::TORVYN_LOG_ERROR), "misbehave", "");
    unsafe {
        let cancel = torvyn_instance_cancel_handle(instance);
        torvyn_cancel(cancel);
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_OK);
        torvyn_cancel_free(cancel);
        torvyn_instance_free(instance);
    }
    assert_eq!(seen.lines.lock().len(), 0);
}

#[test]
fn the_finalizer_runs_once_whatever_comes_of_the_engine() {
    let seen = Seen::default();
    let good = logged(&seen, LogLevel::TORVYN_LOG_DEFAULT);
    let mut wrong_level = good;
    unsafe { wrong_level.log_level.as_mut_ptr().cast::<i32>().write(-1) };
    let size = size_of::<EngineConfig>();
    let mut longer = [0u8; size_of::<EngineConfig>() + 8];
    unsafe { (&raw const good).cast::<u8>().copy_to(longer.as_mut_ptr(), size) };
    longer[..4].copy_from_slice(&(size as u32 + 8).to_le_bytes());
    longer[size] = 1;
    let mut engine = null_mut();
    let cases: [(*const EngineConfig, _, _); 6] = [
        (&raw const good, true, TORVYN_OK),
        (&raw const good, false, TORVYN_ERROR_NULL),
        (&EngineConfig { tick_ns: 1, ..good }, true, TORVYN_ERROR_CONFIG),
        (&raw const wrong_level, true, TORVYN_ERROR_CONFIG),
        (longer.as_ptr().cast(), true, TORVYN_ERROR_ARGUMENT),
        (&EngineConfig { log: None, ..good }, true, TORVYN_OK),
    ];
    for (at, (config, out, wanted)) in cases.into_iter().enumerate() {
        let out = if out { &raw mut engine } else { null_mut() };
        unsafe {
            assert_eq!(torvyn_engine_new(config, out, null_mut()), wanted, "{at}");
            assert_eq!(seen.ended.load(SeqCst), u32::from(at != 0), "{at}");
            torvyn_engine_free(engine);
        }
        engine = null_mut();
        assert_eq!(seen.ended.swap(0, SeqCst), 1, "{at}");
    }
    let unset = EngineConfig { struct_size: 0, ..good };
    assert_eq!(unsafe { torvyn_engine_new(&unset, &raw mut engine, null_mut()) }, TORVYN_ERROR_ARGUMENT);
    assert_eq!(seen.ended.load(SeqCst), 0, "nothing was there to read");
}
