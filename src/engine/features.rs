//! Every feature of WebAssembly and of the component model that the validator knows, decided.
//!
//! A component that needs one which is off is refused by its name when it is compiled, so that
//! nothing reaches code of Wasmtime's that this build lacks. Wasmtime is configured with the same set
//! as the validator, but for several memories: see [`compiled`].

use wasmparser::WasmFeatures as Flags;

use super::config::EngineConfig;

/// Whether components may use a feature.
#[derive(Clone, Copy)]
pub enum Use {
    /// They may.
    On,
    /// They may where this field of the engine's configuration says so.
    Option(&'static str, fn(&EngineConfig) -> bool),
    /// They may not, for this reason: a clause that follows "the feature".
    Off(&'static str),
}

/// Why what the component model's asynchronous functions need is off.
const ASYNC: &str = "is of the asynchronous component model, and the calls of this library are synchronous";
/// Why what needs a collector is off.
const COLLECTOR: &str = "needs a garbage collector, which this library is built without";
/// Why what may still change is off.
const UNFINISHED: &str = "is a proposal that may still change";
/// Why what Wasmtime lacks is off.
const ABSENT: &str = "is not implemented by Wasmtime";

/// All of them, in the order of their bits. A test holds it against the validator's own list.
pub const FEATURES: [(Flags, Use); 42] = [
    (Flags::MUTABLE_GLOBAL, Use::On),
    (Flags::SATURATING_FLOAT_TO_INT, Use::On),
    (Flags::SIGN_EXTENSION, Use::On),
    (Flags::REFERENCE_TYPES, Use::On),
    (Flags::MULTI_VALUE, Use::On),
    (Flags::BULK_MEMORY, Use::On),
    (Flags::SIMD, Use::Option("simd", |config| config.simd)),
    (Flags::RELAXED_SIMD, Use::Option("relaxed_simd", |config| config.relaxed_simd)),
    // The library reads and writes a component's memory as memory that nobody else writes to.
    (Flags::THREADS, Use::Off("lets other threads write to a component's memory")),
    (Flags::SHARED_EVERYTHING_THREADS, Use::Off(UNFINISHED)),
    (Flags::TAIL_CALL, Use::On),
    (Flags::FLOATS, Use::On),
    (Flags::MULTI_MEMORY, Use::Option("multi_memory", |config| config.multi_memory)),
    // Wasmtime keeps an exception in the collector's heap.
    (Flags::EXCEPTIONS, Use::Off(COLLECTOR)),
    // Memories and tables with addresses of 64 bits, within a component; see CM64.
    (Flags::MEMORY64, Use::On),
    (Flags::EXTENDED_CONST, Use::On),
    (Flags::COMPONENT_MODEL, Use::On),
    // Without GC every function type is final, so that to compare two needs no collector either.
    (Flags::FUNCTION_REFERENCES, Use::On),
    (Flags::MEMORY_CONTROL, Use::Off(ABSENT)),
    // Also what of it has no objects: a `call_indirect` by a type that has subtypes and `ref.test` ask
    // a function of Wasmtime's that is only there with the collector.
    (Flags::GC, Use::Off(COLLECTOR)),
    (Flags::CUSTOM_PAGE_SIZES, Use::Off(UNFINISHED)),
    (Flags::CM_VALUES, Use::Off(ABSENT)),
    (Flags::CM_NESTED_NAMES, Use::Off(ABSENT)),
    (Flags::LEGACY_EXCEPTIONS, Use::Off("was replaced by exceptions")),
    // Such as `externref`.
    (Flags::GC_TYPES, Use::Off(COLLECTOR)),
    (Flags::STACK_SWITCHING, Use::Off(UNFINISHED)),
    (Flags::WIDE_ARITHMETIC, Use::Off(UNFINISHED)),
    (Flags::CM_ASYNC, Use::Off(ASYNC)),
    (Flags::CM_ASYNC_STACKFUL, Use::Off(ASYNC)),
    (Flags::CM_MORE_ASYNC_BUILTINS, Use::Off(ASYNC)),
    (Flags::CM_THREADING, Use::Off(ASYNC)),
    (Flags::CM_ERROR_CONTEXT, Use::Off(ASYNC)),
    (Flags::CM_FIXED_LENGTH_LISTS, Use::On),
    (Flags::CM_GC, Use::Off(COLLECTOR)),
    (Flags::CALL_INDIRECT_OVERLONG, Use::On),
    (Flags::BULK_MEMORY_OPT, Use::On),
    (Flags::CUSTOM_DESCRIPTORS, Use::Off(ABSENT)),
    (Flags::COMPACT_IMPORTS, Use::Off(ABSENT)),
    (Flags::CM_MAP, Use::On),
    // Wasmtime's canonical ABI reads and writes pointers of 32 bits wherever the host is one side of a
    // call, and so does the direct path.
    (Flags::CM64, Use::Off("is unfinished in Wasmtime, whose host functions have pointers of 32 bits")),
    (Flags::CM_IMPLEMENTS, Use::Off(UNFINISHED)),
    (Flags::CM_CANON_NAMES, Use::Off(ABSENT)),
];

/// What components may use in an engine of this configuration.
pub fn allowed(config: &EngineConfig) -> Flags {
    let on = FEATURES.iter().filter(|(_, usage)| match usage {
        Use::On => true,
        Use::Option(_, on) => on(config),
        Use::Off(_) => false,
    });
    on.fold(Flags::empty(), |flags, (flag, _)| flags | *flag)
}

/// What Wasmtime compiles: the same, and several memories, which the modules have that it makes itself
/// to pass values between the components within one. Whether the component's own modules have several
/// is counted.
pub fn compiled(config: &EngineConfig) -> Flags {
    allowed(config) | Flags::MULTI_MEMORY
}

/// What a feature is called: as the validator's flag, in words between dashes.
pub fn name(flag: Flags) -> String {
    let name = flag.iter_names().next().map_or("", |(name, _)| name);
    name.to_ascii_lowercase().replace('_', "-")
}

/// Features that are off, as the object of "needs", and what can be done about it.
#[cfg(feature = "compiler")]
pub fn off(flags: Flags) -> String {
    let of = FEATURES.iter().filter(|(flag, _)| flags.contains(*flag));
    let texts: Vec<_> = of
        .map(|(flag, usage)| match usage {
            Use::Option(field, _) => {
                let name = name(*flag);
                format!("{name}, which is off (`{field}` of the engine's configuration turns it on)")
            }
            Use::Off(why) => format!("{}, which is off: it {why}", name(*flag)),
            Use::On => name(*flag),
        })
        .collect();
    let word = if texts.len() == 1 { "feature" } else { "features" };
    format!("the WebAssembly {word} {}", texts.join(", and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_of_the_validator_is_decided_once() {
        for (i, (flag, usage)) in FEATURES.iter().enumerate() {
            assert!(!name(*flag).is_empty());
            assert!(FEATURES[..i].iter().all(|(other, _)| other != flag), "{flag:?} stands twice");
            // Some hold others, which are then decided alike.
            for (within, other) in FEATURES.iter().filter(|(within, _)| flag.contains(*within)) {
                assert!(std::mem::discriminant(usage) == std::mem::discriminant(other), "{flag:?}, {within:?}");
            }
        }
        // A flag that a new validator brings fails here.
        let lacking = FEATURES.iter().fold(Flags::all(), |left, (flag, _)| left - *flag);
        assert!(lacking.is_empty(), "the table lacks {lacking:?}");
    }

    #[test]
    fn wasmtime_has_the_same_set() {
        for bits in 0..8 {
            let config = EngineConfig {
                simd: bits & 1 != 0,
                relaxed_simd: bits & 3 == 3,
                multi_memory: bits & 4 != 0,
                ..EngineConfig::default()
            };
            let built = config.build().unwrap();
            let said = format!("{built:?}");
            for (flag, _) in FEATURES {
                let field = format!("wasm_{}: {}", name(flag).replace('-', "_"), compiled(&config).contains(flag));
                assert!(said.contains(&field), "{field}\n{said}");
            }
            // It takes them all: what it cannot compile it refuses here.
            wasmtime::Engine::new(&built).unwrap();
            let own = if config.multi_memory { Flags::empty() } else { Flags::MULTI_MEMORY };
            assert_eq!(compiled(&config) - allowed(&config), own);
        }
    }
}
