//! Files that the program names: components and artifacts.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
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

/// What is looked at before the rest of a file is read.
const BEGINNING: usize = 4 << 10;

/// No component is larger: validation takes no larger module.
const MOST: usize = 1 << 30;

/// Whether what begins so may be a component, in binary or text.
pub fn may_be_component(beginning: &[u8]) -> bool {
    let text = beginning.trim_ascii_start();
    beginning.starts_with(b"\0asm") || text.is_empty() || text.starts_with(b"(") || text.starts_with(b";")
}

/// The bytes of a component's file; where it does not begin as one, its beginning alone.
pub fn read_component(path: &Path) -> Result<Vec<u8>> {
    let (file, len) = open(path)?;
    let mut beginning = vec![0; len.min(BEGINNING)];
    let got = file.read_at(&mut beginning, 0).map_err(|error| refused(path, "read", error))?;
    beginning.truncate(got);
    if got == len || !may_be_component(&beginning) {
        return Ok(beginning);
    }
    if len > MOST {
        return Err(failed(path, format!("it has {len} bytes, and no component has more than {MOST}")));
    }
    read_opened(path, file, len)
}

/// The bytes of one that is open: as many as it had when it was opened, at most.
pub fn read_opened(path: &Path, file: File, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| failed(path, format!("no memory for its {len} bytes")))?;
    file.take(len as u64).read_to_end(&mut bytes).map_err(|error| refused(path, "read", error))?;
    Ok(bytes)
}
