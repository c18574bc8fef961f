//! The general path: Wasmtime's component runtime, for components that the direct path does not
//! take.

pub mod bytes;
pub mod dynamic;
pub mod imports;
pub mod run;
mod texts;
mod types;
mod views;
