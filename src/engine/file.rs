//! Files that the program names: components and artifacts.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::system::{self, Refusal};
use crate::error::{Error, ErrorKind, Result};

/// What went wrong with the file of that path.
pub fn failed(path: &Path, error: impl std::fmt::Display) -> Box<Error> {
    Error::new(ErrorKind::Io, format!("{}: {error}", path.display()))
}

fn refused(path: &Path, call: &'static str, error: std::io::Error) -> Box<Error> {
    system::failed(ErrorKind::Io, path.display(), &Refusal::new(call, error))
}

/// Opens a file to read, and tells its length. What may have no end, or nobody at the other one (a FIFO, a
/// terminal, a device), is `Io`, and is not waited for.
pub fn open(path: &Path) -> Result<(File, usize)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| refused(path, "open", error))?;
    let metadata = file.metadata().map_err(|error| refused(path, "fstat", error))?;
    if !metadata.is_file() {
        return Err(failed(path, "not a regular file: copy what it gives into one, or hand over the bytes"));
    }
    Ok((file, usize::try_from(metadata.len()).unwrap_or(usize::MAX)))
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let (file, len) = open(path)?;
    read_opened(path, file, len)
}

/// The bytes of one that is open: as many as it had when it was opened, at most.
pub fn read_opened(path: &Path, file: File, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| failed(path, format!("no memory for its {len} bytes")))?;
    file.take(len as u64).read_to_end(&mut bytes).map_err(|error| refused(path, "read", error))?;
    Ok(bytes)
}
