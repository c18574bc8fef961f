//! Core modules as a component with a role, whose other interface has what a script uses of them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::OnceLock;

use wasm_encoder::{
    CanonicalOption, CodeSection, ComponentBuilder, ComponentExportKind, ComponentExportSection,
    ComponentInstanceSection, ComponentValType, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalType, HeapType, ImportSection, Instruction as I, MemArg, MemorySection, MemoryType, Module, ModuleArg,
    TypeSection, ValType,
};

use crate::library::Scalar;
use crate::script::{Arg, Expected, Float, Use, Way};
use crate::shape::{Shape, Slot, Type, Usable, offsets};

/// A module to instantiate, and where its imports come from.
#[derive(Debug)]
pub struct Member {
    pub wasm: Rc<[u8]>,
    pub shape: Rc<Shape>,
    /// For each name that it imports from: the member, or `None` for the suite's `spectest`.
    pub links: Vec<(String, Option<usize>)>,
    pub uses: BTreeSet<Use>,
}

/// A function of the component.
#[derive(Clone, Debug)]
pub struct Export {
    pub name: String,
    params: Vec<Type>,
    results: Vec<Type>,
    bits: bool,
    signed: bool,
}

/// By member and use.
pub type Exports = BTreeMap<(usize, Use), Usable<Export>>;

const MOST_FLAT: usize = 16;
/// In the memory of [`Glue`]: where results go, and where arguments are put that are too many.
const RESULTS_AT: i32 = 1024;
const ARGS_AT: i32 = 4096;

/// The module between the suite's and the component, where types do not cross as they are.
#[derive(Default)]
struct Glue {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    /// What it imports from.
    members: BTreeSet<usize>,
    /// Functions, which are imported once however they are used.
    seen: BTreeMap<(usize, String), u32>,
    imported_functions: u32,
    imported_globals: u32,
    /// Code that waits for all imports to be known.
    waiting: Vec<(String, Export, Way, u32)>,
}

fn memory_arg(offset: u32, align: u32) -> MemArg {
    MemArg { offset: offset.into(), align, target: Default::default(), ordering: None }
}

impl Glue {
    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        self.types.ty().function(params.iter().copied(), results.iter().copied());
        self.types.len() - 1
    }

    fn import(&mut self, member: usize, name: &str, ty: impl Into<EntityType>) {
        self.members.insert(member);
        self.imports.import(&format!("i{member}"), name, ty.into());
    }

    fn add(&mut self, member: usize, name: &str, export: &Export, way: Way, mutable: bool) {
        let index = if way == Way::Get {
            let val_type = export.results[0].core();
            self.import(member, name, GlobalType { val_type, mutable, shared: false });
            self.imported_globals += 1;
            self.imported_globals - 1
        } else if let Some(index) = self.seen.get(&(member, name.into())) {
            *index
        } else {
            let core = |types: &[Type]| types.iter().map(|ty| ty.core()).collect::<Vec<_>>();
            let ty = self.ty(&core(&export.params), &core(&export.results));
            self.import(member, name, EntityType::Function(ty));
            self.seen.insert((member, name.into()), self.imported_functions);
            self.imported_functions += 1;
            self.imported_functions - 1
        };
        self.waiting.push((export.name.clone(), export.clone(), way, index));
    }

    fn finish(mut self) -> Module {
        let mut next = self.imported_functions;
        let realloc = self.ty(&[ValType::I32; 4], &[ValType::I32]);
        self.functions.function(realloc);
        self.exports.export("realloc", ExportKind::Func, next);
        let mut body = Function::new([]);
        body.instruction(&I::I32Const(ARGS_AT)).instruction(&I::End);
        self.code.function(&body);
        for (name, export, way, index) in std::mem::take(&mut self.waiting) {
            next += 1;
            let (params, results) = (export.param_slots(), export.result_slots());
            let core = |slots: &[Slot]| slots.iter().map(|slot| slot.core()).collect::<Vec<_>>();
            let spilled = params.len() > MOST_FLAT;
            let takes = if spilled { vec![ValType::I32] } else { core(&params) };
            let gives = if results.len() > 1 { vec![ValType::I32] } else { core(&results) };
            let ty = self.ty(&takes, &gives);
            self.functions.function(ty);
            self.exports.export(&name, ExportKind::Func, next);
            self.code.function(&export.glue(takes.len() as u32, spilled, way, index));
        }
        self.exports.export("memory", ExportKind::Memory, 0);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions).section(&memories);
        module.section(&self.exports).section(&self.code);
        module
    }
}

