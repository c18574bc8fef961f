//! WIT types and values of them, as the fuzzer's bytes say: text, flat core types, and bytes in a
//! linear memory.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::rare;

/// A type, as WAT writes it where it is used.
#[derive(Clone, Debug)]
pub enum Type {
    /// One of [`PRIMITIVES`].
    Primitive(usize),
    String,
    List(Box<Type>),
    Option(Box<Type>),
    Result(Option<Box<Type>>, Option<Box<Type>>),
    Tuple(Vec<Type>),
    /// A definition of the interface, `$tN`.
    Named(usize),
}

/// A type that has to have a name.
#[derive(Clone, Debug)]
pub enum Definition {
    Record(Vec<Type>),
    Variant(Vec<Option<Type>>),
    Enum(usize),
    Flags(usize),
}

/// Name, bytes, flat core type.
const PRIMITIVES: [(&str, u32, Core); 12] = [
    ("bool", 1, Core::I32),
    ("s8", 1, Core::I32),
    ("u8", 1, Core::I32),
    ("s16", 2, Core::I32),
    ("u16", 2, Core::I32),
    ("s32", 4, Core::I32),
    ("u32", 4, Core::I32),
    ("s64", 8, Core::I64),
    ("u64", 8, Core::I64),
    ("f32", 4, Core::F32),
    ("f64", 8, Core::F64),
    ("char", 4, Core::I32),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    I32,
    I64,
    F32,
    F64,
}

impl Core {
    pub fn name(self) -> &'static str {
        match self {
            Core::I32 => "i32",
            Core::I64 => "i64",
            Core::F32 => "f32",
            Core::F64 => "f64",
        }
    }

    /// An expression for the number that has these bits.
    pub fn constant(self, bits: u64) -> String {
        match self {
            Core::I32 => format!("(i32.const {})", bits as u32),
            Core::I64 => format!("(i64.const {bits})"),
            Core::F32 => format!("(f32.reinterpret_i32 (i32.const {}))", bits as u32),
            Core::F64 => format!("(f64.reinterpret_i64 (i64.const {bits}))"),
        }
    }

    /// Takes the number that is on the stack into the hash.
    pub fn mix(self) -> &'static str {
        match self {
            Core::I32 => "(call $mix (i64.extend_i32_u))",
            Core::I64 => "(call $mix)",
            Core::F32 => "(call $mix (i64.extend_i32_u (i32.reinterpret_f32)))",
            Core::F64 => "(call $mix (i64.reinterpret_f64))",
        }
    }
}

pub fn cores(list: &[Core]) -> String {
    list.iter().map(|core| format!(" {}", core.name())).collect()
}

/// How a component has its strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
    Latin1,
}

impl Encoding {
    pub fn choose(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok([Encoding::Utf8, Encoding::Utf16, Encoding::Latin1][u.int_in_range(0..=2)?])
    }

    pub fn option(self) -> &'static str {
        match self {
            Encoding::Utf8 => "string-encoding=utf8",
            Encoding::Utf16 => "string-encoding=utf16",
            Encoding::Latin1 => "string-encoding=latin1+utf16",
        }
    }
}

/// The definitions of an interface; each refers to those before it alone.
#[derive(Debug, Default)]
pub struct Types(pub Vec<Definition>);

fn align(at: u32, to: u32) -> u32 {
    at.next_multiple_of(to)
}

fn discriminant(cases: usize) -> u32 {
    if cases <= 256 { 1 } else { 2 }
}

fn joined(a: Core, b: Core) -> Core {
    match (a, b) {
        _ if a == b => a,
        (Core::I32 | Core::F32, Core::I32 | Core::F32) => Core::I32,
        _ => Core::I64,
    }
}

impl Types {
    pub fn choose(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut types = Self::default();
        for _ in 0..u.int_in_range(0..=5)? {
            let definition = match u.int_in_range(0..=3)? {
                0 => Definition::Record(types.several(u, 1, 5)?),
                1 => {
                    let mut cases = Vec::new();
                    for _ in 0..u.int_in_range(1..=5)? {
                        cases.push(if rare(u, 4)? { None } else { Some(types.one(u, 2)?) });
                    }
                    Definition::Variant(cases)
                }
                // Both sides of where another byte begins.
                2 => Definition::Enum(*u.choose(&[1, 2, 5, 256, 257])?),
                _ => Definition::Flags(*u.choose(&[1, 3, 8, 9, 16, 17, 32])?),
            };
            types.0.push(definition);
        }
        Ok(types)
    }

    pub fn several(&self, u: &mut Unstructured<'_>, least: usize, most: usize) -> Result<Vec<Type>> {
        (0..u.int_in_range(least..=most)?).map(|_| self.one(u, 2)).collect()
    }

