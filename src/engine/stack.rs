//! Whether the calling thread has the stack that a component may need: it runs on that, and beyond
//! its end there is nothing but the end of the process.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::altstack;
use super::fork;
use super::system;
use super::uncancelled::{Uncancelled, uncancelled};
use crate::error::{Error, ErrorKind, Result};

/// What the host's side of a call takes beside the component's own stack; threads are to have some
/// 256 KiB, of which their program uses a part.
const HOST: usize = 192 << 10;

/// What a stack of a component that may wait has beyond twice `guest_stack`.
const SPARE: usize = 1 << 20;

/// Of such a stack, what host functions take: those that began the call and, below the component,
/// those that lead to a callback. It is a few KiB; frames of builds that are not optimised are larger.
const FRAMES: usize = 128 << 10;

/// Bytes of stack for a call of a component that may wait. On a stack of its own Wasmtime counts
/// `guest_stack` anew where it enters the component again, and it does so once: for the `realloc` that
/// takes what an import gave, from which no import can be called.
pub fn fiber(guest_stack: usize) -> usize {
    2 * guest_stack + SPARE
}

thread_local! {
    /// The `guest_stack` of the component that may wait and runs on this thread, in none of the
    /// program's callbacks; 0 where there is none.
    static WAITING: Cell<usize> = const { Cell::new(0) };

    /// The stack on which the innermost callback of such a component runs.
    static LENT: Cell<Option<Lent>> = const { Cell::new(None) };

    /// Where the innermost of the program's callbacks began that a component waits for on this thread; 0
    /// where there is none.
    static CALLBACK: Cell<usize> = const { Cell::new(0) };

    static BOUNDS: OnceCell<Bounds> = const { OnceCell::new() };
}

/// The lowest address of a thread's stack and the one behind it; none where the system does not say.
struct Bounds(Option<(usize, usize)>);

impl Bounds {
    /// Runs `ask` with those of the calling thread; whether they are known from now on.
    fn with<R>(ask: impl FnOnce(Option<(usize, usize)>) -> R) -> (R, bool) {
        // A thread that is ending says so no more: what is found then is not kept.
        let known = BOUNDS.try_with(|known| known.get_or_init(|| Bounds(bounds())).0);
        let keep = known.is_ok();
        (ask(known.unwrap_or_else(|_| bounds())), keep)
    }

    /// Whether `here` is on the calling thread's own stack.
    fn contain(here: usize) -> bool {
        Self::with(|bounds| bounds.is_some_and(|(low, high)| (low..high).contains(&here))).0
    }
}

impl Drop for Bounds {
    fn drop(&mut self) {
        // Another thread's stack may come to lie in its place.
        self.0.inspect(|(low, _)| Doubts::of(*low).raise());
    }
}

/// How often something happened after which an instance is not to believe what it knows of a stack: its
/// thread ended; a callback began that may leave its stack to the thread's own; the process was forked.
#[derive(Debug)]
#[repr(align(64))] // threads share none, or seldom
struct Doubts(AtomicUsize);

