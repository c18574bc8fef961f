//! Memory mappings of the process: the system allows a process so many (`vm.max_map_count`, 65,530 by
//! default), and one that has them all can start no thread any more, nor allocate much. What takes many
//! asks here first, and leaves an eighth of them to the program.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::Read as _;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use super::system;

/// Of one linear memory: what lies before what it starts with, that, what lies behind, and what it may grow
/// into.
pub const MEMORY: u32 = 4;
/// Of a stack of its own, for an instance that may wait in WASI, and what it allocates to wait.
pub const STACK: u32 = 3;
/// Of one piece of machine code: headers, code, data.
pub const CODE: u32 = 3;

/// What the library takes, as it was estimated.
static TAKEN: AtomicI64 = AtomicI64::new(0);
/// Past so many the process's own are counted again, which takes some 25 ms where there are very many.
static NEXT_LOOK: AtomicI64 = AtomicI64::new(-1);
/// Not for each of the last ones; and the program may have taken as many meanwhile.
const STEPS: (i64, i64) = (64, 4096);

/// The default of the system, where it does not say.
const DEFAULT_LIMIT: i64 = 65_530;

/// Some mappings, until this is dropped.
#[derive(Debug)]
pub struct Mappings(i64);

/// There are too few left.
#[derive(Clone, Copy, Debug)]
pub struct TooFew {
    have: i64,
    limit: i64,
    wanted: i64,
}

impl TooFew {
    /// How many are left, but for the program's part.
    pub fn left(self) -> u32 {
        u32::try_from(usable(self.limit) - self.have).unwrap_or(0)
    }
}

impl Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { have, limit, wanted } = self;
        write!(
            f,
            "up to {wanted} memory mappings are needed, the process has {have}, and the system allows it {limit} \
             (`vm.max_map_count`), an eighth of which is left to the program"
        )
    }
}

fn usable(limit: i64) -> i64 {
    limit - limit / 8
}

/// How many the system allows a process, where it says it.
pub(super) fn limit() -> Option<i64> {
    system::number("/proc/sys/vm/max_map_count")
}

/// How many the process has, where the system says it.
pub(super) fn count() -> Option<i64> {
    let mut maps = File::open("/proc/self/maps").ok()?;
    let (mut piece, mut lines) = ([0; 16 << 10], 0);
    loop {
        match maps.read(&mut piece).ok()? {
            0 => return Some(lines),
            n => lines += piece[..n].iter().filter(|byte| **byte == b'\n').count() as i64,
        }
    }
}

impl Mappings {
    /// None.
    pub const NONE: Self = Self(0);

    /// Takes so many.
    pub fn take(n: u32) -> Result<Self, TooFew> {
        let this = Self(i64::from(n));
        let taken = TAKEN.fetch_add(this.0, Relaxed) + this.0;
        if n > 0 && taken > NEXT_LOOK.load(Relaxed) {
            let have = count().unwrap_or(taken - this.0);
            let limit = limit().unwrap_or(DEFAULT_LIMIT);
            let left = usable(limit) - have - this.0;
            if left < 0 {
                return Err(TooFew { have, limit, wanted: this.0 });
            }
            NEXT_LOOK.store(taken + (left / 2).clamp(STEPS.0, STEPS.1), Relaxed);
        }
        Ok(this)
    }
}

impl Drop for Mappings {
    fn drop(&mut self) {
        let taken = TAKEN.fetch_sub(self.0, Relaxed) - self.0;
        // The program may take what is given back.
        NEXT_LOOK.fetch_min(taken + STEPS.1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_the_system_says() {
        let most = usable(limit().unwrap());
        assert!(count().is_some_and(|have| have > 10 && have < most));
        let refused = Mappings::take(u32::try_from(most).unwrap()).unwrap_err();
        assert!(refused.left() > 0 && i64::from(refused.left()) < most, "{refused}");
        assert!(refused.to_string().contains("vm.max_map_count"), "{refused}");
        drop(Mappings::take(refused.left() / 2).unwrap());
    }
}
