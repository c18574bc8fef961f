//! Calls of exported functions outside of the contract, with values of any type.

use super::control::State;
use super::instance::{ComponentInstance, Running};
use super::value::Value;
use crate::contract::host::Breach;
use crate::contract::{Function, Role, names};
use crate::error::{Error, ErrorKind, Result};

/// Why a call was refused before the guest ran.
#[derive(Debug)]
pub enum NoCall {
    /// No such export.
    Absent(String),
    /// An argument is not of its parameter's type.
    Unfit(String),
    /// With its arguments the component would hold too many resources, or the host too much memory.
    TooMuch(Breach),
}

impl ComponentInstance {
    /// Calls `function` of the exported `interface`; of the component itself where that is "".
    /// Gives what `take` makes of its result, where it has one. The caller has begun a call.
    pub fn call_other<R>(
        &mut self,
        interface: &str,
        function: &str,
        args: Vec<Value>,
        take: impl FnOnce(Option<Value>) -> wasmtime::Result<R>,
    ) -> Result<R> {
        let name = if interface.is_empty() { function.to_owned() } else { format!("{interface}#{function}") };
        let refuse = |this: &Self, kind, reason: String| {
            this.control.counters.refused.add(1);
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
        let Running::General(running) = &mut self.running else {
            let reason = "the instance does not run on the general path, the only one that has other functions than \
                the contract's (see torvyn_linked_path())";
            return refuse(self, ErrorKind::Unsupported, reason.into());
        };
        // Before the budgets: a call that is refused is none, and leaves a cancel to the next.
        let call = match running.prepare(interface, function, args) {
            Ok(call) => call,
            Err(NoCall::Absent(reason)) => return refuse(self, ErrorKind::NotExported, reason),
            Err(NoCall::Unfit(reason)) => return refuse(self, ErrorKind::TypeMismatch, reason),
            Err(NoCall::TooMuch(breach)) => return refuse(self, ErrorKind::Memory, format!("{breach}; nothing ran")),
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
        let outcome = running.call_other(call, take);
        self.settle(None, outcome).map_err(anonymous)
    }
}
