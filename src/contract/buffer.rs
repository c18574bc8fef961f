//! Host buffers: four size classes, pooled, reused without the allocator.
//!
//! Idle buffers lie in a cache of the thread that released them, where the next call on that thread
//! finds them: no atomic operation, no lock. A cache that runs full or empty trades half of its
//! content with a reserve that all threads share, so that one thread may allocate what another
//! releases without either turning to the allocator. Large ones lie in the reserve alone, and the
//! reserve is bounded ([`keep_idle`]): what a burst of calls took goes back to the system.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

use super::held::{self, TYPE_ROOM};
use super::host::Breach;
use super::{MAX_BUFFER, MAX_CONTENT_TYPE};

/// A size class: the capacity of its buffers in bytes, how many idle ones a thread keeps, and how
/// many lie in the reserve at most, which has places for them from the start: in less than 8 KiB, since
/// that cannot be refused.
struct Class {
    capacity: usize,
    cached: usize,
    reserve: usize,
}

const CLASSES: [Class; 4] = [
    Class { capacity: 4 << 10, cached: 32, reserve: 500 },
    Class { capacity: 64 << 10, cached: 8, reserve: 500 },
    Class { capacity: 1 << 20, cached: 0, reserve: 256 },
    Class { capacity: MAX_BUFFER, cached: 0, reserve: 32 },
];

/// Bytes of buffers that may lie in the reserves.
static MOST_IDLE: AtomicU64 = AtomicU64::new(64 << 20);

/// A byte string in host memory, with the capacity of its size class.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    class: usize,
    /// What `buffer.content-type` reports.
    pub content_type: String,
    /// The content type of the `element-meta` that the buffer came out with.
    pub meta_type: String,
}

impl Buffer {
    #[cold]
    fn new(class: usize) -> Result<Box<Self>, Breach> {
        let capacity = CLASSES[class].capacity;
        let (mut bytes, mut content_type, mut meta_type) = (Vec::new(), String::new(), String::new());
        bytes
            .try_reserve_exact(capacity)
            .and_then(|()| content_type.try_reserve_exact(TYPE_ROOM))
            .and_then(|()| meta_type.try_reserve_exact(TYPE_ROOM))
            .map_err(|_| Breach::NoMemory(capacity))?;
        Ok(Box::new(Self { bytes, class, content_type, meta_type }))
    }

    /// Sets [`Buffer::content_type`].
    #[inline]
    pub fn set_content_type(&mut self, text: &str) -> Result<(), Breach> {
        // A shorter one keeps nothing of the room that a longer one had.
        if text.len() < self.content_type.len() && self.content_type.capacity() > TYPE_ROOM {
            self.content_type = String::new();
        }
        held::set(&mut self.content_type, text)
    }

    /// Sets [`Buffer::meta_type`].
    #[inline]
    pub fn set_meta_type(&mut self, text: &str) -> Result<(), Breach> {
        held::set(&mut self.meta_type, text)
    }

    /// The content.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Upper bound of the content's length, in bytes: that of the size class.
    #[inline]
    pub fn capacity(&self) -> usize {
        CLASSES[self.class].capacity
    }

    /// What it counts for while a guest has it: its capacity, and what its content type takes.
    #[inline]
    pub fn held(&self) -> u64 {
        self.capacity() as u64 + held::content_type(self.content_type.len())
    }

    /// Adds to the end; false where the content would pass [`Buffer::capacity`].
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.capacity() - self.bytes.len() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Makes the content `by` bytes longer, which [`Buffer::capacity`] must allow: the new bytes,
    /// zero.
    #[inline]
    pub fn lengthen(&mut self, by: usize) -> &mut [u8] {
        let size = self.bytes.len();
        debug_assert!(by <= self.capacity() - size);
        self.bytes.resize(size + by, 0);
        &mut self.bytes[size..]
    }

    /// Cuts the content off after `size` bytes.
    #[inline]
    pub fn truncate(&mut self, size: usize) {
        self.bytes.truncate(size);
    }

    /// Overwrites from `offset`, which must not pass the content's end; false as for `append`.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        if bytes.len() > self.capacity() - offset {
            return false;
        }
        let over = bytes.len().min(self.bytes.len() - offset);
        self.bytes[offset..offset + over].copy_from_slice(&bytes[..over]);
        self.bytes.extend_from_slice(&bytes[over..]);
        true
    }
}

/// An allocator keeps what is freed for the next one, however large it is, if only something small was
/// allocated behind it since.
impl Drop for Buffer {
    fn drop(&mut self) {
        if self.class > 0 {
            self.bytes.clear();
            give_back(&mut self.bytes);
        }
    }
}

