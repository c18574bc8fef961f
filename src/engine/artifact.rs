//! Artifacts: compiled components as bytes, behind a header of our own.
//!
//! | bytes | what |
//! |---|---|
//! | 0–8 | magic |
//! | 8–12 | format version, little-endian, as all numbers are |
//! | 12–16 | zero |
//! | 16–48 | engine fingerprint, SHA-256 |
//! | 48–80 | content id: SHA-256 of the component's binary |
//! | 80–112 | SHA-256 of what follows the header |
//! | 112–120 | length of what follows the header |
//! | 120–128 | first 8 bytes of the SHA-256 of bytes 0–120 |
//!
//! Magic, version and the last line stay as they are in every version, so that a damaged header is
//! told from another version's.
//!
//! An index follows (`Index`), then the machine code, each image at a page boundary so that a file
//! can be mapped and run in place. This file maps artifacts, so it may use `unsafe`.
#![allow(unsafe_code)]

use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr::NonNull;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::Module;
use wasmtime::component::Component;

use super::Engine;
use super::compile::{CompiledComponent, Parts, Source};
use super::file;
use crate::direct::plan::Analysis;
use crate::direct::run::Code;
use crate::error::{Error, ErrorKind, Result};

/// What an artifact begins with.
pub const MAGIC: [u8; 8] = *b"TORVYN\x00\x1a";
/// Raised whenever the header, the index or the meaning of the images changes.
const FORMAT: u32 = 5;
const HEADER: usize = 128;
/// Images begin at multiples of this: the largest page of the supported machines.
const PAGE: usize = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Index {
    analysis: Analysis,
    source: Option<Source>,
    /// The component's core modules, then the glue's scope, lowerings and entries; ranges of the artifact.
    direct: Option<Vec<Range<u64>>>,
    general: Option<Range<u64>>,
}

fn damaged(what: impl std::fmt::Display) -> Box<Error> {
    Error::new(ErrorKind::Deserialization, format!("the artifact is damaged: {what}; compile the component again"))
}

fn fingerprint(engine: &Engine) -> [u8; 32] {
    let text = format!(
        "torvyn {} wasmtime {} {}-{} {}",
        env!("CARGO_PKG_VERSION"),
        wasmtime_environ::VERSION,
        std::env::consts::ARCH,
        std::env::consts::OS,
        engine.config().fingerprint(),
    );
    Sha256::digest(text).into()
}

