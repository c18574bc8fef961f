//! Native components, their callbacks in the place of C functions.

mod calls;
mod ends;

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::args::Clear as _;
use super::super::native::*;
use super::super::native_call::*;
use super::*;

/// What a table's `user` points to.
#[derive(Default)]
struct World {
    /// Instances made, instances ended, and runs of the finalizer.
    made: AtomicU32,
    freed: AtomicU32,
    ended: AtomicU32,
    /// The instance of the running call, for callbacks that use it.
    instance: AtomicPtr<InstanceHandle>,
    /// A call that a callback kept.
    kept: AtomicPtr<NativeCallHandle>,
    said: Mutex<Vec<String>>,
}

/// What an instance's `state` points to.
struct Own {
    id: u64,
    count: u64,
}

type Given = MaybeUninit<Status>;
type Call = *mut NativeCallHandle;

fn world<'a>(user: *mut c_void) -> &'a World {
    unsafe { &*user.cast() }
}

fn own<'a>(state: *mut c_void) -> &'a mut Own {
    unsafe { &mut *state.cast() }
}

fn payload<'a>(element: *const Element) -> &'a str {
    let bytes = unsafe { (*element).payload };
    unsafe { Str { data: bytes.data.cast(), len: bytes.len }.text("") }.unwrap()
}

fn given(status: Status) -> Given {
    MaybeUninit::new(status)
}

/// Any number as the answer, as C may give it.
fn number(n: i32) -> Given {
    let mut given = Given::uninit();
    unsafe { given.as_mut_ptr().cast::<i32>().write(n) };
    given
}

unsafe extern "C" fn finalizer(user: *mut c_void) {
    world(user).ended.fetch_add(1, SeqCst);
}

/// Refuses the id 13.
unsafe extern "C" fn instance_new(user: *mut c_void, id: u64, state: *mut *mut c_void) -> Given {
    unsafe {
        assert!((*state).is_null());
        if id == 13 {
            return given(TORVYN_ERROR_UNAVAILABLE);
        }
        *state = Box::into_raw(Box::new(Own { id, count: 0 })).cast();
    }
    world(user).made.fetch_add(1, SeqCst);
    given(TORVYN_OK)
}

unsafe extern "C" fn instance_free(user: *mut c_void, state: *mut c_void) {
    drop(unsafe { Box::from_raw(state.cast::<Own>()) });
    world(user).freed.fetch_add(1, SeqCst);
    assert_eq!(world(user).ended.load(SeqCst), 0, "the table outlives its instances");
}

fn emit(call: Call, bytes: &[u8]) -> Status {
    unsafe {
        assert_eq!(torvyn_native_append(call, bytes.as_ptr(), bytes.len(), null_mut()), TORVYN_OK);
        torvyn_native_emit(call, 70, 71, Str::of("text/own"), null_mut())
    }
}

fn verdict(call: Call, kind: Status, text: &str) -> Given {
    given(unsafe { torvyn_native_fail(call, given(kind), Str::of(text)) })
}

unsafe extern "C" fn init(user: *mut c_void, _: *mut c_void, call: Call, config: Str) -> Given {
    let config = unsafe { config.text("") }.unwrap();
    world(user).said.lock().push(format!("init {config}"));
    if config == "refuse" { verdict(call, TORVYN_ERROR_UNAVAILABLE, "no broker") } else { given(TORVYN_OK) }
}

unsafe extern "C" fn teardown(user: *mut c_void, _: *mut c_void, call: Call) -> Given {
    world(user).said.lock().push("teardown".into());
    assert_eq!(emit(call, b"x"), TORVYN_ERROR_STATE);
    verdict(call, TORVYN_ERROR_GUEST_INTERNAL, "left\nover")
}

