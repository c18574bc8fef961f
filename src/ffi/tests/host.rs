//! Host functions and calls outside of the contract.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::Mutex;

use super::super::callback::Finalizer;
use super::super::define::*;
use super::super::imports::*;
use super::super::other::*;
use super::super::value::*;
use super::*;

const LOOKUP: &str = "acme:db/lookup@1.0.0";
const GET: &str = "func(key: string) -> option<string>";

pub(super) fn compiled(engine: *const EngineHandle, bytes: &[u8]) -> *mut ComponentHandle {
    let (mut component, mut err) = (null_mut(), null_mut());
    let status =
        unsafe { torvyn_component_compile(engine, bytes.as_ptr(), bytes.len(), &raw mut component, &raw mut err) };
    assert_eq!(status, TORVYN_OK, "{}", detail(status, err));
    component
}

pub(super) fn imports(engine: *const EngineHandle) -> *mut ImportsHandle {
    let mut out = null_mut();
    assert_eq!(unsafe { torvyn_imports_new(engine, &raw mut out, null_mut()) }, TORVYN_OK);
    out
}

pub(super) fn link(
    component: *const ComponentHandle,
    imports: *const ImportsHandle,
) -> Result<*mut LinkedHandle, (Status, String)> {
    let (mut linked, mut err) = (null_mut(), null_mut());
    match unsafe { torvyn_linked_new(component, imports, &raw mut linked, &raw mut err) } {
        TORVYN_OK => Ok(linked),
        status => Err((status, detail(status, err))),
    }
}

pub(super) fn define(
    imports: *mut ImportsHandle,
    interface: &str,
    name: &str,
    signature: &str,
    run: Function,
) -> (Status, String) {
    define_with(imports, interface, name, signature, run, null_mut(), None)
}

fn define_with(
    imports: *mut ImportsHandle,
    interface: &str,
    name: &str,
    signature: &str,
    run: Function,
    user: *mut c_void,
    finalizer: Finalizer,
) -> (Status, String) {
    let mut err = null_mut();
    let (interface, name, signature) = (Str::of(interface), Str::of(name), Str::of(signature));
    let status =
        unsafe { torvyn_imports_define(imports, interface, name, signature, run, user, finalizer, &raw mut err) };
    (status, detail(status, err))
}

pub(super) fn instance_of(linked: *mut LinkedHandle) -> *mut InstanceHandle {
    let mut instance = null_mut();
    unsafe {
        assert_eq!(torvyn_instance_new(linked, 7, null(), &raw mut instance, null_mut()), TORVYN_OK);
        torvyn_linked_free(linked);
    }
    instance
}

pub(super) fn value(kind: Kind, of: ValueOf) -> Value {
    Value { kind: MaybeUninit::new(kind), of }
}

/// Answers with the key backwards; nothing for "none"; fails for "fail".
unsafe extern "C" fn get(
    _: *mut c_void,
    scope: *mut ScopeHandle,
    args: *const Value,
    n: usize,
    out: *mut Value,
) -> bool {
    unsafe {
        assert_eq!((n, torvyn_scope_component_id(scope)), (1, 7));
        let key = (*args).of.string.text("key").unwrap();
        if key == "fail" {
            torvyn_scope_fail(scope, Str::of("the database is gone"));
            return false;
        }
        let mut option = null();
        if key != "none" {
            let text = torvyn_scope_alloc(scope, key.len()).cast::<u8>();
            key.bytes().rev().enumerate().for_each(|(i, byte)| *text.add(i) = byte);
            let some = torvyn_scope_alloc(scope, size_of::<Value>()).cast::<Value>();
            let string = Str { data: text.cast(), len: key.len() };
            *some = value(Kind::TORVYN_KIND_STRING, ValueOf { string });
            option = some.cast_const();
        }
        *out = match key {
            "nothing" => return true,
            "wrong" => value(Kind::TORVYN_KIND_U32, ValueOf { uint: 1 }),
            _ => value(Kind::TORVYN_KIND_OPTION, ValueOf { option }),
        };
        true
    }
}

unsafe extern "C" fn end(user: *mut c_void) {
    *unsafe { &*user.cast::<Mutex<u32>>() }.lock().unwrap() += 1;
}

