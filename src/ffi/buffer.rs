//! What components gave: buffers, outputs and lists of outputs.

use super::args::{Clear as _, bad};
use super::error::ErrorHandle;
use super::handle::{self, Boxed, Handle};
use super::plain::{BufferHandle, Bytes, Output, OutputsHandle, Str};
use super::status::Status;
use crate::contract::OutputElement;
use crate::contract::buffer::{self, Buffer};
use crate::contract::held;
use crate::contract::host::Breach;

impl Handle for BufferHandle {
    type Held = Buffer;
    type Kept = Boxed;
}

/// What a list of outputs is: none where one was taken.
#[derive(Debug)]
pub struct Outputs(Vec<Option<OutputElement>>);

impl Handle for OutputsHandle {
    type Held = Outputs;
    type Kept = Boxed;
}

impl OutputsHandle {
    /// Hands a list to C; where there is no memory for it, releases the outputs.
    pub fn give(elements: Vec<OutputElement>) -> Result<*mut Self, Breach> {
        match held::room(elements.len()) {
            Ok(mut list) => {
                list.extend(elements.into_iter().map(Some));
                Ok(handle::give::<Self>(Box::new(Outputs(list))))
            }
            Err(breach) => {
                elements.into_iter().for_each(|output| buffer::release(output.payload));
                Err(breach)
            }
        }
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.0.drain(..).flatten().for_each(|output| buffer::release(output.payload));
    }
}

/// The bytes of a buffer, in place.
///
/// @param buffer  Borrowed for the call; NULL gives no bytes.
///
/// @return  The bytes, valid until torvyn_buffer_release().
///
/// Thread: any.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_buffer_bytes(buffer: *const BufferHandle) -> Bytes {
    ffi!(neutral: Bytes::CLEAR, handle: [buffer] => Bytes::of(buffer.bytes()))
}

/// The number of bytes in a buffer.
///
/// @param buffer  Borrowed for the call; NULL gives 0.
///
/// @return  The number.
///
/// Thread: any.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_buffer_size(buffer: *const BufferHandle) -> usize {
    ffi!(neutral: 0, handle: [buffer] => buffer.bytes().len())
}

/// The buffer's own media type, which the component set with
/// `mutable-buffer.set-content-type`. The one of the element's meta, which may
/// differ, is `content_type` of torvyn_output_t.
///
/// @param buffer  Borrowed for the call; NULL gives "".
///
/// @return  UTF-8, not NUL-terminated; empty where none was set; valid until
///          torvyn_buffer_release().
///
/// Thread: any.
/// Blocks: never.
/// Cost:   no heap allocation, lock or system call.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_buffer_content_type(buffer: *const BufferHandle) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [buffer] => Str::of(&buffer.content_type))
}

/// Gives a buffer back to the library, which uses it again. Every view of it
/// ends.
///
/// @param buffer  Owned; NULL does nothing.
///
/// Thread: any, also while calls run on the instance.
/// Blocks: never.
/// Cost:   no heap allocation or lock, and no system call while there is room
///         (`idle_buffers` of torvyn_engine_config_t).
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_buffer_release(buffer: *mut BufferHandle) {
    ffi!(neutral: (), owned: [buffer] => {
        if let Some(buffer) = buffer {
            buffer::release(buffer);
        }
    })
}

/// Releases an output's buffer, as torvyn_buffer_release(), and sets every field
/// to zero, so that a second release does nothing.
///
/// @param output  Borrowed for the call, its `payload` owned; NULL, and a NULL
///                `payload`, do nothing.
///
/// Thread: any, also while calls run on the instance.
/// Blocks: never.
/// Cost:   no heap allocation or lock, and no system call while there is room
///         (`idle_buffers` of torvyn_engine_config_t).
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_output_release(output: *mut Output) {
    ffi!(neutral: (), in_place: [output] => {
        if let Some(output) = output {
            let payload = std::mem::replace(output, Output::CLEAR).payload;
            // SAFETY: the header requires NULL or a buffer that was not released.
            if let Some(payload) = unsafe { handle::take(payload) } {
                buffer::release(payload);
            }
        }
    })
}

/// The number of outputs in a list, those already taken included.
///
/// @param outputs  Borrowed for the call; NULL gives 0.
///
/// @return  The number.
///
/// Thread: one at a time for a list; any thread.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_outputs_count(outputs: *const OutputsHandle) -> usize {
    ffi!(neutral: 0, handle: [outputs] => outputs.0.len())
}

