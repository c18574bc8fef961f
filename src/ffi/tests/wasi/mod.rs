//! WASI by grant: what guests of the C library and of raw sockets get, and what they do not.

use std::ffi::{CString, c_void};
use std::mem::MaybeUninit;
use std::os::unix::fs::symlink;
use std::path::{Path as File, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::super::cancel::*;
use super::super::imports::*;
use super::super::log::{LogLevel, LogLine};
use super::super::wasi::*;
use super::*;

mod links;
mod waits;

thread_local! {
    /// What this thread's calls logged.
    static LINES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

unsafe extern "C" fn line(_: *mut std::ffi::c_void, line: *const LogLine) {
    let line = unsafe { &*line };
    let level = match line.level {
        LogLevel::TORVYN_LOG_WARN => "Warn",
        LogLevel::TORVYN_LOG_INFO => "Info",
        other => panic!("{other:?}"),
    };
    let id = unsafe { line.component_id.as_ref() }.map_or_else(String::new, |id| format!(" {id}"));
    let text = unsafe { line.message.text("") }.unwrap().to_owned();
    // Thread-locals may be gone while a thread ends.
    let _ = LINES.try_with(|lines| lines.borrow_mut().push(format!("{level}{id}: {text}")));
}

/// An engine and its components, compiled once for all tests.
struct Shared {
    engine: *mut EngineHandle,
    stdio: *mut ComponentHandle,
    sockets: *mut ComponentHandle,
}

unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let engine = engine(&EngineConfig { log: Some(line), ..config() });
        Shared {
            engine,
            stdio: compiled(engine, &guest("wasi-stdio")),
            sockets: compiled(engine, &guest("wasi-sockets")),
        }
    })
}

fn compiled(engine: *const EngineHandle, bytes: &[u8]) -> *mut ComponentHandle {
    let (mut component, mut err) = (null_mut(), null_mut());
    let status =
        unsafe { torvyn_component_compile(engine, bytes.as_ptr(), bytes.len(), &raw mut component, &raw mut err) };
    assert_eq!(status, TORVYN_OK, "{}", detail(status, err));
    component
}

fn imports() -> *mut ImportsHandle {
    let mut out = null_mut();
    assert_eq!(unsafe { torvyn_imports_new(shared().engine, &raw mut out, null_mut()) }, TORVYN_OK);
    out
}

/// An instance with these imports, which are freed.
fn linked_instance(
    component: *const ComponentHandle,
    imports: *mut ImportsHandle,
    options: *const InstanceOptions,
) -> *mut InstanceHandle {
    let (mut linked, mut instance, mut err) = (null_mut(), null_mut(), null_mut());
    unsafe {
        let status = torvyn_linked_new(component, imports, &raw mut linked, &raw mut err);
        assert_eq!(status, TORVYN_OK, "{}", detail(status, err));
        let status = torvyn_instance_new(linked, 7, options, &raw mut instance, &raw mut err);
        assert_eq!(status, TORVYN_OK, "{}", detail(status, err));
        torvyn_linked_free(linked);
        torvyn_imports_free(imports);
    }
    instance
}

fn stdio(imports: *mut ImportsHandle) -> *mut InstanceHandle {
    linked_instance(shared().stdio, imports, null())
}

fn ask(instance: *mut InstanceHandle, command: &str) -> String {
    let (status, said, output) = process(instance, command.as_bytes());
    assert_eq!(status, TORVYN_OK, "{command}: {said}");
    String::from_utf8(output.unwrap()).unwrap()
}

fn logged() -> Vec<String> {
    LINES.with(|lines| std::mem::take(&mut *lines.borrow_mut()))
}

fn access(access: Access) -> MaybeUninit<Access> {
    MaybeUninit::new(access)
}

