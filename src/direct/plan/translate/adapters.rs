//! The modules that Wasmtime makes to pass values between the components within one.

use wasmtime_environ::component::TypeResourceTableIndex;
use wasmtime_environ::wasmparser::Operator;
use wasmtime_environ::{EntityIndex, Initializer, ModuleTranslation};

/// The operators of each function of a module, with the function's index.
fn functions<'a>(adapter: &'a ModuleTranslation<'_>) -> impl Iterator<Item = (u32, Vec<Operator<'a>>)> {
    adapter.function_body_inputs.iter().map(|(index, input)| {
        let operators =
            input.body.get_operators_reader().map(|reader| reader.into_iter().map_while(Result::ok).collect());
        (adapter.module.func_index(index).as_u32(), operators.unwrap_or_default())
    })
}

/// What is said of a component with an adapter that is [`endless`].
pub(super) const ENDLESS: &str = "passes an enum of more than 1000 cases, a list of a fixed length of more than 1000, or \
    a variant, record or tuple of as many parts from one component in it to another, for which the code that Wasmtime \
    makes does not end";

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
        .zip(adapter.module.initializers.iter())
        .filter(|((module, name, _), _)| *module == "resource" && name.starts_with("transfer-"))
        .filter_map(|(_, initializer)| match initializer {
            Initializer::Import { index: EntityIndex::Function(index), .. } => Some(index.as_u32()),
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

#[cfg(test)]
mod tests {
    use wasmtime_environ::component::{ComponentTypesBuilder, Translator};
    use wasmtime_environ::{ScopeVec, Tunables};

    use super::*;
    use crate::engine::config::EngineConfig;
    use crate::engine::features;

    /// Of each adapter of a component whether it is endless, and how many tables it passes between.
    fn adapters(text: &str) -> Vec<(bool, usize)> {
        let wasm = wat::parse_str(text).unwrap();
        let features = features::compiled(&EngineConfig::default());
        let mut validator = wasmparser::Validator::new_with_features(features);
        let mut types = ComponentTypesBuilder::new(&validator);
        let (tunables, scope) = (Tunables::default_host(), ScopeVec::new());
        let translator = Translator::new(&tunables, &mut validator, &mut types, &scope);
        let (_, modules) = translator.translate(&wasm).unwrap();
        let own = wat_modules(text);
        modules.values().skip(own).map(|adapter| (endless(adapter), tables(adapter).len())).collect()
    }

    fn wat_modules(text: &str) -> usize {
        text.matches("(core module").count()
    }

    fn passing(params: &str) -> String {
        format!(
            r#"(component
              (component $owner (type $r (resource (rep i32))) (export $x "r" (type $r))
                (core module $m (memory (export "m") 1) (func (export "f") (param i32 i32))
                  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8)))
                (core instance $m (instantiate $m))
                (func (export "f") {params} (canon lift (core func $m "f")
                  (memory (core memory $m "m")) (realloc (core func $m "realloc")))))
              (component $user (import "r" (type $x (sub resource))) (import "f" (func $f {params}))
                (core module $l (memory (export "m") 1)) (core instance $l (instantiate $l))
                (core func $f (canon lower (func $f) (memory (core memory $l "m"))))
                (core module $m (import "" "f" (func (param i32 i32))))
                (core instance (instantiate $m (with "" (instance (export "f" (func $f)))))))
              (instance $owner (instantiate $owner))
              (instance (instantiate $user (with "r" (type $owner "r")) (with "f" (func $owner "f")))))"#
        )
    }

    #[test]
    fn the_tables_that_an_adapter_passes_handles_between() {
        assert_eq!(adapters(&passing("(param \"a\" u32) (param \"b\" u32)")), [(false, 0)]);
        assert_eq!(adapters(&passing("(param \"a\" (own $x)) (param \"b\" u32)")), [(false, 2)]);
        assert_eq!(adapters(&passing("(param \"a\" (own $x)) (param \"b\" (borrow $x))")), [(false, 4)]);
        assert_eq!(adapters(&passing("(param \"a\" (list (own $x)))")), [(false, 2)]);
    }

    #[test]
    fn adapters_that_call_themselves() {
        assert_eq!(adapters(&passing("(param \"a\" (list (list u8 1000)))")), [(false, 0)]);
        assert_eq!(adapters(&passing("(param \"a\" (list (list u8 1001)))")), [(true, 0)]);
    }
}
