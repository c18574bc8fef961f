//! The C side of the library, tested as C: each program of `tests/c` is compiled with the system's
//! compiler against the shared library that cargo built for this test, and run on the guests; the
//! header is compiled alone; header, symbols and `src/ffi` are held against each other.
//!
//! | variable | value | |
//! |---|---|---|
//! | `TORVYN_C_WRAP` | `asan` | AddressSanitizer with leak detection, and UndefinedBehaviorSanitizer |
//! | | `tsan` | ThreadSanitizer, on the programs with threads |
//! | | `valgrind` | memcheck, on the programs that are not about time or signals |
//! | | `arm64` | an emulated processor of that kind, for the library that `tests/arm64.sh` builds |
//! | `TORVYN_C_LIBRARY` | path | the shared library, where it is another one than cargo's |
//! | `TORVYN_C_TSAN_RT` | path | a runtime of ThreadSanitizer to link instead of the compiler's, see `Wrap::Tsan` |
//! | `TORVYN_SOAK` | number | instances in the soak's longest loop; 2000 where it is not set |
//! | `TORVYN_SIMULATION` | number | seconds of `simulation`; 4 where it is not set |
//! | `TORVYN_SEED` | number | its first seed; 1 where it is not set |
//! | `TORVYN_FORKS` | number | forks in each part of `storm`; 64 where it is not set |
//! | `CC`, `CXX` | command | the compilers; `cc` and `c++` where they are not set |

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What a program runs under, and what has to be said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrap {
    Plain,
    /// `use_sigaltstack=0`: the sanitizer takes the alternate stack away from a thread that ends,
    /// whosever it is by then, and Wasmtime has set its own there.
    Asan,
    /// Sees what the library does only where that was built for it, too:
    ///
    /// ```text
    /// export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/tsan
    /// export RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
    /// export TORVYN_C_TSAN_RT=$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/lib/librustc-stable_rt.tsan.a
    /// TORVYN_C_WRAP=tsan cargo test --target x86_64-unknown-linux-gnu --test c
    /// ```
    ///
    /// Of any other library it hears no atomic operation, and so must believe none of its accesses
    /// (`tests/c/tsan.supp`): what is checked then is that the header's thread rules suffice for a
    /// caller, and that the library's own checks hold in another timing.
    Tsan,
    /// No flag of Wasmtime's is needed: traps come as SIGILL and SIGFPE, which valgrind passes on
    /// (and comments, if it may). Reservations of 4 GiB it only warns of. A component that reads
    /// outside of its memory is an error to memcheck, so the programs that have one are left out.
    Valgrind,
    /// By qemu, which translates instructions and hands system calls on to this machine's kernel, but for
    /// filters of system calls and limits of address space, which it has none of. Left out are the programs
    /// that need these, whose time it makes useless, or that look at the memory of the process.
    Arm64,
}

