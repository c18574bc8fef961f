//! What each way does for one element, and how to tell that it did.

use std::sync::Arc;

/// The component with all roles (`../guests`).
pub const STAGES: &[u8] = include_bytes!("../guests/stages.wasm");
/// A real guest in C, from the tests.
pub const UPPER_CASE: &[u8] = include_bytes!("../../tests/guests/upper-case.wasm");
/// What the source in `stages.wat` gives.
const SOURCE_TEXT: &[u8] = b"The source gives this text, of sixty-four bytes, each time. 0123";

pub const PROCESSOR: &str = "torvyn:streaming/processor@0.1.0";
pub const SOURCE: &str = "torvyn:streaming/source@0.1.0";
pub const SINK: &str = "torvyn:streaming/sink@0.1.0";
pub const FILTER: &str = "torvyn:filtering/filter@0.1.0";

/// The content type of every element.
pub const CONTENT_TYPE: &str = "text/plain";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// The processor looks at the meta and drops the element.
    Metadata,
    /// The processor reads all, allocates, appends, freezes, emits.
    Transform,
    /// The source allocates, appends 64 bytes, freezes, gives.
    Pull,
    /// The sink reads all.
    Push,
    /// The filter reads eight bytes and answers by the first.
    Evaluate,
    /// As `Transform`, by a C guest that makes letters capitals.
    UpperCase,
}

impl Work {
    pub const ALL: [Work; 6] =
        [Work::Metadata, Work::Transform, Work::Pull, Work::Push, Work::Evaluate, Work::UpperCase];

    pub const fn name(self) -> &'static str {
        match self {
            Work::Metadata => "metadata-only",
            Work::Transform => "transform",
            Work::Pull => "source-pull",
            Work::Push => "sink-push",
            Work::Evaluate => "filter",
            Work::UpperCase => "upper-case (C guest)",
        }
    }

    /// The exported interface and its function.
    pub const fn export(self) -> (&'static str, &'static str) {
        match self {
            Work::Metadata | Work::Transform | Work::UpperCase => (PROCESSOR, "process"),
            Work::Pull => (SOURCE, "pull"),
            Work::Push => (SINK, "push"),
            Work::Evaluate => (FILTER, "evaluate"),
        }
    }

    pub const fn guest(self) -> &'static [u8] {
        match self {
            Work::UpperCase => UPPER_CASE,
            _ => STAGES,
        }
    }

    /// The `i`-th element's sequence number.
    #[inline(always)]
    pub const fn sequence(self, i: u64) -> u64 {
        match self {
            Work::Metadata => i | 1 << 63,
            _ => i,
        }
    }
}

/// One work on one payload.
#[derive(Clone, Debug)]
pub struct Task {
    pub work: Work,
    pub payload: Arc<[u8]>,
}

/// Marks that stand for outcomes without bytes.
pub const DROPPED: u64 = 1;
pub const READY: u64 = 2;
pub const FALSE: u64 = 3;
pub const TRUE: u64 = 4;

/// A mark of emitted bytes, which looks at them where they lie; cheap, and the same in every way.
#[inline(always)]
pub fn seen(bytes: &[u8]) -> u64 {
    let Some(last) = bytes.last() else { return 5 };
    let (first, middle) = (bytes[0], bytes[bytes.len() / 2]);
    6 + ((bytes.len() as u64) << 24 | u64::from(first) << 16 | u64::from(middle) << 8 | u64::from(*last))
}

impl Task {
    pub fn new(work: Work, payload_bytes: usize) -> Self {
        Self { work, payload: (0..payload_bytes).map(|i| b'a' + (i % 25) as u8).collect() }
    }

    /// The mark of each element's outcome.
    pub fn expected(&self) -> u64 {
        match self.work {
            Work::Metadata => DROPPED,
            Work::Transform => seen(&self.payload),
            Work::Pull => seen(SOURCE_TEXT),
            Work::Push => READY,
            Work::Evaluate if self.payload[0] & 1 == 1 => TRUE,
            Work::Evaluate => FALSE,
            Work::UpperCase => seen(&self.payload.to_ascii_uppercase()),
        }
    }

    /// The bytes of payload that an element of this work carries.
    pub fn payload_bytes(&self) -> usize {
        match self.work {
            Work::Pull => SOURCE_TEXT.len(),
            _ => self.payload.len(),
        }
    }
}

/// The tasks, in the order of the report.
pub fn tasks() -> Vec<Task> {
    let mut tasks = vec![Task::new(Work::Metadata, 64)];
    tasks.extend([0, 64, 1 << 10, 16 << 10, 256 << 10].map(|bytes| Task::new(Work::Transform, bytes)));
    tasks.extend([Work::Pull, Work::Push, Work::Evaluate, Work::UpperCase].map(|work| Task::new(work, 64)));
    tasks
}

/// Sum of the marks of `n` elements.
#[inline(always)]
pub fn sum(n: u64, mut element: impl FnMut(u64) -> u64) -> u64 {
    let mut sum = 0u64;
    for i in 0..n {
        sum = sum.wrapping_add(element(i));
    }
    sum
}