    pub fn one(&self, u: &mut Unstructured<'_>, depth: usize) -> Result<Type> {
        let within = |u: &mut Unstructured<'_>| Ok(Box::new(self.one(u, depth - 1)?));
        let kinds = if depth == 0 { 3 } else { 7 };
        Ok(match u.int_in_range(0..=kinds)? {
            0 => Type::Primitive(u.int_in_range(0..=PRIMITIVES.len() - 1)?),
            1 => Type::String,
            2 | 3 if !self.0.is_empty() => Type::Named(u.int_in_range(0..=self.0.len() - 1)?),
            4 => Type::List(within(u)?),
            5 => Type::Option(within(u)?),
            6 => {
                let side = |u: &mut Unstructured<'_>| if rare(u, 4)? { Ok(None) } else { within(u).map(Some) };
                Type::Result(side(u)?, side(u)?)
            }
            7 => Type::Tuple((0..u.int_in_range(1..=4)?).map(|_| self.one(u, depth - 1)).collect::<Result<_>>()?),
            _ => Type::Primitive(2),
        })
    }

    /// `(type $dN ...)` and its export, for each definition.
    pub fn text(&self, export: impl Fn(usize) -> String) -> String {
        let names = |count: usize| (0..count).map(|i| format!(" \"x{i}\"")).collect::<String>();
        let mut text = String::new();
        for (n, definition) in self.0.iter().enumerate() {
            let body = match definition {
                Definition::Record(fields) => {
                    let fields = fields.iter().enumerate().map(|(i, ty)| format!(" (field \"x{i}\" {})", ty.text()));
                    format!("record{}", fields.collect::<String>())
                }
                Definition::Variant(cases) => {
                    let cases = cases.iter().enumerate().map(|(i, ty)| {
                        let payload = ty.as_ref().map_or(String::new(), |ty| format!(" {}", ty.text()));
                        format!(" (case \"x{i}\"{payload})")
                    });
                    format!("variant{}", cases.collect::<String>())
                }
                Definition::Enum(count) => format!("enum{}", names(*count)),
                Definition::Flags(count) => format!("flags{}", names(*count)),
            };
            let _ = writeln!(text, "    (type $d{n} ({body})) {}", export(n));
        }
        text
    }

    /// Size and alignment.
    pub fn layout(&self, ty: &Type) -> (u32, u32) {
        match ty {
            Type::Primitive(p) => (PRIMITIVES[*p].1, PRIMITIVES[*p].1),
            Type::String | Type::List(_) => (8, 4),
            Type::Option(some) => self.layout_cases(&[None, Some(some)]),
            Type::Result(ok, err) => self.layout_cases(&[ok.as_deref(), err.as_deref()]),
            Type::Tuple(types) => self.layout_fields(types),
            Type::Named(n) => match &self.0[*n] {
                Definition::Record(fields) => self.layout_fields(fields),
                Definition::Variant(cases) => self.layout_cases(&cases.iter().map(Option::as_ref).collect::<Vec<_>>()),
                Definition::Enum(count) => (discriminant(*count), discriminant(*count)),
                Definition::Flags(count) => {
                    let bytes = if *count <= 8 { 1 } else { (*count as u32).div_ceil(16).next_power_of_two() * 2 };
                    (bytes, bytes)
                }
            },
        }
    }

    pub fn layout_fields(&self, fields: &[Type]) -> (u32, u32) {
        let (mut end, mut most) = (0, 1);
        for field in fields {
            let (size, to) = self.layout(field);
            end = align(end, to) + size;
            most = most.max(to);
        }
        (align(end, most), most)
    }

    fn layout_cases(&self, cases: &[Option<&Type>]) -> (u32, u32) {
        let width = discriminant(cases.len());
        let layouts = || cases.iter().flatten().map(|ty| self.layout(ty));
        let payload = layouts().map(|(_, to)| to).max().unwrap_or(1);
        let most = payload.max(width);
        let size = align(width, payload) + layouts().map(|(size, _)| size).max().unwrap_or(0);
        (align(size, most), most)
    }

    pub fn flat(&self, ty: &Type) -> Vec<Core> {
        match ty {
            Type::Primitive(p) => vec![PRIMITIVES[*p].2],
            Type::String | Type::List(_) => vec![Core::I32; 2],
            Type::Option(some) => self.flat_cases(&[None, Some(some)]),
            Type::Result(ok, err) => self.flat_cases(&[ok.as_deref(), err.as_deref()]),
            Type::Tuple(types) => types.iter().flat_map(|ty| self.flat(ty)).collect(),
            Type::Named(n) => match &self.0[*n] {
                Definition::Record(fields) => fields.iter().flat_map(|ty| self.flat(ty)).collect(),
                Definition::Variant(cases) => self.flat_cases(&cases.iter().map(Option::as_ref).collect::<Vec<_>>()),
                Definition::Enum(_) | Definition::Flags(_) => vec![Core::I32],
            },
        }
    }