/// A build without the compiler loads artifacts and makes none.
#[cfg(not(feature = "compiler"))]
pub(super) fn write(_: &CompiledComponent) -> Result<Vec<u8>> {
    let message = "this build of libtorvyn has no compiler and makes no artifacts: copy the one that was loaded";
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Serializes what was compiled.
#[cfg(feature = "compiler")]
pub(super) fn write(component: &CompiledComponent) -> Result<Vec<u8>> {
    let failed = |e: wasmtime::Error| Error::new(ErrorKind::Internal, format!("the artifact was not made: {e:#}"));
    let Some(digest) = component.digest() else {
        return Err(Error::new(ErrorKind::Unsupported, "a native component has no code that an artifact could hold"));
    };
    let (direct, general) = component.compiled();
    let mut images = Vec::new();
    if let Some(code) = &direct {
        for module in code.modules.iter().chain([&code.scope, &code.lowerings, &code.entries]) {
            images.push(module.serialize().map_err(failed)?);
        }
    }
    if let Some(general) = &general {
        images.push(general.serialize().map_err(failed)?);
    }
    // The index holds the images' places, which depend on its own length: placed behind a length
    // that is found first.
    let index = |start: usize| {
        let mut at = start;
        let ranges: Vec<Range<u64>> = images
            .iter()
            .map(|image| {
                let from = at.next_multiple_of(PAGE);
                at = from + image.len();
                from as u64..at as u64
            })
            .collect();
        let split = if general.is_some() { ranges.len() - 1 } else { ranges.len() };
        Index {
            analysis: component.analysis().clone(),
            source: component.source().cloned(),
            direct: direct.as_ref().map(|_| ranges[..split].to_vec()),
            general: general.as_ref().map(|_| ranges[split].clone()),
        }
    };
    let encode = |index: &Index| {
        postcard::to_stdvec(index)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the artifact was not made: {e}")))
    };
    // Numbers are encoded by size; the upper bound for the length is taken at the far end.
    let bound = encode(&index(u32::MAX as usize))?.len() + 8 * 2 * images.len();
    let index = index(HEADER + 8 + bound);
    let encoded = encode(&index)?;
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&encoded);
    for (image, range) in images.iter().zip(index.direct.iter().flatten().chain(&index.general)) {
        bytes.resize(range.start as usize, 0);
        bytes.extend_from_slice(image);
    }
    let payload = &bytes[HEADER..];
    let (sum, len) = (Sha256::digest(payload), payload.len() as u64);
    let header = &mut bytes[..HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[16..48].copy_from_slice(&fingerprint(component.engine()));
    header[48..80].copy_from_slice(digest);
    header[80..112].copy_from_slice(&sum);
    header[112..120].copy_from_slice(&len.to_le_bytes());
    let check = Sha256::digest(&header[..120]);
    header[120..].copy_from_slice(&check[..8]);
    Ok(bytes)
}

/// The content id and the index of a sound artifact for this engine; none for a sound one of
/// another version or configuration.
fn read(engine: &Engine, bytes: &[u8]) -> Result<Option<([u8; 32], Index)>> {
    if !bytes.starts_with(&MAGIC) {
        let message = if bytes.starts_with(b"\0asm") {
            "the bytes are WebAssembly, not an artifact: use torvyn_component_compile"
        } else {
            "the bytes are no artifact of libtorvyn"
        };
        return Err(Error::new(ErrorKind::Deserialization, message));
    }
    if bytes.len() < HEADER {
        return Err(damaged("its header is cut off"));
    }
    let (header, payload) = bytes.split_at(HEADER);
    if Sha256::digest(&header[..120])[..8] != header[120..] {
        return Err(damaged("its header is not what was written"));
    }
    if header[8..12] != FORMAT.to_le_bytes() {
        return Ok(None);
    }
    if header[112..120] != (payload.len() as u64).to_le_bytes() {
        return Err(damaged("its length is not what was written"));
    }
    if header[16..48] != fingerprint(engine) {
        return Ok(None);
    }
    if header[80..112] != Sha256::digest(payload)[..] {
        return Err(damaged("its content is not what was written"));
    }
    let mut len = [0; 8];
    len.copy_from_slice(payload.get(..8).ok_or_else(|| damaged("it has no index"))?);
    let end = 8usize.saturating_add(usize::try_from(u64::from_le_bytes(len)).unwrap_or(usize::MAX));
    let index = payload.get(8..end).ok_or_else(|| damaged("its index is cut off"))?;
    let index = postcard::from_bytes(index).map_err(|e| damaged(format!("its index does not decode: {e}")))?;
    let mut digest = [0; 32];
    digest.copy_from_slice(&header[48..80]);
    Ok(Some((digest, index)))
}

/// What turns a range of the artifact into code.
trait Images {
    fn module(&self, engine: &Engine, range: &Range<u64>) -> Result<wasmtime::Result<Module>>;
    fn component(&self, engine: &Engine, range: &Range<u64>) -> Result<wasmtime::Result<Component>>;
}

fn within<'b>(bytes: &'b [u8], range: &Range<u64>) -> Result<&'b [u8]> {
    bytes.get(range.start as usize..range.end as usize).ok_or_else(|| damaged("an image is cut off"))
}

impl Images for &[u8] {
    fn module(&self, engine: &Engine, range: &Range<u64>) -> Result<wasmtime::Result<Module>> {
        let image = within(self, range)?;
        // SAFETY: the caller of `deserialize` vouches for the artifact.
        Ok(unsafe { Module::deserialize(engine.wasmtime(), image) })
    }

    fn component(&self, engine: &Engine, range: &Range<u64>) -> Result<wasmtime::Result<Component>> {
        let image = within(self, range)?;
        // SAFETY: as above.
        Ok(unsafe { Component::deserialize(engine.wasmtime(), image) })
    }
}

impl Images for &Mapping {
    fn module(&self, engine: &Engine, range: &Range<u64>) -> Result<wasmtime::Result<Module>> {
        let image = NonNull::from(within(self.bytes(), range)?);
        // SAFETY: the caller of `deserialize_file` vouches for the artifact; the mapping is private
        // and outlives the code, since `CompiledComponent` drops it last.
        Ok(unsafe { Module::deserialize_raw(engine.wasmtime(), image) })
    }

