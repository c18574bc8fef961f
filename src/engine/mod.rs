//! The engine: configuration, compiled components, linking, instances and their calls.

mod altstack;
pub mod artifact;
mod atomic;
mod awake;
pub mod clock;
pub mod compile;
pub mod config;
pub mod control;
pub mod define;
pub mod descriptors;
#[cfg(feature = "compiler")]
mod extent;
pub mod fault;
#[cfg_attr(not(feature = "compiler"), allow(dead_code))]
pub mod features;
pub mod file;
pub mod fork;
pub mod fuel;
mod gate;
pub mod given;
pub mod grants;
mod images;
pub mod instance;
pub mod invoke;
pub mod limits;
pub mod link;
pub mod log;
pub mod mappings;
pub mod other;
mod published;
#[cfg_attr(not(feature = "wasi"), allow(dead_code))]
pub mod signals;
pub mod signature;
#[cfg(feature = "compiler")]
mod sizes;
pub mod slots;
pub mod stack;
#[cfg_attr(not(feature = "compiler"), allow(dead_code))]
pub mod surface;
pub mod system;
pub mod term;
pub mod traits;
pub mod uncancelled;
pub mod value;

#[cfg(feature = "compiler")]
use std::io;
use std::sync::{Arc, Weak};

use clock::Clock;
use config::EngineConfig;
use mappings::Mappings;
#[cfg(feature = "compiler")]
use system::Refusal;

use crate::contract::{ComponentId, Function};
use crate::error::{Error, ErrorKind, Result};

/// What compiles and runs components. Cheap to clone; every handle made from it keeps it alive.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

/// An engine that may be gone.
#[derive(Clone, Debug, Default)]
pub struct WeakEngine(Weak<Inner>);

impl WeakEngine {
    /// The engine, where it is still there.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

struct Inner {
    wasmtime: wasmtime::Engine,
    /// What its pool takes.
    _mappings: Option<Mappings>,
    config: EngineConfig,
    /// Where it has a pool.
    slots: Option<Arc<slots::Slots>>,
    clock: Arc<Clock>,
    /// Host functions of the direct path, defined once.
    direct: wasmtime::Linker<crate::contract::host::Host>,
    /// Host functions of the general path, defined once.
    general: wasmtime::component::Linker<crate::contract::host::Host>,
    /// What those of Wasmtime's engines are made with that compile for this one; it is not built anew, which would
    /// look into the environment.
    #[cfg(feature = "compiler")]
    compiling: wasmtime::Config,
    /// Threads that compile, once there was something to compile, and their generation.
    #[cfg(feature = "compiler")]
    compilers: fork::Lock<Option<(u64, Arc<rayon::ThreadPool>)>>,
    #[cfg(feature = "wasi")]
    wasi: crate::wasi::Shared,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        #[cfg(feature = "wasi")]
        self.wasi.runtime.stop();
        self.clock.stop();
    }
}

/// The threads that compile, for all engines that did: each thread keeps what its allocator has not given
/// back. They end with the last of these engines.
#[cfg(feature = "compiler")]
fn shared_compilers() -> Result<Arc<rayon::ThreadPool>> {
    static SHARED: parking_lot::Mutex<(u64, Weak<rayon::ThreadPool>)> = parking_lot::Mutex::new((0, Weak::new()));
    let mut shared = fork::wait(|| SHARED.try_lock());
    if shared.0 == fork::generation()
        && let Some(pool) = shared.1.upgrade()
    {
        return Ok(pool);
    }
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(std::thread::available_parallelism().map_or(1, usize::from))
        .thread_name(|n| format!("torvyn-compiler-{n}"))
        .stack_size(2 << 20);
    let none = |e: rayon::ThreadPoolBuildError| {
        let what = "no thread could be started to compile on; turn `parallel_compilation` off";
        let own = std::error::Error::source(&e).and_then(|e| e.downcast_ref()).and_then(io::Error::raw_os_error);
        let refusal =
            Refusal::new(system::THREAD, own.map_or_else(|| io::Error::other(e), io::Error::from_raw_os_error));
        system::failed(ErrorKind::Internal, what, &refusal)
    };
    let pool = signals::starting(|| builder.build()).map_err(none)?;
    let pool = Arc::new(pool);
    *shared = (fork::generation(), Arc::downgrade(&pool));
    Ok(pool)
}

