//! The type of a function as text: WIT, with records and their kin written out where they are used
//! (`func(at: record { x: u32, y: u32 }) -> option<string>`).

use wasmtime::component::Type;
use wasmtime::component::types::ComponentFunc;

use crate::general::bytes::{self, Shape};

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
    /// A resource, by a name that is for the reader.
    Own,
    Borrow,
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
            r.name()?;
            r.expect(":")?;
            r.ty(0)
        })?;
        let result = if self.eat("->") { Some(self.ty(0)?) } else { None };
        self.eat(";");
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
                    Some(digits.parse().map_err(|_| format!("`{digits}` is no length"))?)
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
            ("tuple", true) => Wit::Tuple(self.list(">", inner)?),
            ("own", true) | ("borrow", true) => {
                self.name()?;
                self.expect(">")?;
                if name == "own" { Wit::Own } else { Wit::Borrow }
            }
            (_, true) => return Err(format!("`{name}<` is no type that a host function can have")),
            ("record", false) => {
                self.expect("{")?;
                Wit::Record(self.list("}", |r| {
                    let name = r.name()?.to_owned();
                    r.expect(":")?;
                    Ok((name, inner(r)?))
                })?)
            }
            ("variant", false) => {
                self.expect("{")?;
                Wit::Variant(self.list("}", |r| {
                    let name = r.name()?.to_owned();
                    if !r.eat("(") {
                        return Ok((name, None));
                    }
                    let payload = inner(r)?;
                    r.expect(")")?;
                    Ok((name, Some(payload)))
                })?)
            }
            ("enum", false) | ("flags", false) => {
                self.expect("{")?;
                let names = self.list("}", |r| Ok(r.name()?.to_owned()))?;
                if name == "enum" { Wit::Enum(names) } else { Wit::Flags(names) }
            }
            // Any other name is a resource's.
            _ => Wit::Own,
        })
    }
}

impl Signature {
    /// Reads a signature. The error says what is wrong and where.
    pub fn parse(text: &str) -> Read<Self> {
        Reader { text, at: 0 }.func()
    }

    /// Its parameters and result, where all of them have static types in `general::bytes`.
    pub fn shapes(&self) -> Option<(Vec<Shape>, Shape)> {
        let params: Vec<_> = self.params.iter().map(Wit::shape).collect::<Option<_>>()?;
        let result = self.result.as_ref().map_or(Some(Shape::Nothing), Wit::shape)?;
        bytes::takes(&params).then_some((params, result))
    }

    /// Whether a component's function is of this type. Names of parameters and of resources are not
    /// part of it.
    pub fn fits(&self, func: &ComponentFunc) -> bool {
        let (params, mut results) = (func.params(), func.results());
        !func.async_()
            && params.len() == self.params.len()
            && params.zip(&self.params).all(|((_, ty), wit)| wit.is(&ty))
            && results.len() <= 1
            && maybe(self.result.as_ref(), results.next())
    }
}

fn maybe(wit: Option<&Wit>, ty: Option<Type>) -> bool {
    match (wit, ty) {
        (None, None) => true,
        (Some(wit), Some(ty)) => wit.is(&ty),
        _ => false,
    }
}

impl Wit {
    fn shape(&self) -> Option<Shape> {
        let bytes = |wit: &Wit| matches!(wit, Wit::List(element, None) if **element == Wit::Plain("u8"));
        let text = |wit: &Wit| *wit == Wit::Plain("string");
        match self {
            wit if bytes(wit) => Some(Shape::Bytes),
            wit if text(wit) => Some(Shape::Text),
            Wit::Option(some) if bytes(some) => Some(Shape::MaybeBytes),
            Wit::Option(some) if text(some) => Some(Shape::MaybeText),
            Wit::Result(Some(ok), Some(error)) if bytes(ok) && text(error) => Some(Shape::TriedBytes),
            Wit::Result(None, Some(error)) if text(error) => Some(Shape::Tried),
            _ => None,
        }
    }

    fn is(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Wit::Plain(name), ty) => *name == plain(ty),
            (Wit::List(element, None), Type::List(list)) => element.is(&list.ty()),
            (Wit::List(element, Some(len)), Type::FixedLengthList(list)) => {
                u64::from(*len) == list.len() as u64 && element.is(&list.ty())
            }
            (Wit::Map(key, value), Type::Map(map)) => key.is(&map.key()) && value.is(&map.value()),
            (Wit::Option(some), Type::Option(option)) => some.is(&option.ty()),
            (Wit::Result(ok, error), Type::Result(result)) => {
                maybe(ok.as_deref(), result.ok()) && maybe(error.as_deref(), result.err())
            }
            (Wit::Tuple(types), Type::Tuple(tuple)) => {
                types.len() == tuple.types().len() && types.iter().zip(tuple.types()).all(|(wit, ty)| wit.is(&ty))
            }
            (Wit::Record(fields), Type::Record(record)) => {
                let same = |((name, wit), field): (&(String, Wit), wasmtime::component::types::Field<'_>)| {
                    name == field.name && wit.is(&field.ty)
                };
                fields.len() == record.fields().len() && fields.iter().zip(record.fields()).all(same)
            }
            (Wit::Variant(cases), Type::Variant(variant)) => {
                let same = |((name, wit), case): (&(String, Option<Wit>), wasmtime::component::types::Case<'_>)| {
                    name == case.name && maybe(wit.as_ref(), case.ty)
                };
                cases.len() == variant.cases().len() && cases.iter().zip(variant.cases()).all(same)
            }
            (Wit::Enum(names), Type::Enum(e)) => names.iter().map(String::as_str).eq(e.names()),
            (Wit::Flags(names), Type::Flags(flags)) => names.iter().map(String::as_str).eq(flags.names()),
            (Wit::Own, Type::Own(_)) | (Wit::Borrow, Type::Borrow(_)) => true,
            _ => false,
        }
    }
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
            " func ( a : u8 , b: list<list<f32>>, ) -> result ;",
            "func(r: record { x-y: u32, %record: char }) -> variant { a, b(tuple<s8, bool>) }",
            "func(l: list<u8, 4>, m: map<string, u32>) -> result<_, enum { low, high }>",
            "func(self: borrow<conn>, f: flags { a, b }) -> own<conn>",
            "func(c: conn) -> result<conn>",
        ] {
            Signature::parse(good).unwrap_or_else(|e| panic!("{good}: {e}"));
        }
        let names = |text| Signature::parse(text).unwrap();
        assert_eq!(names("func(a: u8) -> conn"), names("func(b: u8) -> own<file>"));
        assert_ne!(names("func(a: u8)"), names("func(a: s8)"));
        for (wrong, says) in [
            ("", "`func` at byte 0"),
            ("func(string)", "expected `:`"),
            ("func() ->", "a name at byte 9, found the end"),
            ("func() x", "the end"),
            ("func(a: future<u8>)", "future"),
            ("func(a: record { x })", "`:`"),
            ("func(a: list<u8)", "`>`"),
        ] {
            let error = Signature::parse(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        let deep = format!("func(a: {}u8{})", "list<".repeat(1000), ">".repeat(1000));
        assert!(Signature::parse(&deep).unwrap_err().contains("deeper"));
    }
}
