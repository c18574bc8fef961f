//! The direct path: a component's core modules run by core instances, with the canonical ABI of
//! this fixed contract done here, in safe Rust.
//!
//! [`plan`] says how, [`glue`] joins guest and host by small core modules of our own, [`imports`]
//! is the host side, [`wasi`] what of it is WASI's ([`wasi_types`]), [`canon`] lifts results,
//! [`run`] instantiates and calls.

pub mod canon;
pub mod glue;
pub mod imports;
pub mod plan;
pub mod run;
pub mod shapes;
pub mod wasi;
pub mod wasi_types;
