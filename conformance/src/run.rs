//! Runs a script's steps.

use std::collections::HashMap;
use std::rc::Rc;

use crate::library::{self, Engine, Said, Scalar, status, trap};
use crate::report::Report;
use crate::script::{Action, Kind, Script, Source, Step};
use crate::shape::Shape;
use crate::wrap::{self, Export, Exports, Member};

/// The features that the library may refuse, by the names that its errors have. Those of `config` are on.
const OFF: [&str; 16] = [
    "custom-descriptors",
    "custom-page-sizes",
    "exceptions",
    "function-references",
    "gc-types",
    "gc",
    "memory64",
    "multi-memory",
    "relaxed-simd",
    "shared-everything-threads",
    "stack-switching",
    "tail-call",
    "threads",
    "wide-arithmetic",
    "compact-imports",
    "set of several",
];

/// Modules that are linked with each other: one component, and its instance.
struct World {
    /// Instances of the script, in their order.
    members: Vec<usize>,
    exports: Exports,
    instance: library::Instance,
    /// The calls that succeeded, which another instance has to see as well: after a trap, and with one more member.
    history: Vec<(usize, Action)>,
    stateful: bool,
    /// A trap ended it.
    ended: bool,
    /// Why what is found there may not be what the script expects.
    doubt: Option<&'static str>,
}

const DOUBT_TRAPPED: &str = "what a module wrote to others before it trapped";
const DOUBT_MISSING: &str = "what a module that was not instantiated would have written to others";

/// Modules that were not valid once, and are where `flag` is on or, with 0, since a later version; that
/// one memory may be named by a longer number is part of the latest.
const LATER: [(&str, &str, &str, u32); 8] = [
    ("", "", "multiple memories", library::flags::MULTI_MEMORY),
    ("", "/binary.wast", "zero byte expected", 0),
    ("", "/binary.wast", "zero flag expected", 0),
    ("threads", "/imports.wast", "multiple tables", 0),
    ("wasm-v1", "/binary-leb128.wast", "integer representation too long", 0),
    ("wasm-v2", "/binary-leb128.wast", "integer representation too long", 0),
    ("reference-types", "/binary", "integer representation too long", 0),
    ("reference-types", "/unreached-invalid.wast", "type mismatch", 0),
];

/// An instance of the script.
enum State {
    In(usize),
    /// Why it is not there.
    Gone(String),
}

/// For each name that a module imports from: the instance, or `None` for `spectest`.
type Links = Vec<(String, Option<usize>)>;
/// A module of the script.
type Loaded = (Rc<[u8]>, Rc<Shape>, Links);

/// A module with all that it is linked with.
struct Linked {
    /// The module itself is the last.
    members: Vec<Member>,
    links: Links,
    /// The other members, as instances of the script.
    numbers: Vec<usize>,
    /// The worlds that these are of now.
    worlds: Vec<usize>,
}

impl Linked {
    fn shape(&self) -> &Rc<Shape> {
        &self.members.last().expect("the module itself").shape
    }
}

/// What a step came to that did not fail.
enum Came {
    Passed,
    Refused(String),
    Skipped(String),
}

type Outcome = Result<Came, String>;

fn unread() -> Outcome {
    Ok(Came::Skipped("modules that the parser does not read".into()))
}

pub struct Runner<'a> {
    engine: &'a Engine,
    flags: u32,
    /// `SET/FILE`.
    place: &'a str,
    script: &'a Script,
    modules: HashMap<usize, Loaded>,
    states: HashMap<usize, State>,
    worlds: Vec<Option<World>>,
    registered: HashMap<String, usize>,
    count: usize,
}

fn text_of(said: &Said) -> String {
    format!("status {}, trap {}: {}", said.status, said.trap, said.text)
}

