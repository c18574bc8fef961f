//! The word count in Rust, with the standard library.

use std::cell::RefCell;
use std::collections::HashMap;

wit_bindgen::generate!({ path: "../../../wit/torvyn-streaming", world: "managed-transform" });

use exports::torvyn::streaming::{lifecycle, processor};
use torvyn::streaming::buffer_allocator;
use torvyn::streaming::types::{
    BufferError, ElementMeta, OutputElement, ProcessError, ProcessResult, StreamElement,
};

#[derive(Default)]
struct Counter {
    threshold: u64,
    seen: HashMap<String, u64>,
}

thread_local! {
    static COUNTER: RefCell<Counter> = RefCell::default();
}

struct WordCount;

impl lifecycle::Guest for WordCount {
    fn init(config: String) -> Result<(), ProcessError> {
        let threshold = match config.as_str() {
            "" => 1,
            digits => digits
                .parse()
                .map_err(|e| ProcessError::InvalidInput(format!("configuration `{digits}` is no number: {e}")))?,
        };
        COUNTER.set(Counter { threshold, ..Counter::default() });
        Ok(())
    }

    fn teardown() {
        COUNTER.take();
    }
}

impl processor::Guest for WordCount {
    fn process(input: StreamElement<'_>) -> Result<ProcessResult, ProcessError> {
        let content_type = &input.meta.content_type;
        if !content_type.is_empty() && !content_type.starts_with("text/") {
            return Err(ProcessError::InvalidInput(format!("not text: {content_type}")));
        }
        let bytes = input.payload.read_all();
        let text = String::from_utf8_lossy(&bytes);
        if text == "panic" {
            panic!("asked to");
        }
        let lines = COUNTER.with_borrow_mut(|counter| counter.count(&text));
        if lines.is_empty() {
            return Ok(ProcessResult::Drop);
        }
        emit(input.meta, &lines).map(ProcessResult::Emit).map_err(|e| ProcessError::Unavailable(e.to_string()))
    }
}

impl Counter {
    /// A line for each word of `text` that has come often enough by now.
    fn count(&mut self, text: &str) -> String {
        let mut lines = String::new();
        for word in text.split_ascii_whitespace() {
            let times = self.seen.entry(word.to_owned()).or_default();
            *times += 1;
            if *times >= self.threshold {
                lines += &format!("{word} {times}\n");
            }
        }
        lines
    }
}

fn emit(meta: ElementMeta, lines: &str) -> Result<OutputElement, BufferError> {
    let buffer = buffer_allocator::allocate(lines.len() as u64)?;
    buffer.append(lines.as_bytes())?;
    buffer.set_content_type("text/plain");
    let meta = ElementMeta { content_type: "text/plain".into(), ..meta };
    Ok(OutputElement { meta, payload: buffer.freeze() })
}

export!(WordCount);
