//! Granted directories: each is opened once, when it is granted, and shared by all instances.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::contract::host::Host;
use crate::engine::descriptors::Known;

/// A directory that is held open.
#[derive(Clone)]
pub struct Granted(Arc<Held>);

struct Held {
    dir: Dir,
    known: Known,
}

impl Drop for Held {
    /// Closes it, unless that would close what is the program's by now.
    fn drop(&mut self) {
        if !self.known.is_there() {
            std::mem::forget(self.dir.dir.clone());
        }
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Granted").field(&self.0.known).finish()
    }
}

impl Granted {
    /// `dir`, in which things may be changed where `write` says so.
    pub fn new(dir: File, known: Known, write: bool) -> Self {
        let (perms, mode) = match write {
            true => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            false => (FsPerms::ReadOnly, OpenMode::READ),
        };
        Self(Arc::new(Held { dir: Dir::new(dir, perms, mode, false), known }))
    }

    /// Its descriptor.
    pub fn known(&self) -> Known {
        self.0.known
    }
}

impl preopens::Host for Host {
    /// `wasmtime-wasi` would open them anew, by path, for each instance.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.check_time()?;
        let grants = self.grants.clone();
        let table = self.filesystem().table;
        let give = |dir: &crate::engine::grants::Preopen| {
            Ok((table.push(Descriptor::Dir(dir.dir.0.dir.clone()))?, dir.guest.clone()))
        };
        grants.preopens.iter().map(give).collect()
    }
}
