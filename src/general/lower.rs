//! Values into a component's memory: whether they are of its types, which changes nothing, and the
//! way there.

use std::fmt::Display;

use wasmtime::component::__internal::{CanonicalAbiInfo, ComponentTypes, InterfaceType, LowerContext};
use wasmtime::component::ResourceType;
use wasmtime::{Result, ValRaw, bail};
use wasmtime_environ::component::{StringEncoding, TypeFlagsIndex, TypeRecordIndex, TypeResourceTableIndex};

use super::lift::{parts, payload_of, variant_info};
use super::watch::{self, PIECE, Steps};
use crate::contract::held::{self, room};
use crate::contract::host::Breach;
use crate::engine::fuel::charge_any;
use crate::engine::given::Key;
use crate::engine::value::{Boxed, Name, Value};

/// Why a value is not lowered.
#[derive(Debug)]
pub enum Misfit {
    /// It is not of its type; in words.
    Type(String),
    /// What else there was.
    Other(wasmtime::Error),
}

impl<E: Into<wasmtime::Error>> From<E> for Misfit {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

type Fit<T = ()> = std::result::Result<T, Misfit>;

fn wrong<T>(what: impl Display) -> Fit<T> {
    Err(Misfit::Type(what.to_string()))
}

fn inside<T>(place: impl Display, fit: Fit<T>) -> Fit<T> {
    fit.map_err(|misfit| match misfit {
        Misfit::Type(what) => Misfit::Type(format!("{place}: {what}")),
        other => other,
    })
}

/// What to call a type in an error.
fn name(ty: InterfaceType) -> &'static str {
    match ty {
        InterfaceType::Bool => "bool",
        InterfaceType::S8 => "s8",
        InterfaceType::U8 => "u8",
        InterfaceType::S16 => "s16",
        InterfaceType::U16 => "u16",
        InterfaceType::S32 => "s32",
        InterfaceType::U32 => "u32",
        InterfaceType::S64 => "s64",
        InterfaceType::U64 => "u64",
        InterfaceType::Float32 => "f32",
        InterfaceType::Float64 => "f64",
        InterfaceType::Char => "char",
        InterfaceType::String => "string",
        InterfaceType::List(_) | InterfaceType::FixedLengthList(_) => "list",
        InterfaceType::Map(_) => "map, as a list of tuples",
        InterfaceType::Record(_) => "record",
        InterfaceType::Tuple(_) => "tuple",
        InterfaceType::Variant(_) => "variant",
        InterfaceType::Enum(_) => "enum",
        InterfaceType::Option(_) => "option",
        InterfaceType::Result(_) => "result",
        InterfaceType::Flags(_) => "flags",
        InterfaceType::Own(_) => "own",
        InterfaceType::Borrow(_) => "borrow",
        InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => "an asynchronous type",
    }
}

/// Which of the given fields each one of a record's is; none where they are in the record's order.
fn order(types: &ComponentTypes, record: TypeRecordIndex, given: &[(Name, Value)]) -> Fit<Option<Vec<usize>>> {
    let fields = &types[record].fields;
    if fields.len() == given.len() && fields.iter().zip(given).all(|(field, (name, _))| field.name == **name) {
        return Ok(None);
    }
    let mut sorted = room(given.len())?;
    sorted.extend(given.iter().enumerate().map(|(i, (name, _))| (&**name, i)));
    sorted.sort_unstable();
    let (mut order, mut used) = (room(fields.len())?, room(given.len())?);
    used.resize(given.len(), false);
    for field in fields {
        let at = sorted.partition_point(|(name, _)| *name < field.name.as_str());
        match sorted.get(at) {
            Some((name, i)) if *name == field.name => {
                used[*i] = true;
                order.push(*i);
            }
            _ => return wrong(format_args!("the field `{}` is missing", field.name)),
        }
    }
    match used.iter().position(|used| !used) {
        Some(i) => wrong(format_args!("there is no field `{}`, or it is there twice", given[i].0)),
        None => Ok(Some(order)),
    }
}

