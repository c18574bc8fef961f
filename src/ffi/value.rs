//! Values of WIT types, as C reads and makes them.

use std::mem::MaybeUninit;

use super::args::Clear;
use super::plain::{Bytes, Str, number};
use crate::contract::held::room;
use crate::engine::value::{Boxed, Name, SHOWN, SHOWN_NAME, Value as Owned};
use crate::general::watch::Steps;

/// The kind of a value's WIT type, which says which member of `of` holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum Kind {
    /// No value: what a function without a result gives.
    TORVYN_KIND_NONE = 0,
    /// `bool`, in `boolean`.
    TORVYN_KIND_BOOL = 1,
    /// `s8`, in `sint`.
    TORVYN_KIND_S8 = 2,
    /// `u8`, in `uint`.
    TORVYN_KIND_U8 = 3,
    /// `s16`, in `sint`.
    TORVYN_KIND_S16 = 4,
    /// `u16`, in `uint`.
    TORVYN_KIND_U16 = 5,
    /// `s32`, in `sint`.
    TORVYN_KIND_S32 = 6,
    /// `u32`, in `uint`.
    TORVYN_KIND_U32 = 7,
    /// `s64`, in `sint`.
    TORVYN_KIND_S64 = 8,
    /// `u64`, in `uint`.
    TORVYN_KIND_U64 = 9,
    /// `f32`, in `f32`.
    TORVYN_KIND_F32 = 10,
    /// `f64`, in `f64`.
    TORVYN_KIND_F64 = 11,
    /// `char`, a Unicode scalar value, in `uint`.
    TORVYN_KIND_CHAR = 12,
    /// `string`, in `string`.
    TORVYN_KIND_STRING = 13,
    /// `list<u8>`, in `bytes`. The library gives such a list so; it takes a
    /// TORVYN_KIND_LIST of TORVYN_KIND_U8 as well.
    TORVYN_KIND_BYTES = 14,
    /// `list<T>` of any other type, in `values`; `map<K, V>` as a list of tuples.
    /// Also a list of fixed length, `list<T, N>`; for `list<u8, N>` the library
    /// takes TORVYN_KIND_BYTES as well.
    TORVYN_KIND_LIST = 15,
    /// `record`, in `fields`.
    TORVYN_KIND_RECORD = 16,
    /// `tuple`, in `values`.
    TORVYN_KIND_TUPLE = 17,
    /// `variant`, in `variant`: the case and its payload or NULL.
    TORVYN_KIND_VARIANT = 18,
    /// `enum`, in `string`: the case.
    TORVYN_KIND_ENUM = 19,
    /// `option`, in `option`: NULL for none.
    TORVYN_KIND_OPTION = 20,
    /// `result`, in `result`.
    TORVYN_KIND_RESULT = 21,
    /// `flags`, in `flags`: those that are set.
    TORVYN_KIND_FLAGS = 22,
    /// `own<T>` of a resource of the program's, in `resource`.
    TORVYN_KIND_OWN = 23,
    /// `borrow<T>` of a resource of the program's, in `resource`.
    TORVYN_KIND_BORROW = 24,
}

/// Values in a row.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ValueList {
    /// The first one; NULL where there are none.
    pub data: *const Value,
    /// Number of values.
    pub len: usize,
}

/// The fields of a record, in any order.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Fields {
    /// Their names in the WIT.
    pub names: *const Str,
    /// Their values, in the same order.
    pub values: *const Value,
    /// Number of fields.
    pub len: usize,
}

/// Names in a row.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct NameList {
    /// The first one; NULL where there are none.
    pub data: *const Str,
    /// Number of names.
    pub len: usize,
}

/// A case of a variant.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Case {
    /// Its name in the WIT.
    pub name: Str,
    /// What it holds; NULL where it holds nothing.
    pub payload: *const Value,
}

/// A `result`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Outcome {
    /// Whether it is the error.
    pub is_error: bool,
    /// What it holds; NULL where it holds nothing.
    pub payload: *const Value,
}

