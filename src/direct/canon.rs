//! The canonical ABI of the contract: how results lie in guest memory and how they are lifted.
//!
//! Section names are those of `CanonicalABI.md` in the component model's specification. Every
//! pointer is checked for alignment and bounds ("Loading"), every discriminant and string for
//! validity, every handle for its type ("lift_own").

use wasmtime::Memory;

use crate::contract::buffer::Buffer;
use crate::contract::held;
use crate::contract::host::{Breach, Handles, Host, Resource};
use crate::contract::lent::Loan;
use crate::contract::ports::Ports;
use crate::contract::{BackpressureSignal, Function, OutputElement, ProcessError, ProcessErrorKind};

/// Bytes that a string or list on its way into the guest is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing is on its way.
    #[default]
    None,
    /// A range of the buffer with this handle.
    Buffer(u32, usize, usize),
    /// The content type of the buffer with this handle.
    ContentType(u32),
    /// The lent content type, or the configuration, which is lent as a payload: a parameter of the call.
    Parameter,
    /// Of the lent flow.
    TraceId,
    /// Of the lent flow.
    SpanId,
    /// Of the lent flow.
    FlowId,
    /// Why an allocation was refused.
    Refusal(&'static str),
    /// A list without elements, whose place must be aligned to 4.
    Empty,
    /// So many random bytes.
    Random(usize),
}

/// A lifted result.
#[derive(Debug, Default)]
pub enum Lifted {
    /// Nothing yet, or nothing to lift.
    #[default]
    None,
    /// `ok` without a value.
    Done,
    /// `ok(signal)`.
    Signal(BackpressureSignal),
    /// `ok(bool)`.
    Verdict(bool),
    /// `ok(emit(_))`, `ok(some(_))`: in [`Canon::payload`] and the fields beside it.
    Element,
    /// `ok(drop)`, `ok(none)`.
    Nothing,
    /// `ok(list<string>)`: in [`Canon::ports`].
    Ports,
    /// `ok(list<output-element>)`.
    Elements(Vec<OutputElement>),
    /// `err(_)`.
    Error(ProcessError),
}

/// What the direct path keeps in its store.
#[derive(Debug)]
pub struct Canon {
    /// The memory that pointers point into.
    pub memory: Option<Memory>,
    /// What is on its way into the guest.
    pub source: Source,
    /// The running call.
    pub function: Function,
    /// Its result.
    pub lifted: Lifted,
    /// The lifted element's buffer.
    pub payload: Option<Box<Buffer>>,
    /// Its position in the flow.
    pub sequence: u64,
    /// Its time.
    pub timestamp_ns: u64,
    /// What `insecure-seed` said: the same each time.
    pub seed: Option<[u8; 16]>,
    /// Names that `route` gave, in storage that is reused.
    pub ports: Ports,
}

impl Default for Canon {
    fn default() -> Self {
        Self {
            memory: None,
            source: Source::None,
            function: Function::Init,
            lifted: Lifted::None,
            payload: None,
            sequence: 0,
            timestamp_ns: 0,
            seed: None,
            ports: Ports::default(),
        }
    }
}

type Checked<T> = Result<T, Breach>;

/// `len` bytes at `at`; bounds are checked.
#[inline]
pub fn slice(memory: &[u8], at: u32, len: u32) -> Checked<&[u8]> {
    let at = at as usize;
    memory.get(at..at + len as usize).ok_or(Breach::OutOfBounds)
}

/// The same to write to.
#[inline]
pub fn slice_mut(memory: &mut [u8], at: u32, len: u32) -> Checked<&mut [u8]> {
    let at = at as usize;
    memory.get_mut(at..at + len as usize).ok_or(Breach::OutOfBounds)
}

#[inline]
fn utf8(bytes: &[u8]) -> Checked<&str> {
    std::str::from_utf8(bytes).map_err(|_| Breach::BadUtf8)
}

/// A record of fixed size and alignment in guest memory, checked as a whole.
struct Record<'m>(&'m [u8]);

impl<'m> Record<'m> {
    #[inline]
    fn at(memory: &'m [u8], at: u32, size: u32, align: u32) -> Checked<Self> {
        if !at.is_multiple_of(align) {
            return Err(Breach::Unaligned);
        }
        Ok(Self(slice(memory, at, size)?))
    }

    #[inline]
    fn u8(&self, at: usize) -> u8 {
        self.0[at]
    }

    #[inline]
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    #[inline]
    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }
}

/// Size and alignment of `output-element`: meta (sequence 0, timestamp-ns 8, content-type 16),
/// payload 24.
const OUTPUT: (u32, u32) = (32, 8);

/// Lifts one; adds to `copied` what of it is copied.
fn output(
    memory: &[u8],
    loan: &Loan,
    handles: &mut Handles,
    record: &Record<'_>,
    base: usize,
    copied: &mut usize,
) -> Checked<OutputElement> {
    let content_type = slice(memory, record.u32(base + 16), record.u32(base + 20))?;
    loan.check_content_type(content_type.len())?;
    handles.check_meta(content_type.len())?;
    // Mostly the input's own, which is known to be UTF-8.
    let lent = loan.content_type();
    let content_type = if content_type == lent.as_bytes() { lent } else { utf8(content_type)? };
    *copied += content_type.len();
    let payload = handles.take_output(record.u32(base + 24), content_type)?;
    Ok(OutputElement { sequence: record.u64(base), timestamp_ns: record.u64(base + 8), payload })
}

