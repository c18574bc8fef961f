//! Counts system calls exactly: this program traces a copy of itself, which marks the span to count
//! with a system call of a number that no kernel has.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use libc::{c_long, pid_t};

/// Of no architecture and no kernel: answers ENOSYS.
const MARK: c_long = 0x7eef;

/// System calls between the two marks.
#[derive(Default, Debug)]
pub struct Counted {
    /// Of the thread that set the marks.
    pub own: u64,
    /// Of all other threads of the process.
    pub others: u64,
}

/// In the traced copy: runs `run` between the marks.
pub fn marked(run: impl FnOnce()) {
    // SAFETY: a system call that does not exist changes nothing.
    unsafe { libc::syscall(MARK, 1) };
    run();
    // SAFETY: as above.
    unsafe { libc::syscall(MARK, 0) };
}

fn checked(result: c_long) -> io::Result<c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// `ptrace` with a number where it takes one.
fn ptrace(request: libc::c_uint, tid: pid_t, data: usize) -> io::Result<()> {
    // SAFETY: the requests used here read and write nothing in this process.
    checked(unsafe { libc::ptrace(request, tid, 0usize, data) }).map(drop)
}

/// The next stop of any traced thread.
fn wait() -> io::Result<(pid_t, i32)> {
    let mut status = 0;
    // SAFETY: `status` is a place for one.
    let tid = checked(unsafe { libc::waitpid(-1, &mut status, libc::__WALL) }.into())?;
    Ok((tid as pid_t, status))
}

/// The number and first argument of the system call that `tid` is about to make; none where it
/// returns from one.
fn entered(tid: pid_t) -> io::Result<Option<(u64, u64)>> {
    // SAFETY: zeroes are a valid value of this plain struct.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of_val(&info);
    // SAFETY: the kernel writes at most `size` bytes.
    checked(unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, tid, size, &raw mut info) })?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(None);
    }
    // SAFETY: `op` says that this is the member.
    let entry = unsafe { info.u.entry };
    Ok(Some((entry.nr, entry.args[0])))
}

/// Runs this program with `args` and counts. Fails where tracing is not allowed.
pub fn count(args: &[&str]) -> io::Result<Counted> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args);
    // SAFETY: one system call, between fork and exec.
    unsafe {
        command.pre_exec(|| ptrace(libc::PTRACE_TRACEME, 0, 0));
    }
    #[allow(clippy::zombie_processes)] // waited for below, thread by thread
    let child = command.spawn()?.id() as pid_t;
    let (_, status) = wait()?;
    if !libc::WIFSTOPPED(status) {
        return Err(io::Error::other("the traced copy did not start"));
    }
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, child, options as usize)?;
    ptrace(libc::PTRACE_SYSCALL, child, 0)?;

    let (mut counted, mut marker) = (Counted::default(), None);
    loop {
        let (tid, status) = wait()?;
        if !libc::WIFSTOPPED(status) {
            if tid != child {
                continue;
            }
            if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
                return Ok(counted);
            }
            return Err(io::Error::other(format!("the traced copy ended with status {status:#x}")));
        }
        let signal = libc::WSTOPSIG(status);
        let mut deliver = 0;
        if signal == libc::SIGTRAP | 0x80 {
            match entered(tid)? {
                Some((nr, begin)) if nr == MARK as u64 => marker = (begin == 1).then_some(tid),
                Some(_) if marker == Some(tid) => counted.own += 1,
                Some(_) if marker.is_some() => counted.others += 1,
                _ => {}
            }
        } else if signal != libc::SIGTRAP && signal != libc::SIGSTOP {
            // SIGTRAP tells of a new thread, SIGSTOP is such a thread's first stop.
            deliver = signal as usize;
        }
        // A thread that was killed meanwhile is no error.
        let _ = ptrace(libc::PTRACE_SYSCALL, tid, deliver);
    }
}
