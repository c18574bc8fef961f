use super::*;

/// `u64::MAX` for more than there may be.
fn items(text: &str) -> u64 {
    let wasm = wat::parse_str(text).unwrap();
    let extent = Extent::read(&wasm).ok();
    extent.and_then(|extent| extent.total()).map_or(u64::MAX, |total| total.items)
}

fn too_much(wasm: &[u8]) -> Option<String> {
    Extent::read(wasm).map_or_else(Some, |extent| extent.too_much())
}

#[test]
fn what_is_instantiated_counts_each_time() {
    assert_eq!(items("(component)"), 0);
    assert_eq!(items("(component (component (core module $m) (core instance (instantiate $m))))"), 0);
    let one = "(component (component $c (core module $m) (core instance (instantiate $m)))";
    assert_eq!(items(&format!("{one} (instance (instantiate $c)))")), 2);
    assert_eq!(items(&format!("{one} (instance (instantiate $c)) (instance (instantiate $c)))")), 4);
    // Through an alias of an inner component, and under the name of an export.
    let inner = "(component $d (alias outer 1 $c (component $e)) (instance (instantiate $e)))";
    assert_eq!(items(&format!("{one} {inner} (instance (instantiate $d)))")), 1 + 4);
    assert_eq!(items(&format!("{one} (export $x \"x\" (component $c)) (instance (instantiate $x)))")), 3);
}

#[test]
fn a_core_instance_counts_what_its_module_imports() {
    let module = "(core module $m (import \"a\" \"b\" (func)) (import \"a\" \"c\" (func)))";
    let given = "(core module $a (func (export \"b\")) (func (export \"c\"))) (core instance $a (instantiate $a))";
    let text = format!("(component {given} {module} (core instance (instantiate $m (with \"a\" (instance $a)))))");
    assert_eq!(items(&text), 1 + 4);
}

