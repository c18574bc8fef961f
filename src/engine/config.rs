//! The engine's configuration: what may be set, the defaults, and how it becomes Wasmtime's.

use wasmtime::{InstanceAllocationStrategy, PoolingAllocationConfig};

use super::features;
use super::instance::InstanceOptions;
use super::log::Log;
use super::mappings::{self, Mappings, TooFew};
use super::system;
#[cfg(feature = "compiler")]
use crate::direct::plan::Analysis;
use crate::error::{Error, ErrorKind, Result};

/// Which way a component's code is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathChoice {
    /// The direct path where the component is eligible for it, the general one elsewhere.
    #[default]
    Auto,
    /// The direct path; an ineligible component is an error.
    Direct,
    /// Wasmtime's component runtime.
    General,
}

/// Sizes of the pooling allocator: slots are made once and reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// The most instances alive at once.
    pub instances: u32,
    /// Bytes of a linear memory that stay resident in an idle slot.
    pub keep_resident: usize,
}

/// Memories and tables (each) of a pool for each of its instances, and core instances: a component that
/// is composed of others has those of all of them, and small core instances between them.
const MEMBERS: u32 = 8;
const CORES: u32 = 64;
/// Bytes of address space that a pool's memories may take for the sake of composed components, of 128
/// TiB that a process has.
const POOLED: u64 = 16 << 40;
/// The most bytes of an instance's own record, which has a place for each function that the component
/// refers to. They are had from the system for each instance; it is a limit and no slot.
const CONTEXT: usize = 16 << 20;

/// Where address space is not to be taken for a memory: what a memory that moves takes beyond what it
/// grew to, at least, so that the next pages need no other move; and what lies behind it for accesses at an
/// offset.
const GROWTH: u64 = 1 << 20;
/// It moves so often at most on its way to `memory_limit`: each time all of it is copied.
const MOVES: u64 = 16;
const GUARD: u64 = 64 << 10;

/// The limit of linear memory where none is set: 16 MiB, and for a component whose memories start
/// with more than half of that, 16 MiB on top of what they start with.
///
/// Some toolchains give every component 16 MiB of stack or a snapshot of an interpreter to begin
/// with; a limit that such a component cannot even start under protects nobody. What starts with
/// more than 64 MiB is not started by default, since a component does not choose its own limit.
pub fn default_memory_limit(initial: u64) -> u64 {
    const LIMIT: u64 = 16 << 20;
    const MOST: u64 = 64 << 20;
    if (LIMIT / 2 + 1..=MOST).contains(&initial) { initial + LIMIT } else { LIMIT }
}

/// Everything that can be set when an engine is made.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each is specified at its field of `torvyn_engine_config_t`
pub struct EngineConfig {
    pub fuel: bool,
    pub host_ticks: bool,
    pub tick_ns: u64,
    pub timeout_ns: u64,
    pub memory_limit: u64,
    pub table_limit: u64,
    pub instance_limit: u32,
    pub buffer_limit: u64,
    pub idle_buffers: Option<u64>,
    pub max_handles: u32,
    pub max_files: u32,
    pub refuse_growth: bool,
    pub guest_stack: usize,
    pub simd: bool,
    pub relaxed_simd: bool,
    pub multi_memory: bool,
    pub optimize: Optimize,
    pub parallel_compilation: bool,
    pub explicit_traps: bool,
    pub unwind_info: bool,
    pub memory_reservation: Option<u64>,
    pub pooling: Option<Pooling>,
    pub path: PathChoice,
    pub wasi_threads: u32,
    pub log: Option<Log>,
}

/// What the compiler optimises for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Optimize {
    #[default]
    Speed,
    SpeedAndSize,
    None,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            fuel: false,
            host_ticks: false,
            tick_ns: 1_000_000,
            timeout_ns: 5_000_000_000,
            memory_limit: 0,
            table_limit: 100_000,
            instance_limit: 64,
            buffer_limit: 64 << 20,
            idle_buffers: None,
            max_handles: 65_536,
            max_files: 64,
            refuse_growth: false,
            guest_stack: 512 << 10,
            simd: true,
            relaxed_simd: false,
            multi_memory: false,
            optimize: Optimize::Speed,
            parallel_compilation: true,
            explicit_traps: false,
            unwind_info: false,
            memory_reservation: None,
            pooling: None,
            path: PathChoice::Auto,
            wasi_threads: 1,
            log: None,
        }
    }
}

