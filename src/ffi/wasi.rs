//! Grants of WASI to a set of imports.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::args::{self, bad};
use super::callback::{Finalizer, User};
use super::error::ErrorHandle;
use super::imports::ImportsHandle;
use super::plain::{Bytes, Str, number};
use super::status::Status;
use crate::engine::fork;
use crate::engine::grants::{self, FixedClock, Output, SocketRule};
use crate::engine::stack;
use crate::error::Result;

/// What a component may do in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum Access {
    /// See names, read files.
    TORVYN_ACCESS_READ = 1,
    /// Also make, change and delete files and directories.
    TORVYN_ACCESS_READ_WRITE = 2,
}

/// What a rule allows of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // as above
pub enum SocketUse {
    /// Connections by TCP to the address.
    TORVYN_SOCKET_TCP_CONNECT = 1,
    /// Listening for TCP on the local address; whoever connects is let in.
    TORVYN_SOCKET_TCP_LISTEN = 2,
    /// Datagrams to the address and from it.
    TORVYN_SOCKET_UDP_EXCHANGE = 3,
    /// A UDP socket on the local address, and datagrams from anywhere, also on
    /// other sockets of the component. To answer them needs
    /// TORVYN_SOCKET_UDP_EXCHANGE too.
    TORVYN_SOCKET_UDP_LISTEN = 4,
}

/// One of a component's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // as above
pub enum Stream {
    /// Standard output.
    TORVYN_STREAM_STDOUT = 1,
    /// Standard error.
    TORVYN_STREAM_STDERR = 2,
}

/// Takes what a component writes: `bytes`, borrowed for the call and as they
/// come, not by line, from the instance that torvyn_instance_new() gave
/// `component_id`. It runs on the thread that calls the instance, within that
/// call, perhaps on several threads at once; it must not call the instance.
pub type Write = Option<unsafe extern "C" fn(user: *mut c_void, component_id: u64, bytes: Bytes)>;

fn stream_of(grants: &mut grants::Grants, stream: MaybeUninit<Stream>) -> Result<&mut Output> {
    match number(stream) {
        1 => Ok(&mut grants.stdout),
        2 => Ok(&mut grants.stderr),
        other => Err(bad("stream", format_args!("{other} is no torvyn_stream_t"))),
    }
}

/// Grants the arguments that a component sees, in place of those granted before.
///
/// @param imports  Changed for what is linked with it from now on.
/// @param args     The arguments, the program's name first where there is to be
///                 one; borrowed for the call; NULL where `count` is 0.
/// @param count    Number of arguments.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK            They are granted.
/// @retval TORVYN_ERROR_UTF8    An argument is not valid UTF-8.
/// @retval TORVYN_ERROR_WASI    An argument holds a NUL.
/// @retval TORVYN_ERROR_NULL, _ARGUMENT Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC   A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_args(
    imports: *mut ImportsHandle,
    args: *const Str,
    count: usize,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        // SAFETY: the header requires NULL or `count` strings.
        let given = unsafe { args::list(args, count, "args")? };
        let text = |arg: &Str| {
            // SAFETY: the header requires what each string says.
            let text = unsafe { arg.text("args")? };
            if text.contains('\0') {
                return Err(crate::error::Error::new(crate::error::ErrorKind::Wasi, "`args`: an argument holds a NUL"));
            }
            Ok(text.to_owned())
        };
        let given = given.iter().map(text).collect::<Result<Vec<_>>>()?;
        imports.grants().args = given;
        Ok(Status::TORVYN_OK)
    })
}

/// Grants one variable of the environment, in place of one of the same name.
///
/// @param imports  Changed for what is linked with it from now on.
/// @param name     UTF-8, not empty, without `=`; borrowed for the call.
/// @param value    UTF-8; borrowed for the call; may be empty.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK            It is granted.
/// @retval TORVYN_ERROR_WASI    The name is empty or holds `=`, or one of them
///                              holds a NUL.
/// @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC   A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_env(
    imports: *mut ImportsHandle,
    name: Str,
    value: Str,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        // SAFETY: the header requires what the strings say.
        let (name, value) = unsafe { (name.text("name")?, value.text("value")?) };
        imports.grants().set_env(name, value)?;
        Ok(Status::TORVYN_OK)
    })
}

/// Grants what standard input holds. Each instance reads it from its beginning.
/// Without this grant, standard input is at its end.
///
/// @param imports  Changed for what is linked with it from now on.
/// @param bytes    Copied.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK            It is granted.
/// @retval TORVYN_ERROR_NULL, _ARGUMENT Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC   A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_stdin(
    imports: *mut ImportsHandle,
    bytes: Bytes,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        // SAFETY: the header requires what `bytes` says.
        let bytes = unsafe { args::list(bytes.data, bytes.len, "bytes")? };
        imports.grants().stdin = Some(Arc::from(bytes));
        Ok(Status::TORVYN_OK)
    })
}