/// Does what the payload says.
unsafe extern "C" fn obey(user: *mut c_void, state: *mut c_void, call: Call, element: *const Element) -> Given {
    let (world, command) = (world(user), payload(element));
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    match word {
        "drop" => return given(TORVYN_NOTHING_EMITTED),
        "answer" => return number(rest.parse().unwrap()),
        "emit-and-answer" => {
            emit(call, b"lost");
            return number(rest.parse().unwrap());
        }
        "twice" => {
            assert_eq!(emit(call, b"first"), TORVYN_OK);
            assert_eq!(emit(call, b"second"), TORVYN_ERROR_STATE);
            return given(TORVYN_OK);
        }
        "fail" => {
            let (kind, text) = rest.split_once(' ').unwrap();
            return given(unsafe { torvyn_native_fail(call, number(kind.parse().unwrap()), Str::of(text)) });
        }
        "empty" => return given(unsafe { torvyn_native_emit(call, 0, 0, Str::EMPTY, null_mut()) }),
        "count" => {
            let own = own(state);
            own.count += 1;
            emit(call, format!("{} of {}", own.count, own.id).as_bytes());
            return given(TORVYN_OK);
        }
        "wait" => {
            world.said.lock().push("waits".into());
            while !unsafe { torvyn_native_should_stop(call) } {
                std::thread::sleep(Duration::from_micros(100));
            }
            emit(call, b"too late");
            return given(TORVYN_OK);
        }
        "sleep" => {
            std::thread::sleep(Duration::from_millis(rest.parse().unwrap()));
            return given(TORVYN_NOTHING_EMITTED);
        }
        "keep" => world.kept.store(call, SeqCst),
        "free" => unsafe { torvyn_instance_free(world.instance.load(SeqCst)) },
        "reenter" => reenter(world.instance.load(SeqCst)),
        "memory" => memory(call),
        "misuse" => misuse(call),
        "grow" => return given(grow(call, rest.parse().unwrap())),
        "flow" => {
            let text = |text: Str| unsafe { text.text("") }.unwrap().to_owned();
            let flow = unsafe { (*element).flow.as_ref() }.map(|flow| {
                format!("{} {} {} {}", text(flow.trace_id), text(flow.span_id), text(flow.flow_id), flow.deadline_ns)
            });
            emit(call, flow.unwrap_or_default().as_bytes());
            return given(TORVYN_OK);
        }
        _ => {}
    }
    upper(call, command.as_bytes(), unsafe { (*element).content_type })
}

/// In place, with room to spare.
fn upper(call: Call, bytes: &[u8], content_type: Str) -> Given {
    let mut at = null_mut();
    unsafe {
        assert_eq!(torvyn_native_reserve(call, bytes.len() + 9, &raw mut at, null_mut()), TORVYN_OK);
        let room = std::slice::from_raw_parts_mut(at, bytes.len() + 9);
        assert!(room.iter().all(|byte| *byte == 0));
        room.fill(b'?');
        room[..bytes.len()].copy_from_slice(&bytes.to_ascii_uppercase());
        assert_eq!(torvyn_native_commit(call, bytes.len(), null_mut()), TORVYN_OK);
        given(torvyn_native_emit(call, 0, 0, content_type, null_mut()))
    }
}

/// What a callback may not do with its own instance.
fn reenter(instance: *mut InstanceHandle) {
    let (mut output, mut fuel) = (stale(), 9);
    unsafe {
        assert_eq!(torvyn_process(instance, &super::element(b"x"), &raw mut output, null_mut()), TORVYN_ERROR_BUSY);
        assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_ERROR_BUSY);
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_ERROR_BUSY);
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_ERROR_BUSY);
        let fuel_status = super::super::usage::torvyn_instance_fuel_remaining(instance, &raw mut fuel, null_mut());
        assert_eq!((fuel_status, fuel), (TORVYN_ERROR_BUSY, 0));
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_READY);
    }
}

/// More than an output can hold, and more than an instance may (64 KiB in the tests).
fn memory(call: Call) {
    let mut err = null_mut();
    let mut at = null_mut();
    let bytes = vec![b'x'; 100_000];
    unsafe {
        let status = torvyn_native_append(call, bytes.as_ptr(), bytes.len(), &raw mut err);
        assert_eq!(status, TORVYN_ERROR_MEMORY);
        assert!(detail(status, err).contains("`buffer_limit`"));
        let status = torvyn_native_reserve(call, usize::MAX, &raw mut at, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_MEMORY);
        assert!(at.is_null() && detail(status, err).contains("16 MiB"));
    }
}