impl Wrap {
    fn chosen() -> Self {
        match env::var("TORVYN_C_WRAP").as_deref() {
            Err(_) | Ok("" | "none") => Wrap::Plain,
            Ok("asan") => Wrap::Asan,
            Ok("tsan") => Wrap::Tsan,
            Ok("valgrind") => Wrap::Valgrind,
            Ok("arm64") => Wrap::Arm64,
            Ok(other) => panic!("TORVYN_C_WRAP is `{other}`: want none, asan, tsan, valgrind or arm64"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Wrap::Plain => "plain",
            Wrap::Asan => "asan",
            Wrap::Tsan => "tsan",
            Wrap::Valgrind => "valgrind",
            Wrap::Arm64 => "arm64",
        }
    }

    /// Flags for the compiler, and symbols that the program has where they took effect.
    fn flags(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Wrap::Plain | Wrap::Valgrind => (&[], &[]),
            // The C library's place, which qemu's own `-L` would put before every absolute path.
            Wrap::Arm64 => (
                &[
                    "-Wl,--dynamic-linker=/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
                    "-Wl,--disable-new-dtags,-rpath,/usr/aarch64-linux-gnu/lib",
                ],
                &[],
            ),
            Wrap::Asan => (
                &["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
                &["__asan_init", "__ubsan_handle_"],
            ),
            Wrap::Tsan => (&["-fsanitize=thread"], &["__tsan_init"]),
        }
    }

    /// How many times slower than usual a program runs (`TORVYN_C_SLOW` in `check.h`).
    fn slow(self) -> u32 {
        match self {
            Wrap::Plain => 1,
            Wrap::Asan => 3,
            Wrap::Tsan => 10,
            Wrap::Valgrind | Wrap::Arm64 => 20,
        }
    }

    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Wrap::Plain => {}
            Wrap::Asan => {
                let options = "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:use_sigaltstack=0";
                command.env("ASAN_OPTIONS", options).env("UBSAN_OPTIONS", "print_stacktrace=1");
            }
            Wrap::Tsan => {
                let built = symbols(&library(), &["-D", "--undefined-only"]).contains("__tsan_func_entry");
                let suppressions = tests().join(if built { "c/tsan-built.supp" } else { "c/tsan.supp" });
                // Wasmtime's handler allocates, but for traps of components alone, which are in no allocator.
                // A child that is forked in a callback has a clock's thread, for the call that goes on in it.
                let options = format!(
                    "report_signal_unsafe=0:die_after_fork=0:exitcode=66:suppressions={}",
                    suppressions.display()
                );
                command.env("TSAN_OPTIONS", options);
            }
            Wrap::Valgrind => {
                command = Command::new("valgrind");
                // Threads that live on keep their thread-local memory, which is `possible`.
                command.args(["-q", "--error-exitcode=99", "--leak-check=full", "--num-callers=30"]);
                command.args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"]);
                // One thread runs at a time: a guest that loops may else keep the clock's from its turn for minutes.
                command.args(["--fair-sched=try", "--sigill-diagnostics=no"]).arg(program);
            }
            Wrap::Arm64 => {
                command = Command::new("qemu-aarch64-static");
                command.arg(program).env("TORVYN_C_EMULATED", "1");
            }
        }
        command.env("TORVYN_C_SLOW", self.slow().to_string());
        command
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tests() -> PathBuf {
    root().join("tests")
}

/// The shared library that cargo built with the rlib which this test is linked with: one run of the
/// compiler writes both beside this executable. (`target/PROFILE/libtorvyn.so` is another matter:
/// `cargo test` leaves there what `cargo build` once put.)
fn library() -> PathBuf {
    if let Some(chosen) = env::var_os("TORVYN_C_LIBRARY") {
        return chosen.into();
    }
    let executable = env::current_exe().unwrap();
    let library = executable.with_file_name("libtorvyn.so");
    let written = |path: &Path| {
        let metadata = fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        metadata.modified().unwrap()
    };
    let (ours, rlib) = (written(&library), written(&library.with_extension("rlib")));
    let apart = ours.duration_since(rlib).unwrap_or_else(|e| e.duration());
    assert!(apart < Duration::from_secs(120), "{} is not of the same build as the rlib", library.display());
    library
}

/// Where programs are built, with the library under every name that a program may look for.
fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<PathBuf> = OnceLock::new();
    SCRATCH.get_or_init(|| {
        let library = library();
        let profile = library.ancestors().nth(2).and_then(Path::file_name).unwrap();
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c").join(profile).join(Wrap::chosen().name());
        fs::create_dir_all(&scratch).unwrap();
        for name in ["libtorvyn.so", concat!("libtorvyn.so.", env!("CARGO_PKG_VERSION_MAJOR"))] {
            let link = scratch.join(name);
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(&library, &link).unwrap();
        }
        scratch
    })
}

fn compiler(variable: &str, default: &str) -> Command {
    let chosen = env::var(variable).ok().filter(|c| !c.trim().is_empty()).unwrap_or_else(|| default.into());
    let mut words = chosen.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(default));
    command.args(words).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command
}

fn cc() -> Command {
    let mut command = compiler("CC", if Wrap::chosen() == Wrap::Arm64 { "aarch64-linux-gnu-gcc" } else { "cc" });
    command.arg("-std=c99");
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs what must succeed; its output is shown where it does not.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}\n{}{}", said(&output), output.status);
    said(&output)
}

fn symbols(file: &Path, flags: &[&str]) -> String {
    run(Command::new("nm").args(flags).arg(file))
}

/// Programs that measure time: one runs at a time, beside the others.
const TIMED: &[&str] = &["budgets", "callouts", "hostile", "overlong", "overruns", "shared", "stops", "straight"];

