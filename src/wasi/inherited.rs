//! The process's own output streams, written so that nothing waits for who reads them.
//!
//! That a stream is ready says little about how much it takes: a terminal that is stopped, or a pipe
//! that another process writes to as well, may take less, and a write of more would wait. The stream's
//! own description cannot be made one that never waits, since it is shared with whoever else has it.
//! So a pipe or a terminal is opened once more for each write, as one that does not wait, and a socket
//! is told so with what it is sent. What can neither (no `/proc`, or a terminal of another user's) is
//! written by a thread that may wait.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{
    AtomicBool, AtomicI32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::engine::{fork, signals};

/// The stack of a thread that writes a piece and nothing else.
const STACK: usize = 64 << 10;

/// Standard output or standard error.
pub struct Stream {
    err: bool,
    /// Whose turn it is, so that what one instance writes at once stays together.
    turn: Mutex<()>,
    /// A thread writes.
    busy: AtomicBool,
    /// What a thread failed with.
    failed: AtomicI32,
}

impl Stream {
    const fn new(err: bool) -> Self {
        Self { err, turn: Mutex::new(()), busy: AtomicBool::new(false), failed: AtomicI32::new(0) }
    }
}

/// More than one of each, since a process that forks may leave one to its child that is taken.
static STREAMS: [[Stream; 2]; 8] = [const { [Stream::new(false), Stream::new(true)] }; 8];

/// Standard error where `err` says so, standard output elsewhere.
pub fn stream(err: bool) -> &'static Stream {
    &STREAMS[fork::generation() as usize % STREAMS.len()][usize::from(err)]
}

/// A write at a time.
pub struct Turn(&'static Stream, #[allow(dead_code)] MutexGuard<'static, ()>);

impl Stream {
    /// The program's descriptor.
    pub fn fd(&self) -> BorrowedFd<'static> {
        if self.err { rustix::stdio::stderr() } else { rustix::stdio::stdout() }
    }

    /// The turn to write, where it comes so soon.
    pub fn turn(&'static self, within: Duration) -> Option<Turn> {
        fork::wait_within(within, || self.turn.try_lock()).map(|guard| Turn(self, guard))
    }

    /// Whether it takes anything now. Fails where nobody can read it any more.
    pub fn takes(&self) -> Result<bool, Errno> {
        if self.busy.load(Acquire) {
            return Ok(false);
        }
        // One that was opened to be read is not opened anew to be written, nor waited for.
        if rustix::fs::fcntl_getfl(self.fd()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY) {
            return Err(Errno::BADF);
        }
        let mut polled = [PollFd::from_borrowed_fd(self.fd(), PollFlags::OUT)];
        if rustix::event::poll(&mut polled, Some(&Default::default()))? == 0 {
            return Ok(false);
        }
        let found = polled[0].revents();
        if found.intersects(PollFlags::ERR | PollFlags::NVAL) {
            return Err(Errno::PIPE);
        }
        Ok(found.contains(PollFlags::OUT))
    }

    /// Has a thread write all of `bytes`.
    fn hand_over(&'static self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.failed.swap(0, Relaxed) {
            0 => {}
            code => return Err(Errno::from_raw_os_error(code)),
        }
        let (bytes, thread) = (Box::<[u8]>::from(bytes), thread::Builder::new().name("torvyn-output".into()));
        let len = bytes.len();
        self.busy.store(true, Relaxed);
        let write = move || {
            let mut left = &bytes[..];
            while !left.is_empty() {
                match rustix::io::write(self.fd(), left) {
                    Ok(n) => left = &left[n..],
                    Err(Errno::INTR) => {}
                    // Somebody else made it one that does not wait.
                    Err(Errno::AGAIN) => thread::sleep(Duration::from_millis(1)),
                    Err(error) => {
                        self.failed.store(error.raw_os_error(), Relaxed);
                        break;
                    }
                }
            }
            self.busy.store(false, Release);
        };
        match signals::starting(|| thread.stack_size(STACK).spawn(write)) {
            Ok(_) => Ok(len),
            Err(_) => {
                self.busy.store(false, Relaxed);
                Err(Errno::AGAIN) // there may be threads again, and the call's limits end the wait
            }
        }
    }
}

/// Opens what `fd` is once more, for one write.
fn anew(fd: BorrowedFd<'_>) -> Result<rustix::fd::OwnedFd, Errno> {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
}

impl Turn {
    /// Writes what is taken now of `bytes`, a piece that a pipe takes at once or not at all. Fails with
    /// `AGAIN` where that is nothing.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if !self.0.takes()? {
            return Err(Errno::AGAIN);
        }
        let fd = self.0.fd();
        match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
            // It takes what it is given, sooner or later.
            FileType::RegularFile | FileType::BlockDevice | FileType::Directory => {
                signals::quiet(|| rustix::io::write(fd, bytes))
            }
            FileType::Socket => rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            FileType::Fifo | FileType::CharacterDevice => match anew(fd) {
                Ok(own) => signals::quiet(|| rustix::io::write(&own, bytes)),
                Err(Errno::NXIO) => Err(Errno::PIPE), // the reader has gone since
                Err(_) => self.0.hand_over(bytes),
            },
            _ => self.0.hand_over(bytes),
        }
    }
}
