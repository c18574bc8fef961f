//! The program's log.

use std::ffi::c_void;

use super::callback::User;
use super::plain::Str;
use crate::engine::log::{Level, Line, Sink};
use crate::engine::stack;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(non_camel_case_types)] // cbindgen takes the names as they are
pub enum LogLevel {
    /// As TORVYN_LOG_INFO; never the level of a line.
    TORVYN_LOG_DEFAULT = 0,
    /// Something failed, and no caller is told: a component failed in teardown.
    TORVYN_LOG_ERROR = 1,
    /// Something that may need attention.
    TORVYN_LOG_WARN = 2,
    /// What an operator wants to know: an instance was reset, what a component
    /// wrote.
    TORVYN_LOG_INFO = 3,
    /// What a caller is told as well: a trap or a budget ended a call.
    TORVYN_LOG_DEBUG = 4,
}

/// One line of the log, borrowed from the library until the callback returns.
/// Later versions may add fields at the end.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LogLine {
    /// The size of the struct in the library, in bytes: fields past it are not
    /// there.
    pub struct_size: u32,
    /// How much it matters.
    pub level: LogLevel,
    /// The id of the instance that it is about, as torvyn_instance_new() was given
    /// it; NULL where it is about none.
    pub component_id: *const u64,
    /// The function of the contract that it is about, by its name in the WIT, e.g.
    /// "teardown"; empty where it is about none. Not NUL-terminated.
    pub function: Str,
    /// What happened: UTF-8 in one line, escaped as in torvyn_error_message(). Not
    /// NUL-terminated.
    pub message: Str,
}

/// Takes a line of the log.
///
/// It runs on the thread whose call the line is about, before that call returns;
/// several threads may be in it at once. It may call the library, but of the
/// instance that the line is about only what takes it as `const`: a call on it
/// gets TORVYN_ERROR_BUSY.
pub type LogFn = Option<unsafe extern "C" fn(user: *mut c_void, line: *const LogLine)>;

/// The sink that is a callback of the program.
#[derive(Debug)]
pub struct Callback {
    /// The program's function.
    pub function: unsafe extern "C" fn(*mut c_void, *const LogLine),
    /// What it is given.
    pub user: User,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => LogLevel::TORVYN_LOG_ERROR,
            Level::Warn => LogLevel::TORVYN_LOG_WARN,
            Level::Info => LogLevel::TORVYN_LOG_INFO,
            Level::Debug => LogLevel::TORVYN_LOG_DEBUG,
        }
    }
}

impl Sink for Callback {
    fn line(&self, line: &Line<'_>) {
        let id = line.component.map(|id| id.0);
        let line = LogLine {
            struct_size: size_of::<LogLine>() as u32,
            level: line.level.into(),
            component_id: id.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            function: line.function.map_or(Str::EMPTY, |function| Str::of(function.name())),
            message: Str::of(line.message),
        };
        let _on = stack::callback();
        // SAFETY: the header requires a function that takes these; `line` lives until it returns.
        unsafe { (self.function)(self.user.get(), &raw const line) }
    }
}