    fn flat_cases(&self, cases: &[Option<&Type>]) -> Vec<Core> {
        let mut flat = vec![Core::I32];
        for case in cases.iter().flatten() {
            for (i, core) in self.flat(case).into_iter().enumerate() {
                match flat.get_mut(i + 1) {
                    Some(there) => *there = joined(*there, core),
                    None => flat.push(core),
                }
            }
        }
        flat
    }
}

impl Type {
    pub fn text(&self) -> String {
        let side = |what: &str, ty: &Option<Box<Type>>| match ty {
            Some(ty) if what.is_empty() => format!(" {}", ty.text()),
            Some(ty) => format!(" ({what} {})", ty.text()),
            None => String::new(),
        };
        match self {
            Type::Primitive(p) => PRIMITIVES[*p].0.into(),
            Type::String => "string".into(),
            Type::List(ty) => format!("(list {})", ty.text()),
            Type::Option(ty) => format!("(option {})", ty.text()),
            Type::Result(ok, err) => format!("(result{}{})", side("", ok), side("error", err)),
            Type::Tuple(types) => {
                format!("(tuple{})", types.iter().map(|ty| format!(" {}", ty.text())).collect::<String>())
            }
            Type::Named(n) => format!("$t{n}"),
        }
    }
}

/// A linear memory of one page with values in it.
pub struct Memory {
    pub bytes: Vec<u8>,
    encoding: Encoding,
}

/// Where values begin, and where a `realloc` does. Below are areas for results.
pub const VALUES_AT: u32 = 16384;
pub const FREE_AT: u32 = 40000;

impl Memory {
    pub fn new(encoding: Encoding) -> Self {
        Self { bytes: Vec::new(), encoding }
    }

    fn allocate(&mut self, size: u32, to: u32) -> u32 {
        let at = align(VALUES_AT + self.bytes.len() as u32, to);
        if at + size > FREE_AT {
            return VALUES_AT; // too much: it overlaps what is there
        }
        self.bytes.resize((at + size - VALUES_AT) as usize, 0);
        at
    }

    fn write(&mut self, at: u32, bytes: &[u8]) {
        let at = (at - VALUES_AT) as usize;
        if let Some(there) = self.bytes.get_mut(at..at + bytes.len()) {
            there.copy_from_slice(bytes);
        }
    }

    /// Values in a row, as a tuple has them; where they are.
    pub fn put(&mut self, types: &Types, row: &[Type], u: &mut Unstructured<'_>) -> Result<u32> {
        let (size, to) = types.layout_fields(row);
        let at = self.allocate(size, to);
        self.store_fields(types, row, at, u)?;
        // Something that is no value, now and then.
        if rare(u, 12)? && size > 0 {
            let damaged = at + u.int_in_range(0..=size - 1)?;
            let byte = u.arbitrary::<u8>()?;
            self.write(damaged, &[byte]);
        }
        Ok(at)
    }

    fn store_fields(&mut self, types: &Types, row: &[Type], mut at: u32, u: &mut Unstructured<'_>) -> Result<()> {
        for ty in row {
            let (size, to) = types.layout(ty);
            at = align(at, to);
            self.store(types, ty, at, u)?;
            at += size;
        }
        Ok(())
    }

    fn store_case(&mut self, types: &Types, cases: &[Option<&Type>], at: u32, u: &mut Unstructured<'_>) -> Result<()> {
        let case = u.int_in_range(0..=cases.len() - 1)?;
        let width = discriminant(cases.len());
        self.write(at, &(case as u32).to_le_bytes()[..width as usize]);
        let payload = cases.iter().flatten().map(|ty| types.layout(ty).1).max().unwrap_or(1);
        match cases[case] {
            Some(ty) => self.store(types, ty, at + align(width, payload), u),
            None => Ok(()),
        }
    }