/// Sends an output stream to the program. Without this grant it goes to the log,
/// line by line: standard output at TORVYN_LOG_INFO, standard error at
/// TORVYN_LOG_WARN, a line of more than 8 KiB in pieces, and what no end of a
/// line follows when the instance is reset or freed.
///
/// @param imports    Changed for what is linked with it from now on.
/// @param stream     Which one.
/// @param write      Called with what is written.
/// @param user       Given to `write` and `finalizer`; any thread may use it.
/// @param finalizer  Called once with `user` when `write` cannot be called any
///                   more, also where this function fails; may be NULL.
/// @param err        Where detail goes on a negative status, owned by the caller
///                   (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It is granted.
/// @retval TORVYN_ERROR_ARGUMENT  `stream` is no stream.
/// @retval TORVYN_ERROR_NULL      `imports` or `write` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_output(
    imports: *mut ImportsHandle,
    stream: MaybeUninit<Stream>,
    write: Write,
    user: *mut c_void,
    finalizer: Finalizer,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(err: err, out: [] => {
        let user = User::new(user, finalizer);
        let _making = fork::making()?;
        // SAFETY: the header requires imports that were not freed, or NULL.
        let imports = unsafe { args::handle(imports, "imports")? };
        let write = args::callback(write, "write")?;
        let mut grants = imports.grants();
        let output = stream_of(&mut grants, stream)?;
        // What it replaces ends after the lock: a finalizer runs with it.
        let before = std::mem::replace(output, Output::Program(Arc::new(move |id, bytes: &[u8]| {
            let _on = stack::callback();
            // SAFETY: the header requires a function that may be called so until `user` ends.
            unsafe { write(user.get(), id.0, Bytes::of(bytes)) }
        })));
        drop(grants);
        drop(before);
        Ok(Status::TORVYN_OK)
    })
}

/// Sends an output stream to the process's own. What the component writes goes
/// to the descriptor, 1 or 2, past any buffer of the C library. Where nobody
/// reads it, the component waits, until its deadline or a cancel at most; where
/// nobody can, as in a pipe whose reader has gone, its write fails. Neither
/// SIGPIPE nor SIGXFSZ is raised by it. Pipes and terminals are opened anew by
/// /proc/self/fd for each write, so that the flags of the program's own stream
/// stay as they are; where that fails a thread of the library's writes, which
/// may then wait for as long as nobody reads. What a component has written and
/// nobody took when its instance is freed or reset, 64 KiB at most, is lost.
///
/// @param imports  Changed for what is linked with it from now on.
/// @param stream   Which one.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It is granted.
/// @retval TORVYN_ERROR_ARGUMENT  `stream` is no stream.
/// @retval TORVYN_ERROR_NULL      `imports` is NULL.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_inherit_output(
    imports: *mut ImportsHandle,
    stream: MaybeUninit<Stream>,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        let mut grants = imports.grants();
        let before = std::mem::replace(stream_of(&mut grants, stream)?, Output::Inherit);
        drop(grants);
        drop(before);
        Ok(Status::TORVYN_OK)
    })
}

/// Grants a directory and all that is in it. The component sees it under a name
/// of its own and gets no further: neither by `..`, nor by absolute paths, nor
/// by symbolic links that lead elsewhere. Named pipes and sockets in it are not
/// opened, since that would wait beyond any deadline.
///
/// What is granted is the directory that is there now, not its path: the library
/// holds it open (one file descriptor, close-on-exec) until the imports and all
/// that was linked with them and made of that are freed. Where it is renamed or
/// removed, or another is put or mounted in its place, instances still see the
/// directory itself, those that are made or reset later, too. What is mounted
/// below it later is seen. Where one directory lies in another, each is granted
/// for itself, with its own `access`.
///
/// @param imports     Changed for what is linked with it from now on.
/// @param host_path   A directory, NUL-terminated, in the system's encoding;
///                    borrowed for the call. It is opened now; to read it is not
///                    needed for that, to search it is.
/// @param guest_path  What the component knows it as, e.g. "/data"; UTF-8;
///                    borrowed for the call.
/// @param access      What may be done in it.
/// @param err         Where detail goes on a negative status, owned by the
///                    caller (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It is granted.
/// @retval TORVYN_ERROR_WASI      There is no such directory, it does not open,
///                                or `guest_path` is empty or taken.
/// @retval TORVYN_ERROR_ARGUMENT  `access` is no access.
/// @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: for opening the directory.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_preopen(
    imports: *mut ImportsHandle,
    host_path: *const c_char,
    guest_path: Str,
    access: MaybeUninit<Access>,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports], path: [host_path] => {
        // SAFETY: the header requires what the string says.
        let guest = unsafe { guest_path.text("guest_path")? };
        let write = match number(access) {
            1 => false,
            2 => true,
            other => return Err(bad("access", format_args!("{other} is no torvyn_access_t"))),
        };
        imports.grants().preopen(host_path, guest, write)?;
        Ok(Status::TORVYN_OK)
    })
}