impl Export {
    fn param_slots(&self) -> Vec<Slot> {
        self.params.iter().flat_map(|ty| ty.slots(self.bits)).copied().collect()
    }

    fn result_slots(&self) -> Vec<Slot> {
        self.results.iter().flat_map(|ty| ty.slots(self.bits)).copied().collect()
    }

    /// Whether it crosses as it is.
    fn is_plain(&self) -> bool {
        let number = |ty: &Type| matches!(ty, Type::I32 | Type::I64 | Type::F32 | Type::F64);
        !self.bits
            && self.params.iter().chain(&self.results).all(number)
            && self.params.len() <= MOST_FLAT
            && self.results.len() <= 1
    }

    /// A function that takes slots, calls or gets `index`, and gives slots.
    fn glue(&self, takes: u32, spilled: bool, way: Way, index: u32) -> Function {
        let locals: Vec<_> = self.results.iter().map(|ty| (1, ty.core())).collect();
        let mut body = Function::new(locals);
        let slots = self.param_slots();
        let offsets_in = offsets(&slots);
        let mut at = 0;
        for ty in &self.params {
            for (half, slot) in ty.slots(self.bits).iter().enumerate() {
                if !matches!(ty, Type::Func { .. } | Type::Extern { .. }) {
                    if spilled {
                        body.instruction(&I::LocalGet(0));
                        body.instruction(&match slot {
                            Slot::W32 => I::I32Load(memory_arg(offsets_in[at], 2)),
                            Slot::W64 => I::I64Load(memory_arg(offsets_in[at], 3)),
                            Slot::F32 => I::F32Load(memory_arg(offsets_in[at], 2)),
                            Slot::F64 => I::F64Load(memory_arg(offsets_in[at], 3)),
                        });
                    } else {
                        body.instruction(&I::LocalGet(at as u32));
                    }
                }
                at += 1;
                match (ty, half) {
                    (Type::F32, _) if self.bits => body.instruction(&I::F32ReinterpretI32),
                    (Type::F64, _) if self.bits => body.instruction(&I::F64ReinterpretI64),
                    (Type::V128, 0) => body.instruction(&I::I64x2Splat),
                    (Type::V128, _) => body.instruction(&I::I64x2ReplaceLane(1)),
                    (Type::Func { .. }, _) => body.instruction(&I::RefNull(HeapType::FUNC)),
                    (Type::Extern { .. }, _) => body.instruction(&I::RefNull(HeapType::EXTERN)),
                    _ => &mut body,
                };
            }
        }
        body.instruction(&if way == Way::Get { I::GlobalGet(index) } else { I::Call(index) });
        for i in (0..self.results.len() as u32).rev() {
            body.instruction(&I::LocalSet(takes + i));
        }
        let slots = self.result_slots();
        let offsets_out = offsets(&slots);
        let mut at = 0;
        for (i, ty) in self.results.iter().enumerate() {
            for (half, slot) in ty.slots(self.bits).iter().enumerate() {
                if slots.len() > 1 {
                    body.instruction(&I::I32Const(RESULTS_AT));
                }
                body.instruction(&I::LocalGet(takes + i as u32));
                match ty {
                    Type::F32 if self.bits => body.instruction(&I::I32ReinterpretF32),
                    Type::F64 if self.bits => body.instruction(&I::I64ReinterpretF64),
                    Type::V128 => body.instruction(&I::I64x2ExtractLane(half as u8)),
                    Type::Func { .. } | Type::Extern { .. } => body.instruction(&I::RefIsNull),
                    _ => &mut body,
                };
                if slots.len() > 1 {
                    body.instruction(&match slot {
                        Slot::W32 => I::I32Store(memory_arg(offsets_out[at], 2)),
                        Slot::W64 => I::I64Store(memory_arg(offsets_out[at], 3)),
                        Slot::F32 => I::F32Store(memory_arg(offsets_out[at], 2)),
                        Slot::F64 => I::F64Store(memory_arg(offsets_out[at], 3)),
                    });
                }
                at += 1;
            }
        }
        if slots.len() > 1 {
            body.instruction(&I::I32Const(RESULTS_AT));
        }
        body.instruction(&I::End);
        body
    }

