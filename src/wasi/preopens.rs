//! Granted directories: each is opened once, when it is granted, and shared by all instances.

use std::fmt;
use std::fs::File;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::contract::host::Host;

/// A directory that is held open.
#[derive(Clone)]
pub struct Granted(Dir);

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Granted").field(&self.0.dir).finish()
    }
}

impl Granted {
    /// `dir`, in which things may be changed where `write` says so.
    pub fn new(dir: File, write: bool) -> Self {
        let (perms, mode) = match write {
            true => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            false => (FsPerms::ReadOnly, OpenMode::READ),
        };
        Self(Dir::new(dir, perms, mode, false))
    }
}

impl preopens::Host for Host {
    /// `wasmtime-wasi` would open them anew, by path, for each instance.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.check_time()?;
        let grants = self.grants.clone();
        let table = self.filesystem().table;
        let give = |dir: &crate::engine::grants::Preopen| {
            Ok((table.push(Descriptor::Dir(dir.dir.0.clone()))?, dir.guest.clone()))
        };
        grants.preopens.iter().map(give).collect()
    }
}
