//! The type of a function as text: WIT, with records and their kin written out where they are used
//! (`func(at: record { x: u32, y: u32 }) -> option<string>`).

use std::fmt::Write as _;

use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{ResourceType, Type};

use wasmtime_environ::component::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};

use crate::contract::names;

/// A type may be this deep.
const DEEPEST: usize = 64;

/// A type of a signature.
#[derive(Clone, Debug, PartialEq)]
enum Wit {
    /// A type without parts.
    Plain(&'static str),
    List(Box<Wit>, Option<u32>),
    Map(Box<Wit>, Box<Wit>),
    Option(Box<Wit>),
    Result(Option<Box<Wit>>, Option<Box<Wit>>),
    Tuple(Vec<Wit>),
    Record(Vec<(String, Wit)>),
    Variant(Vec<(String, Option<Wit>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    /// A resource, by its name in the interface.
    Own(String),
    Borrow(String),
}

const PLAIN: [&str; 13] =
    ["bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string"];

/// The type of a function, as somebody wrote it down.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    params: Vec<Wit>,
    result: Option<Wit>,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

type Read<T> = std::result::Result<T, String>;

impl<'t> Reader<'t> {
    fn rest(&mut self) -> &'t str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Read<()> {
        if self.eat(token) { Ok(()) } else { Err(self.wrong(&format!("`{token}`"))) }
    }

    fn wrong(&mut self, wanted: &str) -> String {
        let found: String = self.rest().chars().take(20).collect();
        let found = if found.is_empty() { "the end".into() } else { format!("`{found}`") };
        format!("expected {wanted} at byte {}, found {found}", self.at)
    }

    fn name(&mut self) -> Read<&'t str> {
        self.eat("%");
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        // Not the dash of an arrow.
        let len = if rest[len..].starts_with('>') && rest[..len].ends_with('-') { len - 1 } else { len };
        if len == 0 {
            return Err(self.wrong("a name"));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    /// The name of a parameter, field or case, or a resource's.
    fn own_name(&mut self) -> Read<&'t str> {
        let name = self.name()?;
        if names::is_kebab(name) { Ok(name) } else { Err(format!("`{name}` is no name in WIT")) }
    }

    fn resource(&mut self) -> Read<String> {
        let name = self.own_name()?;
        if PLAIN.contains(&name) {
            return Err(format!("`{name}` is no resource"));
        }
        Ok(name.to_owned())
    }

    /// Items up to `close`, with commas between them; one more at the end is fine.
    fn list<T>(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = Vec::new();
        loop {
            if self.eat(close) {
                return Ok(items);
            }
            items.push(item(self)?);
            if !self.eat(",") {
                self.expect(close)?;
                return Ok(items);
            }
        }
    }

    fn func(&mut self) -> Read<Signature> {
        self.expect("func")?;
        self.expect("(")?;
        let params = self.list(")", |r| {
            let name = r.own_name()?;
            r.expect(":")?;
            Ok((name, r.ty(0)?))
        })?;
        distinct("parameter", params.iter().map(|(name, _)| *name))?;
        let params: Vec<_> = params.into_iter().map(|(_, ty)| ty).collect();
        let result = if self.eat("->") { Some(self.ty(0)?) } else { None };
        if result.as_ref().is_some_and(Wit::lends) {
            return Err("a result cannot hold a `borrow`".into());
        }
        if self.rest().is_empty() { Ok(Signature { params, result }) } else { Err(self.wrong("the end")) }
    }

    fn ty(&mut self, depth: usize) -> Read<Wit> {
        if depth > DEEPEST {
            return Err(format!("the type is nested deeper than {DEEPEST}"));
        }
        let inner = |r: &mut Self| r.ty(depth + 1);
        let name = self.name()?;
        if let Some(plain) = PLAIN.into_iter().find(|plain| *plain == name) {
            return Ok(Wit::Plain(plain));
        }
        let angle = self.eat("<");
        Ok(match (name, angle) {
            ("list", true) => {
                let element = Box::new(inner(self)?);
                let len = if self.eat(",") {
                    let digits = self.name()?;
                    let len = digits.parse().ok().filter(|len| *len != 0);
                    Some(len.ok_or_else(|| format!("`{digits}` is no length"))?)
                } else {
                    None
                };
                self.expect(">")?;
                Wit::List(element, len)
            }
            ("map", true) => {
                let key = Box::new(inner(self)?);
                self.expect(",")?;
                let value = Box::new(inner(self)?);
                self.expect(">")?;
                Wit::Map(key, value)
            }
            ("option", true) => {
                let some = Box::new(inner(self)?);
                self.expect(">")?;
                Wit::Option(some)
            }
            ("result", true) => {
                let ok = if self.eat("_") { None } else { Some(Box::new(inner(self)?)) };
                let error = if self.eat(",") { Some(Box::new(inner(self)?)) } else { None };
                self.expect(">")?;
                Wit::Result(ok, error)
            }
            ("result", false) => Wit::Result(None, None),
            ("tuple", true) => Wit::Tuple(some(name, self.list(">", inner)?)?),
            ("own", true) | ("borrow", true) => {
                let resource = self.resource()?;
                self.expect(">")?;
                if name == "own" { Wit::Own(resource) } else { Wit::Borrow(resource) }
            }
            (_, true) => return Err(format!("`{name}<` is no type that a host function can have")),
            ("record", false) => {
                self.expect("{")?;
                let fields = self.list("}", |r| {
                    let name = r.own_name()?.to_owned();
                    r.expect(":")?;
                    Ok((name, inner(r)?))
                })?;
                distinct("field", fields.iter().map(|(name, _)| name.as_str()))?;
                Wit::Record(some(name, fields)?)
            }
            ("variant", false) => {
                self.expect("{")?;
                let cases = self.list("}", |r| {
                    let name = r.own_name()?.to_owned();
                    if !r.eat("(") {
                        return Ok((name, None));
                    }
                    let payload = inner(r)?;
                    r.expect(")")?;
                    Ok((name, Some(payload)))
                })?;
                distinct("case", cases.iter().map(|(name, _)| name.as_str()))?;
                Wit::Variant(some(name, cases)?)
            }
            ("enum", false) | ("flags", false) => {
                self.expect("{")?;
                let names = self.list("}", |r| Ok(r.own_name()?.to_owned()))?;
                distinct(if name == "enum" { "case" } else { "flag" }, names.iter().map(String::as_str))?;
                let names = some(name, names)?;
                if name == "enum" { Wit::Enum(names) } else { Wit::Flags(names) }
            }
            _ if ["list", "map", "option", "tuple", "own", "borrow", "future", "stream"].contains(&name) => {
                return Err(self.wrong(&format!("`<` after `{name}`")));
            }
            // Any other name is a resource's.
            _ if names::is_kebab(name) => Wit::Own(name.to_owned()),
            _ => return Err(format!("`{name}` is no name in WIT")),
        })
    }
}

fn distinct<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> Read<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        // As WIT does.
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(format!("there are two of the {what} `{name}`"));
        }
    }
    Ok(())
}