    /// The arguments of a call.
    pub fn args(&self, args: &[Arg]) -> Result<Vec<Scalar>, String> {
        if args.len() != self.params.len() {
            return Err(format!("{} arguments for {} parameters", args.len(), self.params.len()));
        }
        let mut scalars = Vec::new();
        for (ty, arg) in self.params.iter().zip(args) {
            let bits = match (ty, arg) {
                (Type::I32, Arg::I32(bits)) | (Type::F32, Arg::F32(bits)) => [u64::from(*bits), 0],
                (Type::I64, Arg::I64(bits)) | (Type::F64, Arg::F64(bits)) => [*bits, 0],
                (Type::V128, Arg::V128(halves)) => *halves,
                (Type::Func { .. } | Type::Extern { .. }, Arg::Null) => [0, 0],
                _ => return Err(format!("{arg:?} for {ty:?}")),
            };
            let slots = ty.slots(self.bits).iter().zip(bits);
            scalars.extend(slots.map(|(slot, bits)| Scalar { kind: slot.kind(self.signed), bits }));
        }
        Ok(scalars)
    }

    /// Whether results are what is expected; what is wrong with them otherwise.
    pub fn judge(&self, results: &[Scalar], expected: &[Expected]) -> Result<(), String> {
        let slots = self.result_slots();
        let kinds = slots.iter().map(|slot| slot.kind(self.signed));
        if !kinds.eq(results.iter().map(|scalar| scalar.kind)) || expected.len() != self.results.len() {
            return Err(format!("{results:x?} for {expected:x?}"));
        }
        let mut at = 0;
        for (ty, expected) in self.results.iter().zip(expected) {
            let bits = [results[at].bits, results.get(at + 1).map_or(0, |scalar| scalar.bits)];
            at += ty.slots(self.bits).len();
            if !is(*ty, bits, expected) {
                return Err(format!("gave {results:x?}, not {expected:x?}"));
            }
        }
        Ok(())
    }
}

fn is_f32(bits: u32, expected: &Float) -> bool {
    match expected {
        Float::Bits(wanted) => bits as u64 == *wanted,
        Float::Canonical => bits & 0x7fff_ffff == 0x7fc0_0000,
        Float::Arithmetic => bits & 0x7fc0_0000 == 0x7fc0_0000,
    }
}

fn is_f64(bits: u64, expected: &Float) -> bool {
    match expected {
        Float::Bits(wanted) => bits == *wanted,
        Float::Canonical => bits & (u64::MAX >> 1) == 0x7ff8 << 48,
        Float::Arithmetic => bits & (0x7ff8 << 48) == 0x7ff8 << 48,
    }
}

fn is(ty: Type, [low, high]: [u64; 2], expected: &Expected) -> bool {
    match (ty, expected) {
        (_, Expected::Either(cases)) => cases.iter().any(|case| is(ty, [low, high], case)),
        (Type::I32, Expected::I32(wanted)) => low == u64::from(*wanted),
        (Type::I64, Expected::I64(wanted)) => low == *wanted,
        (Type::F32, Expected::F32(wanted)) => is_f32(low as u32, wanted),
        (Type::F64, Expected::F64(wanted)) => is_f64(low, wanted),
        (Type::V128, Expected::Bytes(wanted)) => [low, high] == *wanted,
        (Type::V128, Expected::F64x2(lanes)) => is_f64(low, &lanes[0]) && is_f64(high, &lanes[1]),
        (Type::V128, Expected::F32x4(lanes)) => {
            let parts = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
            parts.iter().zip(lanes).all(|(bits, lane)| is_f32(*bits, lane))
        }
        (Type::Func { .. } | Type::Extern { .. }, Expected::Null) => low == 1,
        (Type::Func { .. } | Type::Extern { .. }, Expected::Reference) => low == 0,
        _ => false,
    }
}

