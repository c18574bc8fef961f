//! The host memory that a guest makes the host hold, and how much of it there may be: buffers by
//! their capacity, and what their content types, the names of ports and the table of handles take
//! beyond the room that every instance and buffer has for them.
//!
//! Both paths count here alone, so that the same is refused at the same point on each.

use super::host::Breach;
use super::ports;
use crate::engine::control::Counter;

/// The room for either content type that a buffer is made with; what one takes beyond it counts.
pub const TYPE_ROOM: usize = 64;

/// What names of ports take up to here does not count.
const PORTS_ROOM: u64 = 4 << 10;

/// So many handles of the contract's are as good as none; beyond them they count by as many at once.
pub const FREE_HANDLES: u32 = 1024;

/// What so many handles count for: what they take in the tables, at least.
pub fn handles(count: u32) -> u64 {
    u64::from(count) * 64
}

/// What a content type counts for.
#[inline]
pub fn content_type(len: usize) -> u64 {
    len.saturating_sub(TYPE_ROOM) as u64
}

/// What so many names of ports count for that together have so many bytes: storage, and how C sees
/// them.
#[inline]
fn port_names(names: usize, bytes: usize) -> u64 {
    let seen = names.saturating_mul(size_of::<(*const u8, usize)>());
    (ports::takes(names, bytes).saturating_add(seen) as u64).saturating_sub(PORTS_ROOM)
}

/// A list with room for `len` items, as long as the system has memory.
pub fn room<T>(len: usize) -> Result<Vec<T>, Breach> {
    let mut items = Vec::new();
    items.try_reserve_exact(len).map_err(|_| Breach::NoMemory(len.saturating_mul(size_of::<T>())))?;
    Ok(items)
}

/// The same for a text of `len` bytes.
pub fn text(len: usize) -> Result<String, Breach> {
    let mut text = String::new();
    text.try_reserve_exact(len).map_err(|_| Breach::NoMemory(len))?;
    Ok(text)
}

/// A copy of `from`, as long as the system has memory.
pub fn copy(from: &str) -> Result<String, Breach> {
    let mut copy = text(from.len())?;
    copy.push_str(from);
    Ok(copy)
}

/// Adds to a text of the host's, as long as the system has memory.
#[inline]
pub fn append(text: &mut String, more: &str) -> Result<(), Breach> {
    text.try_reserve(more.len()).map_err(|_| Breach::NoMemory(more.len()))?;
    text.push_str(more);
    Ok(())
}

/// Adds what of `bytes` is text, with the rest replaced; as much of it as the system has memory for.
pub fn append_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let replaced = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
        if append(text, chunk.valid()).and_then(|()| append(text, replaced)).is_err() {
            return;
        }
    }
}

/// The text that `bytes` begin with, of no more than `most` bytes: less where a character lies across
/// that end. No bytes are none.
pub fn leading_text(bytes: &[u8], most: usize) -> Result<&str, Breach> {
    let piece = &bytes[..bytes.len().min(most)];
    let good = match std::str::from_utf8(piece) {
        Ok(text) => return Ok(text),
        Err(cut) if piece.len() < bytes.len() && cut.error_len().is_none() => cut.valid_up_to(),
        Err(_) => 0,
    };
    match std::str::from_utf8(&piece[..good]) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(Breach::BadUtf8),
    }
}

/// Puts `to` in place of a text, in no more room than it needs where it has not enough.
#[inline]
pub fn set(text: &mut String, to: &str) -> Result<(), Breach> {
    text.clear();
    text.try_reserve_exact(to.len()).map_err(|_| Breach::NoMemory(to.len()))?;
    text.push_str(to);
    Ok(())
}

/// Adds an item to a list, as long as the system has memory.
#[inline]
pub fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Breach> {
    one_more(list)?;
    list.push(item);
    Ok(())
}