fn some<T>(what: &str, items: Vec<T>) -> Read<Vec<T>> {
    if items.is_empty() {
        Err(format!("{} cannot be empty", if what == "enum" { "an enum".into() } else { format!("a {what}") }))
    } else {
        Ok(items)
    }
}

impl Signature {
    /// Reads a signature. The error says what is wrong and where.
    pub fn parse(text: &str) -> Read<Self> {
        Reader { text, at: 0 }.func()
    }

    /// Whether it has a result.
    pub fn gives(&self) -> bool {
        self.result.is_some()
    }

    /// How many core values the parameters and the result are; 0 where they are too many, and go by
    /// memory.
    pub fn counts(&self) -> (usize, usize) {
        let within = |most, count| if count <= most { count } else { 0 };
        let params = self.params.iter().map(Wit::flat).fold(0, usize::saturating_add);
        (within(MAX_FLAT_PARAMS, params), within(MAX_FLAT_RESULTS, self.result.as_ref().map_or(0, Wit::flat)))
    }

    /// Whether a component's function is of this type. Names of parameters are not part of it; `named`
    /// says those of resources.
    pub fn fits(&self, func: &ComponentFunc, named: &dyn Named) -> bool {
        let (params, mut results) = (func.params(), func.results());
        !func.async_()
            && params.len() == self.params.len()
            && params.zip(&self.params).all(|((_, ty), wit)| wit.is(&ty, named))
            && results.len() <= 1
            && maybe(self.result.as_ref(), results.next(), named)
    }
}