/// A folder of its own with a secret beside what is granted.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("torvyn-wasi-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("granted/sub")).unwrap();
        std::fs::write(path.join("secret"), "the secret").unwrap();
        std::fs::write(path.join("granted/inside"), "inside").unwrap();
        Self(path)
    }

    fn granted(&self) -> PathBuf {
        self.0.join("granted")
    }

    fn grant(&self, imports: *mut ImportsHandle, what: Access) -> Status {
        let path = CString::new(self.granted().to_str().unwrap()).unwrap();
        unsafe { torvyn_imports_wasi_preopen(imports, path.as_ptr(), Str::of("/data"), access(what), null_mut()) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_empty_grant_runs_and_gives_nothing() {
    for imports in [null_mut(), imports()] {
        logged();
        let instance = stdio(imports);
        assert_eq!(ask(instance, "args"), "");
        assert_eq!(ask(instance, "env:PATH"), "(none)");
        assert_eq!(ask(instance, "stdin"), "");
        assert!(ask(instance, "read:/etc/passwd").starts_with("error: "));
        assert!(ask(instance, "raw:etc/passwd").starts_with("error: "));
        assert!(ask(instance, "write:/tmp/torvyn-never").starts_with("error: "));
        assert!(!File::new("/tmp/torvyn-never").exists());
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        assert!(ask(instance, "clock:wall").parse::<u64>().unwrap().abs_diff(now) < 10_000_000_000);
        assert_ne!(ask(instance, "random"), ask(instance, "random"));
        for (name, answer) in [("env", "no"), ("filesystem", "no"), ("sockets", "no"), ("random", "yes"), ("x", "no")] {
            assert_eq!(ask(instance, &format!("capability:{name}")), answer, "{name}");
        }
        assert!(logged().is_empty());
        ask(instance, "print:one\ntwo");
        assert_eq!(logged(), ["Info 7: one"]);
        ask(instance, "print: and a half\r\n\n");
        ask(instance, "eprint:oh\nno");
        assert_eq!(logged(), ["Info 7: two and a half", "Info 7: ", "Warn 7: oh"]);
        unsafe { torvyn_instance_free(instance) };
        assert_eq!(logged(), ["Warn 7: no"], "the rest at the end");
    }
}

#[test]
fn arguments_environment_and_input() {
    let imports = imports();
    unsafe {
        let args = [Str::of("prog"), Str::of("-v")];
        assert_eq!(torvyn_imports_wasi_args(imports, args.as_ptr(), 2, null_mut()), TORVYN_OK);
        for value in ["old", "new"] {
            assert_eq!(torvyn_imports_wasi_env(imports, Str::of("WHO"), Str::of(value), null_mut()), TORVYN_OK);
        }
        assert_eq!(torvyn_imports_wasi_stdin(imports, Bytes::of(b"some input"), null_mut()), TORVYN_OK);
        let mut err = null_mut();
        let status = torvyn_imports_wasi_env(imports, Str::of("A=B"), Str::of(""), &raw mut err);
        assert_eq!(status, TORVYN_ERROR_WASI);
        assert!(detail(status, err).contains("A=B"));
        let nul = [Str::of("a\0b")];
        assert_eq!(torvyn_imports_wasi_args(imports, nul.as_ptr(), 1, null_mut()), TORVYN_ERROR_WASI);
        assert_eq!(torvyn_imports_wasi_args(null_mut(), null(), 0, null_mut()), TORVYN_ERROR_NULL);
        let another = torvyn_imports_clone(imports);
        for instance in [stdio(imports), stdio(another)] {
            assert_eq!(ask(instance, "args"), "prog,-v");
            assert_eq!(ask(instance, "env:WHO"), "new");
            assert_eq!(ask(instance, "env:HOME"), "(none)");
            assert_eq!(ask(instance, "stdin"), "some input");
            for (name, answer) in [("args", "yes"), ("env:WHO", "yes"), ("env:HOME", "no"), ("stdin", "yes")] {
                assert_eq!(ask(instance, &format!("capability:{name}")), answer, "{name}");
            }
            torvyn_instance_free(instance);
        }
    }
}

#[test]
fn output_goes_to_the_program() {
    struct Seen {
        text: Mutex<Vec<(u64, Vec<u8>)>>,
        ended: Mutex<u32>,
    }
    unsafe extern "C" fn write(user: *mut c_void, id: u64, bytes: Bytes) {
        let bytes = unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }.to_vec();
        unsafe { &*user.cast::<Seen>() }.text.lock().unwrap().push((id, bytes));
    }
    unsafe extern "C" fn end(user: *mut c_void) {
        *unsafe { &*user.cast::<Seen>() }.ended.lock().unwrap() += 1;
    }
    let seen = Seen { text: Mutex::default(), ended: Mutex::default() };
    let user = (&raw const seen).cast_mut().cast();
    let stream = MaybeUninit::new;
    let imports = imports();
    unsafe {
        let out = Stream::TORVYN_STREAM_STDOUT;
        assert_eq!(
            torvyn_imports_wasi_output(imports, stream(out), Some(write), user, Some(end), null_mut()),
            TORVYN_OK
        );
        let instance = stdio(imports);
        ask(instance, "print:half a line");
        assert_eq!(*seen.ended.lock().unwrap(), 0);
        torvyn_instance_free(instance);
        assert_eq!(*seen.text.lock().unwrap(), [(7, b"half a line".to_vec())]);
        assert_eq!(*seen.ended.lock().unwrap(), 1, "with its last user");

        let refused = torvyn_imports_wasi_output(null_mut(), stream(out), Some(write), user, Some(end), null_mut());
        assert_eq!((refused, *seen.ended.lock().unwrap()), (TORVYN_ERROR_NULL, 2));
        let refused = torvyn_imports_wasi_output(null_mut(), stream(out), None, user, None, null_mut());
        assert_eq!(refused, TORVYN_ERROR_NULL);
    }
}

#[test]
fn a_directory_is_seen_and_nothing_beyond_it() {
    let folder = Folder::new("beyond");
    let granted = folder.granted();
    symlink(folder.0.join("secret"), granted.join("absolute-link")).unwrap();
    symlink("../secret", granted.join("relative-link")).unwrap();
    symlink("..", granted.join("up")).unwrap();
    symlink("/", granted.join("root")).unwrap();
    symlink("inside", granted.join("fine")).unwrap();
    let imports = imports();
    assert_eq!(folder.grant(imports, Access::TORVYN_ACCESS_READ_WRITE), TORVYN_OK);
    assert_eq!(folder.grant(imports, Access::TORVYN_ACCESS_READ), TORVYN_ERROR_WASI, "taken");
    let instance = stdio(imports);
    assert_eq!(ask(instance, "read:/data/inside"), "inside");
    assert_eq!(ask(instance, "read:/data/sub/../inside"), "inside");
    assert_eq!(ask(instance, "read:/data/fine"), "inside");
    assert_eq!(ask(instance, "capability:filesystem-write:/data"), "yes");
    logged();
    let secret = folder.0.join("secret");
    let outside = [
        "../secret",
        "sub/../../secret",
        "sub/../../../../../../../../etc/passwd",
        "/etc/passwd",
        secret.to_str().unwrap(),
        "absolute-link",
        "relative-link",
        "up/secret",
        "root/etc/passwd",
        "./.././secret",
    ];
    for path in outside {
        let said = ask(instance, &format!("raw:{path}"));
        assert!(said.starts_with("error: "), "{path}: {said}");
        let log = logged();
        assert!(log.len() == 1 && log[0].contains("WASI refused") && log[0].contains(path), "{path}: {log:?}");
        assert!(log[0].ends_with(": not-permitted"), "{path}: {log:?}");
        let said = ask(instance, &format!("read:/data/{path}"));
        assert!(said.starts_with("error: "), "{path}: {said}");
        logged();
    }
    for target in ["../secret", secret.to_str().unwrap()] {
        let said = ask(instance, &format!("raw-link:{target}"));
        assert!(said.starts_with("error: "), "{target}: {said}");
        let _ = std::fs::remove_file(granted.join("made"));
    }
    assert!(ask(instance, "raw-rename:../moved").starts_with("error: "));
    assert!(!folder.0.join("moved").exists());
    assert!(ask(instance, "remove:/data/../secret").starts_with("error: "));
    assert!(ask(instance, "write:/data/../secret").starts_with("error: "));
    assert_eq!(std::fs::read(&secret).unwrap(), b"the secret");
    assert_eq!(ask(instance, "write:/data/new"), "ok");
    assert_eq!(std::fs::read(granted.join("new")).unwrap(), b"written by the guest");
    unsafe { torvyn_instance_free(instance) };
}

#[test]
fn a_directory_may_be_for_reading_alone() {
    let folder = Folder::new("reading");
    let imports = imports();
    assert_eq!(folder.grant(imports, Access::TORVYN_ACCESS_READ), TORVYN_OK);
    let instance = stdio(imports);
    assert_eq!(ask(instance, "read:/data/inside"), "inside");
    assert_eq!(ask(instance, "list:/data"), "4", "with . and ..");
    logged();
    for command in ["write:/data/new", "write:/data/inside", "remove:/data/inside", "raw-rename:moved"] {
        let said = ask(instance, command);
        assert!(said.starts_with("error: "), "{command}: {said}");
        let log = logged();
        assert!(log.iter().any(|line| line.starts_with("Warn 7: WASI refused")), "{command}: {log:?}");
    }
    assert!(ask(instance, "raw-link:inside").starts_with("error: "));
    assert_eq!(std::fs::read(folder.granted().join("inside")).unwrap(), b"inside");
    assert_eq!(std::fs::read_dir(folder.granted()).unwrap().count(), 2);
    assert_eq!(ask(instance, "capability:filesystem-write:/data"), "no");
    unsafe { torvyn_instance_free(instance) };
}

#[test]
fn a_directory_that_is_gone_is_empty_and_no_other_takes_its_place() {
    let folder = Folder::new("gone");
    let imports = imports();
    assert_eq!(folder.grant(imports, Access::TORVYN_ACCESS_READ_WRITE), TORVYN_OK);
    let instance = stdio(imports);
    std::fs::remove_dir_all(folder.granted()).unwrap();
    std::fs::create_dir_all(folder.granted()).unwrap();
    std::fs::write(folder.granted().join("inside"), "another's").unwrap();
    unsafe {
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(ask(instance, "list:/data"), "2", ". and ..");
        assert!(ask(instance, "read:/data/inside").starts_with("error: "));
        assert!(ask(instance, "write:/data/new").starts_with("error: "));
        torvyn_instance_free(instance);
    }
}

#[test]
fn runs_can_be_the_same() {
    let answers: Vec<Vec<String>> = [1, 1, 2]
        .into_iter()
        .map(|seed| {
            let imports = imports();
            unsafe {
                assert_eq!(torvyn_imports_wasi_random_seed(imports, seed, null_mut()), TORVYN_OK);
                assert_eq!(torvyn_imports_wasi_fixed_clock(imports, 1_000_000, 10, null_mut()), TORVYN_OK);
            }
            let instance = stdio(imports);
            let answers = ["random", "clock:wall", "clock:wall", "clock:monotonic", "random", "sleep:1"];
            let answers = answers.map(|command| ask(instance, command)).to_vec();
            unsafe { torvyn_instance_free(instance) };
            answers
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0][0], answers[2][0]);
    assert_eq!(answers[0][1..4], ["1000000", "1000010", "0"]);
}

#[test]
fn exit_ends_the_call_alone() {
    let instance = stdio(null_mut());
    for (command, wanted) in [("exit:3", "status 1"), ("exit:0", "status 0")] {
        let (status, said, _) = process(instance, command.as_bytes());
        assert_eq!(status, TORVYN_ERROR_TRAP);
        assert!(said.contains("the component exited with ") && said.contains(wanted), "{said}");
        unsafe {
            assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_POISONED);
            assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        }
    }
    assert_eq!(ask(instance, "nothing"), "");
    unsafe { torvyn_instance_free(instance) };
}

