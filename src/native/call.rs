//! What a native function has of the library while it runs: where its outputs go, the text of its
//! verdict, and whether it should stop.

use std::cell::Cell;
use std::sync::Arc;

use super::Answer;
use crate::contract::buffer::{self, Buffer, Size};
use crate::contract::held;
use crate::contract::host::Breach;
use crate::contract::ports::Ports;
use crate::contract::{Function, OutputElement, ProcessError};
use crate::engine::clock::Clock;
use crate::engine::control::Control;
use crate::engine::fault::{Fault, Misanswer, Outcome, Stop};
use crate::engine::term::Term;
use crate::error::{Error, ErrorKind, Result};

/// The running call of one instance, and what it has made so far. Between calls it refuses all.
#[derive(Debug)]
pub struct Call {
    control: Arc<Control>,
    clock: Arc<Clock>,
    /// The time that the call has; what a look at it finds out is kept, for it may be lost later.
    term: Cell<Term>,
    /// None between calls.
    function: Option<Function>,
    /// The output under way, and how much of its end is room that was not committed.
    output: Option<Box<Buffer>>,
    room: usize,
    /// Outputs that are whole.
    emitted: Vec<OutputElement>,
    max_outputs: usize,
    /// What all of them hold: capacity in bytes, and what their content types take beside.
    held: u64,
    max_held: u64,
    /// Where the element goes.
    ports: Ports,
    /// The text of a verdict.
    text: String,
}

/// An answer that the function does not have.
#[cold]
pub(super) fn misanswer(what: String) -> Fault {
    Fault::Stopped(Misanswer(what).into())
}

#[cold]
fn no_memory(breach: Breach) -> Box<Error> {
    refused(ErrorKind::Memory, breach.to_string())
}

#[cold]
fn refused(kind: ErrorKind, message: impl Into<String>) -> Box<Error> {
    Error::new(kind, message)
}

impl Call {
    /// For an instance whose outputs may be `max_outputs` and hold `max_held` bytes at once.
    pub fn new(control: Arc<Control>, clock: Arc<Clock>, max_outputs: u32, max_held: u64) -> Self {
        Self {
            control,
            clock,
            term: Cell::new(Term::new(0, 0)),
            function: None,
            output: None,
            room: 0,
            emitted: Vec::new(),
            max_outputs: max_outputs as usize,
            held: 0,
            max_held,
            ports: Ports::default(),
            text: String::new(),
        }
    }

    /// Gives the call that begins `ticks`, or what an element's flow has left. Fails as
    /// [`Clock::begin`].
    #[inline]
    pub fn arm(&mut self, ticks: u64, flow_ns: u64) -> Result<()> {
        let flow = if flow_ns == 0 { ticks } else { self.clock.ticks_for(flow_ns) };
        self.term = Cell::new(Term::new(self.clock.begin()?, ticks.min(flow)));
        Ok(())
    }

    #[inline]
    pub(super) fn open(&mut self, function: Function) {
        self.function = Some(function);
        self.ports.clear();
        self.text.clear();
    }

    /// Ends the call: its answer, unless it is a verdict, or none, or comes too late.
    #[inline]
    pub(super) fn close(&mut self, answer: Answer) -> Outcome<Answer> {
        self.function = None;
        self.room = 0;
        if let Some(output) = self.output.take() {
            self.held -= output.capacity() as u64;
            buffer::release(output);
        }
        match (self.stop(), answer) {
            (None, Answer::Done | Answer::NoElement | Answer::NothingEmitted) => Ok(answer),
            (stop, answer) => Err(self.give_up(stop, answer)),
        }
    }

    #[cold]
    fn give_up(&mut self, stop: Option<Stop>, answer: Answer) -> Fault {
        self.discard();
        match (stop, answer) {
            (Some(stop), _) => Fault::Stopped(stop.into()),
            (None, Answer::Verdict(kind)) => Fault::Guest(ProcessError { kind, text: std::mem::take(&mut self.text) }),
            (None, answer) => Self::none_of_its_answers(answer),
        }
    }