fn bad(field: &str, reason: impl std::fmt::Display) -> Box<Error> {
    Error::new(ErrorKind::Config, format!("engine configuration, `{field}`: {reason}"))
}

impl EngineConfig {
    /// Checks each field on its own, so that an error names the field.
    fn check(&self) -> Result<()> {
        if !(10_000..=1_000_000_000).contains(&self.tick_ns) {
            return Err(bad("tick_ns", format!("{} is not within 10 µs and 1 s", self.tick_ns)));
        }
        InstanceOptions::of(self).check(self).map_err(|(name, reason)| bad(name, reason))?;
        if self.guest_stack < 16 << 10 || self.guest_stack > 64 << 20 {
            return Err(bad("guest_stack", format!("{} is not within 16 KiB and 64 MiB", self.guest_stack)));
        }
        if self.wasi_threads == 0 || self.wasi_threads > 64 {
            return Err(bad("wasi_threads", format!("{} is not within 1 and 64", self.wasi_threads)));
        }
        if self.memory_reservation.is_some_and(|bytes| bytes > 1 << 40) {
            return Err(bad("memory_reservation", "more than 1 TiB"));
        }
        if self.relaxed_simd && !self.simd {
            return Err(bad("relaxed_simd", "needs `simd`"));
        }
        if let Some(pooling) = &self.pooling
            && !(1..=100_000).contains(&pooling.instances)
        {
            return Err(bad("pool_instances", format!("{} is not within 1 and 100000", pooling.instances)));
        }
        Ok(())
    }

    /// Bytes of linear memory that a slot of the pool holds.
    pub fn slot_bytes(&self) -> u64 {
        if self.memory_limit == 0 { 64 << 20 } else { self.memory_limit }
    }

    /// Bytes that are reserved for a memory beside what it holds, where that is not Wasmtime's default.
    fn reserved(&self) -> Option<u64> {
        // Guard pages are of no use where faults are not caught.
        if self.explicit_traps { Some(0) } else { self.memory_reservation }
    }

    /// Memories of the pool: for each instance as many as a component may have that is composed of
    /// others, as far as [`POOLED`] goes; one at least.
    fn pooled_memories(&self, pooling: &Pooling) -> u32 {
        let slot = self.reserved().unwrap_or(4 << 30).max(self.slot_bytes());
        let room = u32::try_from(POOLED / slot).unwrap_or(u32::MAX);
        pooling.instances.saturating_mul(MEMBERS).min(room).max(pooling.instances)
    }

    /// Elements of tables that a slot of the pool holds.
    fn slot_elements(&self) -> usize {
        usize::try_from(self.table_limit).unwrap_or(usize::MAX).min(20_000)
    }

    /// Whether the component starts with more than a slot of the pool holds.
    #[cfg(feature = "compiler")]
    pub fn is_too_small(&self, component: &Analysis) -> bool {
        let (memory, elements) = (component.initial_memory, component.initial_elements);
        self.pooling.is_some() && (memory > self.slot_bytes() || elements > self.slot_elements() as u64)
    }