/// What a value holds; its kind says where.
#[derive(Clone, Copy)]
#[repr(C)]
pub union ValueOf {
    /// TORVYN_KIND_BOOL.
    pub boolean: bool,
    /// TORVYN_KIND_S8 to TORVYN_KIND_S64.
    pub sint: i64,
    /// TORVYN_KIND_U8 to TORVYN_KIND_U64, and TORVYN_KIND_CHAR.
    pub uint: u64,
    /// TORVYN_KIND_F32.
    pub f32: f32,
    /// TORVYN_KIND_F64.
    pub f64: f64,
    /// TORVYN_KIND_STRING and TORVYN_KIND_ENUM.
    pub string: Str,
    /// TORVYN_KIND_BYTES.
    pub bytes: Bytes,
    /// TORVYN_KIND_LIST and TORVYN_KIND_TUPLE.
    pub values: ValueList,
    /// TORVYN_KIND_RECORD.
    pub fields: Fields,
    /// TORVYN_KIND_VARIANT.
    pub variant: Case,
    /// TORVYN_KIND_OPTION; NULL for none.
    pub option: *const Value,
    /// TORVYN_KIND_RESULT.
    pub result: Outcome,
    /// TORVYN_KIND_FLAGS.
    pub flags: NameList,
    /// TORVYN_KIND_OWN and TORVYN_KIND_BORROW: the program's number for the
    /// resource.
    pub resource: u32,
}

/// A value of any WIT type but the asynchronous ones, nested at most 128 deep.
/// What it points to is borrowed from whoever gave it.
///
/// What is passed at once, either way, the arguments of a call or its result,
/// may take 128 MiB of the host's memory (TORVYN_ERROR_MEMORY beyond): some 64
/// bytes for each value, 40 for the name of each field and flag, and one for
/// each byte of text and of a `list<u8>`. That is a list of some 2 million
/// numbers, or one of almost 128 MiB of bytes. What several values point to
/// counts for each of them. A text that the program gives is of 16 MiB at most,
/// as torvyn_str_t says. All copies are within the call's time; those to and
/// from a component take fuel, one for each byte that the value has in the
/// component, where the engine counts it.
///
/// The layout never changes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Value {
    /// Which member of `of` is set.
    pub kind: MaybeUninit<Kind>,
    /// The value.
    pub of: ValueOf,
}

const _: () = assert!(size_of::<Value>() == SHOWN && size_of::<Str>() == SHOWN_NAME);

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Value").field("kind", &number(self.kind)).finish_non_exhaustive()
    }
}

impl Clear for Value {
    const CLEAR: Self = Self { kind: MaybeUninit::new(Kind::TORVYN_KIND_NONE), of: ValueOf { bytes: Bytes::CLEAR } };
}

/// Values as C sees them; they point into what they were made of and into this.
pub struct Views {
    values: Vec<Value>,
    names: Vec<Str>,
    len: usize,
}

/// What is still free of the memory for views, which stays where it is.
struct Room {
    values: *mut Value,
    names: *mut Str,
    steps: Steps,
}

/// How many values there are and within them, and how many names.
#[derive(Default)]
struct Count {
    values: usize,
    names: usize,
    steps: Steps,
}

