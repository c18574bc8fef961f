//! Parameters: pointers from C, checked and turned into Rust. The functions here are the kinds
//! that `ffi!` names.

use std::ffi::{CStr, OsStr, c_char};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::NonNull;

use super::handle::{self, Handle, Owner};
use super::sized::{self, Fill, StructSize};
use crate::error::{Error, ErrorKind, Result};

#[cold]
#[inline(never)]
pub(super) fn null(name: &str) -> Box<Error> {
    Error::new(ErrorKind::Null, format!("`{name}` is NULL"))
}

/// A parameter that C gave wrongly.
#[cold]
pub(super) fn bad(name: &str, reason: impl std::fmt::Display) -> Box<Error> {
    Error::new(ErrorKind::Argument, format!("`{name}`: {reason}"))
}

/// What an out-parameter holds where its function fails.
pub(super) trait Clear: Copy {
    /// NULL, zero, empty.
    const CLEAR: Self;
}

impl<T> Clear for *mut T {
    const CLEAR: Self = std::ptr::null_mut();
}

macro_rules! clear {
    ($($type:ty: $value:expr),*) => { $(impl Clear for $type { const CLEAR: Self = $value; })* };
}

clear!(bool: false, u64: 0, usize: 0);

/// The place of an out-parameter.
#[derive(Debug)]
pub(super) struct Slot<T>(NonNull<T>);

impl<T> Slot<T> {
    /// Puts `value` there.
    #[inline]
    pub(super) fn set(&self, value: T) {
        // SAFETY: `slot` is given only what C named as an out-parameter of this type.
        unsafe { self.0.as_ptr().write(value) }
    }
}

/// Clears an out-parameter.
///
/// # Safety
///
/// `at` is NULL or a place for a `T`.
#[inline]
pub(super) unsafe fn clear<T: Clear>(at: *mut T) {
    if !at.is_null() {
        // SAFETY: the caller's promise.
        unsafe { at.write(T::CLEAR) }
    }
}

/// A required out-parameter.
#[inline]
pub(super) fn slot<T>(at: *mut T, name: &'static str) -> Result<Slot<T>> {
    NonNull::new(at).map(Slot).ok_or_else(|| null(name))
}

/// A required function.
pub(super) fn callback<F>(given: Option<F>, name: &'static str) -> Result<F> {
    given.ok_or_else(|| null(name))
}

/// A required handle.
///
/// # Safety
///
/// As for [`handle::lend`].
#[inline]
pub(super) unsafe fn handle<'a, H: Handle>(at: *const H, name: &'static str) -> Result<&'a H::Held> {
    // SAFETY: the caller's promise.
    unsafe { handle::lend(at) }.ok_or_else(|| null(name))
}

/// A handle that may be NULL.
///
/// # Safety
///
/// As for [`handle::lend`].
#[inline]
pub(super) unsafe fn optional<'a, H: Handle>(at: *const H, _: &'static str) -> Result<Option<&'a H::Held>> {
    // SAFETY: the caller's promise.
    Ok(unsafe { handle::lend(at) })
}

/// A required handle as a pointer, for what may not be referred to.
///
/// # Safety
///
/// None: the pointer is only checked for NULL.
#[inline]
pub(super) unsafe fn pointer<H: Handle>(at: *mut H, name: &'static str) -> Result<NonNull<H::Held>> {
    NonNull::new(at.cast()).ok_or_else(|| null(name))
}

/// A required handle of one owner, which no other call uses meanwhile.
///
/// # Safety
///
/// As for [`handle::lend`]; nothing else refers to it.
pub(super) unsafe fn exclusive<'a, H: Handle<Kept = handle::Boxed>>(
    at: *mut H,
    name: &'static str,
) -> Result<&'a mut H::Held> {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<H::Held>().as_mut() }.ok_or_else(|| null(name))
}

/// A handle to be freed; none for NULL.
///
/// # Safety
///
/// As for [`handle::take`].
#[inline]
pub(super) unsafe fn owned<H: Handle>(at: *mut H, _: &'static str) -> Result<Option<Owner<H>>> {
    // SAFETY: the caller's promise.
    Ok(unsafe { handle::take(at) })
}

