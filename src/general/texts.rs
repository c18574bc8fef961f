//! What exports of the contract give that may be long: texts that may be so long and no longer, and
//! lists. The length is checked before the host makes a copy, after the bounds and before the
//! encoding, as `direct::canon` does.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::__internal::{InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift};

use super::types::ElementOut;
use super::views::{Encoded, list, pair, stands_for};
use super::watch::{self, Steps};
use crate::contract::held::{self, Held};
use crate::contract::host::{Breach, Host};
use crate::contract::ports::Ports;
use crate::contract::{ProcessError, lent};

/// What the running call may still give, and what it gave.
#[derive(Default)]
struct Given {
    /// The length of the content type that the call lends.
    lent: usize,
    held: Option<Arc<Held>>,
    /// What the content types of metas count for that were lifted.
    metas: u64,
    /// Bytes that were copied.
    copied: usize,
}

thread_local! {
    /// A lift knows its component alone, not the store; it happens on the thread that calls. Never
    /// dropped here, so that it is there also while a thread ends; a [`Running`] takes it back.
    static GIVEN: RefCell<ManuallyDrop<Given>> =
        const { RefCell::new(ManuallyDrop::new(Given { lent: 0, held: None, metas: 0, copied: 0 })) };
}

/// A call runs on this thread. A host function may make another, of another instance, within it.
pub struct Running(Given);

impl Running {
    /// One of the instance with this host side.
    pub fn new(host: &Host) -> Self {
        let (lent, held) = (host.loan.content_type().len(), Some(host.handles.held().clone()));
        let given = Given { lent, held, metas: 0, copied: 0 };
        Self(GIVEN.with_borrow_mut(|at| std::mem::replace(&mut **at, given)))
    }

    /// The bytes that its result had.
    pub fn copied(&self) -> usize {
        GIVEN.with_borrow(|given| given.copied)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.0);
        drop(GIVEN.with_borrow_mut(|at| std::mem::replace(&mut **at, before)));
    }
}

type Checked<T> = std::result::Result<T, Breach>;

fn checked<T>(check: impl FnOnce(&Given, &Held) -> Checked<T>) -> Checked<T> {
    GIVEN.with_borrow(|given| match &given.held {
        Some(held) => check(given, held),
        None => Err(Breach::CannotLeave),
    })
}

/// What a text is, and so how long it may be.
pub trait Rule: Send + Sync + 'static {
    /// Checks a length in bytes.
    fn check(len: usize) -> Checked<()>;

    /// One of that length was copied.
    fn copied(len: usize) {
        GIVEN.with_borrow_mut(|given| given.copied += len);
    }
}

/// The `content-type` of an `element-meta`.
pub enum ContentType {}

impl Rule for ContentType {
    fn check(len: usize) -> Checked<()> {
        checked(|given, held| {
            lent::check_content_type(len, given.lent)?;
            held.check(given.metas + held::content_type(len))
        })
    }

    fn copied(len: usize) {
        GIVEN.with_borrow_mut(|given| {
            given.metas += held::content_type(len);
            given.copied += len;
        });
    }
}

/// The text of a `process-error`.
pub enum ErrorText {}

impl Rule for ErrorText {
    fn check(len: usize) -> Checked<()> {
        ProcessError::check_text(len)
    }
}

/// A `string` under a rule.
pub struct Text<R>(pub String, PhantomData<R>);

impl<R: Rule> Text<R> {
    fn lift(cx: &LiftContext<'_>, at: (usize, usize)) -> Result<Self> {
        let encoded = Encoded::new(cx, at)?;
        let len = encoded.allowed(R::check)?;
        let mut text = String::new();
        encoded.append_to(&mut text, len)?;
        R::copied(len);
        Ok(Self(text, PhantomData))
    }
}

/// `list<string>`, what `route` gives.
pub struct Names(pub Ports);

impl Names {
    fn lift(cx: &LiftContext<'_>, (at, count): (usize, usize)) -> Result<Self> {
        let list = list(cx, (at, count), &<String as ComponentType>::ABI)?;
        let mut ports = Ports::default();
        let check = |ports: &Ports, names, len| checked(|_, held| ports.check(held, names, len));
        check(&ports, count, 0)?;
        let steps = Steps::default();
        for name in list.chunks_exact(8) {
            steps.step()?;
            let encoded = Encoded::new(cx, pair(name))?;
            let len = encoded.allowed(|len| check(&ports, 1, len))?;
            ports.push_with(|text| encoded.append_to(text, len))?;
        }
        GIVEN.with_borrow_mut(|given| given.copied += ports.size().1);
        Ok(Self(ports))
    }
}

/// `list<output-element>`, what `flush` gives. Each has a handle of its own, so that a list that names
/// more than there are ends at the first which is none.
pub struct Elements(pub Vec<ElementOut>);

impl Elements {
    fn lift(cx: &mut LiftContext<'_>, ty: InterfaceType, at: (usize, usize)) -> Result<Self> {
        let InterfaceType::List(index) = ty else { return Err(wasmtime::Error::msg("expected a list")) };
        let element = cx.types[index].element;
        let list = list(cx, at, &ElementOut::ABI)?;
        let mut elements = Vec::new();
        for bytes in list.chunks_exact(ElementOut::SIZE32) {
            watch::look()?;
            held::push(&mut elements, ElementOut::linear_lift_from_memory(cx, element, bytes)?)?;
        }
        Ok(Self(elements))
    }
}

stands_for!([<R: Rule>] Text<R>, String, |cx: &mut LiftContext<'_>, _, at| Self::lift(cx, at));
stands_for!([] Names, Vec<String>, |cx: &mut LiftContext<'_>, _, at| Self::lift(cx, at));
stands_for!([] Elements, Vec<ElementOut>, Self::lift);