/// The case of a variant of any kind that a value is, and what that holds.
fn case<'v>(types: &ComponentTypes, ty: InterfaceType, value: &'v Value) -> Fit<(usize, Option<&'v Boxed>)> {
    let found = match (ty, value) {
        (InterfaceType::Variant(i), Value::Variant(case, held)) => {
            (types[i].cases.get_full(&**case).map(|(index, ..)| index), case, held.as_ref())
        }
        (InterfaceType::Enum(i), Value::Enum(case)) => (types[i].names.get_index_of(&**case), case, None),
        (InterfaceType::Option(_), Value::Option(held)) => return Ok((usize::from(held.is_some()), held.as_ref())),
        (InterfaceType::Result(_), Value::Result(Ok(held))) => return Ok((0, held.as_ref())),
        (InterfaceType::Result(_), Value::Result(Err(held))) => return Ok((1, held.as_ref())),
        _ => return wrong(format_args!("expected {}, found {}", name(ty), value.kind())),
    };
    match found {
        (Some(index), _, held) => Ok((index, held)),
        (None, case, _) => wrong(format_args!("there is no case `{case}`")),
    }
}

/// Checks values before anything is done with them.
pub struct Check<'t> {
    /// The component's types.
    pub types: &'t ComponentTypes,
    /// What a resource type of them is.
    pub resource: &'t dyn Fn(TypeResourceTableIndex) -> ResourceType,
    /// The program's resource types.
    pub known: &'t [(ResourceType, u32)],
    /// What the component will own of the values that were checked.
    pub owned: Vec<Key>,
    /// How far it is.
    pub steps: Steps,
}

impl Check<'_> {
    fn key(&self, table: TypeResourceTableIndex, rep: u32) -> Fit<Key> {
        let ty = (self.resource)(table);
        match self.known.iter().find(|(known, _)| *known == ty) {
            Some((_, kind)) => Ok((*kind, rep)),
            None => wrong("the resource is not the host's"),
        }
    }

    fn each(&mut self, values: &[Value], ty: InterfaceType) -> Fit {
        values.iter().enumerate().try_for_each(|(i, value)| inside(format_args!("[{i}]"), self.value(value, ty)))
    }

    fn held(&mut self, held: Option<&Boxed>, ty: Option<InterfaceType>) -> Fit {
        match (held, ty) {
            (None, None) => Ok(()),
            (Some(held), Some(ty)) => self.value(&held[0], ty),
            (Some(held), None) => wrong(format_args!("expected no payload, found {}", held[0].kind())),
            (None, Some(ty)) => wrong(format_args!("expected a payload of type {}, found none", name(ty))),
        }
    }

    /// Whether `value` is of type `ty`.
    pub fn value(&mut self, value: &Value, ty: InterfaceType) -> Fit {
        self.steps.step()?;
        match (ty, value) {
            (InterfaceType::Bool, Value::Bool(_))
            | (InterfaceType::S8, Value::S8(_))
            | (InterfaceType::U8, Value::U8(_))
            | (InterfaceType::S16, Value::S16(_))
            | (InterfaceType::U16, Value::U16(_))
            | (InterfaceType::S32, Value::S32(_))
            | (InterfaceType::U32, Value::U32(_))
            | (InterfaceType::S64, Value::S64(_))
            | (InterfaceType::U64, Value::U64(_))
            | (InterfaceType::Float32, Value::F32(_))
            | (InterfaceType::Float64, Value::F64(_))
            | (InterfaceType::Char, Value::Char(_))
            | (InterfaceType::String, Value::String(_)) => {}
            (InterfaceType::List(i), Value::Bytes(_)) if self.types[i].element == InterfaceType::U8 => {}
            (InterfaceType::List(i), Value::List(values)) => self.each(values, self.types[i].element)?,
            (InterfaceType::FixedLengthList(i), Value::List(_) | Value::Bytes(_)) => {
                let (element, size) = (self.types[i].element, self.types[i].size as usize);
                let len = match value {
                    Value::List(values) => values.len(),
                    Value::Bytes(bytes) => bytes.len(),
                    _ => 0,
                };
                if len != size {
                    return wrong(format_args!("expected {size} elements, found {len}"));
                }
                match value {
                    Value::List(values) => self.each(values, element)?,
                    _ if element == InterfaceType::U8 => {}
                    _ => return wrong(format_args!("[0]: expected {}, found u8", name(element))),
                }
            }
            (InterfaceType::Map(i), Value::List(entries)) => {
                let (key, held) = (self.types[i].key, self.types[i].value);
                for (i, entry) in entries.iter().enumerate() {
                    let fit = match entry {
                        Value::Tuple(pair) => match &pair[..] {
                            [k, v] => self.value(k, key).and_then(|()| self.value(v, held)),
                            _ => wrong("expected a key and a value"),
                        },
                        other => wrong(format_args!("expected a tuple of key and value, found {}", other.kind())),
                    };
                    inside(format_args!("[{i}]"), fit)?;
                }
            }
            (InterfaceType::Record(i), Value::Record(given)) => {
                let order = order(self.types, i, given)?;
                let types = self.types;
                for (at, field) in types[i].fields.iter().enumerate() {
                    let at = order.as_ref().map_or(at, |order| order[at]);
                    inside(&field.name, self.value(&given[at].1, field.ty))?;
                }
            }
            (InterfaceType::Tuple(i), Value::Tuple(values)) => {
                let types = &self.types[i].types;
                if values.len() != types.len() {
                    return wrong(format_args!("expected {} values, found {}", types.len(), values.len()));
                }
                for (i, (value, ty)) in values.iter().zip(types).enumerate() {
                    inside(format_args!("[{i}]"), self.value(value, *ty))?;
                }
            }
            (
                InterfaceType::Variant(_)
                | InterfaceType::Enum(_)
                | InterfaceType::Option(_)
                | InterfaceType::Result(_),
                _,
            ) => {
                let (index, held) = case(self.types, ty, value)?;
                let held = self.held(held, payload_of(self.types, ty, index).flatten());
                match value {
                    Value::Variant(case, _) => inside(case, held)?,
                    Value::Result(Ok(_)) => inside("ok", held)?,
                    Value::Result(Err(_)) => inside("error", held)?,
                    _ => held?,
                }
            }
            (InterfaceType::Flags(i), Value::Flags(set)) => {
                for flag in set {
                    self.steps.step()?;
                    if !self.types[i].names.contains(&**flag) {
                        return wrong(format_args!("there is no flag `{flag}`"));
                    }
                }
            }
            (InterfaceType::Own(table), Value::Own(rep)) => {
                let key = self.key(table, *rep)?;
                held::push(&mut self.owned, key)?;
            }
            (InterfaceType::Borrow(table), Value::Borrow(rep)) => {
                self.key(table, *rep)?;
            }
            (ty, value) => return wrong(format_args!("expected {}, found {}", name(ty), value.kind())),
        }
        Ok(())
    }
}

