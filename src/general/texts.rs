//! Texts of a guest's that may be so long and no longer: the length is checked before the host makes
//! a copy, after the bounds and before the encoding, as `direct::canon` does.

use std::cell::Cell;
use std::marker::PhantomData;

use wasmtime::Result;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift};
use wasmtime_environ::component::StringEncoding;

use crate::contract::host::Breach;
use crate::contract::{MAX_PORT_NAMES, ProcessError, lent, ports};

/// What the running call may still give.
#[derive(Clone, Copy)]
struct Left {
    /// The length of the content type that the call lends.
    lent: usize,
    /// Bytes that names of ports may take up.
    names: usize,
}

thread_local! {
    /// A lift knows its component alone, not the store; it happens on the thread that calls.
    static LEFT: Cell<Left> = const { Cell::new(Left { lent: 0, names: 0 }) };
}

/// A call runs on this thread. A host function may make another, of another instance, within it.
pub struct Running(Left);

impl Running {
    /// One that lends a content type of `lent` bytes.
    pub fn new(lent: usize) -> Self {
        Self(LEFT.replace(Left { lent, names: MAX_PORT_NAMES }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// What a text is, and so how long it may be.
pub trait Rule: Send + Sync + 'static {
    /// Checks a length in bytes, once for each text.
    fn check(len: usize) -> std::result::Result<(), Breach>;
}

/// The `content-type` of an `element-meta`.
pub enum ContentType {}

impl Rule for ContentType {
    fn check(len: usize) -> std::result::Result<(), Breach> {
        lent::check_content_type(len, LEFT.get().lent)
    }
}

/// The text of a `process-error`.
pub enum ErrorText {}

impl Rule for ErrorText {
    fn check(len: usize) -> std::result::Result<(), Breach> {
        ProcessError::check_text(len)
    }
}

/// A name in the list that `route` gives.
pub enum PortName {}

impl Rule for PortName {
    fn check(len: usize) -> std::result::Result<(), Breach> {
        let left = LEFT.get();
        let names = left.names.checked_sub(ports::takes(1, len));
        LEFT.set(Left { names: names.ok_or(Breach::PortNames(MAX_PORT_NAMES))?, ..left });
        Ok(())
    }
}

/// A `string` under a rule.
pub struct Text<R>(pub String, PhantomData<R>);

/// `list<string>`, what `route` gives.
pub struct Names(pub Vec<Text<PortName>>);

/// Pointer and length of a string or list.
fn pair(bytes: &[u8]) -> (usize, usize) {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    (word(0), word(4))
}

#[allow(unsafe_code)] // a type that stands for another in every way
// SAFETY: layout, type check and representation are those of `String`.
unsafe impl<R: Rule> ComponentType for Text<R> {
    type Lower = <String as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <String as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        String::typecheck(ty, types)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: what is lifted is lifted by `String`.
unsafe impl<R: Rule> Lift for Text<R> {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        let text = String::linear_lift_from_flat(cx, ty, src)?;
        R::check(text.len())?;
        Ok(Self(text, PhantomData))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let (at, len) = pair(bytes);
        let utf8 = cx.options().string_encoding == StringEncoding::Utf8;
        if utf8 && at + len <= cx.memory().len() {
            R::check(len)?;
        }
        let text = String::linear_lift_from_memory(cx, ty, bytes)?;
        if !utf8 {
            R::check(text.len())?;
        }
        Ok(Self(text, PhantomData))
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: layout, type check and representation are those of `Vec`.
unsafe impl ComponentType for Names {
    type Lower = <Vec<Text<PortName>> as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <Vec<Text<PortName>> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <Vec<Text<PortName>>>::typecheck(ty, types)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: what is lifted is lifted by `Vec`.
unsafe impl Lift for Names {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        Ok(Self(Lift::linear_lift_from_flat(cx, ty, src)?))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let (at, count) = pair(bytes);
        let within = at.is_multiple_of(4) && at + count * 8 <= cx.memory().len();
        if within && ports::takes(count, 0) > MAX_PORT_NAMES {
            return Err(Breach::PortNames(MAX_PORT_NAMES).into());
        }
        Ok(Self(Lift::linear_lift_from_memory(cx, ty, bytes)?))
    }
}
