//! Values that the program gives, copied: as far as they are of the type that is wanted, within the memory
//! that values may take, and no longer than the call may.

use super::args::{self, bad};
use super::plain::{Str, number};
use super::value::{Value, ValueList};
use crate::contract::held;
use crate::contract::host::Breach;
use crate::engine::value::{Boxed, Left, Name, SHOWN, Value as Owned};
use crate::error::Error;
use crate::general::wanted::Wanted;
use crate::general::watch::{self, PIECE, Steps};

/// A value may be this deep.
const DEEPEST: usize = 128;

/// Why a value that C gave is none of ours.
#[derive(Debug)]
pub enum Unread {
    /// It is no value of any type.
    Wrong(Box<Error>),
    /// There is no memory for a copy, or no time.
    Stopped(wasmtime::Error),
}

impl From<Box<Error>> for Unread {
    fn from(error: Box<Error>) -> Self {
        Self::Wrong(error)
    }
}

impl From<Breach> for Unread {
    fn from(breach: Breach) -> Self {
        Self::Stopped(breach.into())
    }
}

type Read<T> = Result<T, Unread>;

/// Reads what goes at once.
pub struct Reader {
    /// What to call it in an error.
    name: &'static str,
    left: Left,
    steps: Steps,
}

/// A value of a kind that holds more than a number, without what it holds.
fn blank(kind: i32) -> Read<Option<Owned>> {
    Ok(Some(match kind {
        13 => Owned::String(String::new()),
        14 => Owned::Bytes(Vec::new()),
        15 => Owned::List(Vec::new()),
        16 => Owned::Record(Vec::new()),
        17 => Owned::Tuple(Vec::new()),
        18 => Owned::Variant(Name::copy("")?, None),
        19 => Owned::Enum(Name::copy("")?),
        20 => Owned::Option(None),
        21 => Owned::Result(Ok(None)),
        22 => Owned::Flags(Vec::new()),
        _ => return Ok(None),
    }))
}

impl Reader {
    /// For values that are `name`.
    pub fn new(name: &'static str) -> Self {
        Self { name, left: Left::default(), steps: Steps::default() }
    }

    /// The value that C gave; none for TORVYN_KIND_NONE. One that is not of the type that is wanted keeps
    /// its kind alone, there where it is not.
    ///
    /// # Safety
    ///
    /// The member that the kind names is set, and so on for what it points to.
    pub unsafe fn read(&mut self, value: &Value, wanted: Wanted<'_>) -> Read<Option<Owned>> {
        if number(value.kind) == 0 {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { self.value(value, wanted, 0) }.map(Some)
    }

    /// # Safety
    ///
    /// As for [`Reader::read`], here and below.
    unsafe fn text<'a>(&mut self, text: Str) -> Read<&'a str> {
        // SAFETY: the caller's promise.
        Ok(unsafe { text.text(self.name) }?)
    }

    unsafe fn list<'a, T>(&self, data: *const T, len: usize) -> Read<&'a [T]> {
        // SAFETY: the caller's promise.
        Ok(unsafe { args::list(data, len, self.name) }?)
    }

    unsafe fn label(&mut self, text: Str) -> Read<Name> {
        // SAFETY: the caller's promise.
        let text = unsafe { self.text(text)? };
        self.left.bytes(Some(text.len()))?;
        Ok(Name::copy(text)?)
    }

    unsafe fn values<'t>(
        &mut self,
        list: ValueList,
        depth: usize,
        wanted: impl Fn(usize) -> Wanted<'t>,
    ) -> Read<Vec<Owned>> {
        // SAFETY: the caller's promise.
        let list = unsafe { self.list(list.data, list.len)? };
        let mut values = self.left.values(list.len())?;
        for (i, value) in list.iter().enumerate() {
            // SAFETY: as above.
            values.push(unsafe { self.value(value, wanted(i), depth + 1)? });
        }
        Ok(values)
    }

    unsafe fn held(&mut self, at: *const Value, wanted: Wanted<'_>, depth: usize) -> Read<Option<Boxed>> {
        // SAFETY: the caller's promise.
        let Some(value) = (unsafe { at.as_ref() }) else { return Ok(None) };
        // SAFETY: as above.
        let value = unsafe { self.value(value, wanted, depth + 1)? };
        Ok(Some(self.left.boxed(value)?))
    }

