//! The calls of `torvyn:filtering` and `torvyn:aggregation`: filter, router, aggregator.

use super::error::ErrorHandle;
use super::instance::InstanceHandle;
use super::plain::{Element, Output, OutputsHandle, Ports, Str};
use super::running::{self, Parts};
use super::status::Status;
use crate::contract::Function;
use crate::contract::host::Breach;
use crate::contract::ports::KEPT;
use crate::engine::invoke::Invoker;
use crate::engine::traits::ComponentInvoker as _;

/// Asks a filter about one element.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param element   Borrowed until this call returns.
/// @param passes    Where the verdict goes: true where the element goes on. Set
///                  for TORVYN_OK alone; false otherwise.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   `*passes` is the filter's verdict.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED          The component could give none; the
///                                     instance stays READY.
/// @retval TORVYN_ERROR_FATAL          The same; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
///                                     Misuse; nothing ran, nothing changed.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock, or the calling one has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals; nothing ran. Or a
///                                     native component answered what is none
///                                     of its answers, or WASI has no thread to
///                                     wait with (see Fork at the head of this
///                                     file); POISONED.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout or the
///         flow's deadline.
/// Cost:   no heap allocation, lock or system call of the library's own.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_evaluate(
    instance: *mut InstanceHandle,
    element: *const Element,
    passes: *mut bool,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [passes], pointer: [instance], plain: [element] => {
        // SAFETY: the header requires an instance that was not freed, and what `element` says.
        let verdict = unsafe {
            running::lend(instance, Function::Evaluate, element, |parts, element| {
                Invoker.invoke_evaluate(&mut parts.instance, element)
            })
        }?;
        passes.set(verdict);
        Ok(Status::TORVYN_OK)
    })
}

/// Asks a router where one element goes.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param element   Borrowed until this call returns.
/// @param ports     Where the names of the output ports go. Set for TORVYN_OK
///                  alone; empty otherwise. The names are the instance's, valid
///                  until the next call on it or its end, whichever comes first;
///                  of one that is freed within this very call, until the
///                  thread's next torvyn_route() or its end.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The element goes to each of `*ports`; to
///                                     nobody where that is empty.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED          The component could not say; the instance
///                                     stays READY.
/// @retval TORVYN_ERROR_FATAL          The same; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
///                                     Misuse; nothing ran, nothing changed.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock, or the calling one has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals; nothing ran. Or a
///                                     native component answered what is none
///                                     of its answers, or WASI has no thread to
///                                     wait with (see Fork at the head of this
///                                     file); POISONED.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout or the
///         flow's deadline.
/// Cost:   no heap allocation, lock or system call of the library's own, once
///         there was a call with as many and as long names.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_route(
    instance: *mut InstanceHandle,
    element: *const Element,
    ports: *mut Ports,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [ports], pointer: [instance], plain: [element] => {
        // SAFETY: the header requires an instance that was not freed, and what `element` says.
        let (names, len) = unsafe {
            running::lend(instance, Function::Route, element, |Parts { instance, ports }, element| {
                let names = Invoker.invoke_route(instance, element)?;
                let count = names.size().0;
                if ports.capacity() > KEPT.1 {
                    *ports = Vec::new();
                }
                ports.clear();
                if ports.try_reserve(count).is_err() {
                    return Err(instance.no_memory(Function::Route, Breach::NoMemory(count * size_of::<Str>())));
                }
                ports.extend(names.iter().map(Str::of));
                Ok((ports.as_ptr(), ports.len()))
            })
        }?;
        ports.set(Ports { names, len });
        Ok(Status::TORVYN_OK)
    })
}

/// Hands one element to an aggregator.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param element   Borrowed until this call returns.
/// @param output    Where a result goes that is complete. Set for TORVYN_OK
///                  alone, its payload then owned by the caller
///                  (torvyn_output_release()); all zero otherwise.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   A result is complete: `*output`.
/// @retval TORVYN_NOTHING_EMITTED      The element was taken; none is complete
///                                     yet.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED          The component's own verdict on the
///                                     element; the instance stays READY.
/// @retval TORVYN_ERROR_FATAL          The same; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
///                                     Misuse; nothing ran, nothing changed.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock, or the calling one has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals; nothing ran. Or a
///                                     native component answered what is none
///                                     of its answers, or WASI has no thread to
///                                     wait with (see Fork at the head of this
///                                     file); POISONED.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout or the
///         flow's deadline.
/// Cost:   no heap allocation, lock or system call of the library's own.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_ingest(
    instance: *mut InstanceHandle,
    element: *const Element,
    output: *mut Output,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [output], pointer: [instance], plain: [element] => {
        // SAFETY: the header requires an instance that was not freed, and what `element` says.
        let result = unsafe {
            running::lend(instance, Function::Ingest, element, |parts, element| {
                Invoker.invoke_ingest(&mut parts.instance, element)
            })
        }?;
        Ok(match result {
            Some(element) => {
                output.set(Output::from(element));
                Status::TORVYN_OK
            }
            None => Status::TORVYN_NOTHING_EMITTED,
        })
    })
}

/// Tells an aggregator that no element follows: it gives all that it holds.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param out       Where the list of outputs goes, maybe an empty one, owned by
///                  the caller (torvyn_outputs_free()); NULL but for TORVYN_OK.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   `*out` holds what the component gave.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED          The component's own verdict; the instance
///                                     stays READY.
/// @retval TORVYN_ERROR_FATAL          The same; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL
///                                     Misuse; nothing ran, nothing changed.
/// @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
///                                     clock, or the calling one has too little
///                                     stack (`guest_stack`) or can have none
///                                     for signals; nothing ran. Or a
///                                     native component answered what is none
///                                     of its answers, or WASI has no thread to
///                                     wait with (see Fork at the head of this
///                                     file); POISONED.
/// @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_flush(
    instance: *mut InstanceHandle,
    out: *mut *mut OutputsHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [out], pointer: [instance] => {
        let work = |Parts { instance, .. }: &mut Parts| {
            let elements = Invoker.invoke_flush(instance)?;
            OutputsHandle::give(elements).map_err(|breach| instance.no_memory(Function::Flush, breach))
        };
        // SAFETY: the header requires an instance that was not freed.
        out.set(unsafe { running::call(instance, Function::Flush, work) }?);
        Ok(Status::TORVYN_OK)
    })
}