    fn component(&self, engine: &Engine, range: &Range<u64>) -> Result<wasmtime::Result<Component>> {
        let image = NonNull::from(within(self.bytes(), range)?);
        // SAFETY: as above.
        Ok(unsafe { Component::deserialize_raw(engine.wasmtime(), image) })
    }
}

fn load(engine: &Engine, index: Index, digest: [u8; 32], images: impl Images) -> Result<Option<Parts>> {
    // The digest held, so what Wasmtime refuses now is sound but of another Wasmtime or machine.
    let mut direct = None;
    if let Some(ranges) = &index.direct {
        let mut modules = Vec::new();
        for range in ranges {
            let Ok(module) = images.module(engine, range)? else { return Ok(None) };
            modules.push(module);
        }
        let (Some(entries), Some(lowerings), Some(scope)) = (modules.pop(), modules.pop(), modules.pop()) else {
            return Err(damaged("it lacks an image"));
        };
        direct = Some(Code { modules, scope, lowerings, entries });
    }
    let mut general = None;
    if let Some(range) = &index.general {
        let Ok(component) = images.component(engine, range)? else { return Ok(None) };
        general = Some(component);
    }
    let Index { analysis, source, .. } = index;
    Ok(Some(Parts { analysis, digest, source, direct, general, mapping: None }))
}

/// A component from the bytes of an artifact.
///
/// # Safety
///
/// As for `WasmEngine::deserialize_component`.
pub(super) unsafe fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Option<CompiledComponent>> {
    let Some((digest, index)) = read(engine, bytes)? else { return Ok(None) };
    let parts = load(engine, index, digest, bytes)?;
    Ok(parts.map(|parts| CompiledComponent::from_parts(engine, parts)))
}

/// A component from an artifact file, mapped and run in place.
///
/// # Safety
///
/// As for `WasmEngine::deserialize_component`; and the file must not change while it is mapped.
pub(super) unsafe fn deserialize_file(engine: &Engine, path: &Path) -> Result<Option<CompiledComponent>> {
    let mapping = Mapping::new(path)?;
    let Some((digest, index)) = read(engine, mapping.bytes())? else { return Ok(None) };
    let Some(mut parts) = load(engine, index, digest, &mapping)? else { return Ok(None) };
    parts.mapping = Some(mapping);
    Ok(Some(CompiledComponent::from_parts(engine, parts)))
}

/// A file mapped privately.
#[derive(Debug)]
pub struct Mapping {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is memory that is only read (and run) until it is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(path: &Path) -> Result<Self> {
        let (file, len) = file::open(path)?;
        if len == 0 {
            return Err(Error::new(ErrorKind::Deserialization, "the file is empty: no artifact of libtorvyn"));
        }
        // SAFETY: a new private mapping at an address of the kernel's choice; the result is checked.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(at.cast::<u8>()) {
            Some(at) if at.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { at, len }),
            _ => Err(file::failed(path, format!("mmap: {}", std::io::Error::last_os_error()))),
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped at `at` until `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing that points into it is left.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// Makes code executable, whether Wasmtime allocated it or it lies in a [`Mapping`].
#[derive(Debug)]
pub(super) struct Publisher;

impl Publisher {
    fn protect(at: *const u8, len: usize, protection: libc::c_int) -> wasmtime::Result<()> {
        // SAFETY: Wasmtime gives page-aligned ranges of code memory that it owns or that lie in a
        // mapping of ours; no code in them runs while they are not executable.
        match unsafe { libc::mprotect(at.cast_mut().cast(), len, protection) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error().into()),
        }
    }
}

impl wasmtime::CustomCodeMemory for Publisher {
    fn required_alignment(&self) -> usize {
        PAGE.min(page_size())
    }

    fn publish_executable(&self, at: *const u8, len: usize) -> wasmtime::Result<()> {
        Self::protect(at, len, libc::PROT_READ | libc::PROT_EXEC)
    }

    fn unpublish_executable(&self, at: *const u8, len: usize) -> wasmtime::Result<()> {
        Self::protect(at, len, libc::PROT_READ | libc::PROT_WRITE)
    }
}

fn page_size() -> usize {
    // SAFETY: no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
