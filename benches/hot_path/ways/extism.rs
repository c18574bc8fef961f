//! Extism, by its own release library: the plugin in `../guests/extism-plugin.wat` does the same
//! work. It gets the payload alone; sequence, timestamp and content type stay with the host, in
//! Extism's favour.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libloading::Library;

use super::{Key, Result, Way};
use crate::library;
use crate::work::{DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

const PLUGIN: &[u8] = include_bytes!("../../guests/extism-plugin.wasm");

type Plugin = *mut c_void;

struct Api {
    new: unsafe extern "C" fn(*const u8, u64, *const c_void, u64, bool, *mut *mut c_char) -> Plugin,
    call: unsafe extern "C" fn(Plugin, *const c_char, *const u8, u64) -> i32,
    output_data: unsafe extern "C" fn(Plugin) -> *const u8,
    output_length: unsafe extern "C" fn(Plugin) -> u64,
    free: unsafe extern "C" fn(Plugin),
    _library: Library,
}

fn api() -> Result<Option<&'static Api>> {
    static API: OnceLock<Option<Api>> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api.as_ref());
    }
    let Some(path) = library::extism() else {
        eprintln!("Extism is skipped: pip install extism-sys, or set EXTISM_LIB");
        return Ok(API.get_or_init(|| None).as_ref());
    };
    // SAFETY: the names and types are those of `extism.h`.
    let api = unsafe {
        let library = Library::new(path)?;
        Api {
            new: *library.get(b"extism_plugin_new\0")?,
            call: *library.get(b"extism_plugin_call\0")?,
            output_data: *library.get(b"extism_plugin_output_data\0")?,
            output_length: *library.get(b"extism_plugin_output_length\0")?,
            free: *library.get(b"extism_plugin_free\0")?,
            _library: library,
        }
    };
    Ok(API.get_or_init(|| Some(api)).as_ref())
}

struct Extism {
    api: &'static Api,
    plugin: Plugin,
    task: Task,
}

// SAFETY: a plugin is used by one thread at a time.
unsafe impl Send for Extism {}

impl Drop for Extism {
    fn drop(&mut self) {
        // SAFETY: not freed yet.
        unsafe { (self.api.free)(self.plugin) };
    }
}

pub fn make(task: &Task) -> Result<Vec<Box<dyn Way>>> {
    let Some(api) = api()? else { return Ok(Vec::new()) };
    if task.work == Work::UpperCase {
        return Ok(Vec::new());
    }
    let mut error = null_mut();
    // SAFETY: the plugin's bytes are lent for the call.
    let plugin = unsafe { (api.new)(PLUGIN.as_ptr(), PLUGIN.len() as u64, null(), 0, false, &mut error) };
    if plugin.is_null() {
        // SAFETY: a message where there is no plugin.
        return Err(unsafe { CStr::from_ptr(error) }.to_string_lossy().into());
    }
    Ok(vec![Box::new(Extism { api, plugin, task: task.clone() })])
}

impl Way for Extism {
    fn key(&self) -> Key {
        Key::Extism
    }

    fn run(&mut self, n: u64) -> u64 {
        let (api, plugin, work) = (self.api, self.plugin, self.task.work);
        let function = match work {
            Work::Metadata => c"metadata",
            Work::Transform => c"process",
            Work::Pull => c"pull",
            Work::Push => c"push",
            Work::Evaluate => c"evaluate",
            Work::UpperCase => unreachable!("no such plugin"),
        };
        let input: &[u8] = if work == Work::Pull { &[] } else { &self.task.payload };
        sum(n, |_| {
            // SAFETY: the input is lent for the call, the output good until the next.
            let output = unsafe {
                assert_eq!((api.call)(plugin, function.as_ptr(), input.as_ptr(), input.len() as u64), 0);
                match (api.output_length)(plugin) {
                    0 => &[][..],
                    len => std::slice::from_raw_parts((api.output_data)(plugin), len as usize),
                }
            };
            match work {
                Work::Metadata => DROPPED,
                Work::Push => READY,
                Work::Evaluate if output[0] == 1 => TRUE,
                Work::Evaluate => FALSE,
                _ => seen(output),
            }
        })
    }
}
