//! Instances of native components, and the calls.

use super::call::{Call, misanswer};
use super::{Answer, NativeStage};
use crate::contract::ports::Ports;
use crate::contract::{BackpressureSignal, Function, OutputElement, ProcessResult, StreamElement};
use crate::engine::fault::Outcome;

/// A running instance.
#[derive(Debug)]
pub struct Running {
    /// What the running call has of the library.
    pub call: Call,
    stage: Box<dyn NativeStage>,
}

impl Running {
    /// Runs `stage`.
    pub fn new(stage: Box<dyn NativeStage>, call: Call) -> Self {
        Self { call, stage }
    }

    /// Names of the ports that the latest `route` gave.
    pub fn ports(&self) -> &Ports {
        self.call.ports()
    }

    /// The same.
    pub fn ports_mut(&mut self) -> &mut Ports {
        self.call.ports_mut()
    }

    #[inline]
    fn run<R>(
        &mut self,
        function: Function,
        work: impl FnOnce(&mut dyn NativeStage, &mut Call) -> (Answer, R),
    ) -> Outcome<(Answer, R)> {
        self.call.open(function);
        let (answer, result) = work(&mut *self.stage, &mut self.call);
        self.call.close(answer).map(|answer| (answer, result))
    }

    /// A function whose one answer is that it is done.
    #[inline]
    fn done<R>(
        &mut self,
        function: Function,
        work: impl FnOnce(&mut dyn NativeStage, &mut Call) -> (Answer, R),
    ) -> Outcome<R> {
        match self.run(function, work)? {
            (Answer::Done, result) => Ok(result),
            (other, _) => Err(Call::none_of_its_answers(other)),
        }
    }

    /// A function that has one output, or answers `nothing`.
    #[inline]
    fn output(
        &mut self,
        function: Function,
        nothing: Answer,
        work: impl FnOnce(&mut dyn NativeStage, &mut Call) -> Answer,
    ) -> Outcome<Option<OutputElement>> {
        match self.run(function, |stage, call| (work(stage, call), ()))? {
            (Answer::Done, ()) => self.call.one().map(Some),
            (answer, ()) if answer == nothing => self.call.none().map(|()| None),
            (other, ()) => {
                self.call.discard();
                Err(Call::none_of_its_answers(other))
            }
        }
    }

    /// See `ComponentInvoker::invoke_init`, and so on for the rest.
    pub fn init(&mut self, config: &str) -> Outcome<()> {
        self.done(Function::Init, |stage, call| (stage.init(call, config), ()))
    }

    /// `teardown`.
    pub fn teardown(&mut self) -> Outcome<()> {
        self.done(Function::Teardown, |stage, call| (stage.teardown(call), ()))
    }

    /// `pull`.
    #[inline]
    pub fn pull(&mut self) -> Outcome<Option<OutputElement>> {
        self.output(Function::Pull, Answer::NoElement, |stage, call| stage.pull(call))
    }

    /// `notify-backpressure`.
    pub fn notify_backpressure(&mut self, signal: BackpressureSignal) -> Outcome<()> {
        self.done(Function::NotifyBackpressure, |stage, call| (stage.notify_backpressure(call, signal), ()))
    }

    /// `process`.
    #[inline]
    pub fn process(&mut self, element: &StreamElement<'_>) -> Outcome<ProcessResult> {
        let work = |stage: &mut dyn NativeStage, call: &mut Call| stage.process(call, element);
        let output = self.output(Function::Process, Answer::NothingEmitted, work)?;
        Ok(output.map_or(ProcessResult::Drop, ProcessResult::Emit))
    }

    /// `push`.
    #[inline]
    pub fn push(&mut self, element: &StreamElement<'_>) -> Outcome<BackpressureSignal> {
        let signal = self.done(Function::Push, |stage, call| stage.push(call, element))?;
        signal.ok_or_else(|| misanswer("the native function set `signal` to what is no torvyn_signal_t".into()))
    }

    /// `complete`.
    pub fn complete(&mut self) -> Outcome<()> {
        self.done(Function::Complete, |stage, call| (stage.complete(call), ()))
    }

    /// `evaluate`.
    #[inline]
    pub fn evaluate(&mut self, element: &StreamElement<'_>) -> Outcome<bool> {
        self.done(Function::Evaluate, |stage, call| stage.evaluate(call, element))
    }

    /// `route`: [`Running::ports`] gives the names.
    #[inline]
    pub fn route(&mut self, element: &StreamElement<'_>) -> Outcome<()> {
        self.done(Function::Route, |stage, call| (stage.route(call, element), ()))
    }

    /// `ingest`.
    #[inline]
    pub fn ingest(&mut self, element: &StreamElement<'_>) -> Outcome<Option<OutputElement>> {
        self.output(Function::Ingest, Answer::NothingEmitted, |stage, call| stage.ingest(call, element))
    }

    /// `flush`.
    pub fn flush(&mut self) -> Outcome<Vec<OutputElement>> {
        match self.run(Function::Flush, |stage, call| (stage.flush(call), ()))? {
            (Answer::Done, ()) => Ok(self.call.all()),
            (other, ()) => {
                self.call.discard();
                Err(Call::none_of_its_answers(other))
            }
        }
    }
}
