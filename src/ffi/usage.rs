//! What an instance uses and has done: fuel, memory, counters.

use super::error::ErrorHandle;
use super::instance::InstanceHandle;
use super::running;
use super::sized::StructSize;
use super::status::Status;
use crate::engine::control;
use crate::engine::traits::{self, WasmEngine as _};

/// What an instance holds of memory, in bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MemoryUsage {
    /// The size of this struct in bytes, set by the caller before the call: no
    /// more than that is written.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// All that the instance uses: `linear` and `buffers`.
    pub total: u64,
    /// Linear memory of the component, over all its memories.
    pub linear: u64,
    /// What the library holds for the component, as it counts against
    /// `buffer_limit` of torvyn_engine_config_t: buffers by their capacity, long
    /// content types, names of ports, many handles. Outputs that the caller holds
    /// are not among them.
    pub buffers: u64,
}

// SAFETY: `repr(C)`, `struct_size` first, no padding, all fields may be zero.
unsafe impl StructSize for MemoryUsage {}

impl From<traits::MemoryUsage> for MemoryUsage {
    fn from(usage: traits::MemoryUsage) -> Self {
        let traits::MemoryUsage { linear, buffers } = usage;
        Self { struct_size: 0, reserved: 0, total: linear + buffers, linear, buffers }
    }
}

/// Counters of one instance, from when it was made; a reset leaves them. Each is
/// exact; together they are of about one moment.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stats {
    /// The size of this struct in bytes, set by the caller before the call: no
    /// more than that is written.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Calls that began, of any function, refused ones not among them.
    /// Instantiation and torvyn_instance_reset() are no calls.
    pub calls: u64,
    /// Calls that a trap, a budget, a cancel or a defect ended.
    pub stopped: u64,
    /// Calls that the component answered with an error of its own.
    pub guest_errors: u64,
    /// Calls that the instance refused before the component ran: for its state, a
    /// role that it lacks, what an element holds, types of torvyn_call(), a
    /// cancel, want of a thread or of stack. What is refused without a look at the
    /// instance is not counted: one that is BUSY, and a parameter that is NULL
    /// itself, no UTF-8 or out of its range. A batch is as many calls as elements
    /// of it were reached.
    pub refused: u64,
    /// Traps, budgets not counted.
    pub traps: u64,
    /// Calls that ran out of fuel.
    pub out_of_fuel: u64,
    /// Calls that a deadline ended, or stopped while their arguments were read,
    /// which are among `refused` too.
    pub deadlines: u64,
    /// Calls that a cancel ended, or stopped before they began, which are among
    /// `refused` too.
    pub cancels: u64,
    /// Calls that a limit of memory, tables, handles, texts or values ended, or
    /// that the system had no memory for.
    pub memory_limits: u64,
    /// Elements lent to the component.
    pub elements_in: u64,
    /// Elements that the component gave.
    pub elements_out: u64,
    /// Payload bytes copied into the component's memory; those that go from one
    /// host buffer to another are not among them.
    pub bytes_in: u64,
    /// Payload bytes copied out of the component's memory.
    pub bytes_out: u64,
    /// What the library held for the component when the latest call ended, or the
    /// instance was made, in bytes, as `buffers` of torvyn_memory_usage_t.
    pub buffer_bytes: u64,
    /// The most of it that was held at once, also within a call; known when that
    /// has ended.
    pub buffer_bytes_peak: u64,
    /// Linear memory when the latest call ended, in bytes.
    pub linear_bytes: u64,
    /// Fuel used, where the engine counts it.
    pub fuel_used: u64,
    /// Nanoseconds inside calls, where `timing` of torvyn_instance_options_t is
    /// on.
    pub time_ns: u64,
    /// Resets, those that failed among them.
    pub resets: u64,
}

// SAFETY: `repr(C)`, `struct_size` first, no padding, all fields may be zero.
unsafe impl StructSize for Stats {}

