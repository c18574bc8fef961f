//! What a value of the program's is read for: what cannot be of its type is not looked into.

use wasmtime_environ::component::{ComponentTypes, InterfaceType, TypeMapIndex};

use crate::engine::value::Value;

/// The type that a value should be of.
#[derive(Clone, Copy)]
pub enum Wanted<'t> {
    /// It is not known here.
    Any,
    /// This one.
    Type(&'t ComponentTypes, InterfaceType),
    /// A key of this map with what it stands for.
    Entry(&'t ComponentTypes, TypeMapIndex),
    /// None: whoever checks the value needs to know its kind and no more.
    None,
}

impl<'t> Wanted<'t> {
    fn of(types: &'t ComponentTypes, ty: Option<InterfaceType>) -> Self {
        ty.map_or(Self::None, |ty| Self::Type(types, ty))
    }

    /// Whether values of `kind`'s kind may be of the type.
    pub fn takes(self, kind: &Value) -> bool {
        use InterfaceType as T;
        match self {
            Self::Any => true,
            Self::None => false,
            Self::Entry(..) => matches!(kind, Value::Tuple(_)),
            Self::Type(types, ty) => match (kind, ty) {
                (Value::Bytes(_), T::List(i)) => types[i].element == T::U8,
                (Value::String(_), T::String)
                | (Value::Bytes(_), T::FixedLengthList(_))
                | (Value::List(_), T::List(_) | T::FixedLengthList(_) | T::Map(_))
                | (Value::Record(_), T::Record(_))
                | (Value::Tuple(_), T::Tuple(_))
                | (Value::Variant(..), T::Variant(_))
                | (Value::Enum(_), T::Enum(_))
                | (Value::Option(_), T::Option(_))
                | (Value::Result(_), T::Result(_))
                | (Value::Flags(_), T::Flags(_)) => true,
                _ => false,
            },
        }
    }

    /// For the elements of a list.
    pub fn element(self) -> Self {
        match self {
            Self::Type(types, InterfaceType::List(i)) => Self::Type(types, types[i].element),
            Self::Type(types, InterfaceType::FixedLengthList(i)) => Self::Type(types, types[i].element),
            Self::Type(types, InterfaceType::Map(i)) => Self::Entry(types, i),
            other => other,
        }
    }

    /// For the element of a tuple at `index`.
    pub fn at(self, index: usize) -> Self {
        match self {
            Self::Type(types, InterfaceType::Tuple(i)) => Self::of(types, types[i].types.get(index).copied()),
            Self::Entry(types, i) => Self::of(types, [types[i].key, types[i].value].get(index).copied()),
            other => other,
        }
    }

    /// For the field of a record that is called `name` and given at `index`. The type of one that is not
    /// at its own place is not looked for.
    pub fn field(self, index: usize, name: &str) -> Self {
        match self {
            Self::Type(types, InterfaceType::Record(i)) => match types[i].fields.get(index) {
                Some(field) if field.name == name => Self::Type(types, field.ty),
                _ => Self::Any,
            },
            other => other,
        }
    }

    /// For what a case of a variant holds, an option, or a result.
    pub fn held(self, case: &str, is_error: bool) -> Self {
        match self {
            Self::Type(types, InterfaceType::Variant(i)) => {
                Self::of(types, types[i].cases.get(case).copied().flatten())
            }
            Self::Type(types, InterfaceType::Option(i)) => Self::Type(types, types[i].ty),
            Self::Type(types, InterfaceType::Result(i)) => {
                Self::of(types, if is_error { types[i].err } else { types[i].ok })
            }
            other => other,
        }
    }
}
