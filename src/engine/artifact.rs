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
//! can be mapped and run in place. This file gives Wasmtime machine code, so it may use `unsafe`.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::ptr::NonNull;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::Module;
use wasmtime::component::Component;

use super::Engine;
use super::compile::{CompiledComponent, Parts, Source};
use super::mappings::{self, Mappings};
use super::published::{Mapping, in_place};
use super::{file, images, system};
use crate::direct::plan::Analysis;
use crate::direct::run::Code;
use crate::error::{Error, ErrorKind, Result};

/// What an artifact begins with.
pub const MAGIC: [u8; 8] = *b"TORVYN\x00\x1a";
/// Raised whenever the header, the index or the meaning of the images changes.
const FORMAT: u32 = 5;
const HEADER: usize = 128;
/// Images begin at multiples of this: the largest page of the supported machines.
pub(super) const PAGE: usize = 64 << 10;

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
    let mut parts = Vec::new();
    if let Some(code) = &direct {
        for module in code.modules.iter().chain([&code.scope, &code.lowerings, &code.entries]) {
            parts.push(module.serialize().map_err(failed)?);
        }
    }
    if let Some(general) = &general {
        parts.push(general.serialize().map_err(failed)?);
    }
    if !images::are_mapped(component.engine()) {
        parts.iter_mut().for_each(|image| images::set_mapped(image, true));
    }
    // The index holds the images' places, which depend on its own length: placed behind a length
    // that is found first.
    let index = |start: usize| {
        let mut at = start;
        let ranges: Vec<Range<u64>> = parts
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
    let bound = encode(&index(u32::MAX as usize))?.len() + 8 * 2 * parts.len();
    let index = index(HEADER + 8 + bound);
    let encoded = encode(&index)?;
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&encoded);
    for (image, range) in parts.iter().zip(index.direct.iter().flatten().chain(&index.general)) {
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

/// What holds the images.
enum Images<'a> {
    /// They are copied.
    Bytes(&'a [u8]),
    /// They are run where they are; what of that is code is found when they are loaded.
    Mapped(&'a Mapping, Vec<Range<usize>>),
}

/// One image; Wasmtime's two kinds differ in nothing but the names of the functions.
macro_rules! loaded {
    ($kind:ident, $engine:expr, $images:expr, $range:expr) => {
        match &mut $images {
            // SAFETY: the caller of `deserialize` vouches for the artifact.
            Images::Bytes(bytes) => unsafe { $kind::deserialize($engine.wasmtime(), copied($engine, bytes, $range)?) },
            Images::Mapped(mapping, code) => {
                let image = NonNull::from(within(mapping.bytes(), $range)?);
                // SAFETY: the caller of `deserialize_file` vouches for the artifact; the mapping is private
                // and outlives the code, since `CompiledComponent` drops it last.
                in_place(code, || unsafe { $kind::deserialize_raw($engine.wasmtime(), image) })
            }
        }
    };
}

fn within<'b>(bytes: &'b [u8], range: &Range<u64>) -> Result<&'b [u8]> {
    bytes.get(range.start as usize..range.end as usize).ok_or_else(|| damaged("an image is cut off"))
}

/// An image as the engine wants it.
fn copied<'b>(engine: &Engine, bytes: &'b [u8], range: &Range<u64>) -> Result<Cow<'b, [u8]>> {
    let image = within(bytes, range)?;
    if images::are_mapped(engine) {
        return Ok(image.into());
    }
    let mut own = Vec::new();
    own.try_reserve_exact(image.len()).map_err(|_| not_loaded(&wasmtime::OutOfMemory::new(image.len()).into()))?;
    own.extend_from_slice(image);
    images::set_mapped(&mut own, false);
    Ok(own.into())
}

fn not_loaded(e: &wasmtime::Error) -> Box<Error> {
    let what = "the artifact was not loaded";
    let refused = system::refused(ErrorKind::Internal, what, e);
    refused.unwrap_or_else(|| Error::new(ErrorKind::Internal, format!("{what}: {e:#}")))
}

