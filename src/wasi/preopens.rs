//! Granted directories: each is opened once, when it is granted, and shared by all instances.

use std::fmt;
use std::fs::File;

use wasmtime::component::{HasData, Resource};
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

/// For Wasmtime: what the function here works on.
pub struct Has;

impl HasData for Has {
    type Data<'a> = Preopens<'a>;
}

/// A store.
pub struct Preopens<'a>(&'a mut Host);

/// The view of a store.
pub fn view(host: &mut Host) -> Preopens<'_> {
    Preopens(host)
}

impl preopens::Host for Preopens<'_> {
    /// `wasmtime-wasi` would open them anew, by path, for each instance.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.0.check_time()?;
        let grants = self.0.grants.clone();
        let table = self.0.filesystem().table;
        let give = |dir: &crate::engine::grants::Preopen| {
            Ok((table.push(Descriptor::Dir(dir.dir.0.clone()))?, dir.guest.clone()))
        };
        grants.preopens.iter().map(give).collect()
    }
}