#[test]
fn a_component_counts_as_what_it_is_wherever_it_is_had_from() {
    // From outside of the whole: nobody can link it.
    assert_eq!(items("(component (import \"c\" (component)))"), 1);
    assert_eq!(items("(component (import \"c\" (component $c)) (instance (instantiate $c)))"), 2);
    // What an inner component has comes to 3 each time: it, and a core instance of two imports.
    let inner = "(component $g (core module $m (import \"\" \"a\" (func))) (core module $n (func (export \"a\")))
        (core instance $n (instantiate $n)) (core instance (instantiate $m (with \"\" (instance $n)))))";
    assert_eq!(items(&format!("(component {inner} (instance (instantiate $g)))")), 1 + 4);
    // An export of an instance.
    let exported = format!(
        "(component $f {inner} (export \"g\" (component $g))) (instance $i (instantiate $f))
        (alias export $i \"g\" (component $h))"
    );
    let once = items(&format!("(component {exported} (instance (instantiate $h)))"));
    assert_eq!(once, (1 + 1) + 1 + (1 + 4));
    let twice = items(&format!("(component {exported} (instance (instantiate $h)) (instance (instantiate $h)))"));
    assert_eq!(twice, once + 5);
    // And of one made of exports.
    let bundled = "(instance $b (export \"g\" (component $g))) (alias export $b \"g\" (component $h))";
    assert_eq!(items(&format!("(component {inner} {bundled} (instance (instantiate $h)))")), 2 + 1 + 5);
    // An argument, instantiated twice.
    let caller = "(component $f (import \"c\" (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))";
    let given = format!("(component {inner} {caller} (instance (instantiate $f (with \"c\" (component $g)))))");
    assert_eq!(items(&given), 2 + 1 + 2 * 5);
    // An argument that is passed on to an argument.
    let applied = "(component $apply (import \"f\" (component $f (import \"c\" (component))))
        (import \"c\" (component $c)) (instance (instantiate $f (with \"c\" (component $c)))))";
    let text = format!(
        "(component {inner} {caller} {applied}
        (instance (instantiate $apply (with \"f\" (component $f)) (with \"c\" (component $g)))))"
    );
    assert_eq!(items(&text), 3 + 2 + (2 + 1 + 2 * 5));
}

#[test]
fn an_argument_that_doubles_is_too_much() {
    let mut text = String::from("(component (component $c0 (core module $m) (core instance (instantiate $m)))\n");
    text += "(component $twice (import \"c\" (component $c)) (component $d (alias outer 1 $c (component $e))
        (instance (instantiate $e)) (instance (instantiate $e))) (export \"d\" (component $d)))\n";
    for i in 0..40 {
        let given = format!("(instance $i{i} (instantiate $twice (with \"c\" (component $c{i}))))");
        text += &format!("{given} (alias export $i{i} \"d\" (component $c{}))\n", i + 1);
        let whole = format!("{text} (instance (instantiate $c{})))", i + 1);
        let wasm = wat::parse_str(whole).unwrap();
        assert_eq!(too_much(&wasm).is_some_and(|what| what.contains("items")), i >= 15, "{i}");
    }
}

#[test]
fn what_only_takes_steps_is_bounded_too() {
    // A thousand types in what is instantiated two thousand times.
    let types = "(type (list u8))".repeat(1000);
    let instances = "(instance (instantiate $c))".repeat(2000);
    let wasm = wat::parse_str(format!("(component (component $c {types}) {instances})")).unwrap();
    assert!(too_much(&wasm).is_some_and(|what| what.contains("items")));
    let instances = "(instance (instantiate $c))".repeat(500);
    let wasm = wat::parse_str(format!("(component (component $c {types}) {instances})")).unwrap();
    assert_eq!(too_much(&wasm), None);
}

#[test]
fn what_is_written_down_is_bounded_before_it_is_validated() {
    // Of a component that nobody instantiates.
    let nested = |leaf: &str, levels: usize, tail: &str| {
        let mut text = format!("(component (component (type $t0 (instance (export \"f\" {leaf})))");
        for i in 1..=levels {
            let twice = format!("(instance (type $t{}))", i - 1);
            text += &format!("(type $t{i} (instance (export \"a\" {twice}) (export \"b\" {twice})))");
        }
        let wasm = wat::parse_str(format!("{text} (import \"i\" (instance $i (type $t{levels}))) {tail}))")).unwrap();
        Extent::read(&wasm).err()
    };
    let again = "(export \"o\" (instance $i))";
    assert_eq!(nested("(func)", 18, ""), None);
    assert!(nested("(func)", 18, again).is_some_and(|what| what.contains("items")));
    // 2ⁿ resources that are n + 1 deep.
    let resource = "(type (sub resource))";
    assert_eq!(nested(resource, 12, again), None);
    let more = again.to_owned() + "(export \"p\" (instance $i)) (export \"q\" (instance $i))";
    assert!(nested(resource, 12, &more).is_some_and(|what| what.contains("resources")));
    assert!(nested(resource, 13, "").is_some_and(|what| what.contains("resources")));
    // Those of a component are those of each of its instances.
    let owner = "(component $c (type $r (resource (rep i32))) (export \"r\" (type $r)))";
    let of = |n: usize| {
        let instances = "(instance (instantiate $c))".repeat(n);
        Extent::read(&wat::parse_str(format!("(component {owner} {instances})")).unwrap()).unwrap().resources
    };
    assert_eq!(of(7) - of(0), 7);
}

#[test]
fn memories_of_a_composed_component_are_bounded() {
    let with = |inner: &str, n: usize| {
        let instances = "(core instance (instantiate $m))".repeat(n);
        let wasm = wat::parse_str(format!("(component (core module $m (memory 1)) {instances} {inner})")).unwrap();
        too_much(&wasm).is_some_and(|what| what.contains("memories"))
    };
    let inner = "(component $c) (instance (instantiate $c))";
    assert!(!with("", 101) && !with(inner, 100) && with(inner, 101));
}

/// Components of instances that each hold the one before twice.
fn doubled(levels: usize, tail: &str) -> String {
    let mut text = String::from("(component (import \"f\" (func $f)) (instance $i0 (export \"a\" (func $f)))");
    for i in 1..=levels {
        let before = i - 1;
        text += &format!("(instance $i{i} (export \"a\" (instance $i{before})) (export \"b\" (instance $i{before})))");
    }
    text + tail + ")"
}

#[test]
fn an_instance_counts_all_that_it_holds_wherever_it_is_named() {
    // Each holds 3 · 2ⁿ - 2, and costs one more.
    assert_eq!(items(&doubled(0, "")), 1 + 2);
    assert_eq!(items(&doubled(2, "")), 1 + 2 + 5 + 11);
    assert_eq!(items(&doubled(2, "(export \"x\" (instance $i2))")), 19 + 11);
    // Through an alias it is as much as what is aliased holds.
    let alias = "(alias export $i2 \"a\" (instance $j)) (alias export $j \"b\" (instance $k))";
    assert_eq!(items(&doubled(2, alias)), 19 + 5 + 2);
    let given = "(component $c (import \"i\" (instance))) (instance (instantiate $c (with \"i\" (instance $i2))))";
    // Which is given, and then imported.
    assert_eq!(items(&doubled(2, given)), 19 + 1 + 11 + 11);
    // An instance of a component holds what that exports.
    let exported = "(component $c (import \"f\" (func $f)) (instance $i (export \"a\" (func $f)))
        (export \"i\" (instance $i))) (instance $i (instantiate $c (with \"f\" (func $f))))
        (alias export $i \"i\" (instance $j)) (export \"j\" (instance $j))";
    assert_eq!(items(&doubled(0, exported)), 3 + (1 + (1 + 2 + 2) + 1) + 2 + 2);
    let text = doubled(40, "");
    assert!(too_much(&wat::parse_str(text).unwrap()).unwrap().contains("items"));
}

#[test]
fn an_import_counts_what_its_type_says() {
    let mut text = String::from("(component (type $t0 (instance (export \"f\" (func))))");
    for i in 1..=40 {
        let nested = format!("(instance (type $t{}))", i - 1);
        text += &format!("(type $t{i} (instance (export \"a\" {nested}) (export \"b\" {nested})))");
    }
    assert_eq!(items(&format!("{text})")), 0);
    assert_eq!(items(&format!("{text} (import \"i\" (instance (type $t2))))")), 11);
    assert_eq!(items(&format!("{text} (import \"i\" (instance $i (type $t2))) (export \"i\" (instance $i)))")), 22);
    assert!(items(&format!("{text} (import \"i\" (instance (type $t40))))")) > ITEMS);
    // Nested, and from around.
    let within = "(component (type $a (instance (export \"f\" (func)) (export \"g\" (func))))
        (type $b (instance (alias outer 1 $a (type $c)) (export \"i\" (instance (type $c)))
        (type $d (instance (export \"h\" (func)))) (export \"j\" (instance (type $d)))))
        (import \"b\" (instance (type $b))))";
    assert_eq!(items(within), 1 + 3 + 2);
}

#[test]
fn a_module_counts_its_own_imports_and_one_from_elsewhere_the_most() {
    let wide = "(core module $w (import \"a\" \"b\" (func)) (import \"a\" \"c\" (func)))";
    let narrow = "(core module $n) (core instance (instantiate $n))";
    assert_eq!(items(&format!("(component {wide} {narrow})")), 1);
    let lent = "(component $c (import \"m\" (core module $m)) (core instance (instantiate $m)))";
    let text = format!("(component {lent} {wide} (instance (instantiate $c (with \"m\" (core module $w)))))");
    assert_eq!(items(&text), (1 + 1 + 2) + 1 + 1);
}

#[test]
fn a_component_is_copied_with_what_it_has_from_around_it() {
    let mut text = String::from("(component (core module $m) (component $c0 (alias outer 1 $m (core module)))");
    for i in 1..=40 {
        let twice = format!("(alias outer 1 $c{} (component))", i - 1).repeat(2);
        text += &format!("(component $c{i} {twice})");
        if i == 2 {
            assert_eq!(items(&format!("{text})")), 1 + 4 + 10);
        }
    }
    assert!(items(&(text + ")")) > ITEMS);
}

#[test]
fn types_are_not_nested_deeply() {
    for (kind, levels, refused) in [(0x41, 99, false), (0x42, 99, false), (0x41, 101, true), (0x42, 20_000, true)] {
        let mut body = vec![1];
        (0..levels).for_each(|_| body.extend([kind, 1, 1]));
        body.extend([0x42, 0]);
        let mut wasm = b"\0asm\x0d\0\x01\0\x07".to_vec();
        let mut len = body.len();
        while len > 127 {
            wasm.push(len as u8 | 128);
            len >>= 7;
        }
        wasm.push(len as u8);
        wasm.extend(body);
        assert_eq!(too_much(&wasm).is_some_and(|what| what.contains("deep")), refused, "{levels}");
    }
}