/// A required struct.
///
/// # Safety
///
/// `at` is NULL or points to a `T` that stays as it is while the result lives.
#[inline]
pub(super) unsafe fn plain<'a, T>(at: *const T, name: &'static str) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { at.as_ref() }.ok_or_else(|| null(name))
}

/// A required NUL-terminated path.
///
/// # Safety
///
/// `at` is NULL or points to bytes that end with a NUL and stay as they are while the result lives.
pub(super) unsafe fn path<'a>(at: *const c_char, name: &'static str) -> Result<&'a Path> {
    if at.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(at) };
    Ok(Path::new(OsStr::from_bytes(bytes.to_bytes())))
}

/// `len` values that C lends: NULL is good for none of them.
///
/// # Safety
///
/// `at` is NULL or points to `len` values that stay as they are while the result lives.
#[inline]
pub(super) unsafe fn list<'a, T>(at: *const T, len: usize, name: &'static str) -> Result<&'a [T]> {
    if at.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null(name)) };
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(bad(name, format_args!("{len} is more than memory holds")));
    }
    // SAFETY: the caller's promise; the length was checked.
    Ok(unsafe { std::slice::from_raw_parts(at, len) })
}

/// An out-parameter that may be NULL.
///
/// # Safety
///
/// None: the pointer is only checked for NULL.
#[inline]
pub(super) unsafe fn place<T>(at: *mut T, _: &'static str) -> Result<Option<Slot<T>>> {
    Ok(NonNull::new(at).map(Slot))
}

/// A handle that may be NULL, as a pointer.
///
/// # Safety
///
/// None: the pointer is only checked for NULL.
#[inline]
pub(super) unsafe fn nullable<H: Handle>(at: *mut H, _: &'static str) -> Result<Option<NonNull<H::Held>>> {
    Ok(NonNull::new(at.cast()))
}

/// Where a struct of results goes, zeroed.
///
/// # Safety
///
/// `at` is NULL or points to as many bytes as its first field says.
pub(super) unsafe fn fill<T: StructSize>(at: *mut T, name: &'static str) -> Result<Fill<T>> {
    if at.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    unsafe { Fill::new(at, name) }
}

/// A struct of options; NULL for the defaults.
///
/// # Safety
///
/// `at` is NULL or points to as many bytes as its first field says.
pub(super) unsafe fn options<T: StructSize>(at: *const T, name: &'static str) -> Result<T> {
    // SAFETY: the caller's promise.
    unsafe { sized::read(at, name) }
}

/// A struct of options with a finalizer among them, and whether there is more than this library
/// knows; NULL for the defaults.
///
/// # Safety
///
/// `at` is NULL or points to as many bytes as its first field says.
pub(super) unsafe fn offered<T: StructSize>(at: *const T, name: &'static str) -> Result<(T, Result<()>)> {
    // SAFETY: the caller's promise.
    unsafe { sized::read_known(at, name) }
}

/// A required handle as it came.
///
/// # Safety
///
/// None: the pointer is only checked for NULL.
pub(super) unsafe fn present<H: Handle>(at: *const H, name: &'static str) -> Result<*const H> {
    if at.is_null() { Err(null(name)) } else { Ok(at) }
}

/// A struct that the function changes; none for NULL.
///
/// # Safety
///
/// `at` is NULL or points to a `T` that nothing else uses while the result lives.
#[inline]
pub(super) unsafe fn in_place<'a, T>(at: *mut T, _: &'static str) -> Result<Option<&'a mut T>> {
    // SAFETY: the caller's promise.
    Ok(unsafe { at.as_mut() })
}

/// Room for `len` values: NULL is good for none of them.
///
/// # Safety
///
/// `at` is NULL or has room for `len` values that nothing else uses while the result lives.
pub(super) unsafe fn room<'a, T>(at: *mut T, len: usize, name: &'static str) -> Result<&'a mut [MaybeUninit<T>]> {
    if at.is_null() {
        return if len == 0 { Ok(&mut []) } else { Err(null(name)) };
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(bad(name, format_args!("{len} is more than memory holds")));
    }
    // SAFETY: the caller's promise; the length was checked.
    Ok(unsafe { std::slice::from_raw_parts_mut(at.cast(), len) })
}
