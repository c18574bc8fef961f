//! How much there is to a component, found before anything is made of it.
//!
//! Wasmtime's validation takes memory by the square of the number of components in a component, and
//! its translation goes through a component each time that those around it instantiate it: every
//! level may double what there is, so that a few hundred bytes come to more than memory holds.

use wasmparser::{
    Chunk, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, Instance, Parser,
    Payload, Result,
};

/// The most components within a component, at any depth: as many as one may hold at the first.
const COMPONENTS: usize = 1000;

/// The most items that a component may come to: imports, aliases, functions, instances with their
/// arguments, exports, each counted as often as what it stands in is instantiated.
const ITEMS: u64 = 1 << 20;

/// What a component comes to that is had from elsewhere: anything.
const UNKNOWN: u64 = u64::MAX;

/// What of a component is too much: a clause that follows "the component"; none where nothing is.
/// What is wrong with it otherwise is the validator's affair.
pub fn too_much(wasm: &[u8]) -> Option<String> {
    let mut extent = Extent { scopes: vec![Scope::new(Parser::new(0))], components: 0, widest: 0 };
    let items = extent.read(wasm).unwrap_or(0);
    if extent.components > COMPONENTS {
        Some(format!("holds more than {COMPONENTS} components"))
    } else if items == UNKNOWN {
        Some("instantiates a component that it does not hold itself".into())
    } else if items > ITEMS {
        Some(format!("comes to more than {ITEMS} items when the components in it are instantiated"))
    } else {
        None
    }
}

/// A component under way.
struct Scope {
    parser: Parser,
    items: u64,
    /// What each component of its index space comes to.
    components: Vec<u64>,
}

impl Scope {
    fn new(parser: Parser) -> Self {
        Self { parser, items: 0, components: Vec::new() }
    }

    fn count(&mut self, items: u64) {
        self.items = self.items.saturating_add(items);
    }

    fn component(&self, index: u32) -> u64 {
        self.components.get(index as usize).copied().unwrap_or(0) // else it is invalid
    }
}

struct Extent {
    /// From the outermost to the innermost.
    scopes: Vec<Scope>,
    components: usize,
    /// The most imports of a core module.
    widest: u64,
}

impl Extent {
    /// The items that the outermost component comes to.
    fn read(&mut self, wasm: &[u8]) -> Result<u64> {
        let mut rest = wasm;
        while let Some(scope) = self.scopes.last_mut() {
            let Chunk::Parsed { consumed, payload } = scope.parser.parse(rest, true)? else { break };
            rest = &rest[consumed..];
            match payload {
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    let Some((module, after)) = rest.split_at_checked(range.len()) else { break };
                    self.widest = self.widest.max(imports(module)?);
                    rest = after;
                }
                Payload::ComponentSection { parser, .. } => {
                    self.components += 1;
                    if self.components > COMPONENTS {
                        break;
                    }
                    self.scopes.push(Scope::new(parser));
                }
                Payload::End(_) => {
                    let items = scope.items;
                    self.scopes.pop();
                    match self.scopes.last_mut() {
                        Some(outer) => outer.components.push(items),
                        None => return Ok(items),
                    }
                }
                Payload::ComponentAliasSection(aliases) => {
                    for alias in aliases {
                        self.alias(&alias?);
                    }
                }
                Payload::ComponentImportSection(imports) => {
                    for import in imports {
                        scope.count(1);
                        if import?.ty.kind() == ComponentExternalKind::Component {
                            scope.components.push(UNKNOWN);
                        }
                    }
                }
                Payload::ComponentExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        scope.count(1);
                        if export.kind == ComponentExternalKind::Component {
                            scope.components.push(scope.component(export.index));
                        }
                    }
                }
                Payload::ComponentCanonicalSection(functions) => scope.count(functions.count().into()),
                Payload::InstanceSection(instances) => {
                    for instance in instances {
                        scope.count(match instance? {
                            Instance::Instantiate { args, .. } => 1 + args.len() as u64 + self.widest,
                            Instance::FromExports(exports) => 1 + exports.len() as u64,
                        });
                    }
                }
                Payload::ComponentInstanceSection(instances) => {
                    for instance in instances {
                        scope.count(match instance? {
                            ComponentInstance::Instantiate { component_index, args } => {
                                scope.component(component_index).saturating_add(1 + args.len() as u64)
                            }
                            ComponentInstance::FromExports(exports) => 1 + exports.len() as u64,
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(0)
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        let found = match *alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let outer = self.scopes.iter().rev().nth(count as usize);
                Some(outer.map_or(0, |scope| scope.component(index)))
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => Some(UNKNOWN),
            _ => None,
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.count(1);
            scope.components.extend(found);
        }
    }
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
        let mut extent = Extent { scopes: vec![Scope::new(Parser::new(0))], components: 0, widest: 0 };
        extent.read(&wasm).unwrap()
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
        assert_eq!(items(&format!("{one} {inner} (instance (instantiate $d)))")), 4);
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
}
