//! WASI 0.2 by grant, through `wasmtime-wasi`: what a component's imports are linked with, and the
//! context that each instance gets.
//!
//! [`runtime`] waits, [`stdio`] is the standard streams and [`inherited`] the process's own, [`files`]
//! and [`sockets`] say in the log what was refused, [`blocking`] does the work on files on threads,
//! [`timed`] and [`random`] heed the deadline, [`http`] refuses all.

mod blocking;
pub mod bytes;
mod directory;
pub mod files;
pub mod http;
mod inherited;
mod lookup;
mod open;
pub mod preopens;
pub mod random;
pub mod runtime;
pub mod sockets;
mod stdin;
pub mod stdio;
mod texts;
mod timed;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand::SeedableRng as _;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::contract::host::{Host, MOST_STREAMS};
use crate::contract::{ComponentId, names};
use crate::direct::plan::ImportItem;
use crate::engine::fault::Stop;
use crate::engine::grants::{FixedClock, Grants};
use crate::engine::log::Level;
use crate::engine::{Engine, WeakEngine};

/// What an engine has for its components that use WASI.
#[derive(Default)]
pub struct Shared {
    linker: OnceLock<Linker<Host>>,
    /// What waits for them.
    pub runtime: runtime::Lazy,
    lookups: lookup::Threads,
}

/// The interfaces that are provided, at every version 0.2, besides those of [`http`].
const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether an import of this name is provided.
pub fn provides(name: &str) -> bool {
    let (base, version) = names::split(name);
    http::is(name) || INTERFACES.contains(&base) && version.is_some_and(|version| names::compatible(version, "0.2.0"))
}

/// Whether a component with these imports may wait in one of them, or starts work in the background.
pub fn waits(imports: &[ImportItem]) -> bool {
    imports.iter().any(|import| {
        let base = names::split(&import.name).0;
        let waiting = ["wasi:io/poll", "wasi:io/streams", "wasi:filesystem/types"].contains(&base);
        (waiting || base.starts_with("wasi:sockets/")) && !import.items.is_empty()
    })
}

impl Shared {
    /// The linker of `engine` with WASI added.
    pub fn linker(&self, engine: &Engine) -> wasmtime::Result<&Linker<Host>> {
        if let Some(linker) = self.linker.get() {
            return Ok(linker);
        }
        let mut linker = engine.general_linker().clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // What may be refused, again, with the refusal logged; and what takes long, in pieces.
        linker.allow_shadowing(true);
        timed::add(&mut linker)?;
        bindings::random::random::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
        bindings::random::insecure::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
        bindings::filesystem::preopens::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
        bindings::filesystem::types::add_to_linker::<_, files::Has>(&mut linker, files::view)?;
        bindings::sockets::tcp_create_socket::add_to_linker::<_, sockets::Has>(&mut linker, sockets::view)?;
        bindings::sockets::udp_create_socket::add_to_linker::<_, sockets::Has>(&mut linker, sockets::view)?;
        bindings::sockets::ip_name_lookup::add_to_linker::<_, sockets::Has>(&mut linker, sockets::view)?;
        sockets::add(&mut linker)?;
        bytes::add(&mut linker)?;
        texts::add(&mut linker)?;
        linker.allow_shadowing(false);
        Ok(self.linker.get_or_init(|| linker))
    }
}

/// Says in the log what an instance does or is refused.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Weak, since background work may hold it, and the engine must not end on a thread of its own.
    engine: WeakEngine,
    id: ComponentId,
}

impl Watch {
    fn say(&self, level: Level, text: &str) {
        if let Some(engine) = self.engine.upgrade() {
            engine.log(level, Some(self.id), None, text);
        }
    }

    /// A refused capability.
    fn refused(&self, what: &str) {
        let text: String = "WASI refused ".chars().chain(what.chars().take(1000)).collect();
        self.say(Level::Warn, &text);
    }
}

/// What one instance has of WASI.
pub struct State {
    ctx: WasiCtx,
    table: ResourceTable,
    /// Holds nothing, ever.
    none: ResourceTable,
    open: open::Open,
    /// There where look-up is granted.
    lookups: Option<lookup::Lookups>,
    watch: Watch,
}

/// A table for `max` handles, with room for all of them: in a call it could not be refused.
fn table(max: u32) -> ResourceTable {
    let mut table = ResourceTable::with_capacity(max as usize);
    table.set_max_capacity(max as usize);
    table
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("wasi::State").finish_non_exhaustive()
    }
}

impl WasiView for Host {
    /// Each of `wasmtime-wasi`'s functions begins here.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Parts { ctx, table, .. } = parts(self);
        WasiCtxView { ctx, table }
    }
}

/// What the store's instance has.
fn state(host: &mut Host) -> &mut State {
    host.wasi.get_or_insert_with(|| Box::new(State::denied()))
}

/// A state in parts.
struct Parts<'a> {
    ctx: &'a mut WasiCtx,
    table: &'a mut ResourceTable,
    open: &'a mut open::Open,
    lookups: Option<&'a lookup::Lookups>,
    watch: &'a Watch,
    /// What ends the call.
    stopped: Option<Stop>,
}