/// Gives the pages back to the system that lie wholly within the room of an empty list.
#[allow(unsafe_code)] // a system call
fn give_back(bytes: &mut Vec<u8>) {
    // SAFETY: a number is asked for.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16);
    let at = bytes.as_mut_ptr();
    let before = at.align_offset(page);
    let len = bytes.capacity().saturating_sub(before) / page * page;
    if bytes.is_empty() && len > 0 {
        // SAFETY: the pages are the list's own, and hold nothing. Where the system refuses, they stay.
        unsafe { libc::madvise(at.add(before).cast(), len, libc::MADV_DONTNEED) };
    }
}

// The box is what goes in and out of a cache, so that neither moves the buffer nor allocates.
#[allow(clippy::vec_box)]
type Idle = Vec<Box<Buffer>>;

thread_local! {
    static CACHE: RefCell<[Idle; 4]> = const { RefCell::new([const { Vec::new() }; 4]) };
}

type Reserves = [OnceLock<ArrayQueue<Box<Buffer>>>; 4];

/// What all threads share of one size class; made when the first cache overflows.
///
/// A fork may find another thread between two steps of it, for which a child would wait for ever: so a
/// child has another ([`leave_reserves`]). Where as many were left as there are, there is none.
fn reserves() -> Option<&'static Reserves> {
    static RESERVES: [Reserves; 32] = [const { [const { OnceLock::new() }; 4] }; 32];
    RESERVES.get(LEFT.load(Relaxed))
}

/// One of them.
fn reserve(class: usize) -> Option<&'static ArrayQueue<Box<Buffer>>> {
    Some(reserves()?[class].get_or_init(|| ArrayQueue::new(CLASSES[class].reserve)))
}

/// How often [`leave_reserves`] was called.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Leaves what threads that are not there any more shared, as they left it.
pub fn leave_reserves() {
    LEFT.fetch_add(1, Relaxed);
}

/// Bytes of buffers that lie in the reserves.
fn idle() -> u64 {
    let all = reserves().into_iter().flatten().zip(&CLASSES);
    all.map(|(reserve, class)| reserve.get().map_or(0, |reserve| reserve.len() * class.capacity) as u64).sum()
}

/// How much of what is released is kept for all threads, in bytes: from now on, and for the process.
pub fn keep_idle(bytes: u64) {
    MOST_IDLE.store(bytes, Relaxed);
    shrink();
}

/// Gives back what is too much in the reserves.
#[cold]
fn shrink() {
    while idle() > MOST_IDLE.load(Relaxed) {
        let mut all = reserves().into_iter().flatten().rev().filter_map(OnceLock::get);
        let Some(buffer) = all.find_map(ArrayQueue::pop) else { return };
        drop(buffer);
    }
}

/// Puts a buffer into the reserve, or gives it to the allocator where that is full: then false.
#[inline(never)]
fn share(buffer: Box<Buffer>) -> bool {
    let class = buffer.class;
    let shared = idle() + CLASSES[class].capacity as u64 <= MOST_IDLE.load(Relaxed)
        && reserve(class).is_some_and(|reserve| reserve.push(buffer).is_ok());
    if shared && idle() > MOST_IDLE.load(Relaxed) {
        shrink(); // another thread came between
    }
    shared
}

/// One of the size classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(usize);

impl Size {
    /// The smallest whose buffers can hold `bytes` bytes; none above [`MAX_BUFFER`].
    #[inline]
    pub fn of(bytes: u64) -> Option<Self> {
        CLASSES.iter().position(|class| bytes <= class.capacity as u64).map(Self)
    }

    /// The capacity of its buffers, in bytes.
    #[inline]
    pub fn capacity(self) -> u64 {
        CLASSES[self.0].capacity as u64
    }
}

/// An empty buffer of that size. (Not inlined, nor is [`release`]: between the two a coroutine may go to another
/// thread, and within one function a compiler takes a thread's own variables to stay where they are.)
#[inline(never)]
pub fn take(Size(class): Size) -> Result<Box<Buffer>, Breach> {
    let idle = CACHE.try_with(|cache| cache.borrow_mut()[class].pop());
    idle.ok().flatten().map_or_else(|| refill(class), Ok)
}

/// One buffer to use, and half a cache full where the reserve has that many.
#[cold]
fn refill(class: usize) -> Result<Box<Buffer>, Breach> {
    let reserve = reserves().and_then(|all| all[class].get());
    let Some((reserve, first)) = reserve.and_then(|reserve| Some((reserve, reserve.pop()?))) else {
        return Buffer::new(class);
    };
    // The thread may be at its end and its cache gone.
    let _ = CACHE.try_with(|cache| {
        let idle = &mut cache.borrow_mut()[class];
        idle.extend(std::iter::from_fn(|| reserve.pop()).take(CLASSES[class].cached / 2));
    });
    Ok(first)
}

