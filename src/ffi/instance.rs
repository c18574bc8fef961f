//! Instances of linked components.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use super::args::bad;
use super::error::ErrorHandle;
use super::handle::{self, Boxed, Handle};
use super::linked::LinkedHandle;
use super::plain::{Switch, or, switch};
use super::running::{self, Held};
use super::sized::StructSize;
use super::status::Status;
use crate::contract::ComponentId;
use crate::engine::config::EngineConfig;
use crate::engine::control;
use crate::engine::traits::WasmEngine as _;
use crate::error::Result;

/// What an instance may take and do. Zero in a field means the engine's default;
/// each has the range that it has in torvyn_engine_config_t, and within a pool's
/// slots `memory_limit` is at most what a slot holds: the engine's, or 64 MiB
/// where that is not set.
///
/// In C:    torvyn_instance_options_t options = {.struct_size = sizeof options};
/// In C++:  torvyn_instance_options_t options{};
///          options.struct_size = sizeof options;
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct InstanceOptions {
    /// The size of this struct in bytes: sizeof(torvyn_instance_options_t).
    /// Required.
    pub struct_size: u32,
    /// What happens at `memory_limit` and `table_limit`; see
    /// torvyn_engine_config_t. Default: the engine's.
    pub refuse_growth: MaybeUninit<Switch>,
    /// Nanoseconds that a call may take; UINT64_MAX for no limit.
    /// Default: the engine's.
    pub timeout_ns: u64,
    /// Fuel that each call begins with, where the engine counts it; UINT64_MAX
    /// where the program manages it with torvyn_instance_set_fuel() and calls use
    /// up what is left, at first 1000000000 less what the component took when it
    /// was instantiated. Default: 1000000000.
    pub fuel: u64,
    /// Bytes of linear memory, over all memories. Default: the engine's.
    pub memory_limit: u64,
    /// Elements of tables, over all tables. Default: the engine's.
    pub table_limit: u64,
    /// Bytes that the library may hold for the component at once; what counts is
    /// said at torvyn_engine_config_t. Default: the engine's.
    pub buffer_limit: u64,
    /// Handles that the component may hold at once. Default: the engine's.
    pub max_handles: u32,
    /// Core instances, memories and tables (each) of which the instance may be
    /// made up. Default: the engine's.
    pub instance_limit: u32,
    /// Whether `time_ns` of torvyn_stats_t is counted, at the cost of two readings
    /// of the clock for each call. Default: off.
    pub timing: MaybeUninit<Switch>,
    /// File descriptors that the component may hold at once by WASI. Default: the
    /// engine's.
    pub max_files: u32,
}

// SAFETY: `repr(C)`, `struct_size` first, ends with two u32 at a multiple of 8, all fields may be
// zero.
unsafe impl StructSize for InstanceOptions {}

