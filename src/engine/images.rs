//! Initial contents of memories. Wasmtime maps them, copy on write, from files that only memory holds;
//! an engine whose system refuses such files copies them instead. Artifacts are the same for both, though
//! Wasmtime keeps that setting in each image and compares it.
#![allow(unsafe_code)] // system calls, on a descriptor of its own

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use serde::{Deserialize, Serialize};
use wasmtime_environ::object::read::elf::ElfFile64;
use wasmtime_environ::object::{Endianness, Object as _, ObjectSection as _};
use wasmtime_environ::{FlagValue, Tunables, obj};

use super::{Engine, signals};

/// Whether the system lets the process have such files, as far as it can be known before they are
/// needed: that there is no descriptor or no memory just now is no refusal for good.
pub(super) fn can_be_mapped() -> bool {
    // SAFETY: a name that is NUL-terminated, and flags.
    let fd = unsafe { libc::memfd_create(c"torvyn".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    let made = fd >= 0 && {
        // SAFETY: the descriptor is new, and nobody else's.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: the same descriptor, and flags.
        let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SEAL) == 0 };
        // RLIMIT_FSIZE is for these files, too.
        sealed && signals::quiet(|| rustix::io::write(&file, &[0])).is_ok()
    };
    let error = std::io::Error::last_os_error().raw_os_error();
    made || matches!(error, Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Whether the engine maps them.
pub(super) fn are_mapped(engine: &Engine) -> bool {
    engine.wasmtime().get_memory_init_cow()
}

/// What Wasmtime wrote into an image about the engine that compiled it, behind a version of its own.
#[derive(Serialize, Deserialize)]
struct Metadata<'a> {
    target: &'a str,
    #[serde(borrow)]
    shared_flags: Vec<(&'a str, FlagValue<'a>)>,
    #[serde(borrow)]
    isa_flags: Vec<(&'a str, FlagValue<'a>)>,
    tunables: Tunables,
    features: u64,
}

/// Makes an image one of an engine that maps them or does not; of another Wasmtime's it is left as it is,
/// and Wasmtime says what that is. Code of either runs on both: where nothing was mapped, it copies.
pub(super) fn set_mapped(image: &mut [u8], mapped: bool) {
    let _ = try_set_mapped(image, mapped);
}

fn try_set_mapped(image: &mut [u8], mapped: bool) -> Option<()> {
    let section = {
        let file = ElfFile64::<Endianness>::parse(&*image).ok()?;
        let (at, len) = file.section_by_name(obj::ELF_WASM_ENGINE)?.file_range()?;
        usize::try_from(at).ok()?..usize::try_from(at.checked_add(len)?).ok()?
    };
    let section = image.get_mut(section)?;
    let version = usize::from(*section.get(1)?);
    let data = section.get_mut(2 + version..)?;
    let mut metadata = postcard::from_bytes::<Metadata<'_>>(data).ok()?;
    metadata.tunables.memory_init_cow = mapped;
    let changed = postcard::to_stdvec(&metadata).ok()?;
    // A flag has one size.
    (changed.len() == data.len()).then(|| data.copy_from_slice(&changed))
}

#[cfg(all(test, feature = "compiler"))]
mod tests {
    use super::*;
    use wasmtime::{Config, Instance, Module, Store};

    #[test]
    fn an_image_is_for_engines_that_map_and_for_those_that_do_not() {
        assert!(can_be_mapped());
        let engine = |mapped| wasmtime::Engine::new(Config::new().memory_init_cow(mapped)).unwrap();
        let text = r#"(module (memory (export "m") 1) (data (i32.const 5) "seen"))"#;
        for compiled in [true, false] {
            let mut image = Module::new(&engine(compiled), wat::parse_str(text).unwrap()).unwrap().serialize().unwrap();
            let engine = engine(!compiled);
            // SAFETY: Wasmtime made the image.
            assert!(unsafe { Module::deserialize(&engine, &image) }.is_err(), "nothing has to be changed any more");
            set_mapped(&mut image, !compiled);
            // SAFETY: the same, but for that flag.
            let module = unsafe { Module::deserialize(&engine, &image) }.unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            assert_eq!(&instance.get_memory(&mut store, "m").unwrap().data(&store)[5..9], b"seen");
        }
        let mut other = b"not an image".to_vec();
        set_mapped(&mut other, true);
        assert_eq!(other, b"not an image");
    }
}