/// Text with a role: a component but for its closing parenthesis, which holds no component yet and three instances.
const ROLE: &str = r#"(component
  (import "torvyn:streaming/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "unavailable" string)
      (case "internal" string) (case "deadline-exceeded") (case "fatal" string)))
    (export "process-error" (type (eq $e)))))
  (alias export $types "process-error" (type $error))
  (core module $role
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "init") (param i32 i32) (result i32) i32.const 0)
    (func (export "teardown")))
  (core instance $role (instantiate $role))
  (func $init (param "config" string) (result (result (error $error)))
    (canon lift (core func $role "init") (memory (core memory $role "memory")) (realloc (core func $role "realloc"))))
  (func $teardown (canon lift (core func $role "teardown")))
  (instance $life (export "init" (func $init)) (export "teardown" (func $teardown)))
  (export "torvyn:streaming/lifecycle@0.1.0" (instance $life))
"#;
const INSTANCES_OF_ROLE: u32 = 3;

const SPECTEST: &str = r#"(module
  (func (export "print"))
  (func (export "print_i32") (param i32))
  (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32))
  (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32))
  (func (export "print_f64_f64") (param f64 f64))
  (global (export "global_i32") i32 (i32.const 666))
  (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6))
  (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref)
  (memory (export "memory") 1 2)
"#;
/// What only those may have that use it, since its feature may be off.
const SPECTEST_MORE: [(&str, &str); 2] = [
    ("table64", "(table (export \"table64\") i64 10 20 funcref)\n"),
    ("shared_memory", "(memory (export \"shared_memory\") 1 2 shared)\n"),
];

fn encoded(text: &str) -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(text).expect("the runner's own text");
    wast::parser::parse::<wast::Wat<'_>>(&buffer).and_then(|mut wat| wat.encode()).expect("the runner's own text")
}

/// Wraps bytes that are, or are no, module: nothing of them is used.
pub fn alone(wasm: &[u8]) -> Vec<u8> {
    let mut inner = ComponentBuilder::default();
    inner.core_module_raw(None, wasm);
    with_role(&inner.finish(), 0)
}

/// The same of text.
pub fn alone_in_text(text: &[u8]) -> Vec<u8> {
    let module: &[u8] = b"(module";
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let mut all = ROLE.as_bytes().to_vec();
    match text[start..].strip_prefix(module) {
        Some(rest) => all.extend([b"(core module", rest].concat()),
        None => all.extend([b"(core module ", text, b"\n)"].concat()),
    }
    all.extend(b"\n)");
    all
}

/// A component with a role that holds another one, and exports an instance of that.
fn with_role(inner: &[u8], exports: usize) -> Vec<u8> {
    static ENCODED: OnceLock<Vec<u8>> = OnceLock::new();
    let mut component = ENCODED.get_or_init(|| encoded(&format!("{ROLE})"))).clone();
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(0, Vec::<(&str, ComponentExportKind, u32)>::new());
    let mut names = ComponentExportSection::new();
    if exports > 0 {
        names.export("suite:suite/exports", ComponentExportKind::Instance, INSTANCES_OF_ROLE, None);
    }
    let nested = wasm_encoder::RawSection { id: wasm_encoder::ComponentSectionId::Component.into(), data: inner };
    wasm_encoder::ComponentSection::append_to_component(&nested, &mut component);
    wasm_encoder::ComponentSection::append_to_component(&instances, &mut component);
    wasm_encoder::ComponentSection::append_to_component(&names, &mut component);
    component
}

