//! Bytes and texts of a guest's, where they lie in its memory: what a host function is given, and
//! what is copied of it when it is known how much that may be.
//!
//! They stand in for Wasmtime's `WasmList<u8>` and `WasmStr`, of which a call may have as much as
//! `Store::set_hostcall_fuel` says, since what else is lifted is copied at once.
//!
//! A view outlives its lift in what Wasmtime hands to a host function, so this file may use `unsafe`.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::mem::MaybeUninit;

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext};
use wasmtime::component::{ComponentType, Lower, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut, ValRaw};
use wasmtime_environ::component::StringEncoding;

use crate::contract::held;
use crate::contract::host::{Breach, Host};
use crate::contract::lent::Span;
use crate::engine::fault::Stop;

/// A result that Wasmtime copies into the guest as the host function returns, or a parameter that it
/// copies before the guest runs, so that no copy has to be made for it before.
pub(super) fn lent<T: ?Sized>(value: &T) -> &'static T {
    // SAFETY: `value` lies in what the call lends, in a buffer of the guest's or in what the caller of
    // an export borrows. All stay as they are until the copy is made: only the guest's realloc runs
    // before that, from which no import can be called. Wasmtime keeps the reference no longer.
    unsafe { &*std::ptr::from_ref(value) }
}

/// The `len` bytes from `at` on, of memory or of a value, where they are there.
pub fn part(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], Breach> {
    at.checked_add(len).and_then(|end| bytes.get(at..end)).ok_or(Breach::OutOfBounds)
}

/// The bytes of a list of `len` items, each laid out as `abi` says.
pub fn list<'m>(cx: &LiftContext<'m>, (at, len): (usize, usize), abi: &CanonicalAbiInfo) -> Result<&'m [u8]> {
    let size = len.checked_mul(abi.size32 as usize).ok_or(Breach::OutOfBounds)?;
    let bytes = part(cx.memory(), at, size)?;
    aligned(at, abi)?;
    Ok(bytes)
}

/// Checks the alignment of what is laid out as `abi` says.
pub fn aligned(at: usize, abi: &CanonicalAbiInfo) -> Result<()> {
    if at.is_multiple_of(abi.align32 as usize) { Ok(()) } else { Err(Breach::Unaligned.into()) }
}

/// Pointer and length of a string or list.
pub fn pair(bytes: &[u8]) -> (usize, usize) {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    (word(0), word(4))
}

/// Has a type stand for a string or a list, of which it is the canonical ABI: `$lift` makes one of the
/// pointer and the length.
macro_rules! stands_for {
    ([$($generic:tt)*] $type:ty, $other:ty, $lift:expr) => {
        #[allow(unsafe_code)] // a type that stands for another in every way
        const _: () = {
            use wasmtime::Result;
            use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
            use wasmtime::component::{ComponentType, Lift};

            // SAFETY: layout, type check and representation are those of the other.
            unsafe impl $($generic)* ComponentType for $type {
                type Lower = <$other as ComponentType>::Lower;
                const ABI: CanonicalAbiInfo = <$other as ComponentType>::ABI;

                fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
                    <$other>::typecheck(ty, types)
                }
            }

            // SAFETY: pointer and length are read as for the other.
            unsafe impl $($generic)* Lift for $type {
                fn linear_lift_from_flat(
                    cx: &mut LiftContext<'_>,
                    ty: InterfaceType,
                    src: &Self::Lower,
                ) -> Result<Self> {
                    $lift(cx, ty, (src[0].get_u32() as usize, src[1].get_u32() as usize))
                }

                fn linear_lift_from_memory(
                    cx: &mut LiftContext<'_>,
                    ty: InterfaceType,
                    bytes: &[u8],
                ) -> Result<Self> {
                    $lift(cx, ty, $crate::general::views::pair(bytes))
                }
            }
        };
    };
}
pub(crate) use stands_for;

/// For the host function that `part` was lifted for, before anything runs that may grow the memory: the
/// bytes beside the host side, which is all of the store that `work` has.
fn beside<R>(part: Span, cx: &mut StoreContextMut<'_, Host>, work: impl FnOnce(&[u8], &mut Host) -> R) -> R {
    // SAFETY: the bytes were there when they were lifted. A host function is called straight after that,
    // and what the functions of this crate do before they read is nothing of the guest's, so that the
    // memory lies where it did; and as long as the store is borrowed it is not written to.
    work(unsafe { part.bytes() }, cx.data_mut())
}

