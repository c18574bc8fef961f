//! Host functions: what the program defines for components to import.

use std::ffi::c_void;
use std::sync::Arc;

use super::args;
use super::callback::{Finalizer, User};
use super::error::ErrorHandle;
use super::handle::{Boxed, Handle};
use super::imports::ImportsHandle;
use super::plain::Str;
use super::reader::{Reader, Unread};
use super::status::Status;
use super::value::{Value, Views};
use crate::contract::ComponentId;
use crate::engine::define::NoResult;
use crate::engine::fork;
use crate::engine::stack;
use crate::general::wanted::Wanted;

/// One call of a host function: where it gets memory for its result and says
/// what went wrong. It ends when the function returns.
pub struct ScopeHandle(());

/// What a scope handle points to.
#[derive(Debug)]
pub struct Scope {
    component: ComponentId,
    failure: Option<String>,
    /// 16 bytes each, so that they are aligned for anything.
    memory: Vec<Box<[u128]>>,
}

impl Handle for ScopeHandle {
    type Held = Scope;
    type Kept = Boxed;
}

/// A function of the program's. `args` are borrowed for the call. Where the
/// function has a result, it writes that to `*result`, which is
/// TORVYN_KIND_NONE; what that points to must stay until the function is called
/// again on the same thread, come from torvyn_scope_alloc(), or be of `args`. It
/// returns whether it succeeded; where it did not, the component is trapped with
/// what torvyn_scope_fail() said. A result that takes more than torvyn_value_t
/// allows ends the call with TORVYN_ERROR_MEMORY.
///
/// It runs on the thread that calls the instance, within that call, perhaps on
/// several threads at once. It must not call the instance; it may call others,
/// each of which needs stack of its own. It is not interrupted at a deadline,
/// and not called past one.
///
/// A resource in `args` that is an `own` is the program's again, whether or not
/// the function succeeds. One in the result is the component's, but where the
/// result does not fit its type it stays the program's, and where the component
/// would exceed `max_handles` by it, the call ends with TORVYN_ERROR_MEMORY and
/// the destructor is called.
pub type Function = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        scope: *mut ScopeHandle,
        args: *const Value,
        count: usize,
        result: *mut Value,
    ) -> bool,
>;

/// Ends a resource of the program's that components have let go of, once for
/// each time that it was given to one as its own. It runs within a call of the
/// instance that held it; for those that an instance still holds when it is
/// reset or freed, also after a trap, it runs within that. It must not call the
/// instance.
pub type Destructor = Option<unsafe extern "C" fn(user: *mut c_void, resource: u32)>;

/// Defines a function of an interface that components import.
///
/// @param imports    Changed for what is linked with it from now on.
/// @param interface  The interface with its version, e.g.
///                   "acme:db/lookup@1.0.0", which serves components that were
///                   built against a compatible version, older or newer: of the
///                   same major number; for 0.y.z of the same y; 0.0.z and
///                   pre-releases serve themselves alone. Without a version it
///                   serves those that name none, e.g. "lookup", as an interface
///                   is called that is written in a world. Empty for a function
///                   that a component imports by itself. Not one that is
///                   provided anyway: those of the contract, and of WASI 0.2
///                   what torvyn_imports_t describes (none of it by a library
///                   that was built without WASI). Any other of WASI's may be
///                   defined, e.g. "wasi:logging/logging@0.1.0-draft". Borrowed
///                   for the call.
/// @param name       The function's name, e.g. "get"; of a resource's,
///                   "[constructor]file", "[method]file.read" or
///                   "[static]file.count". Borrowed for the call.
/// @param signature  Its WIT type, e.g. "func(key: string) -> option<string>",
///                   with records, variants, enums and flags written out where
///                   they are used, as in "func(at: record { x: u32, y: u32 })";
///                   any other name stands for a resource of that name in the
///                   interface, or of one that it uses; where it has two, as by
///                   `type r2 = r1`, either will do. The type is checked when
///                   linking; parameters' names are not part of it. What a
///                   component imports in short is written out here: a method's
///                   first parameter, as in "func(self: borrow<file>, n: u32)",
///                   what a constructor gives, as in "func() -> file", and a
///                   type that has a name, by what it is. Borrowed for the call.
/// @param function   What is called.
/// @param user       Given to `function` and `finalizer`; any thread may use it.
/// @param finalizer  Called once with `user` when `function` cannot be called
///                   any more, also where this function fails; may be NULL.
/// @param err        Where detail goes on a negative status, owned by the caller
///                   (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It is defined, in place of one of the same
///                                name.
/// @retval TORVYN_ERROR_ARGUMENT  `signature` is no function type, `interface`
///                                or `name` is none of WIT's, or the library
///                                itself provides `interface`.
/// @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_define(
    imports: *mut ImportsHandle,
    interface: Str,
    name: Str,
    signature: Str,
    function: Function,
    user: *mut c_void,
    finalizer: Finalizer,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [] => {
        let user = User::new(user, finalizer);
        let _making = fork::making()?;
        // SAFETY: the header requires imports that were not freed, or NULL.
        let imports = unsafe { args::handle(imports, "imports")? };
        let function = args::callback(function, "function")?;
        // SAFETY: the header requires what the strings say.
        let (interface, name, signature) = unsafe {
            (interface.text("interface")?, name.text("name")?, signature.text("signature")?)
        };
        let run = Arc::new(move |component, args: Vec<crate::engine::value::Value>| {
            let views = Views::new(&args)?;
            let shown = views.list();
            let mut scope = Scope { component, failure: None, memory: Vec::new() };
            let mut result = <Value as args::Clear>::CLEAR;
            let at = (&raw mut scope).cast::<ScopeHandle>();
            let on = stack::callback();
            // SAFETY: the header requires a function that may be called so until `user` ends.
            let succeeded = unsafe { function(user.get(), at, shown.data, shown.len, &raw mut result) };
            drop(on);
            if !succeeded {
                return Err(NoResult::Failed(scope.failure.take().unwrap_or_else(|| "it does not say why".into())));
            }
            // SAFETY: the header requires a result whose parts are alive, here before the scope ends.
            unsafe { Reader::new("result").read(&result, Wanted::Any) }.map_err(|unread| match unread {
                Unread::Wrong(error) => NoResult::Failed(error.message),
                Unread::Stopped(error) => NoResult::Stopped(error),
            })
        });
        // What it replaces ends after the lock: its finalizer is the program's.
        let before = imports.grants().defined.clone();
        let defined = imports.grants().defined.define(interface, name, signature, run);
        drop(before);
        defined?;
        Ok(Status::TORVYN_OK)
    })
}

