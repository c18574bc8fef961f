//! File descriptors that stay open: above the first three, and known again before they are used, or closed.
//! The program may close all that it did not open (`closefrom()`), and open its own files at their numbers.
//!
//! Wasmtime keeps one for each memory that starts with something (a `memfd`), and maps it for each
//! instance; Tokio some to wait with; the rest are the components' files.
#![allow(unsafe_code)] // calls of the C library's on numbers that may be nobody's

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
#[cfg(feature = "wasi")]
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::fork;
use crate::error::{Error, ErrorKind, Result};

/// What a descriptor stands for: its device and its inode.
type Identity = (libc::dev_t, libc::ino_t);

fn identity(fd: RawFd) -> Option<Identity> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: any number may be asked for; what is found is read where there is something.
    unsafe {
        let there = libc::fstat(fd, found.as_mut_ptr()) == 0;
        there.then(|| found.assume_init()).map(|found| (found.st_dev, found.st_ino))
    }
}

/// A descriptor by its number, which may come to be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    fd: RawFd,
    is: Identity,
}

impl Known {
    /// What lies at the number now.
    pub fn find(fd: RawFd) -> Option<Self> {
        identity(fd).map(|is| Self { fd, is })
    }

    /// Whether it still does, as far as the system says it.
    pub fn is_there(self) -> bool {
        let refused = || std::io::Error::last_os_error().raw_os_error() != Some(libc::EBADF);
        identity(self.fd).map_or_else(refused, |is| is == self.is)
    }

    /// Fails where it does not, with what it is for and what to do.
    pub fn check(self, what: &str, advice: &str) -> Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let Self { fd, .. } = self;
        let message = format!(
            "file descriptor {fd}, {what}, is no longer the library's: the program closed it, or put another in its \
             place (`closefrom`, `dup2`); {advice}"
        );
        Err(Error::new(ErrorKind::Instantiation, message))
    }
}

/// Who looks at the process's descriptors: one thread at a time, or nobody (0). It is 1 and the thread's
/// generation, since one that a parent had is waited for in vain.
static TURN: AtomicU64 = AtomicU64::new(0);

struct Turn;

impl Turn {
    fn take() -> Self {
        let mine = fork::generation() + 1;
        fork::wait(|| {
            let holder = TURN.load(Relaxed);
            let free = holder != mine;
            (free && TURN.compare_exchange(holder, mine, Acquire, Relaxed).is_ok()).then_some(Self)
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURN.store(0, Release);
    }
}

/// What lies at the first three numbers, where nothing did.
struct Fillers {
    /// Whose threads have a [`Standard`], and how many.
    generation: u64,
    holders: u32,
    taken: [Option<Known>; 3],
    /// What threads of the library's wait with.
    #[cfg_attr(not(feature = "wasi"), allow(dead_code))]
    waited_with: Vec<Known>,
}

/// Something that fails, whatever is done with it, as if it were closed.
fn open_nothing() -> RawFd {
    // SAFETY: the path is a string; whoever calls closes what is opened.
    unsafe { libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) }
}

fn close(fd: RawFd) {
    // SAFETY: whoever calls has found it to be what was opened.
    unsafe { libc::close(fd) };
}

impl Fillers {
    /// Takes those of the numbers that are free.
    fn fill(&mut self) {
        loop {
            let fd = open_nothing();
            match usize::try_from(fd).ok().and_then(|at| self.taken.get_mut(at)) {
                Some(one) => *one = Known::find(fd),
                None if fd < 0 => return,
                None => return close(fd),
            }
        }
    }

    /// Takes, for good, the numbers of what is waited with and was closed: a thread that still waits is not to
    /// find there what another waits with.
    #[cfg(feature = "wasi")]
    fn plug(&mut self) {
        self.waited_with.retain(|known| {
            let nothing = open_nothing();
            if identity(known.fd).is_none() {
                // SAFETY: the first is ours, and the number above which the second is to lie is free or taken.
                let fd = unsafe { libc::fcntl(nothing, libc::F_DUPFD_CLOEXEC, known.fd) };
                if fd >= 0 && fd != known.fd {
                    close(fd);
                }
            }
            if nothing >= 0 && nothing != known.fd {
                close(nothing);
            }
            known.is_there()
        });
    }

