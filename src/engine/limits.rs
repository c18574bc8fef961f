//! Limits of one instance's linear memory, tables and core instances, and what it uses of them.

use crate::contract::host::Host;

/// A limit was reached where the guest cannot be told: its call ends.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LimitReached {
    /// Linear memory.
    #[error("linear memory would grow to {wanted} bytes, the instance's limit is {limit} (raise `memory_limit`)")]
    Memory {
        /// Bytes, over all memories of the instance.
        wanted: u64,
        /// Bytes.
        limit: u64,
    },
    /// Table elements.
    #[error("tables would grow to {wanted} elements, the instance's limit is {limit} (raise `table_limit`)")]
    Table {
        /// Elements, over all tables of the instance.
        wanted: u64,
        /// Elements.
        limit: u64,
    },
}

/// Counts growth and refuses it past the limits.
#[derive(Debug)]
pub struct Limits {
    /// Bytes of linear memory in use, over all memories.
    pub linear: u64,
    /// Table elements in use, over all tables.
    pub elements: u64,
    /// The most bytes of linear memory.
    pub max_linear: u64,
    /// The most table elements.
    pub max_elements: u64,
    /// The most core instances, and the most memories and tables.
    pub max_instances: usize,
    /// Core instances of the library's own, which have no memories nor tables and do not count.
    pub glue: usize,
    /// `memory.grow` and `table.grow` answer -1 at the limit; otherwise the call ends.
    pub refuse: bool,
    /// The growth under way, to be taken back where it fails.
    pending: (u64, u64),
}

impl Limits {
    /// Nothing in use yet.
    pub fn new(max_linear: u64, max_elements: u64, max_instances: usize, refuse: bool) -> Self {
        Self { linear: 0, elements: 0, max_linear, max_elements, max_instances, glue: 0, refuse, pending: (0, 0) }
    }

    /// Whether an instance may start with so much, whether or not growth is refused to the component:
    /// where it has nothing yet, there is nobody to be told.
    pub fn check(&self, linear: u64, elements: u64) -> Result<(), LimitReached> {
        if linear > self.max_linear {
            return Err(LimitReached::Memory { wanted: linear, limit: self.max_linear });
        }
        if elements > self.max_elements {
            return Err(LimitReached::Table { wanted: elements, limit: self.max_elements });
        }
        Ok(())
    }

    fn past(&self, limit: LimitReached) -> wasmtime::Result<bool> {
        if self.refuse { Ok(false) } else { Err(limit.into()) }
    }
}

impl wasmtime::ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.pending = (0, 0);
        let more = desired.saturating_sub(current) as u64;
        let wanted = self.linear.saturating_add(more);
        if maximum.is_some_and(|max| desired > max) {
            return Ok(false); // the module's own bound, not ours
        }
        if wanted > self.max_linear {
            return self.past(LimitReached::Memory { wanted, limit: self.max_linear });
        }
        self.linear = wanted;
        self.pending = (more, 0);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.linear -= std::mem::take(&mut self.pending).0;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.pending = (0, 0);
        let more = desired.saturating_sub(current) as u64;
        let wanted = self.elements.saturating_add(more);
        if maximum.is_some_and(|max| desired > max) {
            return Ok(false);
        }
        if wanted > self.max_elements {
            return self.past(LimitReached::Table { wanted, limit: self.max_elements });
        }
        self.elements = wanted;
        self.pending = (0, more);
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements -= std::mem::take(&mut self.pending).1;
        Ok(())
    }

    fn instances(&self) -> usize {
        self.max_instances.saturating_add(self.glue)
    }

    fn tables(&self) -> usize {
        self.max_instances
    }

    fn memories(&self) -> usize {
        self.max_instances
    }
}

/// What the component may grow by, and when: growing takes time, and code that grows need neither loop
/// nor call.
impl wasmtime::ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.check_time()?;
        self.limits.memory_growing(current, desired, maximum)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.check_time()?;
        self.limits.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::ResourceLimiter as _;

    #[test]
    fn memory_is_counted_over_all_memories_and_taken_back() {
        let mut l = Limits::new(10, 10, 9, true);
        assert!(l.memory_growing(0, 6, None).unwrap());
        assert!(!l.memory_growing(0, 5, None).unwrap());
        assert!(l.memory_growing(0, 4, None).unwrap());
        l.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert_eq!(l.linear, 6);
        l.refuse = false;
        assert!(l.memory_growing(6, 11, None).unwrap_err().is::<LimitReached>());
        assert!(!l.memory_growing(6, 11, Some(7)).unwrap());
    }
}
