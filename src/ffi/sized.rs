//! Structs that begin with `uint32_t struct_size`: they grow at the tail alone, so that a program
//! and a library of different versions understand each other.

use std::mem::MaybeUninit;

use super::args::bad;
use crate::error::Result;

/// More than any such struct will have.
const MOST: usize = 4096;

/// # Safety
///
/// `repr(C)`, begins with a `u32` that is its size, has no padding at its end, and all its bytes
/// may be zero.
pub unsafe trait StructSize: Copy {
    /// All defaults.
    #[inline]
    fn zeroed() -> Self {
        // SAFETY: the trait's promise.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// What the caller knows of a `T` in bytes, checked.
unsafe fn known<T: StructSize>(at: *const T, name: &str) -> Result<usize> {
    // SAFETY: the caller's promise: a struct that begins with its size.
    let size = unsafe { at.cast::<u32>().read_unaligned() } as usize;
    // No version's size cuts a field in two: the rest of a pointer would be nobody's.
    let whole = size == 4 || size.is_multiple_of(align_of::<T>());
    if !whole || !(4..=MOST).contains(&size) {
        let type_name = std::any::type_name::<T>();
        let type_name = type_name.rsplit("::").next().unwrap_or(type_name);
        let advice = format!("`struct_size` is {size}; set it to the size of the struct ({type_name})");
        return Err(bad(name, advice));
    }
    Ok(size)
}

/// Reads a struct of options: a missing tail and NULL mean the defaults, and a tail that this
/// library does not know must be zero.
///
/// # Safety
///
/// `at` is NULL or points to as many bytes as its first field says.
pub unsafe fn read<T: StructSize>(at: *const T, name: &str) -> Result<T> {
    // SAFETY: the caller's promise.
    let (value, rest) = unsafe { read_known(at, name)? };
    rest.map(|()| value)
}

/// As [`read`], for a struct with a finalizer, which must run whatever fails: what this library
/// knows of it, and apart from that whether there is more.
///
/// # Safety
///
/// As for [`read`].
pub unsafe fn read_known<T: StructSize>(at: *const T, name: &str) -> Result<(T, Result<()>)> {
    let mut value = T::zeroed();
    if at.is_null() {
        return Ok((value, Ok(())));
    }
    // SAFETY: the caller's promise.
    let size = unsafe { known(at, name)? };
    let ours = size_of::<T>();
    // SAFETY: the caller's promise; both are at least as long as the shorter.
    unsafe { std::ptr::copy_nonoverlapping(at.cast::<u8>(), (&raw mut value).cast(), size.min(ours)) };
    if size > ours {
        // SAFETY: the caller's promise.
        let tail = unsafe { std::slice::from_raw_parts(at.cast::<u8>().add(ours), size - ours) };
        if let Some(first) = tail.iter().position(|byte| *byte != 0) {
            let at = ours + first;
            let version = env!("CARGO_PKG_VERSION");
            let reason = format_args!("libtorvyn {version} has no field at offset {at}; it must be zero");
            return Ok((value, Err(bad(name, reason))));
        }
    }
    Ok((value, Ok(())))
}

/// Where a struct of results goes: the caller's size says how much of it.
pub struct Fill<T> {
    at: *mut T,
    size: usize,
}

impl<T: StructSize> Fill<T> {
    /// Takes the place and zeroes it, all but its size.
    ///
    /// # Safety
    ///
    /// `at` points to as many bytes as its first field says, for as long as the result lives.
    pub unsafe fn new(at: *mut T, name: &str) -> Result<Self> {
        // SAFETY: the caller's promise.
        let size = unsafe { known(at, name)? };
        // SAFETY: the caller's promise.
        unsafe { at.cast::<u8>().add(4).write_bytes(0, size - 4) };
        Ok(Self { at, size })
    }

    /// Puts `value` there, all but its size.
    pub fn set(&self, value: T) {
        let len = self.size.min(size_of::<T>()) - 4;
        // SAFETY: `new`'s promise; both are at least as long as the shorter.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>().add(4), self.at.cast::<u8>().add(4), len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Options {
        struct_size: u32,
        a: u32,
        b: u64,
    }

    // SAFETY: as it says; no padding.
    unsafe impl StructSize for Options {}

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Newer {
        old: Options,
        c: u64,
    }

    #[test]
    fn older_and_newer_callers_are_understood() {
        let newer = |size, c| Newer { old: Options { struct_size: size, a: 1, b: 2 }, c };
        let ask = |value: &Newer| {
            // SAFETY: `value` is as long as it says, or longer.
            unsafe { read((&raw const *value).cast::<Options>(), "options") }
        };
        assert_eq!(ask(&newer(16, 9)).unwrap(), Options { struct_size: 16, a: 1, b: 2 });
        assert_eq!(ask(&newer(24, 0)).unwrap(), Options { struct_size: 24, a: 1, b: 2 });
        assert_eq!(ask(&newer(8, 9)).unwrap(), Options { struct_size: 8, a: 1, b: 0 });
        for (wrong, says) in [
            (newer(24, 1 << 32), "offset 20"),
            (newer(0, 0), "Options"),
            (newer(5000, 0), "5000"),
            (newer(12, 0), "12"),
        ] {
            let error = ask(&wrong).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Argument);
            assert!(error.message.contains(says) && error.message.contains("options"), "{}", error.message);
        }
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { read::<Options>(std::ptr::null(), "options") }.unwrap(), Options::zeroed());
    }

    #[test]
    fn results_keep_to_the_callers_size() {
        let mut place = Newer { old: Options { struct_size: 8, a: 7, b: 7 }, c: 7 };
        let value = Options { struct_size: 0, a: 1, b: 2 };
        // SAFETY: `place` is longer than it says.
        unsafe { Fill::new((&raw mut place).cast::<Options>(), "out") }.unwrap().set(value);
        assert_eq!((place.old, place.c), (Options { struct_size: 8, a: 1, b: 7 }, 7));
        place.old.struct_size = 24;
        // SAFETY: `place` is as long as it says.
        unsafe { Fill::new((&raw mut place).cast::<Options>(), "out") }.unwrap().set(value);
        assert_eq!((place.old, place.c), (Options { struct_size: 24, a: 1, b: 2 }, 0));
    }
}
