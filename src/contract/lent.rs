//! What the caller lends a component for one call: pointers into the caller's memory, readable
//! until the call ends.
//!
//! This is where pointers from the C ABI live while a guest runs, so this file may use `unsafe`.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::host::Breach;
use super::{FlowContext, MAX_CONTENT_TYPE, StreamElement};

/// A byte slice without its lifetime.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: it is only read, and only where the caller of `bytes` holds what it was made from; `&[u8]` is
// Send and Sync.
unsafe impl Send for Span {}
// SAFETY: as above.
unsafe impl Sync for Span {}

impl Span {
    const EMPTY: Span = Span { at: NonNull::dangling(), len: 0 };

    /// The span of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { at: NonNull::from(bytes).cast(), len: bytes.len() }
    }

    /// The bytes that it was made of.
    ///
    /// # Safety
    ///
    /// They are there, and not written to, for as long as the result is used.
    #[inline]
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: what the caller promises.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl FlowSpans {
    #[cold]
    fn of(flow: &FlowContext<'_>) -> Self {
        Self {
            trace_id: Span::of(flow.trace_id.as_bytes()),
            span_id: Span::of(flow.span_id.as_bytes()),
            flow_id: Span::of(flow.flow_id.as_bytes()),
            deadline_ns: flow.deadline_ns,
        }
    }
}

/// The element that the running call lends to its component; empty between calls.
#[derive(Debug)]
pub struct Loan {
    payload: Span,
    content_type: Span,
    flow: Option<FlowSpans>,
}

/// A [`FlowContext`] without its lifetime.
#[derive(Clone, Copy, Debug)]
struct FlowSpans {
    trace_id: Span,
    span_id: Span,
    flow_id: Span,
    deadline_ns: u64,
}

/// Checks the length of a guest's content type, where that of the call's element is `lent`.
#[inline]
pub fn check_content_type(len: usize, lent: usize) -> Result<(), Breach> {
    if len > MAX_CONTENT_TYPE && len > lent {
        return Err(Breach::ContentType(len, MAX_CONTENT_TYPE));
    }
    Ok(())
}

impl Loan {
    /// Nothing lent.
    pub const NONE: Loan = Loan { payload: Span::EMPTY, content_type: Span::EMPTY, flow: None };

    /// Lends `element` to whatever `run` does with `holder`, whose loan `find` gives.
    ///
    /// The loan is empty again when this returns or unwinds, so that no span outlives its borrow.
    #[inline(always)]
    pub fn during<H, R>(
        holder: &mut H,
        find: fn(&mut H) -> &mut Loan,
        element: &StreamElement<'_>,
        run: impl FnOnce(&mut H) -> R,
    ) -> R {
        struct Revoke<'h, H>(&'h mut H, fn(&mut H) -> &mut Loan);
        impl<H> Drop for Revoke<'_, H> {
            fn drop(&mut self) {
                let loan = (self.1)(self.0);
                loan.payload = Span::EMPTY;
                loan.content_type = Span::EMPTY;
                loan.flow = None;
            }
        }
        let revoke = Revoke(holder, find);
        let loan = find(revoke.0);
        loan.payload = Span::of(element.payload);
        loan.content_type = Span::of(element.content_type.as_bytes());
        if let Some(flow) = element.flow {
            loan.flow = Some(FlowSpans::of(flow));
        }
        run(revoke.0)
    }

    fn bytes(&self, span: Span) -> &[u8] {
        // SAFETY: `span` was made from a slice that `during`'s caller borrows until the loan is
        // revoked, and the result borrows the loan, which is revoked through `&mut`.
        unsafe { span.bytes() }
    }

    fn text(&self, span: Span) -> &str {
        // SAFETY: the spans given here were made from `&str`; empty ones are valid UTF-8.
        unsafe { std::str::from_utf8_unchecked(self.bytes(span)) }
    }

    /// The element's bytes.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.bytes(self.payload)
    }

    /// Its media type.
    #[inline]
    pub fn content_type(&self) -> &str {
        self.text(self.content_type)
    }

    /// Checks that a content type of the guest's is as short as has to be: the element's allows as much.
    #[inline]
    pub fn check_content_type(&self, len: usize) -> Result<(), Breach> {
        check_content_type(len, self.content_type.len)
    }

    /// Nanoseconds left at the start of the call; 0 where there is no deadline.
    pub fn deadline_ns(&self) -> u64 {
        self.flow.map_or(0, |flow| flow.deadline_ns)
    }

    /// The flow's W3C trace id.
    pub fn trace_id(&self) -> &str {
        self.flow.as_ref().map_or("", |flow| self.text(flow.trace_id))
    }

    /// The flow's W3C span id.
    pub fn span_id(&self) -> &str {
        self.flow.as_ref().map_or("", |flow| self.text(flow.span_id))
    }

    /// The flow's name.
    pub fn flow_id(&self) -> &str {
        self.flow.as_ref().map_or("", |flow| self.text(flow.flow_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revoked_after_the_call_and_after_a_panic() {
        let mut loan = Loan::NONE;
        let text = String::from("text/plain");
        let flow = FlowContext { trace_id: "t", span_id: "s", flow_id: "f", deadline_ns: 7 };
        let element = StreamElement { content_type: &text, payload: b"bytes", flow: Some(&flow), ..Default::default() };
        Loan::during(
            &mut loan,
            |l| l,
            &element,
            |l| {
                assert_eq!((l.payload(), l.content_type()), (&b"bytes"[..], "text/plain"));
                assert_eq!((l.trace_id(), l.span_id(), l.flow_id(), l.deadline_ns()), ("t", "s", "f", 7));
            },
        );
        assert_eq!((loan.payload(), loan.content_type(), loan.deadline_ns()), (&b""[..], "", 0));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Loan::during(&mut loan, |l| l, &element, |_| panic!("in a call"));
        }));
        assert!(caught.is_err());
        assert_eq!(loan.payload(), b"");
    }
}
