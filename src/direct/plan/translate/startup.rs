//! What modules do before their start functions. Wasmtime compiles code for each item of it, all in
//! one function, and keeps images of what is known beforehand, as long as what lies between is.

use wasmtime_environ::{
    ConstExpr, ConstOp, MemoryInit, Module, ModuleTranslation, TableInitialValue, TableSegment, TableSegmentElements,
};

/// The most items that one module may set by code: each takes some KiB while it is compiled.
const ITEMS: u64 = 1 << 16;
/// So many of them a data segment counts for.
const SEGMENT: u64 = 4;

/// The most bytes of images of a component's modules.
const IMAGES: u64 = 256 << 20;
/// What an element of a table takes while its image is made.
const ELEMENT: u64 = 16;

/// Tables with more elements have no image; memories where more lies between the first byte that is set
/// and the last, and less than half of it is set, have none.
const LONGEST_TABLE: u64 = 1 << 20;
const LONGEST_MEMORY: u64 = 16 << 20;

/// What of modules is too much to be compiled: a clause that follows "the component"; none where
/// nothing is.
pub(super) fn too_much<'m, 'd: 'm>(modules: impl Iterator<Item = &'m ModuleTranslation<'d>>) -> Option<String> {
    let mut images = 0u64;
    for module in modules {
        let (mut items, mut image) = (globals(module), 0);
        for (more, bytes) in [tables(module), memories(module)] {
            items += more;
            image += bytes;
        }
        if items > ITEMS {
            let what = "globals, elements of tables and data segments that code has to set when it is instantiated";
            return Some(format!("has a module with more than {ITEMS} {what}"));
        }
        images = images.saturating_add(image);
    }
    let what = "with what lies between";
    (images > IMAGES)
        .then(|| format!("has memories and tables whose first contents come to more than {IMAGES} bytes, {what}"))
}

fn cost(expr: &ConstExpr) -> u64 {
    expr.ops().len() as u64
}

fn globals(module: &ModuleTranslation<'_>) -> u64 {
    module.global_initializers.iter().map(|(_, expr)| cost(expr)).sum()
}

fn elements(elements: &TableSegmentElements) -> u64 {
    match elements {
        TableSegmentElements::Functions(functions) => functions.len() as u64,
        TableSegmentElements::Expressions { exprs, .. } => exprs.iter().map(cost).sum(),
    }
}

fn constant(expr: &ConstExpr) -> Option<u64> {
    match *expr.ops() {
        [ConstOp::I32Const(at)] => Some(at.cast_unsigned().into()),
        [ConstOp::I64Const(at)] => Some(at.cast_unsigned()),
        _ => None,
    }
}

/// Items, and bytes of images. As Wasmtime's `try_func_table_init`.
fn tables(module: &ModuleTranslation<'_>) -> (u64, u64) {
    let (translation, module) = (module, &module.module);
    let init = &translation.table_initialization;
    let mut items = translation.passive_elements.values().map(elements).sum();
    let mut images = vec![0; init.initial_values.len()];
    let mut filled = vec![false; init.initial_values.len()];
    let own = module.tables.values().skip(module.num_imported_tables);
    for (at, ((_, value), table)) in init.initial_values.iter().zip(own).enumerate() {
        let TableInitialValue::Expr(expr) = value else { continue };
        match expr.ops() {
            [ConstOp::RefFunc(_)] if table.limits.min <= LONGEST_TABLE => images[at] = table.limits.min,
            _ => {
                filled[at] = true;
                items += cost(expr);
            }
        }
    }
    let mut known = true;
    for segment in init.segments.iter() {
        let end = known.then(|| known_end(module, segment)).flatten();
        match (module.defined_table_index(segment.table_index), end) {
            (Some(table), Some(end)) if !filled[table.as_u32() as usize] => {
                let image = &mut images[table.as_u32() as usize];
                *image = end.max(*image);
            }
            // What is behind it is set after it.
            _ => {
                known = false;
                items += elements(&segment.elements) + cost(&segment.offset);
            }
        }
    }
    (items, images.into_iter().sum::<u64>() * ELEMENT)
}

/// Where a segment ends that is a part of an image.
fn known_end(module: &Module, segment: &TableSegment) -> Option<u64> {
    let end = constant(&segment.offset)?.checked_add(segment.elements.len())?;
    let least = module.tables[segment.table_index].limits.min;
    let functions = matches!(segment.elements, TableSegmentElements::Functions(_));
    (functions && end <= least && end <= LONGEST_TABLE).then_some(end)
}

