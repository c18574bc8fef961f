//! Components: bytes, compiled.

use std::ffi::c_char;
use std::sync::Arc;

use super::args::Clear as _;
use super::engine::EngineHandle;
use super::error::ErrorHandle;
use super::guard;
use super::handle::{self, Boxed, Counted, Handle};
use super::plain::{Bytes, Path, Str, Text};
use super::status::Status;
use crate::engine::compile::CompiledComponent;
use crate::engine::file;
use crate::engine::link;
use crate::engine::traits::WasmEngine as _;

/// A component compiled for one engine, or made of the program's own functions
/// (torvyn_component_native()). Reference counted, immutable.
pub struct ComponentHandle(());

/// What a component handle points to.
#[derive(Debug)]
pub struct Component {
    /// The engine's own.
    pub compiled: CompiledComponent,
    imports: Vec<Text>,
    exports: Vec<Text>,
    import_types: Vec<Text>,
    export_types: Vec<Text>,
    reason: Text,
}

impl Handle for ComponentHandle {
    type Held = Component;
    type Kept = Counted;
}

impl ComponentHandle {
    /// Hands a component to C.
    pub fn give(compiled: CompiledComponent) -> *mut Self {
        let texts = |names: &[String]| names.iter().map(|name| Text::new(name)).collect();
        handle::give::<Self>(Arc::new(Component {
            imports: texts(compiled.imports()),
            exports: texts(compiled.exports()),
            import_types: texts(&compiled.analysis().surface.imports),
            export_types: texts(&compiled.analysis().surface.exports),
            reason: Text::new(compiled.path_reason()),
            compiled,
        }))
    }
}

/// An owned string of bytes.
pub struct BlobHandle(());

impl Handle for BlobHandle {
    type Held = Vec<u8>;
    type Kept = Boxed;
}

impl From<link::Path> for Path {
    fn from(path: link::Path) -> Self {
        match path {
            link::Path::Direct => Path::TORVYN_PATH_DIRECT,
            link::Path::General => Path::TORVYN_PATH_GENERAL,
            link::Path::Native => Path::TORVYN_PATH_NATIVE,
        }
    }
}

/// Compiles a component. It may use WebAssembly 3.0 without exceptions, garbage
/// collection and `externref`, but with 64-bit memories and tables within it,
/// tail calls, typed function references; of the component model all but what is
/// asynchronous, and `map` and lists of fixed length. The engine's configuration
/// says whether SIMD, relaxed SIMD and several memories in one module are on.
/// Proposals beyond that, threads and custom page sizes among them, are off.
///
/// @param engine  Borrowed for the call.
/// @param bytes   The component, binary or text: WAT, "(component ...)", in the
///                syntax that wasm-tools 1.254 reads, UTF-8 (a core item is
///                written out: `(memory (core memory $i "memory"))`). WIT is
///                none. Borrowed for the call.
/// @param len     Number of bytes.
/// @param out     Where the component goes, owned by the caller
///                (torvyn_component_free()); NULL on failure.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                   `*out` is a component.
/// @retval TORVYN_ERROR_NOT_COMPONENT  The bytes are no WebAssembly.
/// @retval TORVYN_ERROR_CORE_MODULE    They are a core module, not a component.
/// @retval TORVYN_ERROR_MALFORMED      They are not a valid component, or text
///                                     that does not parse.
/// @retval TORVYN_ERROR_NO_ROLE        It exports no interface of the contract
///                                     at a compatible version
///                                     (torvyn_role_t).
/// @retval TORVYN_ERROR_TYPE_MISMATCH  It exports one with other types.
/// @retval TORVYN_ERROR_UNSUPPORTED    It uses a feature of WebAssembly that the
///                                     library lacks or the engine's
///                                     configuration forbids (the error names
///                                     it), or imports or exports a component;
///                                     or the engine's `path` is
///                                     TORVYN_PATH_DIRECT and it is not
///                                     eligible for that. Or it is too much:
///                                     holds more than 1000 components, with
///                                     those in them; has more than 1000
///                                     modules or 1000 instances in one of
///                                     them; nests types more than 100 deep;
///                                     comes to more than 262144 items
///                                     (imports, functions, instances,
///                                     exports), each as often as it is
///                                     instantiated, an instance with all that
///                                     it holds wherever it is named; to more
///                                     than 262144 resources, likewise and as
///                                     often as each is deep in one; to more
///                                     than 100 memories where it is composed
///                                     of others; has values of 2^28 bytes or
///                                     more, as lists of fixed length may be;
///                                     passes such a list, an enum, a variant,
///                                     a record or a tuple of more than 1000
///                                     from one component in it to another;
///                                     nests instances, with the types in
///                                     them, more than 127 deep; has a module
///                                     with more than 65536 globals, elements
///                                     of tables and data segments that are
///                                     set one by one when it is instantiated
///                                     (not those whose place and value are
///                                     known before); or whose memories and
///                                     tables have first contents of more than
///                                     256 MiB, with what lies between (an
///                                     element counts for 16 bytes). Or the
///                                     library has no compiler.
/// @retval TORVYN_ERROR_COMPILATION    No code could be made of it.
/// @retval TORVYN_ERROR_INTERNAL       The system refused what is needed.
/// @retval TORVYN_ERROR_NULL           `engine` or `out` is NULL, or `bytes`
///                                     where `len` is not 0.
/// @retval TORVYN_ERROR_ARGUMENT       `len` is more than memory holds.
/// @retval TORVYN_ERROR_PANIC          A defect of the library.
///
/// Thread: any; several may compile at once.
/// Blocks: for milliseconds to seconds, by the component's size. One that means
///         harm can make it minutes and gigabytes (thousands of loops within
///         each other are enough), and no budget ends them: compile what a
///         stranger sends in a process that may be ended, and load the artifact.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_component_compile(
    engine: *const EngineHandle,
    bytes: *const u8,
    len: usize,
    out: *mut *mut ComponentHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [engine] => {
        // SAFETY: the header requires NULL or `len` bytes.
        let bytes = unsafe { super::args::list(bytes, len, "bytes")? };
        out.set(ComponentHandle::give(engine.compile_component(bytes)?));
        Ok(Status::TORVYN_OK)
    })
}