/// Writes values that were checked.
struct Writer<'w, 'c, T: 'static> {
    cx: &'w mut LowerContext<'c, T>,
    types: &'c ComponentTypes,
    steps: Steps,
    copied: usize,
}

/// Core values, of which there is room for so many.
struct Flat<'f> {
    slots: &'f mut [ValRaw],
    at: usize,
}

impl Flat<'_> {
    fn put(&mut self, value: ValRaw) -> Result<()> {
        let slot = self.slots.get_mut(self.at).ok_or_else(|| wasmtime::Error::msg("too many core values"))?;
        *slot = value;
        self.at += 1;
        Ok(())
    }
}

/// Lowers values of `tuple`'s types to core values; to memory, and the pointer to there as the first
/// of them, where they are too many.
pub fn flat<T: 'static>(
    cx: &mut LowerContext<'_, T>,
    tuple: InterfaceType,
    values: &[Value],
    slots: &mut [ValRaw],
) -> Result<()> {
    let (types, abi) = parts(cx.types, tuple)?;
    if abi.flat_count(slots.len()).is_none() {
        let at = cx.realloc(0, 0, abi.align32, abi.size32 as usize)?;
        memory(cx, tuple, values, at)?;
        if let Some(first) = slots.first_mut() {
            *first = ValRaw::i64(at as i64);
        }
        return Ok(());
    }
    all(cx, |writer| {
        let mut out = Flat { slots, at: 0 };
        values.iter().zip(types).try_for_each(|(value, ty)| writer.flat(value, *ty, &mut out))
    })
}

