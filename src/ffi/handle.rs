//! Handles: what C knows by name only. One trait says for each what the pointer points to and how
//! it is owned, so that the casts stand here alone.

use std::ops::Deref;
use std::sync::Arc;

/// How C owns what a handle points to.
pub trait Keep {
    /// The owning pointer in Rust.
    type Owner<T>: Deref<Target = T>;
    /// Ownership goes into the pointer.
    fn into_raw<T>(owner: Self::Owner<T>) -> *const T;
    /// Ownership comes back.
    ///
    /// # Safety
    ///
    /// `at` came from [`Keep::into_raw`] and owns.
    unsafe fn from_raw<T>(at: *const T) -> Self::Owner<T>;
}

/// One owner: a `Box`.
pub enum Boxed {}

impl Keep for Boxed {
    type Owner<T> = Box<T>;

    #[inline]
    fn into_raw<T>(owner: Box<T>) -> *const T {
        Box::into_raw(owner)
    }

    #[inline]
    unsafe fn from_raw<T>(at: *const T) -> Box<T> {
        // SAFETY: the caller's promise; `into_raw` gave the pointer as a `*mut`.
        unsafe { Box::from_raw(at.cast_mut()) }
    }
}

/// Counted owners, from any thread: an `Arc`.
pub enum Counted {}

impl Keep for Counted {
    type Owner<T> = Arc<T>;

    fn into_raw<T>(owner: Arc<T>) -> *const T {
        Arc::into_raw(owner)
    }

    unsafe fn from_raw<T>(at: *const T) -> Arc<T> {
        // SAFETY: the caller's promise.
        unsafe { Arc::from_raw(at) }
    }
}

/// A type of the header that C knows by name only. The Rust type of that name is a label.
pub trait Handle: Sized {
    /// What the pointer really points to.
    type Held;
    /// Whether C has it to itself or shares it.
    type Kept: Keep;
}

/// The owning pointer behind `H`.
pub type Owner<H> = <<H as Handle>::Kept as Keep>::Owner<<H as Handle>::Held>;

/// Hands ownership to C.
#[inline]
pub fn give<H: Handle>(owner: Owner<H>) -> *mut H {
    H::Kept::into_raw(owner).cast_mut().cast()
}

/// Takes ownership back from C; none for NULL.
///
/// # Safety
///
/// `at` is NULL or came from [`give`] and was not taken since.
#[inline]
pub unsafe fn take<H: Handle>(at: *mut H) -> Option<Owner<H>> {
    // SAFETY: the caller's promise.
    (!at.is_null()).then(|| unsafe { H::Kept::from_raw(at.cast_const().cast()) })
}

/// What is behind a handle that C keeps; none for NULL.
///
/// # Safety
///
/// `at` is NULL or came from [`give`], and is not taken while the result lives.
#[inline]
pub unsafe fn lend<'a, H: Handle>(at: *const H) -> Option<&'a H::Held> {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<H::Held>().as_ref() }
}

/// One more owner of a counted handle.
///
/// # Safety
///
/// `at` came from [`give`] and was not taken since.
pub unsafe fn again<H: Handle<Kept = Counted>>(at: *const H) -> *mut H {
    // SAFETY: the caller's promise; the pointer is the one that `Arc::into_raw` gave.
    unsafe { Arc::increment_strong_count(at.cast::<H::Held>()) };
    at.cast_mut()
}
