//! Native components: tables of C callbacks.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::args::{bad, null};
use super::callback::{Finalizer, User};
use super::component::ComponentHandle;
use super::engine::EngineHandle;
use super::error::ErrorHandle;
use super::handle::{Boxed, Handle};
use super::plain::{Bytes, Element, Flow, Signal, Str, number};
use super::sized::StructSize;
use super::status::Status;
use crate::contract::{BackpressureSignal, ComponentId, ProcessErrorKind, Role, Roles, StreamElement};
use crate::engine::fork;
use crate::engine::uncancelled::uncancelled;
use crate::error::{Error, ErrorKind, Result};
use crate::native::call::Call;
use crate::native::{Answer, NativeComponent, NativeStage};

/// What a callback of a native component has of the library while it runs: its
/// outputs, the text of its verdict, whether it should stop. It is lent for that
/// one callback, and used on its thread alone.
pub struct NativeCallHandle(());

impl Handle for NativeCallHandle {
    type Held = Call;
    type Kept = Boxed;
}

/// A component whose functions are the program's own: a table of callbacks that
/// torvyn_component_native() makes a component of.
///
/// It is linked, and its instances are made, called, reset and freed, as those
/// of a component that was compiled, with the same states, statuses, batches and
/// counters: a program is tested without WebAssembly, and trusted stages run
/// beside sandboxed ones. Nothing is sandboxed here: a callback is as much a
/// part of the program as the caller is.
///
/// In C:    torvyn_native_t table = {.struct_size = sizeof table};
/// In C++:  torvyn_native_t table{};
///          table.struct_size = sizeof table;
///
/// Roles    The callbacks that are set make the roles: `pull` a source,
///          `process` a processor, `push` a sink, `evaluate` a filter, `route` a
///          router, `ingest` an aggregator, `init` or `teardown` a component
///          with a lifecycle. The others of a role may be NULL, which is as if
///          they did nothing and answered TORVYN_OK.
/// Answers  TORVYN_OK where the function did what it is for: `pull`, `process`
///          and `ingest` have then emitted one output (torvyn_native_emit()),
///          `flush` any number. TORVYN_NO_ELEMENT from `pull`,
///          TORVYN_NOTHING_EMITTED from `process` and `ingest`. A verdict,
///          TORVYN_ERROR_INVALID_INPUT to TORVYN_ERROR_FATAL, with the text that
///          torvyn_native_fail() was given. Anything else is a defect of the
///          callback: its caller gets TORVYN_ERROR_INTERNAL, and the instance is
///          POISONED.
/// Threads  The callbacks of one instance run one at a time, on whichever thread
///          makes the call; those of several instances at the same time, which
///          what `user` points to must bear. A callback may call the library,
///          but a call on its own instance gets TORVYN_ERROR_BUSY; freed in its
///          own callback, an instance ends when that has returned. A callback
///          must return: an exception or a longjmp() that leaves it is undefined
///          behaviour.
/// Time     Nothing stops a callback from outside: one that may take long asks
///          torvyn_native_should_stop(). When it returns after its deadline (the
///          instance's timeout or the flow's, as for any component), the call
///          gets TORVYN_ERROR_DEADLINE; when it was cancelled meanwhile,
///          TORVYN_ERROR_CANCELLED; whatever it answered. Its outputs are
///          released and the instance is POISONED, as one that was compiled
///          would be.
/// Memory   What a callback allocates is the program's affair, and
///          torvyn_instance_memory_usage() knows nothing of it. `buffer_limit`
///          (buffers, and content types beyond 64 bytes) and `max_handles` hold
///          for the outputs of one call; the other limits of an instance say
///          nothing here.
/// Fuel     None is used: torvyn_instance_fuel_remaining() gives
///          TORVYN_FUEL_OFF, torvyn_instance_set_fuel()
///          TORVYN_ERROR_FUEL_DISABLED.
/// Copies   An element is lent in place, so that `bytes_in` of torvyn_stats_t
///          stays 0; `bytes_out` counts what torvyn_native_append() copied.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Native {
    /// The size of this struct in bytes: sizeof(torvyn_native_t). Required.
    pub struct_size: u32,
    /// Must be zero.
    pub reserved: u32,
    /// What every callback is given first. The library does not look at what it
    /// points to.
    pub user: *mut c_void,
    /// Ends `user`; NULL for nothing. Runs exactly once, when no callback can be
    /// called any more: on the thread that frees the last of the component and of
    /// all that was made from it, or within torvyn_component_native() where that
    /// fails.
    pub finalizer: Finalizer,
    /// Makes the state of a new instance, which its other callbacks are given as
    /// `state`: within torvyn_instance_new() and torvyn_instance_reset(). `*state`
    /// is NULL before. Answers TORVYN_OK; anything else, and there is no instance
    /// (TORVYN_ERROR_INSTANTIATION), nor is `instance_free` called. NULL where
    /// instances have no state of their own: `state` is then NULL everywhere.
    pub instance_new:
        Option<unsafe extern "C" fn(user: *mut c_void, id: u64, state: *mut *mut c_void) -> MaybeUninit<Status>>,
    /// Ends what `instance_new` made, exactly once: within torvyn_instance_free(),
    /// or at the end of the call that ran meanwhile, and within
    /// torvyn_instance_reset(). NULL for nothing.
    pub instance_free: Option<unsafe extern "C" fn(user: *mut c_void, state: *mut c_void)>,
    /// torvyn_init(). `config` is borrowed for the callback.
    pub init: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            config: Str,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_teardown(). What it answers but TORVYN_OK goes to the log alone.
    pub teardown: Option<
        unsafe extern "C" fn(user: *mut c_void, state: *mut c_void, call: *mut NativeCallHandle) -> MaybeUninit<Status>,
    >,
    /// torvyn_pull(): emits an output, or answers TORVYN_NO_ELEMENT.
    pub pull: Option<
        unsafe extern "C" fn(user: *mut c_void, state: *mut c_void, call: *mut NativeCallHandle) -> MaybeUninit<Status>,
    >,
    /// torvyn_notify_backpressure().
    pub notify_backpressure: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            signal: Signal,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_process(), and torvyn_process_batch() once for each element: emits
    /// an output, or answers TORVYN_NOTHING_EMITTED. `element` is borrowed for the
    /// callback, here and below; its `flow` is NULL where there is none.
    pub process: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            element: *const Element,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_push(), and torvyn_push_batch() once for each element. `*signal` is
    /// TORVYN_SIGNAL_READY before.
    pub push: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            element: *const Element,
            signal: *mut Signal,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_complete().
    pub complete: Option<
        unsafe extern "C" fn(user: *mut c_void, state: *mut c_void, call: *mut NativeCallHandle) -> MaybeUninit<Status>,
    >,
    /// torvyn_evaluate(). `*passes` is false before.
    pub evaluate: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            element: *const Element,
            passes: *mut bool,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_route(): names each port with torvyn_native_port(); none drops the
    /// element.
    pub route: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            element: *const Element,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_ingest(): emits an output, or answers TORVYN_NOTHING_EMITTED.
    pub ingest: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            state: *mut c_void,
            call: *mut NativeCallHandle,
            element: *const Element,
        ) -> MaybeUninit<Status>,
    >,
    /// torvyn_flush(): emits any number of outputs.
    pub flush: Option<
        unsafe extern "C" fn(user: *mut c_void, state: *mut c_void, call: *mut NativeCallHandle) -> MaybeUninit<Status>,
    >,
}

