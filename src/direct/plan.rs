//! What a component is and how to run it, read from Wasmtime's own translation.
//!
//! `wasmtime_environ::component::Translator` flattens a component into the list of steps that
//! Wasmtime's component runtime executes. This file, and no other, reads that list (`compare` below
//! it reads the types): it lists roles, imports and exports, checks their types against the contract
//! and WASI, and gives a [`Plan`] of our own where the component is eligible for the direct path, or
//! the reason why it is not.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::shapes::Import;
use super::wasi::{Wasi, WasiResource};
use crate::contract::host::Resource;
use crate::contract::{Function, Roles};
use crate::engine::config::PathChoice;

/// A core export: which core instance of the plan, and the export's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreRef {
    /// Index of the `Instantiate` step.
    pub instance: u32,
    /// Name among that instance's exports.
    pub name: String,
}

/// What is given to a core module's import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arg {
    /// An export of an earlier instance.
    Export(CoreRef),
    /// A function of the contract, with the index of the realloc it lowers results with.
    Import(Import, Option<u32>),
    /// A function of WASI, likewise.
    Wasi(Wasi, Option<u32>),
    /// `resource.drop`.
    Drop(Resource),
    /// `resource.drop` of a resource of WASI.
    DropWasi(WasiResource),
}

/// One step of instantiation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The core module with this index, with its imports in order.
    Instantiate {
        /// Among the component's core modules.
        module: u32,
        /// One for each import of the module.
        args: Vec<Arg>,
    },
    /// From here on this is the memory that the canonical ABI reads and writes.
    Memory(CoreRef),
    /// The next realloc function.
    Realloc(CoreRef),
}

/// A lifted function of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which one.
    pub function: Function,
    /// The core function.
    pub target: CoreRef,
    /// Index of the realloc that its parameters are lowered with.
    pub realloc: Option<u32>,
    /// The post-return function.
    pub post_return: Option<CoreRef>,
}

/// How the direct path instantiates and calls a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// The contract's functions that the component exports.
    pub entries: Vec<Entry>,
}

/// One import of a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportItem {
    /// The import's name: an interface with its version, or a plain name.
    pub name: String,
    /// Functions, resources, modules and components that it uses of it; of an instance within it as
    /// `inner#item`.
    pub items: Vec<String>,
    /// Where one of them is the contract's by name and another by type: which, and how.
    pub mismatch: Option<String>,
}

/// All that is known of a component without compiling it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analysis {
    /// The roles that it exports with the contract's types.
    pub roles: Roles,
    /// The exported interface's own name, by role.
    pub interfaces: [Option<String>; 7],
    /// In the component's order.
    pub imports: Vec<ImportItem>,
    /// Names, in the component's order.
    pub exports: Vec<String>,
    /// An exported interface of the contract with another type: which, and how.
    pub mismatch: Option<String>,
    /// An exported function outside of the contract, where there is one.
    pub other: Option<String>,
    /// Bytes of linear memory that an instance starts with: no limit below it lets one be made.
    pub initial_memory: u64,
    /// Elements of tables, likewise.
    pub initial_elements: u64,
    /// The types of its imports and exports, as text.
    pub surface: crate::engine::surface::Surface,
    /// How to run it directly, or why not.
    pub plan: Result<Plan, String>,
}

impl Analysis {
    /// The plan for the direct path where `choice` takes the component there, or why it does not: a
    /// clause that follows "the component".
    pub fn direct(&self, choice: PathChoice) -> Result<&Plan, Cow<'_, str>> {
        let plan = self.plan.as_ref().map_err(|why| Cow::Borrowed(why.as_str()))?;
        match (choice, &self.other) {
            (PathChoice::General, _) => Err("runs in an engine whose `path` is TORVYN_PATH_GENERAL".into()),
            // The direct path has the contract's functions alone.
            (PathChoice::Auto, Some(other)) => Err(format!("exports {other}, which is none of the contract's").into()),
            _ => Ok(plan),
        }
    }
}

#[cfg(feature = "compiler")]
pub use translate::{Translated, analyse};