    /// Wasmtime's configuration for this one.
    pub fn build(&self) -> Result<wasmtime::Config> {
        self.check()?;
        let mut config = wasmtime::Config::new();
        config
            .consume_fuel(self.fuel)
            .epoch_interruption(true)
            .max_wasm_stack(self.guest_stack)
            .async_stack_size(super::stack::fiber(self.guest_stack))
            .wasm_features(features::compiled(self), true)
            .wasm_features(!features::compiled(self), false)
            .signals_based_traps(!self.explicit_traps)
            .native_unwind_info(self.unwind_info)
            .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
            .with_custom_code_memory(Some(std::sync::Arc::new(super::published::Publisher)))
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(64));
        #[cfg(feature = "compiler")]
        config.parallel_compilation(self.parallel_compilation).cranelift_opt_level(match self.optimize {
            Optimize::Speed => wasmtime::OptLevel::Speed,
            Optimize::SpeedAndSize => wasmtime::OptLevel::SpeedAndSize,
            Optimize::None => wasmtime::OptLevel::None,
        });
        // A slot is reserved whole; its memory does not move.
        let slot = self.pooling.map_or(0, |_| self.slot_bytes().next_multiple_of(64 << 10));
        if let Some(reserved) = self.reserved() {
            config
                .memory_reservation(reserved.max(slot))
                .memory_reservation_for_growth(reserved.max(GROWTH).max(self.memory_limit / MOVES))
                .memory_guard_size(if self.explicit_traps { 0 } else { GUARD })
                .guard_before_linear_memory(false)
                .memory_may_move(true);
        }
        if let Some(pooling) = &self.pooling {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_component_instances(pooling.instances)
                .total_core_instances(pooling.instances.saturating_mul(CORES))
                .total_memories(self.pooled_memories(pooling))
                .total_tables(pooling.instances.saturating_mul(MEMBERS))
                .total_stacks(pooling.instances)
                .max_core_instance_size(CONTEXT)
                .max_component_instance_size(CONTEXT)
                .max_memories_per_module(100)
                .max_tables_per_module(100)
                .max_memory_size(self.slot_bytes() as usize)
                .table_elements(self.slot_elements())
                .linear_memory_keep_resident(pooling.keep_resident.min(slot as usize))
                .table_keep_resident(4 << 10);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Ok(config)
    }

    /// The mappings of the pool's slots: a memory of each and a stack, whose guards are there from the start.
    pub fn pool_mappings(&self) -> Result<Option<Mappings>> {
        const SLOT: u32 = mappings::MEMORY + mappings::STACK;
        let Some(pooling) = &self.pooling else { return Ok(None) };
        let refused = |few: TooFew| {
            let room = few.left() / SLOT;
            bad(
                "pool_instances",
                format!("{few}; take fewer slots, for {room} of which there is room, or raise that limit"),
            )
        };
        Mappings::take(pooling.instances.saturating_mul(SLOT)).map(Some).map_err(refused)
    }

    /// What to say where Wasmtime refuses an engine with a pool and takes it without.
    pub fn pool_refused(&self, e: &wasmtime::Error) -> Option<Box<Error>> {
        self.pooling?;
        let without = Self { pooling: None, log: None, ..self.clone() };
        wasmtime::Engine::new(&without.build().ok()?).ok()?;
        let advice = "take fewer slots, or smaller ones: `memory_limit`, `memory_reservation`";
        Some(match system::refused(ErrorKind::Config, "engine configuration, `pool_instances`", e) {
            Some(refused) => Error::new(ErrorKind::Config, format!("{}; or {advice}", refused.message)),
            None => bad("pool_instances", format!("{e:#}; {advice}")),
        })
    }

    /// What an artifact depends on besides Wasmtime's version and the machine: two engines with
    /// the same text run each other's artifacts.
    pub fn fingerprint(&self) -> String {
        format!(
            "features={:x} fuel={} opt={:?} traps={} unwind={} reservation={:?} pool={}",
            features::allowed(self).bits(),
            self.fuel,
            self.optimize,
            self.explicit_traps,
            self.unwind_info,
            self.memory_reservation,
            self.pooling.map_or(0, |_| self.memory_limit),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_field() {
        type Set = fn(&mut EngineConfig);
        let cases: [(Set, &str); 7] = [
            (|c| c.tick_ns = 1, "tick_ns"),
            (|c| c.timeout_ns = 5, "timeout_ns"),
            (|c| c.guest_stack = 1, "guest_stack"),
            (|c| c.memory_limit = 1, "memory_limit"),
            (|c| c.max_handles = 1, "max_handles"),
            (|c| c.max_files = 1025, "max_files"),
            (|c| (c.relaxed_simd, c.simd) = (true, false), "relaxed_simd"),
        ];
        for (set, field) in cases {
            let mut config = EngineConfig::default();
            set(&mut config);
            let error = config.build().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.message.contains(field), "{}", error.message);
        }
    }
}