impl From<control::Stats> for Stats {
    #[rustfmt::skip]
    fn from(stats: control::Stats) -> Self {
        let control::Stats {
            calls, stopped, guest_errors, refused, traps, out_of_fuel, deadlines, cancels, memory_limits,
            elements_in, elements_out, bytes_in, bytes_out, buffer_bytes, buffer_bytes_peak, linear_bytes,
            fuel_used, time_ns, resets,
        } = stats;
        Self {
            struct_size: 0, reserved: 0,
            calls, stopped, guest_errors, refused, traps, out_of_fuel, deadlines, cancels, memory_limits,
            elements_in, elements_out, bytes_in, bytes_out, buffer_bytes, buffer_bytes_peak, linear_bytes,
            fuel_used, time_ns, resets,
        }
    }
}

/// Sets the fuel that is left. From then on the program manages the instance's
/// fuel: calls use it up and the library refills nothing.
///
/// @param instance  Used by no other call meanwhile.
/// @param fuel      Units of fuel; about one for each instruction.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   Set.
/// @retval TORVYN_ERROR_FUEL_DISABLED  The engine does not count fuel (set
///                                     `fuel` of torvyn_engine_config_t), or the
///                                     component is native.
/// @retval TORVYN_ERROR_STATE          The latest reset failed: reset it again.
/// @retval TORVYN_ERROR_BUSY, _NULL    Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_instance_set_fuel(
    instance: *mut InstanceHandle,
    fuel: u64,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [], pointer: [instance] => {
        let set = |parts: &mut running::Parts| {
            let engine = parts.instance.linked().engine().clone();
            engine.set_fuel(&mut parts.instance, fuel)
        };
        // SAFETY: the header requires an instance that was not freed.
        unsafe { running::run(instance, None, set) }?;
        Ok(Status::TORVYN_OK)
    })
}

/// The fuel that is left: after a call, what that call left over; after a reset
/// that failed, none.
///
/// @param instance  Used by no other call meanwhile.
/// @param out       Where the units go; 0 but for TORVYN_OK.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                 `*out` is set.
/// @retval TORVYN_FUEL_OFF           The engine does not count fuel, or the
///                                   component is native.
/// @retval TORVYN_ERROR_BUSY, _NULL  Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC        A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_fuel_remaining(
    instance: *mut InstanceHandle,
    out: *mut u64,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [out], pointer: [instance] => {
        let ask = |parts: &mut running::Parts| {
            Ok(parts.instance.linked().engine().fuel_remaining(&parts.instance))
        };
        // SAFETY: the header requires an instance that was not freed.
        Ok(match unsafe { running::run(instance, None, ask) }? {
            Some(fuel) => {
                out.set(fuel);
                Status::TORVYN_OK
            }
            None => Status::TORVYN_FUEL_OFF,
        })
    })
}

/// What the instance holds of memory now; of a native component's nothing is
/// known. torvyn_instance_stats() has the figures of the latest call's end and
/// needs no pause between calls.
///
/// @param instance  Used by no other call meanwhile.
/// @param out       `struct_size` is set by the caller; the rest is filled, with
///                  zeros on failure (nothing where `struct_size` is wrong).
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                 `*out` is set.
/// @retval TORVYN_ERROR_ARGUMENT     `struct_size` is not set.
/// @retval TORVYN_ERROR_BUSY, _NULL  Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC        A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_instance_memory_usage(
    instance: *mut InstanceHandle,
    out: *mut MemoryUsage,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [], fill: [out], pointer: [instance] => {
        let ask = |parts: &mut running::Parts| {
            Ok(parts.instance.linked().engine().memory_usage(&parts.instance))
        };
        // SAFETY: the header requires an instance that was not freed.
        out.set(MemoryUsage::from(unsafe { running::run(instance, None, ask) }?));
        Ok(Status::TORVYN_OK)
    })
}

/// The instance's counters.
///
/// @param instance  Borrowed for the call.
/// @param out       `struct_size` is set by the caller; the rest is filled, with
///                  zeros on failure (nothing where `struct_size` is wrong).
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              `*out` is set.
/// @retval TORVYN_ERROR_ARGUMENT  `struct_size` is not set.
/// @retval TORVYN_ERROR_NULL      `instance` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any, also while a call runs.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_stats(
    instance: *const InstanceHandle,
    out: *mut Stats,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], fill: [out], handle: [instance] => {
        out.set(Stats::from(instance.control.counters.read()));
        Ok(Status::TORVYN_OK)
    })
}
