//! Values of WIT types, for host functions and for calls outside of the contract.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use wasmtime_environ::component::{ComponentTypes, InterfaceType};

use crate::contract::held;
use crate::contract::host::Breach;

/// The name of a field, case or flag. One that a component gives is not copied: it stands in the
/// component's types.
#[derive(Clone)]
pub struct Name(Kept);

#[derive(Clone)]
enum Kept {
    Text(Box<str>),
    Of { types: Arc<ComponentTypes>, ty: InterfaceType, index: u32 },
}

impl Name {
    /// A copy of `text`.
    pub fn copy(text: &str) -> Result<Self, Breach> {
        Ok(Self(Kept::Text(held::copy(text)?.into_boxed_str())))
    }

    /// That at `index` of `ty`, a record, variant, enum or flags.
    pub fn of(types: &Arc<ComponentTypes>, ty: InterfaceType, index: u32) -> Self {
        Self(Kept::Of { types: types.clone(), ty, index })
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        let (types, ty, index) = match &self.0 {
            Kept::Text(text) => return text,
            Kept::Of { types, ty, index } => (types, *ty, *index as usize),
        };
        let name = match ty {
            InterfaceType::Record(i) => types[i].fields.get(index).map(|field| &field.name),
            InterfaceType::Variant(i) => types[i].cases.get_index(index).map(|(name, _)| name),
            InterfaceType::Enum(i) => (index < types[i].names.len()).then(|| &types[i].names[index]),
            InterfaceType::Flags(i) => (index < types[i].names.len()).then(|| &types[i].names[index]),
            _ => None,
        };
        name.map_or("", String::as_str)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// What the program sees of a value takes so many bytes, and so many more of a name.
pub const SHOWN: usize = 32;
/// See [`SHOWN`].
pub const SHOWN_NAME: usize = 16;

/// A value within a value. An array, since that is what can be had of memory that is refused.
pub type Boxed = Box<[Value; 1]>;

/// So much memory of the host's the values may take that pass at once, either way, as the program sees
/// them.
pub const MOST: usize = 128 << 20;

/// What a value takes, with what the program sees of it.
const EACH: usize = size_of::<Value>() + SHOWN;

/// What is left of [`MOST`]: room is had from here as it is needed, so that what comes of little, by being
/// there many times over, is refused at that size.
pub struct Left(usize);

impl Default for Left {
    fn default() -> Self {
        Self(MOST)
    }
}

impl Left {
    /// So many bytes.
    pub fn bytes(&mut self, bytes: Option<usize>) -> Result<(), Breach> {
        self.0 = bytes.and_then(|bytes| self.0.checked_sub(bytes)).ok_or(Breach::TooManyValues(MOST))?;
        Ok(())
    }

    /// Room for values.
    pub fn values(&mut self, len: usize) -> Result<Vec<Value>, Breach> {
        self.bytes(len.checked_mul(EACH))?;
        held::room(len)
    }

    /// Room for names, each with `more` besides.
    pub fn names<T>(&mut self, len: usize, more: usize) -> Result<Vec<T>, Breach> {
        self.bytes(len.checked_mul(size_of::<T>() + SHOWN_NAME + more))?;
        held::room(len)
    }

    /// Room for a text of `len` bytes.
    pub fn text(&mut self, len: usize) -> Result<String, Breach> {
        self.bytes(Some(len))?;
        held::text(len)
    }

    /// A value in a box.
    pub fn boxed(&mut self, value: Value) -> Result<Boxed, Breach> {
        self.bytes(Some(EACH))?;
        let mut one = held::room(1)?;
        one.push(value);
        one.into_boxed_slice().try_into().map_err(|_| Breach::NoMemory(size_of::<Value>()))
    }
}

/// A value of any WIT type but the asynchronous ones.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // named as in the WIT
pub enum Value {
    Bool(bool),
    S8(i8),
    U8(u8),
    S16(i16),
    U16(u16),
    S32(i32),
    U32(u32),
    S64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Char(char),
    String(String),
    /// `list<u8>`.
    Bytes(Vec<u8>),
    /// A list of anything else; also of a fixed length.
    List(Vec<Value>),
    Record(Vec<(Name, Value)>),
    Tuple(Vec<Value>),
    Variant(Name, Option<Boxed>),
    Enum(Name),
    Option(Option<Boxed>),
    /// `Ok` or `Err`.
    Result(Result<Option<Boxed>, Option<Boxed>>),
    Flags(Vec<Name>),
    /// Ownership of a resource of the host's, by the host's number for it.
    Own(u32),
    /// A resource of the host's, lent for the call.
    Borrow(u32),
}

impl Value {
    /// The kind of type that it is of.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::S8(_) => "s8",
            Value::U8(_) => "u8",
            Value::S16(_) => "s16",
            Value::U16(_) => "u16",
            Value::S32(_) => "s32",
            Value::U32(_) => "u32",
            Value::S64(_) => "s64",
            Value::U64(_) => "u64",
            Value::F32(_) => "f32",
            Value::F64(_) => "f64",
            Value::Char(_) => "char",
            Value::String(_) => "string",
            Value::Bytes(_) => "list<u8>",
            Value::List(_) => "list",
            Value::Record(_) => "record",
            Value::Tuple(_) => "tuple",
            Value::Variant(..) => "variant",
            Value::Enum(_) => "enum",
            Value::Option(_) => "option",
            Value::Result(_) => "result",
            Value::Flags(_) => "flags",
            Value::Own(_) => "own",
            Value::Borrow(_) => "borrow",
        }
    }
}
