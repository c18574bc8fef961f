//! Files: `wasmtime-wasi`'s functions, each with a line in the log where it was refused.

use std::fmt::Display;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::blocking::{self, blocking, on_a_thread};
use super::directory::Reading;
use super::open::Open;
use super::{Parts, Watch};
use crate::contract::held;
use crate::contract::host::Host;
use crate::engine::descriptors::Standard;

/// For Wasmtime: what the functions here work on.
pub struct Has;

impl HasData for Has {
    type Data<'a> = Files<'a>;
}

/// `wasmtime-wasi`'s view, watched.
pub struct Files<'a> {
    inner: WasiFilesystemCtxView<'a>,
    open: &'a mut Open,
    watch: &'a Watch,
}

/// The view of a store.
pub fn view(host: &mut Host) -> Files<'_> {
    let Parts { ctx, table, open, watch, .. } = super::parts_with_files(host);
    Files { inner: WasiFilesystemCtxView { ctx: ctx.filesystem(), table }, open, watch }
}

impl Files<'_> {
    /// Passes a result on, with a line in the log where a granted directory did not allow it.
    fn pass<T>(&self, result: FsResult<T>, function: &str, path: Option<&str>) -> FsResult<T> {
        if let Err(error) = &result
            && let Some(code) = error.downcast_ref()
            && matches!(code, ErrorCode::NotPermitted | ErrorCode::Access | ErrorCode::ReadOnly)
        {
            self.refused(function, path, code.name());
        }
        result
    }

    fn refused(&self, function: &str, path: Option<&str>, why: impl Display) {
        let path = path.map_or_else(String::new, |path| format!(" `{path}`"));
        self.watch.refused(&format!("the file operation {function}{path}: {why}"));
    }

    /// Whether one more descriptor of the process's may be taken, as long as what is given lives. WASI has
    /// no error of its own for too many open files.
    fn room(&mut self, function: &str, path: Option<&str>) -> FsResult<Standard> {
        self.open.room(self.inner.table).map_err(|full| {
            self.refused(function, path, full);
            ErrorCode::InsufficientMemory.into()
        })
    }
}

type Fd = Resource<Descriptor>;

/// What is read of a file at once, as much as `wasmtime-wasi` does.
const MOST_READ: usize = 64 << 10;