impl Doubts {
    /// Of the stack that begins at `low`, and of some others.
    fn of(low: usize) -> &'static Self {
        // They lie some power of two apart, or a page more.
        &DOUBTS[((low >> 12) ^ (low >> 20)) % DOUBTS.len()]
    }

    fn raise(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    #[inline(always)]
    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

static DOUBTS: [Doubts; 64] = [const { Doubts(AtomicUsize::new(0)) }; 64];

/// Of any stack, for what minds none.
static DOUBTS_OF_ANY: Doubts = Doubts(AtomicUsize::new(0));

/// Makes every instance look anew at the stack that its next call begins on.
pub fn forget() {
    DOUBTS.iter().chain([&DOUBTS_OF_ANY]).for_each(Doubts::raise);
}

/// A stack that a component which may wait has to itself, as one of the program's callbacks finds it.
#[derive(Clone, Copy, Debug)]
struct Lent {
    /// Where the callback began.
    at: usize,
    /// What is left below that at the least: the component may have used all of its own.
    left: usize,
    /// The stack's size: where more is left, it ends no lower.
    size: usize,
}

impl Lent {
    fn new(at: usize, guest_stack: usize) -> Self {
        let size = fiber(guest_stack);
        Self { at, left: size - guest_stack - FRAMES, size }
    }

    /// What is left below `here`; nothing is known of an address that is elsewhere.
    fn left(&self, here: usize) -> Option<usize> {
        let used = self.at.checked_sub(here).filter(|used| *used < self.size)?;
        Some(self.left.saturating_sub(used))
    }
}

/// Sets what a thread is known to run until it is dropped.
#[derive(Debug)]
pub struct During {
    waiting: usize,
    lent: Option<Lent>,
}

impl During {
    fn set(waiting: usize, lent: Option<Lent>) -> Self {
        Self { waiting: WAITING.replace(waiting), lent: LENT.replace(lent) }
    }
}

impl Drop for During {
    fn drop(&mut self) {
        WAITING.set(self.waiting);
        LENT.set(self.lent);
    }
}

/// A call of a component that may wait, on this thread.
#[cfg(any(feature = "wasi", test))]
pub fn waiting(guest_stack: usize) -> During {
    During::set(guest_stack, LENT.get())
}

/// What a callback takes, from where it began to a call that it makes, on a stack of the program's own, of
/// which no bounds are known.
const CALLBACKS: usize = 64 << 10;

/// One of the program's callbacks, for which a component waits on this thread. A coroutine may leave its
/// stack within it; but Wasmtime, and what is kept for the calls of a thread, know of one order alone: what
/// began last ends first, on the thread where it began.
#[derive(Debug)]
pub struct Callback {
    at: usize,
    outer: usize,
    _during: Option<During>,
    _uncancelled: Uncancelled,
}

/// Begins a callback. It may call instances: where a component that may wait runs, the callback is on that
/// one's stack.
#[inline(always)]
pub fn callback() -> Callback {
    let mark = 0u8;
    Callback::begin((&raw const mark).addr())
}

impl Callback {
    fn begin(at: usize) -> Self {
        let during = match WAITING.get() {
            0 => None,
            guest_stack => Some(During::set(0, Some(Lent::new(at, guest_stack)))),
        };
        // Calls on other stacks than the thread's own look at them in any case.
        let own = Bounds::with(|bounds| bounds).0;
        if !own.is_some_and(|(low, high)| (low..high).contains(&at)) {
            own.inspect(|(low, _)| Doubts::of(*low).raise());
            DOUBTS_OF_ANY.raise();
        }
        Self { at, outer: CALLBACK.replace(at), _during: during, _uncancelled: uncancelled() }
    }
}

impl Drop for Callback {
    // Within one function a compiler takes the thread's own variables to stay where they are.
    #[inline(never)]
    fn drop(&mut self) {
        if CALLBACK.get() != self.at {
            returned_elsewhere();
        }
        CALLBACK.set(self.outer);
    }
}

/// Where a callback came back to a thread that does not wait for it, or not for it next. To go on would
/// destroy what Wasmtime knows of both threads, and so would any way back out of here.
#[cold]
#[inline(never)]
fn returned_elsewhere() -> ! {
    loop {
        std::thread::park();
    }
}

/// Fails with `Busy` where this is not the stack of the callback that a component waits for on this thread,
/// and with `Internal` in a process that cannot call.
fn may_call(here: usize) -> Result<()> {
    fork::whole()?;
    let at = CALLBACK.get();
    let within = at == 0
        || here < at
            && match LENT.get() {
                _ if Bounds::contain(at) => Bounds::contain(here),
                Some(lent) if lent.left(at).is_some() => lent.left(here).is_some(),
                _ => at - here < CALLBACKS && !Bounds::contain(here),
            };
    if within {
        return Ok(());
    }
    let message = "a callback of this thread has left its stack, and a component waits for it: until it has returned, \
        no call on the thread can begin but those that it makes, on its own stack";
    Err(Error::new(ErrorKind::Busy, message))
}

/// Addresses from which a thread's stack has room for a component. It is kept with the instance, so
/// that a call asks for the thread only where another made the call before, or one ended since.
#[derive(Debug)]
pub struct Room {
    need: usize,
    from: usize,
    len: usize,
    /// Of that stack; and how often there was any when that was so.
    doubts: &'static Doubts,
    known: usize,
}

impl Room {
    /// For what is no component: any thread will do.
    pub const ANY: Room = Room { len: usize::MAX, ..Room::none(0) };

    /// For components that run on stacks of their own: enough on any thread.
    pub fn of_others() -> Self {
        Self::none(0)
    }

    /// For components of `guest_stack` bytes of stack.
    pub fn new(guest_stack: usize) -> Self {
        Self::none(guest_stack + HOST)
    }

    const fn none(need: usize) -> Self {
        Self { need, from: 0, len: 0, doubts: &DOUBTS_OF_ANY, known: 0 }
    }

    /// Whether a call that begins here has room.
    #[inline(always)]
    pub fn check(&mut self) -> Result<()> {
        let mark = 0u8;
        let here = (&raw const mark).addr();
        let known = here.wrapping_sub(self.from) < self.len && self.known == self.doubts.count();
        if known { Ok(()) } else { self.look(here) }
    }

    #[cold]
    fn look(&mut self, here: usize) -> Result<()> {
        let of_any = DOUBTS_OF_ANY.count();
        let (bounds, keep) = Bounds::with(|bounds| bounds);
        let doubts = bounds.map_or(&DOUBTS_OF_ANY, |(low, _)| Doubts::of(low));
        let known = doubts.count();
        may_call(here)?;
        if self.len == usize::MAX {
            self.known = of_any;
            return Ok(());
        }
        altstack::prepare().map_err(|refusal| {
            system::failed(ErrorKind::Internal, "the calling thread has no stack to handle signals on", &refusal)
        })?;
        match bounds {
            Some((low, high)) if (low..high).contains(&here) => {
                self.suffices(here - low, "the calling thread")?;
                if keep {
                    (self.from, self.len) = (low + self.need, high - low - self.need);
                    (self.doubts, self.known) = (doubts, known);
                }
                Ok(())
            }
            _ => self.elsewhere(here),
        }
    }

    /// On the stack of a component that waits for a callback of the program's (not kept: such stacks
    /// come and go); or on one of the program's own, of which nothing is known.
    fn elsewhere(&self, here: usize) -> Result<()> {
        match LENT.get().and_then(|lent| lent.left(here)) {
            Some(left) => self.suffices(left, "the component whose callback makes this call"),
            None => Ok(()),
        }
    }

    fn suffices(&self, left: usize, whose: &str) -> Result<()> {
        if left >= self.need {
            return Ok(());
        }
        let advice = "make the thread's stack larger or `guest_stack` smaller, or call on another thread";
        let message = format!(
            "{whose} has {left} bytes of stack left, of which the component may need {} (`guest_stack`) and the host \
             {HOST}; {advice}",
            self.need - HOST
        );
        Err(Error::new(ErrorKind::Internal, message))
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

    #[test]
    fn what_a_thread_had_is_not_believed_once_it_has_ended() {
        let mut room = Room::new(16 << 10);
        let mut room = std::thread::spawn(move || room.check().map(|()| room)).join().unwrap().unwrap();
        // As if this thread's stack had come to lie there, too small.
        (room.need, room.from, room.len) = (1 << 30, 0, usize::MAX - 1);
        room.check().unwrap_err();
    }

    #[test]
    fn a_callback_of_what_may_wait_has_what_that_one_left() {
        let waits = || WAITING.get() != 0;
        {
            let _within = callback();
            assert!(LENT.get().is_none(), "no component that may wait runs");
        }
        let guest = 1 << 20;
        let left = |here| LENT.get().and_then(|lent| lent.left(here));
        let outer = waiting(guest);
        {
            let _within = callback();
            let Lent { at, left: most, size } = LENT.get().unwrap();
            assert_eq!((most, size), (guest + SPARE - FRAMES, fiber(guest)));
            assert_eq!(left(at - 100), Some(most - 100));
            assert_eq!((left(at - most - 1), left(at - size + 1)), (Some(0), Some(0)));
            assert_eq!((left(at - size), left(at + 1)), (None, None), "elsewhere");
            assert!(!waits(), "what is called from there has no stack of its own");
            {
                let _inner = waiting(guest / 2);
                let _within = callback();
                assert_eq!(LENT.get().unwrap().size, fiber(guest / 2));
            }
            assert_eq!(LENT.get().unwrap().at, at);
            // What does not suffice is refused, what does is not kept: `here` is not on the thread's stack.
            let room = Room::new(guest);
            room.elsewhere(at - 100).unwrap();
            assert_eq!(room.len, 0);
            let message = Room::new(2 * guest).elsewhere(at - 100).unwrap_err().message;
            assert!(message.contains("2097152 (`guest_stack`)") && message.contains("callback"), "{message}");
        }
        assert!(LENT.get().is_none() && waits());
        drop(outer);
        assert!(!waits());
    }

    #[test]
    fn a_call_begins_on_the_stack_of_the_callback_that_is_waited_for() {
        let mark = 0u8;
        let here = (&raw const mark).addr();
        let busy = |here| may_call(here).is_err_and(|error| error.kind == ErrorKind::Busy);
        may_call(here).unwrap();
        let mut room = Room::new(16 << 10);
        room.check().unwrap();
        {
            let _within = callback();
            let at = CALLBACK.get();
            may_call(at - 1).unwrap();
            assert!(busy(at) && busy(at - (1 << 40)), "it began before; it is elsewhere");
        }
        {
            // As if on a stack of the program's own.
            let at = here - (1 << 40);
            let _within = Callback::begin(at);
            may_call(at - CALLBACKS + 1).unwrap();
            assert!(busy(here) && busy(at + 1) && busy(at - CALLBACKS));
            assert!(room.check().is_err_and(|error| error.kind == ErrorKind::Busy));
            {
                let _waits = waiting(16 << 10);
                let other = here - (2 << 40);
                let _inner = Callback::begin(other);
                may_call(other - CALLBACKS).unwrap();
                assert!(busy(at - 1) && busy(other - fiber(16 << 10)));
            }
            may_call(at - 1).unwrap();
        }
        room.check().unwrap();
    }
}
