//! Machine code in memory: a file's, mapped and run in place, and Wasmtime's own, which is made
//! executable here. This file maps memory and changes what may be done with it, so it may use `unsafe`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::ptr::{self, NonNull};

use wasmtime_internal_jit_icache_coherence as icache;

use super::system::{PUBLISH, Refusal};

/// A file mapped to be read and run. It was never writable: so it may be run where memory that was
/// may not, and what the caches of a processor hold of it is the kernel's affair.
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
    /// Maps `len` bytes of `file`, which are more than none.
    pub fn new(file: &File, len: usize) -> Result<Self, Refusal> {
        let (read_and_run, private) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice; the result is checked.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, read_and_run, private, file.as_raw_fd(), 0) };
        match NonNull::new(at.cast::<u8>()) {
            Some(at) if at.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { at, len }),
            _ => Err(Refusal::last("mmap")),
        }
    }

    /// Leaves nothing executable but `code`: among the rest are bytes of the component's choice. Where the
    /// system has no mapping for that, it stays; the code runs as well.
    pub fn only(&self, mut code: Vec<Range<usize>>) {
        let mut from = self.at.as_ptr();
        let end = from.wrapping_add(self.len.next_multiple_of(page_size()));
        code.push(end.addr()..end.addr());
        code.sort_unstable_by_key(|range| range.start);
        for range in code {
            // SAFETY: the range lies in the mapping, and no code in it.
            unsafe { libc::mprotect(from.cast(), range.start - from.addr(), libc::PROT_READ) };
            from = from.with_addr(range.end.next_multiple_of(page_size()));
        }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
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

thread_local! {
    /// Where this thread loads code that lies in a [`Mapping`]: which parts of it are code.
    static IN_PLACE: Cell<Option<Vec<Range<usize>>>> = const { Cell::new(None) };
}

/// Runs `load`, which gives Wasmtime code of a [`Mapping`]'s; which parts of it are that is added to `code`.
pub(super) fn in_place<T>(code: &mut Vec<Range<usize>>, load: impl FnOnce() -> T) -> T {
    struct Loading;
    impl Drop for Loading {
        fn drop(&mut self) {
            IN_PLACE.set(None);
        }
    }
    let _loading = Loading;
    IN_PLACE.set(Some(std::mem::take(code)));
    let loaded = load();
    *code = IN_PLACE.take().unwrap_or_default();
    loaded
}

/// Makes code executable. Wasmtime asks for it, since what lies in a [`Mapping`] is not its own.
#[derive(Debug)]
pub(super) struct Publisher;

impl wasmtime::CustomCodeMemory for Publisher {
    fn required_alignment(&self) -> usize {
        super::artifact::PAGE.min(page_size())
    }

    /// As Wasmtime does it where nobody is asked. It would add `PROT_BTI` for code that has landing pads:
    /// ours has none (the compiler's `use_bti` is off).
    fn publish_executable(&self, at: *const u8, len: usize) -> wasmtime::Result<()> {
        if let Some(mut code) = IN_PLACE.take() {
            code.push(at.addr()..at.addr() + len);
            IN_PLACE.set(Some(code));
        } else {
            let at = at.cast_mut().cast();
            // SAFETY: the range is Wasmtime's code memory, mapped and page-aligned; it is changed no more, and
            // no code in it runs before it is executable.
            let protected = unsafe {
                icache::clear_cache(at, len)?;
                libc::mprotect(at, len, libc::PROT_READ | libc::PROT_EXEC)
            };
            if protected != 0 {
                return Err(Refusal::last(PUBLISH).into());
            }
        }
        // A processor may have fetched ahead what lay here before, in either case.
        icache::pipeline_flush_mt().map_err(|error| Refusal::new("membarrier", error))?;
        Ok(())
    }

    /// Nothing: it is called before the memory is unmapped, by what cannot take a refusal.
    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Bytes of a page.
pub(super) fn page_size() -> usize {
    // SAFETY: no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