/// Defines a resource type of an interface that components import. The program
/// knows each resource by a number of its own.
///
/// @param imports     Changed for what is linked with it from now on.
/// @param interface   The interface that has the type, with its version, as for
///                    torvyn_imports_define(); empty for a resource that a
///                    component imports by itself. Borrowed for the call.
/// @param name        The type's name, e.g. "file". A second name, as it has by
///                    `type r2 = r1` or where another interface or a world uses
///                    it, needs no definition. Borrowed for the call.
/// @param destructor  Called with the number of each resource that components
///                    have let go of; may be NULL.
/// @param user        Given to `destructor` and `finalizer`; any thread may use
///                    it.
/// @param finalizer   Called once with `user` when `destructor` cannot be called
///                    any more, also where this function fails; may be NULL.
/// @param err         Where detail goes on a negative status, owned by the
///                    caller (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It is defined, in place of one of the same
///                                name.
/// @retval TORVYN_ERROR_ARGUMENT  `interface` or `name` is none of WIT's, or the
///                                library itself provides `interface`.
/// @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_define_resource(
    imports: *mut ImportsHandle,
    interface: Str,
    name: Str,
    destructor: Destructor,
    user: *mut c_void,
    finalizer: Finalizer,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [] => {
        let user = User::new(user, finalizer);
        let _making = fork::making()?;
        // SAFETY: the header requires imports that were not freed, or NULL.
        let imports = unsafe { args::handle(imports, "imports")? };
        // SAFETY: the header requires what the strings say.
        let (interface, name) = unsafe { (interface.text("interface")?, name.text("name")?) };
        let end: crate::engine::define::Destructor = Arc::new(move |resource| {
            if let Some(destructor) = destructor {
                let _on = stack::callback();
                // SAFETY: the header requires a function that may be called so until `user` ends.
                unsafe { destructor(user.get(), resource) }
            }
        });
        let before = imports.grants().defined.clone();
        let defined = imports.grants().defined.resource(interface, name, Some(end));
        drop(before);
        defined?;
        Ok(Status::TORVYN_OK)
    })
}

/// Memory for a host function's result, aligned for any type.
///
/// @param scope  Of the host function's call; borrowed for the call; NULL gives
///               NULL.
/// @param size   Number of bytes.
///
/// @return  Zeroed memory, valid until the library has read the result; NULL
///          where none is left.
///
/// Thread: that of the host function's call.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_scope_alloc(scope: *mut ScopeHandle, size: usize) -> *mut c_void {
    ffi!(neutral: std::ptr::null_mut(), exclusive: [scope] => {
        let mut memory = Vec::new();
        let len = size.div_ceil(size_of::<u128>()).max(1);
        match memory.try_reserve_exact(len) {
            Err(_) => std::ptr::null_mut(),
            Ok(()) => {
                memory.resize(len, 0u128);
                scope.memory.push(memory.into_boxed_slice());
                scope.memory.last_mut().map_or(std::ptr::null_mut(), |memory| memory.as_mut_ptr().cast())
            }
        }
    })
}

/// Says why a host function fails, for when it returns false.
///
/// @param scope    Of the host function's call; borrowed for the call; NULL does
///                 nothing.
/// @param message  What went wrong, in one line; copied.
///
/// Thread: that of the host function's call.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_scope_fail(scope: *mut ScopeHandle, message: Str) {
    ffi!(neutral: (), exclusive: [scope] => {
        // SAFETY: the header requires what the string says.
        let message = unsafe { message.text("message") };
        scope.failure = Some(message.unwrap_or("its message is not valid UTF-8").to_owned());
    })
}

/// The instance that calls a host function.
///
/// @param scope  Of the host function's call; borrowed for the call; NULL gives
///               0.
///
/// @return  The id that torvyn_instance_new() was given.
///
/// Thread: that of the host function's call.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_scope_component_id(scope: *const ScopeHandle) -> u64 {
    ffi!(neutral: 0, handle: [scope] => scope.component.0)
}