/// The traps that the suite's text may mean.
fn traps(message: &str) -> &'static [i32] {
    const TEXTS: [(&str, &[i32]); 18] = [
        ("unreachable", &[trap::UNREACHABLE]),
        ("out of bounds memory access", &[trap::MEMORY_OUT_OF_BOUNDS]),
        ("out of bounds table access", &[trap::TABLE_OUT_OF_BOUNDS]),
        ("out of bounds", &[trap::MEMORY_OUT_OF_BOUNDS, trap::TABLE_OUT_OF_BOUNDS]),
        ("undefined element", &[trap::TABLE_OUT_OF_BOUNDS]),
        ("undefined", &[trap::TABLE_OUT_OF_BOUNDS]),
        ("uninitialized element", &[trap::INDIRECT_CALL_TO_NULL]),
        ("uninitialized", &[trap::INDIRECT_CALL_TO_NULL]),
        ("indirect call type mismatch", &[trap::BAD_SIGNATURE]),
        ("indirect call", &[trap::BAD_SIGNATURE]),
        ("integer overflow", &[trap::INTEGER_OVERFLOW]),
        ("integer divide by zero", &[trap::INTEGER_DIVISION_BY_ZERO]),
        ("invalid conversion to integer", &[trap::BAD_CONVERSION_TO_INTEGER]),
        ("null function", &[trap::NULL_REFERENCE, trap::INDIRECT_CALL_TO_NULL]),
        ("null", &[trap::NULL_REFERENCE, trap::INDIRECT_CALL_TO_NULL]),
        ("unaligned atomic", &[trap::HEAP_MISALIGNED]),
        ("call stack exhausted", &[trap::STACK_OVERFLOW]),
        ("stack overflow", &[trap::STACK_OVERFLOW]),
    ];
    TEXTS.iter().find(|(text, _)| message.starts_with(text)).map_or(&[], |(_, traps)| traps)
}

impl<'a> Runner<'a> {
    pub fn new(engine: &'a Engine, flags: u32, place: &'a str, script: &'a Script) -> Self {
        let (modules, states, registered) = Default::default();
        Self { engine, flags, place, script, modules, states, worlds: Vec::new(), registered, count: 0 }
    }

    /// Runs all of it.
    pub fn run(mut self) -> Report {
        let mut report = Report::default();
        for step in &self.script.steps {
            self.count += 1;
            match self.step(step) {
                Ok(Came::Passed) => report.passed += 1,
                Ok(Came::Refused(name)) => report.refuse(name),
                Ok(Came::Skipped(why)) => report.skip(why),
                Err(what) => report.failed.push(format!("{}:{}: {what}", self.place, step.line)),
            }
        }
        report
    }

    fn step(&mut self, step: &Step) -> Outcome {
        match &step.kind {
            Kind::Module(number, source) => self.module(*number, source),
            Kind::Define(Source::Binary(wasm)) => {
                let compiled = self.engine.compile(&wrap::alone(wasm));
                compiled.map_or_else(|said| self.refused(&said, &Shape::read(wasm)), |_| Ok(Came::Passed))
            }
            Kind::Register(name, number) => {
                self.registered.insert(name.clone(), *number);
                Ok(Came::Passed)
            }
            Kind::Do(action) => self.act(action, |_, results| results.map(|_| ()).map_err(|said| text_of(&said))),
            Kind::Return(action, expected) => self.act(action, |export, results| match results {
                Ok(results) => export.judge(&results, expected),
                Err(said) => Err(text_of(&said)),
            }),
            Kind::Trap(action, message) => self.act(action, |_, results| match results {
                Ok(results) => Err(format!("gave {results:x?}, and is to trap: {message}")),
                Err(said) => trapped(&said, message),
            }),
            Kind::Exhaust(action) => self.act(action, |_, results| match results {
                Ok(results) => Err(format!("gave {results:x?}, and is to use up the stack")),
                Err(said) => trapped(&said, "call stack exhausted"),
            }),
            Kind::ModuleTraps(Source::Binary(wasm), message) => {
                let linked = match self.linked(wasm, false) {
                    Ok(linked) => linked,
                    Err(came) => return came,
                };
                self.doubt(&linked.worlds, DOUBT_TRAPPED);
                let component = match self.engine.compile(&wrap::together(&linked.members).0) {
                    Ok(component) => component,
                    Err(said) => return self.refused(&said, linked.shape()),
                };
                match component.instantiate() {
                    Ok(_) => Err(format!("instantiates, and is to trap: {message}")),
                    Err(said) => trapped(&said, message).map(|()| Came::Passed),
                }
            }
            Kind::Refused(source, why) => self.is_refused(source, why),
            Kind::Unlinkable(Source::Binary(wasm)) => {
                let linked = match self.linked(wasm, true) {
                    Ok(linked) => linked,
                    Err(came) => return came,
                };
                match self.engine.compile(&wrap::together(&linked.members).0) {
                    Err(said) if said.status == status::MALFORMED => Ok(Came::Passed),
                    Err(said) => self.refused(&said, linked.shape()),
                    Ok(_) => Err("links, and is not to".into()),
                }
            }
            Kind::Define(Source::Text(_))
            | Kind::ModuleTraps(Source::Text(_), _)
            | Kind::Unlinkable(Source::Text(_)) => unread(),
            Kind::Skip(why) => Ok(Came::Skipped((*why).into())),
        }
    }

