//! The calls of `torvyn:streaming`: lifecycle, source, processor, sink.

use std::mem::MaybeUninit;

use super::args::{self, Clear as _};
use super::error::ErrorHandle;
use super::instance::InstanceHandle;
use super::plain::{Element, Output, Signal, Str, signal};
use super::running::{self, Parts};
use super::status::Status;
use crate::contract::{BackpressureSignal, Function, ProcessResult};
use crate::engine::invoke::Invoker;
use crate::engine::traits::ComponentInvoker as _;

/// Initialises a component: NEW becomes READY. Where the component exports no
/// `lifecycle` it is READY already, and this does nothing, successfully.
///
/// @param instance  NEW, and used by no other call meanwhile.
/// @param config    The component's configuration in whatever form it expects,
///                  UTF-8, at most 16 MiB; borrowed for the call; may be empty.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The instance is READY.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED, _FATAL  The component refused; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NULL, _UTF8, _ARGUMENT
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
pub unsafe extern "C-unwind" fn torvyn_init(
    instance: *mut InstanceHandle,
    config: Str,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [], pointer: [instance] => {
        // SAFETY: the header requires what the string says.
        let config = unsafe { config.text("config")? };
        let work = |parts: &mut Parts| Invoker.invoke_init(&mut parts.instance, config);
        // SAFETY: the header requires an instance that was not freed.
        unsafe { running::call(instance, Function::Init, work) }?;
        Ok(Status::TORVYN_OK)
    })
}

/// Tears a component down: it may say good-bye, and the instance is TORN_DOWN.
/// What the component does wrong in it is no error: it never stops a shutdown.
/// It goes to the log (torvyn_engine_config_t), and so does that the component
/// could not be called (what is TORVYN_ERROR_INTERNAL of another call). A cancel
/// that came before does not stop it, nor any call after it.
///
/// @param instance  NEW, READY or FAILED, and used by no other call meanwhile. A
///                  NEW one is torn down without calling the component.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                         The instance is TORN_DOWN.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NULL  Misuse; nothing ran, nothing
///                            changed.
/// @retval TORVYN_ERROR_PANIC                A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_teardown(instance: *mut InstanceHandle, err: *mut *mut ErrorHandle) -> Status {
    ffi!(err: err, out: [], pointer: [instance] => {
        let work = |parts: &mut Parts| Invoker.invoke_teardown(&mut parts.instance);
        // SAFETY: the header requires an instance that was not freed.
        unsafe { running::call(instance, Function::Teardown, work) }?;
        Ok(Status::TORVYN_OK)
    })
}

/// Asks a source for its next element.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param output    Where the element goes. Set for TORVYN_OK alone, its payload
///                  then owned by the caller (torvyn_output_release()); all zero
///                  otherwise.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The component gave `*output`.
/// @retval TORVYN_NO_ELEMENT           It has none. Where the program told it to
///                                     pause with torvyn_notify_backpressure(),
///                                     that means none for now; elsewhere it is
///                                     the end of the stream.
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
/// Cost:   no heap allocation, lock or system call of the library's own.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_pull(
    instance: *mut InstanceHandle,
    output: *mut Output,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [output], pointer: [instance] => {
        let work = |parts: &mut Parts| Invoker.invoke_pull(&mut parts.instance);
        // SAFETY: the header requires an instance that was not freed.
        let element = unsafe { running::call(instance, Function::Pull, work) }?;
        Ok(match element {
            Some(element) => {
                output.set(Output::from(element));
                Status::TORVYN_OK
            }
            None => Status::TORVYN_NO_ELEMENT,
        })
    })
}

