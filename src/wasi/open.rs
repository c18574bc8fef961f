//! The process's file descriptors that an instance holds: files, directories that it reads, sockets.
//! They are the whole process's, which has few of them (1,024 is a common limit).

use std::any::Any;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::{TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{WasiSocketsCtx, WasiSocketsCtxView};

use crate::engine::descriptors::{Known, Standard};

/// What one instance has open.
///
/// A file is there until its last stream and the last work in the background for it end, whatever
/// becomes of its handle; a socket cannot lose its handle before them.
pub struct Open {
    most: u32,
    /// What was looked at in this call, and whether all of it was there.
    looked: Option<(Of, bool)>,
    granted: Vec<Known>,
    files: Vec<(Weak<dyn Any + Send + Sync>, Option<Known>)>,
    tcp: Vec<u32>,
    udp: Vec<u32>,
}

/// Descriptors of an instance's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// What it opened.
    Files,
    /// That, and the granted directories.
    All,
}

/// There are as many open already as there may be.
#[derive(Clone, Copy, Debug)]
pub struct Full(pub u32);

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the instance has {} files and sockets open, its limit (raise `max_files`)", self.0)
    }
}

fn is_there<T: Any>(table: &ResourceTable, rep: u32) -> bool {
    table.get(&Resource::<T>::new_borrow(rep)).is_ok()
}

/// Adds `rep`, which may be one that was another's before.
fn note(reps: &mut Vec<u32>, rep: u32) {
    if !reps.contains(&rep) {
        reps.push(rep);
    }
}

impl Open {
    /// Nothing yet but what was granted, and never more than `most`.
    pub fn new(most: u32, granted: Vec<Known>) -> Self {
        Self { most, looked: None, granted, files: Vec::new(), tcp: Vec::new(), udp: Vec::new() }
    }

    /// A call begins: the program may have closed any, or put its own in their places.
    pub fn call_begins(&mut self) {
        self.looked = None;
    }

    /// Whether descriptors are the program's by now, as a call finds it when it first uses some: a look is a
    /// system call for each.
    pub fn lost(&mut self, of: Of) -> bool {
        match self.looked {
            Some((looked, there)) if looked >= of || !there => !there,
            _ => {
                let lost = self.lost_now(of);
                self.looked = Some((of, !lost));
                lost
            }
        }
    }

    /// Whether they are. (Of sockets that cannot be known.)
    pub fn lost_now(&self, of: Of) -> bool {
        let lost = |(file, known): &(Weak<_>, Option<Known>)| {
            // Work in the background may end, and close one, at any time.
            let is_open = || file.strong_count() > 0;
            is_open() && known.is_some_and(|known| !known.is_there()) && is_open()
        };
        let granted = of == Of::All && !self.granted.iter().all(|granted| granted.is_there());
        granted || self.files.iter().any(lost)
    }

    /// Whether one more may be opened. A socket that listens counts twice: a connection to it may
    /// have been accepted before the component asked.
    pub fn room(&mut self, table: &mut ResourceTable) -> Result<Standard, Full> {
        let most = self.most as usize;
        if self.files.len() + 2 * self.tcp.len() + self.udp.len() < most {
            return Ok(Standard::hold());
        }
        self.files.retain(|(file, _)| file.strong_count() > 0);
        self.udp.retain(|rep| is_there::<UdpSocket>(table, *rep));
        self.tcp.retain(|rep| is_there::<TcpSocket>(table, *rep));
        // To ask sockets with; it allows nothing.
        let ctx = &mut WasiSocketsCtx::default();
        let mut view = WasiSocketsCtxView { ctx, table };
        let listening = self.tcp.iter().filter(|rep| view.is_listening(Resource::new_borrow(**rep)).unwrap_or(false));
        let open = self.files.len() + self.udp.len() + self.tcp.len() + listening.count();
        if open < most { Ok(Standard::hold()) } else { Err(Full(self.most)) }
    }

    /// A file or a directory was opened.
    pub fn file<T: Any + Send + Sync>(&mut self, file: &Arc<T>, fd: RawFd) {
        self.files.push((Arc::downgrade(file) as _, Known::find(fd)));
    }

    /// A socket was made, or a connection accepted.
    pub fn tcp(&mut self, socket: &Resource<TcpSocket>) {
        note(&mut self.tcp, socket.rep());
    }

    /// A socket was made.
    pub fn udp(&mut self, socket: &Resource<UdpSocket>) {
        note(&mut self.udp, socket.rep());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_not_counted() {
        let mut table = ResourceTable::new();
        let mut open = Open::new(3, Vec::new());
        let files = [Arc::new(1), Arc::new(2), Arc::new(3)];
        for file in &files {
            open.room(&mut table).unwrap();
            open.file(file, 0);
        }
        assert_eq!(open.room(&mut table).map(drop).unwrap_err().0, 3);
        let [one, ..] = &files;
        let stream = one.clone();
        drop(files);
        open.room(&mut table).unwrap();
        assert_eq!(open.files.len(), 1, "its stream is there");
        drop(stream);
        // A number in the table that was a socket's and is something else's now.
        let other = table.push("no socket").unwrap().rep();
        for rep in [other, other, 7, 8] {
            open.tcp(&Resource::new_own(rep));
            open.udp(&Resource::new_own(rep));
        }
        open.room(&mut table).unwrap();
        assert_eq!(open.files.len() + open.tcp.len() + open.udp.len(), 0);
    }
}