fn program(name: &str, under: &[Wrap]) {
    static ONE: Mutex<()> = Mutex::new(());
    let wrap = Wrap::chosen();
    if wrap != Wrap::Plain && !under.contains(&wrap) {
        println!("skipped: not meant for {}", wrap.name());
        return;
    }
    let (flags, proofs) = wrap.flags();
    let scratch = scratch();
    let program = scratch.join(name);
    let mut compile = cc();
    compile.arg("-g").args(flags).arg(format!("-DTORVYN_LIBRARY=\"{}\"", scratch.join("libtorvyn.so").display()));
    compile.arg("-I").arg(root().join("include")).arg("-o").arg(&program);
    let runtime = env::var_os("TORVYN_C_TSAN_RT").filter(|_| wrap == Wrap::Tsan);
    match &runtime {
        None => compile.arg(tests().join("c").join(name).with_extension("c")),
        Some(runtime) => {
            let object = program.with_extension("o");
            let source = tests().join("c").join(name).with_extension("c");
            let mut compile_only = cc();
            compile_only.arg("-g").args(flags).arg("-I").arg(root().join("include"));
            run(compile_only.arg("-c").arg(source).arg("-o").arg(&object));
            compile = Command::new(cc().get_program());
            compile.arg("-o").arg(&program).arg(object).args(["-rdynamic", "-Wl,--whole-archive"]);
            compile.arg(runtime).arg("-Wl,--no-whole-archive")
        }
    };
    // `--as-needed`: a program that names no function of the library is not linked with it.
    compile.arg("-L").arg(scratch).arg("-Wl,--as-needed").arg("-ltorvyn");
    compile.arg(format!("-Wl,-rpath,{}", scratch.display())).args(["-lpthread", "-ldl", "-lm"]);
    run(&mut compile);
    let has = symbols(&program, &[]);
    for proof in proofs {
        assert!(has.contains(proof), "{} has no {proof}: the sanitizer is not linked in", program.display());
    }
    // One that failed has said so itself.
    let _alone = TIMED.contains(&name).then(|| ONE.lock().unwrap_or_else(PoisonError::into_inner));
    let began = Instant::now();
    let output = run(wrap.command(&program).arg(tests().join("guests")));
    println!("{output}{name} under {}: {:.1} s", wrap.name(), began.elapsed().as_secs_f64());
}

macro_rules! programs {
    ($($name:ident: $($wrap:ident)*;)*) => {
        $(
            #[test]
            fn $name() {
                program(stringify!($name), &[$(Wrap::$wrap),*]);
            }
        )*

        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
    };
}

programs! {
    components: Asan Valgrind Arm64;
    streaming: Asan Valgrind Arm64;
    verdicts: Asan Valgrind Arm64;
    hostile: Asan Arm64;
    budgets: Asan Tsan Arm64;
    memory: Asan Valgrind Arm64;
    // Measure how soon the host's own work ends.
    overruns: ;
    overlong: ;
    // Has a malloc of its own, and children by the thousand, which take minutes where all is slow.
    refusals: ;
    // Has system calls of its own, and filters for those of the library.
    denied: ;
    encodings: Asan Valgrind Arm64;
    holding: Asan Arm64;
    // Measures the memory of the process.
    idle: ;
    straight: Asan Arm64;
    native: Asan Valgrind Arm64;
    freed: Asan Arm64;
    log: Asan Tsan Arm64;
    host: Asan Arm64;
    values: Asan Arm64;
    shared: Asan Arm64;
    names: Asan Arm64;
    counts: Asan Arm64;
    callouts: Asan Valgrind Arm64;
    nested: Asan Arm64;
    composed: Asan Arm64;
    surfaces: Asan Arm64;
    null: Asan Valgrind Arm64;
    misuse: Asan Tsan Valgrind Arm64;
    threads: Asan Tsan Arm64;
    seeds: Asan Arm64;
    soak: Asan Arm64;
    paths: Asan Valgrind Arm64;
    process: Asan Arm64;
    // Sanitizers' allocators know nothing of fork(): a child may find their locks taken.
    forks: Arm64;
    storm: Arm64;
    leaving: Arm64;
    output: Asan Arm64;
    writes: Asan Arm64;
    stops: Asan Arm64;
    sandbox: Asan Arm64;
    simulation: Asan Arm64;
    unload: Asan Arm64;
    // valgrind has descriptors of its own, which are not closed with the rest.
    descriptors: Asan Arm64;
    // valgrind, ThreadSanitizer and qemu have mappings and address space of their own.
    mappings: Asan;
}

#[test]
fn every_program_is_run() {
    for entry in fs::read_dir(tests().join("c")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "c") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(PROGRAMS.contains(&name), "{name}.c stands in tests/c, but not in tests/c.rs");
        }
    }
}

/* ---- the header --------------------------------------------------------------- */

fn header() -> String {
    fs::read_to_string(root().join("include/torvyn.h")).unwrap()
}

#[test]
fn the_header_compiles_alone_and_twice() {
    let check = |mut compiler: Command, name: &str, standard: &str| {
        for (times, text) in
            [("alone", "#include \"torvyn.h\"\n"), ("twice", "#include \"torvyn.h\"\n#include \"torvyn.h\"\n")]
        {
            // A function that uses it, since an empty unit is a mistake of its own in C.
            let text =
                format!("{text}int torvyn_test_uses(void);\nint torvyn_test_uses(void) {{ return TORVYN_OK; }}\n");
            let source = scratch().join(format!("{times}.{name}"));
            fs::write(&source, text).unwrap();
            run(compiler.arg(standard).arg("-fsyntax-only").arg("-I").arg(root().join("include")).arg(&source));
        }
    };
    check(compiler("CC", "cc"), "c", "-std=c99");
    check(compiler("CC", "cc"), "c", "-std=c11");
    // A machine needs no C++ compiler for the library.
    let asked = env::var_os("CXX").is_some();
    let there = Command::new("c++").arg("--version").output().is_ok_and(|o| o.status.success());
    if asked || there {
        check(compiler("CXX", "c++"), "cpp", "-std=c++17");
    } else {
        println!("skipped: no C++ compiler (c++, or what CXX names)");
    }
}

