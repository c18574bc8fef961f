//! Instances: what one is made of, how it is made and made anew.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Store, UpdateDeadline};

use super::Engine;
use super::config::{EngineConfig, default_memory_limit};
use super::control::{Control, State};
use super::fault;
use super::given::Given;
use super::invoke::set_memory;
use super::limits::Limits;
use super::link::{Code, LinkedComponent};
use super::log::Level;
use super::mappings::Mappings;
use super::slots::{Slot, Slots};
use super::stack::Room;
use super::system;
use super::term::Term;
use super::traits::MemoryUsage;
use crate::contract::host::{Handles, Host, MOST_STREAMS, Printed};
use crate::contract::lent::Loan;
use crate::contract::ports::Ports;
use crate::contract::{ComponentId, Role, Roles};
use crate::error::{Error, ErrorKind, Result};
use crate::{direct, general, native};

/// What Wasmtime itself may make, in bytes, of what a component gives in one call of a host function:
/// names, paths, lists of handles, as many datagrams as are sent at once (16 of 64 KiB). It ends the
/// process where there is no memory for them; what may be longer is copied by functions of this crate.
pub(super) const HOSTCALL_BYTES: usize = (1 << 20) + (64 << 10);

/// No timeout; no per-call fuel budget: the host manages it.
pub const NONE: u64 = u64::MAX;

/// The per-call fuel budget where fuel is on and nothing is said.
pub const DEFAULT_FUEL: u64 = 1_000_000_000;

/// What may be set for each instance.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each is specified at its field of `torvyn_instance_options_t`
pub struct InstanceOptions {
    pub timeout_ns: u64,
    pub fuel: u64,
    pub memory_limit: u64,
    pub table_limit: u64,
    pub instance_limit: u32,
    pub buffer_limit: u64,
    pub max_handles: u32,
    pub max_files: u32,
    pub refuse_growth: bool,
    pub timing: bool,
}

impl InstanceOptions {
    /// The engine's defaults.
    pub fn of(config: &EngineConfig) -> Self {
        Self {
            timeout_ns: config.timeout_ns,
            fuel: DEFAULT_FUEL,
            memory_limit: config.memory_limit,
            table_limit: config.table_limit,
            instance_limit: config.instance_limit,
            buffer_limit: config.buffer_limit,
            max_handles: config.max_handles,
            max_files: config.max_files,
            refuse_growth: config.refuse_growth,
            timing: false,
        }
    }

    /// Checks each limit on its own: the name of the first that is out of its range in an engine of
    /// `config`, and what that is.
    pub fn check(&self, config: &EngineConfig) -> std::result::Result<(), (&'static str, String)> {
        let Self { timeout_ns, memory_limit, max_handles, max_files, buffer_limit, instance_limit, .. } = *self;
        if timeout_ns < config.tick_ns {
            return Err(("timeout_ns", format!("{timeout_ns} is less than one tick ({})", config.tick_ns)));
        }
        if memory_limit != 0 && !(64 << 10..=4 << 30).contains(&memory_limit) {
            return Err(("memory_limit", format!("{memory_limit} is not within 64 KiB and 4 GiB")));
        }
        if config.pooling.is_some() && memory_limit > config.slot_bytes() {
            let slot = config.slot_bytes();
            let reason = format!("{memory_limit} is more than a slot of the engine's pool holds ({slot})");
            return Err(("memory_limit", reason));
        }
        if max_handles < 4 {
            return Err(("max_handles", format!("{max_handles} is less than 4")));
        }
        if !(1..=MOST_STREAMS).contains(&max_files) {
            return Err(("max_files", format!("{max_files} is not within 1 and {MOST_STREAMS}")));
        }
        if buffer_limit < 4 << 10 {
            return Err(("buffer_limit", format!("{buffer_limit} is less than 4 KiB")));
        }
        if !(1..=10_000).contains(&instance_limit) {
            return Err(("instance_limit", format!("{instance_limit} is not within 1 and 10000")));
        }
        Ok(())
    }
}

/// How an instance runs.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // the direct path is the common one and the hot one
pub(super) enum Running {
    Direct(direct::run::Running),
    General(Box<general::run::Running>),
    Native(Box<native::run::Running>),
    /// A reset failed half-way; the next one may succeed.
    Gone,
}

impl Running {
    pub(super) fn store(&self) -> Option<&Store<Host>> {
        match self {
            Running::Direct(running) => Some(&running.store),
            Running::General(running) => Some(&running.store),
            Running::Native(_) | Running::Gone => None,
        }
    }

    #[inline]
    pub(super) fn store_mut(&mut self) -> Option<&mut Store<Host>> {
        match self {
            Running::Direct(running) => Some(&mut running.store),
            Running::General(running) => Some(&mut running.store),
            Running::Native(_) | Running::Gone => None,
        }
    }

