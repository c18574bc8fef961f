//! The engine and its configuration.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::{Arc, Once};

use super::args::null;
use super::callback::{Finalizer, User};
use super::error::ErrorHandle;
use super::guard;
use super::handle::{self, Counted, Handle};
use super::log::{Callback, LogFn, LogLevel};
use super::plain::{Path, Switch, number, or, switch};
use super::sized::StructSize;
use super::status::Status;
use crate::engine::Engine;
use crate::engine::config::{self, Optimize as Goal, PathChoice, Pooling};
use crate::engine::fork;
use crate::engine::log::{Level, Log};
use crate::error::{Error, ErrorKind, Result};

/// What the compiler optimises for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum Optimize {
    /// Speed.
    TORVYN_OPTIMIZE_DEFAULT = 0,
    /// The speed of the code.
    TORVYN_OPTIMIZE_SPEED = 1,
    /// The speed of the code and its size.
    TORVYN_OPTIMIZE_SPEED_AND_SIZE = 2,
    /// The speed of compilation.
    TORVYN_OPTIMIZE_NONE = 3,
}

/// How an engine is made. Zero in a field means its default.
///
/// In C:    torvyn_engine_config_t config = {.struct_size = sizeof config};
/// In C++:  torvyn_engine_config_t config{};
///          config.struct_size = sizeof config;
///
/// A limit that says "of an instance" is the default for the engine's instances;
/// torvyn_instance_options_t sets another for one of them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct EngineConfig {
    /// The size of this struct in bytes: sizeof(torvyn_engine_config_t). Required.
    pub struct_size: u32,
    /// Whether calls use up fuel: about one unit for each instruction, one for
    /// each byte or element of bulk instructions such as `memory.copy`, and one
    /// for each byte that the library copies into the component's memory, out of
    /// it, or for it (payloads, texts, values). What WASI copies, and texts that
    /// one component within a composed one passes to another, take none. A budget
    /// of fuel ends a call after the same work each time, where a deadline ends it
    /// after some time; counting costs the component some of its speed. Default:
    /// off.
    pub fuel: MaybeUninit<Switch>,
    /// Who makes time pass. Off: a thread of the library's ticks while calls run
    /// and sleeps otherwise. On: the program calls torvyn_engine_tick() every
    /// `tick_ns`, and without it no deadline passes and no cancel takes effect.
    /// Default: off.
    pub host_ticks: MaybeUninit<Switch>,
    /// The way in which components run. TORVYN_PATH_DIRECT makes an error of a
    /// component that is not eligible for it, when it is compiled or linked.
    /// Default: TORVYN_PATH_AUTO.
    pub path: MaybeUninit<Path>,
    /// Nanoseconds between two ticks: how exact deadlines and cancels are. From
    /// 10 microseconds to 1 second. Default: 1 millisecond.
    pub tick_ns: u64,
    /// Nanoseconds that a call of an instance may take; UINT64_MAX for no limit.
    /// At least one tick. Default: 5 seconds. All that is done for the component
    /// counts, also by the host. A deadline and a cancel take effect within two
    /// ticks and the longest single piece of work that nothing interrupts: a copy
    /// of 16 MiB; one instruction of the component's that fills, copies or grows
    /// memory or a table, of whatever size `memory_limit` and `table_limit` allow
    /// (some 100 milliseconds for each GiB, more for memory that was not used
    /// before); a text that one component in a composed one passes to another (up
    /// to some seconds for each GiB where its encoding changes; it takes no fuel);
    /// and code without a loop or a call, of which a function of 7 MiB, the
    /// largest there may be, takes up to some 100 milliseconds.
    pub timeout_ns: u64,
    /// Bytes of linear memory of an instance, over all its memories. From 64 KiB
    /// to 4 GiB. Default: 16 MiB; and where an instance's memories start with more
    /// than 8 MiB, as some toolchains make them, what they start with plus 16 MiB.
    /// One that starts with more than its limit, or by default with more than 64
    /// MiB, is not made (TORVYN_ERROR_MEMORY).
    pub memory_limit: u64,
    /// Elements of an instance's tables, over all its tables; one that starts with
    /// more is not made (TORVYN_ERROR_MEMORY). Default: 100000.
    pub table_limit: u64,
    /// Bytes that the library may hold for an instance's component at once: its
    /// buffers by their capacity (4 KiB, 64 KiB, 1 MiB or 16 MiB); each content
    /// type that it gave by what it has beyond 64 bytes, those of outputs among
    /// them until the call returns; the names of ports of its latest answer (each
    /// with 24 bytes more) beyond 4 KiB; and the handles of the contract's that it
    /// ever held at once beyond 1024, 64 bytes each, by 1024 at once. An
    /// allocation past it is refused to the component; where it cannot be told,
    /// the call ends with TORVYN_ERROR_MEMORY. Texts are limited beside: a content
    /// type of the component's of more than 4 KiB, unless the element's is as
    /// long, an error's text of more than 64 KiB, names of ports of more than 1
    /// MiB in all, and values of more than 128 MiB (torvyn_value_t) end the call
    /// with TORVYN_ERROR_MEMORY. At least 4 KiB. Default: 64 MiB.
    pub buffer_limit: u64,
    /// Bytes of buffers that nobody holds which the library keeps in the process
    /// for calls to come, of all engines. What is released beyond that goes back
    /// to the system; buffers of 4 KiB to the program's allocator, which may keep
    /// them. An engine that sets it does so for the process, from then on; 1 for
    /// nothing. Beside it each thread that released some keeps up to 640 KiB, of
    /// buffers of 4 KiB and 64 KiB. No more than 500 of 4 KiB, 500 of 64 KiB, 256
    /// of 1 MiB and 32 of 16 MiB are kept. Default: 64 MiB, or what another
    /// engine set.
    pub idle_buffers: u64,
    /// Handles that an instance's component may hold at once: of buffers, of the
    /// program's resources, and of what WASI gives it, each kind for itself; of
    /// the last never more than 1024. The payload and the context of the element
    /// at hand do not count. A buffer past it is refused to the component, whose
    /// `allocate` or `clone-into-mutable` fails; what cannot be refused (a buffer
    /// that it freezes, a resource, what is of WASI) ends the call with
    /// TORVYN_ERROR_MEMORY. At least 4. Default: 65536.
    pub max_handles: u32,
    /// Core instances, memories and tables (each) of which an instance may be made
    /// up. From 1 to 10000. Default: 64.
    pub instance_limit: u32,
    /// What happens at `memory_limit` and `table_limit`. Off: the call ends with
    /// TORVYN_ERROR_MEMORY. On: the component's `memory.grow` and `table.grow`
    /// answer -1, as they always do past a module's own maximum, and it goes on as
    /// well as it can. Default: off.
    pub refuse_growth: MaybeUninit<Switch>,
    /// Whether components may use SIMD instructions. Default: on.
    pub simd: MaybeUninit<Switch>,
    /// Whether components may use relaxed SIMD instructions, whose results may
    /// differ between machines. Needs `simd`. Default: off.
    pub relaxed_simd: MaybeUninit<Switch>,
    /// Whether a core module of a component may have several memories. What
    /// passes values between the components of a composed one has them anyway.
    /// Default: off.
    pub multi_memory: MaybeUninit<Switch>,
    /// What the compiler optimises for. Default: TORVYN_OPTIMIZE_SPEED.
    pub optimize: MaybeUninit<Optimize>,
    /// Whether one compilation uses several threads, which the library starts, as
    /// many as processors for all engines, and ends with the last engine that
    /// used them. Off: all of it is done by the thread that calls, whose stack
    /// must be of 1 MiB at least for what a component may nest. Default: on.
    pub parallel_compilation: MaybeUninit<Switch>,
    /// How traps are caught. Off: memory faults are signals (SIGSEGV, SIGILL and,
    /// on x86-64, SIGFPE), for which the library installs handlers that pass on
    /// what is not its own. On: every access is checked in the code, no handler
    /// is installed, and components run the slower for it. Default: off.
    pub explicit_traps: MaybeUninit<Switch>,
    /// Whether the system's unwinder, debuggers and profilers can see through the
    /// components' frames. Default: off.
    pub unwind_info: MaybeUninit<Switch>,
    /// Bytes of a component's stack, within the stack of the thread that calls
    /// it. A thread that makes, resets or calls an instance needs these and 256
    /// KiB; more where a callback of the program's, which runs on the same stack,
    /// needs more or calls other instances. With too little left such a call is
    /// TORVYN_ERROR_INTERNAL and nothing runs; to say that takes 24 KiB. On a
    /// stack that the program made itself (of a coroutine) it is not noticed:
    /// what goes beyond its end ends the process. Components that may wait in
    /// WASI have stacks of their own, of twice these bytes and 1 MiB. Their
    /// callbacks run there, too, and begin with these and 896 KiB; the calls that
    /// they make of other instances are held to that. Native components have the
    /// thread's. To compile, link, load or free takes 256 KiB (1 MiB: see
    /// `parallel_compilation`). From 16 KiB to 64 MiB.
    /// Default: 512 KiB.
    pub guest_stack: u64,
    /// Bytes of address space, not of memory, that a linear memory reserves, so
    /// that accesses need no check and growth moves nothing. Set it low where
    /// address space is scarce or many thousand instances live at once (1 for as
    /// little as possible): a memory that outgrows it is moved, with a sixteenth
    /// of `memory_limit`, 1 MiB at least, to grow into before the next move. With
    /// `pool_instances` a slot reserves no less than the memory that it holds;
    /// with `explicit_traps` it is always as little as possible. At most 1 TiB.
    /// Default: 4 GiB.
    pub memory_reservation: u64,
    /// With `pool_instances`: bytes of a linear memory that stay in memory while
    /// its slot is idle, zeroed by hand and not by the system; more than a slot
    /// holds is all of it. Default: 0.
    pub pool_keep_resident: u64,
    /// Slots for instances that are made once and reused, which makes new
    /// instances cheap; more instances than that are refused with
    /// TORVYN_ERROR_INSTANTIATION (native ones take no slot). A slot holds
    /// memories of `memory_limit` each, or 64 MiB where that is not set, and
    /// tables of `table_limit`, at most 20000 each; a component that starts with
    /// more in one is TORVYN_ERROR_UNSUPPORTED, and growth beyond it is refused to
    /// the component, whatever `refuse_growth` says. Components that are composed
    /// of others have several of both. The pool has 8 for each slot, of memories
    /// as many as 16 TiB of address space have room for (`memory_reservation`),
    /// but one for each slot at least; where they run out, it is
    /// TORVYN_ERROR_INSTANTIATION, too. At most 100000, and no more than the
    /// address space has room for, and the memory mappings that the system allows
    /// the process, of which a slot takes up to 7 (TORVYN_ERROR_CONFIG says how
    /// many slots have room). Default: 0, memory is had from the system for each
    /// instance.
    pub pool_instances: u32,
    /// Threads that wait for what components granted WASI do: sockets, sleeps.
    /// They start with the first instance that needs them. From 1 to 64.
    /// Default: 1. System calls on files, and look-ups of names, run on further
    /// threads, which come as they are needed, up to 64, and end when they idle.
    pub wasi_threads: u32,
    /// File descriptors of the process that an instance's component may hold at
    /// once by WASI: open files and directories that it reads, until the last
    /// stream of each is dropped, and sockets, of which one that listens counts
    /// twice. Granted directories do not count. Past it the component is told
    /// `insufficient-memory` of a file, since WASI has no error for too many, and
    /// `new-socket-limit` of a socket; the log says so (TORVYN_LOG_WARN). From 1
    /// to 1024. Default: 64.
    pub max_files: u32,
    /// With `log`: lines that matter less than this are left out.
    /// Default: TORVYN_LOG_INFO.
    pub log_level: MaybeUninit<LogLevel>,
    /// Takes the lines of the log: what no caller is told. Default: NULL, there is
    /// no log.
    pub log: LogFn,
    /// What `log` and `log_finalizer` are given. The library does not look at what
    /// it points to.
    pub log_user: *mut c_void,
    /// Ends `log_user`; NULL for nothing. Runs exactly once, when nothing can call
    /// `log` any more: on the thread that frees the last of the engine and of all
    /// that was made from it, or within torvyn_engine_new() where that fails or
    /// `log` is NULL.
    pub log_finalizer: Finalizer,
}

