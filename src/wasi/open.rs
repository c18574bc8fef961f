//! The process's file descriptors that an instance holds: files, directories that it reads, sockets.
//! They are the whole process's, which has few of them (1,024 is a common limit).

use std::any::Any;
use std::sync::{Arc, Weak};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::{TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{WasiSocketsCtx, WasiSocketsCtxView};

/// What one instance has open.
///
/// A file is there until its last stream and the last work in the background for it end, whatever
/// becomes of its handle; a socket cannot lose its handle before them.
pub struct Open {
    most: u32,
    files: Vec<Weak<dyn Any + Send + Sync>>,
    tcp: Vec<u32>,
    udp: Vec<u32>,
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
    /// Nothing yet, and never more than `most`.
    pub fn new(most: u32) -> Self {
        Self { most, files: Vec::new(), tcp: Vec::new(), udp: Vec::new() }
    }

    /// Whether one more may be opened. A socket that listens counts twice: a connection to it may
    /// have been accepted before the component asked.
    pub fn room(&mut self, table: &mut ResourceTable) -> Result<(), Full> {
        let most = self.most as usize;
        if self.files.len() + 2 * self.tcp.len() + self.udp.len() < most {
            return Ok(());
        }
        self.files.retain(|file| file.strong_count() > 0);
        self.udp.retain(|rep| is_there::<UdpSocket>(table, *rep));
        self.tcp.retain(|rep| is_there::<TcpSocket>(table, *rep));
        // To ask sockets with; it allows nothing.
        let ctx = &mut WasiSocketsCtx::default();
        let mut view = WasiSocketsCtxView { ctx, table };
        let listening = self.tcp.iter().filter(|rep| view.is_listening(Resource::new_borrow(**rep)).unwrap_or(false));
        let open = self.files.len() + self.udp.len() + self.tcp.len() + listening.count();
        if open < most { Ok(()) } else { Err(Full(self.most)) }
    }

    /// A file or a directory was opened.
    pub fn file<T: Any + Send + Sync>(&mut self, file: &Arc<T>) {
        self.files.push(Arc::downgrade(file) as _);
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
        let mut open = Open::new(3);
        let files = [Arc::new(1), Arc::new(2), Arc::new(3)];
        for file in &files {
            open.room(&mut table).unwrap();
            open.file(file);
        }
        assert_eq!(open.room(&mut table).unwrap_err().0, 3);
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