    /// What a refusal to compile comes to that is not expected: of a module of this shape.
    fn refused(&self, said: &Said, shape: &Shape) -> Outcome {
        let text = &said.text;
        if said.status == status::UNSUPPORTED
            && let Some(name) = self.feature(text)
        {
            return Ok(Came::Refused(name));
        }
        match said.status == status::MALFORMED {
            true if shape.twice => Ok(Came::Skipped("modules that import a name twice".into())),
            // A component's types are static.
            true if text.contains("mismatch in memory limits") || text.contains("mismatch in table limits") => {
                Ok(Came::Skipped("modules that import what has grown".into()))
            }
            // The validator reads but a part of what they may hold.
            true if self.place.starts_with("custom-descriptors/") => {
                Ok(Came::Refused("custom-descriptors (as malformed)".into()))
            }
            _ => Err(format!("is not compiled: {}", text_of(said))),
        }
    }

    /// The feature that a message names, one that is off.
    fn feature(&self, message: &str) -> Option<String> {
        let on = |name: &str| {
            name == "multi-memory" && self.flags & library::flags::MULTI_MEMORY != 0
                || name == "relaxed-simd" && self.flags & library::flags::RELAXED_SIMD != 0
        };
        let named = |name: &str| {
            let word = |text: &str| message.split([' ', ',', ':', '`']).any(|word| word == text);
            if name.contains(' ') { message.contains(name) } else { word(name) }
        };
        OFF.into_iter().find(|name| named(name) && !on(name)).map(Into::into)
    }

    fn is_refused(&self, source: &Source, why: &str) -> Outcome {
        let compiled = match source {
            Source::Binary(wasm) => {
                // By itself it is no component either, whatever is wrong with it.
                if let Err(said) = self.engine.compile(wasm)
                    && ![status::CORE_MODULE, status::NOT_COMPONENT, status::MALFORMED].contains(&said.status)
                {
                    return Err(format!("by itself: {}", text_of(&said)));
                }
                self.engine.compile(&wrap::alone(wasm))
            }
            Source::Text(text) => self.engine.compile(&wrap::alone_in_text(text)),
        };
        match (compiled, source) {
            (Ok(_), _) => {
                let is_later = |(set, file, message, flag): &(&str, &str, &str, u32)| {
                    let here = self.place.starts_with(set) && self.place.contains(file) && why == *message;
                    here && (*flag == 0 || self.flags & flag != 0)
                };
                match LATER.iter().any(is_later) {
                    true => Ok(Came::Skipped("modules that are valid by now".into())),
                    false => Err(format!("compiles, and is not valid: {why}")),
                }
            }
            (Err(said), _) if said.status == status::MALFORMED => Ok(Came::Passed),
            (Err(said), Source::Text(_)) if said.status == status::NOT_COMPONENT => Ok(Came::Passed),
            (Err(said), _) => self.refused(&said, &Shape::default()),
        }
    }

    /// A module with all that it is linked with, or what its step comes to where one of them is not there.
    fn linked(&self, wasm: &Rc<[u8]>, lenient: bool) -> Result<Linked, Outcome> {
        let shape = Rc::new(Shape::read(wasm));
        let mut links = Vec::new();
        let mut worlds = Vec::new();
        for name in &shape.imports {
            match self.registered.get(name) {
                Some(number) => {
                    match self.states.get(number) {
                        Some(State::In(world)) => worlds.push(*world),
                        Some(State::Gone(why)) => return Err(Ok(Came::Skipped(why.clone()))),
                        None => return Err(Err(format!("{name} is registered and not there"))),
                    }
                    links.push((name.clone(), Some(*number)));
                }
                None if name == "spectest" => links.push((name.clone(), None)),
                None if lenient => {}
                None => return Err(Err(format!("imports from {name}, which is not registered"))),
            }
        }
        worlds.sort_unstable();
        worlds.dedup();
        let mut numbers: Vec<_> = worlds.iter().flat_map(|world| self.world(*world).members.clone()).collect();
        numbers.sort_unstable();
        let place = |number: usize| numbers.iter().position(|n| *n == number);
        let placed = |links: &Links| -> Links {
            links.iter().map(|(name, number)| (name.clone(), number.and_then(place))).collect()
        };
        let mut members: Vec<_> = numbers
            .iter()
            .map(|number| {
                let (wasm, shape, links) = &self.modules[number];
                let uses = self.script.instances[*number].clone();
                Member { wasm: wasm.clone(), shape: shape.clone(), links: placed(links), uses }
            })
            .collect();
        members.push(Member { wasm: wasm.clone(), shape, links: placed(&links), uses: Default::default() });
        Ok(Linked { members, links, numbers, worlds })
    }