/// What an interface of a component calls resource types.
pub trait Named {
    /// A type's first name.
    fn name(&self, ty: ResourceType) -> &str;

    /// Whether a type has this name; it may have several (`type r2 = r1`).
    fn is(&self, ty: ResourceType, name: &str) -> bool;
}

fn maybe(wit: Option<&Wit>, ty: Option<Type>, named: &dyn Named) -> bool {
    match (wit, ty) {
        (None, None) => true,
        (Some(wit), Some(ty)) => wit.is(&ty, named),
        _ => false,
    }
}

impl Wit {
    /// How many core values it is (Component Model, `CanonicalABI.md`, "Flattening").
    fn flat(&self) -> usize {
        let sum = |parts: &mut dyn Iterator<Item = usize>| parts.fold(0, usize::saturating_add);
        // One says which case it is, and there is room for the longest.
        let longest = |cases: &mut dyn Iterator<Item = usize>| 1usize.saturating_add(cases.max().unwrap_or(0));
        let maybe = |wit: Option<&Wit>| wit.map_or(0, Wit::flat);
        match self {
            Wit::Plain("string") | Wit::List(_, None) | Wit::Map(..) => 2,
            Wit::Plain(_) | Wit::Own(_) | Wit::Borrow(_) | Wit::Enum(_) => 1,
            Wit::List(element, Some(len)) => element.flat().saturating_mul(*len as usize),
            Wit::Option(some) => 1usize.saturating_add(some.flat()),
            Wit::Result(ok, error) => longest(&mut [maybe(ok.as_deref()), maybe(error.as_deref())].into_iter()),
            Wit::Tuple(types) => sum(&mut types.iter().map(Wit::flat)),
            Wit::Record(fields) => sum(&mut fields.iter().map(|(_, wit)| wit.flat())),
            Wit::Variant(cases) => longest(&mut cases.iter().map(|(_, wit)| maybe(wit.as_ref()))),
            Wit::Flags(names) => names.len().div_ceil(32),
        }
    }

    /// Whether a `borrow` is in it.
    fn lends(&self) -> bool {
        let maybe = |wit: &Option<Box<Wit>>| wit.as_ref().is_some_and(|wit| wit.lends());
        match self {
            Wit::Borrow(_) => true,
            Wit::Plain(_) | Wit::Own(_) | Wit::Enum(_) | Wit::Flags(_) => false,
            Wit::List(wit, _) | Wit::Option(wit) => wit.lends(),
            Wit::Map(key, value) => key.lends() || value.lends(),
            Wit::Result(ok, error) => maybe(ok) || maybe(error),
            Wit::Tuple(types) => types.iter().any(Wit::lends),
            Wit::Record(fields) => fields.iter().any(|(_, wit)| wit.lends()),
            Wit::Variant(cases) => cases.iter().any(|(_, wit)| wit.as_ref().is_some_and(Wit::lends)),
        }
    }

