//! The host side of the contract, one for both paths: what `buffer`, `mutable-buffer`,
//! `flow-context` and `buffer-allocator` of `wit/torvyn-streaming/types.wit` do.

use std::sync::Arc;
use std::time::Instant;

use super::ComponentId;
use super::buffer::{self, Buffer};
use super::lent::Loan;
use crate::direct::wasi::{Stdio, WasiResource};
use crate::engine::Engine;
use crate::engine::clock::Clock;
use crate::engine::control::Control;
use crate::engine::fault::Stop;
use crate::engine::grants::Grants;
use crate::engine::limits::Limits;
use crate::engine::log::{Level, Lines};
use crate::engine::term::Term;

/// A breach of the canonical ABI or of a resource's rules: the guest is trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each says itself
pub enum Breach {
    #[error("unknown handle index {0}")]
    UnknownHandle(u32),
    #[error("handle index {0} used with the wrong type, expected {1}")]
    WrongType(u32, &'static str),
    #[error("handle index {0} was frozen and is valid only for being dropped")]
    Frozen(u32),
    #[error("borrow handles still remain at the end of the call: the component must drop `payload` and `context`")]
    BorrowsRemain,
    #[error("cannot leave component instance: an import was called from realloc or post-return")]
    CannotLeave,
    #[error("pointer out of bounds of memory")]
    OutOfBounds,
    #[error("pointer not aligned")]
    Unaligned,
    #[error("string is not valid UTF-8")]
    BadUtf8,
    #[error("string is not valid UTF-16")]
    BadUtf16,
    #[error("invalid variant discriminant")]
    BadDiscriminant,
    #[error("realloc return: beyond end of memory")]
    Realloc,
    #[error("the host has no randomness")]
    NoRandomness,
    #[error("the component holds {0} handles, its limit (raise `max_handles`)")]
    TooManyHandles(u32),
    #[error(
        "the component holds too many files, sockets and streams of WASI (raise `max_handles`, of which \
        {MOST_STREAMS} at most are for those)"
    )]
    TooManyStreams,
    #[error("a content type of {0} bytes: at most {1} may be given, or as many as the element's has")]
    ContentType(usize, usize),
    #[error("an error's text of {0} bytes: at most {1} may be given")]
    ErrorText(usize, usize),
    #[error("the component gave values that take up more than {} MiB at once", .0 >> 20)]
    TooManyValues(usize),
    #[error("the system has no memory for {0} bytes")]
    NoMemory(usize),
    #[error("names of ports that take up more than {0} bytes")]
    PortNames(usize),
}

/// The most files, sockets and streams of WASI that an instance has, whatever its limit of handles: a
/// file or socket takes one of the process's descriptors.
pub const MOST_STREAMS: u32 = 1024;

/// So many random bytes are made at once: they take a fraction of a millisecond.
pub const RANDOM_PIECE: usize = 64 << 10;

/// What a guest sees of a failed buffer operation (`buffer-error` in the WIT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in the WIT
pub enum BufferError {
    CapacityExceeded,
    OutOfBounds,
    AllocationFailed(&'static str),
}

/// What an entry of the table is. On the direct path its index is the guest's handle; on the
/// general path it is the representation behind Wasmtime's own handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Free,
    Mutable,
    Frozen,
    /// A mutable buffer after `freeze`: good for being dropped.
    Spent,
    /// `borrow<buffer>` of the element that the call lends.
    Payload,
    /// `borrow<flow-context>` of the element that the call lends.
    Context,
    /// A standard stream of WASI.
    Stdio(Stdio),
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// The next free entry, where this one is free.
    next: u32,
    /// There where `kind` is `Mutable` or `Frozen`.
    buffer: Option<Box<Buffer>>,
}

/// The entry of the `borrow<buffer>` that a call lends, the same in every call. Whether it is alive
/// the glue knows on the direct path, and Wasmtime on the general one.
pub const PAYLOAD: u32 = 1;
/// The same for the `borrow<flow-context>`.
pub const CONTEXT: u32 = 2;

/// A resource type of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // named as in the WIT
pub enum Resource {
    Buffer,
    MutableBuffer,
    FlowContext,
}

impl Resource {
    /// The name in the WIT.
    pub const fn name(self) -> &'static str {
        match self {
            Resource::Buffer => "buffer",
            Resource::MutableBuffer => "mutable-buffer",
            Resource::FlowContext => "flow-context",
        }
    }
}

