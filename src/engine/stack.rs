//! Whether the calling thread has the stack that a component may need: it runs on that, and beyond
//! its end there is nothing but the end of the process.

use std::cell::Cell;

use crate::error::{Error, ErrorKind, Result};

/// What the host's side of a call takes beside the component's own stack; threads are to have some
/// 256 KiB, of which their program uses a part.
const HOST: usize = 192 << 10;

thread_local! {
    /// The lowest address of this thread's stack and the one behind it; none where the system does
    /// not say.
    static BOUNDS: Cell<Option<Option<(usize, usize)>>> = const { Cell::new(None) };
}

/// Addresses from which a thread's stack has room for a component. It is kept with the instance, so
/// that a call asks for the thread only where another made the call before. (Where a smaller stack
/// came to lie in a larger one's place since, that is not noticed.)
#[derive(Debug)]
pub struct Room {
    need: usize,
    from: usize,
    len: usize,
}

impl Room {
    /// Enough anywhere: nothing runs on the caller's stack.
    pub const ANY: Room = Room { need: 0, from: 0, len: usize::MAX };

    /// For components of `guest_stack` bytes of stack.
    pub fn new(guest_stack: usize) -> Self {
        Self { need: guest_stack + HOST, from: 0, len: 0 }
    }

    /// Whether a call that begins here has room.
    #[inline(always)]
    pub fn check(&mut self) -> Result<()> {
        let mark = 0u8;
        let here = (&raw const mark).addr();
        if here.wrapping_sub(self.from) < self.len { Ok(()) } else { self.look(here) }
    }

    #[cold]
    fn look(&mut self, here: usize) -> Result<()> {
        let bounds = BOUNDS.get().unwrap_or_else(|| {
            let bounds = bounds();
            BOUNDS.set(Some(bounds));
            bounds
        });
        match bounds {
            Some((low, high)) if (low..high).contains(&here) => {
                let left = here - low;
                if left < self.need {
                    let message = format!(
                        "the calling thread has {left} bytes of stack left, of which the component may need {} \
                         (`guest_stack`) and the host {HOST}; make the thread's stack larger or `guest_stack` smaller",
                        self.need - HOST
                    );
                    return Err(Error::new(ErrorKind::Internal, message));
                }
                (self.from, self.len) = (low + self.need, high - low - self.need);
                Ok(())
            }
            // A stack of the program's own, of which nothing is known.
            _ => Ok(()),
        }
    }
}

/// The calling thread's stack, without its guard.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // calls of the C library's
fn bounds() -> Option<(usize, usize)> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut at, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are those of this thread, read only where they were set, and destroyed
    // then; the other pointers are to locals.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let got = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut at, &raw mut size)
            | libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        // glibc counts the guard in, or not, by its version: the smaller stack is the safe guess.
        let low = at.addr() + guard;
        (got == 0 && guard < size).then_some((low, at.addr() + size))
    }
}

#[cfg(not(target_os = "linux"))]
fn bounds() -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_room_or_not() {
        let on = |stack: usize, guest: usize| {
            std::thread::Builder::new()
                .stack_size(stack)
                .spawn(move || {
                    let mut room = Room::new(guest);
                    let first = room.check().map_err(|e| e.message);
                    assert_eq!(room.len != 0, first.is_ok());
                    assert_eq!(room.check().is_ok(), first.is_ok());
                    first
                })
                .unwrap()
                .join()
                .unwrap()
        };
        on(2 << 20, 1 << 20).unwrap();
        // The C library may give it a larger stack that another thread left, but none as large.
        let message = on(1 << 20, 16 << 20).unwrap_err();
        assert!(message.contains("16777216 (`guest_stack`)"), "{message}");
        let mut any = Room::ANY;
        any.check().unwrap();
        assert_eq!(any.from, 0);
    }
}