/// Methods of `descriptor` that are `wasmtime-wasi`'s own, watched. `at` marks the path that says
/// what it was about.
macro_rules! watched {
    ($($wit:literal: fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty $(, at $path:ident)?;)*) => {$(
        async fn $name(&mut self, $($arg: $type),*) -> FsResult<$result> {
            let path: Option<String> = None $(.or(Some($path.clone())))?;
            let result = blocking(self.inner.$name($($arg),*)).await;
            self.pass(result, $wit, path.as_deref())
        }
    )*};
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

impl HostDescriptor for Files<'_> {
    watched! {
        "advise": fn advise(fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> ();
        "sync-data": fn sync_data(fd: Fd) -> ();
        "get-flags": fn get_flags(fd: Fd) -> DescriptorFlags;
        "get-type": fn get_type(fd: Fd) -> DescriptorType;
        "set-size": fn set_size(fd: Fd, size: Filesize) -> ();
        "set-times": fn set_times(fd: Fd, access: NewTimestamp, modification: NewTimestamp) -> ();
        "write": fn write(fd: Fd, bytes: Vec<u8>, offset: Filesize) -> Filesize;
        "sync": fn sync(fd: Fd) -> ();
        "create-directory-at": fn create_directory_at(fd: Fd, path: String) -> (), at path;
        "stat": fn stat(fd: Fd) -> DescriptorStat;
        "stat-at": fn stat_at(fd: Fd, flags: PathFlags, path: String) -> DescriptorStat, at path;
        "set-times-at": fn set_times_at(
            fd: Fd, flags: PathFlags, path: String, access: NewTimestamp, modification: NewTimestamp
        ) -> (), at path;
        "link-at": fn link_at(fd: Fd, flags: PathFlags, path: String, new: Fd, new_path: String) -> (), at path;
        "readlink-at": fn readlink_at(fd: Fd, path: String) -> String, at path;
        "remove-directory-at": fn remove_directory_at(fd: Fd, path: String) -> (), at path;
        "rename-at": fn rename_at(fd: Fd, path: String, new: Fd, new_path: String) -> (), at path;
        "symlink-at": fn symlink_at(fd: Fd, old_path: String, path: String) -> (), at path;
        "unlink-file-at": fn unlink_file_at(fd: Fd, path: String) -> (), at path;
        "metadata-hash": fn metadata_hash(fd: Fd) -> MetadataHashValue;
        "metadata-hash-at": fn metadata_hash_at(fd: Fd, flags: PathFlags, path: String) -> MetadataHashValue, at path;
    }

    /// Wasmtime's own ends the process where there is no memory for what is read.
    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let Descriptor::File(file) = self.inner.table.get(&fd)? else { return Err(ErrorCode::BadDescriptor.into()) };
        let file = file.file.clone();
        let len = usize::try_from(len).map_or(MOST_READ, |len| len.min(MOST_READ));
        let mut bytes = held::room(len).map_err(|_| ErrorCode::InsufficientMemory)?;
        let read = on_a_thread(move || {
            bytes.resize(len, 0);
            let read = file.read_at(&mut bytes, offset)?;
            bytes.truncate(read);
            Ok::<_, std::io::Error>(bytes)
        });
        let result = read.await.map(|bytes| {
            let ended = bytes.is_empty();
            (bytes, ended)
        });
        self.pass(result.map_err(FsError::from), "read", None)
    }

    /// Opens no pipes and sockets: to open a pipe waits until there is someone at its other end, which
    /// no deadline ends, and would take one of the engine's threads for files with it. (Between the
    /// look and the opening a file can become a pipe only where somebody renames one to its name.)
    async fn open_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        descriptor: DescriptorFlags,
    ) -> FsResult<Fd> {
        let there = blocking(self.inner.stat_at(Resource::new_borrow(fd.rep()), flags, path.clone())).await;
        // What WASI has no name for is a pipe or a socket.
        if there.is_ok_and(|found| found.type_ == DescriptorType::Unknown) {
            self.refused("open-at", Some(&path), "a pipe or socket");
            return Err(ErrorCode::NotPermitted.into());
        }
        let _standard = self.room("open-at", Some(&path))?;
        let result = blocking(self.inner.open_at(fd, flags, path.clone(), open, descriptor)).await;
        let fd = self.pass(result, "open-at", Some(&path))?;
        match self.inner.table.get(&fd)? {
            Descriptor::File(file) => self.open.file(&file.file, file.file.as_raw_fd()),
            Descriptor::Dir(dir) => self.open.file(&dir.dir, dir.dir.as_raw_fd()),
        }
        Ok(fd)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let Descriptor::Dir(dir) = self.inner.table.get(&fd)? else { return Err(ErrorCode::NotDirectory.into()) };
        let dir = dir.dir.clone();
        let _standard = self.room("read-directory", None)?;
        let result = Reading::new(dir).await;
        let reading = self.pass(result, "read-directory", None)?;
        let (dir, fd) = reading.open();
        self.open.file(dir, fd);
        // The same handle to the component, whatever it stands for here.
        Ok(Resource::new_own(self.inner.table.push(reading)?.rep()))
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let result = self.inner.read_via_stream(fd, offset);
        let stream = self.pass(result, "read-via-stream", None)?;
        blocking::input(self.inner.table, &stream)?;
        Ok(stream)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let result = self.inner.write_via_stream(fd, offset);
        let stream = self.pass(result, "write-via-stream", None)?;
        blocking::output(self.inner.table, &stream)?;
        Ok(stream)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let result = self.inner.append_via_stream(fd);
        let stream = self.pass(result, "append-via-stream", None)?;
        blocking::output(self.inner.table, &stream)?;
        Ok(stream)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        blocking(self.inner.is_same_object(a, b)).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.inner, fd)
    }
}

/// What a handle of a directory stream stands for.
fn reading(stream: &Resource<DirectoryEntryStream>) -> Resource<Reading> {
    Resource::new_own(stream.rep())
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.inner.table.get_mut(&reading(&stream))?.next().await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.inner.table.delete(reading(&stream))?;
        Ok(())
    }
}