/// The buffers and borrows that one instance holds.
///
/// Indices start at 1 and are reused last in, first out, as Wasmtime's tables do.
#[derive(Debug, Default)]
pub struct Handles {
    entries: Vec<Entry>,
    free: u32,
    live: u32,
    max: u32,
    /// Standard streams, which do not count among `live`.
    streams: u32,
    /// Capacity in bytes of the buffers that the guest holds.
    held: u64,
    /// The most that `held` was.
    peak: u64,
    max_held: u64,
}

type Checked<T> = std::result::Result<T, Breach>;

impl Handles {
    /// A table for at most `max` handles and `max_held` bytes of buffers. It holds [`PAYLOAD`] and
    /// [`CONTEXT`], which do not count.
    pub fn new(max: u32, max_held: u64) -> Self {
        let entry = |kind| Entry { kind, next: 0, buffer: None };
        let entries = [Kind::Free, Kind::Payload, Kind::Context].map(entry).into();
        Self { entries, free: 0, live: 0, max, streams: 0, held: 0, peak: 0, max_held }
    }

    /// Capacity in bytes of the buffers that the guest holds.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The most that [`Handles::held`] was.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Number of entries in use, but for streams.
    pub fn live(&self) -> u32 {
        self.live
    }

    #[inline]
    fn insert(&mut self, kind: Kind, buffer: Option<Box<Buffer>>) -> Checked<u32> {
        if self.live >= self.max {
            return Err(Breach::TooManyHandles(self.max));
        }
        self.live += 1;
        Ok(self.place(kind, buffer))
    }

    #[inline]
    fn place(&mut self, kind: Kind, buffer: Option<Box<Buffer>>) -> u32 {
        let index = self.free;
        match self.entries.get_mut(index as usize) {
            Some(entry) if index != 0 => {
                self.free = entry.next;
                entry.kind = kind;
                if buffer.is_some() {
                    entry.buffer = buffer;
                }
                index
            }
            _ => self.grow(kind, buffer),
        }
    }

    #[cold]
    fn grow(&mut self, kind: Kind, buffer: Option<Box<Buffer>>) -> u32 {
        self.entries.push(Entry { kind, next: 0, buffer });
        (self.entries.len() - 1) as u32
    }

    /// Frees an entry that is in use; gives the buffer that it held.
    #[inline]
    fn remove(&mut self, index: u32) -> Option<Box<Buffer>> {
        let entry = &mut self.entries[index as usize];
        match std::mem::replace(&mut entry.kind, Kind::Free) {
            Kind::Stdio(_) => self.streams -= 1,
            _ => self.live -= 1,
        }
        entry.next = std::mem::replace(&mut self.free, index);
        entry.buffer.take()
    }

    #[inline]
    fn get(&self, index: u32) -> Checked<&Entry> {
        match self.entries.get(index as usize) {
            Some(entry) if entry.kind != Kind::Free => Ok(entry),
            _ => Err(Breach::UnknownHandle(index)),
        }
    }

    #[inline]
    fn mutable(&mut self, index: u32) -> Checked<&mut Buffer> {
        match self.entries.get_mut(index as usize) {
            Some(Entry { kind: Kind::Mutable, buffer: Some(buffer), .. }) => Ok(buffer),
            None | Some(Entry { kind: Kind::Free, .. }) => Err(Breach::UnknownHandle(index)),
            Some(Entry { kind: Kind::Spent, .. }) => Err(Breach::Frozen(index)),
            Some(_) => Err(Breach::WrongType(index, "mutable-buffer")),
        }
    }

    /// `resource.drop`: ends a handle of type `ty`; an owned buffer goes back to its pool.
    #[inline]
    pub fn drop_handle(&mut self, index: u32, ty: Resource) -> Checked<()> {
        match (self.get(index)?.kind, ty) {
            (Kind::Mutable | Kind::Spent, Resource::MutableBuffer) | (Kind::Frozen, Resource::Buffer) => {}
            // The glue drops these where they are alive.
            (Kind::Payload, Resource::Buffer) | (Kind::Context, Resource::FlowContext) => {
                return Err(Breach::UnknownHandle(index));
            }
            _ => return Err(Breach::WrongType(index, ty.name())),
        }
        if let Some(buffer) = self.remove(index) {
            self.held -= buffer.capacity() as u64;
            buffer::release(buffer);
        }
        Ok(())
    }

