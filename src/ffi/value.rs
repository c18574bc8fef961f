//! Values of WIT types, as C reads and makes them.

use std::mem::MaybeUninit;

use super::args::{self, Clear, bad};
use super::plain::{Bytes, Str, number};
use crate::engine::value::Value as Owned;
use crate::error::Result;

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
/// What a component gives at once, a result or a host function's arguments, may
/// have 3 million values (TORVYN_ERROR_MEMORY beyond 128 MiB): each value takes
/// 40 bytes, each byte of a `list<u8>` too, and text takes its length. A host
/// function of one or two parameters, each `list<u8>` or `string`, whose result
/// is none, one of these, an `option` of one, a `result<list<u8>, string>` or a
/// `result<_, string>` gets its bytes as bytes, 128 MiB of them.
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

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Value").field("kind", &number(self.kind)).finish_non_exhaustive()
    }
}

impl Clear for Value {
    const CLEAR: Self = Self { kind: MaybeUninit::new(Kind::TORVYN_KIND_NONE), of: ValueOf { bytes: Bytes::CLEAR } };
}

/// A value may be this deep.
const DEEPEST: usize = 128;

impl Value {
    /// The value that C gave; none for TORVYN_KIND_NONE.
    ///
    /// # Safety
    ///
    /// The member that the kind names is set, and so on for what it points to.
    pub unsafe fn read(&self, name: &'static str) -> Result<Option<Owned>> {
        if number(self.kind) == 0 {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { self.owned(name, 0) }.map(Some)
    }

    unsafe fn owned(&self, name: &'static str, depth: usize) -> Result<Owned> {
        if depth > DEEPEST {
            return Err(bad(name, format_args!("a value is nested deeper than {DEEPEST}")));
        }
        let range = |what: &str| bad(name, format_args!("a value is out of the range of {what}"));
        let text = |text: Str| {
            // SAFETY: the caller's promise.
            unsafe { text.text(name) }.map(str::to_owned)
        };
        let values = |list: ValueList| {
            // SAFETY: the caller's promise.
            let values = unsafe { args::list(list.data, list.len, name)? };
            // SAFETY: as above.
            values.iter().map(|value| unsafe { value.owned(name, depth + 1) }).collect::<Result<Vec<_>>>()
        };
        let payload = |at: *const Value| {
            // SAFETY: as above.
            let value = unsafe { at.as_ref() };
            // SAFETY: as above.
            value.map(|value| unsafe { value.owned(name, depth + 1) }.map(Box::new)).transpose()
        };
        let of = &self.of;
        // SAFETY: the caller's promise: the kind says which member is set.
        unsafe {
            Ok(match number(self.kind) {
                1 => Owned::Bool((&raw const of.boolean).cast::<u8>().read() != 0),
                2 => Owned::S8(of.sint.try_into().map_err(|_| range("s8"))?),
                3 => Owned::U8(of.uint.try_into().map_err(|_| range("u8"))?),
                4 => Owned::S16(of.sint.try_into().map_err(|_| range("s16"))?),
                5 => Owned::U16(of.uint.try_into().map_err(|_| range("u16"))?),
                6 => Owned::S32(of.sint.try_into().map_err(|_| range("s32"))?),
                7 => Owned::U32(of.uint.try_into().map_err(|_| range("u32"))?),
                8 => Owned::S64(of.sint),
                9 => Owned::U64(of.uint),
                10 => Owned::F32(of.f32),
                11 => Owned::F64(of.f64),
                12 => {
                    let code = u32::try_from(of.uint).ok().and_then(char::from_u32);
                    Owned::Char(code.ok_or_else(|| range("char"))?)
                }
                13 => Owned::String(text(of.string)?),
                14 => Owned::Bytes(args::list(of.bytes.data, of.bytes.len, name)?.to_vec()),
                15 => Owned::List(values(of.values)?),
                16 => {
                    let names = args::list(of.fields.names, of.fields.len, name)?;
                    let values = values(ValueList { data: of.fields.values, len: of.fields.len })?;
                    let fields = names.iter().zip(values).map(|(name, value)| Ok((text(*name)?, value)));
                    Owned::Record(fields.collect::<Result<_>>()?)
                }
                17 => Owned::Tuple(values(of.values)?),
                18 => Owned::Variant(text(of.variant.name)?, payload(of.variant.payload)?),
                19 => Owned::Enum(text(of.string)?),
                20 => Owned::Option(payload(of.option)?),
                21 => {
                    let held = payload(of.result.payload)?;
                    let is_error = (&raw const of.result.is_error).cast::<u8>().read() != 0;
                    Owned::Result(if is_error { Err(held) } else { Ok(held) })
                }
                22 => {
                    let names = args::list(of.flags.data, of.flags.len, name)?;
                    Owned::Flags(names.iter().map(|name| text(*name)).collect::<Result<_>>()?)
                }
                23 => Owned::Own(of.resource),
                24 => Owned::Borrow(of.resource),
                other => return Err(bad(name, format_args!("{other} is no torvyn_kind_t"))),
            })
        }
    }
}

/// Values as C sees them; they point into what they were made of and into this.
#[derive(Default)]
pub struct Views {
    values: Vec<Box<[Value]>>,
    names: Vec<Box<[Str]>>,
}

impl Views {
    /// Shows `owned`, which must live as long as the views are used.
    pub fn all(&mut self, owned: &[Owned]) -> ValueList {
        let shown: Box<[Value]> = owned.iter().map(|value| self.one(value)).collect();
        if shown.is_empty() {
            return ValueList { data: std::ptr::null(), len: 0 };
        }
        let list = ValueList { data: shown.as_ptr(), len: shown.len() };
        self.values.push(shown);
        list
    }

