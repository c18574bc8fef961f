//! Lines for the program's log: what no caller is told otherwise. The library itself prints nothing.

use std::fmt::Display;
use std::sync::Arc;

use crate::contract::{ComponentId, Function};
use crate::error::one_line;

/// How much a line matters; a greater one matters less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // each is specified at its constant in `ffi/log.rs`
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// How much it matters.
    pub level: Level,
    /// The instance's id, where it is about one.
    pub component: Option<ComponentId>,
    /// The function of the contract, where it is about one.
    pub function: Option<Function>,
    /// One line of text.
    pub message: &'a str,
}

/// Where lines go. Called on any thread, on several at once.
pub trait Sink: Send + Sync {
    /// Takes a line.
    fn line(&self, line: &Line<'_>);
}

/// A sink and how much it wants. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    /// Takes the lines.
    pub sink: Arc<dyn Sink>,
    /// Lines that matter less are left out.
    pub level: Level,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Log").field(&self.level).finish()
    }
}

impl Log {
    /// Writes a line, its control characters escaped, where the sink wants lines of `level`.
    #[cold]
    pub fn write(
        &self,
        level: Level,
        component: Option<ComponentId>,
        function: Option<Function>,
        message: impl Display,
    ) {
        if level <= self.level {
            let message = one_line(&message.to_string());
            self.sink.line(&Line { level, component, function, message: &message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<(Level, String)>>);

    impl Sink for Kept {
        fn line(&self, line: &Line<'_>) {
            self.0.lock().push((line.level, line.message.to_owned()));
        }
    }

    #[test]
    fn a_line_is_one_line_and_wanted() {
        let kept = Arc::new(Kept::default());
        let log = Log { sink: kept.clone(), level: Level::Info };
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
            log.write(level, None, None, "two\nlines");
        }
        let wanted = [Level::Error, Level::Warn, Level::Info].map(|level| (level, "two\\nlines".to_owned()));
        assert_eq!(*kept.0.lock(), wanted);
    }
}
