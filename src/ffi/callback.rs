//! What a callback has beside its function: the program's pointer and its end.

use std::ffi::c_void;

/// Ends what a callback's `user` points to. It runs exactly once: when the last
/// handle that could still call the callback is gone, or at once where the
/// function that was given the callback fails. On whichever thread that happens;
/// it must not call the library.
pub type Finalizer = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The program's pointer; its finalizer runs when this is dropped.
#[derive(Debug)]
pub struct User {
    at: *mut c_void,
    finalizer: Finalizer,
}

// SAFETY: the header requires of a callback's `user` that any thread may use it.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    /// Takes over what C gave.
    pub fn new(at: *mut c_void, finalizer: Finalizer) -> Self {
        Self { at, finalizer }
    }

    /// The pointer.
    #[inline]
    pub fn get(&self) -> *mut c_void {
        self.at
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(finalizer) = self.finalizer {
            // SAFETY: the header requires a function that takes this pointer once.
            unsafe { finalizer(self.at) }
        }
    }
}
