//! How much there is to a component, found before anything is made of it.
//!
//! Wasmtime's validation takes memory by the square of the number of components in a component and
//! follows types as deep as they are nested; its translation goes through a component each time that
//! those around it instantiate it, and copies all that an instance holds where one is named. Every
//! level may double what there is, so that a few hundred bytes come to more than memory holds.

use std::collections::HashMap;

use wasmparser::{
    BinaryReader, Chunk, ComponentAlias, ComponentExport, ComponentExternName, ComponentExternalKind, ComponentImport,
    ComponentInstance, ComponentOuterAliasKind, ComponentType, ComponentTypeRef, CoreType, Instance, Parser, Payload,
    Result, TypeBounds,
};

/// The most components within a component, at any depth: as many as one may hold at the first.
const COMPONENTS: usize = 1000;

/// The most items that a component may come to: imports, aliases, functions, instances with their
/// arguments, exports, each counted as often as what it stands in is instantiated; and an instance
/// with all that it holds wherever it is named. Each may cost a kilobyte.
const ITEMS: u64 = 1 << 18;

/// How deep the types of components and instances may be nested.
const DEPTH: usize = 100;

/// What a component comes to that is had from elsewhere: anything.
const UNKNOWN: u64 = u64::MAX;

/// What of a component is too much: a clause that follows "the component"; none where nothing is.
/// What is wrong with it otherwise is the validator's affair.
pub fn too_much(wasm: &[u8]) -> Option<String> {
    let mut extent = Extent::default();
    let items = extent.total(wasm);
    if extent.too_deep {
        Some(format!("nests types more than {DEPTH} deep"))
    } else if extent.held > COMPONENTS {
        Some(format!("holds more than {COMPONENTS} components"))
    } else if items == UNKNOWN {
        Some("instantiates a component that it does not hold itself".into())
    } else if items > ITEMS {
        Some(format!("comes to more than {ITEMS} items when the components in it are instantiated"))
    } else {
        None
    }
}

/// What an instance holds, or says its type: how many items at any depth, and the instances and types
/// among them that hold any themselves.
#[derive(Default)]
struct Holding<'a> {
    items: u64,
    inner: HashMap<&'a str, u32>,
}

/// The holding of whatever has none.
const NOTHING: u32 = 0;

#[derive(Clone, Copy, Default)]
struct Component {
    /// What it comes to each time that it is instantiated.
    items: u64,
    /// What is copied with it: what it has of the components around it.
    closure: u64,
    /// The holding of its instances.
    holds: u32,
}

/// A component under way, or the type of one or of an instance.
#[derive(Default)]
struct Scope<'a> {
    parser: Parser,
    items: u64,
    closure: u64,
    /// Its exports.
    holds: Holding<'a>,
    /// The index spaces: modules by their imports, where they are known; instances and types by their
    /// holdings. Where an index is wrong, the validator says so.
    components: Vec<Component>,
    modules: Vec<Option<u64>>,
    instances: Vec<u32>,
    types: Vec<u32>,
}

fn at<T: Copy + Default>(space: &[T], index: u32) -> T {
    space.get(index as usize).copied().unwrap_or_default()
}

impl<'a> Scope<'a> {
    fn count(&mut self, items: u64) {
        self.items = self.items.saturating_add(items);
    }

    /// The holding of an item.
    fn holding(&self, kind: ComponentExternalKind, index: u32) -> u32 {
        match kind {
            ComponentExternalKind::Instance => at(&self.instances, index),
            ComponentExternalKind::Type => at(&self.types, index),
            _ => NOTHING,
        }
    }

    /// Takes an item that is had from elsewhere into its index space.
    fn take(&mut self, kind: ComponentExternalKind, holds: u32) {
        match kind {
            ComponentExternalKind::Component => self.components.push(Component { items: UNKNOWN, closure: 0, holds }),
            ComponentExternalKind::Instance => self.instances.push(holds),
            ComponentExternalKind::Type => self.types.push(holds),
            ComponentExternalKind::Module => self.modules.push(None),
            ComponentExternalKind::Func | ComponentExternalKind::Value => {}
        }
    }