// SAFETY: `repr(C)`, `struct_size` first, ends with a pointer, all fields may be zero.
unsafe impl StructSize for Native {}

impl Native {
    /// The roles that the callbacks make, where they go together.
    fn roles(&self) -> Result<Roles> {
        if self.reserved != 0 {
            return Err(bad("table.reserved", "must be zero"));
        }
        for (name, needs, alone) in [
            ("notify_backpressure", "pull", self.notify_backpressure.is_some() && self.pull.is_none()),
            ("complete", "push", self.complete.is_some() && self.push.is_none()),
            ("flush", "ingest", self.flush.is_some() && self.ingest.is_none()),
            ("instance_free", "instance_new", self.instance_free.is_some() && self.instance_new.is_none()),
        ] {
            if alone {
                return Err(bad(&format!("table.{name}"), format_args!("it is of no use without `{needs}`")));
            }
        }
        let mut roles = Roles::default();
        for (role, is) in [
            (Role::Source, self.pull.is_some()),
            (Role::Processor, self.process.is_some()),
            (Role::Sink, self.push.is_some()),
            (Role::Filter, self.evaluate.is_some()),
            (Role::Router, self.route.is_some()),
            (Role::Aggregator, self.ingest.is_some()),
            (Role::Lifecycle, self.init.is_some() || self.teardown.is_some()),
        ] {
            if is {
                roles.add(role);
            }
        }
        if roles == Roles::default() {
            return Err(Error::new(ErrorKind::NoRole, "the table sets no callback, so the component has no role"));
        }
        Ok(roles)
    }
}