    /// For an answer that the function does not have.
    #[cold]
    pub(super) fn none_of_its_answers(answer: Answer) -> Fault {
        misanswer(match answer {
            Answer::Other(number, "") => format!("the native function answered {number}, which is no status"),
            Answer::Other(_, name) => format!("the native function answered {name}, which is none of its answers"),
            Answer::NoElement => "the native function answered TORVYN_NO_ELEMENT, which is none of its answers".into(),
            Answer::NothingEmitted => {
                "the native function answered TORVYN_NOTHING_EMITTED, which is none of its answers".into()
            }
            _ => "the native function's answer is none of its answers".into(),
        })
    }

    /// Releases what was emitted.
    pub(super) fn discard(&mut self) {
        self.held = 0;
        self.emitted.drain(..).for_each(|output| buffer::release(output.payload));
    }

    /// What was emitted by a function that emits one output.
    #[inline]
    pub(super) fn one(&mut self) -> Outcome<OutputElement> {
        self.held = 0;
        let none = || misanswer("the native function answered TORVYN_OK, but emitted no output".into());
        self.emitted.pop().ok_or_else(none)
    }

    /// Checks that nothing was emitted.
    #[inline]
    pub(super) fn none(&mut self) -> Outcome<()> {
        if self.emitted.is_empty() {
            return Ok(());
        }
        self.discard();
        Err(misanswer("the native function emitted an output, but did not answer TORVYN_OK".into()))
    }

    /// All that was emitted.
    pub(super) fn all(&mut self) -> Vec<OutputElement> {
        self.held = 0;
        std::mem::take(&mut self.emitted)
    }

    /// Names of the ports that the latest call routed to.
    #[inline]
    pub(super) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The same.
    pub(super) fn ports_mut(&mut self) -> &mut Ports {
        &mut self.ports
    }

    /// Why the running call should end: the caller gave up on it.
    #[inline]
    fn stop(&self) -> Option<Stop> {
        let mut term = self.term.get();
        let stop = term.stop(&self.clock, &self.control);
        self.term.set(term);
        stop
    }

    /// Whether what the function still does is in vain: it was cancelled, its time is up, or it has
    /// returned.
    #[inline]
    pub fn should_stop(&self) -> bool {
        self.function.is_none() || self.stop().is_some()
    }

    /// Sets the text of the verdict that the function is about to answer: what of it is not UTF-8 is
    /// replaced, and what the system has no memory for is left out.
    pub fn fail(&mut self, text: &[u8]) {
        self.text.clear();
        held::append_lossy(&mut self.text, text);
    }

    #[inline]
    fn running(&self) -> Result<Function> {
        let ended = || refused(ErrorKind::State, "the function has returned: `call` is good only while it runs");
        self.function.ok_or_else(ended)
    }

    /// The output under way with room for `more` bytes at its end.
    #[inline]
    fn with_room(&mut self, more: usize) -> Result<&mut Buffer> {
        self.running()?;
        let size = match &mut self.output {
            Some(output) => {
                // Room that was not committed ends here.
                let size = output.bytes().len() - std::mem::take(&mut self.room);
                output.truncate(size);
                size
            }
            None => 0,
        };
        let fits = self.output.as_ref().is_some_and(|output| more <= output.capacity() - size);
        if !fits {
            self.enlarge(size.saturating_add(more))?;
        }
        self.output.as_deref_mut().ok_or_else(|| refused(ErrorKind::Internal, "the output is gone"))
    }

    /// Gives the output under way a buffer that can hold `size` bytes.
    fn enlarge(&mut self, size: usize) -> Result<()> {
        let too_large = || refused(ErrorKind::Memory, format!("an output of {size} bytes is larger than 16 MiB"));
        let class = Size::of(size as u64).ok_or_else(too_large)?;
        let freed = self.output.as_ref().map_or(0, |output| output.capacity() as u64);
        let held = self.held - freed + class.capacity();
        self.check_held(held)?;
        let mut larger = buffer::take(class).map_err(no_memory)?;
        if let Some(output) = self.output.take() {
            let fits = larger.append(output.bytes());
            debug_assert!(fits);
            buffer::release(output);
        }
        self.holds(held);
        self.output = Some(larger);
        Ok(())
    }