/// Compiles a component from a file.
///
/// @param engine  Borrowed for the call.
/// @param path    The file's path, NUL-terminated, in the system's encoding;
///                borrowed for the call.
/// @param out     Where the component goes, owned by the caller
///                (torvyn_component_free()); NULL on failure.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK          `*out` is a component.
/// @retval TORVYN_ERROR_IO    The file could not be read.
/// @retval TORVYN_ERROR_NULL  `engine`, `path` or `out` is NULL.
/// @retval others             As torvyn_component_compile().
///
/// Thread: any; several may compile at once.
/// Blocks: for the file, then as torvyn_component_compile().
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_component_compile_file(
    engine: *const EngineHandle,
    path: *const c_char,
    out: *mut *mut ComponentHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [engine], path: [path] => {
        let bytes = file::read_component(path)?;
        let compiled = engine.compile_component(&bytes).map_err(|mut error| {
            error.message = format!("{}: {}", path.display(), error.message);
            error
        });
        out.set(ComponentHandle::give(compiled?));
        Ok(Status::TORVYN_OK)
    })
}

/// Turns a compiled component into an artifact: bytes that
/// torvyn_component_deserialize_unchecked() makes the component of again,
/// without compiling. It holds the code that was compiled so far: where linking
/// takes the general path for what it is given, torvyn_linked_new() compiles
/// more, so link first what a library without a compiler is to load.
///
/// @param component  Borrowed for the call.
/// @param out        Where the artifact goes, owned by the caller
///                   (torvyn_blob_free()); NULL on failure.
/// @param err        Where detail goes on a negative status, owned by the caller
///                   (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                 `*out` is the artifact.
/// @retval TORVYN_ERROR_UNSUPPORTED  The component is native.
/// @retval TORVYN_ERROR_INTERNAL     It could not be made.
/// @retval TORVYN_ERROR_NULL         `component` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC        A defect of the library.
///
/// Thread: any.
/// Blocks: for milliseconds, by the component's size.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_component_serialize(
    component: *const ComponentHandle,
    out: *mut *mut BlobHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [component] => {
        let compiled = &component.compiled;
        out.set(handle::give::<BlobHandle>(Box::new(compiled.engine().serialize_component(compiled)?)));
        Ok(Status::TORVYN_OK)
    })
}

/// The bytes of a blob.
///
/// @param blob  Borrowed for the call; NULL gives no bytes.
///
/// @return  The bytes, valid until torvyn_blob_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_blob_bytes(blob: *const BlobHandle) -> Bytes {
    ffi!(neutral: Bytes { data: std::ptr::null(), len: 0 }, handle: [blob] => Bytes::of(blob))
}

/// Frees a blob and its bytes.
///
/// @param blob  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_blob_free(blob: *mut BlobHandle) {
    ffi!(neutral: (), owned: [blob] => drop(blob))
}

fn loaded(compiled: Option<CompiledComponent>) -> (Status, *mut ComponentHandle) {
    match compiled {
        Some(compiled) => (Status::TORVYN_OK, ComponentHandle::give(compiled)),
        None => (Status::TORVYN_INCOMPATIBLE, std::ptr::null_mut()),
    }
}

