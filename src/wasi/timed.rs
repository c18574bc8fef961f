//! Functions that need no handle, which look at the time before they answer: what takes a handle
//! finds none when the call is to stop (`WasiView::ctx`).

use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::cli::{
    environment, terminal_input::TerminalInput, terminal_output::TerminalOutput, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::insecure_seed;

use crate::contract::host::Host;

/// For Wasmtime: what the functions here work on.
struct Has;

impl HasData for Has {
    type Data<'a> = Timed<'a>;
}

/// A store.
struct Timed<'a>(&'a mut Host);

fn view(host: &mut Host) -> Timed<'_> {
    Timed(host)
}

/// Puts the functions in place of `wasmtime-wasi`'s.
pub fn add(linker: &mut Linker<Host>) -> Result<()> {
    environment::add_to_linker::<_, Has>(linker, view)?;
    terminal_stdin::add_to_linker::<_, Has>(linker, view)?;
    terminal_stdout::add_to_linker::<_, Has>(linker, view)?;
    terminal_stderr::add_to_linker::<_, Has>(linker, view)?;
    monotonic_clock::add_to_linker::<_, Has>(linker, view)?;
    wall_clock::add_to_linker::<_, Has>(linker, view)?;
    insecure_seed::add_to_linker::<_, Has>(linker, view)
}

/// Methods that are `wasmtime-wasi`'s own, of its view `$part`.
macro_rules! timed {
    ($($of:ident in $part:ident: fn $name:ident($($arg:ident: $type:ty)?) -> $result:ty;)*) => {$(
        fn $name(&mut self $(, $arg: $type)?) -> Result<$result> {
            self.0.check_time()?;
            $of::Host::$name(&mut self.0.$part() $(, $arg)?)
        }
    )*};
}

impl environment::Host for Timed<'_> {
    timed! {
        environment in cli: fn get_environment() -> Vec<(String, String)>;
        environment in cli: fn get_arguments() -> Vec<String>;
        environment in cli: fn initial_cwd() -> Option<String>;
    }
}

impl terminal_stdin::Host for Timed<'_> {
    timed! { terminal_stdin in cli: fn get_terminal_stdin() -> Option<Resource<TerminalInput>>; }
}

impl terminal_stdout::Host for Timed<'_> {
    timed! { terminal_stdout in cli: fn get_terminal_stdout() -> Option<Resource<TerminalOutput>>; }
}

impl terminal_stderr::Host for Timed<'_> {
    timed! { terminal_stderr in cli: fn get_terminal_stderr() -> Option<Resource<TerminalOutput>>; }
}

impl monotonic_clock::Host for Timed<'_> {
    timed! {
        monotonic_clock in clocks: fn now() -> monotonic_clock::Instant;
        monotonic_clock in clocks: fn resolution() -> monotonic_clock::Duration;
        monotonic_clock in clocks: fn subscribe_instant(when: monotonic_clock::Instant) -> Resource<DynPollable>;
        monotonic_clock in clocks: fn subscribe_duration(when: monotonic_clock::Duration) -> Resource<DynPollable>;
    }
}

impl wall_clock::Host for Timed<'_> {
    timed! {
        wall_clock in clocks: fn now() -> wall_clock::Datetime;
        wall_clock in clocks: fn resolution() -> wall_clock::Datetime;
    }
}

impl insecure_seed::Host for Timed<'_> {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        self.0.check_time()?;
        insecure_seed::Host::insecure_seed(self.0.ctx().ctx.random())
    }
}
