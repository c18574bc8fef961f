//! A file of the suite as steps, in the runner's own terms.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{F32, F64, Id, Span};
use wast::{QuoteWat, QuoteWatTest, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// A module as it is to be fed to the library.
#[derive(Clone, Debug)]
pub enum Source {
    Binary(Rc<[u8]>),
    /// Text that the parser refuses, for the library to refuse as well.
    Text(Rc<[u8]>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
    V128([u64; 2]),
    Null,
}

/// A number that a result must have, or a class of them.
#[derive(Clone, Copy, Debug)]
pub enum Float {
    Bits(u64),
    Canonical,
    Arithmetic,
}

#[derive(Clone, Debug)]
pub enum Expected {
    I32(u32),
    I64(u64),
    F32(Float),
    F64(Float),
    Bytes([u64; 2]),
    F32x4([Float; 4]),
    F64x2([Float; 2]),
    Null,
    Reference,
    Either(Vec<Expected>),
}

/// How an export is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A function, its floats as floats.
    Plain,
    /// A function, its floats as integers of the same bits: the canonical ABI knows one NaN alone.
    Bits,
    /// A global.
    Get,
}

pub type Use = (String, Way);

#[derive(Clone, Debug)]
pub struct Action {
    /// Of [`Script::instances`].
    pub instance: usize,
    pub export: Use,
    pub args: Vec<Arg>,
}

#[derive(Debug)]
pub enum Kind {
    /// Instantiates; the instance's number, and the module.
    Module(usize, Source),
    Define(Source),
    Register(String, usize),
    Do(Action),
    Return(Action, Vec<Expected>),
    Trap(Action, String),
    Exhaust(Action),
    ModuleTraps(Source, String),
    /// Is not valid, or not even well-formed: why.
    Refused(Source, String),
    Unlinkable(Source),
    /// What a component, or this runner, has no way to do.
    Skip(&'static str),
}

#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Debug, Default)]
pub struct Script {
    pub steps: Vec<Step>,
    /// What is done with each module instance's exports.
    pub instances: Vec<BTreeSet<Use>>,
}

fn source(mut module: QuoteWat<'_>) -> Source {
    match module.encode() {
        Ok(bytes) => Source::Binary(bytes.into()),
        Err(_) => match module.to_test() {
            Ok(QuoteWatTest::Text(text)) => Source::Text(text.into()),
            // A malformed name within a module that is not quoted.
            _ => Source::Text(Rc::from(&b"(module"[..])),
        },
    }
}

fn wat(module: Wat<'_>) -> Source {
    source(QuoteWat::Wat(module))
}

fn f32_of(pattern: &NanPattern<F32>) -> Float {
    match pattern {
        NanPattern::CanonicalNan => Float::Canonical,
        NanPattern::ArithmeticNan => Float::Arithmetic,
        NanPattern::Value(value) => Float::Bits(value.bits.into()),
    }
}

fn f64_of(pattern: &NanPattern<F64>) -> Float {
    match pattern {
        NanPattern::CanonicalNan => Float::Canonical,
        NanPattern::ArithmeticNan => Float::Arithmetic,
        NanPattern::Value(value) => Float::Bits(value.bits),
    }
}

/// Lanes of `width` bytes, as two halves.
fn halves(lanes: impl Iterator<Item = u64>, width: usize) -> [u64; 2] {
    let mut bytes = [0; 16];
    for (at, lane) in lanes.enumerate() {
        bytes[at * width..][..width].copy_from_slice(&lane.to_le_bytes()[..width]);
    }
    let half = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    [half(0), half(8)]
}

fn pattern(pattern: &V128Pattern) -> Expected {
    match pattern {
        V128Pattern::I8x16(lanes) => Expected::Bytes(halves(lanes.iter().map(|l| *l as u8 as u64), 1)),
        V128Pattern::I16x8(lanes) => Expected::Bytes(halves(lanes.iter().map(|l| *l as u16 as u64), 2)),
        V128Pattern::I32x4(lanes) => Expected::Bytes(halves(lanes.iter().map(|l| *l as u32 as u64), 4)),
        V128Pattern::I64x2(lanes) => Expected::Bytes(halves(lanes.iter().map(|l| *l as u64), 8)),
        V128Pattern::F32x4(lanes) => Expected::F32x4([0, 1, 2, 3].map(|i: usize| f32_of(&lanes[i]))),
        V128Pattern::F64x2(lanes) => Expected::F64x2([0, 1].map(|i: usize| f64_of(&lanes[i]))),
    }
}

const HOST_REFERENCES: &str = "references of the host";
const GC_REFERENCES: &str = "references that gc has";

fn expected(ret: &WastRetCore<'_>) -> Result<Expected, &'static str> {
    Ok(match ret {
        WastRetCore::I32(value) => Expected::I32(*value as u32),
        WastRetCore::I64(value) => Expected::I64(*value as u64),
        WastRetCore::F32(value) => Expected::F32(f32_of(value)),
        WastRetCore::F64(value) => Expected::F64(f64_of(value)),
        WastRetCore::V128(value) => pattern(value),
        WastRetCore::RefNull(_) => Expected::Null,
        WastRetCore::RefFunc(_) | WastRetCore::RefExtern(None) => Expected::Reference,
        WastRetCore::RefExtern(Some(_)) | WastRetCore::RefHost(_) => return Err(HOST_REFERENCES),
        WastRetCore::Either(cases) => Expected::Either(cases.iter().map(expected).collect::<Result<_, _>>()?),
        _ => return Err(GC_REFERENCES),
    })
}

fn arg(arg: &WastArg<'_>) -> Result<Arg, &'static str> {
    let WastArg::Core(arg) = arg else { return Err("arguments of components") };
    Ok(match arg {
        WastArgCore::I32(value) => Arg::I32(*value as u32),
        WastArgCore::I64(value) => Arg::I64(*value as u64),
        WastArgCore::F32(value) => Arg::F32(value.bits),
        WastArgCore::F64(value) => Arg::F64(value.bits),
        WastArgCore::V128(value) => Arg::V128(halves(value.to_le_bytes().into_iter().map(u64::from), 1)),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Func | AbstractHeapType::Extern, .. }) => {
            Arg::Null
        }
        WastArgCore::RefNull(_) => return Err(GC_REFERENCES),
        WastArgCore::RefExtern(_) | WastArgCore::RefHost(_) => return Err(HOST_REFERENCES),
    })
}

fn has_nan(args: &[Arg], results: &[Expected]) -> bool {
    let f32_nan = |bits: u32| f32::from_bits(bits).is_nan();
    let f64_nan = |bits: u64| f64::from_bits(bits).is_nan();
    args.iter().any(|arg| match arg {
        Arg::F32(bits) => f32_nan(*bits),
        Arg::F64(bits) => f64_nan(*bits),
        _ => false,
    }) || results.iter().any(|result| match result {
        Expected::F32(Float::Bits(bits)) => f32_nan(*bits as u32),
        Expected::F64(Float::Bits(bits)) => f64_nan(*bits),
        Expected::F32(_) | Expected::F64(_) => true,
        Expected::Either(cases) => has_nan(&[], cases),
        _ => false,
    })
}

#[derive(Default)]
struct Reader<'a> {
    script: Script,
    latest: Option<usize>,
    named: HashMap<&'a str, usize>,
    definitions: HashMap<Option<&'a str>, Source>,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn instance(&self, name: Option<Id<'a>>) -> Read<usize> {
        match name {
            Some(name) => self.named.get(name.name()).copied(),
            None => self.latest,
        }
        .ok_or("instances that are not there")
    }

    fn instantiated(&mut self, name: Option<Id<'a>>, source: Source) -> Kind {
        let number = self.script.instances.len();
        self.script.instances.push(BTreeSet::new());
        self.latest = Some(number);
        if let Some(name) = name {
            self.named.insert(name.name(), number);
        }
        Kind::Module(number, source)
    }

    fn action(&mut self, instance: usize, name: &str, way: Way, args: Vec<Arg>) -> Action {
        let export = (name.to_owned(), way);
        self.script.instances[instance].insert(export.clone());
        Action { instance, export, args }
    }

    fn invoke(&mut self, call: &WastInvoke<'a>, results: &[Expected]) -> Read<Action> {
        let instance = self.instance(call.module)?;
        let args = call.args.iter().map(arg).collect::<Read<Vec<_>>>()?;
        let way = if has_nan(&args, results) { Way::Bits } else { Way::Plain };
        Ok(self.action(instance, call.name, way, args))
    }

    fn execute(&mut self, exec: &WastExecute<'a>, results: &[Expected]) -> Read<Action> {
        match exec {
            WastExecute::Invoke(call) => self.invoke(call, results),
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(*module)?;
                Ok(self.action(instance, global, Way::Get, Vec::new()))
            }
            WastExecute::Wat(_) => Err("modules that are to be instantiated for a result"),
        }
    }

    fn kind(&mut self, directive: WastDirective<'a>) -> Read<Kind> {
        Ok(match directive {
            WastDirective::Module(module) => {
                let name = module.name();
                self.instantiated(name, source(module))
            }
            WastDirective::ModuleDefinition(module) => {
                let name = module.name();
                let source = source(module);
                self.definitions.insert(name.map(|n| n.name()), source.clone());
                self.definitions.insert(None, source.clone());
                Kind::Define(source)
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let source = self.definitions.get(&module.map(|n| n.name())).cloned();
                self.instantiated(instance, source.ok_or("definitions that are not there")?)
            }
            WastDirective::Register { name, module, .. } => Kind::Register(name.into(), self.instance(module)?),
            WastDirective::Invoke(call) => Kind::Do(self.invoke(&call, &[])?),
            WastDirective::AssertReturn { exec, results, .. } => {
                let results = results.iter().map(|ret| match ret {
                    WastRet::Core(ret) => expected(ret),
                    _ => Err("results of components"),
                });
                let results = results.collect::<Read<Vec<_>>>()?;
                Kind::Return(self.execute(&exec, &results)?, results)
            }
            WastDirective::AssertTrap { exec: WastExecute::Wat(module), message, .. } => {
                Kind::ModuleTraps(wat(module), message.into())
            }
            WastDirective::AssertTrap { exec, message, .. } => Kind::Trap(self.execute(&exec, &[])?, message.into()),
            WastDirective::AssertExhaustion { call, .. } => Kind::Exhaust(self.invoke(&call, &[])?),
            WastDirective::AssertMalformed { module, message, .. }
            | WastDirective::AssertInvalid { module, message, .. } => Kind::Refused(source(module), message.into()),
            // What the first version checked when it linked traps since bulk memory.
            WastDirective::AssertUnlinkable { module, message, .. } if message.ends_with("segment does not fit") => {
                Kind::ModuleTraps(wat(module), "out of bounds".into())
            }
            WastDirective::AssertUnlinkable { module, .. } => Kind::Unlinkable(wat(module)),
            WastDirective::AssertException { exec, .. } => match self.execute(&exec, &[]) {
                Ok(action) => Kind::Trap(action, "unhandled exception".into()),
                Err(why) => return Err(why),
            },
            WastDirective::AssertMalformedCustom { module, message, .. }
            | WastDirective::AssertInvalidCustom { module, message, .. } => match source(module) {
                text @ Source::Text(_) => Kind::Refused(text, message.into()),
                // An engine may ignore any custom section.
                Source::Binary(_) => Kind::Skip("contents of custom sections"),
            },
            WastDirective::AssertSuspension { .. } => Kind::Skip("suspensions"),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => Kind::Skip("threads of the script"),
        })
    }
}

/// Reads a file.
pub fn read(text: &str) -> Result<Script, String> {
    let said = |e: wast::Error| e.to_string();
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(said)?;
    let wast = parser::parse::<Wast<'_>>(&buffer).map_err(said)?;
    let mut reader = Reader::default();
    for directive in wast.directives {
        let line = line_of(text, directive.span());
        let kind = reader.kind(directive).unwrap_or_else(Kind::Skip);
        reader.script.steps.push(Step { line, kind });
    }
    Ok(reader.script)
}

fn line_of(text: &str, span: Span) -> usize {
    span.linecol_in(text).0 + 1
}
