//! Native stages: components whose functions are the program's own. A third way in which a
//! component runs, beside `direct` and `general`: there is no guest and no store, but the roles,
//! states, deadlines, buffers and errors are the same.
//!
//! `ffi/native.rs` implements [`NativeComponent`] for tables of C callbacks, so that what is unsafe
//! about them stays there.

pub mod call;
pub mod run;

use std::fmt::Debug;
use std::sync::Arc;

use crate::contract::{BackpressureSignal, ComponentId, ProcessErrorKind, Roles, StreamElement};
use crate::error::Result;
use call::Call;

/// What a native function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; where the function has an output, it was emitted.
    Done,
    /// The source has no element.
    NoElement,
    /// The element was taken and nothing comes of it.
    NothingEmitted,
    /// The stage's own verdict; its text is what [`Call::fail`] was given.
    Verdict(ProcessErrorKind),
    /// What is no answer: a number, and the name of the status that it is.
    Other(i32, &'static str),
}

/// The program's functions, from which instances are made. Used from any thread, from several at
/// once.
pub trait NativeComponent: Send + Sync + Debug {
    /// The roles that it has.
    fn roles(&self) -> Roles;

    /// Makes an instance with a state of its own. Fails with `Instantiation`.
    fn instantiate(self: Arc<Self>, id: ComponentId) -> Result<Box<dyn NativeStage>>;
}

/// One instance. Its functions are those of the contract; what a role that it lacks would do is
/// never asked for.
#[allow(missing_docs)] // each is specified at its method of `ComponentInvoker`
pub trait NativeStage: Send + Debug {
    fn init(&mut self, call: &mut Call, config: &str) -> Answer;
    fn teardown(&mut self, call: &mut Call) -> Answer;
    fn pull(&mut self, call: &mut Call) -> Answer;
    fn notify_backpressure(&mut self, call: &mut Call, signal: BackpressureSignal) -> Answer;
    fn process(&mut self, call: &mut Call, element: &StreamElement<'_>) -> Answer;
    /// The signal is none where it is not one.
    fn push(&mut self, call: &mut Call, element: &StreamElement<'_>) -> (Answer, Option<BackpressureSignal>);
    fn complete(&mut self, call: &mut Call) -> Answer;
    fn evaluate(&mut self, call: &mut Call, element: &StreamElement<'_>) -> (Answer, bool);
    fn route(&mut self, call: &mut Call, element: &StreamElement<'_>) -> Answer;
    fn ingest(&mut self, call: &mut Call, element: &StreamElement<'_>) -> Answer;
    fn flush(&mut self, call: &mut Call) -> Answer;
}