/// Makes room for one more item, as long as the system has memory.
#[inline]
pub fn one_more<T>(list: &mut Vec<T>) -> Result<(), Breach> {
    #[cold]
    fn grow<T>(list: &mut Vec<T>) -> Result<(), Breach> {
        let size = list.len().max(1).saturating_mul(2 * size_of::<T>());
        list.try_reserve(1).map_err(|_| Breach::NoMemory(size))
    }
    if list.len() == list.capacity() { grow(list) } else { Ok(()) }
}

/// What one instance holds. Its running call counts; a lift on the general path, which knows no
/// store, looks on.
#[derive(Debug)]
pub struct Held {
    now: Counter,
    peak: Counter,
    /// Of `now`: names of ports that the latest call gave.
    ports: Counter,
    most: u64,
}

impl Held {
    /// Nothing yet, and never more than `most` bytes.
    pub fn new(most: u64) -> Self {
        Self { now: Counter::default(), peak: Counter::default(), ports: Counter::default(), most }
    }

    /// Bytes.
    #[inline]
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// The most that it was.
    #[inline]
    pub fn peak(&self) -> u64 {
        self.peak.get()
    }

    /// Whether so much more may be.
    #[inline]
    pub fn has_room(&self, more: u64) -> bool {
        self.now.get().saturating_add(more) <= self.most
    }

    /// Checks the same, where the guest cannot be told.
    #[inline]
    pub fn check(&self, more: u64) -> Result<(), Breach> {
        if self.has_room(more) { Ok(()) } else { Err(self.too_much(more)) }
    }

    #[cold]
    fn too_much(&self, more: u64) -> Breach {
        Breach::HeldTooMuch(self.now.get().saturating_add(more), self.most)
    }

    /// So much more is held, for which there is room.
    #[inline]
    pub fn add(&self, more: u64) {
        let now = self.now.get() + more;
        self.now.set(now);
        self.reached(now);
    }

    /// So much was held for a moment.
    #[inline]
    pub fn reached(&self, bytes: u64) {
        self.peak.raise(bytes);
    }

    /// So much less is held.
    #[inline]
    pub fn sub(&self, less: u64) {
        debug_assert!(less <= self.now.get());
        self.now.set(self.now.get() - less);
    }

    /// Checks that there is room for so many names of ports with so many bytes, where there are none.
    #[inline]
    pub fn check_ports(&self, names: usize, bytes: usize) -> Result<(), Breach> {
        self.check(port_names(names, bytes))
    }

    /// So many names of ports are there now, for which there is room, in place of those before.
    #[inline]
    pub fn set_ports(&self, names: usize, bytes: usize) {
        let (before, now) = (self.ports.get(), port_names(names, bytes));
        if before != now {
            self.sub(before);
            self.add(now);
            self.ports.set(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_to_the_byte() {
        let held = Held::new(100);
        held.add(60);
        assert!(held.has_room(40) && !held.has_room(41) && !held.has_room(u64::MAX));
        assert_eq!(held.check(41), Err(Breach::HeldTooMuch(101, 100)));
        held.sub(20);
        assert_eq!((held.now(), held.peak()), (40, 60));
    }

    #[test]
    fn short_texts_are_the_buffers_own() {
        assert_eq!((content_type(0), content_type(TYPE_ROOM), content_type(TYPE_ROOM + 3)), (0, 0, 3));
    }

    #[test]
    fn names_of_ports_take_the_place_of_those_before() {
        let held = Held::new(10_000);
        held.check_ports(1, 4000).unwrap();
        held.set_ports(1, 4000);
        assert_eq!(held.now(), 0);
        held.set_ports(2, 6000);
        assert_eq!(held.now(), 2 * 24 + 6000 - PORTS_ROOM);
        held.set_ports(0, 0);
        held.check_ports(1, 14_000).unwrap();
        assert!(matches!(held.check_ports(1, 14_100), Err(Breach::HeldTooMuch(_, 10_000))));
        assert_eq!(held.now(), 0);
    }
}
