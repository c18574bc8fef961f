//! The modules that Wasmtime makes to pass values between the components within one.

use wasmtime_environ::component::TypeResourceTableIndex;
use wasmtime_environ::wasmparser::Operator;
use wasmtime_environ::{EntityIndex, ModuleTranslation};

/// The operators of each function of a module, with the function's index.
fn functions<'a>(adapter: &'a ModuleTranslation<'_>) -> impl Iterator<Item = (u32, Vec<Operator<'a>>)> {
    adapter.function_body_inputs.iter().map(|(index, input)| {
        let operators =
            input.body.get_operators_reader().map(|reader| reader.into_iter().map_while(Result::ok).collect());
        (adapter.module.func_index(index).as_u32(), operators.unwrap_or_default())
    })
}

/// Whether a function of an adapter calls itself. One passes the values of one type, and calls another
/// for the types within it where a function would get too long; for a type that is too long by itself
/// (an enum of more than 1000 cases, a list of a fixed length beyond that) it calls its like, on and on.
pub(super) fn endless(adapter: &ModuleTranslation<'_>) -> bool {
    functions(adapter).any(|(own, operators)| {
        let calls_itself =
            |op: &Operator<'_>| matches!(op, Operator::Call { function_index } if *function_index == own);
        operators.iter().any(calls_itself)
    })
}

/// The resource tables that an adapter passes handles between: constants, right before the call that
/// does it.
pub(super) fn tables(adapter: &ModuleTranslation<'_>) -> Vec<TypeResourceTableIndex> {
    let transfers: Vec<_> = adapter
        .module
        .imports()
        .filter_map(|(module, name, _)| Some((module, name)))
        .zip(adapter.module.initializers.iter())
        .filter(|((module, name), _)| *module == "resource" && name.starts_with("transfer-"))
        .filter_map(|(_, initializer)| match initializer {
            wasmtime_environ::Initializer::Import { index: EntityIndex::Function(index), .. } => Some(index.as_u32()),
            _ => None,
        })
        .collect();
    let mut tables = Vec::new();
    for (_, operators) in functions(adapter) {
        for ops in operators.windows(3) {
            if let [
                Operator::I32Const { value: from },
                Operator::I32Const { value: to },
                Operator::Call { function_index },
            ] = ops
                && transfers.contains(function_index)
            {
                tables.extend([from, to].map(|table| TypeResourceTableIndex::from_u32(table.cast_unsigned())));
            }
        }
    }
    tables
}