// SAFETY: `repr(C)`, `struct_size` first, ends with a pointer, all fields may be zero.
unsafe impl StructSize for EngineConfig {}

fn bad(name: &str, reason: impl std::fmt::Display) -> Box<Error> {
    Error::new(ErrorKind::Config, format!("engine configuration, `{name}`: {reason}"))
}

impl EngineConfig {
    fn read(&self) -> Result<config::EngineConfig> {
        let default = config::EngineConfig::default();
        let on = |given, name, default| switch(given, default, |reason| bad(name, reason));
        Ok(config::EngineConfig {
            fuel: on(self.fuel, "fuel", default.fuel)?,
            host_ticks: on(self.host_ticks, "host_ticks", default.host_ticks)?,
            tick_ns: or(self.tick_ns, default.tick_ns),
            timeout_ns: or(self.timeout_ns, default.timeout_ns),
            memory_limit: or(self.memory_limit, default.memory_limit),
            table_limit: or(self.table_limit, default.table_limit),
            instance_limit: or(self.instance_limit, default.instance_limit),
            buffer_limit: or(self.buffer_limit, default.buffer_limit),
            idle_buffers: (self.idle_buffers != 0).then_some(self.idle_buffers),
            max_handles: or(self.max_handles, default.max_handles),
            max_files: or(self.max_files, default.max_files),
            refuse_growth: on(self.refuse_growth, "refuse_growth", default.refuse_growth)?,
            guest_stack: match self.guest_stack {
                0 => default.guest_stack,
                bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
            },
            simd: on(self.simd, "simd", default.simd)?,
            relaxed_simd: on(self.relaxed_simd, "relaxed_simd", default.relaxed_simd)?,
            multi_memory: on(self.multi_memory, "multi_memory", default.multi_memory)?,
            optimize: match number(self.optimize) {
                0 | 1 => Goal::Speed,
                2 => Goal::SpeedAndSize,
                3 => Goal::None,
                other => return Err(bad("optimize", format_args!("{other} is no torvyn_optimize_t"))),
            },
            parallel_compilation: on(self.parallel_compilation, "parallel_compilation", default.parallel_compilation)?,
            explicit_traps: on(self.explicit_traps, "explicit_traps", default.explicit_traps)?,
            unwind_info: on(self.unwind_info, "unwind_info", default.unwind_info)?,
            memory_reservation: (self.memory_reservation != 0).then_some(self.memory_reservation),
            pooling: (self.pool_instances != 0).then_some(Pooling {
                instances: self.pool_instances,
                keep_resident: usize::try_from(self.pool_keep_resident).unwrap_or(usize::MAX),
            }),
            path: match number(self.path) {
                0 => PathChoice::Auto,
                1 => PathChoice::Direct,
                2 => PathChoice::General,
                3 => return Err(bad("path", "TORVYN_PATH_NATIVE is an answer, not a setting")),
                other => return Err(bad("path", format_args!("{other} is no torvyn_path_t"))),
            },
            wasi_threads: or(self.wasi_threads, default.wasi_threads),
            log: None,
        })
    }