impl InstanceOptions {
    fn read(&self, engine: &EngineConfig) -> Result<crate::engine::instance::InstanceOptions> {
        let default = crate::engine::instance::InstanceOptions::of(engine);
        let on = |given, name, default| switch(given, default, |reason| bad(name, reason));
        Ok(crate::engine::instance::InstanceOptions {
            timeout_ns: or(self.timeout_ns, default.timeout_ns),
            fuel: or(self.fuel, default.fuel),
            memory_limit: or(self.memory_limit, default.memory_limit),
            table_limit: or(self.table_limit, default.table_limit),
            instance_limit: or(self.instance_limit, default.instance_limit),
            buffer_limit: or(self.buffer_limit, default.buffer_limit),
            max_handles: or(self.max_handles, default.max_handles),
            max_files: or(self.max_files, default.max_files),
            refuse_growth: on(self.refuse_growth, "options.refuse_growth", default.refuse_growth)?,
            timing: on(self.timing, "options.timing", default.timing)?,
        })
    }
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum State {
    /// There is no instance (NULL).
    TORVYN_STATE_NONE = 0,
    /// The component exports `lifecycle`: torvyn_init() comes first.
    TORVYN_STATE_NEW = 1,
    /// It takes elements.
    TORVYN_STATE_READY = 2,
    /// The component said `fatal`, or failed in torvyn_init(): torvyn_teardown(),
    /// torvyn_instance_reset() and torvyn_instance_free() are left.
    TORVYN_STATE_FAILED = 3,
    /// A trap, a budget, a cancel or a defect ended a call:
    /// torvyn_instance_reset() and torvyn_instance_free() are left.
    TORVYN_STATE_POISONED = 4,
    /// torvyn_teardown() was called: torvyn_instance_reset() and
    /// torvyn_instance_free() are left.
    TORVYN_STATE_TORN_DOWN = 5,
}

impl From<control::State> for State {
    fn from(state: control::State) -> Self {
        match state {
            control::State::New => State::TORVYN_STATE_NEW,
            control::State::Ready => State::TORVYN_STATE_READY,
            control::State::Failed => State::TORVYN_STATE_FAILED,
            control::State::Poisoned => State::TORVYN_STATE_POISONED,
            control::State::TornDown => State::TORVYN_STATE_TORN_DOWN,
        }
    }
}

/// One instance of a linked component: its own memory, state and budgets. It may
/// move between threads and runs one call at a time.
///
/// Functions that take it as `const` may be called at any time from any thread,
/// also while a call runs. Of the others a second one at the same time gets
/// TORVYN_ERROR_BUSY and changes nothing.
pub struct InstanceHandle(());

impl Handle for InstanceHandle {
    type Held = Held;
    type Kept = Boxed;
}

/// Makes an instance. Its state is NEW where the component exports `lifecycle`,
/// READY elsewhere.
///
/// @param linked   Borrowed for the call.
/// @param id       The caller's own name for the instance, which errors about it
///                 carry; any number, unique only where the caller wants it.
/// @param options  Borrowed for the call; NULL for all defaults.
/// @param out      Where the instance goes, owned by the caller
///                 (torvyn_instance_free()); NULL on failure.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   `*out` is an instance.
/// @retval TORVYN_ERROR_INSTANTIATION  It could not be made: no slot, no address
///                                     space or no thread to wait in WASI is
///                                     left, the system refused something else
///                                     (see System at the head of this file),
///                                     the component is larger than a slot
///                                     or than `instance_limit`, or
///                                     `instance_new` of a native one refused.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock, or the calling one has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals.
/// @retval TORVYN_ERROR_BUSY           A callback of this thread has left its
///                                     stack (see Coroutines at the head of this
///                                     file).
/// @retval TORVYN_ERROR_TRAP, _HOST_FUNCTION, _FUEL, _DEADLINE, _MEMORY The
///                            component's start function was stopped; _MEMORY
///                            also where it starts with more than `memory_limit`
///                            or `table_limit`, which the error names.
/// @retval TORVYN_ERROR_ARGUMENT       An option is out of its range, which the
///                                     error names, or `struct_size` is not set.
/// @retval TORVYN_ERROR_NULL           `linked` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC          A defect of the library.
///
/// Thread: any; several may be made at once.
/// Blocks: for microseconds, and for as long as a start function runs, at most
///         until the timeout.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_instance_new(
    linked: *const LinkedHandle,
    id: u64,
    options: *const InstanceOptions,
    out: *mut *mut InstanceHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [linked], options: [options] => {
        let linked = &linked.linked;
        let options = options.read(linked.engine().config())?;
        let instance = linked.engine().instantiate(linked, ComponentId(id), &options)?;
        out.set(handle::give::<InstanceHandle>(Held::new(instance)));
        Ok(Status::TORVYN_OK)
    })
}