    fn is(&self, ty: &Type, named: &dyn Named) -> bool {
        match (self, ty) {
            (Wit::Plain(name), ty) => *name == plain(ty),
            (Wit::List(element, None), Type::List(list)) => element.is(&list.ty(), named),
            (Wit::List(element, Some(len)), Type::FixedLengthList(list)) => {
                u64::from(*len) == list.len() as u64 && element.is(&list.ty(), named)
            }
            (Wit::Map(key, value), Type::Map(map)) => key.is(&map.key(), named) && value.is(&map.value(), named),
            (Wit::Option(some), Type::Option(option)) => some.is(&option.ty(), named),
            (Wit::Result(ok, error), Type::Result(result)) => {
                maybe(ok.as_deref(), result.ok(), named) && maybe(error.as_deref(), result.err(), named)
            }
            (Wit::Tuple(types), Type::Tuple(tuple)) => {
                types.len() == tuple.types().len()
                    && types.iter().zip(tuple.types()).all(|(wit, ty)| wit.is(&ty, named))
            }
            (Wit::Record(fields), Type::Record(record)) => {
                let same = |((name, wit), field): (&(String, Wit), wasmtime::component::types::Field<'_>)| {
                    name == field.name && wit.is(&field.ty, named)
                };
                fields.len() == record.fields().len() && fields.iter().zip(record.fields()).all(same)
            }
            (Wit::Variant(cases), Type::Variant(variant)) => {
                let same = |((name, wit), case): (&(String, Option<Wit>), wasmtime::component::types::Case<'_>)| {
                    name == case.name && maybe(wit.as_ref(), case.ty, named)
                };
                cases.len() == variant.cases().len() && cases.iter().zip(variant.cases()).all(same)
            }
            (Wit::Enum(names), Type::Enum(e)) => names.iter().map(String::as_str).eq(e.names()),
            (Wit::Flags(names), Type::Flags(flags)) => names.iter().map(String::as_str).eq(flags.names()),
            (Wit::Own(name), Type::Own(ty)) | (Wit::Borrow(name), Type::Borrow(ty)) => named.is(*ty, name),
            _ => false,
        }
    }
}

/// A type's text ends there: a component may describe types of any size in a few bytes.
const LONGEST: usize = 8 << 10;

/// The type of a component's function as a signature says it: everything written out but resources.
pub fn text(func: &ComponentFunc, named: &dyn Named) -> String {
    let mut out = String::from(if func.async_() { "async func(" } else { "func(" });
    let params = func.params().map(|(name, ty)| (format!("{name}: "), Some(ty)));
    join(&mut out, params, named);
    out.push(')');
    if let Some(result) = func.results().next() {
        out.push_str(" -> ");
        write_out(&mut out, &result, named);
    }
    if out.len() > LONGEST {
        out.truncate(out.floor_char_boundary(LONGEST));
        out.push_str("...");
    }
    out
}

/// Parts with commas between them, each a label and a type.
fn join(out: &mut String, parts: impl Iterator<Item = (String, Option<Type>)>, named: &dyn Named) {
    for (i, (label, ty)) in parts.enumerate() {
        out.push_str(if i == 0 { "" } else { ", " });
        out.push_str(&label);
        if let Some(ty) = ty {
            write_out(out, &ty, named);
        }
    }
}

fn write_out(out: &mut String, ty: &Type, named: &dyn Named) {
    if out.len() > LONGEST {
        return;
    }
    let plain = |ty: Type| (String::new(), Some(ty));
    let word = |name: &str| (name.to_owned(), None);
    let (open, close) = match ty {
        Type::List(_) | Type::FixedLengthList(_) => ("list<", ">"),
        Type::Map(_) => ("map<", ">"),
        Type::Option(_) => ("option<", ">"),
        Type::Tuple(_) => ("tuple<", ">"),
        Type::Result(result) if result.ok().is_none() && result.err().is_none() => ("result", ""),
        Type::Result(_) => ("result<", ">"),
        Type::Record(_) => ("record { ", " }"),
        Type::Variant(_) => ("variant { ", " }"),
        Type::Enum(_) => ("enum { ", " }"),
        Type::Flags(_) => ("flags { ", " }"),
        Type::Borrow(_) => ("borrow<", ">"),
        Type::Future(_) => ("future<...", ">"),
        Type::Stream(_) => ("stream<...", ">"),
        Type::ErrorContext => ("error-context", ""),
        _ => ("", ""),
    };
    out.push_str(open);
    match ty {
        Type::List(list) => write_out(out, &list.ty(), named),
        Type::FixedLengthList(list) => {
            write_out(out, &list.ty(), named);
            let _ = write!(out, ", {}", list.len());
        }
        Type::Map(map) => join(out, [map.key(), map.value()].into_iter().map(plain), named),
        Type::Option(option) => write_out(out, &option.ty(), named),
        Type::Tuple(tuple) => join(out, tuple.types().map(plain), named),
        Type::Result(result) => match (result.ok(), result.err()) {
            (None, None) => {}
            (Some(ok), None) => write_out(out, &ok, named),
            (ok, Some(error)) => {
                let ok = ok.map_or_else(|| word("_"), plain);
                join(out, [ok, plain(error)].into_iter(), named);
            }
        },
        Type::Record(record) => {
            join(out, record.fields().map(|field| (format!("{}: ", field.name), Some(field.ty))), named);
        }
        Type::Variant(variant) => {
            for (i, case) in variant.cases().enumerate() {
                let _ = write!(out, "{}{}", if i == 0 { "" } else { ", " }, case.name);
                if let Some(ty) = case.ty {
                    out.push('(');
                    write_out(out, &ty, named);
                    out.push(')');
                }
            }
        }
        Type::Enum(names) => join(out, names.names().map(word), named),
        Type::Flags(names) => join(out, names.names().map(word), named),
        Type::Own(ty) | Type::Borrow(ty) => out.push_str(named.name(*ty)),
        other => out.push_str(self::plain(other)),
    }
    out.push_str(close);
}

