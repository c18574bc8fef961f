//! What waits in WASI, and what ends it: deadlines, cancels, the runtime.

use super::*;

fn short(timeout_ms: u64) -> InstanceOptions {
    let struct_size = size_of::<InstanceOptions>() as u32;
    InstanceOptions { struct_size, timeout_ns: timeout_ms * 1_000_000, ..InstanceOptions::zeroed() }
}

/// How long the call took until `wanted` ended it.
fn stopped(instance: *mut InstanceHandle, command: &str, wanted: Status) -> Duration {
    let began = Instant::now();
    let (status, said, _) = process(instance, command.as_bytes());
    let took = began.elapsed();
    assert_eq!(status, wanted, "{command}: {said}");
    assert_eq!(unsafe { torvyn_instance_state(instance) }, State::TORVYN_STATE_POISONED);
    took
}

/// A machine that runs other things too may stop the test's thread for a while: the first of some
/// that is below the limit, or the best.
fn at_best(limit_ms: u64, mut one: impl FnMut() -> Duration) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        best = best.min(one());
        if best < Duration::from_millis(limit_ms) {
            break;
        }
    }
    best
}

#[test]
fn a_deadline_ends_a_sleep() {
    let instance = linked_instance(shared().stdio, null_mut(), &short(50));
    let took = at_best(60, || {
        let took = stopped(instance, "sleep:10000", TORVYN_ERROR_DEADLINE);
        assert_eq!(unsafe { torvyn_instance_reset(instance, null_mut()) }, TORVYN_OK);
        took
    });
    assert!(took > Duration::from_millis(20) && took < Duration::from_millis(60), "{took:?}");
    unsafe { torvyn_instance_free(instance) };
    let patient = stdio(null_mut());
    assert_eq!(ask(patient, "sleep:20"), "slept");
    unsafe { torvyn_instance_free(patient) };
}

#[test]
fn a_cancel_ends_a_sleep() {
    let instance = stdio(null_mut());
    let took = at_best(3, || {
        let cancel = super::super::super::cancel::torvyn_instance_cancel_handle;
        let cancel = SentCancel(unsafe { cancel(instance) });
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            let at = Instant::now();
            let cancel = cancel;
            unsafe {
                torvyn_cancel(cancel.0);
                torvyn_cancel_free(cancel.0);
            }
            at
        });
        let status = process(instance, b"sleep:10000").0;
        let ended = Instant::now();
        assert_eq!(status, TORVYN_ERROR_CANCELLED);
        assert_eq!(unsafe { torvyn_instance_reset(instance, null_mut()) }, TORVYN_OK);
        ended - thread.join().unwrap()
    });
    assert!(took < Duration::from_millis(3), "{took:?}");
    unsafe { torvyn_instance_free(instance) };
}

struct SentCancel(*mut CancelHandle);

unsafe impl Send for SentCancel {}

#[test]
fn pipes_and_sockets_are_not_opened() {
    let folder = Folder::new("pipe");
    let path = |name| folder.granted().join(name);
    let pipe = CString::new(path("pipe").to_str().unwrap()).unwrap();
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    symlink("pipe", path("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    let imports = imports();
    folder.grant(imports, Access::TORVYN_ACCESS_READ_WRITE);
    let instance = linked_instance(shared().stdio, imports, &short(2000));
    for command in ["read:/data/pipe", "write:/data/pipe", "raw:pipe", "raw:link", "raw:sub/../pipe", "raw:socket"] {
        logged();
        let said = ask(instance, command);
        assert!(said.starts_with("error: "), "{command}: {said}");
        let log = logged();
        assert!(log.len() == 1 && log[0].contains("open-at") && log[0].contains("a pipe or socket"), "{log:?}");
    }
    assert_eq!(ask(instance, "read:/data/inside"), "inside");
    unsafe { torvyn_instance_free(instance) };
}

fn allow(imports: *mut ImportsHandle, usage: SocketUse, address: &str, port: u16) -> Status {
    unsafe { torvyn_imports_wasi_socket(imports, MaybeUninit::new(usage), Str::of(address), port, 0, null_mut()) }
}

#[test]
fn sockets_are_refused() {
    logged();
    let instance = linked_instance(shared().sockets, null_mut(), null());
    assert_eq!(ask(instance, "connect:1"), "create: 1");
    assert_eq!(ask(instance, "udp"), "create: 1");
    assert_eq!(ask(instance, "lookup"), "lookup: 20");
    let log = logged();
    assert!(
        log.len() == 3 && log[0].contains("TCP") && log[1].contains("UDP") && log[2].contains("localhost"),
        "{log:?}"
    );
    unsafe { torvyn_instance_free(instance) };
}

#[test]
fn sockets_by_rule() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(b"welcome").unwrap();
        // The second one stays silent.
        let (silent, _) = listener.accept().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        drop(silent);
        hello
    });
    let imports = imports();
    assert_eq!(allow(imports, SocketUse::TORVYN_SOCKET_TCP_CONNECT, "nonsense", 1), TORVYN_ERROR_WASI);
    assert_eq!(allow(imports, SocketUse::TORVYN_SOCKET_TCP_CONNECT, "127.0.0.0/8", port), TORVYN_OK);
    unsafe { torvyn_imports_wasi_name_lookup(imports, null_mut()) };
    let instance = linked_instance(shared().sockets, imports, &short(200));
    logged();
    assert_eq!(ask(instance, "lookup"), "ok");
    assert_eq!(ask(instance, &format!("connect:{port}")), "welcome");
    assert!(logged().is_empty());
    assert_eq!(ask(instance, &format!("connect:{}", port ^ 1)), "finish: 1", "access-denied");
    assert!(logged()[0].contains(&format!("TCP connect to 127.0.0.1:{}", port ^ 1)));
    assert_eq!(ask(instance, &format!("bind:{port}")), "bind: 1");
    assert_eq!(ask(instance, "udp"), "create: 1");
    let took = stopped(instance, &format!("connect:{port}"), TORVYN_ERROR_DEADLINE);
    assert!(took < Duration::from_millis(400), "{took:?}");
    unsafe { torvyn_instance_free(instance) };
    assert_eq!(&server.join().unwrap(), b"hello");
}

