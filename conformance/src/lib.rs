//! The official WebAssembly tests on libtorvyn: each module in a component, called through the C
//! interface. See README.md.

pub mod library;
pub mod report;
pub mod run;
pub mod script;
pub mod sets;
pub mod shape;
pub mod wrap;