#[cfg(feature = "compiler")]
mod translate {
    mod adapters;
    mod compare;
    mod resources;
    mod startup;

    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use wasmtime_environ::component::{
        CanonicalOptions, CanonicalOptionsDataModel, Component, ComponentTypes, ComponentTypesBuilder, CoreDef, Export,
        ExportItem, GlobalInitializer, InstantiateModule, RuntimeImportIndex, StaticModuleIndex, StringEncoding,
        Trampoline, TrampolineIndex, Translator, TypeComponentInstanceIndex, TypeDef, TypeFuncIndex, TypeResourceTable,
        TypeResourceTableIndex,
    };
    use wasmtime_environ::{Module, ModuleTranslation, PrimaryMap, ScopeVec, Tunables, WasmValType};

    use super::*;
    use crate::contract::{Role, names};
    use crate::direct::shapes;
    use crate::direct::wasi_types;

    /// A component taken apart.
    pub struct Translated {
        /// What is known of it.
        pub analysis: Analysis,
        /// The bytes of its core modules, as ranges of the component's.
        pub modules: Vec<std::ops::Range<usize>>,
        /// The most memories that one of them has.
        pub memories: usize,
        /// What of its modules, or of the code between the components in it, is too much to be compiled.
        pub too_much: Option<String>,
    }

