//! wasm-smith's core modules and components, in a component with a role.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, ValType};

use crate::generated::{Call, LIFE, SAYS, TYPES, hex};
use crate::rare;

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

fn core(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        _ => "f64",
    }
}

fn is_number(ty: &ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
}

/// A number for a parameter, as text and as bits.
fn number(ty: ValType, u: &mut Unstructured<'_>) -> Result<(String, u64)> {
    let bits = match u.int_in_range(0..=3)? {
        0 => u64::from(u.arbitrary::<u8>()?),
        1 => *u.choose(&[0, u64::MAX, 1 << 31, 1 << 63, 65535, 65536, 0x7fff_ffff])?,
        _ => u.arbitrary()?,
    };
    Ok(match ty {
        ValType::I32 => (format!("(i32.const {})", bits as u32), u64::from(bits as u32)),
        ValType::I64 => (format!("(i64.const {bits})"), bits),
        ValType::F32 => (format!("(f32.reinterpret_i32 (i32.const {}))", bits as u32), u64::from(bits as u32)),
        _ => (format!("(f64.reinterpret_i64 (i64.const {bits}))"), bits),
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
    let mut functions = functions(&wasm).unwrap_or_default();
    functions.retain(|(_, ty)| {
        let most = if by_name { (16, 1) } else { (100, 8) };
        ty.params().iter().chain(ty.results()).all(is_number)
            && ty.params().len() <= most.0
            && ty.results().len() <= most.1
    });
    functions.truncate(20);
    let list = |types: &[ValType]| types.iter().map(|ty| format!(" {}", core(*ty))).collect::<String>();
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
        for (n, (name, ty)) in functions.iter().enumerate() {
            let wit = |ty: &ValType| match ty {
                ValType::I32 => "u32",
                ValType::I64 => "s64",
                ValType::F32 => "f32",
                _ => "f64",
            };
            let params = ty.params().iter().enumerate().map(|(i, ty)| format!(" (param \"p{i}\" {})", wit(ty)));
            let result = ty.results().first().map_or(String::new(), |ty| format!(" (result {})", wit(ty)));
            let (params, name) = (params.collect::<String>(), hex(name.as_bytes()));
            let _ = writeln!(lifts, "  (func $x{n}{params}{result} (canon lift (core func $s \"{name}\")))");
            let _ = write!(names, " (export \"x{n}\" (func $x{n}))");
        }
        for n in order {
            let mut call = Call::new(&format!("x{n}"));
            for (i, ty) in functions[n].1.params().iter().enumerate() {
                call.kinds[i] = match ty {
                    ValType::I32 => 7,
                    ValType::I64 => 8,
                    ValType::F32 => 10,
                    _ => 11,
                };
                call.args[i] = number(*ty, u)?.1;
                call.count += 1;
            }
            calls.push(call);
        }
        if !functions.is_empty() {
            let _ = writeln!(lifts, "  (instance $g{names})\n  (export \"g:g/g\" (instance $g))");
        }
    } else {
        for (n, (name, ty)) in functions.iter().enumerate() {
            let (name, params, results) = (hex(name.as_bytes()), list(ty.params()), list(ty.results()));
            let _ = writeln!(imports, "    (import \"s\" \"{name}\" (func $x{n} (param{params}) (result{results})))");
        }
        for n in order {
            let ty = &functions[n].1;
            for param in ty.params() {
                let _ = write!(bodies, " {}", number(*param, u)?.0);
            }
            let _ = write!(bodies, " call $x{n}");
            for result in ty.results().iter().rev() {
                bodies += match result {
                    ValType::I32 => " i64.extend_i32_u",
                    ValType::I64 => "",
                    ValType::F32 => " i32.reinterpret_f32 i64.extend_i32_u",
                    _ => " i64.reinterpret_f64",
                };
                bodies += " call $mix";
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