    /// Takes the log's callback and what comes with it: the finalizer runs when the result ends.
    fn log(&self) -> Result<Option<Log>> {
        let user = User::new(self.log_user, self.log_finalizer);
        let level = match number(self.log_level) {
            0 | 3 => Level::Info,
            1 => Level::Error,
            2 => Level::Warn,
            4 => Level::Debug,
            other => return Err(bad("log_level", format_args!("{other} is no torvyn_log_level_t"))),
        };
        Ok(self.log.map(|function| Log { sink: Arc::new(Callback { function, user }), level }))
    }
}

/// Makes forks mind the library's threads.
fn mind_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: three functions without parameters, in code that stays loaded (`build.rs`). Where
        // there is no memory for it, a child is left as it would be without.
        unsafe { libc::pthread_atfork(Some(fork::prepare), Some(fork::parent), Some(fork::child)) };
    });
}

/// What compiles and runs components: a configuration, a clock, and code shared
/// by all that is made from it. Reference counted. A program has one, or a few
/// where configurations differ.
pub struct EngineHandle(());

impl Handle for EngineHandle {
    type Held = Engine;
    type Kept = Counted;
}

/// Makes an engine.
///
/// @param config  Borrowed for the call; NULL for all defaults. Where its
///                `struct_size` is set, its `log_finalizer` runs, whatever this
///                call comes to.
/// @param out     Where the engine goes, owned by the caller
///                (torvyn_engine_free()); NULL on failure.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              `*out` is an engine.
/// @retval TORVYN_ERROR_CONFIG    A field is out of its range, or fields or the
///                                machine do not go together, or the system
///                                refuses what they need; the error names it.
/// @retval TORVYN_ERROR_ARGUMENT  `struct_size` is not set, or `config` is of a
///                                newer version and uses what this one lacks.
/// @retval TORVYN_ERROR_NULL      `out` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: some milliseconds; longer where `pool_instances` is large.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_engine_new(
    config: *const EngineConfig,
    out: *mut *mut EngineHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [], spare: [out], offered: [config] => {
        let (config, rest) = config;
        let log = config.log();
        let _making = fork::making()?;
        rest?;
        let out = out.ok_or_else(|| null("out"))?;
        guard::silence_panics();
        // An error of Wasmtime's would else read RUST_BACKTRACE and take a native stack trace, which nobody
        // sees, under a lock of the process. A Rust program whose own Wasmtime is this one loses them too.
        wasmtime::error::disable_backtrace();
        mind_forks();
        let config = config::EngineConfig { log: log?, ..config.read()? };
        out.set(handle::give::<EngineHandle>(Arc::new(Engine::new(config)?)));
        Ok(Status::TORVYN_OK)
    })
}