    unsafe fn value(&mut self, value: &Value, wanted: Wanted<'_>, depth: usize) -> Read<Owned> {
        self.steps.step().map_err(Unread::Stopped)?;
        let name = self.name;
        if depth > DEEPEST {
            return Err(bad(name, format_args!("a value is nested deeper than {DEEPEST}")).into());
        }
        let range = |what: &str| bad(name, format_args!("a value is out of the range of {what}"));
        let (kind, of) = (number(value.kind), &value.of);
        if let Some(blank) = blank(kind)?
            && !wanted.takes(&blank)
        {
            return Ok(blank);
        }
        // SAFETY: the caller's promise: the kind says which member is set.
        unsafe {
            Ok(match kind {
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
                13 => {
                    watch::look().map_err(Unread::Stopped)?;
                    let text = self.text(of.string)?;
                    let mut copy = self.left.text(text.len())?;
                    copy.push_str(text);
                    Owned::String(copy)
                }
                14 => {
                    let bytes = self.list(of.bytes.data, of.bytes.len)?;
                    self.left.bytes(Some(bytes.len()))?;
                    let mut copy = held::room(bytes.len())?;
                    for piece in bytes.chunks(PIECE) {
                        watch::look().map_err(Unread::Stopped)?;
                        copy.extend_from_slice(piece);
                    }
                    Owned::Bytes(copy)
                }
                15 => Owned::List(self.values(of.values, depth, |_| wanted.element())?),
                16 => {
                    let (names, len) = (self.list(of.fields.names, of.fields.len)?, of.fields.len);
                    let values = self.list(of.fields.values, len)?;
                    let mut fields = self.left.names(len, SHOWN)?;
                    for (i, (name, value)) in names.iter().zip(values).enumerate() {
                        let name = self.label(*name)?;
                        let value = self.value(value, wanted.field(i, &name), depth + 1)?;
                        fields.push((name, value));
                    }
                    Owned::Record(fields)
                }
                17 => Owned::Tuple(self.values(of.values, depth, |i| wanted.at(i))?),
                18 => {
                    let case = self.label(of.variant.name)?;
                    let held = self.held(of.variant.payload, wanted.held(&case, false), depth)?;
                    Owned::Variant(case, held)
                }
                19 => Owned::Enum(self.label(of.string)?),
                20 => Owned::Option(self.held(of.option, wanted.held("", false), depth)?),
                21 => {
                    let is_error = (&raw const of.result.is_error).cast::<u8>().read() != 0;
                    let held = self.held(of.result.payload, wanted.held("", is_error), depth)?;
                    Owned::Result(if is_error { Err(held) } else { Ok(held) })
                }
                22 => {
                    let set = self.list(of.flags.data, of.flags.len)?;
                    let mut names = self.left.names(set.len(), 0)?;
                    for flag in set {
                        self.steps.step().map_err(Unread::Stopped)?;
                        names.push(self.label(*flag)?);
                    }
                    Owned::Flags(names)
                }
                23 => Owned::Own(of.resource),
                24 => Owned::Borrow(of.resource),
                other => return Err(bad(name, format_args!("{other} is no torvyn_kind_t")).into()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::super::args::Clear as _;
    use super::super::value::{Kind, ValueOf};
    use super::*;

    impl Unread {
        fn message(self) -> String {
            match self {
                Self::Wrong(error) => error.message,
                Self::Stopped(error) => error.to_string(),
            }
        }
    }

    unsafe fn read(value: &Value) -> Read<Option<Owned>> {
        // SAFETY: the caller's promise.
        unsafe { Reader::new("result").read(value, Wanted::Any) }
    }

    #[test]
    fn what_c_gives_wrongly_is_refused() {
        // SAFETY: the members that the kinds name are set.
        unsafe {
            let wrong = |kind, of| {
                let value = Value { kind: MaybeUninit::new(kind), of };
                read(&value).unwrap_err().message()
            };
            assert!(wrong(Kind::TORVYN_KIND_U8, ValueOf { uint: 256 }).contains("u8"));
            assert!(wrong(Kind::TORVYN_KIND_CHAR, ValueOf { uint: 0xd800 }).contains("char"));
            let null = ValueList { data: std::ptr::null(), len: 1 };
            assert!(wrong(Kind::TORVYN_KIND_LIST, ValueOf { values: null }).contains("NULL"));
            let mut endless = Value::CLEAR;
            endless.kind = MaybeUninit::new(Kind::TORVYN_KIND_OPTION);
            endless.of = ValueOf { option: &raw const endless };
            assert!(read(&endless).unwrap_err().message().contains("deeper"));
            let mut unknown = Value::CLEAR;
            unknown.kind.as_mut_ptr().cast::<i32>().write(99);
            assert!(read(&unknown).unwrap_err().message().contains("99"));
            assert_eq!(read(&Value::CLEAR).unwrap(), None);
        }
    }
}
