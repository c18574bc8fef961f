//! How large the values of a component's types are, found before Wasmtime adds it up.
//!
//! A list of fixed length lies in its place, not behind a pointer, so a few types within each other
//! come to any size, and Wasmtime's sums of 32 bits wrap.

use std::collections::{HashMap, HashSet};

use wasmparser::PrimitiveValType as Primitive;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType, ComponentFuncTypeId,
    ComponentValType,
};
use wasmparser::types::TypesRef;

/// Values of so many bytes and more are refused: the canonical ABI's bound for a list.
const LARGEST: u64 = 1 << 28;

/// Bytes and alignment of a value in memory.
#[derive(Clone, Copy)]
struct Layout {
    size: u64,
    align: u64,
}

impl Layout {
    const EMPTY: Layout = Layout { size: 0, align: 1 };

    const fn scalar(size: u64) -> Self {
        Self { size, align: size }
    }

    /// One value after the other.
    fn and(self, next: Layout) -> Self {
        let size = self.size.next_multiple_of(next.align).saturating_add(next.size);
        Self { size: size.min(LARGEST), align: self.align.max(next.align) }
    }

    /// Either of them.
    fn or(self, other: Layout) -> Self {
        Self { size: self.size.max(other.size), align: self.align.max(other.align) }
    }

    fn padded(self) -> Self {
        Self { size: self.size.next_multiple_of(self.align).min(LARGEST), ..self }
    }

    /// One of `cases` cases, each with a value of at most this layout.
    fn tagged(self, cases: usize) -> Self {
        let tag = Layout::scalar(if cases <= 1 << 8 { 1 } else { 2 });
        tag.and(self).padded()
    }
}

/// What was measured already.
#[derive(Default)]
pub struct Sizes {
    layouts: HashMap<ComponentDefinedTypeId, Layout>,
    seen: HashSet<ComponentAnyTypeId>,
}

impl Sizes {
    /// Whether a component, whose types these are, has values that are too large, or functions whose
    /// parameters are: a clause that follows "the component".
    pub fn too_large(&mut self, types: TypesRef<'_>) -> Option<String> {
        let mut measure = Measure { types, sizes: self };
        let sound = (0..types.component_type_count()).all(|i| measure.any(types.component_any_type_at(i)))
            && (0..types.component_function_count()).all(|i| measure.func(types.component_function_at(i)))
            && (0..types.component_instance_count())
                .all(|i| measure.any(ComponentAnyTypeId::Instance(types.component_instance_at(i))));
        let message = format!("has values of {LARGEST} bytes or more, which lists of fixed length in them come to");
        (!sound).then_some(message)
    }
}

struct Measure<'t, 's> {
    types: TypesRef<'t>,
    sizes: &'s mut Sizes,
}

impl<'t> Measure<'t, '_> {
    /// Whether all values within a type are small enough.
    fn any(&mut self, id: ComponentAnyTypeId) -> bool {
        if !self.sizes.seen.insert(id) {
            return true;
        }
        let types = self.types;
        match id {
            ComponentAnyTypeId::Resource(_) => true,
            ComponentAnyTypeId::Defined(id) => self.defined(id).size < LARGEST,
            ComponentAnyTypeId::Func(id) => self.func(id),
            ComponentAnyTypeId::Instance(id) => types[id].exports.values().all(|item| self.entity(&item.ty)),
            ComponentAnyTypeId::Component(id) => {
                let (imports, exports) = (&types[id].imports, &types[id].exports);
                imports.values().chain(exports.values()).all(|item| self.entity(&item.ty))
            }
        }
    }

    fn entity(&mut self, ty: &ComponentEntityType) -> bool {
        match ty {
            ComponentEntityType::Module(_) => true,
            ComponentEntityType::Func(id) => self.any(ComponentAnyTypeId::Func(*id)),
            ComponentEntityType::Value(ty) => self.val(ty).size < LARGEST,
            ComponentEntityType::Type { referenced, created } => self.any(*referenced) && self.any(*created),
            ComponentEntityType::Instance(id) => self.any(ComponentAnyTypeId::Instance(*id)),
            ComponentEntityType::Component(id) => self.any(ComponentAnyTypeId::Component(*id)),
        }
    }

    /// All parameters may lie in memory as one value.
    fn func(&mut self, id: ComponentFuncTypeId) -> bool {
        let types = self.types;
        let func = &types[id];
        let params = self.record(func.params.iter().map(|(_, ty)| ty));
        params.size < LARGEST && func.result.as_ref().is_none_or(|ty| self.val(ty).size < LARGEST)
    }

    fn record<'a>(&mut self, fields: impl Iterator<Item = &'a ComponentValType>) -> Layout {
        fields.fold(Layout::EMPTY, |all, ty| all.and(self.val(ty))).padded()
    }

    fn variant<'a>(&mut self, cases: usize, values: impl Iterator<Item = &'a ComponentValType>) -> Layout {
        values.fold(Layout::EMPTY, |all, ty| all.or(self.val(ty))).tagged(cases)
    }

    fn val(&mut self, ty: &ComponentValType) -> Layout {
        match ty {
            ComponentValType::Primitive(primitive) => self::primitive(*primitive),
            ComponentValType::Type(id) => self.defined(*id),
        }
    }

    // The validator bounds how deep types are nested.
    fn defined(&mut self, id: ComponentDefinedTypeId) -> Layout {
        if let Some(layout) = self.sizes.layouts.get(&id) {
            return *layout;
        }
        let types = self.types;
        let pointers = Layout { size: 8, align: 4 };
        let layout = match &types[id] {
            ComponentDefinedType::Primitive(primitive) => self::primitive(*primitive),
            ComponentDefinedType::Record(record) => self.record(record.fields.values()),
            ComponentDefinedType::Tuple(tuple) => self.record(tuple.types.iter()),
            ComponentDefinedType::Variant(variant) => {
                self.variant(variant.cases.len(), variant.cases.values().filter_map(|case| case.ty.as_ref()))
            }
            ComponentDefinedType::Option { ty, .. } => self.variant(2, std::iter::once(ty)),
            ComponentDefinedType::Result { ok, err, .. } => self.variant(2, ok.iter().chain(err)),
            ComponentDefinedType::Enum(names) => Layout::EMPTY.tagged(names.len()),
            ComponentDefinedType::Flags(names) => match names.len() {
                0..=8 => Layout::scalar(1),
                9..=16 => Layout::scalar(2),
                more => Layout { size: 4 * more.div_ceil(32) as u64, align: 4 },
            },
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                let element = self.val(element);
                Layout { size: element.size.saturating_mul(u64::from(*length)).min(LARGEST), ..element }
            }
            // What lies behind a pointer is bounded by its memory, but is made of values, too.
            ComponentDefinedType::List { element, .. } => self.behind([element]).unwrap_or(pointers),
            ComponentDefinedType::Map { key, value, .. } => self.behind([key, value]).unwrap_or(pointers),
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => Layout::scalar(4),
            ComponentDefinedType::Future { ty, .. } | ComponentDefinedType::Stream { ty, .. } => {
                self.behind(ty).unwrap_or(Layout::scalar(4))
            }
        };
        self.sizes.layouts.insert(id, layout);
        layout
    }

    /// The layout of what is too large behind a pointer, where it is.
    fn behind<'a>(&mut self, values: impl IntoIterator<Item = &'a ComponentValType>) -> Option<Layout> {
        let all = self.record(values.into_iter());
        (all.size >= LARGEST).then_some(all)
    }
}