#[test]
fn an_instance_has_handles_of_its_own() {
    let folder = Folder::new("own");
    let granted = imports();
    folder.grant(granted, Access::TORVYN_ACCESS_READ);
    let (with, without) = (stdio(granted), stdio(null_mut()));
    assert_eq!(ask(with, "raw:inside"), "inside");
    assert!(ask(without, "raw:inside").starts_with("error: "));
    unsafe {
        torvyn_instance_free(with);
        torvyn_instance_free(without);
    }
}

#[test]
fn the_limit_of_handles_holds_for_wasi() {
    let options = InstanceOptions {
        struct_size: size_of::<InstanceOptions>() as u32,
        max_handles: 4,
        ..InstanceOptions::zeroed()
    };
    let folder = Folder::new("handles");
    let granted = imports();
    folder.grant(granted, Access::TORVYN_ACCESS_READ);
    let (mut linked, mut instance, mut err) = (null_mut(), null_mut(), null_mut());
    unsafe {
        assert_eq!(torvyn_linked_new(shared().stdio, granted, &raw mut linked, null_mut()), TORVYN_OK);
        // Its C library opens more than that before anything else.
        let status = torvyn_instance_new(linked, 7, &options, &raw mut instance, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_MEMORY);
        let said = detail(status, err);
        assert!(said.contains("max_handles"), "{said}");
        torvyn_linked_free(linked);
        torvyn_imports_free(granted);
    }
}