/// `list<u8>`, a parameter of a host function.
pub struct Bytes(Span);

impl Bytes {
    /// Works on them.
    pub fn beside<R>(&self, cx: &mut StoreContextMut<'_, Host>, work: impl FnOnce(&[u8], &mut Host) -> R) -> R {
        beside(self.0, cx, work)
    }

    fn lift(cx: &LiftContext<'_>, (at, len): (usize, usize)) -> Result<Self> {
        Ok(Self(Span::of(part(cx.memory(), at, len)?)))
    }
}

stands_for!([] Bytes, WasmList<u8>, |cx: &mut LiftContext<'_>, _, at| Self::lift(cx, at));

/// `list<u8>`, a result of a host function: [`lent`]. It goes by one copy, where Wasmtime's own goes
/// byte by byte.
pub struct LentBytes(pub &'static [u8]);

impl LentBytes {
    /// Copies them to where the guest's realloc says ("store_list").
    fn store<T>(&self, cx: &mut LowerContext<'_, T>) -> Result<[u32; 2]> {
        let len = self.0.len();
        let at = cx.realloc(0, 0, 1, len)?;
        // It has checked the bounds.
        cx.as_slice_mut()[at..at + len].copy_from_slice(self.0);
        Ok([u32::try_from(at)?, u32::try_from(len)?])
    }
}

// SAFETY: layout, type check and representation are those of `[u8]`.
unsafe impl ComponentType for LentBytes {
    type Lower = <[u8] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[u8] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <[u8]>::typecheck(ty, types)
    }
}

// SAFETY: pointer and length are written as `[u8]` does.
unsafe impl Lower for LentBytes {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        dst.write(self.store(cx)?.map(|word| ValRaw::i64(word.into())));
        Ok(())
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, _: InterfaceType, at: usize) -> Result<()> {
        for (n, word) in self.store(cx)?.into_iter().enumerate() {
            *cx.get(at + 4 * n) = word.to_le_bytes();
        }
        Ok(())
    }
}

/// How a text lies in memory.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Latin1,
    Utf16,
}

/// In the encoding `latin1+utf16`, the bit of a length that says which of them it is.
const UTF16_TAG: usize = 1 << 31;

/// The text of a guest's in its memory; that it is one is not known before it is decoded.
pub struct Encoded<'m> {
    bytes: &'m [u8],
    encoding: Encoding,
}

impl<'m> Encoded<'m> {
    /// The text at `at`, of a length in what its encoding counts ("load_string"). Bounds are checked.
    pub fn new(cx: &LiftContext<'m>, (at, len): (usize, usize)) -> Result<Self> {
        let (encoding, size, align) = match cx.options().string_encoding {
            StringEncoding::Utf8 => (Encoding::Utf8, len, 1),
            StringEncoding::Utf16 => (Encoding::Utf16, len.saturating_mul(2), 2),
            StringEncoding::CompactUtf16 if len & UTF16_TAG == 0 => (Encoding::Latin1, len, 2),
            StringEncoding::CompactUtf16 => (Encoding::Utf16, (len ^ UTF16_TAG).saturating_mul(2), 2),
        };
        if !at.is_multiple_of(align) {
            return Err(Breach::Unaligned.into());
        }
        Ok(Self { bytes: part(cx.memory(), at, size)?, encoding })
    }