#[test]
fn the_runtime_is_there_when_it_is_needed_and_ends_with_the_engine() {
    let engine = engine(&config());
    let held = unsafe { super::super::super::handle::lend(engine.cast_const()) }.unwrap().clone();
    let quick = compiled(engine, links::versioned("0.2.0").as_bytes());
    let instance = linked_instance(quick, null_mut(), null());
    assert!(!held.wasi().runtime.is_there(), "nothing waits in random");
    unsafe {
        torvyn_instance_free(instance);
        torvyn_component_free(quick);
        let sockets = compiled(engine, &guest("wasi-sockets"));
        assert!(!held.wasi().runtime.is_there());
        let instance = linked_instance(sockets, null_mut(), null());
        assert!(held.wasi().runtime.is_there());
        torvyn_instance_free(instance);
        torvyn_component_free(sockets);
        torvyn_engine_free(engine);
    }
    let gone = held.downgrade();
    drop(held);
    assert!(gone.upgrade().is_none());
}

#[test]
#[ignore = "prints figures"]
fn figures() {
    let time = |name: &str, n: u32, mut one: Box<dyn FnMut()>| {
        one();
        let began = Instant::now();
        (0..n).for_each(|_| one());
        println!("{name}: {} ns", began.elapsed().as_nanos() / u128::from(n));
    };
    let waits = stdio(null_mut());
    time(
        "a call that may wait (fiber), stdio guest",
        2000,
        Box::new(move || {
            ask(waits, "nothing");
        }),
    );
    let general = EngineConfig { path: MaybeUninit::new(Path::TORVYN_PATH_GENERAL), ..config() };
    let plain = instance_in(&general, "upper-case", "");
    time(
        "a call on the general path, upper-case",
        2000,
        Box::new(move || {
            process(plain, b"nothing");
        }),
    );
    let mut linked = null_mut();
    unsafe { torvyn_linked_new(shared().stdio, null(), &raw mut linked, null_mut()) };
    time(
        "an instance of the stdio guest",
        500,
        Box::new(move || unsafe {
            let mut instance = null_mut();
            torvyn_instance_new(linked, 7, null(), &raw mut instance, null_mut());
            torvyn_instance_free(instance);
        }),
    );
    time(
        "linking the stdio guest",
        200,
        Box::new(|| unsafe {
            let mut linked = null_mut();
            torvyn_linked_new(shared().stdio, null(), &raw mut linked, null_mut());
            torvyn_linked_free(linked);
        }),
    );
    let took = |timeout| {
        let instance = linked_instance(shared().stdio, null_mut(), &short(timeout));
        let took = stopped(instance, "sleep:10000", TORVYN_ERROR_DEADLINE);
        unsafe { torvyn_instance_free(instance) };
        took
    };
    println!("sleep of 10 s, timeout 50 ms: {:?}", (0..10).map(|_| took(50)).collect::<Vec<_>>());
}