    /// The same for one of a type; gives its holding.
    fn take_typed(&mut self, ty: ComponentTypeRef) -> u32 {
        let holds = match ty {
            ComponentTypeRef::Instance(index)
            | ComponentTypeRef::Component(index)
            | ComponentTypeRef::Type(TypeBounds::Eq(index)) => at(&self.types, index),
            _ => NOTHING,
        };
        self.take(ty.kind(), holds);
        holds
    }

    /// The same for one that is exported and so stands in its index space once more.
    fn take_again(&mut self, kind: ComponentExternalKind, index: u32) {
        match kind {
            ComponentExternalKind::Component => self.components.push(at(&self.components, index)),
            ComponentExternalKind::Module => self.modules.push(at(&self.modules, index)),
            _ => self.take(kind, self.holding(kind, index)),
        }
    }
}

#[derive(Default)]
struct Extent<'a> {
    /// From the outermost to the innermost.
    scopes: Vec<Scope<'a>>,
    /// What there is to hold.
    holdings: Vec<Holding<'a>>,
    /// How many components are in it.
    held: usize,
    too_deep: bool,
    /// The most imports of a core module, and whether one of which they are not known is instantiated.
    widest: u64,
    lent: bool,
}

impl<'a> Extent<'a> {
    /// The items that the outermost component comes to.
    fn total(&mut self, wasm: &'a [u8]) -> u64 {
        let items = self.read(wasm).unwrap_or(0);
        if !self.lent {
            return items;
        }
        // Again, now that it is known how wide that module may be.
        *self = Self { widest: self.widest, ..Self::default() };
        self.read(wasm).unwrap_or(0)
    }

