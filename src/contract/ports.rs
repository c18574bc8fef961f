//! Names of the ports that a router chose.

use super::MAX_PORT_NAMES as MAX;
use super::held::{self, Held};
use super::host::Breach;

/// Storage that is larger is not kept for the next answer, in bytes of names; and in names.
pub const KEPT: (usize, usize) = (64 << 10, 8 << 10);

/// What so many names take up that together have so many bytes.
#[inline]
pub fn takes(names: usize, bytes: usize) -> usize {
    names.saturating_mul(size_of::<usize>()).saturating_add(bytes)
}

/// Names, one behind the other in storage that is reused: it grows to the longest answer that is not
/// a huge one, whichever names were long in which.
#[derive(Debug, Default)]
pub struct Ports {
    text: String,
    /// Where each name ends in `text`.
    ends: Vec<usize>,
}

impl Ports {
    /// No name.
    #[inline]
    pub fn clear(&mut self) {
        if self.text.capacity() > KEPT.0 || self.ends.capacity() > KEPT.1 {
            *self = Self::default();
        }
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a name, as long as the system has memory.
    #[inline]
    pub fn push(&mut self, name: &str) -> Result<(), Breach> {
        self.push_with(|text| held::append(text, name))
    }

    /// Adds the name that `append` adds to the others' text.
    #[inline]
    pub fn push_with(&mut self, append: impl FnOnce(&mut String) -> Result<(), Breach>) -> Result<(), Breach> {
        append(&mut self.text)?;
        held::push(&mut self.ends, self.text.len())
    }

    /// How many names there are, and how many bytes they have together.
    #[inline]
    pub fn size(&self) -> (usize, usize) {
        (self.ends.len(), self.text.len())
    }

    /// Checks that there is room for `names` names, or for one of `len` bytes, also in `held`: a guest's list may
    /// name the same bytes over and over, and so be larger than the guest.
    #[inline]
    pub fn check(&self, held: &Held, names: usize, len: usize) -> Result<(), Breach> {
        let (names, bytes) = (self.ends.len() + names, self.text.len().saturating_add(len));
        if takes(names, bytes) > MAX {
            return Err(Breach::PortNames(MAX));
        }
        held.check_ports(names, bytes)
    }

    /// The names, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order() {
        let mut ports = Ports::default();
        for names in [&["a", "", "bc"][..], &[], &["lang-für-alles"]] {
            ports.clear();
            names.iter().for_each(|name| ports.push(name).unwrap());
            assert_eq!(ports.iter().collect::<Vec<_>>(), names);
        }
    }

    #[test]
    fn what_a_guest_names_is_limited() {
        let (mut ports, held) = (Ports::default(), Held::new(u64::MAX));
        ports.check(&held, 1, MAX - 8).unwrap();
        assert_eq!(ports.check(&held, 1, MAX - 7), Err(Breach::PortNames(MAX)));
        assert_eq!(ports.check(&held, MAX / 8 + 1, 0), Err(Breach::PortNames(MAX)));
        ports.push("12345678").unwrap();
        ports.check(&held, 1, MAX - 24).unwrap();
        assert_eq!(ports.check(&held, 1, MAX - 23), Err(Breach::PortNames(MAX)));
        assert_eq!(ports.check(&held, 1, usize::MAX), Err(Breach::PortNames(MAX)));
        assert_eq!(ports.size(), (1, 8));
        ports.push(&"x".repeat(KEPT.0)).unwrap();
        ports.clear();
        assert_eq!(ports.text.capacity(), 0, "not kept");
    }
}
