//! The program's resources: which type one is of, who holds it, and its end. And types that few
//! components use.

use std::ffi::c_void;
use std::sync::Mutex;

use super::super::define::*;
use super::super::imports::*;
use super::super::value::*;
use super::host::{call, compiled, component_with, define, imports, instance_of, link, value};
use super::*;

const FILES: &str = "acme:kit/files@0.1.0";

const IMPORT: &str = r#"
  (import "acme:kit/files@0.1.0" (instance $files
    (export "file" (type $file (sub resource)))
    (export "open" (func (result (own $file))))
    (export "many" (func (result (list (own $file)))))
    (export "size" (func (param "self" (borrow $file)) (result u32)))))
  (alias export $files "file" (type $file))"#;

const BODY: &str = r#"
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $open (canon lower (func $files "open")))
  (core func $many (canon lower (func $files "many") (memory $mem) (realloc $realloc)))
  (core func $size (canon lower (func $files "size")))
  (core func $drop (canon resource.drop $file))
  (core module $n
    (import "" "open" (func $open (result i32)))
    (import "" "many" (func $many (param i32)))
    (import "" "size" (func $size (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "take") (param $n i32) (result i32)
      (loop (drop (call $open)) (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if 0 (local.get $n)))
      i32.const 1)
    (func (export "many") (result i32) (call $many (i32.const 16)) i32.const 1)
    (func (export "keep") (param i32) (result i32) i32.const 1)
    (func (export "keep-two") (param i32 i32) (result i32) i32.const 1)
    (func (export "keep-all") (param i32 i32) (result i32) i32.const 1)
    (func (export "drop") (param i32) (result i32) (call $drop (local.get 0)) i32.const 1)
    (func (export "pass") (param i32) (result i32) local.get 0)
    (func (export "look") (param i32) (result i32)
      (call $size (local.get 0)) (call $drop (local.get 0)))
    (func (export "trap") (param i32) (result i32) unreachable))
  (core instance $j (instantiate $n (with "" (instance (export "open" (func $open)) (export "many" (func $many))
    (export "size" (func $size)) (export "drop" (func $drop))))))
  (func (export "take") (param "n" u32) (result u32) (canon lift (core func $j "take")))
  (func (export "many") (result u32) (canon lift (core func $j "many")))
  (func (export "keep") (param "f" (own $file)) (result u32) (canon lift (core func $j "keep")))
  (func (export "keep-two") (param "f" (own $file)) (param "n" u8) (result u32) (canon lift (core func $j "keep-two")))
  (func (export "keep-all") (param "f" (list (own $file))) (result u32)
    (canon lift (core func $j "keep-all") (memory $mem) (realloc $realloc)))
  (func (export "drop") (param "f" (own $file)) (result u32) (canon lift (core func $j "drop")))
  (func (export "pass") (param "f" (own $file)) (result (own $file)) (canon lift (core func $j "pass")))
  (func (export "look") (param "f" (borrow $file)) (result u32) (canon lift (core func $j "look")))
  (func (export "trap") (param "f" (own $file)) (result u32) (canon lift (core func $j "trap")))"#;

/// What the program did and saw.
#[derive(Default)]
struct Seen {
    opened: Mutex<u32>,
    ended: Mutex<Vec<u32>>,
}

impl Seen {
    fn user(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    fn ended(&self) -> Vec<u32> {
        std::mem::take(&mut *self.ended.lock().unwrap())
    }
}

fn own(resource: u32) -> Value {
    value(Kind::TORVYN_KIND_OWN, ValueOf { resource })
}

fn uint(kind: Kind, uint: u64) -> Value {
    value(kind, ValueOf { uint })
}

unsafe extern "C" fn end(user: *mut c_void, resource: u32) {
    unsafe { &*user.cast::<Seen>() }.ended.lock().unwrap().push(resource);
}

/// Gives the next number, from 1.
unsafe extern "C" fn open(u: *mut c_void, _: *mut ScopeHandle, _: *const Value, _: usize, out: *mut Value) -> bool {
    let mut opened = unsafe { &*u.cast::<Seen>() }.opened.lock().unwrap();
    *opened += 1;
    unsafe { *out = own(*opened) };
    true
}

/// Gives twenty at once, and the first time something that is none among them.
unsafe extern "C" fn many(u: *mut c_void, s: *mut ScopeHandle, _: *const Value, _: usize, out: *mut Value) -> bool {
    let mut opened = unsafe { &*u.cast::<Seen>() }.opened.lock().unwrap();
    unsafe {
        let data = torvyn_scope_alloc(s, 20 * size_of::<Value>()).cast::<Value>();
        (0..20).for_each(|i| *data.add(i) = own(1000 + i as u32));
        if *opened == 0 {
            *data.add(19) = uint(Kind::TORVYN_KIND_U8, 1);
        }
        *opened += 1;
        *out = value(Kind::TORVYN_KIND_LIST, ValueOf { values: ValueList { data, len: 20 } });
    }
    true
}

unsafe extern "C" fn size(_: *mut c_void, _: *mut ScopeHandle, args: *const Value, _: usize, out: *mut Value) -> bool {
    unsafe {
        assert_eq!((*args).kind.assume_init(), Kind::TORVYN_KIND_BORROW);
        *out = uint(Kind::TORVYN_KIND_U32, u64::from((*args).of.resource) * 10);
    }
    true
}

fn define_for(imports: *mut ImportsHandle, name: &str, signature: &str, run: Function, seen: &Seen) {
    let (interface, name, signature) = (Str::of(FILES), Str::of(name), Str::of(signature));
    let status =
        unsafe { torvyn_imports_define(imports, interface, name, signature, run, seen.user(), None, null_mut()) };
    assert_eq!(status, TORVYN_OK);
}

fn resource(imports: *mut ImportsHandle, interface: &str, name: &str, seen: &Seen) -> Status {
    let (interface, name) = (Str::of(interface), Str::of(name));
    unsafe { torvyn_imports_define_resource(imports, interface, name, Some(end), seen.user(), None, null_mut()) }
}

fn holder(seen: &Seen, max_handles: u32) -> *mut InstanceHandle {
    let engine = engine(&EngineConfig { max_handles, ..config() });
    let component = compiled(engine, component_with(IMPORT, BODY).as_bytes());
    let imports = imports(engine);
    assert_eq!(resource(imports, FILES, "file", seen), TORVYN_OK);
    define_for(imports, "open", "func() -> file", Some(open), seen);
    define_for(imports, "many", "func() -> list<file>", Some(many), seen);
    define_for(imports, "size", "func(f: borrow<file>) -> u32", Some(size), seen);
    let instance = instance_of(link(component, imports).unwrap());
    unsafe {
        torvyn_imports_free(imports);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
    instance
}

unsafe fn one(instance: *mut InstanceHandle, name: &str, args: &[Value]) -> Result<u64, (Status, String)> {
    unsafe { call(instance, "", name, args) }.map(|value| unsafe { value.of.uint })
}

#[test]
fn exports_name_the_resources_of_imports() {
    let engine = engine(&config());
    let component = compiled(engine, component_with(IMPORT, BODY).as_bytes());
    unsafe {
        let text = |text: Str| text.text("").unwrap().to_owned();
        let exports = 0..torvyn_component_export_count(component);
        let find = |name| exports.clone().find(|i| text(torvyn_component_export(component, *i)) == name).unwrap();
        for (name, ty) in [("pass", "func(f: file) -> file"), ("look", "func(f: borrow<file>) -> u32")] {
            assert_eq!(text(torvyn_component_export_type(component, find(name))), ty);
        }
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}

#[test]
fn each_is_ended_once() {
    let seen = Seen::default();
    let instance = holder(&seen, 100);
    unsafe {
        assert_eq!(one(instance, "keep", &[own(7)]), Ok(1));
        assert_eq!(one(instance, "keep", &[own(7)]), Ok(1));
        assert_eq!(one(instance, "drop", &[own(8)]), Ok(1));
        assert_eq!(seen.ended(), [8]);
        assert_eq!(call(instance, "", "pass", &[own(9)]).unwrap().of.resource, 9, "the program's again");
        assert_eq!(one(instance, "take", &[uint(Kind::TORVYN_KIND_U32, 2)]), Ok(1));
        assert_eq!(one(instance, "trap", &[own(6)]).unwrap_err().0, TORVYN_ERROR_TRAP);
        assert!(seen.ended().is_empty());
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(seen.ended(), [1, 2, 6, 7, 7]);
        assert_eq!(one(instance, "keep", &[own(5)]), Ok(1));
        torvyn_instance_free(instance);
        assert_eq!(seen.ended(), [5]);
    }
}

#[test]
fn the_limit_of_handles_holds_for_them() {
    let seen = Seen::default();
    let instance = holder(&seen, 10);
    unsafe {
        let (status, said) = one(instance, "take", &[uint(Kind::TORVYN_KIND_U32, 50)]).unwrap_err();
        assert_eq!(status, TORVYN_ERROR_MEMORY, "{said}");
        assert!(said.contains("max_handles"), "{said}");
        assert_eq!((*seen.opened.lock().unwrap(), seen.ended()), (11, vec![11]), "the refused one");
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(seen.ended(), (1..=10).collect::<Vec<_>>());

        assert_eq!(one(instance, "take", &[uint(Kind::TORVYN_KIND_U32, 10)]), Ok(1));
        let (status, said) = one(instance, "keep", &[own(3)]).unwrap_err();
        assert_eq!(status, TORVYN_ERROR_MEMORY, "{said}");
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_NEW, "nothing ran");
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(seen.ended(), (12..=21).collect::<Vec<_>>(), "the argument stays the caller's");

        *seen.opened.lock().unwrap() = 1;
        assert_eq!(one(instance, "many", &[]).unwrap_err().0, TORVYN_ERROR_MEMORY);
        assert_eq!(seen.ended(), (1000..1020).collect::<Vec<_>>());
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        *seen.opened.lock().unwrap() = 0;
        let (status, said) = one(instance, "many", &[]).unwrap_err();
        assert_eq!(status, TORVYN_ERROR_HOST_FUNCTION);
        assert!(said.contains("[19]: expected own, found u8"), "{said}");
        torvyn_instance_free(instance);
        assert!(seen.ended().is_empty(), "those stay the program's");
    }
}

#[test]
fn a_refused_call_leaves_nothing() {
    let seen = Seen::default();
    let instance = holder(&seen, 65_536);
    unsafe {
        // More than Wasmtime has room for in a store.
        let mut list = vec![own(1); 30_000];
        list.push(uint(Kind::TORVYN_KIND_U8, 1));
        let values = ValueList { data: list.as_ptr(), len: list.len() };
        for _ in 0..4 {
            let args = [value(Kind::TORVYN_KIND_LIST, ValueOf { values })];
            let (status, said) = one(instance, "keep-all", &args).unwrap_err();
            assert_eq!(status, TORVYN_ERROR_TYPE_MISMATCH);
            assert!(said.contains("[30000]: expected own, found u8"), "{said}");
        }
        let args = [own(2), uint(Kind::TORVYN_KIND_U32, 1)];
        assert_eq!(one(instance, "keep-two", &args).unwrap_err().0, TORVYN_ERROR_TYPE_MISMATCH);
        assert_eq!(one(instance, "keep", &[own(3)]), Ok(1));
        torvyn_instance_free(instance);
        assert_eq!(seen.ended(), [3]);
    }
}

#[test]
fn a_call_that_a_cancel_stops_before_it_begins_leaves_nothing() {
    use super::super::cancel::*;
    let seen = Seen::default();
    let instance = holder(&seen, 4);
    unsafe {
        let cancel = torvyn_instance_cancel_handle(instance);
        for n in 1..10 {
            torvyn_cancel(cancel);
            let resource = if n % 2 == 0 { own(n) } else { value(Kind::TORVYN_KIND_BORROW, ValueOf { resource: n }) };
            let name = if n % 2 == 0 { "keep" } else { "look" };
            assert_eq!(one(instance, name, &[resource]).unwrap_err().0, TORVYN_ERROR_CANCELLED);
        }
        assert_eq!(one(instance, "take", &[uint(Kind::TORVYN_KIND_U32, 4)]), Ok(1), "there is room for all");
        torvyn_cancel_free(cancel);
        torvyn_instance_free(instance);
        assert_eq!(seen.ended(), [1, 2, 3, 4], "the arguments stay the caller's");
    }
}

#[test]
fn a_borrow_is_lent_for_the_call() {
    let seen = Seen::default();
    let instance = holder(&seen, 4);
    unsafe {
        for n in 1..100 {
            let lent = value(Kind::TORVYN_KIND_BORROW, ValueOf { resource: n });
            assert_eq!(one(instance, "look", &[lent]), Ok(u64::from(n) * 10));
        }
        let (status, said) = one(instance, "look", &[own(1)]).unwrap_err();
        assert_eq!(status, TORVYN_ERROR_TYPE_MISMATCH);
        assert!(said.contains("expected borrow, found own"), "{said}");
        torvyn_instance_free(instance);
        assert!(seen.ended().is_empty());
    }
}

/// Two interfaces with a `file` each, and one that uses that of the second.
const TWO: &str = r#"
  (import "acme:r/i@1.0.0" (instance $i (export "file" (type $f (sub resource)))
    (export "open" (func (result (own $f))))))
  (import "acme:r/j@1.0.0" (instance $j (export "file" (type $f (sub resource)))
    (type $rec (record (field "a" u8) (field "b" (list string)))) (export "rec" (type $rec' (eq $rec)))
    (export "open" (func (param "r" $rec') (result (own $f))))))
  (alias export $j "file" (type $jf))
  (import "acme:r/k@1.0.0" (instance $k (alias outer 1 $jf (type $f)) (export "file" (type $g (eq $f)))
    (export "look" (func (param "f" (borrow $g)) (result u32)))))"#;

#[test]
fn a_resource_is_of_the_interface_that_has_it() {
    const OPEN: &str = "func(r: record { a: u8, b: list<string> }) -> file";
    let engine = engine(&config());
    let component = compiled(engine, component_with(TWO, "").as_bytes());
    let (i, j) = (Seen::default(), Seen::default());
    let all = |both, open_j: &str, look: &str| {
        let imports = imports(engine);
        resource(imports, "acme:r/i@1.0.0", "file", &i);
        if both {
            resource(imports, "acme:r/j@1.0.0", "file", &j);
        }
        define(imports, "acme:r/i@1.0.0", "open", "func() -> file", Some(open));
        define(imports, "acme:r/j@1.0.0", "open", open_j, Some(open));
        define(imports, "acme:r/k@1.0.0", "look", look, Some(size));
        let linked = link(component, imports);
        unsafe { torvyn_imports_free(imports) };
        linked
    };
    const LOOK: &str = "func(f: borrow<file>) -> u32";
    let (status, said) = all(false, OPEN, LOOK).unwrap_err();
    assert_eq!(status, TORVYN_ERROR_UNRESOLVED_IMPORT);
    assert!(said.contains("acme:r/j@1.0.0#file"), "{said}");

    let (status, said) = all(true, OPEN, "func(f: borrow<other>) -> u32").unwrap_err();
    assert_eq!(status, TORVYN_ERROR_TYPE_MISMATCH);
    assert!(said.contains("imports `func(f: borrow<file>) -> u32`") && said.contains("borrow<other>"), "{said}");

    let (status, said) = all(true, "func(r: record { a: u8 }) -> file", LOOK).unwrap_err();
    assert_eq!(status, TORVYN_ERROR_TYPE_MISMATCH);
    assert!(said.contains(&format!("imports `{OPEN}`")), "{said}");

    let instance = instance_of(all(true, OPEN, LOOK).unwrap());
    unsafe {
        torvyn_instance_free(instance);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}

/// Passes a map on to the host and back, and a list of fixed length.
#[test]
fn maps_and_lists_of_fixed_length() {
    const BODY: &str = r#"
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $turn (canon lower (func $kit "turn") (memory $mem) (realloc $realloc)))
  (core func $four (canon lower (func $kit "four")))
  (core module $n
    (import "" "turn" (func $turn (param i32 i32 i32)))
    (import "" "four" (func $four (param i32 i32 i32 i32) (result i32)))
    (func (export "turn") (param i32 i32) (result i32)
      (call $turn (local.get 0) (local.get 1) (i32.const 16)) i32.const 16)
    (func (export "four") (param i32 i32 i32 i32) (result i32)
      (call $four (local.get 0) (local.get 1) (local.get 2) (local.get 3))))
  (core instance $j (instantiate $n (with "" (instance (export "turn" (func $turn)) (export "four" (func $four))))))
  (func (export "turn") (param "m" (map string u32)) (result (map string u32))
    (canon lift (core func $j "turn") (memory $mem) (realloc $realloc)))
  (func (export "four") (param "l" (list u16 4)) (result u32) (canon lift (core func $j "four")))"#;
    const IMPORT: &str = r#"(import "acme:kit/kit@0.1.0" (instance $kit
    (export "turn" (func (param "m" (map string u32)) (result (map string u32))))
    (export "four" (func (param "l" (list u16 4)) (result u32)))))"#;
    unsafe extern "C" fn echo(
        _: *mut c_void,
        _: *mut ScopeHandle,
        args: *const Value,
        _: usize,
        out: *mut Value,
    ) -> bool {
        unsafe {
            *out = *args;
            assert_eq!((*out).of.values.len, 2);
        }
        true
    }
    unsafe extern "C" fn sum(
        _: *mut c_void,
        _: *mut ScopeHandle,
        args: *const Value,
        _: usize,
        out: *mut Value,
    ) -> bool {
        unsafe {
            let values = std::slice::from_raw_parts((*args).of.values.data, (*args).of.values.len);
            *out = uint(Kind::TORVYN_KIND_U32, values.iter().map(|value| value.of.uint).sum());
        }
        true
    }
    let engine = engine(&config());
    let component = compiled(engine, component_with(IMPORT, BODY).as_bytes());
    let imports = imports(engine);
    let kit = "acme:kit/kit@0.1.0";
    assert_eq!(define(imports, kit, "turn", "func(m: map<string, u32>) -> map<string, u32>", Some(echo)).0, TORVYN_OK);
    assert_eq!(define(imports, kit, "four", "func(l: list<u16, 4>) -> u32", Some(sum)).0, TORVYN_OK);
    let instance = instance_of(link(component, imports).unwrap());
    let pair =
        |name, n| [value(Kind::TORVYN_KIND_STRING, ValueOf { string: Str::of(name) }), uint(Kind::TORVYN_KIND_U32, n)];
    let pairs = [pair("one", 1), pair("two", 2)];
    let tuple = |pair: &[Value; 2]| {
        value(Kind::TORVYN_KIND_TUPLE, ValueOf { values: ValueList { data: pair.as_ptr(), len: 2 } })
    };
    let list = |values: &[Value]| {
        value(Kind::TORVYN_KIND_LIST, ValueOf { values: ValueList { data: values.as_ptr(), len: values.len() } })
    };
    unsafe {
        torvyn_imports_free(imports);
        let tuples = [tuple(&pairs[0]), tuple(&pairs[1])];
        let turned = call(instance, "", "turn", &[list(&tuples)]).unwrap();
        assert_eq!(turned.kind.assume_init(), Kind::TORVYN_KIND_LIST);
        assert_eq!(turned.of.values.len, 2);
        let numbers = [1, 2, 3, 4].map(|n| uint(Kind::TORVYN_KIND_U16, n));
        assert_eq!(one(instance, "four", &[list(&numbers)]), Ok(10));
        assert_eq!(one(instance, "four", &[list(&numbers[..3])]).unwrap_err().0, TORVYN_ERROR_TYPE_MISMATCH);
        torvyn_instance_free(instance);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}

#[test]
fn a_feature_that_is_off_is_named() {
    let engine = engine(&config());
    for (text, status, says) in [
        (
            r#"(import "acme:a/b" (instance (export "f" (func (result error-context)))))"#,
            TORVYN_ERROR_UNSUPPORTED,
            "cm-error-context",
        ),
        (r#"(import "Not A Name" (func))"#, TORVYN_ERROR_MALFORMED, "not valid"),
    ] {
        let text = component_with(text, "");
        let (mut component, mut err) = (null_mut(), null_mut());
        let found =
            unsafe { torvyn_component_compile(engine, text.as_ptr(), text.len(), &raw mut component, &raw mut err) };
        let said = detail(found, err);
        assert_eq!(found, status, "{said}");
        assert!(said.contains(says), "{said}");
    }
    unsafe { torvyn_engine_free(engine) };
}

#[test]
fn a_host_function_may_fail_in_a_start_function() {
    unsafe extern "C" fn fail(_: *mut c_void, s: *mut ScopeHandle, _: *const Value, _: usize, _: *mut Value) -> bool {
        unsafe { torvyn_scope_fail(s, Str::of("not now")) };
        false
    }
    let text = component_with(
        r#"(import "what" (func $what)) (core func $w (canon lower (func $what)))
        (core module $n (import "" "w" (func $w)) (start $w))
        (core instance (instantiate $n (with "" (instance (export "w" (func $w))))))"#,
        "",
    );
    let engine = engine(&config());
    let component = compiled(engine, text.as_bytes());
    let imports = imports(engine);
    unsafe {
        assert_eq!(super::super::component::torvyn_component_path_reason(component).text("").unwrap(), "imports what");
        assert_eq!(define(imports, "", "what", "func()", Some(fail)).0, TORVYN_OK);
        let linked = link(component, imports).unwrap();
        let (mut instance, mut err) = (null_mut(), null_mut());
        let status = torvyn_instance_new(linked, 7, null(), &raw mut instance, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_HOST_FUNCTION);
        let said = detail(status, err);
        assert_eq!(said, "while it was instantiated: the host function what failed: not now");
        torvyn_linked_free(linked);
        torvyn_imports_free(imports);
        torvyn_component_free(component);
        torvyn_engine_free(engine);
    }
}

#[test]
fn names_are_those_of_wit() {
    let engine = engine(&config());
    let imports = imports(engine);
    for (interface, name) in [
        (" acme:a/b@1.0.0", "f"),
        ("bad_name", "f"),
        ("a:b/c@1.", "f"),
        ("a:b/c@1.0.0", ""),
        ("a:b/c@1.0.0", "f g"),
        ("", "-f"),
    ] {
        let (status, said) = define(imports, interface, name, "func()", Some(open));
        assert_eq!(status, TORVYN_ERROR_ARGUMENT, "{interface} {name}");
        assert!(said.contains("is no name of"), "{said}");
    }
    let seen = Seen::default();
    assert_eq!(resource(imports, "[method]a.b", "r", &seen), TORVYN_ERROR_ARGUMENT);
    assert_eq!(resource(imports, "a:b/c", "", &seen), TORVYN_ERROR_ARGUMENT);
    unsafe {
        torvyn_imports_free(imports);
        torvyn_engine_free(engine);
    }
}
