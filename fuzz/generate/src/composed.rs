//! Components that are composed of several: a provider, some that pass on what it has, each in its
//! own memory and encoding of strings, and one that has the role and calls the last of them.
//! Wasmtime makes an adapter for each step.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::generated::{LIFE, TYPES, hex};
use crate::rare;
use crate::types::{Core, Encoding, FREE_AT, Memory, Type, Types, VALUES_AT, cores};

struct Function {
    params: Vec<Type>,
    result: Option<Type>,
}

const MOST_PARAMS: usize = 16;
/// Where results of calls go.
const AREA: u32 = 4096;

impl Function {
    fn choose(types: &Types, u: &mut Unstructured<'_>) -> Result<Self> {
        let params = if rare(u, 8)? { types.several(u, 5, 9)? } else { types.several(u, 0, 3)? };
        let result = if rare(u, 6)? { None } else { Some(types.one(u, 2)?) };
        Ok(Self { params, result })
    }

    fn text(&self) -> String {
        let params = self.params.iter().enumerate().map(|(i, ty)| format!(" (param \"p{i}\" {})", ty.text()));
        let result = self.result.as_ref().map_or(String::new(), |ty| format!(" (result {})", ty.text()));
        format!("{}{result}", params.collect::<String>())
    }

    fn params(&self, types: &Types) -> Vec<Core> {
        let flat: Vec<_> = self.params.iter().flat_map(|ty| types.flat(ty)).collect();
        if flat.len() > MOST_PARAMS { vec![Core::I32] } else { flat }
    }

    fn results(&self, types: &Types) -> Vec<Core> {
        self.result.as_ref().map_or(Vec::new(), |ty| types.flat(ty))
    }

    /// The core signature of the function lifted; the result is a pointer where there is more than one.
    fn lifted(&self, types: &Types) -> String {
        let results = self.results(types);
        let result = if results.len() > 1 { vec![Core::I32] } else { results };
        format!("(param{}) (result{})", cores(&self.params(types)), cores(&result))
    }

    /// The same lowered; a pointer to the result's place comes last.
    fn lowered(&self, types: &Types) -> String {
        let (mut params, results) = (self.params(types), self.results(types));
        if results.len() > 1 {
            params.push(Core::I32);
            return format!("(param{})", cores(&params));
        }
        format!("(param{}) (result{})", cores(&params), cores(&results))
    }
}

/// A `realloc`, mostly a good one.
fn realloc(u: &mut Unstructured<'_>) -> Result<String> {
    let body = match u.int_in_range(0..=19)? {
        19 => "unreachable".into(),
        18 => "i32.const -1".into(),
        17 => "(loop $l (br $l)) unreachable".into(),
        16 => "(drop (memory.grow (i32.const 1))) i32.const 65536".into(),
        _ => "(local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)"
            .to_owned(),
    };
    Ok(format!(
        "    (global $free (mut i32) (i32.const {FREE_AT}))
    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) {body})\n"
    ))
}

fn memory(memory: &Memory) -> String {
    format!("    (memory (export \"memory\") 1)\n    (data (i32.const {VALUES_AT}) \"{}\")\n", hex(&memory.bytes))
}

/// What `component` exports or imports as `p:p/p`: types and functions.
struct Interface {
    types: Types,
    functions: Vec<Function>,
    /// Whether it has a resource with functions that make, use and take one.
    resource: bool,
}