    /// The bytes that it takes in the guest's memory.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Its characters, where it is in anything but UTF-8.
    pub fn chars(&self) -> impl Iterator<Item = Result<char, Breach>> + use<'m> {
        let (wide, narrow) = match self.encoding {
            Encoding::Utf16 => (self.bytes, &[][..]),
            _ => (&[][..], self.bytes),
        };
        let units = wide.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let wide = char::decode_utf16(units).map(|c| c.map_err(|_| Breach::BadUtf16));
        wide.chain(narrow.iter().map(|byte| Ok(char::from(*byte))))
    }

    /// The least bytes that it may have in UTF-8, which are those that it has where it is in that.
    pub fn least(&self) -> usize {
        match self.encoding {
            Encoding::Utf8 | Encoding::Latin1 => self.bytes.len(),
            Encoding::Utf16 => self.bytes.len() / 2,
        }
    }

    /// The bytes that it has in UTF-8; in that they are not looked at.
    pub fn len(&self) -> Result<usize, Breach> {
        match self.encoding {
            Encoding::Utf8 => Ok(self.bytes.len()),
            Encoding::Latin1 | Encoding::Utf16 => self.chars().try_fold(0, |sum, c| Ok(sum + c?.len_utf8())),
        }
    }

    /// The same, where `check` allows it: asked with the least that it may be, and with what it is.
    pub fn allowed(&self, mut check: impl FnMut(usize) -> Result<(), Breach>) -> Result<usize, Breach> {
        check(self.least())?;
        let len = self.len()?;
        if len > self.least() {
            check(len)?;
        }
        Ok(len)
    }

    /// It where it is in what should be UTF-8.
    pub fn as_utf8(&self) -> Option<&'m [u8]> {
        matches!(self.encoding, Encoding::Utf8).then_some(self.bytes)
    }

    /// It in what should be UTF-8, of so many bytes as [`Encoded::len`] said.
    pub fn utf8(&self, len: usize) -> Result<Cow<'m, [u8]>, Breach> {
        if let Some(bytes) = self.as_utf8() {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut text = String::new();
        self.append_to(&mut text, len)?;
        Ok(Cow::Owned(text.into_bytes()))
    }

    /// Adds it to `text`, `len` bytes of it as [`Encoded::len`] said.
    pub fn append_to(&self, text: &mut String, len: usize) -> Result<(), Breach> {
        if let Some(bytes) = self.as_utf8() {
            return held::append(text, std::str::from_utf8(bytes).map_err(|_| Breach::BadUtf8)?);
        }
        text.try_reserve(len).map_err(|_| Breach::NoMemory(len))?;
        for c in self.chars() {
            text.push(c?);
        }
        Ok(())
    }

    /// Checks that one which is longer than a name may be is a text; `due` ends that.
    pub fn check(&self, mut due: impl FnMut() -> Result<(), Stop>) -> Result<()> {
        if !matches!(self.encoding, Encoding::Utf16) {
            return Ok(());
        }
        for (n, c) in self.chars().enumerate() {
            c?;
            if n.is_multiple_of(1 << 20) {
                due()?;
            }
        }
        Ok(())
    }
}

/// `string`, a parameter of a host function.
pub struct Text {
    part: Span,
    encoding: Encoding,
}

impl Text {
    /// Works on it.
    pub fn beside<R>(&self, cx: &mut StoreContextMut<'_, Host>, work: impl FnOnce(&Encoded<'_>, &mut Host) -> R) -> R {
        beside(self.part, cx, |bytes, host| work(&Encoded { bytes, encoding: self.encoding }, host))
    }

    fn lift(cx: &LiftContext<'_>, at: (usize, usize)) -> Result<Self> {
        let Encoded { bytes, encoding } = Encoded::new(cx, at)?;
        Ok(Self { part: Span::of(bytes), encoding })
    }
}

stands_for!([] Text, WasmStr, |cx: &mut LiftContext<'_>, _, at| Self::lift(cx, at));

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8], encoding: Encoding) -> Encoded<'_> {
        Encoded { bytes, encoding }
    }

    #[test]
    fn a_text_in_each_encoding() {
        let words = "aß€𝄞";
        let utf16: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let latin1 = [b'a', 0xdf, 0xff];
        for (text, wanted, least) in [
            (encoded(words.as_bytes(), Encoding::Utf8), words, 10),
            (encoded(&utf16, Encoding::Utf16), words, 5),
            (encoded(&latin1, Encoding::Latin1), "aßÿ", 3),
        ] {
            let len = text.len().unwrap();
            assert_eq!((len, text.least()), (wanted.len(), least));
            assert_eq!(&*text.utf8(len).unwrap(), wanted.as_bytes());
            let mut all = String::new();
            text.append_to(&mut all, len).unwrap();
            text.append_to(&mut all, len).unwrap();
            assert_eq!(all, wanted.repeat(2));
            text.check(|| Ok(())).unwrap();
        }
    }

    #[test]
    fn what_is_no_text() {
        let lone = [0x61, 0, 0x34, 0xd8];
        assert_eq!(encoded(&lone, Encoding::Utf16).len(), Err(Breach::BadUtf16));
        assert!(encoded(&lone, Encoding::Utf16).check(|| Ok(())).unwrap_err().is::<Breach>());
        assert!(encoded(&lone, Encoding::Utf16).check(|| Err(Stop::Deadline)).unwrap_err().is::<Stop>());
        let mut text = String::new();
        assert_eq!(encoded(&[0xff], Encoding::Utf8).append_to(&mut text, 1), Err(Breach::BadUtf8));
    }
}
