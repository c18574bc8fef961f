//! What a component imports and exports, with WIT types as text.

use std::collections::HashMap;
use std::fmt::Write as _;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType, ComponentFuncTypeId,
    ComponentInstanceTypeId, ComponentValType,
};
use wasmparser::types::Types;

/// A component may describe types of any size in a few bytes; the text ends there.
const LONGEST: usize = 256 << 10;
/// And it may use them in many places: what all of its texts may take.
const ALL: usize = 4 << 20;

/// Where a text was cut.
const CUT: &str = "...";

/// An interface that has nothing.
const EMPTY: &str = "interface {}";

/// The types of a component's imports and exports, in their order, as text.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Surface {
    /// See [`Surface`].
    pub imports: Vec<String>,
    /// See [`Surface`].
    pub exports: Vec<String>,
}

impl Surface {
    /// Reads the types of a component, as the validator found them.
    pub fn read(types: &Types, imports: &[&str], exports: &[&str]) -> Self {
        // Exports may use the resources of imports.
        let mut known = HashMap::new();
        for item in imports.iter().filter_map(|name| types.component_item_for_import(name)) {
            let ComponentEntityType::Instance(instance) = &item.ty else { continue };
            for (name, item) in &types[*instance].exports {
                if let ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(id), .. } = &item.ty {
                    known.entry(Id::Resource(id.resource())).or_insert(name.as_str());
                }
            }
        }
        let mut left = ALL;
        let mut text = |item: Option<&wasmparser::component_types::ComponentItem>| {
            let Some(item) = item else { return String::new() };
            if left == 0 {
                return CUT.into();
            }
            let writer = Writer { types, out: String::new(), room: left.min(LONGEST), names: known.clone() };
            let text = writer.item(&item.ty);
            left = left.saturating_sub(text.len());
            text
        };
        Self {
            imports: imports.iter().map(|name| text(types.component_item_for_import(name))).collect(),
            exports: exports.iter().map(|name| text(types.component_item_for_export(name))).collect(),
        }
    }

    /// The line of `function` in the text of an interface, without its name.
    pub fn function<'t>(text: &'t str, function: &str) -> Option<&'t str> {
        text.lines().find_map(|line| line.strip_prefix(function)?.strip_prefix(": "))
    }
}

/// What a type is called where it is used.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Id {
    Resource(wasmparser::component_types::ResourceId),
    Defined(ComponentDefinedTypeId),
}

struct Writer<'t> {
    types: &'t Types,
    out: String,
    /// Where `out` is cut.
    room: usize,
    names: HashMap<Id, &'t str>,
}

