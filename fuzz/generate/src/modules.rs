//! wasm-smith's core modules and components, in a component with a role.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, ValType};

use crate::generated::{Call, LIFE, SAYS, TYPES, hex};
use crate::rare;
use crate::types::{Core, cores};

/// A module's features, and how much of each thing it has.
fn config(u: &mut Unstructured<'_>, off: bool) -> Result<wasm_smith::Config> {
    let memories = if rare(u, 3)? { 3 } else { 1 };
    let mut config = wasm_smith::Config {
        allow_start_export: rare(u, 4)?,
        canonicalize_nans: true,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        export_everything: true,
        gc_enabled: false,
        max_data_segments: 4,
        max_element_segments: 4,
        max_funcs: 12,
        max_imports: 0,
        max_instructions: *u.choose(&[20, 100, 400])?,
        max_memories: memories,
        max_memory32_bytes: 40 << 16,
        max_memory64_bytes: 40 << 16,
        max_table_elements: 5000,
        max_tables: 3,
        memory64_enabled: rare(u, 4)?,
        min_exports: 1,
        min_funcs: 1,
        // `externref` is refused, and what has it is of no use.
        reference_types_enabled: rare(u, 4)?,
        relaxed_simd_enabled: rare(u, 4)?,
        simd_enabled: rare(u, 2)?,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..wasm_smith::Config::default()
    };
    if off {
        // What the library refuses.
        match u.int_in_range(0..=5)? {
            0 => config.threads_enabled = true,
            1 => config.exceptions_enabled = true,
            2 => config.gc_enabled = true,
            3 => config.wide_arithmetic_enabled = true,
            4 => config.custom_page_sizes_enabled = true,
            _ => config.shared_everything_threads_enabled = true,
        }
    }
    Ok(config)
}

