//! Functions that need no handle, which look at the time before they answer: what takes a handle
//! finds none when the call is to stop (`WasiView::ctx`).

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::cli::{
    environment, terminal_input::TerminalInput, terminal_output::TerminalOutput, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::insecure_seed;
use wasmtime_wasi::random::WasiRandomView as _;

use crate::contract::host::Host;

/// Puts the functions in place of `wasmtime-wasi`'s.
pub fn add(linker: &mut Linker<Host>) -> Result<()> {
    environment::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    terminal_stdin::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    terminal_stdout::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    terminal_stderr::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    monotonic_clock::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    wall_clock::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    insecure_seed::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)
}

/// Methods that are `wasmtime-wasi`'s own, of its view `$part`.
macro_rules! timed {
    ($($of:ident in $part:ident: fn $name:ident($($arg:ident: $type:ty)?) -> $result:ty;)*) => {$(
        fn $name(&mut self $(, $arg: $type)?) -> Result<$result> {
            self.check_time()?;
            $of::Host::$name(&mut self.$part() $(, $arg)?)
        }
    )*};
}

impl environment::Host for Host {
    timed! {
        environment in cli: fn get_environment() -> Vec<(String, String)>;
        environment in cli: fn get_arguments() -> Vec<String>;
        environment in cli: fn initial_cwd() -> Option<String>;
    }
}

impl terminal_stdin::Host for Host {
    timed! { terminal_stdin in cli: fn get_terminal_stdin() -> Option<Resource<TerminalInput>>; }
}

impl terminal_stdout::Host for Host {
    timed! { terminal_stdout in cli: fn get_terminal_stdout() -> Option<Resource<TerminalOutput>>; }
}

impl terminal_stderr::Host for Host {
    timed! { terminal_stderr in cli: fn get_terminal_stderr() -> Option<Resource<TerminalOutput>>; }
}

impl monotonic_clock::Host for Host {
    timed! {
        monotonic_clock in clocks: fn now() -> monotonic_clock::Instant;
        monotonic_clock in clocks: fn resolution() -> monotonic_clock::Duration;
        monotonic_clock in clocks: fn subscribe_instant(when: monotonic_clock::Instant) -> Resource<DynPollable>;
        monotonic_clock in clocks: fn subscribe_duration(when: monotonic_clock::Duration) -> Resource<DynPollable>;
    }
}

impl wall_clock::Host for Host {
    timed! {
        wall_clock in clocks: fn now() -> wall_clock::Datetime;
        wall_clock in clocks: fn resolution() -> wall_clock::Datetime;
    }
}

impl insecure_seed::Host for Host {
    timed! { insecure_seed in random: fn insecure_seed() -> (u64, u64); }
}