fn primitive(ty: Primitive) -> Layout {
    match ty {
        Primitive::Bool | Primitive::S8 | Primitive::U8 => Layout::scalar(1),
        Primitive::S16 | Primitive::U16 => Layout::scalar(2),
        Primitive::S64 | Primitive::U64 | Primitive::F64 => Layout::scalar(8),
        Primitive::String => Layout { size: 8, align: 4 },
        Primitive::S32 | Primitive::U32 | Primitive::F32 | Primitive::Char | Primitive::ErrorContext => {
            Layout::scalar(4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::EngineConfig;
    use crate::engine::features;

    fn too_large(text: &str) -> bool {
        let wasm = wat::parse_str(text).unwrap();
        let features = features::compiled(&EngineConfig::default());
        let mut sizes = Sizes::default();
        let types = wasmparser::Validator::new_with_features(features).validate_all(&wasm).unwrap();
        sizes.too_large(types.as_ref()).is_some()
    }

    #[test]
    fn lists_of_fixed_length_count_where_they_lie() {
        let within = |inner: &str, list: u64| format!("(component (type $l (list u8 {list})) (type {inner}))");
        let cases = [
            ("$l", 0),
            ("(record (field \"a\" u32) (field \"l\" $l))", 4),
            ("(record (field \"l\" $l) (field \"a\" u32))", 4),
            ("(tuple $l u8)", 1),
            ("(option $l)", 1),
            ("(result $l (error u64))", 8),
            ("(variant (case \"a\") (case \"b\" $l))", 1),
            ("(list (tuple u64 $l))", 8),
            ("(func (param \"a\" $l))", 0),
            ("(func (param \"a\" u32) (param \"b\" $l))", 4),
            ("(func (result (tuple u16 $l)))", 2),
            ("(instance (type $t (list (tuple u8 $l) 1)) (export \"t\" (type (eq $t))))", 1),
            ("(component (import \"f\" (func (param \"a\" u8) (param \"b\" $l))))", 1),
            ("(map u32 $l)", 4),
        ];
        for (inner, more) in cases {
            // Multiples of 8, so that nothing is padded.
            let most = LARGEST - 8 - if more == 0 { 0 } else { 8 };
            let inner = if inner == "$l" { "(list u8 1)" } else { inner };
            assert!(!too_large(&within(inner, most)), "{inner}");
            assert!(too_large(&within(inner, LARGEST - more)), "{inner}");
        }
    }

    #[test]
    fn a_product_does_not_wrap() {
        let mut text = String::from("(component (type $t0 (list u64 1073741824))");
        assert!(too_large(&format!("{text})")));
        for i in 1..=8 {
            text += &format!("(type $t{i} (list $t{} 65536))", i - 1);
        }
        assert!(too_large(&format!("{text})")));
        let nested = "(component (type $a (list u8 4096)) (type $b (list $a 4096)) (type $c (list $b 15)))";
        assert!(!too_large(nested));
        assert!(too_large(&nested.replace("15", "16")));
    }

    /// The same sums as Wasmtime's.
    #[test]
    fn layouts() {
        let pairs = [(Layout::scalar(1), Layout::scalar(8)), (Layout::scalar(8), Layout::scalar(1))];
        for (a, b) in pairs {
            assert_eq!(a.and(b).padded().size, 16);
        }
        assert_eq!(Layout::scalar(8).tagged(2).size, 16);
        assert_eq!(Layout::EMPTY.tagged(257).size, 2);
        assert_eq!(Layout::EMPTY.tagged(256).size, 1);
    }
}
