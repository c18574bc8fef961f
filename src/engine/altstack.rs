//! The stack on which a thread's signals are handled. Wasmtime wants 256 KiB of one on each thread that
//! calls components, and panics where it cannot have them; so the thread has them from here before, or
//! the call is refused before anything runs.
#![allow(unsafe_code)] // system calls, on memory of its own

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::ptr;

use super::published::page_size;
use super::system::Refusal;

/// What Wasmtime takes for enough.
const SIZE: usize = 256 << 10;

thread_local! {
    static READY: Cell<bool> = const { Cell::new(false) };
    /// Until the thread ends.
    static OWN: RefCell<Option<Stack>> = const { RefCell::new(None) };
}

/// Memory, with a guard below it.
struct Stack {
    at: *mut libc::c_void,
    len: usize,
    /// Whether it was made the thread's.
    is_set: bool,
}

/// What the thread has.
fn current() -> Result<libc::stack_t, Refusal> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: nothing is set, and what is there is written to a local.
    match unsafe { libc::sigaltstack(ptr::null(), now.as_mut_ptr()) } {
        // SAFETY: it was written.
        0 => Ok(unsafe { now.assume_init() }),
        _ => Err(Refusal::last("sigaltstack")),
    }
}

fn set(stack: &libc::stack_t) -> Result<(), Refusal> {
    // SAFETY: it is memory that stays until another is set; or the stack is taken away.
    match unsafe { libc::sigaltstack(stack, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(Refusal::last("sigaltstack")),
    }
}

fn disable() -> Result<(), Refusal> {
    set(&libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: SIZE })
}

impl Stack {
    fn new() -> Result<Self, Refusal> {
        let (guard, flags) = (page_size(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let len = guard + SIZE;
        // SAFETY: a new mapping at an address of the kernel's choice; the result is checked.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(Refusal::last("mmap"));
        }
        let stack = Self { at, len, is_set: false };
        // SAFETY: the range is all of the mapping but its guard.
        if unsafe { libc::mprotect(stack.base(), SIZE, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
            return Err(Refusal::last("mprotect"));
        }
        Ok(stack)
    }

    fn set(&mut self) -> Result<(), Refusal> {
        set(&libc::stack_t { ss_sp: self.base(), ss_flags: 0, ss_size: SIZE })?;
        self.is_set = true;
        Ok(())
    }

    fn base(&self) -> *mut libc::c_void {
        self.at.wrapping_byte_add(self.len - SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Where it may be in use, it stays.
        let taken = !self.is_set || current().is_ok_and(|now| now.ss_sp != self.base() || disable().is_ok());
        if taken {
            // SAFETY: the mapping is its own, and signals are handled elsewhere.
            unsafe { libc::munmap(self.at, self.len) };
        }
    }
}

/// Makes the calling thread one that may call components.
pub fn prepare() -> Result<(), Refusal> {
    if READY.get() {
        return Ok(());
    }
    let now = current()?;
    let suffices = now.ss_flags & libc::SS_DISABLE == 0 && now.ss_size >= SIZE;
    if !suffices {
        let mut stack = Stack::new()?;
        stack.set()?;
        // While a thread ends it keeps nothing any more: then the stack stays as the system has it.
        let mut stack = Some(stack);
        let kept = OWN.try_with(|own| own.replace(stack.take()));
        if kept.is_err() {
            std::mem::forget(stack);
        }
    }
    // Finds one that suffices, or panics where it may not even look, and then tries again at the next call.
    std::panic::catch_unwind(wasmtime::Engine::tls_eager_initialize).map_err(|_| Refusal::last("sigaltstack"))?;
    READY.set(true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_the_stack_until_it_ends() {
        let at = std::thread::spawn(|| {
            prepare().unwrap();
            let first = current().unwrap();
            assert!(first.ss_flags & libc::SS_DISABLE == 0 && first.ss_size >= SIZE);
            prepare().unwrap();
            assert_eq!(current().unwrap().ss_sp, first.ss_sp);
            first.ss_sp as usize
        });
        let at = at.join().unwrap();
        let mut resident = 0u8;
        // SAFETY: the call only looks whether something is mapped there.
        let mapped = unsafe { libc::mincore(at as *mut _, page_size(), &mut resident) };
        assert_eq!(mapped, -1, "it is given back");
    }

    #[test]
    fn one_that_suffices_is_left() {
        std::thread::spawn(|| {
            let mut own = Stack::new().unwrap();
            own.set().unwrap();
            prepare().unwrap();
            assert_eq!(current().unwrap().ss_sp, own.base());
            drop(own);
            assert_ne!(current().unwrap().ss_flags & libc::SS_DISABLE, 0);
        })
        .join()
        .unwrap();
    }
}