/// Gives a buffer back to be used again. Any thread.
#[inline(never)]
pub fn release(mut buffer: Box<Buffer>) {
    buffer.bytes.clear();
    for text in [&mut buffer.content_type, &mut buffer.meta_type] {
        text.clear();
        // Idle buffers keep no more than a content type needs.
        if text.capacity() > MAX_CONTENT_TYPE {
            *text = String::new();
        }
    }
    let class = buffer.class;
    if CLASSES[class].cached == 0 {
        share(buffer);
        return;
    }
    // The thread may be at its end and its cache gone: then the allocator takes the buffer.
    let _ = CACHE.try_with(|cache| {
        let idle = &mut cache.borrow_mut()[class];
        if idle.len() == CLASSES[class].cached {
            overflow(idle, class);
        }
        idle.push(buffer);
    });
}

/// Moves half of a full cache to the reserve, or to the allocator where that is full too.
#[cold]
fn overflow(idle: &mut Idle, class: usize) {
    for buffer in idle.drain(CLASSES[class].cached / 2..) {
        if !share(buffer) {
            break; // the drain drops the rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(hint: u64) -> Result<Box<Buffer>, Breach> {
        super::take(Size::of(hint).unwrap())
    }

    #[test]
    fn classes_and_reuse() {
        for (hint, capacity) in [(0, 4096), (4096, 4096), (4097, 65536), (65537, 1 << 20), (1 << 24, 1 << 24)] {
            let buffer = take(hint).unwrap();
            assert_eq!(buffer.capacity(), capacity);
            assert_eq!(Size::of(hint).unwrap().capacity(), capacity as u64);
            let (at, class) = (buffer.bytes.as_ptr(), buffer.class);
            release(buffer);
            let again = take(hint).unwrap();
            // Of those that threads share another test may have it by now.
            assert!(again.bytes.as_ptr() == at || CLASSES[class].cached == 0, "reused");
            assert!(again.bytes().is_empty());
        }
        assert_eq!(Size::of((1 << 24) + 1), None);
    }

    #[test]
    fn idle_buffers_keep_no_long_text() {
        let mut buffer = take(1).unwrap();
        buffer.set_content_type(&"x".repeat(MAX_CONTENT_TYPE + 1)).unwrap();
        buffer.set_meta_type(&"x".repeat(MAX_CONTENT_TYPE - 1)).unwrap();
        buffer.set_meta_type("text/plain").unwrap();
        assert_eq!(buffer.meta_type, "text/plain");
        buffer.set_content_type(&"x".repeat(MAX_CONTENT_TYPE + 2)).unwrap();
        assert!(buffer.content_type.capacity() < 2 * MAX_CONTENT_TYPE, "what it counts for is what it takes");
        release(buffer);
        let again = take(1).unwrap();
        assert_eq!((again.content_type.capacity(), again.meta_type.as_str()), (0, ""));
        assert!(again.meta_type.capacity() >= MAX_CONTENT_TYPE - 1, "reused");
    }

    #[test]
    fn write_and_append_keep_to_the_capacity() {
        let mut buffer = take(1).unwrap();
        assert!(buffer.append(b"hello"));
        assert!(buffer.write(3, b"LOWER"));
        assert_eq!(buffer.bytes(), b"helLOWER");
        assert!(buffer.write(0, b"H"));
        assert_eq!(buffer.bytes(), b"HelLOWER");
        assert!(buffer.append(&[0; 4088]));
        assert!(!buffer.append(&[0]));
        assert!(!buffer.write(4096, &[0]));
        assert!(buffer.write(4096, &[]));
        assert!(!buffer.write(1, &[0; 4096]));
        assert_eq!(buffer.bytes().len(), 4096);
    }

    #[test]
    fn what_one_thread_releases_another_takes() {
        let many: Vec<_> = (0..200).map(|_| take(60_000).unwrap()).collect();
        let mut seen: Vec<_> = many.iter().map(|buffer| buffer.bytes.as_ptr() as usize).collect();
        seen.sort_unstable();
        std::thread::spawn(move || many.into_iter().for_each(release)).join().unwrap();
        let taken = std::thread::spawn(move || {
            let again: Vec<_> = (0..40).map(|_| take(60_000).unwrap()).collect();
            again.iter().filter(|b| seen.binary_search(&(b.bytes.as_ptr() as usize)).is_ok()).count()
        });
        assert_eq!(taken.join().unwrap(), 40);
    }
}
