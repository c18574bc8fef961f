//! Every feature of the table in `engine/features.rs`, by what needs it: one that is on runs right on
//! both paths, one that is off is refused by its name.

use wasmparser::WasmFeatures as Flags;

use super::super::other::{torvyn_call, torvyn_values_free, torvyn_values_get};
use super::*;
use crate::engine::features::{FEATURES, Use, name};

/// A component with lifecycle, whose `init` traps where `run` of the core instance `$x` does not give
/// 42; exports that, too.
fn component(x: &str) -> String {
    format!(
        r#"(component
  (import "torvyn:streaming/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "unavailable" string)
      (case "internal" string) (case "deadline-exceeded") (case "fatal" string)))
    (export "process-error" (type (eq $e)))))
  (alias export $types "process-error" (type $error))
  {x}
  (core module $m
    (import "x" "run" (func $run (result i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "init") (param i32 i32) (result i32)
      (if (i32.ne (call $run) (i32.const 42)) (then (unreachable))) (i32.const 0))
    (func (export "teardown")))
  (core instance $m (instantiate $m (with "x" (instance $x))))
  (func $init (param "config" string) (result (result (error $error)))
    (canon lift (core func $m "init") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (func $teardown (canon lift (core func $m "teardown")))
  (instance $life (export "init" (func $init)) (export "teardown" (func $teardown)))
  (export "torvyn:streaming/lifecycle@0.1.0" (instance $life))
  (func (export "run") (result u32) (canon lift (core func $x "run"))))"#
    )
}

/// The core instance `$x` of a module with these fields, which has the function `$run`.
fn module(fields: &str) -> String {
    format!("(core module $x {fields} (export \"run\" (func $run)))\n  (core instance $x (instantiate $x))")
}

/// A function `f` of this type in a component of its own, called by another one's `passed`: what it does,
/// and what the caller's memory holds at 0, and does.
fn passed(ty: &str, body: &str, data: &str, call: &str) -> String {
    format!(
        r#"(component $callee
    (core module $m (memory (export "memory") 1) (global $at (mut i32) (i32.const 1024))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $p i32)
        (local.set $p (i32.and (i32.add (global.get $at) (i32.const 7)) (i32.const -8)))
        (global.set $at (i32.add (local.get $p) (local.get 3))) (local.get $p))
      {body})
    (core instance $m (instantiate $m))
    (func (export "f") {ty} (canon lift (core func $m "f")
      (memory (core memory $m "memory")) (realloc (core func $m "realloc")))))
  (component $caller
    (import "f" (func $f {ty}))
    (core module $memory (memory (export "memory") 1) (data (i32.const 0) "{data}"))
    (core instance $memory (instantiate $memory))
    (core func $f (canon lower (func $f) (memory (core memory $memory "memory"))))
    (core module $m {call})
    (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
    (func (export "run") (result u32) (canon lift (core func $m "run"))))
  (instance $callee (instantiate $callee))
  (instance $caller (instantiate $caller (with "f" (func $callee "f"))))
  (export "passed" (func $caller "run"))
  {}"#,
        module("(func $run (result i32) (i32.const 42))")
    )
}

