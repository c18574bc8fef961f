//! What modules import and export, and how their types cross.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{AbstractHeapType, HeapType, PrimitiveValType, RefType, ValType};
use wasmparser::{CompositeInnerType, ExternalKind, Parser, Payload, TypeRef};

use crate::library::kind;

/// A core type that a function or a global has, as far as it can cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func { nullable: bool },
    Extern { nullable: bool },
}

/// A core type as a component has it, at most two to each: flattened, and split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    W32,
    W64,
    F32,
    F64,
}

impl Type {
    fn of(ty: wasmparser::ValType) -> Result<Self, &'static str> {
        use wasmparser::{AbstractHeapType as A, HeapType as H};
        Ok(match ty {
            wasmparser::ValType::I32 => Type::I32,
            wasmparser::ValType::I64 => Type::I64,
            wasmparser::ValType::F32 => Type::F32,
            wasmparser::ValType::F64 => Type::F64,
            wasmparser::ValType::V128 => Type::V128,
            wasmparser::ValType::Ref(ty) => match ty.heap_type() {
                H::Abstract { shared: false, ty: A::Func } => Type::Func { nullable: ty.is_nullable() },
                H::Abstract { shared: false, ty: A::Extern } => Type::Extern { nullable: ty.is_nullable() },
                _ => return Err("references of other types than func and extern"),
            },
        })
    }

    pub fn core(self) -> ValType {
        let reference =
            |nullable, ty| ValType::Ref(RefType { nullable, heap_type: HeapType::Abstract { shared: false, ty } });
        match self {
            Type::I32 => ValType::I32,
            Type::I64 => ValType::I64,
            Type::F32 => ValType::F32,
            Type::F64 => ValType::F64,
            Type::V128 => ValType::V128,
            Type::Func { nullable } => reference(nullable, AbstractHeapType::Func),
            Type::Extern { nullable } => reference(nullable, AbstractHeapType::Extern),
        }
    }

    pub fn slots(self, bits: bool) -> &'static [Slot] {
        match self {
            Type::I32 | Type::Func { .. } | Type::Extern { .. } => &[Slot::W32],
            Type::I64 => &[Slot::W64],
            Type::F32 if bits => &[Slot::W32],
            Type::F64 if bits => &[Slot::W64],
            Type::F32 => &[Slot::F32],
            Type::F64 => &[Slot::F64],
            Type::V128 => &[Slot::W64, Slot::W64],
        }
    }
}

impl Slot {
    pub fn core(self) -> ValType {
        match self {
            Slot::W32 => ValType::I32,
            Slot::W64 => ValType::I64,
            Slot::F32 => ValType::F32,
            Slot::F64 => ValType::F64,
        }
    }

    fn bytes(self) -> u32 {
        if matches!(self, Slot::W32 | Slot::F32) { 4 } else { 8 }
    }

    pub fn wit(self, signed: bool) -> PrimitiveValType {
        match self {
            Slot::W32 if signed => PrimitiveValType::S32,
            Slot::W32 => PrimitiveValType::U32,
            Slot::W64 if signed => PrimitiveValType::S64,
            Slot::W64 => PrimitiveValType::U64,
            Slot::F32 => PrimitiveValType::F32,
            Slot::F64 => PrimitiveValType::F64,
        }
    }

    pub fn kind(self, signed: bool) -> u64 {
        let kind = match self {
            Slot::W32 if signed => kind::S32,
            Slot::W32 => kind::U32,
            Slot::W64 if signed => kind::S64,
            Slot::W64 => kind::U64,
            Slot::F32 => kind::F32,
            Slot::F64 => kind::F64,
        };
        kind as u64
    }
}

/// Where each of a tuple's fields lies.
pub fn offsets(slots: &[Slot]) -> Vec<u32> {
    let mut end = 0u32;
    let place = |slot: &Slot| {
        let at = end.next_multiple_of(slot.bytes());
        end = at + slot.bytes();
        at
    };
    slots.iter().map(place).collect()
}

/// What can be used, or why it cannot.
pub type Usable<T> = Result<T, &'static str>;
/// Parameters and results.
pub type Signature = (Vec<Type>, Vec<Type>);

/// What a module imports and exports, as far as it concerns the runner.
#[derive(Debug, Default)]
pub struct Shape {
    /// The modules that it imports from, and what it is called there.
    pub imports: BTreeSet<String>,
    pub import_names: BTreeSet<String>,
    pub functions: BTreeMap<String, Usable<Signature>>,
    pub globals: BTreeMap<String, Usable<(Type, bool)>>,
    /// Whether calls may leave something behind.
    pub stateful: bool,
    /// Whether one name is imported twice.
    pub twice: bool,
}

impl Shape {
    /// Reads a module, which may be one that is not valid or of features that nobody has.
    pub fn read(wasm: &[u8]) -> Self {
        let mut shape = Self::default();
        // What was read until an error suffices: such a module is refused anyway.
        let _ = shape.fill(wasm);
        shape
    }

    fn fill(&mut self, wasm: &[u8]) -> wasmparser::Result<()> {
        let (mut types, mut functions, mut globals) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        let group = group?;
                        let alone = group.types().len() == 1;
                        types.extend(group.types().map(|ty| match &ty.composite_type.inner {
                            // Not the type of the same parameters and results by itself.
                            _ if !alone || !ty.is_final || ty.supertype_idx.is_some() => {
                                Err("functions of types with subtypes")
                            }
                            CompositeInnerType::Func(f) => {
                                let list = |types: &[wasmparser::ValType]| {
                                    types.iter().map(|ty| Type::of(*ty)).collect::<Result<Vec<_>, _>>()
                                };
                                list(f.params()).and_then(|params| Ok((params, list(f.results())?)))
                            }
                            _ => Err("types that are no function's"),
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        self.twice |= !seen.insert((import.module, import.name));
                        self.imports.insert(import.module.into());
                        self.import_names.insert(import.name.into());
                        // A function of another module may have state.
                        self.stateful |= import.module != "spectest" || !matches!(import.ty, TypeRef::Func(_));
                        match import.ty {
                            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => functions.push(ty),
                            TypeRef::Global(ty) => globals.push(ty),
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        functions.push(ty?);
                    }
                }
                Payload::TableSection(_) | Payload::MemorySection(_) => self.stateful = true,
                Payload::GlobalSection(section) => {
                    for global in section {
                        let ty = global?.ty;
                        self.stateful |= ty.mutable;
                        globals.push(ty);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let (name, index) = (export.name.to_owned(), export.index as usize);
                        match export.kind {
                            ExternalKind::Func | ExternalKind::FuncExact => {
                                let ty = functions.get(index).and_then(|ty| types.get(*ty as usize));
                                self.functions.insert(name, ty.cloned().unwrap_or(Err("functions without a type")));
                            }
                            ExternalKind::Global => {
                                if let Some(ty) = globals.get(index) {
                                    self.globals.insert(name, Type::of(ty.content_type).map(|t| (t, ty.mutable)));
                                }
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
