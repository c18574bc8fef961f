//! libtorvyn as its users have it: the release `libtorvyn.so`, loaded, called by pointers to its C
//! functions. The types are those of `include/torvyn.h`.

use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Arc, OnceLock};

use libloading::Library;

use super::{Key, Result, Way};
use crate::library;
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

const OK: c_int = 0;
const NOTHING_EMITTED: c_int = 2;

#[derive(Clone, Copy)]
#[repr(C)]
struct Text {
    data: *const u8,
    len: usize,
}

#[repr(C)]
struct Element {
    sequence: u64,
    timestamp_ns: u64,
    content_type: Text,
    payload: Text,
    flow: *const c_void,
}

#[repr(C)]
struct Output {
    sequence: u64,
    timestamp_ns: u64,
    content_type: Text,
    bytes: Text,
    payload: *mut c_void,
}

/// The beginning of `torvyn_engine_config_t`; what is left out has its default.
#[repr(C)]
struct EngineConfig {
    struct_size: u32,
    fuel: c_int,
    host_ticks: c_int,
    path: c_int,
}

/// `torvyn_stats_t`.
#[derive(Default)]
#[repr(C)]
struct Stats {
    struct_size: u32,
    reserved: u32,
    before: [u64; 11],
    bytes_in: u64,
    bytes_out: u64,
    after: [u64; 6],
}

/// Payload bytes copied.
#[derive(Clone, Copy)]
pub struct Bytes {
    /// Into the guest's memory.
    pub into: u64,
    /// Out of it.
    pub out: u64,
}

type Handle = *mut c_void;
type Err = *mut Handle;

macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        /// The functions used here, by their names in the header without `torvyn_`.
        struct Api { $($name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)* _library: Library }

        impl Api {
            fn load(library: Library) -> Result<Self> {
                // SAFETY: the types are those of the header.
                $(let $name = *unsafe { library.get(concat!("torvyn_", stringify!($name), "\0").as_bytes())? };)*
                Ok(Self { $($name,)* _library: library })
            }
        }
    };
}

functions! {
    engine_new: fn(*const EngineConfig, *mut Handle, Err) -> c_int;
    engine_free: fn(Handle);
    component_compile: fn(Handle, *const u8, usize, *mut Handle, Err) -> c_int;
    component_free: fn(Handle);
    linked_new: fn(Handle, *const c_void, *mut Handle, Err) -> c_int;
    linked_path: fn(Handle) -> c_int;
    linked_free: fn(Handle);
    instance_new: fn(Handle, u64, *const c_void, *mut Handle, Err) -> c_int;
    instance_stats: fn(Handle, *mut Stats, Err) -> c_int;
    instance_free: fn(Handle);
    process: fn(Handle, *const Element, *mut Output, Err) -> c_int;
    pull: fn(Handle, *mut Output, Err) -> c_int;
    push: fn(Handle, *const Element, *mut c_int, Err) -> c_int;
    evaluate: fn(Handle, *const Element, *mut bool, Err) -> c_int;
    output_release: fn(*mut Output);
    error_message: fn(Handle) -> Text;
    error_free: fn(Handle);
}

fn api() -> Result<&'static Api> {
    static API: OnceLock<Api> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api);
    }
    // SAFETY: the library's initialisers are Rust's and do nothing unsound.
    let api = Api::load(unsafe { Library::new(library::torvyn()?)? })?;
    Ok(API.get_or_init(|| api))
}

impl Api {
    /// What `call` puts into its out-parameter; an error's message where it fails.
    fn made(&self, call: impl FnOnce(*mut Handle, Err) -> c_int) -> Result<Handle> {
        let (mut out, mut err) = (null_mut(), null_mut());
        let status = call(&mut out, &mut err);
        if status == OK {
            return Ok(out);
        }
        // SAFETY: the error was just given; its message lives until it is freed.
        let message = unsafe {
            let text = (self.error_message)(err);
            let bytes = if text.len == 0 { &[][..] } else { std::slice::from_raw_parts(text.data, text.len) };
            let message = String::from_utf8_lossy(bytes).into_owned();
            (self.error_free)(err);
            message
        };
        Err(format!("libtorvyn: status {status}: {message}").into())
    }
}

