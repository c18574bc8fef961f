//! The modules that Wasmtime makes to pass values between the components within one.

use wasmtime_environ::ModuleTranslation;
use wasmtime_environ::wasmparser::Operator;

/// Whether a function of an adapter calls itself. One passes the values of one type, and calls another
/// for the types within it where a function would get too long; for a type that is too long by itself
/// (an enum of more than 1000 cases, a list of a fixed length beyond that) it calls its like, on and on.
pub(super) fn endless(adapter: &ModuleTranslation<'_>) -> bool {
    adapter.function_body_inputs.iter().any(|(index, input)| {
        let own = adapter.module.func_index(index).as_u32();
        let calls_itself = |op| matches!(op, Ok(Operator::Call { function_index }) if function_index == own);
        input.body.get_operators_reader().is_ok_and(|ops| ops.into_iter().any(calls_itself))
    })
}