/// Makes a component of an artifact.
///
/// Unchecked: an artifact holds machine code that will run with all the rights
/// of the program. Damage is found, malice is not: give this function only what
/// torvyn_component_serialize() gave and nobody else could change.
///
/// @param engine  Borrowed for the call.
/// @param bytes   The artifact; borrowed for the call.
/// @param len     Number of bytes.
/// @param out     Where the component goes, owned by the caller
///                (torvyn_component_free()); NULL but for TORVYN_OK.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                     `*out` is a component.
/// @retval TORVYN_INCOMPATIBLE           The artifact was made by another
///                                       version of the library, for another
///                                       machine or under another configuration
///                                       (TORVYN_INCOMPATIBLE): compile anew.
/// @retval TORVYN_ERROR_DESERIALIZATION  The bytes are no artifact, or damaged.
/// @retval TORVYN_ERROR_INTERNAL         The system refused what is needed.
/// @retval TORVYN_ERROR_NULL             `engine` or `out` is NULL, or `bytes`
///                                       where `len` is not 0.
/// @retval TORVYN_ERROR_ARGUMENT         `len` is more than memory holds.
/// @retval TORVYN_ERROR_PANIC            A defect of the library.
///
/// Thread: any.
/// Blocks: for a few milliseconds, by the artifact's size.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_component_deserialize_unchecked(
    engine: *const EngineHandle,
    bytes: *const u8,
    len: usize,
    out: *mut *mut ComponentHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [engine] => {
        // SAFETY: the header requires NULL or `len` bytes.
        let bytes = unsafe { super::args::list(bytes, len, "bytes")? };
        // SAFETY: the header requires an artifact of our own making.
        let (status, component) = loaded(unsafe { engine.deserialize_component(bytes)? });
        out.set(component);
        Ok(status)
    })
}

/// Makes a component of an artifact in a file, which is mapped and run in place:
/// processes that load the same file share its memory, and no memory that was
/// written becomes executable. Where the file may not be run in place (its file
/// system is mounted `noexec`) it is copied, as
/// torvyn_component_deserialize_unchecked() does.
///
/// Unchecked: as torvyn_component_deserialize_unchecked(). And while the
/// component or anything made from it lives, nobody may change the file;
/// replacing it by renaming another over it is fine.
///
/// @param engine  Borrowed for the call.
/// @param path    The file's path, NUL-terminated, in the system's encoding;
///                borrowed for the call.
/// @param out     Where the component goes, owned by the caller
///                (torvyn_component_free()); NULL but for TORVYN_OK.
/// @param err     Where detail goes on a negative status, owned by the caller
///                (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK                     `*out` is a component.
/// @retval TORVYN_INCOMPATIBLE           The artifact was made by another
///                                       version of the library, for another
///                                       machine or under another configuration
///                                       (TORVYN_INCOMPATIBLE): compile anew.
/// @retval TORVYN_ERROR_DESERIALIZATION  The file is no artifact, or damaged.
/// @retval TORVYN_ERROR_IO               The file could not be read.
/// @retval TORVYN_ERROR_INTERNAL         The system refused what is needed.
/// @retval TORVYN_ERROR_NULL             `engine`, `path` or `out` is NULL.
/// @retval TORVYN_ERROR_PANIC            A defect of the library.
///
/// Thread: any.
/// Blocks: for the file, by the artifact's size.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_component_deserialize_file_unchecked(
    engine: *const EngineHandle,
    path: *const c_char,
    out: *mut *mut ComponentHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [out], handle: [engine], path: [path] => {
        // SAFETY: the header requires an artifact of our own making that nobody changes.
        let (status, component) = loaded(unsafe { engine.deserialize_component_file(path)? });
        out.set(component);
        Ok(status)
    })
}

/// One more reference to a component.
///
/// @param component  Borrowed for the call; NULL gives NULL.
///
/// @return  The same component, owned once more: each reference is freed by
///          itself.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_clone(component: *const ComponentHandle) -> *mut ComponentHandle {
    ffi!(neutral: std::ptr::null_mut(), present: [component] => {
        // SAFETY: the header requires a component that was not freed.
        unsafe { handle::again(component) }
    })
}

/// Frees a reference to a component. What was made from it stays usable.
///
/// @param component  Owned; NULL does nothing.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_free(component: *mut ComponentHandle) {
    ffi!(neutral: (), owned: [component] => guard::end(component))
}

/// The component's name by its content: the SHA-256 of its binary, the same for
/// binary, text and artifact.
///
/// @param component  Borrowed for the call; NULL gives no bytes.
///
/// @return  32 bytes, valid until torvyn_component_free(); none for a native
///          component, which has no binary.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_content_id(component: *const ComponentHandle) -> Bytes {
    ffi!(neutral: Bytes { data: std::ptr::null(), len: 0 }, handle: [component] => {
        component.compiled.digest().map_or(Bytes::CLEAR, |digest| Bytes::of(digest))
    })
}