/// Tells a source how its consumers keep up. A source may then have no element
/// for a while, which torvyn_pull() answers with TORVYN_NO_ELEMENT.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param signal    Whether to go on.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It was told.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED     A native component's own verdict, as others
///                                give none here; the instance stays READY.
/// @retval TORVYN_ERROR_FATAL     The same; FAILED.
/// @retval TORVYN_ERROR_TRAP      It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                A budget or a cancel ended the call; POISONED;
///                                unchanged where a cancel came before it
///                                began.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _ARGUMENT
///                                Misuse; nothing ran, nothing changed.
/// @retval TORVYN_ERROR_INTERNAL  No thread could be had for the engine's
/// clock, or the calling one has too little stack (`guest_stack`) or can have
/// none for signals; nothing ran.
/// Or a native component answered what is none of its answers, or WASI has no
/// thread to wait with (see Fork at the head of this file); POISONED.
/// @retval TORVYN_ERROR_PANIC     A defect of the library; POISONED.
///
/// Thread: one call at a time per instance; any thread.
/// Blocks: for as long as the component runs, at most until its timeout.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_notify_backpressure(
    instance: *mut InstanceHandle,
    signal: MaybeUninit<Signal>,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [], pointer: [instance] => {
        let signal = self::signal(signal, "signal")?;
        let work = |parts: &mut Parts| Invoker.invoke_notify_backpressure(&mut parts.instance, signal);
        // SAFETY: the header requires an instance that was not freed.
        unsafe { running::call(instance, Function::NotifyBackpressure, work) }?;
        Ok(Status::TORVYN_OK)
    })
}

/// Runs a processor on one element.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param element   Borrowed until this call returns.
/// @param output    Where an emitted element goes; must not be where an output
///                  lies that is still owned. Set for TORVYN_OK alone, its
///                  payload then owned by the caller (torvyn_output_release());
///                  all zero otherwise.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The component emitted `*output`.
/// @retval TORVYN_NOTHING_EMITTED      It took the element and emitted nothing.
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
pub unsafe extern "C" fn torvyn_process(
    instance: *mut InstanceHandle,
    element: *const Element,
    output: *mut Output,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [output], pointer: [instance], plain: [element] => {
        // SAFETY: the header requires an instance that was not freed, and what `element` says.
        let result = unsafe {
            running::lend(instance, Function::Process, element, |parts, element| {
                Invoker.invoke_process(&mut parts.instance, element)
            })
        }?;
        Ok(match result {
            ProcessResult::Emit(element) => {
                output.set(Output::from(element));
                Status::TORVYN_OK
            }
            ProcessResult::Drop => Status::TORVYN_NOTHING_EMITTED,
        })
    })
}

/// Runs a processor on several elements, in order, as one call: the instance is
/// BUSY until it returns. Each element has the full budgets of a call. The first
/// error ends the batch.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param elements  `count` elements; borrowed until this call returns; NULL
///                  where `count` is 0.
/// @param count     Number of elements.
/// @param outputs   Room for `count` outputs, all of them written whatever comes
///                  (none where `count` is more than memory holds). Slot i holds
///                  what element i came to: an output owned by the caller
///                  (torvyn_output_release()), or all zero, `payload` NULL,
///                  where nothing was emitted or the element was not reached.
///                  NULL where `count` is 0.
/// @param done      Where the number of elements goes that were processed
///                  without error. On an error, `elements[*done]` is the one it
///                  is about, and the outputs before it are the caller's all the
///                  same.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   All elements were processed; each slot
///                                     says whether it was emitted or dropped.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED          The component's own verdict on
///                                     `elements[*done]`; the instance stays
///                                     READY.
/// @retval TORVYN_ERROR_FATAL          The same; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT
///                                     Misuse, maybe in `elements[*done]`, which
///                                     did not run.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED
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
/// Blocks: for as long as the component runs, for each element at most until its
///         timeout or the flow's deadline.
/// Cost:   no heap allocation, lock or system call of the library's own.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_process_batch(
    instance: *mut InstanceHandle,
    elements: *const Element,
    count: usize,
    outputs: *mut Output,
    done: *mut usize,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], spare: [done] => {
        // SAFETY: the header requires NULL or room for `count` outputs.
        let outputs = unsafe { args::room(outputs, count, "outputs")? };
        // First, so that no slot is stale whatever is wrong with the rest.
        for slot in outputs.iter_mut() {
            slot.write(Output::CLEAR);
        }
        let done = done.ok_or_else(|| args::null("done"))?;
        // SAFETY: the header requires an instance or NULL.
        let instance = unsafe { args::pointer(instance, "instance")? };
        // SAFETY: the header requires NULL or `count` elements.
        let elements = unsafe { args::list(elements, count, "elements")? };
        if elements.is_empty() {
            return Ok(Status::TORVYN_OK);
        }
        // SAFETY: the header requires an instance that was not freed, and what the elements say.
        unsafe {
            running::call(instance, Function::Process, |parts| {
                for (at, (element, slot)) in elements.iter().zip(outputs).enumerate() {
                    let result = element.lend(|element| Invoker.invoke_process(&mut parts.instance, element))?;
                    if let ProcessResult::Emit(element) = result {
                        slot.write(Output::from(element));
                    }
                    done.set(at + 1);
                }
                Ok(Status::TORVYN_OK)
            })
        }
    })
}

