//! The general path: Wasmtime's component runtime, for components that the direct path does not
//! take.

pub mod imports;
pub mod lift;
pub mod lower;
pub mod run;
mod texts;
mod types;
pub mod values;
pub(crate) mod views;
pub mod wanted;
pub mod watch;