    /// A handle of a standard stream.
    pub fn open_stdio(&mut self, stdio: Stdio) -> Checked<u32> {
        if self.streams >= self.max.min(MOST_STREAMS) {
            return Err(Breach::TooManyStreams);
        }
        self.streams += 1;
        Ok(self.place(Kind::Stdio(stdio), None))
    }

    /// Which standard stream a handle of type `ty` is.
    pub fn stdio(&self, index: u32, ty: WasiResource) -> Checked<Stdio> {
        match (self.get(index)?.kind, ty) {
            (Kind::Stdio(Stdio::In), WasiResource::Input) => Ok(Stdio::In),
            (Kind::Stdio(stdio @ (Stdio::Out | Stdio::Err)), WasiResource::Output) => Ok(stdio),
            _ => Err(Breach::WrongType(index, "stream")),
        }
    }

    /// `resource.drop` of a standard stream.
    pub fn drop_stdio(&mut self, index: u32, ty: WasiResource) -> Checked<()> {
        self.stdio(index, ty)?;
        self.remove(index);
        Ok(())
    }

    /// Takes an owned buffer out of the table: it is the host's now.
    #[inline]
    pub fn take_buffer(&mut self, index: u32) -> Checked<Box<Buffer>> {
        if self.get(index)?.kind != Kind::Frozen {
            return Err(Breach::WrongType(index, "buffer"));
        }
        let buffer = self.remove(index).ok_or(Breach::UnknownHandle(index))?;
        self.held -= buffer.capacity() as u64;
        Ok(buffer)
    }

    /// `[method]mutable-buffer.size`.
    pub fn mutable_size(&mut self, index: u32) -> Checked<u64> {
        Ok(self.mutable(index)?.bytes().len() as u64)
    }

    /// `[method]mutable-buffer.capacity`.
    pub fn mutable_capacity(&mut self, index: u32) -> Checked<u64> {
        Ok(self.mutable(index)?.capacity() as u64)
    }

    /// `[method]mutable-buffer.append`.
    #[inline]
    pub fn append(&mut self, index: u32, bytes: &[u8]) -> Checked<Result<(), BufferError>> {
        Ok(if self.mutable(index)?.append(bytes) { Ok(()) } else { Err(BufferError::CapacityExceeded) })
    }

    /// `[method]mutable-buffer.write`.
    pub fn write(&mut self, index: u32, offset: u64, bytes: &[u8]) -> Checked<Result<(), BufferError>> {
        let buffer = self.mutable(index)?;
        if offset > buffer.bytes().len() as u64 {
            return Ok(Err(BufferError::OutOfBounds));
        }
        Ok(if buffer.write(offset as usize, bytes) { Ok(()) } else { Err(BufferError::CapacityExceeded) })
    }

    /// `[method]mutable-buffer.set-content-type`; `loan` says how long it may be.
    #[inline]
    pub fn set_content_type(&mut self, index: u32, content_type: &str, loan: &Loan) -> Checked<()> {
        let own = &mut self.mutable(index)?.content_type;
        loan.check_content_type(content_type.len())?;
        own.clear();
        own.push_str(content_type);
        Ok(())
    }

    /// `[method]mutable-buffer.freeze`: the content moves into a new handle, uncopied.
    #[inline]
    pub fn freeze(&mut self, index: u32) -> Checked<u32> {
        self.mutable(index)?;
        if self.live >= self.max {
            return Err(Breach::TooManyHandles(self.max));
        }
        let entry = &mut self.entries[index as usize];
        entry.kind = Kind::Spent;
        let buffer = entry.buffer.take();
        self.insert(Kind::Frozen, buffer)
    }

    /// `buffer-allocator.allocate`. Refused, never trapped, where a limit is reached.
    #[inline]
    pub fn allocate(&mut self, hint: u64) -> Result<u32, BufferError> {
        let Some(capacity) = buffer::capacity_for(hint) else {
            return Err(BufferError::AllocationFailed("a buffer holds 16 MiB at most"));
        };
        if self.held + capacity as u64 > self.max_held {
            return Err(BufferError::AllocationFailed("the instance's limit of buffer memory is reached"));
        }
        if self.live >= self.max {
            return Err(BufferError::AllocationFailed("the instance's limit of handles is reached"));
        }
        let refused = BufferError::AllocationFailed("a buffer holds 16 MiB at most");
        let buffer = buffer::take(hint).ok_or(refused)?;
        self.held += capacity as u64;
        self.peak = self.peak.max(self.held);
        self.insert(Kind::Mutable, Some(buffer)).map_err(|_| refused)
    }
}

