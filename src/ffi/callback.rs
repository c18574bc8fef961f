//! What callbacks of the program share: the pointer that comes with them, and its end.

use std::ffi::c_void;

/// A callback that ends what `user` points to.
pub type Finalizer = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The program's pointer for its callbacks. The finalizer runs when this is dropped: once.
#[derive(Debug)]
pub struct User {
    at: *mut c_void,
    finalizer: Finalizer,
}

// SAFETY: the library never looks at what the pointer points to; the header requires callbacks and
// finalizers that any thread may call with it.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    /// Takes the pointer and its finalizer: from here on that runs, whatever fails.
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
            // SAFETY: the header requires a function that takes the pointer; nothing else has it.
            unsafe { finalizer(self.at) }
        }
    }
}