    fn store(&mut self, types: &Types, ty: &Type, at: u32, u: &mut Unstructured<'_>) -> Result<()> {
        match ty {
            Type::Primitive(p) => {
                let bytes: [u8; 8] = u.arbitrary()?;
                match PRIMITIVES[*p].0 {
                    "bool" => self.write(at, &[bytes[0] & 1]),
                    "char" => self.write(at, &(u32::from(bytes[0]) << (bytes[1] % 8)).to_le_bytes()),
                    _ => self.write(at, &bytes[..PRIMITIVES[*p].1 as usize]),
                }
            }
            Type::String => {
                let (bytes, len) = self.text(u)?;
                let to = self.allocate(bytes.len() as u32, 2);
                self.write(to, &bytes);
                self.write(at, &to.to_le_bytes());
                self.write(at + 4, &len.to_le_bytes());
            }
            Type::List(item) => {
                let (size, to) = types.layout(item);
                let len = *u.choose(&[0, 1, 2, 3, 17])?;
                let first = self.allocate(size * len, to);
                for i in 0..len {
                    // The first ones differ; the rest would use up the input.
                    if i < 3 {
                        self.store(types, item, first + i * size, u)?;
                    }
                }
                self.write(at, &first.to_le_bytes());
                self.write(at + 4, &len.to_le_bytes());
            }
            Type::Option(some) => self.store_case(types, &[None, Some(some)], at, u)?,
            Type::Result(ok, err) => self.store_case(types, &[ok.as_deref(), err.as_deref()], at, u)?,
            Type::Tuple(row) => self.store_fields(types, row, at, u)?,
            Type::Named(n) => match &types.0[*n] {
                Definition::Record(row) => self.store_fields(types, row, at, u)?,
                Definition::Variant(cases) => {
                    self.store_case(types, &cases.iter().map(Option::as_ref).collect::<Vec<_>>(), at, u)?;
                }
                Definition::Enum(count) => {
                    let case = u.int_in_range(0..=*count - 1)? as u32;
                    self.write(at, &case.to_le_bytes()[..discriminant(*count) as usize]);
                }
                Definition::Flags(_) => {
                    let bits: u32 = u.arbitrary()?;
                    self.write(at, &bits.to_le_bytes()[..types.layout(ty).0 as usize]);
                }
            },
        }
        Ok(())
    }

    /// A value as flat numbers, by their bits.
    pub fn flat(&mut self, types: &Types, ty: &Type, u: &mut Unstructured<'_>) -> Result<Vec<u64>> {
        Ok(match ty {
            Type::Primitive(p) => {
                let bits: u64 = u.arbitrary()?;
                vec![match PRIMITIVES[*p] {
                    ("bool", ..) => bits & 1,
                    ("char", ..) => bits & 0x7ff,
                    (_, _, Core::I32 | Core::F32) => bits & u64::from(u32::MAX),
                    _ => bits,
                }]
            }
            Type::String | Type::List(_) => {
                let at = (self.put(types, std::slice::from_ref(ty), u)? - VALUES_AT) as usize;
                let word = |at: usize| {
                    let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
                    u64::from(u32::from_le_bytes(bytes.unwrap_or_default()))
                };
                vec![word(at), word(at + 4)]
            }
            Type::Option(some) => self.flat_case(types, ty, &[None, Some(some)], u)?,
            Type::Result(ok, err) => self.flat_case(types, ty, &[ok.as_deref(), err.as_deref()], u)?,
            Type::Tuple(row) => self.flat_fields(types, row, u)?,
            Type::Named(n) => match &types.0[*n] {
                Definition::Record(row) => self.flat_fields(types, row, u)?,
                Definition::Variant(cases) => {
                    self.flat_case(types, ty, &cases.iter().map(Option::as_ref).collect::<Vec<_>>(), u)?
                }
                Definition::Enum(count) => vec![u.int_in_range(0..=*count as u64 - 1)?],
                Definition::Flags(_) => vec![u64::from(u.arbitrary::<u32>()?)],
            },
        })
    }

    fn flat_fields(&mut self, types: &Types, row: &[Type], u: &mut Unstructured<'_>) -> Result<Vec<u64>> {
        let mut flat = Vec::new();
        for ty in row {
            flat.extend(self.flat(types, ty, u)?);
        }
        Ok(flat)
    }

    fn flat_case(
        &mut self,
        types: &Types,
        ty: &Type,
        cases: &[Option<&Type>],
        u: &mut Unstructured<'_>,
    ) -> Result<Vec<u64>> {
        let case = u.int_in_range(0..=cases.len() - 1)?;
        let mut flat = vec![case as u64];
        if let Some(ty) = cases[case] {
            flat.extend(self.flat(types, ty, u)?);
        }
        flat.resize(types.flat(ty).len(), 0);
        Ok(flat)
    }

    /// A text in this encoding, and its length as the canonical ABI counts it.
    fn text(&mut self, u: &mut Unstructured<'_>) -> Result<(Vec<u8>, u32)> {
        let pieces = ["", "a", "text/plain", "\u{e9}\u{ff}", "\u{20ac}", "\u{1f600}", "0123456789"];
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=4)? {
            text += u.choose(&pieces)?;
        }
        let wide = || text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let units = text.encode_utf16().count() as u32;
        Ok(match self.encoding {
            Encoding::Utf8 => (text.as_bytes().to_vec(), text.len() as u32),
            Encoding::Utf16 => (wide(), units),
            Encoding::Latin1 if text.chars().all(|c| u32::from(c) < 256) => {
                (text.chars().map(|c| c as u8).collect(), units)
            }
            Encoding::Latin1 => (wide(), units | 1 << 31),
        })
    }
}