impl Count {
    fn all<'o>(&mut self, owned: impl IntoIterator<Item = &'o Owned>) -> wasmtime::Result<()> {
        owned.into_iter().try_for_each(|owned| self.one(owned))
    }

    fn one(&mut self, owned: &Owned) -> wasmtime::Result<()> {
        self.steps.step()?;
        self.values += 1;
        match owned {
            Owned::List(v) | Owned::Tuple(v) => self.all(v),
            Owned::Record(fields) => {
                self.names += fields.len();
                self.all(fields.iter().map(|(_, value)| value))
            }
            Owned::Variant(_, Some(held))
            | Owned::Option(Some(held))
            | Owned::Result(Ok(Some(held)) | Err(Some(held))) => self.all(&held[..]),
            Owned::Flags(set) => {
                self.names += set.len();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Views {
    /// Shows `owned`, which must live as long as the views are used.
    pub fn new(owned: &[Owned]) -> wasmtime::Result<Self> {
        let mut count = Count::default();
        count.all(owned)?;
        let Count { values, names, steps } = count;
        let mut views = Self { values: room(values)?, names: room(names)?, len: owned.len() };
        let mut free = Room { values: views.values.as_mut_ptr(), names: views.names.as_mut_ptr(), steps };
        // SAFETY: there is room for as many as were counted.
        unsafe { free.all(owned.iter())? };
        Ok(views)
    }

    /// The values.
    pub fn list(&self) -> ValueList {
        let data = if self.len == 0 { std::ptr::null() } else { self.values.as_ptr() };
        ValueList { data, len: self.len }
    }
}

impl Room {
    /// Shows values in a row.
    ///
    /// # Safety
    ///
    /// There is room for them and what is within them.
    unsafe fn all<'o>(&mut self, owned: impl ExactSizeIterator<Item = &'o Owned>) -> wasmtime::Result<ValueList> {
        let (data, len) = (self.values, owned.len());
        if len == 0 {
            return Ok(ValueList { data: std::ptr::null(), len });
        }
        // SAFETY: there is room.
        self.values = unsafe { data.add(len) };
        for (i, owned) in owned.enumerate() {
            // SAFETY: the same.
            unsafe { data.add(i).write(self.one(owned)?) };
        }
        Ok(ValueList { data, len })
    }

    /// Shows what a value holds.
    ///
    /// # Safety
    ///
    /// As for [`Room::all`].
    unsafe fn held(&mut self, held: Option<&Boxed>) -> wasmtime::Result<*const Value> {
        // SAFETY: the caller's promise.
        held.map_or(Ok(std::ptr::null()), |held| Ok(unsafe { self.all(held.iter())? }.data))
    }

    /// Shows names in a row.
    ///
    /// # Safety
    ///
    /// As for [`Room::all`].
    unsafe fn names<'o>(&mut self, names: impl ExactSizeIterator<Item = &'o Name>) -> NameList {
        let (data, len) = (self.names, names.len());
        if len == 0 {
            return NameList { data: std::ptr::null(), len };
        }
        for (i, name) in names.enumerate() {
            // SAFETY: there is room.
            unsafe { data.add(i).write(Str::of(name)) };
        }
        // SAFETY: the same.
        self.names = unsafe { data.add(len) };
        NameList { data, len }
    }

    /// Shows a value.
    ///
    /// # Safety
    ///
    /// As for [`Room::all`], of what is within it.
    unsafe fn one(&mut self, owned: &Owned) -> wasmtime::Result<Value> {
        use Kind::*;
        self.steps.step()?;
        let sint = |n: i64| ValueOf { sint: n };
        let uint = |n: u64| ValueOf { uint: n };
        // SAFETY: the caller's promise.
        let (kind, of) = unsafe {
            match owned {
                Owned::Bool(v) => (TORVYN_KIND_BOOL, ValueOf { boolean: *v }),
                Owned::S8(v) => (TORVYN_KIND_S8, sint((*v).into())),
                Owned::U8(v) => (TORVYN_KIND_U8, uint((*v).into())),
                Owned::S16(v) => (TORVYN_KIND_S16, sint((*v).into())),
                Owned::U16(v) => (TORVYN_KIND_U16, uint((*v).into())),
                Owned::S32(v) => (TORVYN_KIND_S32, sint((*v).into())),
                Owned::U32(v) => (TORVYN_KIND_U32, uint((*v).into())),
                Owned::S64(v) => (TORVYN_KIND_S64, sint(*v)),
                Owned::U64(v) => (TORVYN_KIND_U64, uint(*v)),
                Owned::F32(v) => (TORVYN_KIND_F32, ValueOf { f32: *v }),
                Owned::F64(v) => (TORVYN_KIND_F64, ValueOf { f64: *v }),
                Owned::Char(v) => (TORVYN_KIND_CHAR, uint(u32::from(*v).into())),
                Owned::String(v) => (TORVYN_KIND_STRING, ValueOf { string: Str::of(v) }),
                Owned::Bytes(v) => (TORVYN_KIND_BYTES, ValueOf { bytes: Bytes::of(v) }),
                Owned::List(v) => (TORVYN_KIND_LIST, ValueOf { values: self.all(v.iter())? }),
                Owned::Tuple(v) => (TORVYN_KIND_TUPLE, ValueOf { values: self.all(v.iter())? }),
                Owned::Record(v) => {
                    let names = self.names(v.iter().map(|(name, _)| name));
                    let values = self.all(v.iter().map(|(_, value)| value))?;
                    let fields = Fields { names: names.data, values: values.data, len: v.len() };
                    (TORVYN_KIND_RECORD, ValueOf { fields })
                }
                Owned::Variant(name, v) => {
                    let variant = Case { name: Str::of(name), payload: self.held(v.as_ref())? };
                    (TORVYN_KIND_VARIANT, ValueOf { variant })
                }
                Owned::Enum(v) => (TORVYN_KIND_ENUM, ValueOf { string: Str::of(v) }),
                Owned::Option(v) => (TORVYN_KIND_OPTION, ValueOf { option: self.held(v.as_ref())? }),
                Owned::Result(v) => {
                    let (Ok(held) | Err(held)) = v;
                    let result = Outcome { is_error: v.is_err(), payload: self.held(held.as_ref())? };
                    (TORVYN_KIND_RESULT, ValueOf { result })
                }
                Owned::Flags(v) => (TORVYN_KIND_FLAGS, ValueOf { flags: self.names(v.iter()) }),
                Owned::Own(rep) => (TORVYN_KIND_OWN, ValueOf { resource: *rep }),
                Owned::Borrow(rep) => (TORVYN_KIND_BORROW, ValueOf { resource: *rep }),
            }
        };
        Ok(Value { kind: MaybeUninit::new(kind), of })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::Reader;
    use super::*;
    use crate::general::wanted::Wanted;

    #[test]
    fn every_kind_goes_to_c_and_back() {
        let text = |t: &str| t.to_owned();
        let name = |t: &str| Name::copy(t).unwrap();
        let some = |v| Some(Box::new([v]));
        let values = vec![
            Owned::Bool(true),
            Owned::S8(-1),
            Owned::U8(255),
            Owned::S16(-2),
            Owned::U16(3),
            Owned::S32(-4),
            Owned::U32(5),
            Owned::S64(-6),
            Owned::U64(u64::MAX),
            Owned::F32(1.5),
            Owned::F64(-2.5),
            Owned::Char('é'),
            Owned::String(text("string")),
            Owned::Bytes(vec![1, 2]),
            Owned::List(vec![Owned::U8(1)]),
            Owned::Record(vec![(name("a"), Owned::Bool(false)), (name("b"), Owned::List(vec![]))]),
            Owned::Tuple(vec![]),
            Owned::Variant(name("case"), some(Owned::U8(1))),
            Owned::Variant(name("bare"), None),
            Owned::Enum(name("low")),
            Owned::Option(None),
            Owned::Option(some(Owned::Option(None))),
            Owned::Result(Ok(None)),
            Owned::Result(Err(some(Owned::String(text("no"))))),
            Owned::Flags(vec![name("x"), name("y")]),
            Owned::Own(7),
            Owned::Borrow(8),
        ];
        let views = Views::new(&values).unwrap();
        let list = views.list();
        for (i, value) in values.iter().enumerate() {
            // SAFETY: the views and what they were made of are alive.
            let back = unsafe { Reader::new("value").read(&*list.data.add(i), Wanted::Any) }.unwrap();
            assert_eq!(back.as_ref(), Some(value));
        }
    }
}