#[test]
fn a_component_calls_the_programs_function() {
    let ended = Mutex::new(0);
    let user = (&raw const ended).cast_mut().cast();
    let engine = engine(&config());
    let component = compiled(engine, &guest("importer"));
    unsafe {
        let imports = imports(engine);
        let (status, said) = link(component, imports).unwrap_err();
        assert_eq!(status, TORVYN_ERROR_UNRESOLVED_IMPORT);
        assert!(said.contains("acme:db/lookup@1.0.0") && said.contains("get"), "{said}");

        // A compatible version serves too.
        let defined = define_with(imports, "acme:db/lookup@1.2.0", "get", GET, Some(get), user, Some(end));
        assert_eq!(defined, (TORVYN_OK, String::new()));
        let linked = link(component, imports).unwrap();
        assert_eq!(torvyn_linked_path(linked), Path::TORVYN_PATH_GENERAL);
        assert_eq!(torvyn_linked_path_reason(linked).text("").unwrap(), "imports acme:db/lookup@1.0.0#get");
        let instance = instance_of(linked);
        torvyn_imports_free(imports);
        assert_eq!(process(instance, b"abc").2.unwrap(), b"cba");
        assert_eq!(process(instance, b"none"), (TORVYN_NOTHING_EMITTED, String::new(), None));

        for (key, says) in [
            ("fail", "the host function acme:db/lookup@1.2.0#get failed: the database is gone"),
            ("wrong", "its result does not fit its type: expected option, found u32"),
            ("nothing", "gave none"),
        ] {
            let (status, said, _) = process(instance, key.as_bytes());
            assert_eq!(status, TORVYN_ERROR_HOST_FUNCTION);
            assert!(said.contains(says), "{said}");
            assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_POISONED);
            assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        }
        assert_eq!(process(instance, b"xy").2.unwrap(), b"yx");
        torvyn_component_free(component);
        torvyn_engine_free(engine);
        assert_eq!(*ended.lock().unwrap(), 0);
        torvyn_instance_free(instance);
        assert_eq!(*ended.lock().unwrap(), 1);
    }
}