/// Makes the instance anew from its linked component, under the same handle, id
/// and options: fresh memory, full budgets, state NEW or READY. Outputs that the
/// caller holds stay good.
///
/// A cancel that waits for the next call goes on waiting; fuel that the program
/// managed by torvyn_instance_set_fuel() is the options' again.
///
/// @param instance  In any state, and used by no other call meanwhile.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The instance is as new.
/// @retval TORVYN_ERROR_INSTANTIATION  It could not be made; POISONED, and may
///                                     be reset again.
/// @retval TORVYN_ERROR_TRAP, _FUEL, _DEADLINE, _CANCELLED, _MEMORY The
///                            component's start function was stopped; POISONED,
///                            and may be reset again.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed in it; POISONED,
///                                     and may be reset again.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock; POISONED, and may be reset again.
///                                     Or the calling thread has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals; nothing changed.
/// @retval TORVYN_ERROR_BUSY, _NULL    Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: as torvyn_instance_free() and torvyn_instance_new().
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_instance_reset(
    instance: *mut InstanceHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], pointer: [instance] => {
        // SAFETY: the header requires an instance that was not freed.
        unsafe { running::run(instance, None, |parts| parts.instance.reset()) }?;
        Ok(Status::TORVYN_OK)
    })
}

/// Frees an instance without calling the component: torvyn_teardown() first
/// where that matters. Outputs and cancel handles stay good.
///
/// While a call runs on it, on another thread or further up on this one's stack,
/// the handle is gone at once and the memory when that call ends;
/// torvyn_cancel() makes that soon.
///
/// @param instance  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: for microseconds; longer for what the component held: up to a
///         microsecond for each handle and 100 milliseconds for each GiB of
///         memory in use, which the system takes back, and for as long as the
///         program's destructors take. The instance's limits bound it.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_free(instance: *mut InstanceHandle) {
    ffi!(neutral: (), nullable: [instance] => {
        if let Some(instance) = instance {
            // SAFETY: the header requires an instance that was not freed.
            unsafe { running::free(instance) }
        }
    })
}

/// The id that torvyn_instance_new() was given.
///
/// @param instance  Borrowed for the call; NULL gives 0.
///
/// @return  The id.
///
/// Thread: any, also while a call runs.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_id(instance: *const InstanceHandle) -> u64 {
    ffi!(neutral: 0, handle: [instance] => instance.id.0)
}

/// The roles that the component exports.
///
/// @param instance  Borrowed for the call; NULL gives 0.
///
/// @return  A set of torvyn_role_t, joined by `|`.
///
/// Thread: any, also while a call runs.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_roles(instance: *const InstanceHandle) -> u32 {
    ffi!(neutral: 0, handle: [instance] => instance.roles.0)
}

/// Where the instance stands. While a call runs: where it stood when that began,
/// or what has come of it since, as a log callback sees it. While
/// torvyn_instance_reset() runs: POISONED.
///
/// @param instance  Borrowed for the call; NULL gives TORVYN_STATE_NONE.
///
/// @return  The state.
///
/// Thread: any, also while a call runs.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_state(instance: *const InstanceHandle) -> State {
    ffi!(neutral: State::TORVYN_STATE_NONE, handle: [instance] => State::from(instance.control.state()))
}

/// The name of a state, e.g. "TORVYN_STATE_READY".
///
/// @param state  Any number.
///
/// @return  NUL-terminated, static; "TORVYN_UNKNOWN" for a number that is no
///          state of this version; never NULL.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_state_name(state: c_int) -> *const c_char {
    ffi!(neutral: c"TORVYN_UNKNOWN".as_ptr() => match state {
        0 => c"TORVYN_STATE_NONE".as_ptr(),
        1 => c"TORVYN_STATE_NEW".as_ptr(),
        2 => c"TORVYN_STATE_READY".as_ptr(),
        3 => c"TORVYN_STATE_FAILED".as_ptr(),
        4 => c"TORVYN_STATE_POISONED".as_ptr(),
        5 => c"TORVYN_STATE_TORN_DOWN".as_ptr(),
        _ => c"TORVYN_UNKNOWN".as_ptr(),
    })
}