    /// What is wrong in these worlds from now on is so for a reason of the runner's.
    fn doubt(&mut self, worlds: &[usize], why: &'static str) {
        for world in worlds {
            self.worlds[*world].as_mut().expect("a world that instances are in").doubt = Some(why);
        }
    }

    fn world(&self, at: usize) -> &World {
        self.worlds[at].as_ref().expect("a world that instances are in")
    }

    fn module(&mut self, number: usize, source: &Source) -> Outcome {
        let came = self.instantiate(number, source);
        let why = match &came {
            Ok(Came::Passed) => return came,
            Ok(Came::Refused(_)) => "of modules that were refused".into(),
            Ok(Came::Skipped(why)) => why.clone(),
            Err(_) => "of modules that failed".into(),
        };
        self.states.insert(number, State::Gone(why));
        came
    }

    fn instantiate(&mut self, number: usize, source: &Source) -> Outcome {
        let Source::Binary(wasm) = source else {
            return unread();
        };
        let mut linked = match self.linked(wasm, false) {
            Ok(linked) => linked,
            Err(came) => return came,
        };
        linked.members.last_mut().expect("the module itself").uses = self.script.instances[number].clone();
        let stateful = linked.members.iter().any(|member| member.shape.stateful);
        let (bytes, exports) = wrap::together(&linked.members);
        let component = match self.engine.compile(&bytes) {
            Ok(component) => component,
            Err(said) => {
                self.doubt(&linked.worlds, DOUBT_MISSING);
                return self.refused(&said, linked.shape());
            }
        };
        let instance = component.instantiate().map_err(|said| format!("does not instantiate: {}", text_of(&said)))?;
        let shape = linked.shape().clone();
        let Linked { links, numbers: mut members, worlds, .. } = linked;
        members.push(number);
        let mut history: Vec<_> = worlds.iter().flat_map(|world| self.world(*world).history.clone()).collect();
        history.sort_by_key(|(count, _)| *count);
        let doubt = worlds.iter().find_map(|world| self.world(*world).doubt);
        let at = self.worlds.len();
        self.modules.insert(number, (wasm.clone(), shape, links));
        for number in &members {
            self.states.insert(*number, State::In(at));
        }
        for world in worlds {
            self.worlds[world] = None;
        }
        let mut world = World { members, exports, instance, history, stateful, ended: false, doubt };
        world.replay()?;
        self.worlds.push(Some(world));
        Ok(Came::Passed)
    }

    fn act(
        &mut self,
        action: &Action,
        judge: impl FnOnce(&Export, Result<Vec<Scalar>, Said>) -> Result<(), String>,
    ) -> Outcome {
        let at = match self.states.get(&action.instance) {
            Some(State::In(at)) => *at,
            Some(State::Gone(why)) => return Ok(Came::Skipped(why.clone())),
            None => return Err("of an instance that is not there".into()),
        };
        let count = self.count;
        let world = self.worlds[at].as_mut().expect("a world that instances are in");
        let export = match world.export(action) {
            Ok(export) => export.clone(),
            Err(why) => return Ok(Came::Skipped((*why).into())),
        };
        if world.ended {
            world.instance.reset().map_err(|said| format!("is not reset: {}", text_of(&said)))?;
            world.ended = false;
            world.replay()?;
        }
        let results = world.instance.call(&export.name, &export.args(&action.args)?);
        match &results {
            Ok(_) if world.stateful => world.history.push((count, action.clone())),
            Ok(_) => {}
            Err(_) => world.ended = true,
        }
        match (judge(&export, results), world.doubt) {
            (Ok(()), _) => Ok(Came::Passed),
            (Err(_), Some(why)) => Ok(Came::Skipped(why.into())),
            (Err(what), None) => Err(what),
        }
    }
}

impl World {
    fn export(&self, action: &Action) -> &Result<Export, &'static str> {
        let member = self.members.iter().position(|number| *number == action.instance).expect("a member");
        &self.exports[&(member, action.export.clone())]
    }

    /// Makes the calls of the past on a new instance.
    fn replay(&mut self) -> Result<(), String> {
        for (_, action) in &self.history {
            let Ok(export) = self.export(action).clone() else { continue };
            let again = self.instance.call(&export.name, &export.args(&action.args)?);
            again.map_err(|said| format!("{:?} does not succeed again: {}", action.export, text_of(&said)))?;
        }
        Ok(())
    }
}

fn trapped(said: &Said, message: &str) -> Result<(), String> {
    if said.status == status::TRAP && traps(message).contains(&said.trap) {
        return Ok(());
    }
    Err(format!("is to trap, {message}: {}", text_of(said)))
}