#[test]
fn types_are_checked_when_linking() {
    let ended = Mutex::new(0);
    let user = (&raw const ended).cast_mut().cast();
    let engine = engine(&config());
    let component = compiled(engine, &guest("importer"));
    unsafe {
        let imports = imports(engine);
        for wrong in ["func(key: u32) -> option<string>", "func(key: string) -> string", "func(key: string)", "func()"]
        {
            assert_eq!(define(imports, LOOKUP, "get", wrong, Some(get)).0, TORVYN_OK);
            let (status, said) = link(component, imports).unwrap_err();
            assert_eq!(status, TORVYN_ERROR_TYPE_MISMATCH);
            assert!(said.contains(wrong) && said.contains(GET) && said.contains("acme:db/lookup"), "{said}");
        }
        for interface in ["acme:db/lookup@2.0.0", "acme:db/lookup", "acme:db/other@1.0.0"] {
            let other = super::host::imports(engine);
            assert_eq!(define(other, interface, "get", GET, Some(get)).0, TORVYN_OK);
            assert_eq!(link(component, other).unwrap_err().0, TORVYN_ERROR_UNRESOLVED_IMPORT, "{interface}");
            torvyn_imports_free(other);
        }
        let other = super::host::imports(engine);
        assert_eq!(define(other, LOOKUP, "put", "func()", Some(get)).0, TORVYN_OK);
        assert!(link(component, other).unwrap_err().1.contains("acme:db/lookup@1.0.0#get"));
        torvyn_imports_free(other);

        let bad = define_with(imports, LOOKUP, "get", "func(key string)", Some(get), user, Some(end));
        assert_eq!((bad.0, *ended.lock().unwrap()), (TORVYN_ERROR_ARGUMENT, 1));
        assert!(bad.1.contains("expected `:` at byte 9"), "{}", bad.1);
        assert_eq!(define(imports, "wasi:http/types@0.2.0", "x", "func()", Some(get)).0, TORVYN_ERROR_ARGUMENT);
        assert_eq!(define(imports, LOOKUP, "get", GET, None).0, TORVYN_ERROR_NULL);
        let null = define_with(null_mut(), LOOKUP, "get", GET, Some(get), user, Some(end));
        assert_eq!((null.0, *ended.lock().unwrap()), (TORVYN_ERROR_NULL, 2));
        torvyn_imports_free(imports);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}

/// A filter beside functions of many types, all passed on to the host and back.
const MANY: &str = r#"(component
  (import "acme:kit/echo@0.1.0" (instance $echo
    (export "file" (type $file (sub resource)))
    (export "bytes" (func (param "b" (list u8)) (result (list u8))))
    (export "open" (func (param "name" string) (result (own $file))))
    (export "[method]file.size" (func (param "self" (borrow $file)) (result u64)))))
  (core module $memory
    (memory (export "memory") 64)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      global.get $next
      (global.set $next (i32.add (global.get $next) (local.get 3)))))
  (core instance $memory (instantiate $memory))
  (alias export $echo "file" (type $file))
  (core func $bytes (canon lower (func $echo "bytes") (memory (core memory $memory "memory"))
    (realloc (core func $memory "realloc"))))
  (core func $open (canon lower (func $echo "open") (memory (core memory $memory "memory"))))
  (core func $size (canon lower (func $echo "[method]file.size")))
  (core func $drop (canon resource.drop $file))
  (core module $m
    (import "" "bytes" (func $bytes (param i32 i32 i32)))
    (import "" "open" (func $open (param i32 i32) (result i32)))
    (import "" "size" (func $size (param i32) (result i64)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "bytes") (param i32 i32) (result i32)
      (call $bytes (local.get 0) (local.get 1) (i32.const 16)) i32.const 16)
    (func (export "size") (param i32 i32) (result i64) (local $file i32) (local $size i64)
      (local.set $file (call $open (local.get 0) (local.get 1)))
      (local.set $size (call $size (local.get $file)))
      (call $drop (local.get $file))
      local.get $size)
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "trap") unreachable)
    (func (export "init") (param i32 i32) (result i32) i32.const 0)
    (func (export "teardown")))
  (core instance $i (instantiate $m (with "" (instance
    (export "bytes" (func $bytes)) (export "open" (func $open)) (export "size" (func $size))
    (export "drop" (func $drop))))))
  (func (export "bytes") (param "b" (list u8)) (result (list u8))
    (canon lift (core func $i "bytes") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (func (export "size") (param "name" string) (result u64)
    (canon lift (core func $i "size") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (func (export "trap") (canon lift (core func $i "trap")))
  (func $add (param "a" u8) (param "b" u8) (result u32) (canon lift (core func $i "add")))
  (instance $math (export "add" (func $add)))
  (export "acme:kit/math@0.1.0" (instance $math))
  (type $error' (variant (case "invalid-input" string) (case "unavailable" string) (case "internal" string)
    (case "deadline-exceeded") (case "fatal" string)))
  (export $error "process-error" (type $error'))
  (func $init (param "config" string) (result (result (error $error))) (canon lift (core func $i "init")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (func $teardown (canon lift (core func $i "teardown")))
  (component $lifecycle
    (import "error" (type $error (eq $error')))
    (import "init" (func $init (param "config" string) (result (result (error $error)))))
    (import "teardown" (func $teardown))
    (export $e "process-error" (type $error))
    (export "init" (func $init) (func (param "config" string) (result (result (error $e)))))
    (export "teardown" (func $teardown)))
  (instance $lifecycle (instantiate $lifecycle (with "error" (type $error)) (with "init" (func $init))
    (with "teardown" (func $teardown))))
  (export "torvyn:streaming/lifecycle@0.1.0" (instance $lifecycle)))"#;

unsafe extern "C" fn echo(_: *mut c_void, _: *mut ScopeHandle, args: *const Value, _: usize, out: *mut Value) -> bool {
    unsafe { *out = *args };
    true
}

unsafe extern "C" fn open(_: *mut c_void, _: *mut ScopeHandle, args: *const Value, _: usize, out: *mut Value) -> bool {
    unsafe {
        let resource = (*args).of.string.len as u32;
        *out = value(Kind::TORVYN_KIND_OWN, ValueOf { resource });
    }
    true
}

unsafe extern "C" fn size(_: *mut c_void, _: *mut ScopeHandle, args: *const Value, _: usize, out: *mut Value) -> bool {
    unsafe {
        assert_eq!((*args).kind.assume_init(), Kind::TORVYN_KIND_BORROW);
        *out = value(Kind::TORVYN_KIND_U64, ValueOf { uint: u64::from((*args).of.resource) * 100 });
    }
    true
}

unsafe extern "C" fn close(user: *mut c_void, resource: u32) {
    unsafe { &*user.cast::<Mutex<Vec<u32>>>() }.lock().unwrap().push(resource);
}

pub(super) unsafe fn call(
    instance: *mut InstanceHandle,
    interface: &str,
    name: &str,
    args: &[Value],
) -> Result<Value, (Status, String)> {
    let (mut values, mut err) = (null_mut(), null_mut());
    let (at, count) = (args.as_ptr(), args.len());
    unsafe {
        let status = torvyn_call(instance, Str::of(interface), Str::of(name), at, count, &raw mut values, &raw mut err);
        if status != TORVYN_OK {
            return Err((status, detail(status, err)));
        }
        assert_eq!(torvyn_values_count(values), 1);
        assert!(torvyn_values_get(values, 1).is_null());
        let mut value = *torvyn_values_get(values, 0);
        if value.kind.assume_init() == Kind::TORVYN_KIND_BYTES {
            // The length is all that the test looks at afterwards.
            value.of = ValueOf { uint: value.of.bytes.len as u64 };
        }
        torvyn_values_free(values);
        Ok(value)
    }
}

#[test]
fn calls_resources_and_bytes() {
    let closed = Mutex::new(Vec::<u32>::new());
    let user = (&raw const closed).cast_mut().cast();
    let engine = engine(&config());
    let component = compiled(engine, MANY.as_bytes());
    const KIT: &str = "acme:kit/echo@0.1.0";
    unsafe {
        let imports = imports(engine);
        let name = Str::of("file");
        let status = torvyn_imports_define_resource(imports, Str::of(KIT), name, Some(close), user, None, null_mut());
        assert_eq!(status, TORVYN_OK);
        assert_eq!(define(imports, KIT, "bytes", "func(b: list<u8>) -> list<u8>", Some(echo)).0, TORVYN_OK);
        assert_eq!(define(imports, KIT, "open", "func(name: string) -> file", Some(open)).0, TORVYN_OK);
        let method = "func(self: borrow<file>) -> u64";
        assert_eq!(define(imports, KIT, "[method]file.size", method, Some(size)).0, TORVYN_OK);
        let linked = link(component, imports).unwrap();
        let instance = instance_of(linked);
        torvyn_imports_free(imports);

        let string = |text| value(Kind::TORVYN_KIND_STRING, ValueOf { string: Str::of(text) });
        assert_eq!(call(instance, "", "size", &[string("four")]).unwrap().of.uint, 400);
        assert_eq!(*closed.lock().unwrap(), [4]);
        let large = vec![7u8; 1 << 20];
        let bytes = value(Kind::TORVYN_KIND_BYTES, ValueOf { bytes: Bytes::of(&large) });
        assert_eq!(call(instance, "", "bytes", &[bytes]).unwrap().of.uint, 1 << 20);
        let byte = |n| value(Kind::TORVYN_KIND_U8, ValueOf { uint: n });
        assert_eq!(call(instance, "acme:kit/math@0.1.0", "add", &[byte(200), byte(100)]).unwrap().of.uint, 300);

        let math = "acme:kit/math@0.1.0";
        for (interface, name, args, status, says) in [
            (math, "sub", &[][..], TORVYN_ERROR_NOT_EXPORTED, "sub"),
            ("acme:kit/no", "add", &[], TORVYN_ERROR_NOT_EXPORTED, "acme:kit/no"),
            (math, "add", &[byte(1)], TORVYN_ERROR_TYPE_MISMATCH, "takes 2"),
            (
                math,
                "add",
                &[byte(1), string("x")],
                TORVYN_ERROR_TYPE_MISMATCH,
                "`args[1]`, its parameter b: expected u8, found string",
            ),
            (math, "add", &[byte(1), byte(256)], TORVYN_ERROR_ARGUMENT, "u8"),
        ] {
            let (found, said) = call(instance, interface, name, args).err().unwrap();
            assert_eq!(found, status, "{said}");
            assert!(said.contains(says), "{said}");
            assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_NEW);
        }
        let (status, said) = call(instance, "", "trap", &[]).err().unwrap();
        assert_eq!(status, TORVYN_ERROR_TRAP);
        assert!(said.starts_with("trap: "), "{said}");
        assert_eq!(call(instance, "", "size", &[string("x")]).err().unwrap().0, TORVYN_ERROR_STATE);
        torvyn_instance_free(instance);
        torvyn_component_free(component);

        let direct = instance_of(super::linked(engine, "upper-case"));
        assert_eq!(call(direct, "", "x", &[]).err().unwrap().0, TORVYN_ERROR_UNSUPPORTED);
        torvyn_instance_free(direct);
        torvyn_engine_free(engine);
    }
}

#[test]
#[ignore = "prints figures"]
fn figures() {
    let engine = engine(&config());
    let component = compiled(engine, &guest("importer"));
    {
        let imports = imports(engine);
        define(imports, LOOKUP, "get", GET, Some(get));
        let instance = instance_of(link(component, imports).unwrap());
        process(instance, b"key");
        let began = std::time::Instant::now();
        (0..2000).for_each(|_| drop(process(instance, b"key")));
        println!("a process with one host call: {} ns", began.elapsed().as_nanos() / 2000);
    }
    let component = compiled(engine, MANY.as_bytes());
    unsafe {
        let imports = imports(engine);
        let kit = "acme:kit/echo@0.1.0";
        torvyn_imports_define_resource(imports, Str::of(kit), Str::of("file"), None, null_mut(), None, null_mut());
        define(imports, kit, "bytes", "func(b: list<u8>) -> list<u8>", Some(echo));
        define(imports, kit, "open", "func(name: string) -> file", Some(open));
        define(imports, kit, "[method]file.size", "func(self: borrow<file>) -> u64", Some(size));
        let instance = instance_of(link(component, imports).unwrap());
        let large = vec![7u8; 1 << 20];
        let bytes = value(Kind::TORVYN_KIND_BYTES, ValueOf { bytes: Bytes::of(&large) });
        let began = std::time::Instant::now();
        assert_eq!(call(instance, "", "bytes", &[bytes]).unwrap().of.uint, 1 << 20);
        println!("1 MiB through torvyn_call and a host function, both ways: {:?}", began.elapsed());
    }
}

#[test]
fn every_shape_of_bytes_and_text_links() {
    // WIT beside the text format of components.
    let params = [("string", "string"), ("list<u8>", "(list u8)"), ("u32", "u32")];
    let results = [
        ("", ""),
        ("list<u8>", "(list u8)"),
        ("string", "string"),
        ("option<list<u8>>", "(option (list u8))"),
        ("option<string>", "(option string)"),
        ("result<list<u8>, string>", "(result (list u8) (error string))"),
        ("result<_, string>", "(result (error string))"),
        ("result<string>", "(result string)"),
    ];
    let (mut exports, mut defined) = (String::new(), Vec::new());
    for (a, wat_a) in params {
        for (b, wat_b) in params {
            for (result, wat) in results {
                let arrow = if result.is_empty() { String::new() } else { format!(" -> {result}") };
                let wat = if wat.is_empty() { String::new() } else { format!("(result {wat})") };
                let (one, two) = (format!("f{}", defined.len()), format!("f{}", defined.len() + 1));
                exports += &format!(r#"(export "{one}" (func (param "a" {wat_a}) {wat}))"#);
                exports += &format!(r#"(export "{two}" (func (param "a" {wat_a}) (param "b" {wat_b}) {wat}))"#);
                defined.push((one, format!("func(a: {a}){arrow}")));
                defined.push((two, format!("func(a: {a}, b: {b}){arrow}")));
            }
        }
    }
    let text = versioned_with(&format!(r#"(import "acme:kit/shapes@0.1.0" (instance {exports}))"#));
    let engine = engine(&config());
    let component = compiled(engine, text.as_bytes());
    unsafe {
        let imports = imports(engine);
        for (name, signature) in &defined {
            assert_eq!(define(imports, "acme:kit/shapes@0.1.0", name, signature, Some(echo)).0, TORVYN_OK);
        }
        torvyn_linked_free(link(component, imports).unwrap());
        torvyn_imports_free(imports);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}

/// A component of `lifecycle` alone that imports what `import` says.
fn versioned_with(import: &str) -> String {
    component_with(import, "")
}

/// A component of `lifecycle`, what `import` says, and what `body` says, which may use `$memory`.
pub(super) fn component_with(import: &str, body: &str) -> String {
    let at = MANY.find("  (core module $memory").unwrap();
    let lifecycle = MANY.find("  (type $error'").unwrap();
    let memory = &MANY[at..MANY.find("  (alias export").unwrap()];
    format!(
        r#"(component {import} {memory} {body}
  (core module $m (func (export "init") (param i32 i32) (result i32) i32.const 0) (func (export "teardown")))
  (core instance $i (instantiate $m))
{}"#,
        &MANY[lifecycle..]
    )
}