fn export_of(member: &Member, (name, way): &Use, number: usize) -> Usable<(Export, bool)> {
    let (params, results, mutable) = match way {
        Way::Get => {
            let (ty, mutable) = member.shape.globals.get(name).cloned().unwrap_or(Err("exports that are not there"))?;
            (Vec::new(), vec![ty], mutable)
        }
        _ => {
            let ty = member.shape.functions.get(name).cloned();
            let (params, results) = ty.unwrap_or(Err("exports that are not there"))?;
            (params, results, false)
        }
    };
    if params.iter().any(|ty| matches!(ty, Type::Func { nullable: false } | Type::Extern { nullable: false })) {
        return Err("parameters that are never null");
    }
    let (bits, signed) = (*way != Way::Plain, number % 2 == 1);
    Ok((Export { name: format!("f{number}"), params, results, bits, signed }, mutable))
}

/// One component of modules that are linked with each other.
pub fn together(members: &[Member]) -> (Vec<u8>, Exports) {
    let mut builder = ComponentBuilder::default();
    let mut spectest = None;
    if members.iter().any(|m| m.links.iter().any(|link| link.1.is_none())) {
        let used = |name: &str| members.iter().any(|m| m.shape.import_names.contains(name));
        let more: String = SPECTEST_MORE.iter().filter(|(name, _)| used(name)).map(|(_, text)| *text).collect();
        let module = builder.core_module_raw(None, &encoded(&format!("{SPECTEST}{more})")));
        spectest = Some(builder.core_instantiate(None, module, Vec::new()));
    }
    let mut instances = Vec::new();
    for member in members {
        let module = builder.core_module_raw(None, &member.wasm);
        let instance = |link: &Option<usize>| link.map_or(spectest.unwrap_or(0), |at| instances[at]);
        let args: Vec<_> =
            member.links.iter().map(|(name, link)| (name.as_str(), ModuleArg::Instance(instance(link)))).collect();
        instances.push(builder.core_instantiate(None, module, args));
    }
    let mut exports = Exports::new();
    let mut glue = Glue::default();
    for (at, member) in members.iter().enumerate() {
        for used in &member.uses {
            let export = export_of(member, used, exports.len()).map(|(export, mutable)| {
                if !export.is_plain() {
                    glue.add(at, &used.0, &export, used.1, mutable);
                }
                export
            });
            exports.insert((at, used.clone()), export);
        }
    }
    let glued = (!glue.waiting.is_empty()).then(|| {
        let names: Vec<_> = glue.members.iter().map(|at| (format!("i{at}"), instances[*at])).collect();
        let module = builder.core_module(None, &glue.finish());
        let args: Vec<_> = names.iter().map(|(name, at)| (name.as_str(), ModuleArg::Instance(*at))).collect();
        let instance = builder.core_instantiate(None, module, args);
        let memory = builder.core_alias_export(None, instance, "memory", ExportKind::Memory);
        let realloc = builder.core_alias_export(None, instance, "realloc", ExportKind::Func);
        (instance, memory, realloc)
    });
    let mut count = 0;
    for ((at, used), export) in &exports {
        let Ok(export) = export else { continue };
        count += 1;
        let (from, name, options) = match &glued {
            Some((instance, memory, realloc)) if !export.is_plain() => {
                let options = vec![CanonicalOption::Memory(*memory), CanonicalOption::Realloc(*realloc)];
                (*instance, export.name.as_str(), options)
            }
            _ => (instances[*at], used.0.as_str(), Vec::new()),
        };
        let core = builder.core_alias_export(None, from, name, ExportKind::Func);
        let wit = |slot: &Slot| ComponentValType::from(slot.wit(export.signed));
        let params: Vec<_> =
            export.param_slots().iter().enumerate().map(|(i, slot)| (format!("p{i}"), wit(slot))).collect();
        let results: Vec<_> = export.result_slots().iter().map(wit).collect();
        let result = match results[..] {
            [] => None,
            [one] => Some(one),
            _ => {
                let (ty, encoder) = builder.type_defined(None);
                encoder.tuple(results);
                Some(ComponentValType::Type(ty))
            }
        };
        let (ty, mut encoder) = builder.type_function(None);
        encoder.params(params.iter().map(|(name, ty)| (name.as_str(), *ty)));
        encoder.result(result);
        let function = builder.lift_func(None, core, ty, options);
        builder.export(export.name.as_str(), ComponentExportKind::Func, function, None);
    }
    (with_role(&builder.finish(), count), exports)
}