/// Hands one element to a sink.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param element   Borrowed until this call returns.
/// @param signal    Where the sink's answer goes: TORVYN_SIGNAL_PAUSE asks the
///                  program to send no more until it has reason to try again.
///                  Set for TORVYN_OK alone; NULL to do without.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The sink took the element.
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
pub unsafe extern "C" fn torvyn_push(
    instance: *mut InstanceHandle,
    element: *const Element,
    signal: *mut Signal,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [], spare: [signal], pointer: [instance], plain: [element] => {
        // SAFETY: the header requires an instance that was not freed, and what `element` says.
        let answer = unsafe {
            running::lend(instance, Function::Push, element, |parts, element| {
                Invoker.invoke_push(&mut parts.instance, element)
            })
        }?;
        if let Some(signal) = signal {
            signal.set(answer.into());
        }
        Ok(Status::TORVYN_OK)
    })
}

/// Hands several elements to a sink, in order, as one call: the instance is BUSY
/// until it returns. Each element has the full budgets of a call. The first
/// error ends the batch, and so does the first answer to pause.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param elements  `count` elements; borrowed until this call returns; NULL
///                  where `count` is 0.
/// @param count     Number of elements.
/// @param signal    Where the sink's latest answer goes; TORVYN_SIGNAL_READY
///                  where it gave none; NULL to do without.
/// @param done      Where the number of elements goes that the sink took. After
///                  TORVYN_OK less than `count` where it answered the last of
///                  them with TORVYN_SIGNAL_PAUSE. On an error,
///                  `elements[*done]` is the one it is about.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   The sink took `*done` elements.
/// @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
///         _DEADLINE_EXCEEDED          The component's own verdict on
///                                     `elements[*done]`; the instance stays
///                                     READY.
/// @retval TORVYN_ERROR_FATAL          The same; FAILED.
/// @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
/// @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
/// @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
///                                     A budget or a cancel ended the call;
///                                     POISONED; unchanged where a
///                                     cancel came before it began.
/// @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT
///                                     Misuse, maybe in `elements[*done]`, which
///                                     did not run.
/// @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED
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
/// Blocks: for as long as the component runs, for each element at most until its
///         timeout or the flow's deadline.
/// Cost:   no heap allocation, lock or system call of the library's own.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_push_batch(
    instance: *mut InstanceHandle,
    elements: *const Element,
    count: usize,
    signal: *mut Signal,
    done: *mut usize,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(quick, err: err, out: [done], spare: [signal], pointer: [instance] => {
        // SAFETY: the header requires NULL or `count` elements.
        let elements = unsafe { args::list(elements, count, "elements")? };
        if elements.is_empty() {
            return Ok(Status::TORVYN_OK);
        }
        // SAFETY: the header requires an instance that was not freed, and what the elements say.
        unsafe {
            running::call(instance, Function::Push, |parts| {
                for (at, element) in elements.iter().enumerate() {
                    let answer = element.lend(|element| Invoker.invoke_push(&mut parts.instance, element))?;
                    done.set(at + 1);
                    if let Some(signal) = &signal {
                        signal.set(answer.into());
                    }
                    if answer == BackpressureSignal::Pause {
                        break;
                    }
                }
                Ok(Status::TORVYN_OK)
            })
        }
    })
}

/// Tells a sink that no element follows: it writes out what it holds.
///
/// @param instance  READY, and used by no other call meanwhile.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   Done.
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
pub unsafe extern "C-unwind" fn torvyn_complete(instance: *mut InstanceHandle, err: *mut *mut ErrorHandle) -> Status {
    ffi!(err: err, out: [], pointer: [instance] => {
        let work = |parts: &mut Parts| Invoker.invoke_complete(&mut parts.instance);
        // SAFETY: the header requires an instance that was not freed.
        unsafe { running::call(instance, Function::Complete, work) }?;
        Ok(Status::TORVYN_OK)
    })
}