/// What was loaded, or none: the digest held, so what Wasmtime refuses is sound, but of another Wasmtime or
/// machine. What the system refuses is another matter.
fn judged<T>(loaded: wasmtime::Result<T>) -> Result<Option<T>> {
    match loaded {
        Ok(code) => Ok(Some(code)),
        Err(e) if system::is_refusal(&e) || e.is::<wasmtime::OutOfMemory>() => Err(not_loaded(&e)),
        Err(_) => Ok(None),
    }
}

fn load(engine: &Engine, index: Index, digest: [u8; 32], mut images: Images<'_>) -> Result<Option<Parts>> {
    let pieces = index.direct.as_ref().map_or(0, Vec::len) + usize::from(index.general.is_some());
    let mappings = Mappings::take(pieces as u32 * mappings::CODE + 1).map_err(|few| {
        let message = format!("the artifact cannot be loaded: {few}; free instances, or raise that limit");
        Error::new(ErrorKind::Internal, message)
    })?;
    let mut direct = None;
    if let Some(ranges) = &index.direct {
        let mut modules = Vec::new();
        for range in ranges {
            let Some(module) = judged(loaded!(Module, engine, images, range))? else { return Ok(None) };
            modules.push(module);
        }
        let (Some(entries), Some(lowerings), Some(scope)) = (modules.pop(), modules.pop(), modules.pop()) else {
            return Err(damaged("it lacks an image"));
        };
        direct = Some(Code { modules, scope, lowerings, entries });
    }
    let mut general = None;
    if let Some(range) = &index.general {
        let Some(component) = judged(loaded!(Component, engine, images, range))? else { return Ok(None) };
        general = Some(component);
    }
    if let Images::Mapped(mapping, code) = images {
        mapping.only(code);
    }
    let Index { analysis, source, .. } = index;
    Ok(Some(Parts { analysis, digest, source, direct, general, mapping: None, mappings }))
}

/// A component from the bytes of an artifact.
///
/// # Safety
///
/// As for `WasmEngine::deserialize_component`.
pub(super) unsafe fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Option<CompiledComponent>> {
    let Some((digest, index)) = read(engine, bytes)? else { return Ok(None) };
    let parts = load(engine, index, digest, Images::Bytes(bytes))?;
    Ok(parts.map(|parts| CompiledComponent::from_parts(engine, parts)))
}

/// A component from an artifact file, mapped and run in place; copied where it may not be run there (its file
/// system is mounted `noexec`), or where the engine wants it otherwise.
///
/// # Safety
///
/// As for `WasmEngine::deserialize_component`; and the file must not change while it is mapped.
pub(super) unsafe fn deserialize_file(engine: &Engine, path: &Path) -> Result<Option<CompiledComponent>> {
    let (file, len) = file::open(path)?;
    if len == 0 {
        return Err(Error::new(ErrorKind::Deserialization, "the file is empty: no artifact of libtorvyn"));
    }
    let mapping = match Mapping::new(&file, len) {
        Ok(mapping) if images::are_mapped(engine) => mapping,
        // Not every file system has mappings.
        Err(refusal) if !refusal.is_denial() && refusal.error.raw_os_error() != Some(libc::ENODEV) => {
            return Err(system::failed(ErrorKind::Io, path.display(), &refusal));
        }
        _ => {
            let bytes = file::read_opened(path, file, len)?;
            // SAFETY: the same contract.
            return unsafe { deserialize(engine, &bytes) };
        }
    };
    let Some((digest, index)) = read(engine, mapping.bytes())? else { return Ok(None) };
    let Some(mut parts) = load(engine, index, digest, Images::Mapped(&mapping, Vec::new()))? else { return Ok(None) };
    parts.mapping = Some(mapping);
    Ok(Some(CompiledComponent::from_parts(engine, parts)))
}