/// What a function of WASI works on. Where the call is to stop, no handle is one any more and there
/// is room for none, and the function traps; `Host::stopped` says why.
fn parts(host: &mut Host) -> Parts<'_> {
    parts_unless_lost(host, open::Of::Files)
}

/// The same for files, which lie in the granted directories.
fn parts_with_files(host: &mut Host) -> Parts<'_> {
    parts_unless_lost(host, open::Of::All)
}

fn parts_unless_lost(host: &mut Host, of: open::Of) -> Parts<'_> {
    let mut stopped = host.check_time().err();
    if state(host).open.lost(of) {
        stopped = stopped.or(Some(Stop::Descriptors));
        host.stopped = stopped;
    }
    let State { ctx, table, none, open, lookups, watch } = state(host);
    let table = if stopped.is_some() { none } else { table };
    Parts { ctx, table, open, lookups: lookups.as_ref(), watch, stopped }
}

impl State {
    /// Nothing at all: for a store that no WASI is linked with, so never seen.
    fn denied() -> Self {
        let watch = Watch { engine: WeakEngine::default(), id: ComponentId(0) };
        Self {
            ctx: WasiCtx::default(),
            table: table(0),
            none: table(0),
            open: open::Open::new(0, Vec::new()),
            lookups: None,
            watch,
        }
    }

    /// Whether descriptors that it has are the program's by now.
    pub fn lost_descriptors(&self) -> bool {
        self.open.lost_now(open::Of::All)
    }

    /// A call of the instance begins.
    pub fn call_begins(&mut self) {
        self.open.call_begins();
    }

    /// What `grants` give to instance `id`.
    pub fn new(engine: &Engine, grants: &Grants, id: ComponentId, max_handles: u32, max_files: u32) -> Self {
        let watch = Watch { engine: engine.downgrade(), id };
        let mut builder = WasiCtx::builder();
        builder.args(&grants.args).envs(&grants.env);
        if let Some(bytes) = &grants.stdin {
            builder.stdin(stdin::Stdin::new(bytes.clone()));
        }
        builder.stdout(stdio::Stream::new(&grants.stdout, &watch, Level::Info));
        builder.stderr(stdio::Stream::new(&grants.stderr, &watch, Level::Warn));
        builder.allow_tcp(grants.has("tcp")).allow_udp(grants.has("udp"));
        if !grants.sockets.is_empty() {
            let (rules, watch) = (grants.sockets.clone(), watch.clone());
            builder.socket_addr_check(move |address, usage| {
                let allowed = sockets::allowed(&rules, address, usage);
                if !allowed {
                    watch.refused(&format!("{} {address}: no rule allows it", sockets::name(usage)));
                }
                Box::pin(std::future::ready(allowed))
            });
        }
        if let Some(clock) = grants.clock {
            builder.wall_clock(Steps::new(clock.start_ns, clock)).monotonic_clock(Steps::new(0, clock));
        }
        if let Some(seed) = grants.seed {
            builder
                .secure_random(rand::rngs::StdRng::seed_from_u64(seed))
                .insecure_random(rand::rngs::StdRng::seed_from_u64(!seed))
                .insecure_random_seed(u128::from(seed));
        }
        Self {
            ctx: builder.build(),
            table: table(max_handles.min(MOST_STREAMS)),
            none: table(0),
            open: open::Open::new(max_files, grants.preopens.iter().map(|granted| granted.dir.known()).collect()),
            lookups: grants.name_lookup.then(|| lookup::Lookups::new(&engine.wasi().lookups)),
            watch,
        }
    }
}

/// A clock that moves by readings.
struct Steps {
    next: AtomicU64,
    step: u64,
}

impl Steps {
    fn new(start: u64, clock: FixedClock) -> Self {
        Self { next: AtomicU64::new(start), step: clock.step_ns }
    }

    fn read(&self) -> u64 {
        // It never runs backwards: at the end of what it can say it stands still.
        let on = |now: u64| Some(now.saturating_add(self.step));
        self.next.fetch_update(Relaxed, Relaxed, on).unwrap_or(u64::MAX)
    }
}

impl HostWallClock for Steps {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.step.max(1))
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.read())
    }
}

impl HostMonotonicClock for Steps {
    fn resolution(&self) -> u64 {
        self.step.max(1)
    }

    fn now(&self) -> u64 {
        self.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_runs_backwards() {
        let clock = |start, step_ns| Steps::new(start, FixedClock { start_ns: 0, step_ns });
        let (near, far) = (clock(u64::MAX - 1, 1), clock(0, u64::MAX));
        assert_eq!([near.read(), near.read(), near.read()], [u64::MAX - 1, u64::MAX, u64::MAX]);
        assert_eq!([far.read(), far.read(), far.read()], [0, u64::MAX, u64::MAX]);
    }

    #[test]
    fn a_table_has_room_for_so_many() {
        let engine = Engine::new(Default::default()).unwrap();
        for (max_handles, room) in [(100_000, MOST_STREAMS), (5, 5)] {
            let mut state = State::new(&engine, &Grants::default(), ComponentId(1), max_handles, 1);
            assert!((0..room).all(|_| state.table.push(()).is_ok()));
            assert!(state.table.push(()).is_err());
        }
    }
}