/// One more reference to an engine.
///
/// @param engine  Borrowed for the call; NULL gives NULL.
///
/// @return  The same engine, owned once more: each reference is freed by itself.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_engine_clone(engine: *const EngineHandle) -> *mut EngineHandle {
    ffi!(neutral: std::ptr::null_mut(), present: [engine] => {
        // SAFETY: the header requires an engine that was not freed.
        unsafe { handle::again(engine) }
    })
}

/// Frees a reference to an engine. What was made from the engine stays usable
/// and keeps it alive.
///
/// @param engine  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: where it was the last of the engine and of all that was made from it,
///         up to one tick, for the library's thread to end; with WASI up to 50
///         ms more, for system calls on files that still run.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_engine_free(engine: *mut EngineHandle) {
    ffi!(neutral: (), owned: [engine] => guard::end(engine))
}

/// Makes one tick of the engine's time pass. For an engine whose `host_ticks` is
/// on; does nothing for others. Call it every `tick_ns`, from a timer of the
/// program's; ticks that come late make deadlines later.
///
/// @param engine  Borrowed for the call; NULL does nothing.
///
/// Thread: any; async-signal-safe.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_engine_tick(engine: *const EngineHandle) {
    ffi!(neutral: (), optional: [engine] => {
        if let Some(engine) = engine
            && engine.config().host_ticks
        {
            engine.clock().tick();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EngineConfig {
        EngineConfig { struct_size: size_of::<EngineConfig>() as u32, ..EngineConfig::zeroed() }
    }

    #[test]
    fn zero_is_the_default_everywhere() {
        let read = format!("{:?}", config().read().unwrap());
        assert_eq!(read, format!("{:?}", config::EngineConfig::default()));
    }

    #[test]
    fn every_field_arrives() {
        let on = MaybeUninit::new(Switch::TORVYN_ON);
        let given = EngineConfig {
            struct_size: 0,
            fuel: on,
            host_ticks: on,
            path: MaybeUninit::new(Path::TORVYN_PATH_GENERAL),
            tick_ns: 1,
            timeout_ns: 2,
            memory_limit: 3,
            table_limit: 4,
            buffer_limit: 5,
            idle_buffers: 14,
            max_handles: 6,
            instance_limit: 7,
            refuse_growth: on,
            simd: MaybeUninit::new(Switch::TORVYN_OFF),
            relaxed_simd: on,
            multi_memory: on,
            optimize: MaybeUninit::new(Optimize::TORVYN_OPTIMIZE_NONE),
            parallel_compilation: MaybeUninit::new(Switch::TORVYN_OFF),
            explicit_traps: on,
            unwind_info: on,
            guest_stack: 8,
            memory_reservation: 9,
            pool_instances: 10,
            wasi_threads: 12,
            max_files: 13,
            log_level: MaybeUninit::new(LogLevel::TORVYN_LOG_DEFAULT),
            pool_keep_resident: 11,
            log: None,
            log_user: std::ptr::null_mut(),
            log_finalizer: None,
        };
        let wanted = config::EngineConfig {
            fuel: true,
            host_ticks: true,
            tick_ns: 1,
            timeout_ns: 2,
            memory_limit: 3,
            table_limit: 4,
            instance_limit: 7,
            buffer_limit: 5,
            idle_buffers: Some(14),
            max_handles: 6,
            max_files: 13,
            refuse_growth: true,
            guest_stack: 8,
            simd: false,
            relaxed_simd: true,
            multi_memory: true,
            optimize: Goal::None,
            parallel_compilation: false,
            explicit_traps: true,
            unwind_info: true,
            memory_reservation: Some(9),
            pooling: Some(Pooling { instances: 10, keep_resident: 11 }),
            path: PathChoice::General,
            wasi_threads: 12,
            log: None,
        };
        assert_eq!(format!("{:?}", given.read().unwrap()), format!("{wanted:?}"));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let mut wrong = config();
        // SAFETY: an `int` fits; this is what C does.
        unsafe { wrong.optimize.as_mut_ptr().cast::<i32>().write(4) };
        let error = wrong.read().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.contains("optimize"), "{}", error.message);
        // SAFETY: as above.
        unsafe { wrong.log_level.as_mut_ptr().cast::<i32>().write(5) };
        let error = wrong.log().unwrap_err();
        assert!(error.message.contains("log_level"), "{}", error.message);
    }
}