/// A table that the library owns, with what its finalizer ends.
#[derive(Debug)]
struct Table {
    callbacks: Native,
    user: User,
    roles: Roles,
}

// SAFETY: the callbacks are functions, which the header requires to bear any thread; of the table's
// own pointer see `User`.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl NativeComponent for Table {
    fn roles(&self) -> Roles {
        self.roles
    }

    fn instantiate(self: Arc<Self>, id: ComponentId) -> Result<Box<dyn NativeStage>> {
        let mut state = std::ptr::null_mut();
        if let Some(instance_new) = self.callbacks.instance_new {
            // SAFETY: the header requires a function that takes these.
            let given = number(unsafe { instance_new(self.user.get(), id.0, &raw mut state) });
            if given != Status::TORVYN_OK as c_int {
                let name = Status::known(given).map_or_else(|| given.to_string(), |status| status.name().to_owned());
                let message = format!("`instance_new` of the native component answered {name}");
                return Err(Error::new(ErrorKind::Instantiation, message));
            }
        }
        Ok(Box::new(Stage { table: self, state }))
    }
}

/// An instance: a table and a state.
#[derive(Debug)]
struct Stage {
    table: Arc<Table>,
    state: *mut c_void,
}

// SAFETY: the library never looks at what the state points to; the header requires callbacks that
// bear an instance on any thread.
unsafe impl Send for Stage {}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(instance_free) = self.table.callbacks.instance_free {
            // SAFETY: the header requires a function that takes these; `instance_new` gave the state.
            unsafe { instance_free(self.table.user.get(), self.state) }
        }
    }
}

/// What a callback's number means.
#[inline]
fn answer(given: MaybeUninit<Status>) -> Answer {
    match number(given) {
        0 => Answer::Done,
        1 => Answer::NoElement,
        2 => Answer::NothingEmitted,
        other => seldom(other),
    }
}

#[cold]
fn seldom(given: c_int) -> Answer {
    use ProcessErrorKind as K;
    let kinds = [K::InvalidInput, K::Unavailable, K::Internal, K::DeadlineExceeded, K::Fatal];
    let known = Status::known(given);
    match kinds.into_iter().find(|kind| known == Some(ErrorKind::Guest(*kind).into())) {
        Some(kind) => Answer::Verdict(kind),
        None => Answer::Other(given, known.map_or("", Status::name)),
    }
}

/// The element as C sees it, for as long as `run` takes.
#[inline]
fn lent<R>(element: &StreamElement<'_>, run: impl FnOnce(*const Element) -> R) -> R {
    let flow = element.flow.map(|flow| Flow {
        trace_id: Str::of(flow.trace_id),
        span_id: Str::of(flow.span_id),
        flow_id: Str::of(flow.flow_id),
        deadline_ns: flow.deadline_ns,
    });
    let element = Element {
        sequence: element.sequence,
        timestamp_ns: element.timestamp_ns,
        content_type: Str::of(element.content_type),
        payload: Bytes::of(element.payload),
        flow: flow.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
    };
    run(&raw const element)
}

/// What C knows the running call by.
#[inline]
fn known(call: &mut Call) -> *mut NativeCallHandle {
    std::ptr::from_mut(call).cast()
}

