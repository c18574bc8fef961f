//! The host side of the contract, one for both paths: what `buffer`, `mutable-buffer`,
//! `flow-context` and `buffer-allocator` of `wit/torvyn-streaming/types.wit` do.

use std::sync::Arc;
use std::time::Instant;

use super::ComponentId;
use super::buffer::{self, Buffer};
use super::held::{self, FREE_HANDLES, Held, TYPE_ROOM};
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
    #[error("values that are passed at once would take up more than {} MiB", .0 >> 20)]
    TooManyValues(usize),
    #[error("names of ports that take up more than {0} bytes")]
    PortNames(usize),
    #[error("the component would make the host hold {0} bytes for it, its limit is {1} (raise `buffer_limit`)")]
    HeldTooMuch(u64, u64),
    #[error("the system has no memory for {0} bytes that the host would hold for the component")]
    NoMemory(usize),
}

/// The most files, sockets and streams of WASI that an instance has, whatever its limit of handles: a
/// file or socket takes one of the process's descriptors.
pub const MOST_STREAMS: u32 = 1024;

/// The longest name of a capability: it was given in a text of C, with a word before it.
pub const MAX_NAME: usize = super::MAX_BUFFER + 32;

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
#[derive(Debug)]
pub struct Handles {
    entries: Vec<Entry>,
    free: u32,
    live: u32,
    max: u32,
    /// So many handles are counted for in `held`; never more than `max`.
    counted: u32,
    /// Standard streams, which do not count among `live`.
    streams: u32,
    held: Arc<Held>,
    /// What leaves with the outputs that the running call gave, and is still in `held`.
    leaving: u64,
    /// What the content types of their metas count for.
    metas: u64,
}

type Checked<T> = std::result::Result<T, Breach>;

impl Handles {
    /// A table for at most `max` handles and `max_held` bytes of the host's memory. It holds [`PAYLOAD`] and
    /// [`CONTEXT`], which do not count.
    pub fn new(max: u32, max_held: u64) -> Self {
        let entry = |kind| Entry { kind, next: 0, buffer: None };
        let entries = [Kind::Free, Kind::Payload, Kind::Context].map(entry).into();
        let counted = max.min(FREE_HANDLES);
        Self {
            entries,
            free: 0,
            live: 0,
            max,
            counted,
            streams: 0,
            held: Arc::new(Held::new(max_held)),
            leaving: 0,
            metas: 0,
        }
    }

    /// What the host holds for the guest.
    #[inline]
    pub fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// Number of entries in use, but for streams.
    pub fn live(&self) -> u32 {
        self.live
    }

    /// Checks that there may be one more, and makes room for it.
    #[inline]
    fn ready(&mut self) -> Checked<()> {
        if self.live >= self.counted {
            self.count_more()?;
        }
        self.room()
    }

    /// Counts more handles; for good, as the tables do not shrink.
    #[cold]
    fn count_more(&mut self) -> Checked<()> {
        if self.live >= self.max {
            return Err(Breach::TooManyHandles(self.max));
        }
        let more = FREE_HANDLES.min(self.max - self.counted);
        self.held.check(held::handles(more))?;
        self.held.add(held::handles(more));
        self.counted += more;
        Ok(())
    }

    /// Makes room for an entry.
    #[inline]
    fn room(&mut self) -> Checked<()> {
        if self.free == 0 { held::one_more(&mut self.entries) } else { Ok(()) }
    }

    /// A handle for which the table is [`ready`](Self::ready).
    #[inline]
    fn insert(&mut self, kind: Kind, buffer: Option<Box<Buffer>>) -> u32 {
        self.live += 1;
        self.place(kind, buffer)
    }

