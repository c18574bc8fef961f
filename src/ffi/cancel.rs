//! Stopping a call from elsewhere.

use std::sync::Arc;

use super::handle::{self, Counted, Handle};
use super::instance::InstanceHandle;
use crate::engine::control::Control;

/// What stops an instance's call from elsewhere. Reference counted; good for as
/// long as it is held, also after its instance was freed.
pub struct CancelHandle(());

impl Handle for CancelHandle {
    type Held = Control;
    type Kept = Counted;
}

/// A handle that stops the instance's call from another thread or a signal
/// handler.
///
/// @param instance  Borrowed for the call; NULL gives NULL.
///
/// @return  Owned by the caller (torvyn_cancel_free()).
///
/// Thread: any, also while a call runs.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_instance_cancel_handle(instance: *const InstanceHandle) -> *mut CancelHandle {
    ffi!(neutral: std::ptr::null_mut(), handle: [instance] => {
        handle::give::<CancelHandle>(Arc::clone(&instance.control))
    })
}

/// Stops the instance's running call within one tick: it returns
/// TORVYN_ERROR_CANCELLED, and the instance is POISONED. No other instance is
/// disturbed.
///
/// Where no call runs, the next one that would run the component is stopped: it
/// returns TORVYN_ERROR_CANCELLED before it does, and the instance stays as it
/// was. A call that is refused, or that asks the component nothing, leaves the
/// cancel to the next; torvyn_teardown() goes on and ends it. A
/// torvyn_instance_reset() that runs is stopped as a call is. A call that ends
/// by itself first is not stopped, nor is the one after it. In a batch, the
/// element at hand or the next one is stopped. A callback of a native component
/// is told (torvyn_native_should_stop()), and its call counts as stopped when it
/// has returned.
///
/// @param cancel  Borrowed for the call; NULL does nothing.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_cancel(cancel: *const CancelHandle) {
    ffi!(neutral: (), optional: [cancel] => {
        if let Some(cancel) = cancel {
            cancel.cancel();
        }
    })
}

/// One more reference to a cancel handle.
///
/// @param cancel  Borrowed for the call; NULL gives NULL.
///
/// @return  The same handle, owned once more: each reference is freed by itself.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_cancel_clone(cancel: *const CancelHandle) -> *mut CancelHandle {
    ffi!(neutral: std::ptr::null_mut(), present: [cancel] => {
        // SAFETY: the header requires a handle that was not freed.
        unsafe { handle::again(cancel) }
    })
}

/// Frees a reference to a cancel handle. It cancels nothing.
///
/// @param cancel  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_cancel_free(cancel: *mut CancelHandle) {
    ffi!(neutral: (), owned: [cancel] => drop(cancel))
}