/// Calls one of the instance's callbacks; one that is not set has nothing to do.
macro_rules! ask {
    ($stage:ident.$callback:ident($($arg:expr),*)) => {
        match $stage.table.callbacks.$callback {
            Some(callback) => {
                let _uncancelled = uncancelled();
                // SAFETY: the header requires a function that takes these and lets nothing out; all that
                // is pointed to lives until it returns.
                answer(unsafe { callback($stage.table.user.get(), $stage.state, $($arg),*) })
            }
            None => Answer::Done,
        }
    };
}

impl NativeStage for Stage {
    fn init(&mut self, call: &mut Call, config: &str) -> Answer {
        ask!(self.init(known(call), Str::of(config)))
    }

    fn teardown(&mut self, call: &mut Call) -> Answer {
        ask!(self.teardown(known(call)))
    }

    fn pull(&mut self, call: &mut Call) -> Answer {
        ask!(self.pull(known(call)))
    }

    fn notify_backpressure(&mut self, call: &mut Call, signal: BackpressureSignal) -> Answer {
        ask!(self.notify_backpressure(known(call), signal.into()))
    }

    fn process(&mut self, call: &mut Call, element: &StreamElement<'_>) -> Answer {
        lent(element, |element| ask!(self.process(known(call), element)))
    }

    fn push(&mut self, call: &mut Call, element: &StreamElement<'_>) -> (Answer, Option<BackpressureSignal>) {
        let mut signal = MaybeUninit::new(Signal::TORVYN_SIGNAL_READY);
        let answer = lent(element, |element| ask!(self.push(known(call), element, signal.as_mut_ptr())));
        (answer, super::plain::signal(signal, "signal").ok())
    }

    fn complete(&mut self, call: &mut Call) -> Answer {
        ask!(self.complete(known(call)))
    }

    fn evaluate(&mut self, call: &mut Call, element: &StreamElement<'_>) -> (Answer, bool) {
        // C may write any byte.
        let mut passes = 0u8;
        let place = (&raw mut passes).cast();
        let answer = lent(element, |element| ask!(self.evaluate(known(call), element, place)));
        (answer, passes != 0)
    }

    fn route(&mut self, call: &mut Call, element: &StreamElement<'_>) -> Answer {
        lent(element, |element| ask!(self.route(known(call), element)))
    }

    fn ingest(&mut self, call: &mut Call, element: &StreamElement<'_>) -> Answer {
        lent(element, |element| ask!(self.ingest(known(call), element)))
    }

    fn flush(&mut self, call: &mut Call) -> Answer {
        ask!(self.flush(known(call)))
    }
}

/// Makes a component of the program's own functions. torvyn_linked_new() takes
/// it as any other, and needs no imports for it.
///
/// @param engine  Borrowed for the call. Its clock is what deadlines are
///                measured with; nothing is compiled.
/// @param table   Copied; what its `user` points to stays the program's until
///                `finalizer` is called. Where `struct_size` is set, `finalizer`
///                runs once, whatever this call comes to.
/// @param out     Where the component goes, owned by the caller
///                (torvyn_component_free()); NULL on failure.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              `*out` is a component.
/// @retval TORVYN_ERROR_NO_ROLE   No callback is set that makes a role.
/// @retval TORVYN_ERROR_ARGUMENT  A callback is set without the one that it
///                                belongs to, `struct_size` is not set, or the
///                                table is of a newer version and uses what this
///                                one lacks.
/// @retval TORVYN_ERROR_NULL      `engine`, `table` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_component_native(
    engine: *const EngineHandle,
    table: *const Native,
    out: *mut *mut ComponentHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [], spare: [out], offered: [table], optional: [engine] => {
        let (callbacks, rest) = table;
        // From here on the finalizer runs, whatever fails.
        let user = User::new(callbacks.user, callbacks.finalizer);
        if callbacks.struct_size == 0 {
            return Err(null("table"));
        }
        let _making = fork::making()?;
        rest?;
        let engine = engine.ok_or_else(|| null("engine"))?;
        let out = out.ok_or_else(|| null("out"))?;
        let roles = callbacks.roles()?;
        let native = engine.native_component(Arc::new(Table { callbacks, user, roles }));
        out.set(ComponentHandle::give(native));
        Ok(Status::TORVYN_OK)
    })
}
