//! What the system refuses: which call, why, and what to do about it. Wasmtime passes such an error on
//! among its own, which it is told from here.

use std::fmt;
use std::io;

use super::mappings;
use super::published::page_size;
use crate::error::{Error, ErrorKind};

/// A system call that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {error}")]
pub struct Refusal {
    /// Its name; two where it can be either.
    pub call: &'static str,
    /// Why.
    pub error: io::Error,
    /// How many bytes were asked for, where that is known.
    bytes: u64,
}

/// Memory that is to be executable, and which was writable before.
pub const PUBLISH: &str = "mprotect(PROT_EXEC)";

/// What starts threads.
pub const THREAD: &str = "pthread_create";

impl Refusal {
    /// The call was refused with `error`.
    pub fn new(call: &'static str, error: io::Error) -> Self {
        Self { call, error, bytes: 0 }
    }

    /// What just set `errno`.
    pub fn last(call: &'static str) -> Self {
        Self::new(call, io::Error::last_os_error())
    }

    /// Which call of the system's is behind `error`, where one is.
    fn of(error: &wasmtime::Error) -> Option<Self> {
        if let Some(Self { call, error, .. }) = error.downcast_ref() {
            return Some(Self::new(call, io::Error::from_raw_os_error(error.raw_os_error()?)));
        }
        let code = error.chain().find_map(|cause| {
            let own = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
            own.or_else(|| cause.downcast_ref::<rustix::io::Errno>().map(|errno| errno.raw_os_error()))
        })?;
        // Nobody says which call it was but in words.
        let said = |words| error.chain().map(|cause| cause.to_string()).find(|text| text.contains(words));
        let mapping = said("mmap failed");
        let call = match () {
            () if mapping.is_some() => "mmap",
            () if ["readonly", "guard page"].into_iter().any(|words| said(words).is_some()) => "mprotect",
            () if said("cannot create a memfd").is_some() => "memfd_create",
            () if said("cannot add seals").is_some() => "fcntl(F_ADD_SEALS)",
            () if [libc::ENOSPC, libc::EDQUOT, libc::EFBIG].contains(&code) => "write to a memory file",
            () => "mmap or mprotect",
        };
        let bytes = mapping.as_deref().and_then(|text| text.split_once("0x")?.1.split(' ').next());
        let bytes = bytes.and_then(|bytes| u64::from_str_radix(bytes, 16).ok()).unwrap_or(0);
        Some(Self { call, error: io::Error::from_raw_os_error(code), bytes })
    }

    /// Whether it is for good: something does not allow it.
    pub fn is_denial(&self) -> bool {
        matches!(self.error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS))
    }

    /// What helps, as a clause; nothing that would not.
    fn advice(&self) -> Option<String> {
        const FILTER: &str = "allow it in the process's seccomp filter";
        let advice = match (self.error.raw_os_error()?, self.call) {
            (libc::EMFILE, _) => "close descriptors of the process, or raise RLIMIT_NOFILE".into(),
            (libc::ENFILE, _) => "close descriptors on this machine, or raise fs.file-max".into(),
            (libc::ENOMEM, _) => no_memory(self.bytes),
            (libc::EAGAIN, THREAD) => no_thread(),
            (libc::EFBIG, _) => {
                "raise RLIMIT_FSIZE, or make the engine while that is 0, which then does without".into()
            }
            (libc::EAGAIN, _) => "let the process lock more memory (RLIMIT_MEMLOCK, mlockall())".into(),
            // Whose files these are is the caller's affair.
            (_, "open" | "fstat" | "read") => return None,
            _ if !self.is_denial() => return None,
            (_, PUBLISH) => {
                "what was written may not become executable here: allow it (systemd's MemoryDenyWriteExecute, \
                 SELinux's execmem, PR_SET_MDWE and seccomp filters deny it), or load artifacts by \
                 torvyn_component_deserialize_file_unchecked(), which needs none of it unless the file lies where \
                 nothing may be run"
                    .into()
            }
            (_, "memfd_create") => format!("{FILTER}, or make the engine after that is set, which then does without"),
            (_, "sigaction") => format!("{FILTER}, or turn `explicit_traps` on"),
            (_, THREAD) => "allow what a thread needs in the process's seccomp filter: clone3, mmap, mprotect".into(),
            _ => FILTER.into(),
        };
        Some(advice)
    }
}

/// The error value for a call that was refused; `what` did not succeed by it.
#[cold]
pub fn failed(kind: ErrorKind, what: impl fmt::Display, refusal: &Refusal) -> Box<Error> {
    Error::new(kind, format!("{what}: {}", told(refusal)))
}

/// A refusal with what would help.
pub fn told(refusal: &Refusal) -> String {
    let advice = refusal.advice().map_or(String::new(), |advice| format!("; {advice}"));
    format!("{refusal}{advice}")
}