    fn read(&mut self, wasm: &'a [u8]) -> Result<u64> {
        self.holdings.push(Holding::default());
        self.scopes.push(Scope { parser: Parser::new(0), ..Scope::default() });
        let mut rest = wasm;
        while let Some(scope) = self.scopes.last_mut() {
            let Chunk::Parsed { consumed, payload } = scope.parser.parse(rest, true)? else { break };
            rest = &rest[consumed..];
            match payload {
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    let Some((module, after)) = rest.split_at_checked(range.len()) else { break };
                    let imports = imports(module)?;
                    scope.modules.push(Some(imports));
                    self.widest = self.widest.max(imports);
                    rest = after;
                }
                Payload::ComponentSection { parser, .. } => {
                    self.held += 1;
                    if self.held > COMPONENTS {
                        break;
                    }
                    self.scopes.push(Scope { parser, ..Scope::default() });
                }
                Payload::End(_) => {
                    let Some(ended) = self.scopes.pop() else { break };
                    let Some(outer) = self.scopes.last_mut() else { return Ok(ended.items) };
                    outer.count(ended.closure);
                    let holds = keep(&mut self.holdings, ended.holds);
                    outer.components.push(Component { items: ended.items, closure: ended.closure, holds });
                }
                Payload::ComponentTypeSection(types) => {
                    let range = types.range();
                    let Some(section) = wasm.get(range.clone()) else { break };
                    self.types(&mut BinaryReader::new(section, range.start))?;
                    if self.too_deep {
                        break;
                    }
                }
                Payload::ComponentAliasSection(aliases) => {
                    for alias in aliases {
                        self.alias(&alias?);
                    }
                }
                Payload::ComponentImportSection(imports) => {
                    for import in imports {
                        let holds = scope.take_typed(import?.ty);
                        scope.count(cost(&self.holdings, holds));
                    }
                }
                Payload::ComponentExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let cost = give(&self.holdings, scope, &export);
                        scope.take_again(export.kind, export.index);
                        scope.count(cost);
                    }
                }
                Payload::ComponentCanonicalSection(functions) => scope.count(functions.count().into()),
                Payload::InstanceSection(instances) => {
                    for instance in instances {
                        scope.count(match instance? {
                            Instance::Instantiate { module_index, args } => {
                                let imports = at(&scope.modules, module_index);
                                self.lent |= imports.is_none();
                                1 + args.len() as u64 + imports.unwrap_or(self.widest)
                            }
                            Instance::FromExports(exports) => 1 + exports.len() as u64,
                        });
                    }
                }
                Payload::ComponentInstanceSection(instances) => {
                    for instance in instances {
                        self.instance(instance?);
                    }
                }
                _ => {}
            }
        }
        Ok(0)
    }

    fn instance(&mut self, instance: ComponentInstance<'a>) {
        let Some(scope) = self.scopes.last_mut() else { return };
        scope.count(1);
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                let component = at(&scope.components, component_index);
                scope.count(component.items);
                for arg in &args {
                    scope.count(named(&self.holdings, scope, arg.kind, arg.index));
                }
                scope.instances.push(component.holds);
            }
            ComponentInstance::FromExports(exports) => {
                let outer = std::mem::take(&mut scope.holds);
                for export in &exports {
                    let cost = give(&self.holdings, scope, export);
                    scope.count(cost);
                }
                let holds = std::mem::replace(&mut scope.holds, outer);
                scope.instances.push(keep(&mut self.holdings, holds));
            }
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) {
        match *alias {
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                let Some(scope) = self.scopes.last_mut() else { return };
                let from = &self.holdings[at(&scope.instances, instance_index) as usize];
                let holds = from.inner.get(name).copied().unwrap_or(NOTHING);
                scope.take(kind, holds);
                scope.count(cost(&self.holdings, holds));
            }
            ComponentAlias::Outer { kind, count, index } => self.outer_alias(kind, count as usize, index),
            ComponentAlias::CoreInstanceExport { .. } => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.count(1);
                }
            }
        }
    }

    fn outer_alias(&mut self, kind: ComponentOuterAliasKind, count: usize, index: u32) {
        let Some(from) = self.scopes.len().checked_sub(count + 1) else { return };
        let (mut closure, outer) = (0, &self.scopes[from]);
        let component = at(&outer.components, index);
        let (module, ty) = (at(&outer.modules, index), at(&outer.types, index));
        let Some(scope) = self.scopes.last_mut() else { return };
        match kind {
            ComponentOuterAliasKind::CoreModule => scope.modules.push(module),
            ComponentOuterAliasKind::Type => scope.types.push(ty),
            ComponentOuterAliasKind::Component => {
                closure = component.closure;
                scope.components.push(component);
            }
            ComponentOuterAliasKind::CoreType => {}
        }
        closure = u64::saturating_add(closure, 1);
        scope.count(closure);
        if !matches!(kind, ComponentOuterAliasKind::Type | ComponentOuterAliasKind::CoreType) {
            // All between have it, too.
            self.scopes[from + 1..].iter_mut().for_each(|s| s.closure = s.closure.saturating_add(closure));
        }
    }

    /// The types of a section: without recursion, which is for as deep as the stack is.
    fn types(&mut self, reader: &mut BinaryReader<'a>) -> Result<()> {
        const COMPONENT: u8 = 0x41;
        const INSTANCE: u8 = 0x42;
        // Of each type that is under way how much there is to come; of the section at the first.
        let mut left = vec![reader.read_var_u32()?];
        while let Some(&more) = left.last() {
            if more == 0 {
                left.pop();
                if !left.is_empty()
                    && let Some(ended) = self.scopes.pop()
                    && let Some(outer) = self.scopes.last_mut()
                {
                    outer.types.push(keep(&mut self.holdings, ended.holds));
                }
                continue;
            }
            let depth = left.len();
            left[depth - 1] -= 1;
            let Some(scope) = self.scopes.last_mut() else { break };
            match if depth == 1 { 0x01 } else { reader.read_u8()? } {
                0x00 => drop(reader.read::<CoreType<'_>>()?),
                0x01 if matches!(reader.clone().read_u8()?, COMPONENT | INSTANCE) => {
                    reader.read_u8()?;
                    left.push(reader.read_var_u32()?);
                    self.scopes.push(Scope::default());
                    if depth > DEPTH {
                        self.too_deep = true;
                        break;
                    }
                }
                0x01 => {
                    reader.read::<ComponentType<'_>>()?;
                    scope.types.push(NOTHING);
                }
                0x02 => {
                    let alias = reader.read()?;
                    self.alias(&alias);
                }
                0x03 => {
                    let import: ComponentImport<'a> = reader.read()?;
                    let holds = scope.take_typed(import.ty);
                    scope.holds.items = scope.holds.items.saturating_add(cost(&self.holdings, holds));
                }
                _ => {
                    let (name, ty): (ComponentExternName<'a>, ComponentTypeRef) = (reader.read()?, reader.read()?);
                    let holds = scope.take_typed(ty);
                    hold(&self.holdings, &mut scope.holds, name.name, holds);
                }
            }
        }
        Ok(())
    }
}

/// What naming an item costs that has this holding.
fn cost(holdings: &[Holding<'_>], holds: u32) -> u64 {
    holdings[holds as usize].items.saturating_add(1)
}

fn named(holdings: &[Holding<'_>], scope: &Scope<'_>, kind: ComponentExternalKind, index: u32) -> u64 {
    match kind {
        ComponentExternalKind::Component => at(&scope.components, index).closure.saturating_add(1),
        _ => cost(holdings, scope.holding(kind, index)),
    }
}

/// Adds an item to what holds it.
fn hold<'a>(holdings: &[Holding<'a>], into: &mut Holding<'a>, name: &'a str, holds: u32) {
    into.items = into.items.saturating_add(cost(holdings, holds));
    if holds != NOTHING {
        into.inner.insert(name, holds);
    }
}

/// Adds an export to what the scope holds; gives what that costs.
fn give<'a>(holdings: &[Holding<'a>], scope: &mut Scope<'a>, export: &ComponentExport<'a>) -> u64 {
    let holds = scope.holding(export.kind, export.index);
    hold(holdings, &mut scope.holds, export.name.name, holds);
    named(holdings, scope, export.kind, export.index)
}

