//! The program's resources that one instance holds: how many there may be, and that each is ended
//! once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::grants::Grants;
use crate::contract::host::Breach;

/// A resource of the program's: the number of its type in the definitions, and the program's own.
pub type Key = (u32, u32);

/// What the program gave to an instance as its own, and has not got back.
#[derive(Debug)]
pub struct Given {
    /// How often each was given: the program may use a number more than once.
    held: BTreeMap<Key, u32>,
    count: u32,
    max: u32,
    grants: Arc<Grants>,
}

impl Given {
    /// Nothing yet, and never more than `max`. `grants` have the destructors.
    pub fn new(max: u32, grants: Arc<Grants>) -> Self {
        Self { held: BTreeMap::new(), count: 0, max, grants }
    }

    /// The component gets all of `keys`, or none where there is no room.
    pub fn take(&mut self, keys: impl ExactSizeIterator<Item = Key>) -> Result<(), Breach> {
        if keys.len() > (self.max - self.count) as usize {
            return Err(Breach::TooManyHandles(self.max));
        }
        self.count += keys.len() as u32;
        keys.for_each(|key| *self.held.entry(key).or_default() += 1);
        Ok(())
    }

    /// The component let go of one, or handed it back.
    pub fn back(&mut self, key: Key) {
        let Some(times) = self.held.get_mut(&key) else { return };
        *times -= 1;
        if *times == 0 {
            self.held.remove(&key);
        }
        self.count -= 1;
    }

    /// Ends a resource that nobody holds.
    pub fn end(&self, key: Key) {
        self.grants.defined.end(key);
    }
}

/// The instance ends, and nobody else would end these.
impl Drop for Given {
    fn drop(&mut self) {
        for (key, times) in std::mem::take(&mut self.held) {
            (0..times).for_each(|_| self.end(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn each_is_ended_once_and_there_is_a_limit() {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let (mut grants, sink) = (Grants::default(), ended.clone());
        grants.defined.resource("a:b/c", "r", Some(Arc::new(move |rep| sink.lock().unwrap().push(rep)))).unwrap();
        let mut given = Given::new(3, Arc::new(grants));
        given.take([(0, 5), (0, 5)].into_iter()).unwrap();
        assert_eq!(given.take([(0, 6), (0, 7)].into_iter()), Err(Breach::TooManyHandles(3)));
        given.take([(0, 6)].into_iter()).unwrap();
        given.back((0, 6));
        given.back((0, 9));
        given.back((0, 5));
        given.take([(0, 8), (0, 1)].into_iter()).unwrap();
        assert!(ended.lock().unwrap().is_empty());
        drop(given);
        assert_eq!(*ended.lock().unwrap(), [1, 5, 8]);
    }
}