/// Lowers values of `tuple`'s types to where they have room.
pub fn memory<T: 'static>(
    cx: &mut LowerContext<'_, T>,
    tuple: InterfaceType,
    values: &[Value],
    at: usize,
) -> Result<()> {
    let (types, _) = parts(cx.types, tuple)?;
    all(cx, |writer| writer.fields(values.iter().zip(types.iter().copied()), at))
}

fn all<'c, T: 'static>(
    cx: &mut LowerContext<'c, T>,
    work: impl FnOnce(&mut Writer<'_, 'c, T>) -> Result<()>,
) -> Result<()> {
    let types = cx.types;
    let mut writer = Writer { cx, types, steps: Steps::default(), copied: 0 };
    work(&mut writer)?;
    let copied = writer.copied;
    charge_any(&mut cx.store, copied)
}

fn shape<T>(fit: Fit<T>) -> Result<T> {
    fit.map_err(|misfit| match misfit {
        Misfit::Type(what) => wasmtime::Error::msg(what),
        Misfit::Other(error) => error,
    })
}

fn unchecked<T>(ty: InterfaceType, value: &Value) -> Result<T> {
    bail!("expected {}, found {}", name(ty), value.kind())
}

impl<T: 'static> Writer<'_, '_, T> {
    fn abi(&self, ty: InterfaceType) -> &CanonicalAbiInfo {
        self.types.canonical_abi(&ty)
    }

    /// Writes `bytes` into memory.
    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let memory = self.cx.as_slice_mut();
        let place = memory.get_mut(at..).and_then(|memory| memory.get_mut(..bytes.len())).ok_or(Breach::OutOfBounds)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    /// Room in the component's memory for `size` bytes.
    fn alloc(&mut self, align: u32, size: usize) -> Result<usize> {
        watch::look()?;
        self.copied += size;
        self.cx.realloc(0, 0, align, size)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(usize, usize)> {
        let at = self.alloc(1, bytes.len())?;
        self.pieces(at, bytes)?;
        Ok((at, bytes.len()))
    }

    /// Writes many bytes.
    fn pieces(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        for (i, piece) in bytes.chunks(PIECE).enumerate() {
            watch::look()?;
            self.put(at + i * PIECE, piece)?;
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(usize, usize)> {
        const MOST: usize = (1 << 31) - 1;
        let encoding = self.cx.options().string_encoding;
        if encoding == StringEncoding::Utf8 && text.len() <= MOST {
            return self.bytes(text.as_bytes());
        }
        let (mut units, mut narrow) = (0, encoding == StringEncoding::CompactUtf16);
        for c in text.chars() {
            self.steps.step()?;
            units += c.len_utf16();
            narrow &= u32::from(c) < 256;
        }
        let size = if narrow { units } else { units.saturating_mul(2) };
        if size > MOST {
            bail!("a text of {} bytes is too long for a component", text.len());
        }
        let start = self.alloc(2, size)?;
        let (mut at, mut piece) = (start, room(PIECE.min(size))?);
        for c in text.chars() {
            match narrow {
                true => piece.push(c as u8),
                false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| piece.extend(unit.to_le_bytes())),
            }
            if piece.len() > PIECE - 4 {
                self.pieces(at, &piece)?;
                at += piece.len();
                piece.clear();
            }
        }
        self.pieces(at, &piece)?;
        let tag = if encoding == StringEncoding::CompactUtf16 && !narrow { 1 << 31 } else { 0 };
        Ok((start, units | tag))
    }

    fn list(&mut self, values: &[Value], element: InterfaceType) -> Result<(usize, usize)> {
        let (size, align) = (self.abi(element).size32 as usize, self.abi(element).align32);
        let total = values.len().checked_mul(size).ok_or(Breach::OutOfBounds)?;
        let at = self.alloc(align, total)?;
        self.each(values, element, at)?;
        Ok((at, values.len()))
    }

    fn each(&mut self, values: &[Value], element: InterfaceType, at: usize) -> Result<()> {
        let size = self.abi(element).size32 as usize;
        values.iter().enumerate().try_for_each(|(i, value)| self.store(value, element, at + i * size))
    }

    /// Values one after the other, each where its alignment wants it.
    fn fields<'v>(&mut self, fields: impl Iterator<Item = (&'v Value, InterfaceType)>, at: usize) -> Result<()> {
        let mut offset = 0usize;
        for (value, ty) in fields {
            let abi = self.abi(ty);
            let (here, size) = (offset.next_multiple_of(abi.align32 as usize), abi.size32 as usize);
            offset = here + size;
            self.store(value, ty, at + here)?;
        }
        Ok(())
    }

    /// The pointer and the length of a value that has these; none for others.
    fn pair(&mut self, value: &Value, ty: InterfaceType) -> Result<Option<(usize, usize)>> {
        Ok(Some(match (ty, value) {
            (InterfaceType::String, Value::String(text)) => self.string(text)?,
            (InterfaceType::List(_), Value::Bytes(bytes)) => self.bytes(bytes)?,
            (InterfaceType::List(i), Value::List(values)) => self.list(values, self.types[i].element)?,
            (InterfaceType::Map(i), Value::List(entries)) => {
                let map = &self.types[i];
                let size = map.entry_abi.size32 as usize;
                let total = entries.len().checked_mul(size).ok_or(Breach::OutOfBounds)?;
                let at = self.alloc(map.entry_abi.align32, total)?;
                for (i, entry) in entries.iter().enumerate() {
                    let Value::Tuple(pair) = entry else { return unchecked(ty, entry) };
                    self.fields(pair.iter().zip([map.key, map.value]), at + i * size)?;
                }
                (at, entries.len())
            }
            _ => return Ok(None),
        }))
    }

    fn words(&self, flags: TypeFlagsIndex, set: &[Name]) -> Result<Vec<u32>> {
        let names = &self.types[flags].names;
        let mut words = room(names.len().div_ceil(32))?;
        words.resize(names.len().div_ceil(32), 0u32);
        for bit in set.iter().filter_map(|flag| names.get_index_of(&**flag)) {
            words[bit / 32] |= 1 << (bit % 32);
        }
        Ok(words)
    }

    /// The component's handle for a resource.
    fn handle(&mut self, value: &Value, ty: InterfaceType) -> Result<u32> {
        match (ty, value) {
            (InterfaceType::Own(table), Value::Own(rep)) => self.cx.guest_resource_lower_own(table, *rep),
            (InterfaceType::Borrow(table), Value::Borrow(rep)) => self.cx.guest_resource_lower_borrow(table, *rep),
            _ => unchecked(ty, value),
        }
    }

    /// Lowers to core values.
    fn flat(&mut self, value: &Value, ty: InterfaceType, out: &mut Flat<'_>) -> Result<()> {
        self.steps.step()?;
        if let Some((at, len)) = self.pair(value, ty)? {
            out.put(ValRaw::i64(at as i64))?;
            return out.put(ValRaw::i64(len as i64));
        }
        match (ty, value) {
            (_, Value::Bool(v)) => out.put(ValRaw::u32((*v).into())),
            (_, Value::S8(v)) => out.put(ValRaw::i32((*v).into())),
            (_, Value::U8(v)) => out.put(ValRaw::u32((*v).into())),
            (_, Value::S16(v)) => out.put(ValRaw::i32((*v).into())),
            (_, Value::U16(v)) => out.put(ValRaw::u32((*v).into())),
            (_, Value::S32(v)) => out.put(ValRaw::i32(*v)),
            (_, Value::U32(v)) => out.put(ValRaw::u32(*v)),
            (_, Value::S64(v)) => out.put(ValRaw::i64(*v)),
            (_, Value::U64(v)) => out.put(ValRaw::u64(*v)),
            (_, Value::F32(v)) => out.put(ValRaw::f32(v.to_bits())),
            (_, Value::F64(v)) => out.put(ValRaw::f64(v.to_bits())),
            (_, Value::Char(v)) => out.put(ValRaw::u32((*v).into())),
            (InterfaceType::Record(i), Value::Record(given)) => {
                let (order, types) = (shape(order(self.types, i, given))?, self.types);
                for (at, field) in types[i].fields.iter().enumerate() {
                    let at = order.as_ref().map_or(at, |order| order[at]);
                    self.flat(&given[at].1, field.ty, out)?;
                }
                Ok(())
            }
            (InterfaceType::Tuple(i), Value::Tuple(values)) => {
                let types = &self.types[i].types;
                values.iter().zip(types).try_for_each(|(value, ty)| self.flat(value, *ty, out))
            }
            (InterfaceType::FixedLengthList(i), Value::List(values)) => {
                let element = self.types[i].element;
                values.iter().try_for_each(|value| self.flat(value, element, out))
            }
            (InterfaceType::FixedLengthList(_), Value::Bytes(bytes)) => {
                bytes.iter().try_for_each(|byte| out.put(ValRaw::u32((*byte).into())))
            }
            (InterfaceType::Flags(i), Value::Flags(set)) => {
                self.words(i, set)?.into_iter().try_for_each(|word| out.put(ValRaw::u32(word)))
            }
            (InterfaceType::Own(_) | InterfaceType::Borrow(_), _) => out.put(ValRaw::u32(self.handle(value, ty)?)),
            _ => {
                let end = out.at + usize::from(self.abi(ty).flat_count.unwrap_or_default());
                let (index, held) = shape(case(self.types, ty, value))?;
                out.put(ValRaw::u32(index as u32))?;
                if let (Some(held), Some(Some(ty))) = (held, payload_of(self.types, ty, index)) {
                    self.flat(&held[0], ty, out)?;
                }
                // Every case has as many core values as the one that has most.
                while out.at < end {
                    out.put(ValRaw::u64(0))?;
                }
                Ok(())
            }
        }
    }

    /// Lowers to memory.
    fn store(&mut self, value: &Value, ty: InterfaceType, at: usize) -> Result<()> {
        self.steps.step()?;
        if let Some((to, len)) = self.pair(value, ty)? {
            self.put(at, &(to as u32).to_le_bytes())?;
            return self.put(at + 4, &(len as u32).to_le_bytes());
        }
        match (ty, value) {
            (_, Value::Bool(v)) => self.put(at, &[(*v).into()]),
            (_, Value::S8(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::U8(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::S16(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::U16(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::S32(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::U32(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::S64(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::U64(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::F32(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::F64(v)) => self.put(at, &v.to_le_bytes()),
            (_, Value::Char(v)) => self.put(at, &u32::from(*v).to_le_bytes()),
            (InterfaceType::Record(i), Value::Record(given)) => {
                let (order, types) = (shape(order(self.types, i, given))?, self.types);
                let value = |at: usize| &given[order.as_ref().map_or(at, |order| order[at])].1;
                self.fields(types[i].fields.iter().enumerate().map(|(at, field)| (value(at), field.ty)), at)
            }
            (InterfaceType::Tuple(i), Value::Tuple(values)) => {
                let types = &self.types[i].types;
                self.fields(values.iter().zip(types.iter().copied()), at)
            }
            (InterfaceType::FixedLengthList(i), Value::List(values)) => self.each(values, self.types[i].element, at),
            (InterfaceType::FixedLengthList(_), Value::Bytes(bytes)) => self.pieces(at, bytes),
            (InterfaceType::Flags(i), Value::Flags(set)) => {
                let (words, size) = (self.words(i, set)?, self.types[i].abi.size32 as usize);
                for (i, word) in words.into_iter().enumerate() {
                    let bytes = word.to_le_bytes();
                    self.put(at + i * 4, &bytes[..size.saturating_sub(i * 4).min(4)])?;
                }
                Ok(())
            }
            (InterfaceType::Own(_) | InterfaceType::Borrow(_), _) => {
                let handle = self.handle(value, ty)?;
                self.put(at, &handle.to_le_bytes())
            }
            _ => {
                let (index, held) = shape(case(self.types, ty, value))?;
                let info = variant_info(self.types, ty)?;
                let size = info.size.byte_size() as usize;
                self.put(at, &(index as u32).to_le_bytes()[..size])?;
                if let (Some(held), Some(Some(ty))) = (held, payload_of(self.types, ty, index)) {
                    self.store(&held[0], ty, at + info.payload_offset32 as usize)?;
                }
                Ok(())
            }
        }
    }
}