    /// Gives them back, but for what the program put in their place meanwhile.
    fn close(&mut self) {
        for one in self.taken.iter_mut().filter_map(Option::take).filter(|one| one.is_there()) {
            close(one.fd);
        }
    }
}

/// The one of the process, for whoever has the [`Turn`].
struct Shared(UnsafeCell<Fillers>);

// SAFETY: it is reached by `with` alone, on one thread at a time.
unsafe impl Sync for Shared {}

static FILLERS: Shared =
    Shared(UnsafeCell::new(Fillers { generation: 0, holders: 0, taken: [None; 3], waited_with: Vec::new() }));

impl Shared {
    fn with<T>(&self, _: &Turn, work: impl FnOnce(&mut Fillers) -> T) -> T {
        // SAFETY: there is one turn, so nobody else has a reference.
        let fillers = unsafe { &mut *self.0.get() };
        if fillers.generation != fork::generation() {
            // Who held them in the parent is not there to give them back.
            fillers.close();
            (fillers.generation, fillers.holders) = (fork::generation(), 0);
        }
        work(fillers)
    }
}

/// As long as this lives, what is opened comes to lie above the first three numbers, which are the standard
/// streams of whoever comes to use them.
pub struct Standard(u64);

impl Standard {
    /// For something that is opened now.
    pub fn hold() -> Self {
        FILLERS.with(&Turn::take(), |fillers| {
            fillers.fill();
            fillers.holders += 1;
        });
        Self(fork::generation())
    }
}

impl Drop for Standard {
    fn drop(&mut self) {
        let give_back = |fillers: &mut Fillers| {
            fillers.holders -= 1;
            if fillers.holders == 0 {
                fillers.close();
            }
        };
        if self.0 == fork::generation() {
            FILLERS.with(&Turn::take(), give_back);
        }
    }
}

/// The numbers of all that is open, and of more.
#[cfg(target_os = "linux")]
fn numbers() -> Vec<RawFd> {
    let number = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    if let Ok(found) = std::fs::read_dir("/proc/self/fd") {
        return found.filter_map(number).collect();
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a local.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (0..RawFd::try_from(limit.rlim_cur).unwrap_or(RawFd::MAX).min(1 << 16)).collect()
}

/// What is open, named and sealed as Wasmtime names and seals its images.
#[cfg(target_os = "linux")]
fn images() -> Vec<Known> {
    const SEALS: libc::c_int = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // Where the system does not say the name, the seals are to do.
    let named = |fd: RawFd| {
        let name = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        name.map_or(true, |name| name.to_string_lossy().contains("wasm-memory-image"))
    };
    let is_image = |fd: &RawFd| {
        // SAFETY: any number may be asked for.
        let seals = unsafe { libc::fcntl(*fd, libc::F_GET_SEALS) };
        seals >= 0 && seals & SEALS == SEALS && named(*fd)
    };
    numbers().into_iter().filter(is_image).filter_map(Known::find).collect()
}

/// Elsewhere a memory is filled by hand.
#[cfg(not(target_os = "linux"))]
fn images() -> Vec<Known> {
    Vec::new()
}

/// What is open and of the kind that epoll and its like are.
#[cfg(feature = "wasi")]
fn kin_of_epoll() -> Vec<Known> {
    // SAFETY: a new descriptor, closed here.
    let kind = unsafe {
        let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let kind = identity(fd);
        libc::close(fd);
        kind
    };
    numbers().into_iter().filter_map(Known::find).filter(|known| Some(known.is) == kind).collect()
}

/// The numbers that an epoll waits for; none of what is none, or where the system does not say.
#[cfg(feature = "wasi")]
fn waited_for(fd: RawFd) -> Vec<RawFd> {
    let number = |line: &str| line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    text.lines().filter_map(number).collect()
}

/// Descriptors that something of somebody else's keeps.
#[derive(Clone, Debug, Default)]
pub struct Watched(Vec<Known>);

impl Watched {
    fn find<T>(&mut self, kind: impl Fn() -> Vec<Known>, open: impl FnOnce() -> T) -> T {
        let _standard = Standard::hold();
        let _turn = Turn::take();
        let before = kind();
        let opened = open();
        self.0.extend(kind().into_iter().filter(|known| !before.contains(known)));
        opened
    }

    /// Runs `make`, and adds the memory images that it makes.
    pub fn images<T>(&mut self, make: impl FnOnce() -> T) -> T {
        self.find(images, make)
    }

    /// Runs `make`, and adds what it makes to wait with, until [`Watched::end`]: that which waits for the
    /// `probe` that is given to it, and for what else. Other threads of the program's make such, too.
    #[cfg(feature = "wasi")]
    pub fn waited_with<T, P: AsRawFd>(
        &mut self,
        make: impl FnOnce() -> std::io::Result<T>,
        probe: impl FnOnce(&T) -> std::io::Result<P>,
    ) -> std::io::Result<T> {
        FILLERS.with(&Turn::take(), Fillers::plug);
        let mut new = Self::default();
        let (made, probe) = new.find(kin_of_epoll, || {
            let made = make()?;
            let probe = probe(&made)?;
            Ok::<_, std::io::Error>((made, probe))
        })?;
        let fd = probe.as_raw_fd();
        let all: Vec<_> = kin_of_epoll().into_iter().map(|known| (known, waited_for(known.fd))).collect();
        let polls = || all.iter().filter(|(_, waits)| waits.contains(&fd));
        let is_ours = |known: &Known| polls().any(|(poll, waits)| poll == known || waits.contains(&known.fd));
        // Where the system does not say what waits for what, that which is new.
        let ours: Vec<_> = all.iter().map(|(known, _)| *known).filter(is_ours).collect();
        self.0.extend(if ours.is_empty() { new.0 } else { ours });
        FILLERS.with(&Turn::take(), |fillers| fillers.waited_with.extend(&self.0));
        Ok(made)
    }

    /// Nobody will wait with them any more.
    #[cfg(feature = "wasi")]
    pub fn end(&self) {
        FILLERS.with(&Turn::take(), |fillers| fillers.waited_with.retain(|known| !self.0.contains(known)));
    }

    /// Whether each is what it was. To drop one that is not would close what is the program's.
    pub fn are_there(&self) -> bool {
        self.0.iter().all(|known| known.is_there())
    }

    /// Fails where one is not what it was, with what they are for and what to do.
    pub fn check(&self, what: &str, advice: &str) -> Result<()> {
        self.0.iter().try_for_each(|known| known.check(what, advice))
    }
}