/// The roles that the component exports. Where it exports the interface of one
/// at several versions that are compatible with the contract's, the newest
/// counts and the others are not looked at; one without a version is the oldest.
///
/// @param component  Borrowed for the call; NULL gives 0.
///
/// @return  A set of torvyn_role_t, joined by `|`.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_roles(component: *const ComponentHandle) -> u32 {
    ffi!(neutral: 0, handle: [component] => component.compiled.roles().0)
}

/// The number of the component's imports.
///
/// @param component  Borrowed for the call; NULL gives 0.
///
/// @return  The number.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_import_count(component: *const ComponentHandle) -> usize {
    ffi!(neutral: 0, handle: [component] => component.imports.len())
}

/// The name of an import, e.g. "torvyn:streaming/types@0.1.0".
///
/// @param component  Borrowed for the call; NULL gives "".
/// @param index      From 0 to torvyn_component_import_count() - 1; others give
///                   "".
///
/// @return  UTF-8, NUL-terminated, never NULL; valid until
///          torvyn_component_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_import(component: *const ComponentHandle, index: usize) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [component] => component.imports.get(index).map_or(Str::EMPTY, Text::view))
}

/// The WIT type of an import as text: of a function, e.g. "func(key: string) ->
/// option<string>"; of an interface, a line for each of its functions, e.g.
/// "get: func(key: string) -> option<string>", for each of its types, e.g.
/// "type level = enum { low, high }", and for each resource, "resource file",
/// types and resources first; of an interface within it, its lines with "name#"
/// before each name; "interface {}" where it has nothing; of a type, that;
/// "resource"; or "module". Where it is longer than 256 KiB, or those of the
/// component together than 4 MiB, it ends with "..." there.
///
/// @param component  Borrowed for the call; NULL gives "".
/// @param index      From 0 to torvyn_component_import_count() - 1; others give
///                   "".
///
/// @return  UTF-8, NUL-terminated, never NULL; lines end with a newline but for
///          the last; valid until torvyn_component_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_import_type(component: *const ComponentHandle, index: usize) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [component] => component.import_types.get(index).map_or(Str::EMPTY, Text::view))
}

/// The number of the component's exports, those outside of the contract
/// included.
///
/// @param component  Borrowed for the call; NULL gives 0.
///
/// @return  The number.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_export_count(component: *const ComponentHandle) -> usize {
    ffi!(neutral: 0, handle: [component] => component.exports.len())
}

/// The name of an export, e.g. "torvyn:streaming/processor@0.1.0". Those of a
/// native component are its roles.
///
/// @param component  Borrowed for the call; NULL gives "".
/// @param index      From 0 to torvyn_component_export_count() - 1; others give
///                   "".
///
/// @return  UTF-8, NUL-terminated, never NULL; valid until
///          torvyn_component_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_export(component: *const ComponentHandle, index: usize) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [component] => component.exports.get(index).map_or(Str::EMPTY, Text::view))
}

/// The WIT type of an export as text: of a function, e.g. "func(key: string) ->
/// option<string>"; of an interface, a line for each of its functions, e.g.
/// "get: func(key: string) -> option<string>", for each of its types, e.g.
/// "type level = enum { low, high }", and for each resource, "resource file",
/// types and resources first; of an interface within it, its lines with "name#"
/// before each name; "interface {}" where it has nothing; of a type, that;
/// "resource"; or "module". Where it is longer than 256 KiB, or those of the
/// component together than 4 MiB, it ends with "..." there.
///
/// @param component  Borrowed for the call; NULL gives "".
/// @param index      From 0 to torvyn_component_export_count() - 1; others give
///                   "".
///
/// @return  UTF-8, NUL-terminated, never NULL; lines end with a newline but for
///          the last; empty for a native component; valid until
///          torvyn_component_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_export_type(component: *const ComponentHandle, index: usize) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [component] => component.export_types.get(index).map_or(Str::EMPTY, Text::view))
}

/// The way in which the component will run where nothing is granted to it.
/// torvyn_linked_path() tells which way it does run.
///
/// @param component  Borrowed for the call; NULL gives TORVYN_PATH_AUTO.
///
/// @return  TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL or TORVYN_PATH_NATIVE.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_path(component: *const ComponentHandle) -> Path {
    ffi!(neutral: Path::TORVYN_PATH_AUTO, handle: [component] => Path::from(component.compiled.path()))
}

/// Why the component does not run on the direct path: a clause that follows "the
/// component", e.g. "imports wasi:io/poll@0.2.0#poll". Where it does and a link
/// does not, torvyn_linked_path_reason() says why.
///
/// @param component  Borrowed for the call; NULL gives "".
///
/// @return  UTF-8, NUL-terminated, never NULL; empty where it does run there;
///          valid until torvyn_component_free().
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_component_path_reason(component: *const ComponentHandle) -> Str {
    ffi!(neutral: Str::EMPTY, handle: [component] => component.reason.view())
}
