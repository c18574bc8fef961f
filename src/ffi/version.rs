//! Which library this is.

use std::ffi::{CStr, c_char};

const fn number(digits: &str) -> u32 {
    let digits = digits.as_bytes();
    let (mut value, mut at) = (0, 0);
    while at < digits.len() {
        value = value * 10 + (digits[at] - b'0') as u32;
        at += 1;
    }
    value
}

const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const TEXT: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("a version without NUL"),
};

/// The library's version at run time, e.g. "0.1.0".
///
/// Compare with TORVYN_VERSION, which is the version of the header that the
/// program was compiled with.
///
/// @return  NUL-terminated, static; never NULL.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_version() -> *const c_char {
    ffi!(neutral: c"".as_ptr() => TEXT.as_ptr())
}

/// The library's version at run time as a number that grows with it:
/// MAJOR << 16 | MINOR << 8 | PATCH, as TORVYN_VERSION_NUMBER is built.
///
/// @return  The number.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_version_number() -> u32 {
    ffi!(neutral: 0 => NUMBER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_text_agree() {
        let parts = [NUMBER >> 16, NUMBER >> 8 & 0xff, NUMBER & 0xff].map(|part| part.to_string());
        assert_eq!(parts.join("."), TEXT.to_str().unwrap());
    }
}