impl<'t> Writer<'t> {
    fn item(mut self, ty: &ComponentEntityType) -> String {
        match ty {
            ComponentEntityType::Func(func) => self.func(*func),
            ComponentEntityType::Instance(instance) => {
                self.members("", *instance);
                self.out.truncate(self.out.trim_end().len());
                if self.out.is_empty() {
                    self.out.push_str(EMPTY);
                }
            }
            ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(_), .. } => self.out.push_str("resource"),
            ComponentEntityType::Type { created, .. } => self.any(*created),
            ComponentEntityType::Module(_) => self.out.push_str("module"),
            ComponentEntityType::Component(_) => self.out.push_str("component"),
            ComponentEntityType::Value(ty) => self.val(ty),
        }
        self.out
    }

    fn any(&mut self, ty: ComponentAnyTypeId) {
        match ty {
            ComponentAnyTypeId::Defined(id) => self.written_out(id),
            ComponentAnyTypeId::Func(id) => self.func(id),
            ComponentAnyTypeId::Resource(_) => self.put(format_args!("resource")),
            ComponentAnyTypeId::Instance(_) => self.put(format_args!("interface")),
            ComponentAnyTypeId::Component(_) => self.put(format_args!("component")),
        }
    }

    /// A line for each thing in an instance; `path` leads there from the outermost one.
    fn members(&mut self, path: &str, instance: ComponentInstanceTypeId) {
        let types = self.types;
        let exports = &types[instance].exports;
        for (name, item) in exports {
            let ComponentEntityType::Type { created, .. } = &item.ty else { continue };
            match created {
                ComponentAnyTypeId::Resource(id) => self.names.insert(Id::Resource(id.resource()), name),
                ComponentAnyTypeId::Defined(id) => self.names.insert(Id::Defined(*id), name),
                _ => None,
            };
        }
        for (name, item) in exports {
            if self.out.len() >= self.room {
                return;
            }
            match &item.ty {
                ComponentEntityType::Func(func) => {
                    self.put(format_args!("{path}{name}: "));
                    self.func(*func);
                }
                ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(_), .. } => {
                    self.put(format_args!("resource {path}{name}"));
                }
                ComponentEntityType::Type { created, .. } => {
                    self.put(format_args!("type {path}{name} = "));
                    self.any(*created);
                }
                ComponentEntityType::Instance(inner) if types[*inner].exports.is_empty() => {
                    self.put(format_args!("{path}{name}: {EMPTY}"));
                }
                ComponentEntityType::Instance(inner) => {
                    self.members(&format!("{path}{name}#"), *inner);
                    continue;
                }
                ComponentEntityType::Module(_) => self.put(format_args!("{path}{name}: module")),
                ComponentEntityType::Component(_) => self.put(format_args!("{path}{name}: component")),
                ComponentEntityType::Value(ty) => {
                    self.put(format_args!("{path}{name}: "));
                    self.val(ty);
                }
            }
            self.out.push('\n');
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        if self.out.len() < self.room {
            let _ = self.out.write_fmt(text);
            if self.out.len() >= self.room {
                self.out.push_str(CUT);
            }
        }
    }

    fn func(&mut self, id: ComponentFuncTypeId) {
        let types = self.types;
        let func = &types[id];
        self.put(format_args!("{}func(", if func.async_ { "async " } else { "" }));
        for (i, (name, ty)) in func.params.iter().enumerate() {
            self.put(format_args!("{}{name}: ", if i == 0 { "" } else { ", " }));
            self.val(ty);
        }
        self.put(format_args!(")"));
        if let Some(result) = &func.result {
            self.put(format_args!(" -> "));
            self.val(result);
        }
    }

    fn val(&mut self, ty: &ComponentValType) {
        match ty {
            ComponentValType::Primitive(primitive) => self.put(format_args!("{primitive}")),
            ComponentValType::Type(id) => match self.names.get(&Id::Defined(*id)).copied() {
                Some(name) => self.put(format_args!("{name}")),
                None => self.written_out(*id),
            },
        }
    }

    fn written_out(&mut self, id: ComponentDefinedTypeId) {
        if self.out.len() >= self.room {
            return;
        }
        let types = self.types;
        match &types[id] {
            ComponentDefinedType::Primitive(primitive) => self.put(format_args!("{primitive}")),
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| (Some(name.as_str()), Some(ty)));
                self.list("record { ", fields, " }");
            }
            ComponentDefinedType::Variant(variant) => {
                self.put(format_args!("variant {{ "));
                for (i, (name, case)) in variant.cases.iter().enumerate() {
                    self.put(format_args!("{}{name}", if i == 0 { "" } else { ", " }));
                    if let Some(ty) = &case.ty {
                        self.list("(", [(None, Some(ty))], ")");
                    }
                }
                self.put(format_args!(" }}"));
            }
            ComponentDefinedType::List { element, .. } => self.list("list<", [(None, Some(element))], ">"),
            ComponentDefinedType::Map { key, value, .. } => {
                self.list("map<", [(None, Some(key)), (None, Some(value))], ">");
            }
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                self.put(format_args!("list<"));
                self.val(element);
                self.put(format_args!(", {length}>"));
            }
            ComponentDefinedType::Tuple(tuple) => self.list("tuple<", tuple.types.iter().map(|t| (None, Some(t))), ">"),
            ComponentDefinedType::Flags(names) => {
                self.list("flags { ", names.iter().map(|n| (Some(n.as_str()), None)), " }");
            }
            ComponentDefinedType::Enum(names) => {
                self.list("enum { ", names.iter().map(|n| (Some(n.as_str()), None)), " }");
            }
            ComponentDefinedType::Option { ty, .. } => self.list("option<", [(None, Some(ty))], ">"),
            ComponentDefinedType::Result { ok, err, .. } => match (ok, err) {
                (None, None) => self.put(format_args!("result")),
                (Some(ok), None) => self.list("result<", [(None, Some(ok))], ">"),
                (None, Some(err)) => self.list("result<_, ", [(None, Some(err))], ">"),
                (Some(ok), Some(err)) => self.list("result<", [(None, Some(ok)), (None, Some(err))], ">"),
            },
            // In WIT an owned handle is written as the resource's name alone.
            ComponentDefinedType::Own(id) => match self.names.get(&Id::Resource(id.resource())).copied() {
                Some(name) => self.put(format_args!("{name}")),
                None => self.put(format_args!("own<resource>")),
            },
            ComponentDefinedType::Borrow(id) => {
                let name = self.names.get(&Id::Resource(id.resource())).copied().unwrap_or("resource");
                self.put(format_args!("borrow<{name}>"));
            }
            ComponentDefinedType::Future { ty, .. } => match ty {
                Some(ty) => self.list("future<", [(None, Some(ty))], ">"),
                None => self.put(format_args!("future")),
            },
            ComponentDefinedType::Stream { ty, .. } => match ty {
                Some(ty) => self.list("stream<", [(None, Some(ty))], ">"),
                None => self.put(format_args!("stream")),
            },
        }
    }

    fn list<'a>(
        &mut self,
        open: &str,
        items: impl IntoIterator<Item = (Option<&'a str>, Option<&'a ComponentValType>)>,
        close: &str,
    ) {
        self.put(format_args!("{open}"));
        for (i, (name, ty)) in items.into_iter().enumerate() {
            if i > 0 {
                self.put(format_args!(", "));
            }
            if let Some(name) = name {
                self.put(format_args!("{name}{}", if ty.is_some() { ": " } else { "" }));
            }
            if let Some(ty) = ty {
                self.val(ty);
            }
        }
        self.put(format_args!("{close}"));
    }
}