    fn check_held(&self, held: u64) -> Result<()> {
        if held <= self.max_held {
            return Ok(());
        }
        let message = format!("the outputs would hold {held} bytes, the instance's limit is {}", self.max_held);
        Err(refused(ErrorKind::Memory, format!("{message} (raise `buffer_limit`)")))
    }

    fn holds(&mut self, held: u64) {
        self.held = held;
        self.control.counters.buffer_bytes_peak.raise(held);
    }

    /// Adds a copy of `bytes` to the output under way. Fails with `State` or `Memory`.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let fits = self.with_room(bytes.len())?.append(bytes);
        debug_assert!(fits);
        self.control.counters.bytes_out.add(bytes.len() as u64);
        Ok(())
    }

    /// Zeroed room for `len` bytes at the end of the output under way, good until the next use of
    /// `self`; [`Call::commit`] makes it content. Fails with `State` or `Memory`.
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<&mut [u8]> {
        self.with_room(len)?;
        self.room = len;
        let output = self.output.as_deref_mut();
        Ok(output.map_or(&mut [][..], |output| output.lengthen(len)))
    }

    /// Makes the first `len` bytes of the room content. Fails with `State`, or with `Argument` where
    /// there is less room.
    #[inline]
    pub fn commit(&mut self, len: usize) -> Result<()> {
        self.running()?;
        let room = self.room;
        match &mut self.output {
            Some(output) if len <= room => {
                let size = output.bytes().len() - room + len;
                output.truncate(size);
                self.room = 0;
                Ok(())
            }
            _ if len == 0 => Ok(()),
            _ => Err(refused(ErrorKind::Argument, format!("`len`: {len} is more than the {room} bytes reserved"))),
        }
    }

    /// Ends the output under way, an empty one where nothing was written. Fails with `State` where
    /// the function may emit none, or no more, with `Memory`.
    #[inline]
    pub fn emit(&mut self, sequence: u64, timestamp_ns: u64, content_type: &str) -> Result<()> {
        let function = self.running()?;
        let most = match function {
            Function::Pull | Function::Process | Function::Ingest => 1,
            Function::Flush => self.max_outputs,
            _ => 0,
        };
        if self.emitted.len() >= most {
            return Err(self.too_many(function, most));
        }
        let payload = self.with_room(0)?;
        // It is the buffer's and the meta's.
        payload.set_content_type(content_type).and_then(|()| payload.set_meta_type(content_type)).map_err(no_memory)?;
        let held = self.held + 2 * held::content_type(content_type.len());
        self.check_held(held)?;
        held::one_more(&mut self.emitted).map_err(no_memory)?;
        if let Some(payload) = self.output.take() {
            self.holds(held);
            self.emitted.push(OutputElement { sequence, timestamp_ns, payload });
        }
        Ok(())
    }

    #[cold]
    fn too_many(&self, function: Function, most: usize) -> Box<Error> {
        let name = function.name();
        match most {
            0 => refused(ErrorKind::State, format!("{name} has no output to emit")),
            1 => refused(ErrorKind::State, format!("{name} emits one output, and has emitted it")),
            _ => refused(ErrorKind::Memory, format!("{most} outputs are the most (raise `max_handles`)")),
        }
    }

    /// Adds a port to those that the element goes to. Fails with `State` where the function is not
    /// `route`.
    #[inline]
    pub fn route_to(&mut self, port: &str) -> Result<()> {
        let function = self.running()?;
        if function != Function::Route {
            return Err(refused(ErrorKind::State, format!("{} has no ports to route to", function.name())));
        }
        self.ports.push(port).map_err(no_memory)
    }
}
