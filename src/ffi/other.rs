//! Calls of exported functions outside of the contract.

use super::args::{self, bad};
use super::error::ErrorHandle;
use super::handle::{self, Boxed, Handle};
use super::instance::InstanceHandle;
use super::plain::Str;
use super::reader::{Reader, Unread};
use super::running::{self, Parts};
use super::status::Status;
use super::value::{Value, Views};
use crate::contract::held::room;
use crate::engine::other::NoCall;
use crate::engine::value::Value as Owned;
use crate::error::Error;
use crate::general::values::Seen;

/// What a call gave: its result, where the function has one.
pub struct ValuesHandle(());

/// What a values handle points to.
pub struct Values {
    views: Views,
    // What the views point to.
    _owned: Vec<Owned>,
}

impl Handle for ValuesHandle {
    type Held = Values;
    type Kept = Boxed;
}

/// Calls an exported function by name, one outside of the contract. A component
/// that exports such a function runs on the general path, unless the engine's
/// `path` is TORVYN_PATH_DIRECT. The contract's own functions are called by
/// torvyn_init() and its kin, which keep the instance's state, and not by this.
///
/// @param instance   NEW or READY, and used by no other call meanwhile.
/// @param interface  The exported interface, with the version that
///                   torvyn_component_export() says or a compatible one, by the
///                   rule of torvyn_imports_define(), or without a version where
///                   that says none; empty for a function that the component
///                   exports by itself. Borrowed for the call.
/// @param function   The function's name; borrowed for the call.
/// @param args       Its arguments; borrowed for the call; NULL where `count` is
///                   0. A resource that is an `own` is the component's once the
///                   component runs, whatever the call gives then (see
///                   torvyn_destructor_t), and the caller's where nothing ran; a
///                   `borrow` is lent for the call.
/// @param count      Number of arguments.
/// @param out        Where the result goes, owned by the caller
///                   (torvyn_values_free()); NULL on failure.
/// @param err        Where detail goes on a negative status, owned by the caller
///                   (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   `*out` is what the function gave.
/// @retval TORVYN_ERROR_NOT_EXPORTED   There is no such function; nothing ran.
/// @retval TORVYN_ERROR_TYPE_MISMATCH  The arguments are not as many as the
///                                     parameters, or not of their types;
///                                     nothing ran. No argument is of a
///                                     resource type that the component itself
///                                     exports.
/// @retval TORVYN_ERROR_UNSUPPORTED    The instance runs on the direct path, or
///                                     is a native component's; nothing ran.
/// @retval TORVYN_ERROR_TRAP           The component trapped, or its result is
///                                     of a type that C cannot have:
///                                     asynchronous, or a resource that the
///                                     component itself exports; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where that was
///                                     before the component ran: the arguments
///                                     took the time, would exceed
///                                     `max_handles` or what values may take
///                                     (torvyn_value_t), or the system has no
///                                     memory for them.
/// @retval TORVYN_ERROR_ARGUMENT       `interface` is one of the contract's, or
///                                     an argument is no value of any type: its
///                                     kind is none, its number out of the
///                                     kind's range, its nesting deeper than
///                                     128; nothing ran. As for _TYPE_MISMATCH,
///                                     _NULL and _UTF8 the error names function
///                                     and argument (`args[0]` is the first).
/// @retval TORVYN_ERROR_BUSY, _STATE, _NULL, _UTF8
///                                     Misuse; nothing ran, nothing changed.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock, or the calling one has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals; nothing ran. Or
///                                     WASI has no thread to wait with (see
///                                     Fork at the head of this file);
///                                     POISONED.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout, within
///         which the arguments are read and checked. They are not looked at
///         where the instance, the names or their number are wrong, and what of
///         one is not of its type is not looked into.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_call(
    instance: *mut InstanceHandle,
    interface: Str,
    function: Str,
    args: *const Value,
    count: usize,
    out: *mut *mut ValuesHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [out], pointer: [instance] => {
        // SAFETY: the header requires what the strings say.
        let (interface, function) = unsafe { (interface.text("interface")?, function.text("function")?) };
        // SAFETY: the header requires NULL or `count` values.
        let given = unsafe { args::list(args, count, "args")? };
        // Once the instance has looked at all else.
        let read = |params: &Seen| {
            let (mut reader, mut values) = (Reader::new("args"), room(given.len())?);
            for (i, value) in given.iter().enumerate() {
                // SAFETY: the header requires values whose members are set as their kinds say.
                let read = unsafe { reader.read(value, params.wanted(i)) };
                let wrong = |mut error: Box<Error>| {
                    error.message = error.message.replacen("`args`", &format!("{function}: `args[{i}]`"), 1);
                    NoCall::Wrong(error)
                };
                match read {
                    Ok(Some(value)) => values.push(value),
                    Ok(None) => return Err(wrong(bad("args", "TORVYN_KIND_NONE is no argument"))),
                    Err(Unread::Wrong(error)) => return Err(wrong(error)),
                    Err(Unread::Stopped(error)) => return Err(NoCall::Stopped(error)),
                }
            }
            Ok(values)
        };
        let take = |result: Option<Owned>| {
            let owned: Vec<_> = result.into_iter().collect();
            Ok(Box::new(Values { views: Views::new(&owned)?, _owned: owned }))
        };
        let work = |parts: &mut Parts| parts.instance.call_other(interface, function, given.len(), read, take);
        // SAFETY: the header requires an instance that was not freed.
        let values = unsafe { running::run(instance, None, work) }?;
        out.set(handle::give::<ValuesHandle>(values));
        Ok(Status::TORVYN_OK)
    })
}

/// The number of values that a call gave: 1, or 0 where the function has no
/// result.
///
/// @param values  Borrowed for the call; NULL gives 0.
///
/// @return  The number.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_values_count(values: *const ValuesHandle) -> usize {
    ffi!(neutral: 0, handle: [values] => values.views.list().len)
}

/// One of the values that a call gave.
///
/// @param values  Borrowed for the call; NULL gives NULL.
/// @param index   From 0 to torvyn_values_count() - 1; others give NULL.
///
/// @return  The value, valid with all that it points to until
///          torvyn_values_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_values_get(values: *const ValuesHandle, index: usize) -> *const Value {
    ffi!(neutral: std::ptr::null(), handle: [values] => match index < values.views.list().len {
        // SAFETY: the index is within the values.
        true => unsafe { values.views.list().data.add(index) },
        false => std::ptr::null(),
    })
}

/// Frees what a call gave.
///
/// @param values  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_values_free(values: *mut ValuesHandle) {
    ffi!(neutral: (), owned: [values] => drop(values))
}