/// Takes one output out of a list.
///
/// @param outputs  Used by no other call meanwhile.
/// @param index    From 0 to torvyn_outputs_count() - 1, in the component's
///                 order.
/// @param output   Where the output goes; its payload is owned by the caller
///                 (torvyn_output_release()) and outlives the list. All zero but
///                 for TORVYN_OK.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              `*output` is set.
/// @retval TORVYN_NO_ELEMENT      It was taken before.
/// @retval TORVYN_ERROR_ARGUMENT  `index` is too large.
/// @retval TORVYN_ERROR_NULL      `outputs` or `output` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: one at a time for a list; any thread.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_outputs_take(
    outputs: *mut OutputsHandle,
    index: usize,
    output: *mut Output,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [output], exclusive: [outputs] => {
        let count = outputs.0.len();
        let out_of_range = || bad("index", format_args!("{index} is not below {count}, the number of outputs"));
        Ok(match outputs.0.get_mut(index).ok_or_else(out_of_range)?.take() {
            Some(element) => {
                output.set(Output::from(element));
                Status::TORVYN_OK
            }
            None => Status::TORVYN_NO_ELEMENT,
        })
    })
}

/// Frees a list and releases every output that was not taken.
///
/// @param outputs  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_outputs_free(outputs: *mut OutputsHandle) {
    ffi!(neutral: (), owned: [outputs] => drop(outputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> Box<Buffer> {
        buffer::take(buffer::Size::of(1).unwrap()).unwrap()
    }

    fn element(content: &[u8]) -> OutputElement {
        let mut payload = taken();
        assert!(payload.append(content));
        payload.set_meta_type("text/plain").unwrap();
        payload.set_content_type("text/csv").unwrap();
        OutputElement { sequence: 1, timestamp_ns: 2, payload }
    }

    /// Whether the content at `at` belongs to an idle buffer of this thread.
    fn idle(at: *const u8) -> bool {
        let all: Vec<_> = (0..32).map(|_| taken()).collect();
        let found = all.iter().any(|buffer| buffer.bytes().as_ptr() == at);
        all.into_iter().for_each(buffer::release);
        found
    }

    #[test]
    fn an_output_is_read_in_place_and_released_once() {
        let mut output = Output::from(element(b"abc"));
        let at = output.bytes.data;
        // SAFETY: `output` is owned and its views are alive.
        unsafe {
            assert_eq!(output.content_type.text("").unwrap(), "text/plain");
            assert_eq!(std::slice::from_raw_parts(at, output.bytes.len), b"abc");
            assert_eq!(torvyn_buffer_content_type(output.payload).text("").unwrap(), "text/csv");
            assert_eq!(torvyn_buffer_bytes(output.payload).data, at);
            assert_eq!(torvyn_buffer_size(output.payload), 3);
            assert!(!idle(at));
            torvyn_output_release(&raw mut output);
            assert!(output.payload.is_null() && output.bytes.data.is_null());
            torvyn_output_release(&raw mut output);
            torvyn_output_release(std::ptr::null_mut());
            torvyn_buffer_release(std::ptr::null_mut());
        }
        assert!(idle(at));
    }

    #[test]
    fn a_list_gives_each_output_once_and_releases_the_rest() {
        let elements = vec![element(b"a"), element(b"b")];
        let rest = elements[1].payload.bytes().as_ptr();
        let list = OutputsHandle::give(elements).unwrap();
        let mut output = Output::CLEAR;
        let take = |index, output: &mut Output| {
            // SAFETY: `list` is alive.
            unsafe { torvyn_outputs_take(list, index, output, std::ptr::null_mut()) }
        };
        assert_eq!(take(2, &mut output), Status::TORVYN_ERROR_ARGUMENT);
        assert_eq!(take(usize::MAX, &mut output), Status::TORVYN_ERROR_ARGUMENT);
        assert_eq!(take(0, &mut output), Status::TORVYN_OK);
        assert_eq!(take(0, &mut { Output::CLEAR }), Status::TORVYN_NO_ELEMENT);
        // SAFETY: `list` is alive until it is freed here; the output outlives it.
        unsafe {
            assert_eq!(torvyn_outputs_count(list), 2);
            torvyn_outputs_free(list);
            assert!(idle(rest));
            assert_eq!(std::slice::from_raw_parts(output.bytes.data, output.bytes.len), b"a");
            torvyn_output_release(&raw mut output);
        }
    }
}
