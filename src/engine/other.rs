//! Calls of exported functions outside of the contract, with values of any type.

use super::control::State;
use super::fault;
use super::instance::{ComponentInstance, Running};
use super::term::Term;
use super::value::Value;
use crate::contract::host::Breach;
use crate::contract::{Function, Role, names};
use crate::error::{Error, ErrorKind, Result};
use crate::general::values::Seen;

/// Why a call was refused before the guest ran.
#[derive(Debug)]
pub enum NoCall {
    /// No such export.
    Absent(String),
    /// An argument is not of its parameter's type.
    Unfit(String),
    /// An argument is no value of any type.
    Wrong(Box<Error>),
    /// Its arguments took too long, or with them the component would hold too many resources, or the host too
    /// much memory.
    Stopped(wasmtime::Error),
}

impl From<Breach> for NoCall {
    fn from(breach: Breach) -> Self {
        Self::Stopped(breach.into())
    }
}

impl ComponentInstance {
    /// Calls `function` of the exported `interface`; of the component itself where that is "".
    /// `read` reads its `count` arguments; gives what `take` makes of its result, where it has one. The caller
    /// has begun a call.
    pub fn call_other<R>(
        &mut self,
        interface: &str,
        function: &str,
        count: usize,
        read: impl FnOnce(&Seen) -> std::result::Result<Vec<Value>, NoCall>,
        take: impl FnOnce(Option<Value>) -> wasmtime::Result<R>,
    ) -> Result<R> {
        let name = if interface.is_empty() { function.to_owned() } else { format!("{interface}#{function}") };
        let refuse = |this: &Self, kind, reason: String| {
            if kind != ErrorKind::Argument {
                this.control.counters.refused.add(1); // that one is counted by who began the call
            }
            Err(Error::new(kind, format!("{name}: {reason}")).at(this.id, None))
        };
        if Role::ALL.into_iter().any(|role| names::matches(interface, role.interface())) {
            let reason = "the contract's functions have calls of their own, which keep the instance's state";
            return refuse(self, ErrorKind::Argument, reason.into());
        }
        if !matches!(self.control.state(), State::New | State::Ready) {
            let reason = format!("called in state {}; reset the instance", self.control.state().name());
            return refuse(self, ErrorKind::State, reason);
        }
        // Arguments are read on this stack.
        if let Err(error) = self.room.check() {
            return refuse(self, error.kind, error.message);
        }
        let Running::General(running) = &mut self.running else {
            let reason = "the instance does not run on the general path, the only one that has other functions than \
                the contract's (see torvyn_linked_path())";
            return refuse(self, ErrorKind::Unsupported, reason.into());
        };
        let host = running.store.data_mut();
        let term = match host.clock.begin() {
            Ok(tick) => Term::new(tick, self.timeout_ticks),
            Err(error) => return refuse(self, error.kind, error.message),
        };
        host.term = term;
        // Before the budgets: a call that is refused is none, and leaves a cancel to the next.
        let call = match running.prepare(interface, function, count, read) {
            Ok(call) => call,
            Err(NoCall::Absent(reason)) => return refuse(self, ErrorKind::NotExported, reason),
            Err(NoCall::Unfit(reason)) => return refuse(self, ErrorKind::TypeMismatch, reason),
            Err(NoCall::Wrong(error)) => return Err(error),
            Err(NoCall::Stopped(error)) => {
                let Error { kind, message, .. } = *fault::stopped(&error);
                let counters = &self.control.counters;
                let reason = match kind {
                    ErrorKind::Cancelled => {
                        self.control.spend_cancel();
                        counters.cancels.add(1);
                        "cancelled before it began; the instance is as it was".into()
                    }
                    ErrorKind::Deadline => {
                        counters.deadlines.add(1);
                        "the deadline passed while its arguments were read; the instance is as it was".into()
                    }
                    _ => format!("{message}; nothing ran"),
                };
                return refuse(self, kind, reason);
            }
        };
        // The books are kept by function of the contract; an error about this call names its own.
        let anonymous = |mut error: Box<Error>| {
            error.function = None;
            error.message = format!("{name}: {}", error.message);
            error
        };
        let armed = self.budget(Function::Process, 0);
        let Running::General(running) = &mut self.running else {
            return refuse(self, ErrorKind::Internal, "the instance is gone".into());
        };
        if let Err(error) = armed {
            running.take_back(call);
            return Err(anonymous(error));
        }
        running.store.data_mut().term = term; // which began with the arguments
        let outcome = running.call_other(call, take);
        self.settle(None, outcome).map_err(anonymous)
    }
}
