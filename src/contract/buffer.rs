//! Host buffers: four size classes, pooled per instance, reused without the allocator.
//!
//! A buffer leaves its pool when a guest allocates it and comes back when the guest drops it or
//! the caller releases the output that carries it, from whatever thread. Both ways are lock-free:
//! one atomic exchange in the steady state.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::atomic::AtomicCell;

use super::MAX_BUFFER;

/// Capacity of each size class in bytes, and how many idle buffers of it a pool keeps.
const CLASSES: [(usize, usize); 4] = [(4 << 10, 32), (64 << 10, 8), (1 << 20, 2), (MAX_BUFFER, 1)];

/// A byte string in host memory, with the capacity of its size class.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    class: usize,
    /// What `buffer.content-type` reports.
    pub content_type: String,
    /// The content type of the `element-meta` that the buffer came out with.
    pub meta_type: String,
    /// The pool to go back to; none while idle.
    home: Option<Arc<Pool>>,
}

impl Buffer {
    #[cold]
    fn new(class: usize) -> Box<Self> {
        let (content_type, meta_type) = (String::new(), String::new());
        Box::new(Self { bytes: Vec::with_capacity(CLASSES[class].0), class, content_type, meta_type, home: None })
    }

    /// The content.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Upper bound of the content's length, in bytes: that of the size class.
    #[inline]
    pub fn capacity(&self) -> usize {
        CLASSES[self.class].0
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

/// Idle buffers of one size class: one at hand, the rest behind it.
struct Idle {
    first: AtomicCell<Option<Box<Buffer>>>,
    rest: ArrayQueue<Box<Buffer>>,
}

/// The idle buffers of one instance. Lives as long as the instance or a buffer that came from it.
pub struct Pool {
    classes: [Idle; 4],
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            classes: CLASSES.map(|(_, keep)| Idle { first: AtomicCell::new(None), rest: ArrayQueue::new(keep) }),
        })
    }

    /// An empty buffer that can hold `hint` bytes; none above [`MAX_BUFFER`].
    #[inline]
    pub fn take(self: &Arc<Self>, hint: u64) -> Option<Box<Buffer>> {
        let class = CLASSES.iter().position(|(capacity, _)| hint <= *capacity as u64)?;
        let idle = &self.classes[class];
        let mut buffer = idle.first.take().or_else(|| idle.rest.pop()).unwrap_or_else(|| Buffer::new(class));
        buffer.home = Some(self.clone());
        Some(buffer)
    }

    /// The capacity in bytes of a buffer that [`Pool::take`] gives for `hint`.
    #[inline]
    pub fn capacity_for(hint: u64) -> Option<usize> {
        CLASSES.iter().map(|(capacity, _)| *capacity).find(|capacity| hint <= *capacity as u64)
    }

    /// Bytes that idle buffers hold.
    pub fn idle_bytes(&self) -> u64 {
        let held = |idle: &Idle, capacity: usize| {
            // The buffer at hand cannot be looked at without taking it.
            let first = idle.first.take();
            let n = usize::from(first.is_some()) + idle.rest.len();
            if let Some(first) = first {
                drop(idle.first.swap(Some(first)));
            }
            (n * capacity) as u64
        };
        self.classes.iter().zip(CLASSES).map(|(idle, (capacity, _))| held(idle, capacity)).sum()
    }
}

/// Gives a buffer back to the pool that it came from, or to the allocator where that is full.
///
/// Any thread.
#[inline]
pub fn release(mut buffer: Box<Buffer>) {
    let Some(home) = buffer.home.take() else { return };
    buffer.bytes.clear();
    buffer.content_type.clear();
    buffer.meta_type.clear();
    let idle = &home.classes[buffer.class];
    if let Some(other) = idle.first.swap(Some(buffer)) {
        // Full: the allocator takes it.
        let _ = idle.rest.push(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_reuse() {
        let pool = Pool::new();
        for (hint, capacity) in [(0, 4096), (4096, 4096), (4097, 65536), (65537, 1 << 20), (1 << 24, 1 << 24)] {
            let buffer = pool.take(hint).unwrap();
            assert_eq!(buffer.capacity(), capacity);
            assert_eq!(Pool::capacity_for(hint), Some(capacity));
            let at = buffer.bytes.as_ptr();
            release(buffer);
            let again = pool.take(hint).unwrap();
            assert_eq!(again.bytes.as_ptr(), at, "reused");
            assert!(again.bytes().is_empty());
        }
        assert!(pool.take((1 << 24) + 1).is_none());
    }

    #[test]
    fn write_and_append_keep_to_the_capacity() {
        let pool = Pool::new();
        let mut buffer = pool.take(1).unwrap();
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
    fn outlives_its_instance_and_is_bounded() {
        let pool = Pool::new();
        let many: Vec<_> = (0..100).map(|_| pool.take(1).unwrap()).collect();
        many.into_iter().for_each(release);
        assert_eq!(pool.idle_bytes(), 33 * 4096);
        let last = pool.take(1).unwrap();
        let weak = Arc::downgrade(&pool);
        drop(pool);
        release(last);
        assert!(weak.upgrade().is_none());
    }
}