impl Interface {
    fn import(&self) -> String {
        let mut text = String::from("    (import \"p:p/p\" (instance $in\n");
        text += &self.types.text(|n| format!("(export \"t{n}\" (type $t{n} (eq $d{n})))"));
        if self.resource {
            text += "    (export \"r\" (type $r (sub resource)))
    (export \"make\" (func (result (own $r))))
    (export \"use\" (func (param \"x\" (borrow $r)) (result u32)))
    (export \"take\" (func (param \"x\" (own $r))))\n";
        }
        for (n, function) in self.functions.iter().enumerate() {
            let _ = writeln!(text, "    (export \"f{n}\" (func{}))", function.text());
        }
        text + "    ))\n" + &self.aliases("$in")
    }

    /// The types of an instance.
    fn aliases(&self, instance: &str) -> String {
        let mut text = String::new();
        for n in 0..self.types.0.len() {
            let _ = writeln!(text, "    (alias export {instance} \"t{n}\" (type $t{n}))");
        }
        if self.resource {
            let _ = writeln!(text, "    (alias export {instance} \"r\" (type $r))");
        }
        text
    }

    /// Lifts all functions of core instance `$i`, which has memory and `realloc` in `$libc`, and exports them.
    fn export(&self, encoding: Encoding, u: &mut Unstructured<'_>) -> Result<String> {
        let mut text = String::new();
        let mut names = String::new();
        for n in 0..self.types.0.len() {
            let _ = write!(names, " (export \"t{n}\" (type $t{n}))");
        }
        if self.resource {
            text += "    (func $make (result (own $r)) (canon lift (core func $i \"make\")))
    (func $use (param \"x\" (borrow $r)) (result u32) (canon lift (core func $i \"use\")))
    (func $take (param \"x\" (own $r)) (canon lift (core func $i \"take\")))\n";
            names += " (export \"r\" (type $r)) (export \"make\" (func $make)) (export \"use\" (func $use))
      (export \"take\" (func $take))";
        }
        for (n, function) in self.functions.iter().enumerate() {
            let post = match function.results(&self.types).len() {
                2.. if rare(u, 3)? => " (post-return (core func $i \"post\"))",
                _ => "",
            };
            let _ = writeln!(
                text,
                "    (func $f{n}{} (canon lift (core func $i \"f{n}\") {} {}{post}))",
                function.text(),
                WITH,
                encoding.option(),
            );
            let _ = write!(names, " (export \"f{n}\" (func $f{n}))");
        }
        Ok(format!("{text}    (instance $out{names})\n    (export \"p:p/p\" (instance $out))\n"))
    }

    fn provider(&self, u: &mut Unstructured<'_>) -> Result<String> {
        let encoding = Encoding::choose(u)?;
        let mut values = Memory::new(encoding);
        let mut bodies = String::new();
        for (n, function) in self.functions.iter().enumerate() {
            let results = function.results(&self.types);
            let before = match u.int_in_range(0..=24)? {
                24 => "unreachable",
                23 => "(loop $l (br $l))",
                22 => "(drop (memory.grow (i32.const 1)))",
                _ => "",
            };
            let body = match (&results[..], &function.result) {
                ([], _) | (_, None) => String::new(),
                ([one], Some(ty)) => one.constant(values.flat(&self.types, ty, u)?[0]),
                (_, Some(ty)) => {
                    format!("(i32.const {})", values.put(&self.types, std::slice::from_ref(ty), u)?)
                }
            };
            let signature = function.lifted(&self.types);
            let _ = writeln!(bodies, "    (func (export \"f{n}\") {signature} {before} {body})");
        }
        let mut text = String::from("  (component $provider\n");
        text += &self.types.text(|n| format!("(export $t{n} \"t{n}\" (type $d{n}))"));
        text += &libc(&values, u)?;
        let (mut resource, mut with) = ("", "");
        if self.resource {
            let dtor = match u.int_in_range(0..=9)? {
                9 => "unreachable",
                8 => "(loop $l (br $l))",
                _ => "",
            };
            let _ = writeln!(
                text,
                "    (core module $dtor (func (export \"dtor\") (param i32) {dtor}))
    (core instance $dtor (instantiate $dtor))
    (type $own-r (resource (rep i32) (dtor (core func $dtor \"dtor\"))))
    (export $r \"r\" (type $own-r))
    (core func $new (canon resource.new $own-r))
    (core func $drop (canon resource.drop $own-r))"
            );
            with = " (with \"r\" (instance (export \"new\" (func $new)) (export \"drop\" (func $drop))))";
            resource = "    (import \"r\" \"new\" (func $new (param i32) (result i32)))
    (import \"r\" \"drop\" (func $drop (param i32)))
    (func (export \"make\") (result i32) (call $new (i32.const 7)))
    (func (export \"use\") (param i32) (result i32) (local.get 0))
    (func (export \"take\") (param i32) (call $drop (local.get 0)))\n";
        }
        let _ = writeln!(
            text,
            "    (core module $m\n    (import \"libc\" \"memory\" (memory 1))\n{resource}    (func (export \"post\") (param i32))\n{bodies}    )
    (core instance $i (instantiate $m (with \"libc\" (instance $libc)){with}))"
        );
        text += &self.export(encoding, u)?;
        Ok(text + "  )\n")
    }

    /// One that passes on what it imports.
    fn passer(&self, name: &str, u: &mut Unstructured<'_>) -> Result<String> {
        let encoding = Encoding::choose(u)?;
        let mut text = format!("  (component ${name}\n{}", self.import());
        text += &libc(&Memory::new(encoding), u)?;
        let (lower, imports, with) = self.lower("$in", encoding);
        text += &lower;
        let mut bodies = String::new();
        for (n, function) in self.functions.iter().enumerate() {
            let params = function.params(&self.types).len();
            let given: String = (0..params).map(|i| format!(" (local.get {i})")).collect();
            let many = function.results(&self.types).len() > 1;
            let area = if many { format!(" (i32.const {AREA})") } else { String::new() };
            let signature = function.lifted(&self.types);
            let _ = writeln!(bodies, "    (func (export \"f{n}\") {signature} (call $f{n}{given}{area}){area})");
        }
        if self.resource {
            bodies += "    (func (export \"make\") (result i32) (call $make))
    (func (export \"use\") (param i32) (result i32) (call $use (local.get 0)) (call $drop (local.get 0)))
    (func (export \"take\") (param i32) (call $take (local.get 0)))\n";
        }
        let _ = writeln!(
            text,
            "    (core module $m\n{imports}    (func (export \"post\") (param i32))\n{bodies}    )
    (core instance $i (instantiate $m {with}))"
        );
        text += &self.export(encoding, u)?;
        Ok(text + "  )\n")
    }

    /// Lowers all functions of an instance: that, what a module imports, and what it is given.
    fn lower(&self, instance: &str, encoding: Encoding) -> (String, String, String) {
        let (mut text, mut imports, mut given) = (String::new(), String::new(), String::new());
        for (n, function) in self.functions.iter().enumerate() {
            let option = encoding.option();
            let _ = writeln!(text, "    (core func $low{n} (canon lower (func {instance} \"f{n}\") {WITH} {option}))");
            let _ = writeln!(imports, "    (import \"low\" \"f{n}\" (func $f{n} {}))", function.lowered(&self.types));
            let _ = write!(given, " (export \"f{n}\" (func $low{n}))");
        }
        if self.resource {
            let _ = writeln!(
                text,
                "    (core func $low-make (canon lower (func {instance} \"make\")))
    (core func $low-use (canon lower (func {instance} \"use\")))
    (core func $low-take (canon lower (func {instance} \"take\")))
    (core func $low-drop (canon resource.drop $r))"
            );
            imports += "    (import \"low\" \"make\" (func $make (result i32)))
    (import \"low\" \"use\" (func $use (param i32) (result i32)))
    (import \"low\" \"take\" (func $take (param i32)))
    (import \"low\" \"drop\" (func $drop (param i32)))\n";
            given += " (export \"make\" (func $low-make)) (export \"use\" (func $low-use))
      (export \"take\" (func $low-take)) (export \"drop\" (func $low-drop))";
        }
        (text, imports, format!("(with \"low\" (instance{given}))"))
    }
}

/// What lifts and lowers have.
const WITH: &str = "(memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\"))";

fn libc(values: &Memory, u: &mut Unstructured<'_>) -> Result<String> {
    let (memory, realloc) = (memory(values), realloc(u)?);
    Ok(format!("    (core module $libc\n{memory}{realloc}    )\n    (core instance $libc (instantiate $libc))\n"))
}

/// A component in text, whose `init` calls all and says a hash of what came; where `by_name`, with functions
/// `runN` that do, too, in `g:g/g`. How many there are.
pub fn component(by_name: bool, u: &mut Unstructured<'_>) -> Result<(String, usize)> {
    let types = Types::choose(u)?;
    let functions = (0..u.int_in_range(1..=3)?).map(|_| Function::choose(&types, u)).collect::<Result<Vec<_>>>()?;
    let interface = Interface { types, functions, resource: rare(u, 3)? };
    let types = &interface.types;
    let mut text = format!("(component\n{TYPES}{}", interface.provider(u)?);
    text += "  (instance $c0 (instantiate $provider))\n";
    let mut last = String::from("$c0");
    let kinds = u.int_in_range(0..=2)?;
    for kind in 0..kinds {
        text += &interface.passer(&format!("pass{kind}"), u)?;
    }
    for step in 1..=if kinds == 0 { 0 } else { u.int_in_range(1..=4)? } {
        // One component several times, or each in turn.
        let kind = u.int_in_range(0..=kinds - 1)?;
        let _ = writeln!(
            text,
            "  (instance $c{step} (instantiate $pass{kind} (with \"p:p/p\" (instance {last} \"p:p/p\"))))"
        );
        last = format!("$c{step}");
    }
    // One beside the others: what holds them may not call them.
    let _ = write!(text, "  (component $driver\n{TYPES}{}", interface.import());
    let encoding = Encoding::choose(u)?;
    let mut values = Memory::new(encoding);
    let mut bodies = String::new();
    for (n, function) in interface.functions.iter().enumerate() {
        let flat: Vec<_> = function.params.iter().flat_map(|ty| types.flat(ty)).collect();
        let args = if flat.len() > MOST_PARAMS {
            format!(" (i32.const {})", values.put(types, &function.params, u)?)
        } else {
            let mut args = String::new();
            for ty in &function.params {
                let mut bits = values.flat(types, ty, u)?;
                // No value, now and then.
                if rare(u, 12)? {
                    bits[0] = u.arbitrary::<u32>()?.into();
                }
                for (core, bits) in types.flat(ty).into_iter().zip(bits) {
                    let _ = write!(args, " {}", core.constant(bits));
                }
            }
            args
        };
        let results = function.results(types);
        let size = function.result.as_ref().map_or(0, |ty| types.layout(ty).0);
        let (area, result, mix) = match &results[..] {
            [] => (String::new(), String::new(), String::new()),
            [one] => (String::new(), format!("(result {})", one.name()), one.mix().into()),
            _ => {
                let mix = format!("(call $mix-bytes (i32.const {size}))");
                (format!(" (i32.const {AREA})"), "(result i32)".into(), mix)
            }
        };
        let _ = writeln!(bodies, "    (func $run{n} (export \"run{n}\") {result} (call $f{n}{args}{area}){area})");
        let _ = writeln!(bodies, "    (func $all{n} (call $run{n}) {mix})");
    }
    if interface.resource {
        bodies += &resources(u)?;
    }
    let mut calls = String::new();
    for _ in 0..u.int_in_range(1..=4)? {
        let n = u.int_in_range(0..=interface.functions.len() - 1)?;
        let _ = write!(calls, " (call $all{n})");
    }
    if interface.resource {
        calls += " (call $resources)";
    }
    let (lower, imports, with) = interface.lower("$in", encoding);
    text += &libc(&values, u)?;
    text += &lower;
    let _ = writeln!(
        text,
        "  (core module $m\n{imports}    (import \"libc\" \"memory\" (memory 1))\n{}{bodies}
    (func (export \"init\") (param i32 i32) (result i32) {calls} (call $said))
    (func (export \"teardown\")))
  (core instance $i (instantiate $m (with \"libc\" (instance $libc)) {with}))",
        crate::generated::SAYS,
    );
    text += LIFE;
    let mut runs = 0;
    if by_name {
        let mut names = String::new();
        for n in 0..types.0.len() {
            let _ = write!(names, " (export \"t{n}\" (type $t{n}))");
        }
        for (n, function) in interface.functions.iter().enumerate() {
            let result = function.result.as_ref().map_or(String::new(), |ty| format!(" (result {})", ty.text()));
            let option = encoding.option();
            let _ = writeln!(text, "  (func $run{n}{result} (canon lift (core func $i \"run{n}\") {WITH} {option}))");
            let _ = write!(names, " (export \"run{n}\" (func $run{n}))");
        }
        let _ = writeln!(text, "  (instance $runs{names})\n  (export \"g:g/g\" (instance $runs))");
        runs = interface.functions.len();
    }
    text += "  )\n";
    let _ = writeln!(
        text,
        "  (instance $driver (instantiate $driver (with \"torvyn:streaming/types@0.1.0\" (instance $types))
    (with \"p:p/p\" (instance {last} \"p:p/p\"))))"
    );
    for name in ["torvyn:streaming/lifecycle@0.1.0", "g:g/g"].iter().take(if by_name { 2 } else { 1 }) {
        let _ = writeln!(text, "  (export \"{name}\" (instance $driver \"{name}\"))");
    }
    Ok((text + ")\n", runs))
}

/// What the outermost component does with resources: good and bad.
fn resources(u: &mut Unstructured<'_>) -> Result<String> {
    let mut body = String::from("(local $h i32) (local.set $h (call $make))");
    for _ in 0..u.int_in_range(0..=5)? {
        body += match u.int_in_range(0..=9)? {
            9 => " (call $take (local.get $h))",
            8 => " (call $drop (local.get $h))",
            7 => " (drop (call $use (i32.const 9)))",
            5 | 6 => " (local.set $h (call $make))",
            _ => " (call $mix (i64.extend_i32_u (call $use (local.get $h))))",
        };
    }
    Ok(format!("    (func $resources {body})\n"))
}