    /// Storage of the names that `route` gives.
    #[inline]
    pub(super) fn ports(&self) -> Option<&Ports> {
        match self {
            Running::Native(running) => Some(running.ports()),
            _ => self.store().map(|store| &store.data().canon.ports),
        }
    }

    fn ports_mut(&mut self) -> Option<&mut Ports> {
        match self {
            Running::Native(running) => Some(running.ports_mut()),
            _ => self.store_mut().map(|store| &mut store.data_mut().canon.ports),
        }
    }
}

/// One instance of a linked component. One call at a time.
#[derive(Debug)]
pub struct ComponentInstance {
    pub(super) running: Running,
    /// Of the calling thread's stack.
    pub(super) room: Room,
    pub(super) control: Arc<Control>,
    pub(super) id: ComponentId,
    pub(super) roles: Roles,
    pub(super) options: InstanceOptions,
    /// The fuel that each call begins with, or [`NONE`] where the program manages it.
    pub(super) fuel: u64,
    /// The timeout in ticks.
    pub(super) timeout_ticks: u64,
    /// The fuel at the start of the running call.
    pub(super) fuel_before: u64,
    /// When the running call began, where calls are timed.
    pub(super) started: Option<Instant>,
    ticket: usize,
    linked: LinkedComponent,
    /// Of the engine's pool; given back after what runs has ended.
    _slot: Option<Slot>,
    _mappings: Mappings,
}

impl Drop for ComponentInstance {
    fn drop(&mut self) {
        self.let_go();
        self.linked.engine().clock().forget(self.ticket);
    }
}

impl ComponentInstance {
    /// Instantiates. Fails with `Argument`, `Instantiation`, `Memory`, or with what stopped a start
    /// function.
    pub fn new(linked: &LinkedComponent, id: ComponentId, options: &InstanceOptions) -> Result<Self> {
        let engine = linked.engine();
        options.check(engine.config()).map_err(|(name, reason)| {
            Error::new(ErrorKind::Argument, format!("`options.{name}`: {reason}")).at(id, None)
        })?;
        // Before anything that takes stack itself.
        let mut room = linked.room();
        room.check().map_err(|e| e.at(id, None))?;
        let slots = engine.slots().filter(|_| linked.component().native().is_none());
        let slot = slots.map(Slots::take).transpose().map_err(|e| e.at(id, None))?;
        let mappings = linked.mappings().map_err(|e| e.at(id, None))?;
        let control = Arc::new(Control::new(State::New));
        let ticket = engine.clock().register(control.clone());
        let timeout_ticks = match options.timeout_ns {
            NONE => NONE,
            ns => engine.clock().ticks_for(ns),
        };
        let mut instance = Self {
            running: Running::Gone,
            room,
            control,
            id,
            roles: linked.component().roles(),
            options: options.clone(),
            fuel: options.fuel,
            timeout_ticks,
            fuel_before: 0,
            started: None,
            ticket,
            linked: linked.clone(),
            _slot: slot,
            _mappings: mappings,
        };
        let began = instance.control.begin();
        debug_assert!(began);
        let made = instance.make();
        let doomed = instance.control.end();
        debug_assert!(!doomed);
        made.map(|()| instance)
    }

    /// Shared with other threads.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// The caller's name for it.
    pub fn id(&self) -> ComponentId {
        self.id
    }

    /// What it exports.
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// What it was made from.
    pub fn linked(&self) -> &LinkedComponent {
        &self.linked
    }

    /// A fresh store under the same handle, id and options. The caller has begun a call. On failure
    /// the instance stays poisoned, but on a thread that has too little stack: nothing is done there.
    pub fn reset(&mut self) -> Result<()> {
        self.room.check().map_err(|e| e.at(self.id, None))?;
        // One that waits is for what comes after this: it does not stop a start function.
        let cancel_waits = self.control.spend_cancel();
        let was = self.control.state();
        self.control.set_state(State::Poisoned);
        self.linked.engine().log(Level::Info, Some(self.id), None, format_args!("reset in state {}", was.name()));
        self.let_go(); // first, so that a pooling engine has a slot
        self.control.counters.resets.add(1);
        self.fuel = self.options.fuel;
        let made = self.make();
        if made.as_ref().is_err_and(|error| error.kind == ErrorKind::Cancelled) {
            self.control.spend_cancel();
        }
        if cancel_waits {
            self.control.cancel();
        }
        made.map_err(Error::fatal)
    }

    /// Ends what runs; all but the store of a parent's that waits in WASI: its files are registered
    /// with what both processes wait with, and to end it here would end that in the parent.
    fn let_go(&mut self) {
        match std::mem::replace(&mut self.running, Running::Gone) {
            Running::General(running) if running.is_of_a_parent() => std::mem::forget(running),
            running => drop(running),
        }
    }

