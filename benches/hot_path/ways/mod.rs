//! The ways that are compared. Each does the same work on the same elements, for the same guest
//! where it can run it.

use crate::work::Task;

mod bare;
mod capi;
mod dynamic;
mod extism;
mod native;
mod slab;
mod torvyn;
mod typed;

pub use torvyn::{Bytes as CopiedBytes, allocates};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One instance, ready to run one task.
pub trait Way: Send {
    /// Which way it is.
    fn key(&self) -> Key;

    /// Runs `n` elements one after the other and gives the sum of the marks of their outcomes.
    fn run(&mut self, n: u64) -> u64;

    /// Bytes of payload that were copied into and out of the guest so far, where that is counted.
    fn copied(&self) -> Option<CopiedBytes> {
        None
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Direct,
    General,
    Typed,
    Dynamic,
    CApi,
    Extism,
    Bare,
    Native,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Key {
    pub const ALL: [Key; 8] =
        [Key::Direct, Key::General, Key::Typed, Key::Dynamic, Key::CApi, Key::Extism, Key::Bare, Key::Native];

    /// As the table and the CSV have it.
    pub const fn name(self) -> &'static str {
        match self {
            Key::Direct => "libtorvyn direct",
            Key::General => "libtorvyn general",
            Key::Typed => "Wasmtime TypedFunc",
            Key::Dynamic => "Wasmtime Val",
            Key::CApi => "Wasmtime C API",
            Key::Extism => "Extism",
            Key::Bare => "bare core call",
            Key::Native => "native function",
        }
    }

    /// As the command line has it.
    pub const fn short(self) -> &'static str {
        match self {
            Key::Direct => "direct",
            Key::General => "general",
            Key::Typed => "typed",
            Key::Dynamic => "val",
            Key::CApi => "c-api",
            Key::Extism => "extism",
            Key::Bare => "bare",
            Key::Native => "native",
        }
    }

    pub fn parse(short: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.short() == short)
    }

    /// `count` instances for `task` of what was compiled once; none where the way cannot do it.
    pub fn make(self, task: &Task, count: usize) -> Result<Vec<Box<dyn Way>>> {
        match self {
            Key::Direct | Key::General => torvyn::make(self, task, count),
            Key::Typed => typed::make(task, count),
            _ if count != 1 => Ok(Vec::new()),
            Key::Dynamic => dynamic::make(task),
            Key::CApi => capi::make(task),
            Key::Extism => extism::make(task),
            Key::Bare => bare::make(task),
            Key::Native => native::make(task),
        }
    }
}