fn keep<'a>(holdings: &mut Vec<Holding<'a>>, holding: Holding<'a>) -> u32 {
    if holding.items == 0 {
        return NOTHING;
    }
    holdings.push(holding);
    holdings.len() as u32 - 1
}

/// The number of a core module's imports.
fn imports(module: &[u8]) -> Result<u64> {
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => return Ok(imports.count().into()),
            Payload::Version { .. } | Payload::TypeSection(_) | Payload::CustomSection(_) => {}
            _ => break,
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> u64 {
        let wasm = wat::parse_str(text).unwrap();
        Extent::default().total(&wasm)
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
    fn a_component_from_elsewhere_has_no_bound() {
        let imported = "(component (import \"c\" (component $c)) (instance (instantiate $c)))";
        assert_eq!(items(imported), UNKNOWN);
        let wasm = wat::parse_str(imported).unwrap();
        assert!(too_much(&wasm).unwrap().contains("does not hold itself"));
        assert_eq!(items("(component (import \"c\" (component $c)))"), 1);
        let closure = "(component $f (component $g) (export \"g\" (component $g)))";
        let text =
            format!("(component {closure} (instance $i (instantiate $f)) (alias export $i \"g\" (component $g))");
        assert_eq!(items(&format!("{text} (instance (instantiate $g)))")), UNKNOWN);
    }

    /// Components of instances that each hold the one before twice.
    fn doubled(levels: usize, tail: &str) -> String {
        let mut text = String::from("(component (import \"f\" (func $f)) (instance $i0 (export \"a\" (func $f)))");
        for i in 1..=levels {
            let before = i - 1;
            text +=
                &format!("(instance $i{i} (export \"a\" (instance $i{before})) (export \"b\" (instance $i{before})))");
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
        assert_eq!(items(&doubled(2, given)), 19 + 1 + 1 + 11);
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
}