/// Items, and bytes of images. As Wasmtime's `try_static_init`.
fn memories(module: &ModuleTranslation<'_>) -> (u64, u64) {
    let MemoryInit::Unprocessed(segments) = &module.memory_init else { return (0, 0) };
    match images(module) {
        Some(bytes) => (0, bytes),
        None => (segments.iter().map(|segment| SEGMENT + cost(&segment.offset)).sum(), 0),
    }
}

/// Bytes of the images of a module's memories; none where they are set by code.
fn images(module: &ModuleTranslation<'_>) -> Option<u64> {
    let MemoryInit::Unprocessed(segments) = &module.memory_init else { return None };
    // Of each the first byte, the end and the bytes that are set.
    let mut spans = vec![(u64::MAX, 0, 0); module.module.memories.len()];
    for segment in segments {
        module.module.defined_memory_index(segment.memory_index)?;
        let (start, len) = (constant(&segment.offset)?, segment.data.len() as u64);
        let end = start.checked_add(len)?;
        let memory = &module.module.memories[segment.memory_index];
        if end > memory.minimum_byte_size().unwrap_or(0) {
            return None;
        }
        if len > 0 {
            let (first, last, set) = &mut spans[segment.memory_index.as_u32() as usize];
            (*first, *last, *set) = (start.min(*first), end.max(*last), *set + len);
        }
    }
    spans.into_iter().filter(|(.., set)| *set > 0).try_fold(0u64, |sum, (first, last, set)| {
        let span = last - first;
        (span <= LONGEST_MEMORY || span / 2 <= set).then(|| sum.saturating_add(span))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::EngineConfig;
    use crate::engine::features;

    /// What is too much of a component of `count` modules with these fields.
    fn refused(count: usize, fields: &str) -> Option<String> {
        let wasm = wat::parse_str(format!("(component {})", format!("(core module {fields})").repeat(count))).unwrap();
        super::super::analyse(&wasm, features::compiled(&EngineConfig::default())).unwrap().too_much
    }

    #[test]
    fn what_code_has_to_set() {
        let most = ITEMS as usize;
        let cases: [(&str, &str, &str, usize); 9] = [
            ("(import \"\" \"t\" (table 1 funcref)) (func $f) (elem (i32.const 0) func", " $f", ")", most - 1),
            ("(func $f) (elem func", " $f", ")", most),
            ("(table 1 funcref) (func $f) (elem (i32.const 0) funcref", " (ref.func $f)", ")", most - 1),
            ("(func $f) (table 1 funcref) (elem (i32.const 0) func", " $f", ")", most - 1), // out of bounds
            ("(func $f) (export \"f\" (func $f))", " (global funcref (ref.func $f))", "", most),
            ("(global i32 (i32.const 0)", " (i32.const 1) (i32.add)", ")", (most - 1) / 2),
            ("(import \"\" \"m\" (memory 1))", " (data (i32.const 0) \"\")", "", most / (SEGMENT as usize + 1)),
            ("(memory 1)", " (data (i32.const 65537) \"\")", "", most / (SEGMENT as usize + 1)),
            ("(memory 512) (data (i32.const 0x1ffffff) \"a\")", " (data (i32.const 0) \"a\")", "", most / 5 - 1),
        ];
        for (before, each, after, most) in cases {
            let fields = |count: usize| format!("{before}{}{after}", each.repeat(count));
            assert_eq!(refused(1, &fields(most)), None, "{before}");
            assert!(refused(1, &fields(most + 1)).unwrap().contains("elements of tables"), "{before}");
        }
        // What there are images of is set by no code.
        let known = format!("(func $f) (table 70000 funcref) (elem (i32.const 0) func{})", " $f".repeat(70_000));
        assert_eq!(refused(1, &known), None);
        assert_eq!(refused(1, &format!("(memory 1) {}", "(data (i32.const 0) \"a\")".repeat(70_000))), None);
    }

    #[test]
    fn images() {
        let table = "(func $f) (table 1048576 funcref) (elem (i32.const 1048575) func $f)";
        let filled = "(func $f) (table 1048576 (ref null func) (ref.func $f)) (export \"f\" (func $f))";
        let memory = "(memory 256) (data (i32.const 0) \"a\") (data (i32.const 16777215) \"a\")";
        for fields in [table, filled, memory] {
            assert_eq!(refused(16, fields), None, "{fields}");
            assert!(refused(17, fields).unwrap().contains("first contents"), "{fields}");
        }
        // Of what is longer none is made.
        assert_eq!(refused(40, &memory.replace("16777215", "16777216").replace("256", "257")), None);
        assert_eq!(refused(40, &filled.replace("1048576", "1048577")), None);
    }
}