/// Everything that is refused and changes nothing.
fn misuse(call: Call) {
    let mut at = null_mut();
    let latin = Str { data: c"\xe9".as_ptr(), len: 1 };
    unsafe {
        assert_eq!(torvyn_native_commit(call, 1, null_mut()), TORVYN_ERROR_ARGUMENT);
        assert_eq!(torvyn_native_commit(call, 0, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_native_reserve(call, 5, &raw mut at, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_native_commit(call, 6, null_mut()), TORVYN_ERROR_ARGUMENT);
        assert_eq!(torvyn_native_reserve(call, 5, null_mut(), null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_append(call, null(), 1, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_append(call, null(), 0, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_native_commit(call, 5, null_mut()), TORVYN_ERROR_ARGUMENT, "the room is gone");
        assert_eq!(torvyn_native_emit(call, 0, 0, latin, null_mut()), TORVYN_ERROR_UTF8);
        assert_eq!(torvyn_native_port(call, Str::of("p"), null_mut()), TORVYN_ERROR_STATE);
        assert_eq!(torvyn_native_port(call, latin, null_mut()), TORVYN_ERROR_UTF8);
        for refused in [TORVYN_OK, TORVYN_ERROR_TRAP, TORVYN_ERROR_NULL] {
            assert_eq!(torvyn_native_fail(call, given(refused), Str::EMPTY), TORVYN_ERROR_ARGUMENT);
        }
        assert!(!torvyn_native_should_stop(call));
        let null_call = null_mut();
        assert_eq!(torvyn_native_append(null_call, null(), 0, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_reserve(null_call, 1, &raw mut at, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_commit(null_call, 0, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_emit(null_call, 0, 0, Str::EMPTY, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_port(null_call, Str::EMPTY, null_mut()), TORVYN_ERROR_NULL);
        assert_eq!(torvyn_native_fail(null_call, given(TORVYN_ERROR_FATAL), Str::CLEAR), TORVYN_ERROR_FATAL);
        assert!(torvyn_native_should_stop(null_call));
    }
}

/// An output of `size` bytes, by pieces.
fn grow(call: Call, size: usize) -> Status {
    let piece: Vec<u8> = (0..=250).collect();
    let mut left = size;
    while left > 0 {
        let now = left.min(piece.len());
        let mut at = null_mut();
        unsafe {
            // Half of the pieces in place, with room that is not committed.
            if left.is_multiple_of(2) {
                assert_eq!(torvyn_native_reserve(call, now + 7, &raw mut at, null_mut()), TORVYN_OK);
                at.copy_from(piece.as_ptr(), now);
                assert_eq!(torvyn_native_commit(call, now, null_mut()), TORVYN_OK);
                assert_eq!(torvyn_native_reserve(call, 3, &raw mut at, null_mut()), TORVYN_OK);
            } else {
                assert_eq!(torvyn_native_append(call, piece.as_ptr(), now, null_mut()), TORVYN_OK);
            }
        }
        left -= now;
    }
    unsafe { torvyn_native_emit(call, 0, 0, Str::EMPTY, null_mut()) }
}

/// No callbacks.
fn empty(world: &World) -> Native {
    let user = std::ptr::from_ref(world).cast_mut().cast();
    Native { struct_size: size_of::<Native>() as u32, user, finalizer: Some(finalizer), ..Native::zeroed() }
}

/// A processor with a lifecycle and states.
fn processor(world: &World) -> Native {
    Native {
        instance_new: Some(instance_new),
        instance_free: Some(instance_free),
        init: Some(init),
        teardown: Some(teardown),
        process: Some(obey),
        ..empty(world)
    }
}

fn linked_native(config: &EngineConfig, table: &Native) -> *mut LinkedHandle {
    let (mut component, mut linked) = (null_mut(), null_mut());
    unsafe {
        let engine = engine(config);
        assert_eq!(torvyn_component_native(engine, table, &raw mut component, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_linked_new(component, null(), &raw mut linked, null_mut()), TORVYN_OK);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
    linked
}

/// An instance, initialised, with everything that it was made from already freed.
fn native_in(config: &EngineConfig, table: &Native) -> *mut InstanceHandle {
    let mut out = null_mut();
    unsafe {
        let linked = linked_native(config, table);
        assert_eq!(torvyn_instance_new(linked, 7, null(), &raw mut out, null_mut()), TORVYN_OK);
        torvyn_linked_free(linked);
        assert_eq!(torvyn_init(out, Str::EMPTY, null_mut()), TORVYN_OK);
    }
    out
}

fn native(table: &Native) -> *mut InstanceHandle {
    native_in(&config(), table)
}
