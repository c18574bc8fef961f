//! The C functions, called as C calls them, on real guests.
// In tests a block's reason is the test itself: handles are alive until they are freed in it.
#![allow(clippy::undocumented_unsafe_blocks)]

mod calls;
#[cfg(feature = "compiler")]
mod features;
mod handles;
mod host;
mod log;
mod manner;
mod native;
mod resources;
#[cfg(feature = "wasi")]
mod wasi;

use std::ptr::{null, null_mut};

use super::component::*;
use super::engine::*;
use super::error::*;
use super::instance::*;
use super::linked::*;
use super::plain::*;
use super::sized::StructSize as _;
use super::status::Status::{self, *};
use super::streaming::*;

fn guest(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/guests/{name}.wasm", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn config() -> EngineConfig {
    EngineConfig { struct_size: size_of::<EngineConfig>() as u32, ..EngineConfig::zeroed() }
}

fn engine(config: &EngineConfig) -> *mut EngineHandle {
    let mut out = null_mut();
    assert_eq!(unsafe { torvyn_engine_new(config, &raw mut out, null_mut()) }, TORVYN_OK);
    out
}

fn linked(engine: *const EngineHandle, name: &str) -> *mut LinkedHandle {
    let bytes = guest(name);
    let (mut component, mut linked) = (null_mut(), null_mut());
    unsafe {
        let status = torvyn_component_compile(engine, bytes.as_ptr(), bytes.len(), &raw mut component, null_mut());
        assert_eq!(status, TORVYN_OK);
        assert_eq!(torvyn_linked_new(component, null(), &raw mut linked, null_mut()), TORVYN_OK);
        torvyn_component_free(component);
    }
    linked
}

/// An instance, initialised, with everything that it was made from already freed.
fn instance_in(config: &EngineConfig, name: &str, init: &str) -> *mut InstanceHandle {
    let mut out = null_mut();
    unsafe {
        let engine = engine(config);
        let linked = linked(engine, name);
        assert_eq!(torvyn_instance_new(linked, 7, null(), &raw mut out, null_mut()), TORVYN_OK);
        torvyn_engine_free(engine);
        torvyn_linked_free(linked);
        assert_eq!(torvyn_init(out, Str::of(init), null_mut()), TORVYN_OK);
    }
    out
}

fn instance(name: &str, init: &str) -> *mut InstanceHandle {
    instance_in(&config(), name, init)
}

fn element(payload: &[u8]) -> Element {
    Element {
        sequence: 5,
        timestamp_ns: 6,
        content_type: Str::of("text/plain"),
        payload: Bytes::of(payload),
        flow: null(),
    }
}

/// What the output holds, and its end.
fn taken(mut output: Output) -> Option<Vec<u8>> {
    if output.payload.is_null() {
        assert!(output.bytes.data.is_null() && output.bytes.len == 0 && output.sequence == 0);
        return None;
    }
    let bytes = unsafe { std::slice::from_raw_parts(output.bytes.data, output.bytes.len) }.to_vec();
    unsafe { super::buffer::torvyn_output_release(&raw mut output) };
    Some(bytes)
}

/// An output with something stale in every field.
fn stale() -> Output {
    let junk: *mut u8 = std::ptr::without_provenance_mut(8);
    let (content_type, bytes) = (Str { data: junk.cast(), len: 8 }, Bytes { data: junk.cast(), len: 8 });
    Output { sequence: 8, timestamp_ns: 8, content_type, bytes, payload: junk.cast() }
}

/// Status, detail and output of `torvyn_process`.
fn process(instance: *mut InstanceHandle, payload: &[u8]) -> (Status, String, Option<Vec<u8>>) {
    let (mut output, mut err) = (stale(), null_mut());
    let status = unsafe { torvyn_process(instance, &element(payload), &raw mut output, &raw mut err) };
    (status, detail(status, err), taken(output))
}

/// The error's own text, and its end; "" where the status is none of an error.
fn detail(status: Status, err: *mut ErrorHandle) -> String {
    assert_eq!((status as i32) < 0, !err.is_null(), "{status:?}");
    unsafe {
        assert!(err.is_null() || torvyn_error_status(err) == status);
        let text = torvyn_error_detail(err).text("detail").unwrap().to_owned();
        torvyn_error_free(err);
        text
    }
}
