//! Components bound to their imports.

use std::sync::Arc;

use super::component::ComponentHandle;
use super::error::ErrorHandle;
use super::guard;
use super::handle::{self, Counted, Handle};
use super::imports::ImportsHandle;
use super::plain::{Path, Str, Text};
use super::status::Status;
use crate::engine::link::{ImportBindings, LinkedComponent};
use crate::engine::traits::WasmEngine as _;

/// A component bound to its imports, all look-ups done, so that instances are
/// cheap. Reference counted, immutable.
pub struct LinkedHandle(());

/// What a linked handle points to.
#[derive(Debug)]
pub struct Linked {
    /// The engine's own.
    pub linked: LinkedComponent,
    reason: Text,
}

impl Handle for LinkedHandle {
    type Held = Linked;
    type Kept = Counted;
}

/// Binds a component to its imports.
///
/// @param component  Borrowed for the call.
/// @param imports    What it gets besides the contract, of the same engine;
///                   borrowed for the call; NULL for nothing.
/// @param out        Where the linked component goes, owned by the caller
///                   (torvyn_linked_free()); NULL on failure.
/// @param err        Where detail goes on a negative status, owned by the caller
///                   (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                       `*out` is the linked component.
/// @retval TORVYN_ERROR_UNRESOLVED_IMPORT  Nothing provides an import, which the
///                                         error names, or not at a compatible
///                                         version.
/// @retval TORVYN_ERROR_TYPE_MISMATCH      An import has other types than what
///                                         is provided.
/// @retval TORVYN_ERROR_UNSUPPORTED        The engine's `path` is
///                                         TORVYN_PATH_DIRECT and the component
///                                         is not eligible, or code is needed
///                                         that an artifact does not hold.
/// @retval TORVYN_ERROR_COMPILATION        Code was needed and could not be
///                                         made.
/// @retval TORVYN_ERROR_INSTANTIATION      The component cannot be prepared: the
///                                         system refuses what its memories
///                                         start with, for example.
/// @retval TORVYN_ERROR_WRONG_ENGINE       `imports` is of another engine.
/// @retval TORVYN_ERROR_NULL               `component` or `out` is NULL.
/// @retval TORVYN_ERROR_INTERNAL           The library or the system failed.
/// @retval TORVYN_ERROR_PANIC              A defect of the library.
///
/// Thread: any.
/// Blocks: for less than a millisecond, the first time one more for each 2 MiB
///         that its memories start with; where code is missing, as
///         torvyn_component_compile().
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_linked_new(
    component: *const ComponentHandle,
    imports: *const ImportsHandle,
    out: *mut *mut LinkedHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [component], optional: [imports] => {
        let compiled = &component.compiled;
        let engine = compiled.engine();
        let linked = match imports {
            Some(imports) => engine.link(compiled, imports)?,
            None => engine.link(compiled, &ImportBindings::new(engine))?,
        };
        let reason = Text::new(linked.path_reason());
        out.set(handle::give::<LinkedHandle>(Arc::new(Linked { linked, reason })));
        Ok(Status::TORVYN_OK)
    })
}

/// One more reference to a linked component.
///
/// @param linked  Borrowed for the call; NULL gives NULL.
///
/// @return  The same linked component, owned once more: each reference is freed
///          by itself.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_linked_clone(linked: *const LinkedHandle) -> *mut LinkedHandle {
    ffi!(neutral: std::ptr::null_mut(), present: [linked] => {
        // SAFETY: the header requires a linked component that was not freed.
        unsafe { handle::again(linked) }
    })
}

/// Frees a reference to a linked component. Its instances stay usable.
///
/// @param linked  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_linked_free(linked: *mut LinkedHandle) {
    ffi!(neutral: (), owned: [linked] => guard::end(linked))
}

/// The way in which its instances run.
///
/// @param linked  Borrowed for the call; NULL gives TORVYN_PATH_AUTO.
///
/// @return  TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL or TORVYN_PATH_NATIVE.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_linked_path(linked: *const LinkedHandle) -> Path {
    ffi!(neutral: Path::TORVYN_PATH_AUTO, handle: [linked] => Path::from(linked.linked.path()))
}

/// Why its instances do not run on the direct path: a clause that follows "the
/// component", e.g. "runs with WASI that was granted to it".
///
/// @param linked  Borrowed for the call; NULL gives "".
///
/// @return  UTF-8, NUL-terminated, never NULL; empty where they do run there;
///          valid until torvyn_linked_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_linked_path_reason(linked: *const LinkedHandle) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [linked] => linked.reason.view())
}
