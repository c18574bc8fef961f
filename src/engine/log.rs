//! The log: one line at a time, with the instance and the call that it is about.

use super::Engine;
use crate::contract::{ComponentId, Function};

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as the names say
pub enum Level {
    Info,
    Warn,
}

#[cfg(test)]
thread_local! {
    /// What this thread logged, for tests.
    pub(crate) static LINES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Engine {
    /// Gives a line to the program.
    pub fn log(&self, level: Level, component: Option<ComponentId>, function: Option<Function>, text: &str) {
        let _ = (level, component, function, text);
        #[cfg(test)]
        let _ = LINES.try_with(|lines| {
            let who = component.map_or_else(String::new, |id| format!(" {}", id.0));
            lines.borrow_mut().push(format!("{level:?}{who}: {text}"));
        });
    }
}