    fn payload(&mut self, owned: Option<&Owned>) -> *const Value {
        owned.map_or(std::ptr::null(), |owned| self.all(std::slice::from_ref(owned)).data)
    }

    fn one(&mut self, owned: &Owned) -> Value {
        use Kind::*;
        let sint = |n: i64| ValueOf { sint: n };
        let uint = |n: u64| ValueOf { uint: n };
        let (kind, of) = match owned {
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
            Owned::List(v) => (TORVYN_KIND_LIST, ValueOf { values: self.all(v) }),
            Owned::Tuple(v) => (TORVYN_KIND_TUPLE, ValueOf { values: self.all(v) }),
            Owned::Record(v) => {
                let names: Box<[Str]> = v.iter().map(|(name, _)| Str::of(name)).collect();
                let values: Box<[Value]> = v.iter().map(|(_, value)| self.one(value)).collect();
                let fields = Fields { names: names.as_ptr(), values: values.as_ptr(), len: v.len() };
                self.names.push(names);
                self.values.push(values);
                (TORVYN_KIND_RECORD, ValueOf { fields })
            }
            Owned::Variant(name, v) => {
                let variant = Case { name: Str::of(name), payload: self.payload(v.as_deref()) };
                (TORVYN_KIND_VARIANT, ValueOf { variant })
            }
            Owned::Enum(v) => (TORVYN_KIND_ENUM, ValueOf { string: Str::of(v) }),
            Owned::Option(v) => (TORVYN_KIND_OPTION, ValueOf { option: self.payload(v.as_deref()) }),
            Owned::Result(v) => {
                let (Ok(held) | Err(held)) = v;
                let result = Outcome { is_error: v.is_err(), payload: self.payload(held.as_deref()) };
                (TORVYN_KIND_RESULT, ValueOf { result })
            }
            Owned::Flags(v) => {
                let shown: Box<[Str]> = v.iter().map(|name| Str::of(name)).collect();
                let flags = NameList { data: shown.as_ptr(), len: shown.len() };
                self.names.push(shown);
                (TORVYN_KIND_FLAGS, ValueOf { flags })
            }
            Owned::Own(rep) => (TORVYN_KIND_OWN, ValueOf { resource: *rep }),
            Owned::Borrow(rep) => (TORVYN_KIND_BORROW, ValueOf { resource: *rep }),
        };
        Value { kind: MaybeUninit::new(kind), of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_goes_to_c_and_back() {
        let text = |t: &str| t.to_owned();
        let some = |v| Some(Box::new(v));
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
            Owned::Record(vec![(text("a"), Owned::Bool(false)), (text("b"), Owned::List(vec![]))]),
            Owned::Tuple(vec![]),
            Owned::Variant(text("case"), some(Owned::U8(1))),
            Owned::Variant(text("bare"), None),
            Owned::Enum(text("low")),
            Owned::Option(None),
            Owned::Option(some(Owned::Option(None))),
            Owned::Result(Ok(None)),
            Owned::Result(Err(some(Owned::String(text("no"))))),
            Owned::Flags(vec![text("x"), text("y")]),
            Owned::Own(7),
            Owned::Borrow(8),
        ];
        let mut views = Views::default();
        let list = views.all(&values);
        for (i, value) in values.iter().enumerate() {
            // SAFETY: the views and what they were made of are alive.
            let back = unsafe { (*list.data.add(i)).read("value") }.unwrap();
            assert_eq!(back.as_ref(), Some(value));
        }
    }

    #[test]
    fn what_c_gives_wrongly_is_refused() {
        // SAFETY: the members that the kinds name are set.
        unsafe {
            let wrong = |kind, of| Value { kind: MaybeUninit::new(kind), of }.read("result").unwrap_err().message;
            assert!(wrong(Kind::TORVYN_KIND_U8, ValueOf { uint: 256 }).contains("u8"));
            assert!(wrong(Kind::TORVYN_KIND_CHAR, ValueOf { uint: 0xd800 }).contains("char"));
            let null = ValueList { data: std::ptr::null(), len: 1 };
            assert!(wrong(Kind::TORVYN_KIND_LIST, ValueOf { values: null }).contains("NULL"));
            let mut endless = Value::CLEAR;
            endless.kind = MaybeUninit::new(Kind::TORVYN_KIND_OPTION);
            endless.of = ValueOf { option: &raw const endless };
            assert!(endless.read("result").unwrap_err().message.contains("deeper"));
            let mut unknown = Value::CLEAR;
            unknown.kind.as_mut_ptr().cast::<i32>().write(99);
            assert!(unknown.read("result").unwrap_err().message.contains("99"));
            assert_eq!(Value::CLEAR.read("result").unwrap(), None);
        }
    }
}