/// A C text without its comments and preprocessor lines.
fn bare(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(from) = rest.find("/*") {
        code.push_str(&rest[..from]);
        rest = rest[from..].split_once("*/").map_or("", |(_, after)| after);
    }
    let joined = (code + rest).replace("\\\n", " ");
    joined.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// The functions that the header declares, each with its parameters.
fn declared() -> Vec<(String, Vec<String>)> {
    let code = bare(&header());
    let functions = code.split(';').filter_map(|statement| {
        let (before, _) = statement.split_once('(')?;
        let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        let (parameters, _) = bracketed(statement, '(', ')')?;
        name.starts_with("torvyn_").then(|| (name.to_owned(), listed(parameters)))
    });
    functions.collect()
}

/// What stands between the commas of `text`, but for those within brackets or a string.
fn listed(text: &str) -> Vec<String> {
    let (mut found, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for c in text.chars() {
        quoted ^= c == '"';
        depth += i32::from("([{".contains(c) && !quoted) - i32::from(")]}".contains(c) && !quoted);
        match found.last_mut() {
            Some(last) if c != ',' || depth > 0 || quoted => last.push(c),
            _ => found.push(String::new()),
        }
    }
    found.into_iter().map(|one| one.trim().to_owned()).collect()
}

#[test]
fn the_library_exports_what_the_header_declares() {
    let table = symbols(&library(), &["-D", "--defined-only"]);
    let exported: BTreeSet<_> = table
        .lines()
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, "A", _] => None, // the name of a version
            [_, _, name] => Some(name.split('@').next().unwrap_or(name).to_owned()),
            _ => None,
        })
        .collect();
    same("exported", &exported);
}

/// `functions` must be those that the header declares.
fn same(what: &str, functions: &BTreeSet<String>) {
    let declared: BTreeSet<_> = declared().into_iter().map(|(name, _)| name).collect();
    assert!(declared.len() > 60, "the header was not understood: {declared:?}");
    let missing: Vec<_> = declared.difference(functions).collect();
    let foreign: Vec<_> = functions.difference(&declared).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "not {what}: {missing:?}; {what}, not declared: {foreign:?}");
}

#[test]
fn every_function_is_called_with_null() {
    let program = bare(&fs::read_to_string(tests().join("c/null.c")).unwrap());
    let mut missing = Vec::new();
    for (name, parameters) in declared() {
        let at = program.match_indices(&name).map(|(at, _)| &program[at + name.len()..]);
        let calls: Vec<_> =
            at.filter(|rest| rest.starts_with('(')).map(|rest| bracketed(rest, '(', ')').unwrap().0).collect();
        for (i, parameter) in parameters.iter().enumerate().filter(|(_, parameter)| parameter.contains('*')) {
            // What is NULL before it would be refused first; `err` never is.
            let own = |call: &&str| {
                let arguments = listed(call);
                arguments[i] == "NULL" && (parameter.ends_with("*err") || !arguments[..i].iter().any(|a| a == "NULL"))
            };
            if !calls.iter().any(own) {
                missing.push(format!("{name}: {parameter}"));
            }
        }
    }
    assert!(missing.is_empty(), "tests/c/null.c has no call in which this is the first NULL: {missing:#?}");
}

/* ---- src/ffi ------------------------------------------------------------------- */

/// The text between `text`'s first bracket `open` and its partner, and what follows.
fn bracketed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let from = text.find(open)?;
    let mut depth = 0;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < from) {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return Some((&text[from + 1..at], &text[at + 1..]));
        }
    }
    None
}

#[test]
fn every_exported_function_is_one_guard() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join("src/ffi")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
        for (at, mark) in code.match_indices("no_mangle") {
            let function = &code[at + mark.len()..];
            let name = function.split_once("fn ").unwrap().1.split('(').next().unwrap().to_owned();
            let (body, _) = bracketed(function, '{', '}').unwrap();
            let guard = body.trim().strip_prefix("ffi!");
            let (_, after) = guard.and_then(|guard| bracketed(guard, '(', ')')).unwrap_or(("", "nothing"));
            let single = guard.is_some_and(|guard| guard.starts_with('(')) && after.trim().is_empty();
            assert!(single, "{}: {name}: the body is not one ffi!", path.display());
            found.insert(name);
        }
        assert!(!code.contains("export_name"), "{}: only no_mangle is looked for", path.display());
    }
    same("marked no_mangle", &found);
}