    fn make(&mut self) -> Result<()> {
        self.linked.check_descriptors().map_err(|e| e.at(self.id, None))?;
        let made = match self.linked.code() {
            Code::Direct(linked) => linked.instantiate(self.store(linked.glue())?).map(Running::Direct),
            Code::General(linked) => {
                let (store, waiter) = (self.store(0)?, self.linked.waiter()?);
                linked.instantiate(store, waiter).map(|running| Running::General(Box::new(running)))
            }
            Code::Native(component) => Ok(self.native(component.clone())?),
        };
        self.running = made.map_err(|e| instantiation_failed(&e).at(self.id, None))?;
        self.control.set_state(if self.roles.has(Role::Lifecycle) { State::New } else { State::Ready });
        // What start functions took.
        if let Some(store) = self.running.store() {
            set_memory(&self.control.counters, store.data());
        }
        Ok(())
    }

    fn native(&self, component: Arc<dyn native::NativeComponent>) -> Result<Running> {
        let (o, clock) = (&self.options, self.linked.engine().clock().clone());
        let call = native::call::Call::new(self.control.clone(), clock, o.max_handles, o.buffer_limit);
        let stage = component.instantiate(self.id).map_err(|e| e.at(self.id, None))?;
        Ok(Running::Native(Box::new(native::run::Running::new(stage, call))))
    }

    /// A fresh store, its budgets armed; `glue` is for [`Limits::glue`].
    fn store(&self, glue: usize) -> Result<Store<Host>> {
        let engine = self.linked.engine();
        let began = engine.clock().begin().map_err(|e| e.at(self.id, None))?;
        let o = &self.options;
        let analysis = self.linked.component().analysis();
        let memory_limit = match o.memory_limit {
            0 => default_memory_limit(analysis.initial_memory),
            limit => limit,
        };
        let mut limits = Limits::new(memory_limit, o.table_limit, o.instance_limit as usize, o.refuse_growth);
        limits.glue = glue;
        limits
            .check(analysis.initial_memory, analysis.initial_elements)
            .map_err(|reached| instantiation_failed(&reached.into()).at(self.id, None))?;
        let host = Host {
            loan: Loan::NONE,
            handles: Handles::new(o.max_handles, o.buffer_limit),
            limits,
            control: self.control.clone(),
            clock: engine.clock().clone(),
            term: Term::new(began, self.timeout_ticks),
            stopped: None,
            fuel: engine.config().fuel,
            printed: Printed::new(engine, self.id),
            born: std::time::Instant::now(),
            canon: Default::default(),
            id: self.id,
            resources: self.linked.resource_types(),
            given: Given::new(o.max_handles, self.linked.grants().clone()),
            grants: self.linked.grants().clone(),
            #[cfg(feature = "wasi")]
            wasi: self.linked.wasi_state(self.id, o.max_handles, o.max_files),
        };
        Ok(store(engine, host, if o.fuel == NONE { DEFAULT_FUEL } else { o.fuel }))
    }

    /// Storage of the names that `route` gave, to outlive it.
    pub fn take_ports(&mut self) -> Ports {
        self.running.ports_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether it has fuel: where the engine counts it, and the instance is not native.
    pub(super) fn has_fuel(&self) -> bool {
        self.linked.engine().config().fuel && !matches!(self.linked.code(), Code::Native(_))
    }

    /// See `WasmEngine::memory_usage`.
    pub fn memory_usage(&self) -> MemoryUsage {
        self.running.store().map_or_else(MemoryUsage::default, |store| {
            let host = store.data();
            MemoryUsage { linear: host.limits.linear, buffers: host.handles.held().now() }
        })
    }
}

/// A store with the limits and the epoch callback that stop a guest.
fn store(engine: &Engine, host: Host, fuel: u64) -> Store<Host> {
    let mut store = Store::new(engine.wasmtime(), host);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.limiter(|host| host);
    // Each tick, and never reset: a call that is shorter than a tick pays nothing for it.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| {
        store.data_mut().check_time()?;
        Ok(UpdateDeadline::Continue(1))
    });
    if engine.config().fuel {
        // Fails only where fuel is off.
        let _ = store.set_fuel(fuel);
    }
    store
}

fn instantiation_failed(e: &wasmtime::Error) -> Box<Error> {
    // A backtrace is there where the component ran.
    if e.is::<wasmtime::WasmBacktrace>() || fault::is_known(e) {
        let mut error = fault::stopped(e);
        error.message = format!("while it was instantiated: {}", error.message);
        return error;
    }
    let what = "the component was not instantiated";
    if let Some(error) = system::refused(ErrorKind::Instantiation, what, e) {
        return error;
    }
    let advice = "what limits this are `instance_limit`, `memory_limit`, `table_limit`, `pool_instances` and \
        `memory_reservation`";
    let message = format!("{what}: {e:#}; {advice}").replace('\n', " ");
    Error::new(ErrorKind::Instantiation, message)
}
