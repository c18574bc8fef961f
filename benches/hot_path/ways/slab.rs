//! The host side that the Wasmtime ways share: buffers behind numbers, reused. No checks beyond
//! Rust's own: an expert's quick work, not a product's.

use std::sync::Arc;

/// The number that stands for the element's payload.
pub const PAYLOAD: u32 = u32::MAX;
/// The number that stands for its flow context.
pub const CONTEXT: u32 = u32::MAX - 1;

#[derive(Default)]
struct Slot {
    bytes: Vec<u8>,
    frozen: bool,
}

pub struct Slab {
    /// The payload of the element that is under way.
    pub payload: Arc<[u8]>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Slab {
    pub fn new(payload: Arc<[u8]>) -> Self {
        Self { payload, slots: Vec::new(), free: Vec::new() }
    }

    /// An empty buffer.
    #[inline]
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        })
    }

    #[inline]
    pub fn bytes(&self, rep: u32) -> &[u8] {
        if rep == PAYLOAD { &self.payload } else { &self.slots[rep as usize].bytes }
    }

    /// The part of the content that `buffer.read` asks for.
    #[inline]
    pub fn range(&self, rep: u32, offset: u64, len: u64) -> &[u8] {
        let bytes = self.bytes(rep);
        let start = (offset as usize).min(bytes.len());
        let end = start + (len as usize).min(bytes.len() - start);
        &bytes[start..end]
    }

    /// The content of a buffer under construction.
    #[inline]
    pub fn bytes_mut(&mut self, rep: u32) -> &mut Vec<u8> {
        &mut self.slots[rep as usize].bytes
    }

    #[inline]
    pub fn freeze(&mut self, rep: u32) {
        self.slots[rep as usize].frozen = true;
    }

    /// The guest drops a mutable buffer; where it was frozen, that is somebody else's now.
    #[inline]
    pub fn drop_mutable(&mut self, rep: u32) {
        if !self.slots[rep as usize].frozen {
            self.give(rep);
        }
    }

    /// A buffer comes back.
    #[inline]
    pub fn give(&mut self, rep: u32) {
        let slot = &mut self.slots[rep as usize];
        slot.bytes.clear();
        slot.frozen = false;
        self.free.push(rep);
    }
}
