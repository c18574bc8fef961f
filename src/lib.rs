//! libtorvyn: streaming WebAssembly components inside a native program, behind a C ABI.
//!
//! - [`contract`]: the WIT types in Rust and the host side of their resources.
//! - [`engine`]: configuration, compilation, linking, instances, calls, limits, the clock. Its
//!   `traits` are the seam.
//! - [`direct`], [`general`] and [`native`]: the ways in which a component runs.
//! - [`wasi`]: what components are granted of WASI.
//! - [`ffi`]: the C ABI; `include/torvyn.h` is generated from it.
//! - [`error`]: errors as values.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod contract;
pub mod direct;
pub mod engine;
pub mod error;
pub mod ffi;
pub mod general;
pub mod native;
#[cfg(feature = "wasi")]
pub mod wasi;