/// Adds a rule that allows a use of sockets. What no rule allows is refused.
///
/// @param imports     Changed for what is linked with it from now on.
/// @param allows      What is allowed.
/// @param address     For which addresses: one ("127.0.0.1", "::1"), a network
///                    ("10.0.0.0/8", in which what the length leaves out does
///                    not count), or all ("*"); borrowed for the call.
/// @param first_port  The first port that is allowed; 0 with a `last_port` of 0
///                    for every port.
/// @param last_port   The last one; 0 for `first_port` alone. With `first_port`
///                    0 and this another, those from 0 on, which a component
///                    binds to have the system choose.
/// @param err         Where detail goes on a negative status, owned by the
///                    caller (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK              It is granted.
/// @retval TORVYN_ERROR_WASI      `address` is no address, or the last port
///                                comes before the first.
/// @retval TORVYN_ERROR_ARGUMENT  `allows` is no such use.
/// @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
/// @retval TORVYN_ERROR_PANIC     A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_socket(
    imports: *mut ImportsHandle,
    allows: MaybeUninit<SocketUse>,
    address: Str,
    first_port: u16,
    last_port: u16,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        let wrong = |reason: String| crate::error::Error::new(crate::error::ErrorKind::Wasi, reason);
        // SAFETY: the header requires what the string says.
        let address = unsafe { address.text("address")? };
        let network = SocketRule::network(address).ok_or_else(|| {
            wrong(format!("`address`: `{address}` is no address, no network (10.0.0.0/8), and not `*`"))
        })?;
        let allows = match number(allows) {
            1 => grants::SocketUse::TcpConnect,
            2 => grants::SocketUse::TcpListen,
            3 => grants::SocketUse::UdpExchange,
            4 => grants::SocketUse::UdpListen,
            other => return Err(bad("allows", format_args!("{other} is no torvyn_socket_use_t"))),
        };
        let ports = match (first_port, last_port) {
            (0, 0) => None,
            (first, 0) => Some((first, first)),
            (first, last) if first <= last => Some((first, last)),
            (first, last) => return Err(wrong(format!("`last_port`: {last} comes before {first}"))),
        };
        imports.grants().sockets.push(SocketRule { allows, network, ports });
        Ok(Status::TORVYN_OK)
    })
}

/// Grants the look-up of host names. It tells a component addresses and allows
/// no connection to them.
///
/// @param imports  Changed for what is linked with it from now on.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK           It is granted.
/// @retval TORVYN_ERROR_NULL   `imports` is NULL.
/// @retval TORVYN_ERROR_PANIC  A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_name_lookup(
    imports: *mut ImportsHandle,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        imports.grants().name_lookup = true;
        Ok(Status::TORVYN_OK)
    })
}

/// Puts clocks that are the same in every run in place of the machine's. They
/// begin anew in each instance, and time passes by reading them. Sleeps still
/// take their time.
///
/// @param imports   Changed for what is linked with it from now on.
/// @param start_ns  What the wall clock says first, in nanoseconds since the
///                  Unix epoch. The monotonic clock begins at 0.
/// @param step_ns   Nanoseconds that a clock moves on each time that it is read;
///                  0 for clocks that stand still, on which a component may wait
///                  for ever. At UINT64_MAX a clock stands still, too.
/// @param err       Where detail goes on a negative status, owned by the caller
///                  (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK           They are.
/// @retval TORVYN_ERROR_NULL   `imports` is NULL.
/// @retval TORVYN_ERROR_PANIC  A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_fixed_clock(
    imports: *mut ImportsHandle,
    start_ns: u64,
    step_ns: u64,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        imports.grants().clock = Some(FixedClock { start_ns, step_ns });
        Ok(Status::TORVYN_OK)
    })
}

/// Puts random numbers that are the same in every run, and in each instance, in
/// place of the machine's. Not for anything that must stay secret.
///
/// @param imports  Changed for what is linked with it from now on.
/// @param seed     Any number; another one gives others.
/// @param err      Where detail goes on a negative status, owned by the caller
///                 (torvyn_error_free()); NULL to do without.
///
/// @retval TORVYN_OK           They are.
/// @retval TORVYN_ERROR_NULL   `imports` is NULL.
/// @retval TORVYN_ERROR_PANIC  A defect of the library.
///
/// Thread: any.
/// Blocks: never.
/// Since:  0.1
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn torvyn_imports_wasi_random_seed(
    imports: *mut ImportsHandle,
    seed: u64,
    err: *mut *mut ErrorHandle,
) -> Status {
    ffi!(making, err: err, out: [], handle: [imports] => {
        imports.grants().seed = Some(seed);
        Ok(Status::TORVYN_OK)
    })
}