/// What a guest prints, on its way to the log.
#[derive(Debug)]
pub struct Printed {
    engine: Engine,
    id: ComponentId,
    out: Lines,
    err: Lines,
}

impl Printed {
    /// For the instance `id`.
    pub fn new(engine: &Engine, id: ComponentId) -> Self {
        Self { engine: engine.clone(), id, out: Lines::default(), err: Lines::default() }
    }

    fn take(&mut self, stdio: Stdio, bytes: &[u8]) {
        let (lines, level) = match stdio {
            Stdio::Err => (&mut self.err, Level::Warn),
            Stdio::In | Stdio::Out => (&mut self.out, Level::Info),
        };
        lines.take(bytes, |line| self.engine.log(level, Some(self.id), None, line));
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        self.out.end(|line| self.engine.log(Level::Info, Some(self.id), None, line));
        self.err.end(|line| self.engine.log(Level::Warn, Some(self.id), None, line));
    }
}

/// The state of one store: what host functions reach.
#[derive(Debug)]
pub struct Host {
    /// The element that the running call lends.
    pub loan: Loan,
    /// What the guest holds.
    pub handles: Handles,
    /// Linear memory, tables and instances.
    pub limits: Limits,
    /// Cancel, state and counters, shared with other threads.
    pub control: Arc<Control>,
    /// The engine's ticks.
    pub clock: Arc<Clock>,
    /// The time that the running call has.
    pub term: Term,
    /// Whether calls use fuel.
    pub fuel: bool,
    /// What the guest prints on the direct path.
    pub printed: Printed,
    /// When the instance was made: where its monotonic clock begins.
    pub born: Instant,
    /// What the direct path keeps.
    pub canon: crate::direct::canon::Canon,
    /// The caller's name for the instance.
    pub id: super::ComponentId,
    /// The resource types that the program defined, each with its number.
    pub resources: Vec<(wasmtime::component::ResourceType, u32)>,
    /// Which of the program's resources the component holds.
    pub given: crate::engine::given::Given,
    /// What was granted when linking.
    pub grants: Arc<Grants>,
    /// What the instance has of WASI.
    #[cfg(feature = "wasi")]
    pub wasi: Option<Box<crate::wasi::State>>,
}

impl Host {
    /// Content of the buffer behind `index`, owned or lent.
    #[inline]
    pub fn buffer_bytes(&self, index: u32) -> Checked<&[u8]> {
        Self::bytes_in(&self.loan, &self.handles, index)
    }

    /// The same with the two parts apart, so that others can be borrowed beside them.
    #[inline]
    pub fn bytes_in<'a>(loan: &'a Loan, handles: &'a Handles, index: u32) -> Checked<&'a [u8]> {
        match handles.get(index)? {
            Entry { kind: Kind::Payload, .. } => Ok(loan.payload()),
            Entry { kind: Kind::Frozen, buffer: Some(buffer), .. } => Ok(buffer.bytes()),
            _ => Err(Breach::WrongType(index, "buffer")),
        }
    }

    /// `[method]buffer.content-type`.
    #[inline]
    pub fn buffer_type(&self, index: u32) -> Checked<&str> {
        match self.handles.get(index)? {
            Entry { kind: Kind::Payload, .. } => Ok(self.loan.content_type()),
            Entry { kind: Kind::Frozen, buffer: Some(buffer), .. } => Ok(&buffer.content_type),
            _ => Err(Breach::WrongType(index, "buffer")),
        }
    }

