//! Resources of which Wasmtime does not know which they are. It takes those for unknown that it first
//! meets in the type of a component that is an export, also where that component is then instantiated,
//! and panics where one is used: while it compiles, or when a call passes a handle.

use std::collections::HashSet;

use wasmtime_environ::component::{
    Export, InterfaceType, Trampoline, TypeFuncIndex, TypeResourceTable, TypeResourceTableIndex,
};

use super::{Reader, adapters};

impl Reader<'_> {
    /// Whether there are any where it matters.
    pub(super) fn has_unknown_resources(&self) -> bool {
        let unknown = |ty: TypeResourceTableIndex| matches!(self.types[ty], TypeResourceTable::Abstract(_));
        let mut seen = HashSet::new();
        let mut used = |func| self.uses(func, &unknown, &mut seen);
        self.trampolines.values().any(|trampoline| match trampoline {
            Trampoline::ResourceDrop { ty, .. }
            | Trampoline::ResourceNew { ty, .. }
            | Trampoline::ResourceRep { ty, .. } => unknown(*ty),
            Trampoline::LowerImport { lower_ty, .. } => used(*lower_ty),
            _ => false,
        }) || self.component.export_items.values().any(|item| match item {
            Export::LiftedFunction { ty, .. } => used(*ty),
            _ => false,
        }) || self.modules.values().skip(self.own).any(|adapter| adapters::tables(adapter).into_iter().any(unknown))
    }

    fn uses(
        &self,
        func: TypeFuncIndex,
        unknown: &impl Fn(TypeResourceTableIndex) -> bool,
        seen: &mut HashSet<InterfaceType>,
    ) -> bool {
        let func = &self.types[func];
        let tuples = [func.params, func.results];
        let mut left: Vec<_> = tuples.iter().flat_map(|tuple| self.types[*tuple].types.iter().copied()).collect();
        while let Some(ty) = left.pop() {
            if !seen.insert(ty) {
                continue;
            }
            match ty {
                InterfaceType::Own(table) | InterfaceType::Borrow(table) if unknown(table) => return true,
                InterfaceType::Record(ty) => left.extend(self.types[ty].fields.iter().map(|field| field.ty)),
                InterfaceType::Tuple(ty) => left.extend(self.types[ty].types.iter().copied()),
                InterfaceType::Variant(ty) => left.extend(self.types[ty].cases.values().flatten().copied()),
                InterfaceType::Option(ty) => left.push(self.types[ty].ty),
                InterfaceType::Result(ty) => left.extend(self.types[ty].ok.iter().chain(&self.types[ty].err).copied()),
                InterfaceType::List(ty) => left.push(self.types[ty].element),
                InterfaceType::FixedLengthList(ty) => left.push(self.types[ty].element),
                InterfaceType::Map(ty) => left.extend([self.types[ty].key, self.types[ty].value]),
                _ => {}
            }
        }
        false
    }
}
