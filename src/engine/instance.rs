//! Instances: what one is made of, how it is made and made anew.

use std::sync::Arc;

use wasmtime::{Store, UpdateDeadline};

use super::Engine;
use super::config::EngineConfig;
use super::control::{Control, State};
use super::fault::{self, Stop};
use super::limits::Limits;
use super::link::{Code, LinkedComponent};
use super::traits::MemoryUsage;
use crate::contract::host::{Handles, Host};
use crate::contract::lent::Loan;
use crate::contract::{ComponentId, Role, Roles};
use crate::error::{Error, ErrorKind, Result};
use crate::{direct, general};

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
            refuse_growth: config.refuse_growth,
            timing: false,
        }
    }
}

/// How an instance runs.
#[derive(Debug)]
pub(super) enum Running {
    Direct(direct::run::Running),
    General(Box<general::run::Running>),
    /// A reset failed half-way; the next one may succeed.
    Gone,
}

impl Running {
    pub(super) fn store(&self) -> Option<&Store<Host>> {
        match self {
            Running::Direct(running) => Some(&running.store),
            Running::General(running) => Some(&running.store),
            Running::Gone => None,
        }
    }

    #[inline]
    pub(super) fn store_mut(&mut self) -> Option<&mut Store<Host>> {
        match self {
            Running::Direct(running) => Some(&mut running.store),
            Running::General(running) => Some(&mut running.store),
            Running::Gone => None,
        }
    }
}

/// One instance of a linked component. One call at a time.
#[derive(Debug)]
pub struct ComponentInstance {
    pub(super) running: Running,
    pub(super) control: Arc<Control>,
    pub(super) id: ComponentId,
    pub(super) roles: Roles,
    pub(super) options: InstanceOptions,
    /// The timeout in ticks.
    pub(super) timeout_ticks: u64,
    /// The fuel at the start of the running call.
    pub(super) fuel_before: u64,
    ticket: usize,
    linked: LinkedComponent,
}

impl Drop for ComponentInstance {
    fn drop(&mut self) {
        self.linked.engine().clock().forget(self.ticket);
    }
}

impl ComponentInstance {
    /// Instantiates. Fails with `Instantiation`, `Memory`, or with what stopped a start function.
    pub fn new(linked: &LinkedComponent, id: ComponentId, options: &InstanceOptions) -> Result<Self> {
        let engine = linked.engine();
        let control = Arc::new(Control::new(State::New));
        let ticket = engine.clock().register(control.clone());
        let timeout_ticks = match options.timeout_ns {
            NONE => NONE,
            ns => engine.clock().ticks_for(ns),
        };
        let mut instance = Self {
            running: Running::Gone,
            control,
            id,
            roles: linked.component().roles(),
            options: options.clone(),
            timeout_ticks,
            fuel_before: 0,
            ticket,
            linked: linked.clone(),
        };
        let began = instance.control.begin();
        debug_assert!(began);
        let made = instance.make();
        instance.control.end();
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
    /// the instance stays poisoned.
    pub fn reset(&mut self) -> Result<()> {
        self.control.set_state(State::Poisoned);
        self.running = Running::Gone; // first, so that a pooling engine has a slot
        self.control.counters.resets.add(1);
        self.make()
    }

    fn make(&mut self) -> Result<()> {
        let engine = self.linked.engine();
        let began = engine.clock().begin();
        let o = &self.options;
        let host = Host {
            loan: Loan::NONE,
            handles: Handles::new(o.max_handles, o.buffer_limit, self.linked.path() == super::link::Path::Direct),
            limits: Limits::new(o.memory_limit, o.table_limit, o.instance_limit as usize, o.refuse_growth),
            control: self.control.clone(),
            clock: engine.clock().clone(),
            began,
            ends: began.saturating_add(self.timeout_ticks),
            fuel: engine.config().fuel,
            canon: Default::default(),
            id: self.id,
            resources: self.linked.resource_types(),
            grants: self.linked.grants().clone(),
            #[cfg(feature = "wasi")]
            wasi: self.linked.wasi_state(self.id, o.max_handles)?,
        };
        let store = store(engine, host, if o.fuel == NONE { DEFAULT_FUEL } else { o.fuel });
        let made = match self.linked.code() {
            Code::Direct(linked) => linked.instantiate(store).map(Running::Direct),
            Code::General(linked) => linked.instantiate(store, self.linked.waiter()?).map(|running| Running::General(Box::new(running))),
        };
        match made {
            Ok(running) => {
                self.running = running;
                self.control.set_state(if self.roles.has(Role::Lifecycle) { State::New } else { State::Ready });
                let linear = self.running.store().map_or(0, |store| store.data().limits.linear);
                self.control.counters.linear_bytes.set(linear);
                Ok(())
            }
            Err(e) => Err(instantiation_failed(&e).at(self.id, None)),
        }
    }

    /// See `WasmEngine::memory_usage`.
    pub fn memory_usage(&self) -> MemoryUsage {
        self.running.store().map_or_else(MemoryUsage::default, |store| {
            let host = store.data();
            MemoryUsage { linear: host.limits.linear, buffers: host.handles.held() }
        })
    }
}

/// A store with the limits and the epoch callback that stop a guest.
fn store(engine: &Engine, host: Host, fuel: u64) -> Store<Host> {
    let mut store = Store::new(engine.wasmtime(), host);
    store.limiter(|host| &mut host.limits);
    // Each tick, and never reset: a call that is shorter than a tick pays nothing for it.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        let host = store.data();
        if host.control.is_cancelled() {
            return Err(Stop::Cancelled.into());
        }
        if host.clock.now() >= host.ends {
            return Err(Stop::Deadline.into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    if engine.config().fuel {
        // Fails only where fuel is off.
        let _ = store.set_fuel(fuel);
    }
    store
}

fn instantiation_failed(e: &wasmtime::Error) -> Box<Error> {
    let known = e.is::<Stop>() || e.is::<super::limits::LimitReached>() || e.is::<wasmtime::Trap>();
    if known || e.is::<crate::contract::host::Breach>() {
        let mut error = fault::stopped(e);
        error.message = format!("while it was instantiated: {}", error.message);
        return error;
    }
    let message = format!("the component was not instantiated: {e:#}").replace('\n', " ");
    Error::new(ErrorKind::Instantiation, message)
}
