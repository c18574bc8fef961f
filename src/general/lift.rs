//! Values from a component's memory: as its types say, within what the host holds of them at once,
//! and no longer than the call may take.

use std::slice::Iter;
use std::sync::Arc;

use wasmtime::component::__internal::{CanonicalAbiInfo, ComponentTypes, InterfaceType, LiftContext};
use wasmtime::component::ResourceType;
use wasmtime::{Result, ValRaw, bail};
use wasmtime_environ::component::VariantInfo;

use super::views::{Encoded, aligned, list, part};
use super::watch::{self, PIECE, Steps};
use crate::contract::held::{self, room};
use crate::contract::host::Breach;
use crate::engine::value::{Left, Name, SHOWN, Value};

/// A resource that came with the values.
#[derive(Clone, Copy)]
pub struct Came {
    /// Its type.
    pub ty: ResourceType,
    /// The host's number for it.
    pub rep: u32,
    /// Whether the host owns it now.
    pub owned: bool,
}

/// What a component gave.
#[derive(Default)]
pub struct Lifted {
    /// One for each type.
    pub values: Vec<Value>,
    /// In the order of the values.
    pub resources: Vec<Came>,
    /// So many bytes were copied for it.
    pub copied: usize,
}

struct Lifter<'l, 'c> {
    cx: &'l mut LiftContext<'c>,
    types: &'c Arc<ComponentTypes>,
    left: Left,
    copied: usize,
    steps: Steps,
    resources: Vec<Came>,
}

/// Lifts values of `tuple`'s types from core values; from memory, by the pointer that is the first of
/// them, where they are too many.
pub fn flat(cx: &mut LiftContext<'_>, tuple: InterfaceType, max: usize, from: &[ValRaw]) -> Result<Lifted> {
    let (types, abi) = parts(cx.types, tuple)?;
    match abi.flat_count(max) {
        Some(count) => {
            let mut from = from.get(..count).unwrap_or_default().iter();
            all(cx, types.len(), |lifter, i| lifter.flat(types[i], &mut from))
        }
        None => {
            let at = from.first().map_or(0, ValRaw::get_u32) as usize;
            aligned(at, abi)?;
            memory(cx, tuple, at)
        }
    }
}

/// Lifts values of `tuple`'s types that lie in memory.
pub fn memory(cx: &mut LiftContext<'_>, tuple: InterfaceType, at: usize) -> Result<Lifted> {
    let (types, abi) = parts(cx.types, tuple)?;
    let bytes = part(cx.memory(), at, abi.size32 as usize)?;
    let all_types = cx.types;
    let mut offset = 0;
    all(cx, types.len(), |lifter, i| lifter.load(types[i], field(all_types, &types[i], bytes, &mut offset)?))
}

/// The types of parameters or results, which are a tuple, and how it is laid out.
pub fn parts(types: &ComponentTypes, tuple: InterfaceType) -> Result<(&[InterfaceType], &CanonicalAbiInfo)> {
    let InterfaceType::Tuple(tuple) = tuple else { bail!("parameters or results that are no tuple") };
    Ok((&types[tuple].types, &types[tuple].abi))
}

fn all<'c>(
    cx: &mut LiftContext<'c>,
    count: usize,
    mut one: impl FnMut(&mut Lifter<'_, 'c>, usize) -> Result<Value>,
) -> Result<Lifted> {
    watch::look()?;
    let types = cx.types;
    let mut lifter =
        Lifter { cx, types, left: Left::default(), copied: 0, steps: Steps::default(), resources: Vec::new() };
    let mut values = lifter.left.values(count)?;
    for i in 0..count {
        values.push(one(&mut lifter, i)?);
    }
    Ok(Lifted { values, resources: lifter.resources, copied: lifter.copied })
}

/// The next field of a record that is laid out in `bytes`.
fn field<'b>(types: &ComponentTypes, ty: &InterfaceType, bytes: &'b [u8], offset: &mut usize) -> Result<&'b [u8]> {
    let abi = types.canonical_abi(ty);
    let (at, len) = (offset.next_multiple_of(abi.align32 as usize), abi.size32 as usize);
    *offset = at + len;
    Ok(part(bytes, at, len)?)
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    Ok(*bytes.first_chunk().ok_or(Breach::OutOfBounds)?)
}

fn char_of(code: u32) -> Result<Value> {
    Ok(Value::Char(char::from_u32(code).ok_or(wasmtime::Trap::InvalidChar)?))
}

/// Text that is held in pieces, as they are found to be text.
fn utf8(bytes: &[u8], text: &mut String) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        watch::look()?;
        let piece = held::leading_text(rest, PIECE)?;
        text.push_str(piece);
        rest = &rest[piece.len()..];
    }
    Ok(())
}

