//! The types of the contract's functions, as data: what `wit/` says, to be compared with what a
//! component says. WASI's are in [`super::wasi_types`].

use crate::contract::host::Resource;
use crate::contract::{Function, names};

/// A WIT type of the contract or of WASI.
#[derive(Debug)]
pub enum Shape {
    /// `bool`
    Bool,
    /// `u8`
    U8,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `string`
    Str,
    /// `list<u8>`
    Bytes,
    /// `list<T>`
    List(&'static Shape),
    /// `option<T>`
    Option(&'static Shape),
    /// `result<T, E>`
    Result(Option<&'static Shape>, &'static Shape),
    /// `result`
    Outcome,
    /// `tuple`
    Tuple(&'static [&'static Shape]),
    /// `record`
    Record(&'static [(&'static str, &'static Shape)]),
    /// `variant`
    Variant(&'static [(&'static str, Option<&'static Shape>)]),
    /// `enum`
    Enum(&'static [&'static str]),
    /// `flags`
    Flags(&'static [&'static str]),
    /// `own<R>`
    Own(Resource),
    /// `borrow<R>`
    Borrow(Resource),
    /// `own<R>` of a resource of WASI's: its interface and name.
    OwnOf(&'static str, &'static str),
    /// `borrow<R>`, likewise.
    BorrowOf(&'static str, &'static str),
}

use Resource as R;
use Shape as S;

const META: S = S::Record(&[("sequence", &S::U64), ("timestamp-ns", &S::U64), ("content-type", &S::Str)]);
const ELEMENT: S =
    S::Record(&[("meta", &META), ("payload", &S::Borrow(R::Buffer)), ("context", &S::Borrow(R::FlowContext))]);
const OUTPUT: S = S::Record(&[("meta", &META), ("payload", &S::Own(R::Buffer))]);
const PROCESS_RESULT: S = S::Variant(&[("emit", Some(&OUTPUT)), ("drop", None)]);
const PROCESS_ERROR: S = S::Variant(&[
    ("invalid-input", Some(&S::Str)),
    ("unavailable", Some(&S::Str)),
    ("internal", Some(&S::Str)),
    ("deadline-exceeded", None),
    ("fatal", Some(&S::Str)),
]);
const BUFFER_ERROR: S =
    S::Variant(&[("capacity-exceeded", None), ("out-of-bounds", None), ("allocation-failed", Some(&S::Str))]);
const SIGNAL: S = S::Enum(&["ready", "pause"]);

/// Parameters and result of a function.
#[derive(Debug)]
pub struct Signature {
    /// In order; names are not part of a function's type.
    pub params: &'static [&'static Shape],
    /// The result, where there is one.
    pub result: Option<&'static Shape>,
}

/// A function of this type.
pub const fn sig(params: &'static [&'static Shape], result: Option<&'static Shape>) -> Signature {
    Signature { params, result }
}

/// The type of an exported function of the contract.
pub const fn export(function: Function) -> Signature {
    const ELEMENT_IN: &[&Shape] = &[&ELEMENT];
    match function {
        Function::Init => sig(&[&S::Str], Some(&S::Result(None, &PROCESS_ERROR))),
        Function::Teardown => sig(&[], None),
        Function::Pull => sig(&[], Some(&S::Result(Some(&S::Option(&OUTPUT)), &PROCESS_ERROR))),
        Function::NotifyBackpressure => sig(&[&SIGNAL], None),
        Function::Process => sig(ELEMENT_IN, Some(&S::Result(Some(&PROCESS_RESULT), &PROCESS_ERROR))),
        Function::Push => sig(ELEMENT_IN, Some(&S::Result(Some(&SIGNAL), &PROCESS_ERROR))),
        Function::Complete => sig(&[], Some(&S::Result(None, &PROCESS_ERROR))),
        Function::Evaluate => sig(ELEMENT_IN, Some(&S::Result(Some(&S::Bool), &PROCESS_ERROR))),
        Function::Route => sig(ELEMENT_IN, Some(&S::Result(Some(&S::List(&S::Str)), &PROCESS_ERROR))),
        Function::Ingest => sig(ELEMENT_IN, Some(&S::Result(Some(&S::Option(&OUTPUT)), &PROCESS_ERROR))),
        Function::Flush => sig(&[], Some(&S::Result(Some(&S::List(&OUTPUT)), &PROCESS_ERROR))),
    }
}

/// A function of the contract's host side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // named as in the WIT
pub enum Import {
    BufferSize,
    BufferContentType,
    BufferRead,
    BufferReadAll,
    MutableWrite,
    MutableAppend,
    MutableSize,
    MutableCapacity,
    MutableSetContentType,
    MutableFreeze,
    FlowTraceId,
    FlowSpanId,
    FlowDeadlineNs,
    FlowId,
    Allocate,
    CloneIntoMutable,
    HasCapability,
}