/// `process-error` at `base`: discriminant 0, text 4. Adds to `copied` what of it is copied.
#[cold]
fn process_error(memory: &[u8], record: &Record<'_>, base: usize, copied: &mut usize) -> Checked<ProcessError> {
    let kind = match record.u8(base) {
        0 => ProcessErrorKind::InvalidInput,
        1 => ProcessErrorKind::Unavailable,
        2 => ProcessErrorKind::Internal,
        3 => return Ok(ProcessError { kind: ProcessErrorKind::DeadlineExceeded, text: String::new() }),
        4 => ProcessErrorKind::Fatal,
        _ => return Err(Breach::BadDiscriminant),
    };
    let text = slice(memory, record.u32(base + 4), record.u32(base + 8))?;
    ProcessError::check_text(text.len())?;
    *copied += text.len();
    Ok(ProcessError { kind, text: held::copy(utf8(text)?)? })
}

/// Ends the running call's borrow scope and lifts its result from `at` ("canon_lift"). `lent` is
/// not zero where a borrow is left; `gone` is a spent handle that the guest dropped, or 0. Gives the
/// number of bytes that were copied.
#[inline]
pub fn lift(memory: &[u8], host: &mut Host, at: u32, lent: u32, gone: u32) -> wasmtime::Result<usize> {
    if lent != 0 {
        return Err(Breach::BorrowsRemain.into());
    }
    if gone != 0 {
        host.handles.drop_handle(gone, Resource::MutableBuffer)?;
    }
    let mut copied = 0;
    host.canon.lifted = match host.canon.function {
        // result<variant, process-error>: discriminant 0, payload 8 (of the variant: discriminant
        // 8, payload 16); 48 bytes, alignment 8.
        Function::Process | Function::Pull | Function::Ingest => {
            let record = Record::at(memory, at, 48, 8)?;
            // `emit` is case 0 and `drop` case 1; `none` is case 0 and `some` case 1.
            let element = if host.canon.function == Function::Process { 0 } else { 1 };
            match (record.u8(0), record.u8(8)) {
                (0, case) if case == element => {
                    let output = output(memory, &host.loan, &mut host.handles, &record, 16, &mut copied);
                    host.handles.let_go();
                    let output = output?;
                    (host.canon.sequence, host.canon.timestamp_ns) = (output.sequence, output.timestamp_ns);
                    host.canon.payload = Some(output.payload);
                    Lifted::Element
                }
                (0, case) if case == 1 - element => Lifted::Nothing,
                (1, _) => Lifted::Error(process_error(memory, &record, 8, &mut copied)?),
                _ => return Err(Breach::BadDiscriminant.into()),
            }
        }
        // result<T, process-error> with T of 4 bytes' alignment or less: discriminant 0, payload
        // 4; 16 bytes, alignment 4.
        Function::Teardown | Function::NotifyBackpressure => Lifted::None,
        function => {
            let record = Record::at(memory, at, 16, 4)?;
            match (record.u8(0), function) {
                (0, Function::Push) => Lifted::Signal(match record.u8(4) {
                    0 => BackpressureSignal::Ready,
                    1 => BackpressureSignal::Pause,
                    _ => return Err(Breach::BadDiscriminant.into()),
                }),
                (0, Function::Evaluate) => Lifted::Verdict(record.u8(4) != 0),
                (0, Function::Route) => ports(memory, host, &record, &mut copied)?,
                (0, Function::Flush) => elements(memory, host, &record, &mut copied)?,
                (0, _) => Lifted::Done,
                (1, _) => Lifted::Error(process_error(memory, &record, 4, &mut copied)?),
                _ => return Err(Breach::BadDiscriminant.into()),
            }
        }
    };
    Ok(copied)
}

/// After so many names the time is looked at.
const SOME_NAMES: usize = 4096;

/// `list<string>` at 4: each 8 bytes, alignment 4.
fn ports(memory: &[u8], host: &mut Host, record: &Record<'_>, copied: &mut usize) -> wasmtime::Result<Lifted> {
    let (at, count) = (record.u32(4), record.u32(8));
    let size = count.checked_mul(8).ok_or(Breach::OutOfBounds)?;
    let list = Record::at(memory, at, size, 4)?;
    host.canon.ports.clear();
    host.canon.ports.check(host.handles.held(), count as usize, 0)?;
    for i in 0..count as usize {
        if i % SOME_NAMES == SOME_NAMES - 1 {
            host.check_time()?;
        }
        let (ports, held) = (&mut host.canon.ports, host.handles.held());
        let name = slice(memory, list.u32(i * 8), list.u32(i * 8 + 4))?;
        ports.check(held, 1, name.len())?;
        ports.push(utf8(name)?)?;
    }
    let (names, bytes) = host.canon.ports.size();
    host.handles.held().set_ports(names, bytes);
    *copied += bytes;
    Ok(Lifted::Ports)
}

/// `list<output-element>` at 4. Each has a handle of its own, so that a list that names more than
/// there are ends at the first which is none.
fn elements(memory: &[u8], host: &mut Host, record: &Record<'_>, copied: &mut usize) -> wasmtime::Result<Lifted> {
    let (at, count) = (record.u32(4), record.u32(8));
    let size = count.checked_mul(OUTPUT.0).ok_or(Breach::OutOfBounds)?;
    let list = Record::at(memory, at, size, OUTPUT.1)?;
    let mut elements = Vec::new();
    let lifted = (0..count as usize).try_for_each(|i| {
        host.check_time()?;
        let base = i * OUTPUT.0 as usize;
        let element = output(memory, &host.loan, &mut host.handles, &list, base, copied)?;
        Ok(held::push(&mut elements, element)?)
    });
    host.handles.let_go();
    lifted.map(|()| Lifted::Elements(elements))
}