    /// An entry for which there is [`room`](Self::room).
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
            _ => {
                self.entries.push(Entry { kind, next: 0, buffer });
                (self.entries.len() - 1) as u32
            }
        }
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
            self.held.sub(buffer.held());
            buffer::release(buffer);
        }
        Ok(())
    }

    /// A handle of a standard stream.
    pub fn open_stdio(&mut self, stdio: Stdio) -> Checked<u32> {
        if self.streams >= self.max.min(MOST_STREAMS) {
            return Err(Breach::TooManyStreams);
        }
        self.room()?;
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

    /// Checks that there is room for the content type of an output's meta.
    #[inline]
    pub fn check_meta(&self, len: usize) -> Checked<()> {
        match held::content_type(len) {
            0 if self.metas == 0 => Ok(()),
            more => self.held.check(self.metas + more),
        }
    }

    /// Takes an output's buffer out of the table: it is the host's now. Its meta's content type was
    /// checked.
    #[inline]
    pub fn take_output(&mut self, index: u32, meta_type: &str) -> Checked<Box<Buffer>> {
        if self.get(index)?.kind != Kind::Frozen {
            return Err(Breach::WrongType(index, "buffer"));
        }
        let mut buffer = self.remove(index).ok_or(Breach::UnknownHandle(index))?;
        self.leaving += buffer.held();
        buffer.set_meta_type(meta_type)?;
        self.metas += held::content_type(meta_type.len());
        Ok(buffer)
    }

    /// The outputs that were taken leave: they are the caller's, or nobody's where one of them failed.
    #[inline]
    pub fn let_go(&mut self) {
        if self.metas != 0 {
            self.held.reached(self.held.now() + std::mem::take(&mut self.metas));
        }
        self.held.sub(std::mem::take(&mut self.leaving));
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

    /// Whether a content type of `len` bytes may be set; `loan` says how long it may be.
    #[inline]
    pub fn check_content_type(&mut self, index: u32, len: usize, loan: &Loan) -> Checked<()> {
        let before = held::content_type(self.mutable(index)?.content_type.len());
        loan.check_content_type(len)?;
        self.held.check(held::content_type(len).saturating_sub(before))
    }

    /// `[method]mutable-buffer.set-content-type`; `loan` says how long it may be.
    #[inline]
    pub fn set_content_type(&mut self, index: u32, content_type: &[u8], loan: &Loan) -> Checked<()> {
        let buffer = self.mutable(index)?;
        // The common one, which counts for nothing.
        if content_type.len() <= TYPE_ROOM && buffer.content_type.len() <= TYPE_ROOM {
            return buffer.set_content_type(std::str::from_utf8(content_type).map_err(|_| Breach::BadUtf8)?);
        }
        self.set_long_content_type(index, content_type, loan)
    }

    #[cold]
    fn set_long_content_type(&mut self, index: u32, content_type: &[u8], loan: &Loan) -> Checked<()> {
        self.check_content_type(index, content_type.len(), loan)?;
        let content_type = std::str::from_utf8(content_type).map_err(|_| Breach::BadUtf8)?;
        let buffer = self.mutable(index)?;
        let before = buffer.held();
        let set = buffer.set_content_type(content_type);
        let now = buffer.held();
        self.held.sub(before);
        self.held.add(now);
        set
    }

    /// `[method]mutable-buffer.freeze`: the content moves into a new handle, uncopied.
    #[inline]
    pub fn freeze(&mut self, index: u32) -> Checked<u32> {
        self.mutable(index)?;
        self.ready()?;
        let entry = &mut self.entries[index as usize];
        entry.kind = Kind::Spent;
        let buffer = entry.buffer.take();
        Ok(self.insert(Kind::Frozen, buffer))
    }

    /// `buffer-allocator.allocate`. Refused, never trapped, where a limit is reached.
    #[inline]
    pub fn allocate(&mut self, hint: u64) -> Result<u32, BufferError> {
        const TOO_LARGE: BufferError = BufferError::AllocationFailed("a buffer holds 16 MiB at most");
        const NO_MEMORY: BufferError = BufferError::AllocationFailed("the host has no memory for it");
        let size = buffer::Size::of(hint).ok_or(TOO_LARGE)?;
        const TOO_MUCH: BufferError = BufferError::AllocationFailed("the instance's limit of buffer memory is reached");
        self.ready().map_err(|breach| match breach {
            Breach::TooManyHandles(_) => BufferError::AllocationFailed("the instance's limit of handles is reached"),
            Breach::HeldTooMuch(..) => TOO_MUCH,
            _ => NO_MEMORY,
        })?;
        if !self.held.has_room(size.capacity()) {
            return Err(TOO_MUCH);
        }
        let buffer = buffer::take(size).map_err(|_| NO_MEMORY)?;
        self.held.add(size.capacity());
        Ok(self.insert(Kind::Mutable, Some(buffer)))
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

    fn take(&mut self, stdio: Stdio, bytes: &[u8], goes_on: impl FnMut() -> bool) {
        let (lines, level) = match stdio {
            Stdio::Err => (&mut self.err, Level::Warn),
            Stdio::In | Stdio::Out => (&mut self.out, Level::Info),
        };
        lines.take(bytes, |line| self.engine.log(level, Some(self.id), None, line), goes_on);
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
    /// What [`Host::check_time`] found to end the running call: however the call ends then, this is
    /// why.
    pub stopped: Option<Stop>,
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

    /// `buffer-allocator.clone-into-mutable`: the handle, and how many bytes were copied.
    pub fn clone_into_mutable(&mut self, source: u32) -> Checked<Result<(u32, usize), BufferError>> {
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
        Ok(Ok((new, len)))
    }

    /// Checks that `index` is a flow context that the guest may ask.
    #[inline]
    pub fn flow(&self, index: u32) -> Checked<&Loan> {
        if self.handles.get(index)?.kind != Kind::Context {
            return Err(Breach::WrongType(index, "flow-context"));
        }
        Ok(&self.loan)
    }

    /// Takes what a guest prints on the direct path: a line of the log for each line, each of which
    /// may take the program some time.
    pub fn print(&mut self, stdio: Stdio, bytes: &[u8]) -> Result<(), Stop> {
        let Self { printed, term, clock, control, .. } = self;
        printed.take(stdio, bytes, || term.stop(clock, control).is_none());
        self.check_time()
    }

    /// What ends the running call, where that is due: for host functions, of which a guest may call
    /// many without a look at the time between them, and which may take long.
    #[inline]
    pub fn check_time(&mut self) -> Result<(), Stop> {
        match self.term.stop(&self.clock, &self.control) {
            None => Ok(()),
            Some(stop) => {
                self.stopped = Some(stop);
                Err(stop)
            }
        }
    }

    /// `capability-query.has-capability`: what was granted when linking. The name may be as long as
    /// the guest's memory.
    pub fn has_capability(&mut self, name: &[u8]) -> wasmtime::Result<bool> {
        if name.len() <= MAX_NAME {
            return Ok(self.grants.has(std::str::from_utf8(name).map_err(|_| Breach::BadUtf8)?));
        }
        // Nothing is granted that is called so; but it has to be a text.
        let mut rest = name;
        while !rest.is_empty() {
            self.check_time()?;
            rest = &rest[held::leading_text(rest, MAX_NAME)?.len()..];
        }
        Ok(false)
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
mod tests;