/// The functions that a module exports and whose types are known.
fn functions(wasm: &[u8]) -> wasmparser::Result<Vec<(String, FuncType)>> {
    let (mut types, mut functions, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group?.types().map(|ty| match &ty.composite_type.inner {
                        CompositeInnerType::Func(f) if ty.is_final && ty.supertype_idx.is_none() => Some(f.clone()),
                        _ => None,
                    }));
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    functions.push(ty?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let ty = functions.get(export.index as usize).and_then(|ty| types.get(*ty as usize)?.clone());
                    if let (ExternalKind::Func, Some(ty)) = (export.kind, ty) {
                        found.push((export.name.to_owned(), ty));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The types, where they are numbers'.
fn numbers(types: &[ValType]) -> Option<Vec<Core>> {
    let number = |ty: &ValType| match ty {
        ValType::I32 => Some(Core::I32),
        ValType::I64 => Some(Core::I64),
        ValType::F32 => Some(Core::F32),
        ValType::F64 => Some(Core::F64),
        _ => None,
    };
    types.iter().map(number).collect()
}

/// The type that a number has in `g:g/g`, and its `torvyn_kind_t`.
fn crosses(core: Core) -> (&'static str, u8) {
    match core {
        Core::I32 => ("u32", 7),
        Core::I64 => ("s64", 8),
        Core::F32 => ("f32", 10),
        Core::F64 => ("f64", 11),
    }
}

/// A number for a parameter, by its bits.
fn number(core: Core, u: &mut Unstructured<'_>) -> Result<u64> {
    let bits = match u.int_in_range(0..=3)? {
        0 => u64::from(u.arbitrary::<u8>()?),
        1 => *u.choose(&[0, u64::MAX, 1 << 31, 1 << 63, 65535, 65536, 0x7fff_ffff])?,
        _ => u.arbitrary()?,
    };
    Ok(match core {
        Core::I32 | Core::F32 => bits & u64::from(u32::MAX),
        Core::I64 | Core::F64 => bits,
    })
}

/// `component` in binary, with `wasm` in place of the empty module or component that `empty` is.
fn with(component: &str, empty: &[u8], id: u8, wasm: &[u8]) -> Vec<u8> {
    let encoded = wat::parse_str(component).unwrap_or_else(|e| panic!("{e}\n{component}"));
    let section = [&[id, empty.len() as u8], empty].concat();
    let at = encoded.windows(section.len()).position(|window| window == section).expect("the empty one");
    let mut bytes = encoded[..at].to_vec();
    bytes.push(id);
    let mut len = wasm.len();
    loop {
        let more = if len >= 128 { 128 } else { 0 };
        bytes.push((len % 128) as u8 | more);
        len /= 128;
        if len == 0 {
            break;
        }
    }
    bytes.extend(wasm);
    bytes.extend(&encoded[at + section.len()..]);
    bytes
}

/// A core module in a component: one that calls the module's functions in `init` and says a hash of their results,
/// on either path, or one that exports them in `g:g/g`.
pub fn component(by_name: bool, off: bool, u: &mut Unstructured<'_>) -> Result<(Vec<u8>, Vec<Call>)> {
    let wasm = wasm_smith::Module::new(config(u, off)?, u)?.to_bytes();
    let most = if by_name { (16, 1) } else { (100, 8) };
    let of_numbers = |(name, ty): (String, FuncType)| Some((name, numbers(ty.params())?, numbers(ty.results())?));
    let mut functions: Vec<_> = functions(&wasm).unwrap_or_default().into_iter().filter_map(of_numbers).collect();
    functions.retain(|(_, params, results)| params.len() <= most.0 && results.len() <= most.1);
    functions.truncate(20);
    let mut text = format!("(component\n{TYPES}  (core module)\n  (core instance $s (instantiate 0))\n");
    let (mut imports, mut bodies) = (String::new(), String::new());
    let (mut lifts, mut names, mut calls) = (String::new(), String::new(), Vec::new());
    let mut order = Vec::new();
    if !functions.is_empty() {
        for _ in 0..u.int_in_range(1..=8)? {
            order.push(u.int_in_range(0..=functions.len() - 1)?);
        }
    }
    if by_name {
        for (n, (name, params, results)) in functions.iter().enumerate() {
            let params = params.iter().enumerate().map(|(i, ty)| format!(" (param \"p{i}\" {})", crosses(*ty).0));
            let result = results.first().map_or(String::new(), |ty| format!(" (result {})", crosses(*ty).0));
            let (params, name) = (params.collect::<String>(), hex(name.as_bytes()));
            let _ = writeln!(lifts, "  (func $x{n}{params}{result} (canon lift (core func $s \"{name}\")))");
            let _ = write!(names, " (export \"x{n}\" (func $x{n}))");
        }
        for n in order {
            let mut call = Call::new(&format!("x{n}"));
            for (i, ty) in functions[n].1.iter().enumerate() {
                call.kinds[i] = crosses(*ty).1;
                call.args[i] = number(*ty, u)?;
                call.count += 1;
            }
            calls.push(call);
        }
        if !functions.is_empty() {
            let _ = writeln!(lifts, "  (instance $g{names})\n  (export \"g:g/g\" (instance $g))");
        }
    } else {
        for (n, (name, params, results)) in functions.iter().enumerate() {
            let (name, params, results) = (hex(name.as_bytes()), cores(params), cores(results));
            let _ = writeln!(imports, "    (import \"s\" \"{name}\" (func $x{n} (param{params}) (result{results})))");
        }
        for n in order {
            let (_, params, results) = &functions[n];
            for param in params {
                let _ = write!(bodies, " {}", param.constant(number(*param, u)?));
            }
            let _ = write!(bodies, " call $x{n}");
            for result in results.iter().rev() {
                let _ = write!(bodies, " {}", result.mix());
            }
            bodies += "\n";
        }
    }
    let _ = writeln!(
        text,
        "  (core module $libc
    (memory (export \"memory\") 1)
    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024))
  (core instance $libc (instantiate $libc))
  (core module $m\n{imports}    (import \"libc\" \"memory\" (memory 1))\n{SAYS}
    (func (export \"init\") (param i32 i32) (result i32) {bodies} call $said)
    (func (export \"teardown\")))
  (core instance $i (instantiate $m (with \"s\" (instance $s)) (with \"libc\" (instance $libc))))\n{LIFE}{lifts})"
    );
    Ok((with(&text, b"\0asm\x01\0\0\0", 1, &wasm), calls))
}

/// A component of wasm-smith's within one that has a role; instantiated, where it imports nothing that matters.
pub fn nested(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let config = wasm_smith::Config {
        exceptions_enabled: false,
        gc_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        compact_imports_enabled: false,
        max_imports: if rare(u, 2)? { 10 } else { 0 },
        max_memory32_bytes: 40 << 16,
        max_table_elements: 5000,
        max_instructions: 30,
        ..wasm_smith::Config::default()
    };
    let instantiated = !rare(u, 2)?;
    let wasm = wasm_smith::Component::new(config, u)?.to_bytes();
    let instance = if instantiated { "  (instance $n (instantiate 0))\n" } else { "" };
    let text = format!(
        "(component\n{TYPES}  (component)\n{instance}  (core module $libc
    (memory (export \"memory\") 1)
    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export \"init\") (param i32 i32) (result i32) i32.const 0)
    (func (export \"teardown\")))
  (core instance $libc (instantiate $libc))
  (core instance $i (instantiate $libc))\n{LIFE})"
    );
    Ok(with(&text, b"\0asm\x0d\0\x01\0", 4, &wasm))
}
