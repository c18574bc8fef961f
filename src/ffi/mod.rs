//! The C ABI: one file per noun, in the order of the header's sections (`torvyn.h.in`). No logic
//! beyond conversion; what C sees is specified in the comments here, which cbindgen copies.
//!
//! Pointers from C are turned into Rust in `args`, `handle` and `sized` alone; every exported
//! function is one `ffi!` (`guard`).
#![allow(unsafe_code)]
// The contract of an exported function is its comment in the header.
#![allow(clippy::missing_safety_doc)]

#[macro_use]
mod guard;
mod args;
mod handle;
mod reader;
mod running;
mod sized;

pub mod buffer;
pub mod callback;
pub mod cancel;
pub mod component;
pub mod define;
pub mod engine;
pub mod error;
pub mod filtering;
pub mod imports;
pub mod instance;
pub mod linked;
pub mod log;
pub mod native;
pub mod native_call;
pub mod other;
pub mod plain;
pub mod status;
pub mod streaming;
pub mod usage;
pub mod value;
pub mod version;
pub mod wasi;

#[cfg(test)]
mod tests;
