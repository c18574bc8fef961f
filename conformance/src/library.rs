//! The library, called as a C program does: by way of `library.c`.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

// What the C calls.
use torvyn as _;

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: i32,
    pub trap: i32,
    pub text: String,
}

/// A number that crosses: a `torvyn_kind_t`, and the number's bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Scalar {
    pub kind: u64,
    pub bits: u64,
}

macro_rules! names {
    ($type:ident, $what:literal: $($name:ident = $number:literal,)*) => {
        #[doc = $what]
        #[allow(missing_docs)]
        pub mod $type {
            $(pub const $name: i32 = $number;)*
        }
    };
}

names! { status, "Of `torvyn_status_t`.":
    NOT_COMPONENT = -101, CORE_MODULE = -102, MALFORMED = -103, UNSUPPORTED = -105, INSTANTIATION = -111,
    TRAP = -112, MEMORY = -116,
}

names! { trap, "Of `torvyn_trap_t`.":
    STACK_OVERFLOW = 1, MEMORY_OUT_OF_BOUNDS = 2, HEAP_MISALIGNED = 3, TABLE_OUT_OF_BOUNDS = 4,
    INDIRECT_CALL_TO_NULL = 5, BAD_SIGNATURE = 6, INTEGER_OVERFLOW = 7, INTEGER_DIVISION_BY_ZERO = 8,
    BAD_CONVERSION_TO_INTEGER = 9, UNREACHABLE = 10, NULL_REFERENCE = 11,
}

names! { kind, "Of `torvyn_kind_t`.":
    S32 = 6, U32 = 7, S64 = 8, U64 = 9, F32 = 10, F64 = 11,
}

/// An engine's configuration, as `library.c` numbers it.
pub mod flags {
    pub const MULTI_MEMORY: u32 = 1;
    pub const RELAXED_SIMD: u32 = 2;
    pub const EXPLICIT_TRAPS: u32 = 4;
    pub const FUEL: u32 = 8;
    pub const OPTIMIZED: u32 = 16;
}

#[repr(C)]
struct RawSaid {
    status: i32,
    trap: i32,
    text: [c_char; 1024],
}

impl RawSaid {
    fn new() -> Self {
        Self { status: 0, trap: 0, text: [0; 1024] }
    }

    fn said(&self) -> Said {
        // SAFETY: C ends it with a NUL.
        let text = unsafe { CStr::from_ptr(self.text.as_ptr()) };
        Said { status: self.status, trap: self.trap, text: text.to_string_lossy().into_owned() }
    }
}

#[repr(C)]
struct RawEngine([u8; 0]);
#[repr(C)]
struct RawComponent([u8; 0]);
#[repr(C)]
struct RawInstance([u8; 0]);

unsafe extern "C" {
    fn suite_engine(flags: u32, said: *mut RawSaid) -> *mut RawEngine;
    fn suite_compile(engine: *const RawEngine, bytes: *const u8, len: usize, said: *mut RawSaid) -> *mut RawComponent;
    fn suite_instantiate(component: *const RawComponent, said: *mut RawSaid) -> *mut RawInstance;
    fn suite_reset(instance: *mut RawInstance, said: *mut RawSaid) -> c_int;
    fn suite_call(
        instance: *mut RawInstance,
        name: *const c_char,
        name_len: usize,
        args: *const Scalar,
        count: usize,
        results: *mut Scalar,
        result_count: *mut usize,
        said: *mut RawSaid,
    ) -> c_int;
    fn torvyn_engine_free(engine: *mut RawEngine);
    fn torvyn_component_free(component: *mut RawComponent);
    fn torvyn_instance_free(instance: *mut RawInstance);
}

macro_rules! handle {
    ($name:ident, $raw:ident, $free:ident) => {
        #[derive(Debug)]
        pub struct $name(NonNull<$raw>);

        impl $name {
            fn of(raw: *mut $raw, said: &RawSaid) -> Result<Self, Said> {
                NonNull::new(raw).map(Self).ok_or_else(|| said.said())
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: it is owned, and freed once.
                unsafe { $free(self.0.as_ptr()) }
            }
        }
    };
}

handle!(Engine, RawEngine, torvyn_engine_free);
handle!(Component, RawComponent, torvyn_component_free);
handle!(Instance, RawInstance, torvyn_instance_free);

impl Engine {
    pub fn new(flags: u32) -> Result<Self, Said> {
        let mut said = RawSaid::new();
        // SAFETY: `said` is written within the call alone; so below.
        Self::of(unsafe { suite_engine(flags, &mut said) }, &said)
    }

    pub fn compile(&self, bytes: &[u8]) -> Result<Component, Said> {
        let mut said = RawSaid::new();
        // SAFETY: the bytes are read within the call alone.
        Component::of(unsafe { suite_compile(self.0.as_ptr(), bytes.as_ptr(), bytes.len(), &mut said) }, &said)
    }
}

impl Component {
    pub fn instantiate(&self) -> Result<Instance, Said> {
        let mut said = RawSaid::new();
        // SAFETY: the component is one.
        Instance::of(unsafe { suite_instantiate(self.0.as_ptr(), &mut said) }, &said)
    }
}

impl Instance {
    pub fn reset(&mut self) -> Result<(), Said> {
        let mut said = RawSaid::new();
        // SAFETY: the instance is one.
        let done = unsafe { suite_reset(self.0.as_ptr(), &mut said) } != 0;
        if done { Ok(()) } else { Err(said.said()) }
    }

    /// Calls a function of the component's one interface beside its role.
    pub fn call(&mut self, name: &str, args: &[Scalar]) -> Result<Vec<Scalar>, Said> {
        let mut said = RawSaid::new();
        let mut results = vec![Scalar::default(); 256];
        let mut count = results.len();
        // SAFETY: the pointers are to so many bytes, arguments and results.
        let done = unsafe {
            suite_call(
                self.0.as_ptr(),
                name.as_ptr().cast(),
                name.len(),
                args.as_ptr(),
                args.len(),
                results.as_mut_ptr(),
                &mut count,
                &mut said,
            )
        };
        if done == 0 {
            return Err(said.said());
        }
        results.truncate(count);
        Ok(results)
    }
}
