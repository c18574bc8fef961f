//! The fuzz targets are C, in `tests/c`, as the tests are: what they know of the library is its
//! header, and `tests/c/seeds.c` runs them on the seeds without any fuzzer.

/// Makes a fuzz target of the C function `$name`, which takes the input.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        // What the C function calls.
        use torvyn as _;

        unsafe extern "C" {
            fn $name(bytes: *const u8, len: usize);
        }

        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            // SAFETY: it reads `len` bytes and keeps no pointer to them.
            unsafe { $name(bytes.as_ptr(), bytes.len()) }
        });
    };
}