/// Whether Wasmtime failed by a refusal.
pub fn is_refusal(error: &wasmtime::Error) -> bool {
    Refusal::of(error).is_some()
}

/// Whether by one for good, which is no matter of how much was asked for.
pub fn is_denial(error: &wasmtime::Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| refusal.is_denial())
}

/// The same for what Wasmtime failed with, where it failed by a refusal.
#[cold]
pub fn refused(kind: ErrorKind, what: impl fmt::Display, error: &wasmtime::Error) -> Option<Box<Error>> {
    Refusal::of(error).map(|refusal| failed(kind, what, &refusal))
}

/// A number that stands alone in a file of the system's.
pub(super) fn number(path: &str) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The process's mappings and how many it may have, where next to none are left: one call takes some.
fn mappings() -> Option<(i64, i64)> {
    const FEW: i64 = 64;
    let (count, most) = (mappings::count()?, mappings::limit()?);
    (count + FEW >= most).then_some((count, most))
}

fn map_limit() -> Option<String> {
    let (count, most) = mappings()?;
    Some(format!(
        "the process has {count} mappings of the {most} that vm.max_map_count allows: raise that, or keep fewer \
         instances and components"
    ))
}

/// Whether `bytes` more are past a limit of the process's: what it uses has its place in a line of
/// `/proc/self/statm`, the limit its name in `/proc/self/limits`.
fn is_past(limit: &str, place: usize, bytes: u64) -> bool {
    let used = || {
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        pages.split_whitespace().nth(place)?.parse::<u64>().ok()?.checked_mul(page_size() as u64)
    };
    let most = || {
        let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
        limits.lines().find_map(|line| line.strip_prefix(limit)?.split_whitespace().next()?.parse::<u64>().ok())
    };
    used().zip(most()).is_some_and(|(used, most)| used.saturating_add(bytes) > most)
}

/// What helps where `bytes` more could not be had, or some more where it is 0.
fn no_memory(bytes: u64) -> String {
    let bytes = bytes.max(1 << 20);
    map_limit().unwrap_or_else(|| match () {
        () if is_past("Max address space", 0, bytes) => {
            "raise RLIMIT_AS, or let memories reserve less (`memory_reservation`)".into()
        }
        () if is_past("Max data size", 5, bytes) => "raise RLIMIT_DATA".into(),
        () if number("/proc/sys/vm/overcommit_memory") == Some(2) => {
            "free memory, or let processes commit more of it (vm.overcommit_ratio)".into()
        }
        () => "the system has no memory for it: free some".into(),
    })
}

/// What helps where a thread could not be had.
pub fn no_thread() -> String {
    const STACK: u64 = 8 << 20;
    map_limit().unwrap_or_else(|| match () {
        () if is_past("Max address space", 0, STACK) => "raise RLIMIT_AS".into(),
        () if is_past("Max data size", 5, STACK) => "raise RLIMIT_DATA".into(),
        () => "end threads, or allow more of them (RLIMIT_NPROC, the control group's pids.max, kernel.threads-max, or \
               what a thread needs in a seccomp filter)"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(error: wasmtime::Error) -> Option<String> {
        refused(ErrorKind::Internal, "it failed", &error).map(|error| error.message)
    }

    #[test]
    fn a_refusal_is_found_and_names_its_call() {
        let denied = || io::Error::from_raw_os_error(libc::EPERM);
        let message = told_of(Refusal::new(PUBLISH, denied()).into()).unwrap();
        assert!(message.starts_with("it failed: mprotect(PROT_EXEC): Operation not permitted (os error 1); "));
        assert!(message.contains("MemoryDenyWriteExecute"), "{message}");
        let reserve = wasmtime::Error::from(rustix::io::Errno::NOMEM).context("mmap failed to reserve 0x1000 bytes");
        assert_eq!(Refusal::of(&reserve).unwrap().bytes, 4096);
        let message = told_of(reserve.context("memory pool")).unwrap();
        assert!(message.starts_with("it failed: mmap: Cannot allocate memory (os error 12); "), "{message}");
        let message = told_of(denied().into()).unwrap();
        assert!(message.contains("mmap or mprotect") && message.contains("seccomp"), "{message}");
        assert!(told_of(wasmtime::Error::msg("Module was compiled without fuel")).is_none());
        assert!(told_of(io::Error::other("not of the system's").into()).is_none());
    }

    #[test]
    fn no_limit_is_advised_that_is_not_near() {
        assert!(mappings().is_none(), "a test has few");
        assert!(!is_past("Max address space", 0, 1) && !is_past("no such limit", 0, u64::MAX));
        assert!(is_past("Max open files", 0, 0), "more bytes are used than a process has descriptors");
    }
}