/// What all instances of a task are made from.
struct Linked(Handle, &'static Api);

// SAFETY: the header allows any thread.
unsafe impl Send for Linked {}
// SAFETY: as above.
unsafe impl Sync for Linked {}

impl Drop for Linked {
    fn drop(&mut self) {
        // SAFETY: not freed yet.
        unsafe { (self.1.linked_free)(self.0) };
    }
}

struct Torvyn {
    api: &'static Api,
    key: Key,
    task: Task,
    instance: Handle,
    _linked: Arc<Linked>,
}

// SAFETY: an instance may move between threads.
unsafe impl Send for Torvyn {}

impl Drop for Torvyn {
    fn drop(&mut self) {
        // SAFETY: not freed yet.
        unsafe { (self.api.instance_free)(self.instance) };
    }
}

pub fn make(key: Key, task: &Task, count: usize) -> Result<Vec<Box<dyn Way>>> {
    let api = api()?;
    let path = if key == Key::Direct { 1 } else { 2 };
    let config = EngineConfig { struct_size: size_of::<EngineConfig>() as u32, fuel: 0, host_ticks: 0, path };
    let guest = task.work.guest();
    // SAFETY: the handles are live, the pointers to what the header asks for; so in all of this file.
    let linked = unsafe {
        let engine = api.made(|out, err| (api.engine_new)(&config, out, err))?;
        let component = api.made(|out, err| (api.component_compile)(engine, guest.as_ptr(), guest.len(), out, err))?;
        let linked = api.made(|out, err| (api.linked_new)(component, null(), out, err))?;
        (api.component_free)(component);
        (api.engine_free)(engine);
        Arc::new(Linked(linked, api))
    };
    // SAFETY: as above.
    let got = unsafe { (api.linked_path)(linked.0) };
    if got != path {
        return Err(format!("asked for path {path}, the component runs on {got}").into());
    }
    let one = |id: usize| -> Result<Box<dyn Way>> {
        // SAFETY: as above.
        let instance = api.made(|out, err| unsafe { (api.instance_new)(linked.0, id as u64, null(), out, err) })?;
        Ok(Box::new(Torvyn { api, key, task: task.clone(), instance, _linked: linked.clone() }))
    };
    (0..count).map(one).collect()
}

/// Allocates inside of the library, to prove that its allocations are counted.
pub fn allocates() -> Result<()> {
    let api = api()?;
    // SAFETY: as above.
    unsafe {
        let engine = api.made(|out, err| (api.engine_new)(null(), out, err))?;
        (api.engine_free)(engine);
    }
    Ok(())
}

impl Torvyn {
    #[inline(always)]
    fn element(&self, i: u64) -> Element {
        Element {
            sequence: self.task.work.sequence(i),
            timestamp_ns: 1,
            content_type: Text { data: CONTENT_TYPE.as_ptr(), len: CONTENT_TYPE.len() },
            payload: Text { data: self.task.payload.as_ptr(), len: self.task.payload.len() },
            flow: null(),
        }
    }

    #[inline(always)]
    fn emitted(&self, status: c_int, output: &mut Output) -> u64 {
        if status == NOTHING_EMITTED {
            return DROPPED;
        }
        assert_eq!(status, OK);
        // SAFETY: the output is filled and not released yet.
        unsafe {
            let mark = seen(std::slice::from_raw_parts(output.bytes.data, output.bytes.len));
            (self.api.output_release)(output);
            mark
        }
    }
}

impl Way for Torvyn {
    fn key(&self) -> Key {
        self.key
    }

    fn run(&mut self, n: u64) -> u64 {
        let (api, instance, err) = (self.api, self.instance, null_mut());
        let none = Text { data: null(), len: 0 };
        let mut output = Output { sequence: 0, timestamp_ns: 0, content_type: none, bytes: none, payload: null_mut() };
        // SAFETY, in all four: as above; one call at a time, since this has the instance to itself.
        match self.task.work {
            Work::Metadata | Work::Transform | Work::UpperCase => sum(n, |i| {
                let status = unsafe { (api.process)(instance, &self.element(i), &mut output, err) };
                self.emitted(status, &mut output)
            }),
            Work::Pull => sum(n, |_| {
                let status = unsafe { (api.pull)(instance, &mut output, err) };
                self.emitted(status, &mut output)
            }),
            Work::Push => sum(n, |i| {
                let mut signal = -1;
                let status = unsafe { (api.push)(instance, &self.element(i), &mut signal, err) };
                assert_eq!((status, signal), (OK, 0));
                READY
            }),
            Work::Evaluate => sum(n, |i| {
                let mut passes = false;
                let status = unsafe { (api.evaluate)(instance, &self.element(i), &mut passes, err) };
                assert_eq!(status, OK);
                if passes { TRUE } else { FALSE }
            }),
        }
    }

    fn copied(&self) -> Option<Bytes> {
        let mut stats = Stats { struct_size: size_of::<Stats>() as u32, ..Default::default() };
        // SAFETY: as above.
        let status = unsafe { (self.api.instance_stats)(self.instance, &mut stats, null_mut()) };
        assert_eq!(status, OK);
        Some(Bytes { into: stats.bytes_in, out: stats.bytes_out })
    }
}
