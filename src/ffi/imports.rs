//! What a component's imports are bound to.

use std::sync::Arc;

use super::engine::EngineHandle;
use super::error::ErrorHandle;
use super::guard;
use super::handle::{self, Counted, Handle};
use super::status::Status;
use crate::engine::link::ImportBindings;

/// What a component gets besides the contract, whose own host side (buffers,
/// flow context, allocator) is always there and needs no entry. Reference
/// counted; torvyn_linked_new() takes NULL for an empty set. What is added to a
/// set counts for what is linked with it from then on.
///
/// WASI 0.2 is denied until it is granted. With an empty set, a component that
/// imports WASI links and runs with no arguments, no environment, no directory
/// and no socket; its standard input is at its end, and what it writes to
/// standard output and standard error goes to the log line by line. It has the
/// clocks and the randomness of the machine, of which it may ask for 16 MiB at
/// once (more ends the call with TORVYN_ERROR_TRAP). What is refused to it is an
/// ordinary WASI error inside the component, and a line in the log. `wasi:http`
/// is there to be linked with alone, since some toolchains import it unasked: a
/// call of it ends with TORVYN_ERROR_TRAP, and a line in the log.
/// `wasi:cli/exit` ends the call with TORVYN_ERROR_TRAP (TORVYN_TRAP_OTHER),
/// also with status 0, and not the process. A call that waits in WASI ends at
/// its deadline or by a cancel like any other, and so does one that only calls
/// it.
///
/// What a component writes is taken 64 KiB at once (`check-write` says so; more
/// ends the call with TORVYN_ERROR_TRAP, as do more than 4 KiB by
/// `blocking-write-and-flush`), and 1 MiB by `descriptor.write`, which says how
/// much it was; what it reads comes 64 KiB at once. The library holds for it,
/// not counted as the instance's, up to 64 KiB for each stream, the lists that
/// it gives WASI in one call (more than 1 MiB ends the call with
/// TORVYN_ERROR_MEMORY), and what a look-up gave. A path of 4096 bytes or more
/// is `name-too-long`, a name to look up of more than 1012 `invalid-argument`. A
/// file that may not grow, and a pipe or a connection that nobody reads, are
/// errors of the component's; neither SIGXFSZ nor SIGPIPE reaches the program by
/// it. `max_files` says how many file descriptors it may hold.
///
/// Where imports may wait, components and the callbacks that they reach run on a
/// stack of the library's, which leaves a callback at least 1 MiB.
///
/// `torvyn:capabilities/capability-query#has-capability` answers from the same
/// set. The names: "args"; "env", "env:NAME"; "stdin"; "stdout", "stderr"
/// (always); "filesystem", "filesystem:GUEST-PATH",
/// "filesystem-write:GUEST-PATH"; "sockets", "tcp", "udp"; "name-lookup";
/// "wall-clock", "monotonic-clock", "random" (always). And what
/// torvyn_imports_define() defined: "acme:db/lookup@1.0.0",
/// "acme:db/lookup@1.0.0#get", where another version serves as it does when
/// linking. Any other is answered with false.
pub struct ImportsHandle(());

impl Handle for ImportsHandle {
    type Held = ImportBindings;
    type Kept = Counted;
}

/// Makes an empty set of imports.
///
/// @param engine  Borrowed for the call; the engine of the components that the
///                imports are for.
/// @param out     Where the imports go, owned by the caller
///                (torvyn_imports_free()); NULL on failure.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK           `*out` is a set of imports.
/// @retval TORVYN_ERROR_NULL   `engine` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC  A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_new(
    engine: *const EngineHandle,
    out: *mut *mut ImportsHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [engine] => {
        out.set(handle::give::<ImportsHandle>(Arc::new(ImportBindings::new(engine))));
        Ok(Status::TORVYN_OK)
    })
}

/// One more reference to a set of imports.
///
/// @param imports  Borrowed for the call; NULL gives NULL.
///
/// @return  The same imports, owned once more: each reference is freed by
///          itself.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_imports_clone(imports: *const ImportsHandle) -> *mut ImportsHandle {
    ffi!(neutral: std::ptr::null_mut(), present: [imports] => {
        // SAFETY: the header requires imports that were not freed.
        unsafe { handle::again(imports) }
    })
}

/// Frees a reference to a set of imports. What was linked with it stays usable.
///
/// @param imports  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_imports_free(imports: *mut ImportsHandle) {
    ffi!(neutral: (), owned: [imports] => guard::end(imports))
}
