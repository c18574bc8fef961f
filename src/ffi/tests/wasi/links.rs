//! Which components with imports of WASI link, and with what.

use super::super::super::status::Trap;
use super::*;

/// A component of `lifecycle` alone, whose init calls an import, `$get: func() -> core-type`, where
/// it gets a configuration.
fn calling(imports: &str, core_type: &str) -> String {
    format!(
        r#"(component
  {imports}
  (core func $get (canon lower (func $get)))
  (core module $m
    (import "" "get" (func $get (result {core_type})))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "init") (param i32 i32) (result i32)
      (if (local.get 1) (then (drop (call $get)))) i32.const 0)
    (func (export "teardown")))
  (core instance $i (instantiate $m (with "" (instance (export "get" (func $get))))))
  (type $error' (variant (case "invalid-input" string) (case "unavailable" string) (case "internal" string)
    (case "deadline-exceeded") (case "fatal" string)))
  (export $error "process-error" (type $error'))
  (func $init (param "config" string) (result (result (error $error)))
    (canon lift (core func $i "init") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
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
  (export "torvyn:streaming/lifecycle@0.1.0" (instance $lifecycle)))"#
    )
}

/// One that imports one interface at some version.
pub fn versioned(version: &str) -> String {
    let random = format!(
        r#"(import "wasi:random/random@{version}" (instance $random (export "get-random-u64" (func (result u64)))))
  (alias export $random "get-random-u64" (func $get))"#
    );
    calling(&random, "i64")
}

/// One that imports HTTP as `componentize-js` does: with a name of its own for a resource of
/// `wasi:io`, and its own resource under two names.
const HTTP: &str = r#"(import "wasi:io/error@0.2.12" (instance $io (export "error" (type (sub resource)))))
  (alias export $io "error" (type $io-error))
  (import "wasi:http/types@0.2.10" (instance $types
    (export "io-error" (type (eq $io-error)))
    (export "fields" (type $fields (sub resource)))
    (export "[constructor]fields" (func (result (own $fields))))))
  (alias export $types "fields" (type $fields))
  (import "wasi:http/outgoing-handler@0.2.10" (instance (export "fields" (type (eq $fields)))))
  (alias export $types "[constructor]fields" (func $get))"#;

#[test]
fn http_links_and_is_refused() {
    let component = compiled(shared().engine, calling(HTTP, "i32").as_bytes());
    for imports in [null_mut(), imports()] {
        let instance = linked_instance(component, imports, null());
        let mut err = null_mut();
        logged();
        unsafe {
            assert_eq!(torvyn_init(instance, Str::of(""), null_mut()), TORVYN_OK);
            assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
            logged();
            let status = torvyn_init(instance, Str::of("call"), &raw mut err);
            assert_eq!((status, torvyn_error_trap(err)), (TORVYN_ERROR_TRAP, Trap::TORVYN_TRAP_OTHER));
            let said = detail(status, err);
            assert!(said.contains("wasi:http/types@0.2.10#[constructor]fields was called"), "{said}");
            torvyn_instance_free(instance);
        }
        let refused = "Warn 7: WASI refused wasi:http/types@0.2.10#[constructor]fields: HTTP is not provided";
        assert_eq!(logged(), [refused]);
    }
    unsafe { torvyn_component_free(component) };
    let other = HTTP.replace("@0.2.10", "@0.3.0");
    let component = compiled(shared().engine, calling(&other, "i32").as_bytes());
    let (mut linked, mut err) = (null_mut(), null_mut());
    unsafe {
        let status = torvyn_linked_new(component, null(), &raw mut linked, &raw mut err);
        assert_eq!(status, TORVYN_ERROR_UNRESOLVED_IMPORT);
        assert!(detail(status, err).contains("wasi:http/types@0.3.0"));
        torvyn_component_free(component);
    }
}

#[test]
fn every_version_of_wasi_0_2_links_and_no_other() {
    for patch in 0..=13 {
        let component = compiled(shared().engine, versioned(&format!("0.2.{patch}")).as_bytes());
        let instance = linked_instance(component, null_mut(), null());
        unsafe {
            assert_eq!(torvyn_init(instance, Str::of("call"), null_mut()), TORVYN_OK);
            torvyn_instance_free(instance);
            torvyn_component_free(component);
        }
    }
    for version in ["0.3.0", "0.1.0", "0.2.0-rc-2023-11-10", "1.2.0"] {
        let component = compiled(shared().engine, versioned(version).as_bytes());
        let (mut linked, mut err) = (null_mut(), null_mut());
        unsafe {
            let status = torvyn_linked_new(component, null(), &raw mut linked, &raw mut err);
            assert_eq!(status, TORVYN_ERROR_UNRESOLVED_IMPORT, "{version}");
            let said = detail(status, err);
            assert!(said.contains(&format!("wasi:random/random@{version}")) && said.contains("0.2"), "{said}");
            torvyn_component_free(component);
        }
    }
}
