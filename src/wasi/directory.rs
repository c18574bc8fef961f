//! Reading a directory: some entries at a time, where `wasmtime-wasi` takes all of them into memory,
//! however many there are, before it gives the first.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::blocking::on_a_thread;

/// So many entries are read at once.
const SOME: usize = 64;

/// A directory that is being read.
pub struct Reading {
    dir: Arc<Mutex<Dir>>,
    ready: VecDeque<FsResult<DirectoryEntry>>,
    ended: bool,
}

fn failed(error: Errno) -> FsError {
    std::io::Error::from(error).into()
}

fn kind(of: FileType) -> DescriptorType {
    match of {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        _ => DescriptorType::Unknown,
    }
}

/// The next entry but for the directory itself and the one above it.
fn next(dir: &mut Dir) -> Option<FsResult<DirectoryEntry>> {
    loop {
        let entry = match dir.read()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(failed(error))),
        };
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        let of = match entry.file_type() {
            // Not every file system says it here.
            FileType::Unknown => {
                let found = dir.fd().and_then(|dir| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW));
                match found {
                    Ok(found) => FileType::from_raw_mode(found.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Some(Err(failed(error))),
                }
            }
            known => known,
        };
        let name = name.to_str().map(str::to_owned).map_err(|_| ErrorCode::IllegalByteSequence.into());
        return Some(name.map(|name| DirectoryEntry { type_: kind(of), name }));
    }
}

impl Reading {
    /// Opens `dir` once more, to read it from its beginning.
    pub async fn new(dir: Arc<File>) -> FsResult<Self> {
        let open = move || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            Dir::new(rustix::fs::openat(&*dir, c".", flags, Mode::empty())?)
        };
        let dir = on_a_thread(open).await.map_err(failed)?;
        Ok(Self { dir: Arc::new(Mutex::new(dir)), ready: VecDeque::new(), ended: false })
    }

    /// What holds the descriptor, and that.
    pub fn open(&self) -> (&Arc<Mutex<Dir>>, RawFd) {
        (&self.dir, self.dir.lock().fd().map_or(-1, |fd| fd.as_raw_fd()))
    }

    /// The next entry; none after the last.
    pub async fn next(&mut self) -> FsResult<Option<DirectoryEntry>> {
        if self.ready.is_empty() && !self.ended {
            let dir = self.dir.clone();
            let some = on_a_thread(move || {
                let mut dir = dir.lock();
                std::iter::from_fn(|| next(&mut dir)).take(SOME).collect::<VecDeque<_>>()
            });
            self.ready = some.await;
            self.ended = self.ready.len() < SOME;
        }
        self.ready.pop_front().transpose()
    }
}