/// What needs a feature that is on, and gives 42 by it.
fn on(flag: Flags) -> String {
    let body = match flag {
        Flags::MUTABLE_GLOBAL => {
            return r#"(core module $g (global (export "g") (mut i32) (i32.const 40)))
  (core instance $g (instantiate $g))
  (core module $x (import "g" "g" (global $g (mut i32)))
    (func (export "run") (result i32) (global.set $g (i32.const 42)) (global.get $g)))
  (core instance $x (instantiate $x (with "g" (instance $g))))"#
                .into();
        }
        Flags::SATURATING_FLOAT_TO_INT => {
            "(func $run (result i32) (i32.add (i32.const 43) (i32.or (i32.trunc_sat_f32_s (f32.const nan))
                (i32.add (i32.trunc_sat_f64_s (f64.const 1e10)) (i32.const 0x80000000)))))"
        }
        Flags::SIGN_EXTENSION => "(func $run (result i32) (i32.add (i32.extend8_s (i32.const 0xff)) (i32.const 43)))",
        Flags::REFERENCE_TYPES => {
            "(table $a 1 funcref) (table $b 2 funcref) (elem declare func $f) (type $t (func (result i32)))
            (func $f (result i32) (i32.const 40))
            (func $run (result i32)
              (table.set $a (i32.const 0) (select (result funcref) (ref.func $f) (ref.null func) (i32.const 1)))
              (drop (table.grow $b (table.get $a (i32.const 0)) (i32.const 3)))
              (table.fill $b (i32.const 0) (table.get $b (i32.const 4)) (i32.const 2))
              (i32.add (call_indirect $b (type $t) (i32.const 1))
                (i32.sub (i32.add (table.size $b) (ref.is_null (table.get $a (i32.const 0)))) (i32.const 3))))"
        }
        Flags::MULTI_VALUE => {
            "(func $two (result i32 i32) (i32.const 50) (i32.const 8)) (func $run (result i32) (call $two) (i32.sub))"
        }
        Flags::BULK_MEMORY | Flags::BULK_MEMORY_OPT => {
            "(memory 1) (data $d \"*\") (table 4 funcref) (elem $e func $run)
            (func $run (result i32)
              (memory.init $d (i32.const 8) (i32.const 0) (i32.const 1)) (data.drop $d)
              (memory.copy (i32.const 16) (i32.const 8) (i32.const 1)) (memory.fill (i32.const 8) (i32.const 0) (i32.const 8))
              (table.init $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)
              (table.copy (i32.const 1) (i32.const 0) (i32.const 2))
              (i32.add (i32.load8_u (i32.const 16)) (i32.load8_u (i32.const 8))))"
        }
        Flags::SIMD => {
            "(func $run (result i32) (i32x4.extract_lane 3
              (i32x4.mul (v128.const i32x4 1 2 3 6) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 28 29 30 31
                (v128.const i32x4 0 0 0 0) (v128.const i32x4 1 3 5 7)))))"
        }
        Flags::RELAXED_SIMD => {
            "(func $run (result i32) (i32x4.extract_lane 1
              (i32x4.relaxed_trunc_f32x4_s (f32x4.relaxed_madd (f32x4.splat (f32.const 6)) (f32x4.splat (f32.const 6))
                (f32x4.splat (f32.const 6))))))"
        }
        Flags::TAIL_CALL => {
            "(type $t (func (param i32 i32) (result i32))) (table funcref (elem $down))
            (func $down (type $t) (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
              (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (i32.const 0)))
            (func $run (result i32) (return_call $down (i32.const 1000000) (i32.const 42)))"
        }
        Flags::FLOATS => {
            "(func $run (result i32) (i32.trunc_f64_s (f64.add (f64.sqrt (f64.const 1681)) (f64.nearest (f64.const 1.4)))))"
        }
        Flags::MULTI_MEMORY => {
            "(memory $a 1) (memory $b 1) (data (memory $b) (i32.const 4) \"*\")
            (func $run (result i32) (memory.copy $a $b (i32.const 8) (i32.const 4) (i32.const 1))
              (i32.sub (i32.load8_u $a (i32.const 8)) (i32.load8_u $b (i32.const 8))))"
        }
        Flags::MEMORY64 => {
            "(memory i64 1 3) (table $t i64 2 9 funcref) (elem (table $t) (i64.const 1) func $f)
            (func $f (result i32) (i32.load offset=4 (i64.const 0xffff)))
            (func $run (result i32)
              (if (i64.ne (memory.grow (i64.const 1)) (i64.const 1)) (then (unreachable)))
              (if (i64.ne (memory.grow (i64.const 0xffffffffffff)) (i64.const -1)) (then (unreachable)))
              (if (i64.ne (table.grow $t (ref.null func) (i64.const 4)) (i64.const 2)) (then (unreachable)))
              (if (i64.ne (table.grow $t (ref.null func) (i64.const -5)) (i64.const -1)) (then (unreachable)))
              (i32.store (i64.const 0x10003) (i32.const 41)) (memory.copy (i64.const 8) (i64.const 0x10003) (i64.const 4))
              (i32.add (i32.load (i64.const 8)) (i32.eq (call_indirect $t (result i32) (i64.const 1)) (i32.const 41))))"
        }
        Flags::EXTENDED_CONST => {
            "(global $g i32 (i32.mul (i32.add (i32.const 5) (i32.const 2)) (i32.const 6)))
            (func $run (result i32) (global.get $g))"
        }
        Flags::FUNCTION_REFERENCES => {
            "(type $t (func (param i32) (result i32))) (elem declare func $f $g)
            (func $f (type $t) (i32.add (local.get 0) (i32.const 1)))
            (func $g (type $t) (return_call_ref $t (i32.mul (local.get 0) (i32.const 2)) (ref.func $f)))
            (table $typed 3 (ref $t) (ref.func $f)) (table $null 2 (ref null $t)) (global $c (ref $t) (ref.func $g))
            (func $or (param $r (ref null $t)) (result i32)
              (block $none (br_on_null $none (local.get $r)) (drop) (return (i32.const 7))) (i32.const 1))
            (func $some (param $r (ref null $t)) (result i32)
              (block $is (result (ref $t)) (br_on_non_null $is (local.get $r)) (return (i32.const 3))) (drop) (i32.const 5))
            (func $run (result i32) (local $l (ref $t))
              (local.set $l (ref.as_non_null (table.get $typed (i32.const 2))))
              (table.set $null (i32.const 1) (global.get $c))
              ;; 1 + 7 + 3 + 5 + 20 + 6
              (i32.add (call $or (table.get $null (i32.const 0)))
              (i32.add (call $or (table.get $null (i32.const 1)))
              (i32.add (call $some (table.get $null (i32.const 0)))
              (i32.add (call $some (table.get $null (i32.const 1)))
              (i32.add (call_ref $t (i32.const 19) (local.get $l))
                (i32.sub (call_ref $t (i32.const 3) (global.get $c)) (ref.is_null (table.get $null (i32.const 1))))))))) (drop)
              (i32.add (call_ref $t (i32.const 34) (local.get $l)) (call_ref $t (i32.const 3) (global.get $c))))"
        }
        Flags::CALL_INDIRECT_OVERLONG => {
            "(table $a 1 funcref) (table $b funcref (elem $f)) (func $f (result i32) (i32.const 42))
            (func $run (result i32) (call_indirect $b (result i32) (i32.const 0)))"
        }
        Flags::COMPONENT_MODEL => "(func $run (result i32) (i32.const 42))",
        Flags::CM_MAP => {
            return passed(
                "(param \"m\" (map u32 u32)) (result u32)",
                "(func (export \"f\") (param $at i32) (param $n i32) (result i32)
                   (i32.add (i32.mul (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
                     (i32.mul (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)))))",
                "\\05\\00\\00\\00\\06\\00\\00\\00\\04\\00\\00\\00\\03\\00\\00\\00",
                "(import \"\" \"f\" (func $f (param i32 i32) (result i32)))
                 (func (export \"run\") (result i32) (call $f (i32.const 0) (i32.const 2)))",
            );
        }
        Flags::CM_FIXED_LENGTH_LISTS => {
            return passed(
                "(param \"l\" (list u8 1000)) (result u32)",
                "(func (export \"f\") (param $at i32) (result i32)
                   (i32.add (i32.load8_u (local.get $at)) (i32.load8_u offset=999 (local.get $at))))",
                &format!("\\21{}\\09", "\\01".repeat(998)),
                "(import \"\" \"f\" (func $f (param i32) (result i32)))
                 (func (export \"run\") (result i32) (call $f (i32.const 0)))",
            );
        }
        other => panic!("{other:?} is on and has no test"),
    };
    module(body)
}

/// What needs a feature that is off.
fn off(flag: Flags) -> String {
    let body = match flag {
        Flags::THREADS => "(memory 1) (func $run (result i32) (i32.atomic.load (i32.const 0)))",
        Flags::SHARED_EVERYTHING_THREADS => "(type (shared (func))) (func $run (result i32) (i32.const 42))",
        Flags::EXCEPTIONS => "(tag $t) (func $run (result i32) (throw $t))",
        Flags::MEMORY_CONTROL => {
            "(memory 1) (func $run (result i32) (memory.discard (i32.const 0) (i32.const 0)) (i32.const 42))"
        }
        Flags::GC => {
            "(type $a (sub (func (param i32) (result i32)))) (table funcref (elem $f)) (func $f (type $a) (local.get 0))
            (func $run (result i32) (call_indirect (type $a) (i32.const 42) (i32.const 0)))"
        }
        Flags::CUSTOM_PAGE_SIZES => "(memory 8 (pagesize 1)) (func $run (result i32) (memory.size))",
        Flags::LEGACY_EXCEPTIONS => "(func $run (result i32) try (result i32) i32.const 42 catch_all i32.const 1 end)",
        Flags::GC_TYPES => "(func $run (result i32) (ref.is_null (ref.null extern)))",
        Flags::STACK_SWITCHING => "(type $f (func)) (type (cont $f)) (func $run (result i32) (i32.const 42))",
        Flags::WIDE_ARITHMETIC => {
            "(func $run (result i32) (drop (i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1))) (i32.wrap_i64))"
        }
        Flags::CUSTOM_DESCRIPTORS => {
            "(rec (type $a (descriptor $b) (struct)) (type $b (describes $a) (struct))) (func $run (result i32) (i32.const 42))"
        }
        flag => {
            let run = module("(func $run (result i32) (i32.const 42)) (memory (export \"memory\") 1)");
            let fields = match flag {
                Flags::COMPACT_IMPORTS => "(core module (import \"a\" (item \"b\" (func)) (item \"c\" (func))))",
                Flags::CM_VALUES => "(type (component (import \"v\" (value string))))",
                Flags::CM_NESTED_NAMES => "(import \"a:b:c/d\" (instance))",
                Flags::CM_ASYNC => "(import \"f\" (func async))",
                Flags::CM_ASYNC_STACKFUL => {
                    "(type $f (func async)) (func (type $f) (canon lift (core func $x \"go\") async))"
                }
                Flags::CM_MORE_ASYNC_BUILTINS => "(core func (canon subtask.cancel async))",
                Flags::CM_THREADING => "(core func (canon thread.index))",
                Flags::CM_ERROR_CONTEXT => "(core func (canon error-context.drop))",
                Flags::CM_GC => "(func (result u32) (canon lift (core func $x \"run\") gc))",
                Flags::CM64 => {
                    "(core module $w (memory (export \"memory\") i64 1)) (core instance $w (instantiate $w))
                    (import \"g\" (func $g (param \"s\" string)))
                    (core func (canon lower (func $g) (memory (core memory $w \"memory\"))))"
                }
                Flags::CM_IMPLEMENTS => "(import \"n\" (implements \"a:b/c\") (instance))",
                Flags::CM_CANON_NAMES => "(import \"a:b/c@1\" (version-suffix \".0.0\") (instance))",
                other => panic!("{other:?} is off and has no test"),
            };
            let run = run.replace("(memory (export", "(func (export \"go\")) (memory (export");
            return format!("{run}\n  {fields}");
        }
    };
    module(body)
}

/// The engine's configuration in which all is on that may be.
fn everything(path: Path) -> EngineConfig {
    let on = std::mem::MaybeUninit::new(Switch::TORVYN_ON);
    EngineConfig { path: std::mem::MaybeUninit::new(path), relaxed_simd: on, multi_memory: on, ..config() }
}

#[test]
fn a_feature_that_is_on_runs_on_both_paths() {
    let engines = [Path::TORVYN_PATH_DIRECT, Path::TORVYN_PATH_GENERAL].map(|path| engine(&everything(path)));
    for (flag, usage) in FEATURES {
        if matches!(usage, Use::Off(_)) {
            continue;
        }
        let text = component(&on(flag));
        for (general, engine) in engines.into_iter().enumerate() {
            // Which is for the general path.
            let is_passed = matches!(flag, Flags::CM_MAP | Flags::CM_FIXED_LENGTH_LISTS);
            if general == 0 && is_passed {
                continue;
            }
            let (mut component, mut linked, mut instance) = (null_mut(), null_mut(), null_mut());
            let mut err = null_mut();
            unsafe {
                let status =
                    torvyn_component_compile(engine, text.as_ptr(), text.len(), &raw mut component, &raw mut err);
                assert_eq!(status, TORVYN_OK, "{flag:?}: {:?}\n{text}", torvyn_error_message(err).text(""));
                assert_eq!(torvyn_linked_new(component, null(), &raw mut linked, null_mut()), TORVYN_OK, "{flag:?}");
                assert_eq!(
                    torvyn_instance_new(linked, 7, null(), &raw mut instance, null_mut()),
                    TORVYN_OK,
                    "{flag:?}"
                );
                let status = torvyn_init(instance, Str::of(""), &raw mut err);
                assert_eq!(status, TORVYN_OK, "{flag:?}: {:?}", torvyn_error_message(err).text(""));
                if general == 1 {
                    assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
                    let mut values = null_mut();
                    let (none, run) = (Str::of(""), Str::of(if is_passed { "passed" } else { "run" }));
                    assert_eq!(torvyn_call(instance, none, run, null(), 0, &raw mut values, null_mut()), TORVYN_OK);
                    assert_eq!((*torvyn_values_get(values, 0)).of.uint, 42, "{flag:?}");
                    torvyn_values_free(values);
                }
                torvyn_instance_free(instance);
                torvyn_linked_free(linked);
                torvyn_component_free(component);
            }
        }
    }
    engines.into_iter().for_each(|engine| unsafe { torvyn_engine_free(engine) });
}

#[test]
fn a_feature_that_is_off_is_refused_by_name() {
    let engines = [Path::TORVYN_PATH_AUTO, Path::TORVYN_PATH_GENERAL].map(|path| engine(&everything(path)));
    let refused = |engine, text: &str, flag| {
        let (mut component, mut err) = (null_mut(), null_mut());
        let status =
            unsafe { torvyn_component_compile(engine, text.as_ptr(), text.len(), &raw mut component, &raw mut err) };
        let said = unsafe { torvyn_error_message(err).text("").unwrap().to_owned() };
        assert_eq!(status, TORVYN_ERROR_UNSUPPORTED, "{flag:?}: {said}\n{text}");
        assert!(said.contains(&format!("{}, which is off", name(flag))), "{flag:?}: {said}");
        unsafe { torvyn_error_free(err) };
        said
    };
    for (flag, usage) in FEATURES {
        let Use::Off(why) = usage else { continue };
        for engine in engines {
            assert!(refused(engine, &component(&off(flag)), flag).contains(why), "{flag:?}");
        }
    }
    engines.into_iter().for_each(|engine| unsafe { torvyn_engine_free(engine) });
    // What an option turns off.
    let off = EngineConfig { simd: std::mem::MaybeUninit::new(Switch::TORVYN_OFF), ..config() };
    let engine = engine(&off);
    for (flag, usage) in FEATURES {
        let Use::Option(field, _) = usage else { continue };
        assert!(refused(engine, &component(&on(flag)), flag).contains(&format!("`{field}`")), "{flag:?}");
    }
    unsafe { torvyn_engine_free(engine) };
}