/// Interfaces that the host provides.
pub const TYPES: &str = "torvyn:streaming/types";
/// See [`TYPES`].
pub const ALLOCATOR: &str = "torvyn:streaming/buffer-allocator";
/// See [`TYPES`].
pub const CAPABILITIES: &str = "torvyn:capabilities/capability-query";

impl Import {
    /// Every function of the host side.
    pub const ALL: [Import; 17] = [
        Import::BufferSize,
        Import::BufferContentType,
        Import::BufferRead,
        Import::BufferReadAll,
        Import::MutableWrite,
        Import::MutableAppend,
        Import::MutableSize,
        Import::MutableCapacity,
        Import::MutableSetContentType,
        Import::MutableFreeze,
        Import::FlowTraceId,
        Import::FlowSpanId,
        Import::FlowDeadlineNs,
        Import::FlowId,
        Import::Allocate,
        Import::CloneIntoMutable,
        Import::HasCapability,
    ];

    /// The function `item` of `interface`, where that is the contract's and compatible.
    pub fn find(interface: &str, item: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|import| {
            let (ours, function) = import.name();
            function == item && names::matches(interface, ours)
        })
    }

    /// Interface without version, and the item's name in it.
    pub const fn name(self) -> (&'static str, &'static str) {
        match self {
            Import::BufferSize => (TYPES, "[method]buffer.size"),
            Import::BufferContentType => (TYPES, "[method]buffer.content-type"),
            Import::BufferRead => (TYPES, "[method]buffer.read"),
            Import::BufferReadAll => (TYPES, "[method]buffer.read-all"),
            Import::MutableWrite => (TYPES, "[method]mutable-buffer.write"),
            Import::MutableAppend => (TYPES, "[method]mutable-buffer.append"),
            Import::MutableSize => (TYPES, "[method]mutable-buffer.size"),
            Import::MutableCapacity => (TYPES, "[method]mutable-buffer.capacity"),
            Import::MutableSetContentType => (TYPES, "[method]mutable-buffer.set-content-type"),
            Import::MutableFreeze => (TYPES, "[method]mutable-buffer.freeze"),
            Import::FlowTraceId => (TYPES, "[method]flow-context.trace-id"),
            Import::FlowSpanId => (TYPES, "[method]flow-context.span-id"),
            Import::FlowDeadlineNs => (TYPES, "[method]flow-context.deadline-ns"),
            Import::FlowId => (TYPES, "[method]flow-context.flow-id"),
            Import::Allocate => (ALLOCATOR, "allocate"),
            Import::CloneIntoMutable => (ALLOCATOR, "clone-into-mutable"),
            Import::HasCapability => (CAPABILITIES, "has-capability"),
        }
    }

    /// Its type.
    pub const fn signature(self) -> Signature {
        const BUFFER: &[&Shape] = &[&S::Borrow(R::Buffer)];
        const MUTABLE: &[&Shape] = &[&S::Borrow(R::MutableBuffer)];
        const FLOW: &[&Shape] = &[&S::Borrow(R::FlowContext)];
        const DONE: Option<&Shape> = Some(&S::Result(None, &BUFFER_ERROR));
        const NEW: Option<&Shape> = Some(&S::Result(Some(&S::Own(R::MutableBuffer)), &BUFFER_ERROR));
        match self {
            Import::BufferSize => sig(BUFFER, Some(&S::U64)),
            Import::BufferContentType => sig(BUFFER, Some(&S::Str)),
            Import::BufferRead => sig(&[&S::Borrow(R::Buffer), &S::U64, &S::U64], Some(&S::Bytes)),
            Import::BufferReadAll => sig(BUFFER, Some(&S::Bytes)),
            Import::MutableWrite => sig(&[&S::Borrow(R::MutableBuffer), &S::U64, &S::Bytes], DONE),
            Import::MutableAppend => sig(&[&S::Borrow(R::MutableBuffer), &S::Bytes], DONE),
            Import::MutableSize | Import::MutableCapacity => sig(MUTABLE, Some(&S::U64)),
            Import::MutableSetContentType => sig(&[&S::Borrow(R::MutableBuffer), &S::Str], None),
            Import::MutableFreeze => sig(MUTABLE, Some(&S::Own(R::Buffer))),
            Import::FlowTraceId | Import::FlowSpanId | Import::FlowId => sig(FLOW, Some(&S::Str)),
            Import::FlowDeadlineNs => sig(FLOW, Some(&S::U64)),
            Import::Allocate => sig(&[&S::U64], NEW),
            Import::CloneIntoMutable => sig(BUFFER, NEW),
            Import::HasCapability => sig(&[&S::Str], Some(&S::Bool)),
        }
    }
}