impl<'c> Lifter<'_, 'c> {
    fn name(&self, ty: InterfaceType, index: usize) -> Name {
        Name::of(self.types, ty, index as u32)
    }

    /// The pointer and the length of a list or text, whose parts are laid out as `abi` says.
    fn list(&mut self, at: usize, len: usize, abi: &CanonicalAbiInfo) -> Result<&'c [u8]> {
        let bytes = list(self.cx, (at, len), abi)?;
        self.copied += bytes.len();
        Ok(bytes)
    }

    fn string(&mut self, at: usize, len: usize) -> Result<Value> {
        let encoded = Encoded::new(self.cx, (at, len))?;
        self.copied += encoded.size();
        if let Some(bytes) = encoded.as_utf8() {
            let mut text = self.left.text(bytes.len())?;
            utf8(bytes, &mut text)?;
            return Ok(Value::String(text));
        }
        // Counted first: a unit takes one to three bytes as UTF-8.
        let mut longest = 0;
        for c in encoded.chars() {
            self.steps.step()?;
            longest += c?.len_utf8();
        }
        let mut text = self.left.text(longest)?;
        for c in encoded.chars() {
            self.steps.step()?;
            text.push(c?);
        }
        Ok(Value::String(text))
    }

    fn elements(&mut self, element: InterfaceType, at: usize, len: usize) -> Result<Value> {
        let abi = self.types.canonical_abi(&element);
        let bytes = self.list(at, len, abi)?;
        if element == InterfaceType::U8 {
            self.left.bytes(Some(len))?;
            let mut copy = room(len)?;
            for piece in bytes.chunks(PIECE) {
                watch::look()?;
                copy.extend_from_slice(piece);
            }
            return Ok(Value::Bytes(copy));
        }
        self.each(element, bytes, len)
    }

    /// `len` elements, one after the other.
    fn each(&mut self, element: InterfaceType, bytes: &'c [u8], len: usize) -> Result<Value> {
        let size = self.types.canonical_abi(&element).size32 as usize;
        let mut values = self.left.values(len)?;
        for i in 0..len {
            values.push(self.load(element, part(bytes, i * size, size)?)?);
        }
        Ok(Value::List(values))
    }

    fn pairs(&mut self, map: wasmtime_environ::component::TypeMapIndex, at: usize, len: usize) -> Result<Value> {
        let map = &self.types[map];
        let bytes = self.list(at, len, &map.entry_abi)?;
        let size = map.entry_abi.size32 as usize;
        let mut entries = self.left.values(len)?;
        for i in 0..len {
            let (entry, mut offset, mut pair) = (part(bytes, i * size, size)?, 0, self.left.values(2)?);
            for ty in [map.key, map.value] {
                pair.push(self.load(ty, field(self.types, &ty, entry, &mut offset)?)?);
            }
            entries.push(Value::Tuple(pair));
        }
        Ok(Value::List(entries))
    }

    fn resource(&mut self, ty: InterfaceType, handle: u32) -> Result<Value> {
        let (table, owned) = match ty {
            InterfaceType::Own(table) => (table, true),
            InterfaceType::Borrow(table) => (table, false),
            _ => bail!("a value of an asynchronous type, which the host cannot take"),
        };
        self.left.bytes(Some(size_of::<Came>()))?;
        let rep = match owned {
            true => self.cx.guest_resource_lift_own(table, handle)?.0,
            false => self.cx.guest_resource_lift_borrow(table, handle)?,
        };
        held::push(&mut self.resources, Came { ty: self.cx.resource_type(table), rep, owned })?;
        Ok(if owned { Value::Own(rep) } else { Value::Borrow(rep) })
    }

    /// What a variant of any kind is, by its discriminant, with its payload.
    fn case(&mut self, ty: InterfaceType, case: u32, payload: Option<Value>) -> Result<Value> {
        let payload = payload.map(|value| self.left.boxed(value)).transpose()?;
        Ok(match ty {
            InterfaceType::Option(_) => Value::Option(payload),
            InterfaceType::Result(_) => Value::Result(if case == 0 { Ok(payload) } else { Err(payload) }),
            InterfaceType::Enum(_) => Value::Enum(self.name(ty, case as usize)),
            _ => Value::Variant(self.name(ty, case as usize), payload),
        })
    }

    /// What the case `case` of a variant of any kind holds.
    fn payload(&self, ty: InterfaceType, case: u32) -> Result<Option<InterfaceType>> {
        let held = payload_of(self.types, ty, case as usize);
        Ok(held.ok_or(Breach::BadDiscriminant)?)
    }

    fn flags(&mut self, ty: InterfaceType, words: &[u32]) -> Result<Value> {
        let InterfaceType::Flags(flags) = ty else { bail!("flags of no flags type") };
        let count = self.types[flags].names.len();
        let is_set = |i: usize| words.get(i / 32).is_some_and(|word| word >> (i % 32) & 1 == 1);
        let set = (0..count).filter(|i| is_set(*i));
        let mut names = self.left.names(set.clone().count(), 0)?;
        set.for_each(|i| names.push(self.name(ty, i)));
        Ok(Value::Flags(names))
    }

    /// A value from core values.
    fn flat(&mut self, ty: InterfaceType, from: &mut Iter<'_, ValRaw>) -> Result<Value> {
        self.steps.step()?;
        let mut next = || from.next().copied().ok_or_else(|| wasmtime::Error::msg("too few core values"));
        Ok(match ty {
            InterfaceType::Bool => Value::Bool(next()?.get_u32() != 0),
            InterfaceType::S8 => Value::S8(next()?.get_u32() as i8),
            InterfaceType::U8 => Value::U8(next()?.get_u32() as u8),
            InterfaceType::S16 => Value::S16(next()?.get_u32() as i16),
            InterfaceType::U16 => Value::U16(next()?.get_u32() as u16),
            InterfaceType::S32 => Value::S32(next()?.get_i32()),
            InterfaceType::U32 => Value::U32(next()?.get_u32()),
            InterfaceType::S64 => Value::S64(next()?.get_i64()),
            InterfaceType::U64 => Value::U64(next()?.get_u64()),
            InterfaceType::Float32 => Value::F32(f32::from_bits(next()?.get_f32())),
            InterfaceType::Float64 => Value::F64(f64::from_bits(next()?.get_f64())),
            InterfaceType::Char => char_of(next()?.get_u32())?,
            InterfaceType::String => {
                let (at, len) = (next()?.get_u32(), next()?.get_u32());
                self.string(at as usize, len as usize)?
            }
            InterfaceType::List(i) => {
                let (at, len) = (next()?.get_u32(), next()?.get_u32());
                self.elements(self.types[i].element, at as usize, len as usize)?
            }
            InterfaceType::Map(i) => {
                let (at, len) = (next()?.get_u32(), next()?.get_u32());
                self.pairs(i, at as usize, len as usize)?
            }
            InterfaceType::Record(i) => {
                let fields = &self.types[i].fields;
                let mut out = self.left.names(fields.len(), SHOWN)?;
                for (at, field) in fields.iter().enumerate() {
                    out.push((self.name(ty, at), self.flat(field.ty, from)?));
                }
                Value::Record(out)
            }
            InterfaceType::Tuple(i) => {
                let types = &self.types[i].types;
                let mut out = self.left.values(types.len())?;
                for ty in types {
                    out.push(self.flat(*ty, from)?);
                }
                Value::Tuple(out)
            }
            InterfaceType::FixedLengthList(i) => {
                let (element, len) = (self.types[i].element, self.types[i].size as usize);
                let mut out = self.left.values(len)?;
                for _ in 0..len {
                    out.push(self.flat(element, from)?);
                }
                Value::List(out)
            }
            InterfaceType::Variant(_)
            | InterfaceType::Enum(_)
            | InterfaceType::Option(_)
            | InterfaceType::Result(_) => {
                let case = next()?.get_u32();
                let count = |ty| usize::from(self.types.canonical_abi(ty).flat_count.unwrap_or_default());
                let held = self.payload(ty, case)?;
                // Every case has as many core values as the one that has most.
                let rest = count(&ty).saturating_sub(1 + held.as_ref().map_or(0, count));
                let payload = held.map(|ty| self.flat(ty, from)).transpose()?;
                from.by_ref().take(rest).for_each(drop);
                self.case(ty, case, payload)?
            }
            InterfaceType::Flags(i) => {
                let words = usize::from(self.types[i].abi.flat_count.unwrap_or_default());
                let mut read = [0; 16];
                for word in read.iter_mut().take(words) {
                    *word = next()?.get_u32();
                }
                self.flags(ty, &read)?
            }
            InterfaceType::Own(_) | InterfaceType::Borrow(_) => self.resource(ty, next()?.get_u32())?,
            InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => {
                self.resource(ty, 0)?
            }
        })
    }

    /// A value from the memory that it takes up.
    fn load(&mut self, ty: InterfaceType, bytes: &'c [u8]) -> Result<Value> {
        self.steps.step()?;
        let pair = || -> Result<(usize, usize)> {
            let (at, len) = (array(bytes)?, array(part(bytes, 4, 4)?)?);
            Ok((u32::from_le_bytes(at) as usize, u32::from_le_bytes(len) as usize))
        };
        Ok(match ty {
            InterfaceType::Bool => Value::Bool(array::<1>(bytes)? != [0]),
            InterfaceType::S8 => Value::S8(i8::from_le_bytes(array(bytes)?)),
            InterfaceType::U8 => Value::U8(u8::from_le_bytes(array(bytes)?)),
            InterfaceType::S16 => Value::S16(i16::from_le_bytes(array(bytes)?)),
            InterfaceType::U16 => Value::U16(u16::from_le_bytes(array(bytes)?)),
            InterfaceType::S32 => Value::S32(i32::from_le_bytes(array(bytes)?)),
            InterfaceType::U32 => Value::U32(u32::from_le_bytes(array(bytes)?)),
            InterfaceType::S64 => Value::S64(i64::from_le_bytes(array(bytes)?)),
            InterfaceType::U64 => Value::U64(u64::from_le_bytes(array(bytes)?)),
            InterfaceType::Float32 => Value::F32(f32::from_le_bytes(array(bytes)?)),
            InterfaceType::Float64 => Value::F64(f64::from_le_bytes(array(bytes)?)),
            InterfaceType::Char => char_of(u32::from_le_bytes(array(bytes)?))?,
            InterfaceType::String => {
                let (at, len) = pair()?;
                self.string(at, len)?
            }
            InterfaceType::List(i) => {
                let (at, len) = pair()?;
                self.elements(self.types[i].element, at, len)?
            }
            InterfaceType::Map(i) => {
                let (at, len) = pair()?;
                self.pairs(i, at, len)?
            }
            InterfaceType::Record(i) => {
                let fields = &self.types[i].fields;
                let (mut out, mut offset) = (self.left.names(fields.len(), SHOWN)?, 0);
                for (at, f) in fields.iter().enumerate() {
                    let value = self.load(f.ty, field(self.types, &f.ty, bytes, &mut offset)?)?;
                    out.push((self.name(ty, at), value));
                }
                Value::Record(out)
            }
            InterfaceType::Tuple(i) => {
                let types = &self.types[i].types;
                let (mut out, mut offset) = (self.left.values(types.len())?, 0);
                for ty in types {
                    out.push(self.load(*ty, field(self.types, ty, bytes, &mut offset)?)?);
                }
                Value::Tuple(out)
            }
            InterfaceType::FixedLengthList(i) => {
                self.each(self.types[i].element, bytes, self.types[i].size as usize)?
            }
            InterfaceType::Variant(_)
            | InterfaceType::Enum(_)
            | InterfaceType::Option(_)
            | InterfaceType::Result(_) => {
                let info = variant_info(self.types, ty)?;
                let case = part(bytes, 0, info.size.byte_size() as usize)?;
                let case = case.iter().rev().fold(0, |case, byte| case << 8 | u32::from(*byte));
                let payload = match self.payload(ty, case)? {
                    Some(ty) => {
                        let size = self.types.canonical_abi(&ty).size32 as usize;
                        Some(self.load(ty, part(bytes, info.payload_offset32 as usize, size)?)?)
                    }
                    None => None,
                };
                self.case(ty, case, payload)?
            }
            InterfaceType::Flags(i) => {
                let size = self.types[i].abi.size32 as usize;
                let mut words = room(size.div_ceil(4))?;
                for piece in part(bytes, 0, size)?.chunks(4) {
                    words.push(piece.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)));
                }
                self.flags(ty, &words)?
            }
            InterfaceType::Own(_) | InterfaceType::Borrow(_) => self.resource(ty, u32::from_le_bytes(array(bytes)?))?,
            InterfaceType::Future(_) | InterfaceType::Stream(_) | InterfaceType::ErrorContext(_) => {
                self.resource(ty, 0)?
            }
        })
    }
}

/// How a variant of any kind is laid out.
pub fn variant_info(types: &ComponentTypes, ty: InterfaceType) -> Result<&VariantInfo> {
    Ok(match ty {
        InterfaceType::Variant(i) => &types[i].info,
        InterfaceType::Enum(i) => &types[i].info,
        InterfaceType::Option(i) => &types[i].info,
        InterfaceType::Result(i) => &types[i].info,
        _ => bail!("a case of no variant type"),
    })
}

/// What the case `case` of a variant of any kind holds; none where there is no such case.
pub fn payload_of(types: &ComponentTypes, ty: InterfaceType, case: usize) -> Option<Option<InterfaceType>> {
    match ty {
        InterfaceType::Variant(i) => types[i].cases.get_index(case).map(|(_, held)| *held),
        InterfaceType::Enum(i) => (case < types[i].names.len()).then_some(None),
        InterfaceType::Option(i) => [None, Some(types[i].ty)].get(case).copied(),
        InterfaceType::Result(i) => [types[i].ok, types[i].err].get(case).copied(),
        _ => None,
    }
}
