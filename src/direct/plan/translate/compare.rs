//! What a component says of a function's type, compared with what the contract and WASI say.

use wasmtime_environ::component::{InterfaceType, TypeFuncIndex, TypeResourceTable, TypeResourceTableIndex};

use super::Reader;
use crate::contract::names;
use crate::direct::shapes::{self, Shape, Signature};
use crate::direct::wasi_types;

impl Reader<'_> {
    /// How a function's type differs from what it should be; none where it does not.
    pub(super) fn compare(&self, ty: TypeFuncIndex, want: &Signature) -> Option<String> {
        let func = &self.types[ty];
        let (params, results) = (&self.types[func.params].types, &self.types[func.results].types);
        if func.async_ {
            return Some("it is async, the contract's is not".into());
        }
        if params.len() != want.params.len() {
            return Some(format!("it takes {} parameters, the contract says {}", params.len(), want.params.len()));
        }
        for (i, (have, want)) in params.iter().zip(want.params).enumerate() {
            if !self.is(have, want) {
                return Some(format!("parameter {} is not the contract's {want:?}", i + 1));
            }
        }
        match (results.first(), want.result) {
            (None, None) => None,
            (Some(have), Some(want)) if results.len() == 1 && self.is(have, want) => None,
            (_, want) => Some(format!("its result is not the contract's {want:?}")),
        }
    }

    fn is(&self, have: &InterfaceType, want: &Shape) -> bool {
        let maybe = |have: &Option<InterfaceType>, want: Option<&Shape>| match (have, want) {
            (None, None) => true,
            (Some(have), Some(want)) => self.is(have, want),
            _ => false,
        };
        match (have, want) {
            (InterfaceType::Bool, Shape::Bool)
            | (InterfaceType::U8, Shape::U8)
            | (InterfaceType::U32, Shape::U32)
            | (InterfaceType::U64, Shape::U64)
            | (InterfaceType::String, Shape::Str) => true,
            (InterfaceType::List(list), Shape::Bytes) => self.types[*list].element == InterfaceType::U8,
            (InterfaceType::List(list), Shape::List(want)) => self.is(&self.types[*list].element, want),
            (InterfaceType::Option(option), Shape::Option(want)) => self.is(&self.types[*option].ty, want),
            (InterfaceType::Result(result), Shape::Result(ok, err)) => {
                let result = &self.types[*result];
                maybe(&result.ok, *ok) && maybe(&result.err, Some(err))
            }
            (InterfaceType::Result(result), Shape::Outcome) => {
                let result = &self.types[*result];
                result.ok.is_none() && result.err.is_none()
            }
            (InterfaceType::Tuple(tuple), Shape::Tuple(want)) => {
                let types = &self.types[*tuple].types;
                types.len() == want.len() && types.iter().zip(*want).all(|(ty, want)| self.is(ty, want))
            }
            (InterfaceType::Record(record), Shape::Record(want)) => {
                let fields = &self.types[*record].fields;
                fields.len() == want.len()
                    && fields.iter().zip(*want).all(|(f, (name, ty))| f.name == *name && self.is(&f.ty, ty))
            }
            (InterfaceType::Variant(variant), Shape::Variant(want)) => {
                let cases = &self.types[*variant].cases;
                cases.len() == want.len()
                    && cases.iter().zip(*want).all(|((n, ty), (name, want))| n == name && maybe(ty, *want))
            }
            (InterfaceType::Enum(e), Shape::Enum(want)) => {
                let names = &self.types[*e].names;
                names.len() == want.len() && names.iter().zip(*want).all(|(a, b)| a == b)
            }
            (InterfaceType::Flags(flags), Shape::Flags(want)) => {
                let names = &self.types[*flags].names;
                names.len() == want.len() && names.iter().zip(*want).all(|(a, b)| a == b)
            }
            (InterfaceType::Own(ty), Shape::OwnOf(interface, name))
            | (InterfaceType::Borrow(ty), Shape::BorrowOf(interface, name)) => {
                self.is_imported(*ty, |from, item| item == *name && wasi_types::is(from, interface))
            }
            (InterfaceType::Own(ty), Shape::Own(want)) | (InterfaceType::Borrow(ty), Shape::Borrow(want)) => {
                self.is_imported(*ty, |from, item| item == want.name() && names::matches(from, shapes::TYPES))
            }
            _ => false,
        }
    }

    /// Whether a handle type is what `is` says of the interface and the name that it is imported by.
    fn is_imported(&self, ty: TypeResourceTableIndex, is: impl Fn(&str, &str) -> bool) -> bool {
        match &self.types[ty] {
            TypeResourceTable::Concrete { .. } => self.resource_name(ty).is_some_and(|(from, item)| is(from, &item)),
            // Of a type that is never instantiated: compared where it is lowered.
            TypeResourceTable::Abstract(_) => true,
        }
    }
}