impl Engine {
    /// An engine of `config`. Fails with [`ErrorKind::Config`], naming the field where one is to
    /// blame.
    pub fn new(config: EngineConfig) -> Result<Self> {
        let mut built = config.build()?;
        if !images::can_be_mapped() {
            built.memory_init_cow(false);
        }
        if !config.explicit_traps {
            signals::can_be_handled().map_err(|refusal| {
                let what = "engine configuration, `explicit_traps`: without it the library handles SIGSEGV, SIGILL and \
                    SIGFPE";
                system::failed(ErrorKind::Config, what, &refusal)
            })?;
        }
        let refused = |e: wasmtime::Error| {
            let told = system::refused(ErrorKind::Config, "the engine was not made", &e);
            told.unwrap_or_else(|| Error::new(ErrorKind::Config, format!("engine configuration: {e:#}")))
        };
        let mappings = config.pool_mappings()?;
        let wasmtime = wasmtime::Engine::new(&built).map_err(|e| {
            let pool = if system::is_denial(&e) { None } else { config.pool_refused(&e) };
            pool.unwrap_or_else(|| refused(e))
        })?;
        let clock = Clock::new(wasmtime.clone(), config.tick_ns, !config.host_ticks);
        if let Some(bytes) = config.idle_buffers {
            crate::contract::buffer::keep_idle(bytes);
        }
        let direct = crate::direct::imports::linker(&wasmtime).map_err(refused)?;
        let general = crate::general::imports::linker(&wasmtime).map_err(refused)?;
        #[cfg(feature = "compiler")]
        let mut compiling = built;
        #[cfg(feature = "compiler")]
        compiling.allocation_strategy(wasmtime::InstanceAllocationStrategy::OnDemand); // nothing is instantiated
        Ok(Self(Arc::new(Inner {
            wasmtime,
            _mappings: mappings,
            #[cfg(feature = "compiler")]
            compiling,
            slots: config.pooling.map(|pooling| slots::Slots::new(pooling.instances)),
            config,
            clock,
            direct,
            general,
            #[cfg(feature = "compiler")]
            compilers: Default::default(),
            #[cfg(feature = "wasi")]
            wasi: Default::default(),
        })))
    }

    /// One of Wasmtime's engines to compile with: its code runs in this one.
    #[cfg(feature = "compiler")]
    pub fn compiler(&self) -> wasmtime::Result<wasmtime::Engine> {
        wasmtime::Engine::new(&self.0.compiling)
    }

    /// Runs `work` where Wasmtime finds the library's own threads to compile on, and nothing is read from
    /// the environment. On the caller's thread where `parallel_compilation` is off. Fails with
    /// `Internal` where no thread can be had.
    #[cfg(feature = "compiler")]
    pub fn compiling<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R> {
        if !self.0.config.parallel_compilation {
            return Ok(work());
        }
        Ok(self.compilers()?.install(work))
    }

    #[cfg(feature = "compiler")]
    fn compilers(&self) -> Result<Arc<rayon::ThreadPool>> {
        let mut compilers = self.0.compilers.lock();
        match compilers.take() {
            Some((generation, pool)) if generation == fork::generation() => {
                return Ok(compilers.insert((generation, pool)).1.clone());
            }
            // A parent's: nobody is there to be told to end.
            parents => std::mem::forget(parents),
        }
        let pool = shared_compilers()?;
        Ok(compilers.insert((fork::generation(), pool)).1.clone())
    }

    /// Wasmtime's engine.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    /// What it was made with.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// The slots of its pool, where it has one.
    pub fn slots(&self) -> Option<&Arc<slots::Slots>> {
        self.0.slots.as_ref()
    }

    /// Its clock.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.0.clock
    }

    /// The contract's host side for the direct path.
    pub fn direct_linker(&self) -> &wasmtime::Linker<crate::contract::host::Host> {
        &self.0.direct
    }

    /// The contract's host side for the general path.
    pub fn general_linker(&self) -> &wasmtime::component::Linker<crate::contract::host::Host> {
        &self.0.general
    }

    /// What it has for components that use WASI.
    #[cfg(feature = "wasi")]
    pub fn wasi(&self) -> &crate::wasi::Shared {
        &self.0.wasi
    }

    /// The engine without a hold on it.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }

    /// Writes a line to the program's log, where there is one that wants it. A test and no more
    /// where there is none.
    #[inline]
    pub fn log(
        &self,
        level: log::Level,
        component: Option<ComponentId>,
        function: Option<Function>,
        message: impl std::fmt::Display,
    ) {
        if let Some(log) = &self.0.config.log {
            log.write(level, component, function, message);
        }
    }

    /// Whether both are one engine.
    pub fn same(&self, other: &Engine) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