/// The name of a type without parts; "" for others.
fn plain(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read() {
        for good in [
            "func()",
            "func(key: string) -> option<string>",
            " func ( a : u8 , b: list<list<f32>>, ) -> result ",
            "func(r: record { x-y: u32, %record: char }) -> variant { a, b(tuple<s8, bool>) }",
            "func(l: list<u8, 4>, m: map<string, u32>) -> result<_, enum { low, high }>",
            "func(self: borrow<conn>, f: flags { a, b }) -> own<conn>",
            "func(c: conn) -> result<conn>",
            "func(sha-256: list<u8>) -> enum { utf-8, utf-16 }",
        ] {
            Signature::parse(good).unwrap_or_else(|e| panic!("{good}: {e}"));
        }
        let names = |text| Signature::parse(text).unwrap();
        assert_eq!(names("func(a: u8) -> conn"), names("func(b: u8) -> own<conn>"));
        assert_ne!(names("func(a: u8)"), names("func(a: s8)"));
        for (wrong, says) in [
            ("", "`func` at byte 0"),
            ("func(string)", "expected `:`"),
            ("func() ->", "a name at byte 9, found the end"),
            ("func() x", "the end"),
            ("func(a: future<u8>)", "future"),
            ("func(a: record { x })", "`:`"),
            ("func(a: list<u8)", "`>`"),
            ("func(a: list<u8, 0>)", "`0` is no length"),
            ("func(a: u32) -> u32;", "the end"),
            ("func(a: u32, A: u32)", "two of the parameter `A`"),
            ("func(a: record { x: u32, x: u32 })", "two of the field `x`"),
            ("func(a: enum { x, x })", "two of the case `x`"),
            ("func(a: variant { x, x(u8) })", "two of the case `x`"),
            ("func(a: flags { x, x })", "two of the flag `x`"),
            ("func(a: record {})", "a record cannot be empty"),
            ("func(a: variant {})", "a variant cannot be empty"),
            ("func(a: enum {})", "an enum cannot be empty"),
            ("func(a: flags {})", "a flags cannot be empty"),
            ("func(a: tuple<>)", "a tuple cannot be empty"),
            ("func() -> borrow<t>", "borrow"),
            ("func() -> option<record { x: list<borrow<t>> }>", "borrow"),
            ("func(a: own<u32>)", "`u32` is no resource"),
            ("func(a: list)", "`<` after `list`"),
            ("func(a-: u8)", "`a-`"),
        ] {
            let error = Signature::parse(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        let deep = format!("func(a: {}u8{})", "list<".repeat(1000), ">".repeat(1000));
        assert!(Signature::parse(&deep).unwrap_err().contains("deeper"));
    }
}