    /// Validates a binary component and takes it apart. The error is the validator's own, in one
    /// line.
    pub fn analyse(wasm: &[u8], features: wasmparser::WasmFeatures) -> Result<Translated, String> {
        let tunables = Tunables::default_host();
        let mut validator = wasmparser::Validator::new_with_features(features);
        let mut types = ComponentTypesBuilder::new(&validator);
        let scope = ScopeVec::new();
        // Of some things that it does not implement Wasmtime panics; all that it was at is dropped here.
        let translator = Translator::new(&tunables, &mut validator, &mut types, &scope);
        let translated = catch_unwind(AssertUnwindSafe(|| translator.translate(wasm)));
        let (translation, modules) = translated
            .map_err(|_| "its translation fails".to_owned())?
            .map_err(|e| format!("{e:#}").replace('\n', " "))?;
        let component = &translation.component;
        let (types, _) = types.finish(component);
        let range = |module: &ModuleTranslation<'_>| {
            let start = (module.wasm.as_ptr() as usize).checked_sub(wasm.as_ptr() as usize)?;
            let range = start..start.checked_add(module.wasm.len())?;
            (range.end <= wasm.len()).then_some(range)
        };
        // Behind the component's own modules come adapters: those that Wasmtime makes to pass values
        // between the components in it, and used or not. They lie elsewhere.
        let ranges: Vec<_> = modules.values().map_while(range).collect();
        let own = ranges.len();
        let reader = Reader { component, types: &types, modules: &modules, own, trampolines: &translation.trampolines };
        if reader.has_unknown_resources() {
            return Err("a component in it that has resources is an export of another one".into());
        }
        let mut analysis = reader.surface();
        analysis.plan = reader.plan(&analysis);
        let memories = modules.values().take(own).map(|module| module.module.memories.len()).max().unwrap_or(0);
        let too_much = if modules.values().skip(own).any(adapters::endless) {
            Some(adapters::ENDLESS.into())
        } else {
            startup::too_much(modules.values().take(own))
        };
        Ok(Translated { modules: ranges, analysis, memories, too_much })
    }

    // What keeps a component from the direct path, each a clause that follows "the component".
    const OWN_RESOURCES: &str = "defines resources";
    const INNER: &str = "has an inner component with imports or exports of its own";
    const COMPOSED: &str = "is composed of components that call one another";
    const ASYNC: &str = "has asynchronous functions";

    /// The same of an import: an item of an interface, or a function by itself.
    fn imports(interface: &str, item: &str) -> String {
        if item.is_empty() { format!("imports {interface}") } else { format!("imports {interface}#{item}") }
    }

    /// The sum of what a component may have made as large as it likes.
    fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
        sizes.fold(0, u64::saturating_add)
    }

    fn initial_memory(module: &Module) -> u64 {
        let own = module.memories.iter().skip(module.num_imported_memories).map(|(_, memory)| memory);
        sum(own.map(|memory| memory.minimum_byte_size().unwrap_or(u64::MAX)))
    }

    fn initial_elements(module: &Module) -> u64 {
        sum(module.tables.iter().skip(module.num_imported_tables).map(|(_, table)| table.limits.min))
    }

    struct Reader<'a> {
        component: &'a Component,
        types: &'a ComponentTypes,
        modules: &'a PrimaryMap<StaticModuleIndex, ModuleTranslation<'a>>,
        /// How many of them, the first, are the component's own.
        own: usize,
        trampolines: &'a PrimaryMap<TrampolineIndex, Trampoline>,
    }

    impl Reader<'_> {
        /// Names and types of what the component shows to the outside.
        fn surface(&self) -> Analysis {
            let component = self.component;
            let mut analysis = Analysis {
                roles: Roles::default(),
                interfaces: Default::default(),
                imports: component.import_types.iter().map(|(_, (name, ty))| self.import(name, &ty.ty)).collect(),
                exports: component.exports.raw_iter().map(|(name, _)| name.to_string()).collect(),
                mismatch: None,
                other: self.other(),
                initial_memory: sum(self.instantiated().map(initial_memory)),
                initial_elements: sum(self.instantiated().map(initial_elements)),
                surface: Default::default(),
                plan: Err(String::new()),
            };
            for role in Role::ALL {
                let names = component.exports.raw_iter().map(|(name, _)| name.as_str());
                let Some(name) = names::newest(names, role.interface()) else { continue };
                let Some((_, (index, _))) = component.exports.raw_iter().find(|(n, _)| n.as_str() == name) else {
                    continue;
                };
                let Export::Instance { exports, .. } = &component.export_items[*index] else { continue };
                let wrong = role.functions().find_map(|function| {
                    let found = exports.raw_iter().find(|(n, _)| n.as_str() == function.name());
                    let Some((_, (item, _))) = found else {
                        return Some(format!("{name} has no function `{}`", function.name()));
                    };
                    let Export::LiftedFunction { ty, .. } = &component.export_items[*item] else {
                        return Some(format!("{name}#{} is no function of the component", function.name()));
                    };
                    let differs = self.compare(*ty, &shapes::export(function))?;
                    Some(format!("{name}#{}: {differs}", function.name()))
                });
                match wrong {
                    None => {
                        analysis.roles.add(role);
                        analysis.interfaces[role as usize] = Some(name.to_string());
                    }
                    Some(wrong) => analysis.mismatch = Some(wrong),
                }
            }
            analysis
        }

        /// The modules that an instance is made up of, each as often as it is instantiated. One that
        /// only lies in the component has no say in the default limits.
        fn instantiated(&self) -> impl Iterator<Item = &Module> {
            self.component.initializers.iter().filter_map(|step| match step {
                GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, _), _) => {
                    Some(&self.modules[*module].module)
                }
                _ => None,
            })
        }

        /// An exported function that belongs to no role.
        fn other(&self) -> Option<String> {
            let items = &self.component.export_items;
            let function = |index| matches!(items[index], Export::LiftedFunction { .. });
            self.component.exports.raw_iter().find_map(|(name, (index, _))| match &items[*index] {
                Export::LiftedFunction { .. } => Some(name.to_string()),
                Export::Instance { exports, .. } => {
                    let role = Role::ALL.into_iter().any(|role| names::matches(name.as_str(), role.interface()));
                    let found = exports.raw_iter().find(|(_, (index, _))| !role && function(*index))?;
                    Some(format!("{name}#{}", found.0))
                }
                _ => None,
            })
        }

        fn import(&self, name: &str, ty: &TypeDef) -> ImportItem {
            let mut item = ImportItem { name: name.into(), items: Vec::new(), mismatch: None };
            match ty {
                TypeDef::ComponentInstance(instance) => self.imported(&mut item, &[name], *instance),
                TypeDef::Resource(ty) if !self.introduces(&[name], *ty) => {}
                TypeDef::ComponentFunc(_) | TypeDef::Resource(_) | TypeDef::Module(_) | TypeDef::Component(_) => {
                    item.items.push(String::new());
                }
                _ => {}
            }
            item
        }

        /// Adds what the imported instance at `path` has, and the instances in it.
        fn imported(&self, item: &mut ImportItem, path: &[&str], instance: TypeComponentInstanceIndex) {
            for (export, ty) in self.types[instance].exports.iter() {
                let path = &[path, &[export.as_str()]].concat()[..];
                match &ty.ty {
                    TypeDef::ComponentInstance(inner) => self.imported(item, path, *inner),
                    TypeDef::ComponentFunc(func) => {
                        let function = path[1..].join("#");
                        let ours = Import::find(&item.name, &function);
                        if let Some(differs) = ours.and_then(|i| self.compare(*func, &i.signature())) {
                            item.mismatch = Some(format!("{}#{function}: {differs}", item.name));
                        }
                        item.items.push(function);
                    }
                    TypeDef::Resource(ty) if !self.introduces(path, *ty) => {}
                    TypeDef::Resource(_) | TypeDef::Module(_) | TypeDef::Component(_) => {
                        item.items.push(path[1..].join("#"));
                    }
                    _ => {}
                }
            }
        }

        /// Whether a resource type is what stands at `path` among the imports, and not another name for one
        /// that is known by then (`type r2 = r1`, or one that an interface or a world uses of another).
        fn introduces(&self, path: &[&str], ty: TypeResourceTableIndex) -> bool {
            let TypeResourceTable::Concrete { ty, .. } = &self.types[ty] else { return true };
            let first = self.component.imported_resources.get(*ty).map(|index| &self.component.imports[*index]);
            first.is_some_and(|(import, rest)| {
                let first = &self.component.import_types[*import].0;
                path.split_first().is_some_and(|(name, path)| *name == first.as_str() && path.iter().eq(rest.iter()))
            })
        }

        /// Where an imported resource comes from.
        fn resource_name(&self, ty: TypeResourceTableIndex) -> Option<(&str, Cow<'_, str>)> {
            let TypeResourceTable::Concrete { ty, .. } = &self.types[ty] else { return None };
            Some(self.import_name(*self.component.imported_resources.get(*ty)?))
        }

        fn resource(&self, ty: TypeResourceTableIndex) -> Option<Resource> {
            let (interface, item) = self.resource_name(ty)?;
            let all = [Resource::Buffer, Resource::MutableBuffer, Resource::FlowContext];
            all.into_iter().find(|r| r.name() == item && names::matches(interface, shapes::TYPES))
        }

        /// Interface and item of an import: "" of one by itself, `inner#item` within a nested instance.
        fn import_name(&self, index: RuntimeImportIndex) -> (&str, Cow<'_, str>) {
            let (import, path) = &self.component.imports[index];
            let item = match path.as_slice() {
                [] => "".into(),
                [item] => item.as_str().into(),
                longer => longer.join("#").into(),
            };
            (&self.component.import_types[*import].0, item)
        }

        /// Whether a function of this type is one of WASI's that the direct path knows, or why it is not.
        fn is_wasi(&self, interface: &str, item: &str, ty: TypeFuncIndex) -> Result<(), String> {
            let want = wasi_types::signature(interface, item).ok_or_else(|| imports(interface, item))?;
            match self.compare(ty, want) {
                None => Ok(()),
                Some(_) => Err(format!("{}, whose type is not WASI's", imports(interface, item))),
            }
        }

        /// Whether all that is imported of WASI 0.2 is known to the direct path, used or not, since the
        /// general one links all of it; or what is not.
        fn wasi(&self) -> Result<(), String> {
            for index in self.component.imported_resources.values() {
                let (interface, item) = self.import_name(*index);
                if wasi_types::is_wasi(interface) && !wasi_types::is_resource(interface, &item) {
                    return Err(imports(interface, &item));
                }
            }
            for (interface, ty) in self.component.import_types.values() {
                let TypeDef::ComponentInstance(instance) = ty.ty else { continue };
                for (item, ty) in self.types[instance].exports.iter().filter(|_| wasi_types::is_wasi(interface)) {
                    match &ty.ty {
                        TypeDef::ComponentFunc(func) => self.is_wasi(interface, item, *func)?,
                        TypeDef::Resource(_) | TypeDef::Interface(_) => {}
                        _ => return Err(imports(interface, item)),
                    }
                }
            }
            Ok(())
        }

        /// The plan of an eligible component, or why it is not one.
        fn plan(&self, analysis: &Analysis) -> Result<Plan, String> {
            self.wasi()?;
            let mut trampolines = HashMap::new();
            let lowered: HashMap<_, _> = self
                .component
                .initializers
                .iter()
                .filter_map(|step| match step {
                    GlobalInitializer::LowerImport { index, import } => Some((*index, *import)),
                    _ => None,
                })
                .collect();
            for (index, trampoline) in self.trampolines {
                let arg = match trampoline {
                    Trampoline::LowerImport { index, lower_ty, options } => {
                        let lowered = lowered.get(index).ok_or("lowers a function that it does not import")?;
                        let (interface, item) = self.import_name(*lowered);
                        let item = item.as_ref();
                        let import = Import::find(interface, item);
                        let options = &self.component.options[*options];
                        let realloc = self.options(options)?;
                        if let Some(import) = import {
                            if let Some(differs) = self.compare(*lower_ty, &import.signature()) {
                                return Err(format!("imports {interface}#{item}: {differs}"));
                            }
                            Arg::Import(import, realloc)
                        } else {
                            self.is_wasi(interface, item, *lower_ty)?;
                            let wasi = Wasi::find(interface, item, &self.core_type(options)?);
                            Arg::Wasi(wasi.ok_or_else(|| imports(interface, item))?, realloc)
                        }
                    }
                    Trampoline::ResourceDrop { ty, instance } if instance.as_u32() == 0 => match self.resource(*ty) {
                        Some(resource) => Arg::Drop(resource),
                        None => {
                            let (interface, item) = self.resource_name(*ty).ok_or(OWN_RESOURCES)?;
                            let wasi = WasiResource::find(interface, &item);
                            Arg::DropWasi(wasi.ok_or_else(|| imports(interface, &item))?)
                        }
                    },
                    Trampoline::ResourceDrop { .. } => return Err(INNER.into()),
                    Trampoline::ResourceNew { .. } | Trampoline::ResourceRep { .. } => {
                        return Err(OWN_RESOURCES.into());
                    }
                    Trampoline::Transcoder { .. }
                    | Trampoline::ResourceTransferOwn
                    | Trampoline::ResourceTransferBorrow
                    | Trampoline::Trap
                    | Trampoline::EnterSyncCall
                    | Trampoline::ExitSyncCall => return Err(COMPOSED.into()),
                    _ => return Err(ASYNC.into()),
                };
                trampolines.insert(index, arg);
            }
            let mut plan = Plan { steps: Vec::new(), entries: Vec::new() };
            let mut modules = Vec::new();
            let mut post_returns = Vec::new();
            for step in &self.component.initializers {
                match step {
                    GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, args), _) => {
                        if module.as_u32() as usize >= self.own {
                            return Err(COMPOSED.into());
                        }
                        let args = args
                            .iter()
                            .map(|arg| match arg {
                                CoreDef::Trampoline(index) => trampolines.get(index).cloned().ok_or(COMPOSED.into()),
                                other => self.core(other, &modules).map(Arg::Export),
                            })
                            .collect::<Result<_, _>>()?;
                        plan.steps.push(Step::Instantiate { module: module.as_u32(), args });
                        modules.push(*module);
                    }
                    GlobalInitializer::LowerImport { .. } => {}
                    GlobalInitializer::ExtractMemory(memory) => {
                        if memory.index.as_u32() != 0 {
                            return Err("uses more than one memory".into());
                        }
                        let core = self.core(&CoreDef::from(memory.export.clone()), &modules)?;
                        plan.steps.push(Step::Memory(core));
                    }
                    GlobalInitializer::ExtractRealloc(realloc) => {
                        plan.steps.push(Step::Realloc(self.core(&realloc.def, &modules)?));
                    }
                    GlobalInitializer::ExtractPostReturn(post) => post_returns.push(self.core(&post.def, &modules)?),
                    GlobalInitializer::Resource(_) => return Err(OWN_RESOURCES.into()),
                    GlobalInitializer::InstantiateModule(InstantiateModule::Import(..), _) => {
                        return Err("imports a core module".into());
                    }
                    GlobalInitializer::ExtractCallback(_) | GlobalInitializer::ExtractTable(_) => {
                        return Err(ASYNC.into());
                    }
                }
            }
            if !plan.steps.iter().any(|step| matches!(step, Step::Memory(_))) {
                return Err("has no memory".into());
            }
            for function in Function::ALL.into_iter().filter(|f| analysis.roles.has(f.role())) {
                let interface = analysis.interfaces[function.role() as usize].as_deref().unwrap_or_default();
                let Some((_, (index, _))) = self.component.exports.raw_iter().find(|(n, _)| n.as_str() == interface)
                else {
                    continue;
                };
                let Export::Instance { exports, .. } = &self.component.export_items[*index] else { continue };
                let found = exports.raw_iter().find(|(n, _)| n.as_str() == function.name());
                let Some((_, (item, _))) = found else { continue };
                let Export::LiftedFunction { func, options, .. } = &self.component.export_items[*item] else {
                    continue;
                };
                let options = &self.component.options[*options];
                let realloc = self.options(options)?;
                let post_return = match options.post_return {
                    Some(index) => Some(post_returns.get(index.as_u32() as usize).cloned().ok_or(COMPOSED)?),
                    None => None,
                };
                plan.entries.push(Entry { function, target: self.core(func, &modules)?, realloc, post_return });
            }
            Ok(plan)
        }

        /// The realloc of canonical options that the direct path can serve.
        fn options(&self, options: &CanonicalOptions) -> Result<Option<u32>, String> {
            if options.async_ || options.callback.is_some() {
                return Err(ASYNC.into());
            }
            if options.instance.as_u32() != 0 {
                // Handle tables are per component instance; one serves the direct path.
                return Err(INNER.into());
            }
            if options.string_encoding != StringEncoding::Utf8 {
                return Err("has strings that are not UTF-8".into());
            }
            match options.data_model {
                CanonicalOptionsDataModel::LinearMemory(memory) => Ok(memory.realloc.map(|r| r.as_u32())),
                CanonicalOptionsDataModel::Gc {} => Err("keeps its values in garbage-collected memory".into()),
            }
        }

        /// The core type of a lowered function, in text.
        fn core_type(&self, options: &CanonicalOptions) -> Result<String, String> {
            let ty = self.types[options.core_type].unwrap_func();
            let mut text = String::new();
            for (word, list) in [("param", ty.params()), ("result", ty.results())] {
                if list.is_empty() {
                    continue;
                }
                text.push_str(if text.is_empty() { "(" } else { " (" });
                text.push_str(word);
                for ty in list {
                    text.push_str(match ty {
                        WasmValType::I32 => " i32",
                        WasmValType::I64 => " i64",
                        WasmValType::F32 => " f32",
                        WasmValType::F64 => " f64",
                        _ => return Err("has a core type that is no number's".into()),
                    });
                }
                text.push(')');
            }
            Ok(text)
        }

        fn core(&self, def: &CoreDef, modules: &[StaticModuleIndex]) -> Result<CoreRef, String> {
            // All else is of adapters.
            let CoreDef::Export(export) = def else { return Err(COMPOSED.into()) };
            let instance = export.instance.as_u32();
            let name = match &export.item {
                ExportItem::Name(name) => name.clone(),
                ExportItem::Index(index) => {
                    let module = &self.modules[*modules.get(instance as usize).ok_or(COMPOSED)?].module;
                    let found = module.exports.iter().find(|(_, e)| *e == index);
                    let (atom, _) = found.ok_or(COMPOSED)?;
                    module.strings[*atom].to_string()
                }
            };
            Ok(CoreRef { instance, name })
        }
    }
}