    /// `buffer-allocator.clone-into-mutable`.
    pub fn clone_into_mutable(&mut self, source: u32) -> Checked<Result<u32, BufferError>> {
        let len = self.buffer_bytes(source)?.len();
        let new = match self.handles.allocate(len as u64) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused)),
        };
        // Out of the table while the source, which may lie in it, is read.
        let mut copy = self.handles.entries[new as usize].buffer.take();
        if let Some(copy) = &mut copy {
            let fits = copy.append(self.buffer_bytes(source)?);
            debug_assert!(fits);
        }
        self.handles.entries[new as usize].buffer = copy;
        Ok(Ok(new))
    }

    /// Checks that `index` is a flow context that the guest may ask.
    #[inline]
    pub fn flow(&self, index: u32) -> Checked<&Loan> {
        if self.handles.get(index)?.kind != Kind::Context {
            return Err(Breach::WrongType(index, "flow-context"));
        }
        Ok(&self.loan)
    }

    /// Takes what a guest prints on the direct path: a line of the log for each line.
    pub fn print(&mut self, stdio: Stdio, bytes: &[u8]) {
        self.printed.take(stdio, bytes);
    }

    /// What ends the running call, where that is due: for host functions that take long.
    pub fn check_time(&mut self) -> Result<(), Stop> {
        self.term.stop(&self.clock, &self.control).map_or(Ok(()), Err)
    }

    /// `capability-query.has-capability`: what was granted when linking.
    pub fn has_capability(&self, name: &str) -> bool {
        self.grants.has(name)
    }

    /// `[method]flow-context.deadline-ns`: what is left now, at least 1 while the call runs; 0
    /// where there is no deadline. As fine as the engine's ticks.
    pub fn deadline_left(&mut self) -> u64 {
        let given = self.loan.deadline_ns();
        if given == 0 {
            return 0;
        }
        let gone = self.term.gone(&self.clock).saturating_mul(self.clock.tick_ns());
        given.saturating_sub(gone).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max: u32, held: u64) -> Handles {
        Handles::new(max, held)
    }

    #[test]
    fn freeze_moves_and_leaves_a_handle_to_drop() {
        let mut t = table(10, 1 << 20);
        let m = t.allocate(10).unwrap();
        t.append(m, b"abc").unwrap().unwrap();
        let f = t.freeze(m).unwrap();
        assert_eq!(t.append(m, b"x"), Err(Breach::Frozen(m)));
        assert_eq!(t.freeze(m), Err(Breach::Frozen(m)));
        assert_eq!(t.drop_handle(m, Resource::Buffer), Err(Breach::WrongType(m, "buffer")));
        t.drop_handle(m, Resource::MutableBuffer).unwrap();
        assert_eq!(t.drop_handle(m, Resource::MutableBuffer), Err(Breach::UnknownHandle(m)));
        assert_eq!(t.held(), 4096);
        assert_eq!(t.take_buffer(f).unwrap().bytes(), b"abc");
        assert_eq!((t.held(), t.live()), (0, 0));
    }

    #[test]
    fn limits_refuse() {
        let mut t = table(2, 8192);
        let first = t.allocate(1).unwrap();
        assert!(matches!(t.allocate(5000), Err(BufferError::AllocationFailed(_))));
        t.allocate(1).unwrap();
        assert!(matches!(t.allocate(1), Err(BufferError::AllocationFailed(_))));
        assert_eq!(t.freeze(first), Err(Breach::TooManyHandles(2)));
        assert!(matches!(table(9, u64::MAX).allocate(1 << 25), Err(BufferError::AllocationFailed(_))));
    }

    #[test]
    fn what_is_lent_is_no_ones_own() {
        let mut t = table(10, 8192);
        assert_eq!(t.take_buffer(PAYLOAD).unwrap_err(), Breach::WrongType(PAYLOAD, "buffer"));
        assert_eq!(t.drop_handle(PAYLOAD, Resource::Buffer), Err(Breach::UnknownHandle(PAYLOAD)));
        assert_eq!(t.drop_handle(CONTEXT, Resource::Buffer), Err(Breach::WrongType(CONTEXT, "buffer")));
        assert_eq!(t.append(PAYLOAD, b"x"), Err(Breach::WrongType(PAYLOAD, "mutable-buffer")));
        assert_eq!(t.drop_handle(0, Resource::Buffer), Err(Breach::UnknownHandle(0)));
        let (a, b) = (t.allocate(1).unwrap(), t.allocate(1).unwrap());
        t.drop_handle(a, Resource::MutableBuffer).unwrap();
        t.drop_handle(b, Resource::MutableBuffer).unwrap();
        assert_eq!((t.allocate(1), t.allocate(1)), (Ok(b), Ok(a)), "last in, first out");
    }

    #[test]
    fn writes_follow_the_wit() {
        let mut t = table(10, 1 << 30);
        let m = t.allocate(16).unwrap();
        assert_eq!(t.write(m, 1, b"x").unwrap(), Err(BufferError::OutOfBounds));
        t.write(m, 0, b"hello").unwrap().unwrap();
        assert_eq!(t.write(m, 5, &[0; 4092]).unwrap(), Err(BufferError::CapacityExceeded));
        assert_eq!(t.append(m, &[0; 4092]).unwrap(), Err(BufferError::CapacityExceeded));
        assert_eq!((t.mutable_size(m), t.mutable_capacity(m)), (Ok(5), Ok(4096)));
    }
}
