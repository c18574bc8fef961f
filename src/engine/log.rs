//! Lines for the program's log: what no caller is told otherwise. The library itself prints nothing.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use crate::contract::{ComponentId, Function, held};
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
    /// Writes a line, what does not show in it escaped, where the sink wants lines of `level`.
    #[cold]
    pub fn write(
        &self,
        level: Level,
        component: Option<ComponentId>,
        function: Option<Function>,
        message: impl Display,
    ) {
        if level <= self.level {
            let message = one_line(message);
            self.sink.line(&Line { level, component, function, message: &message });
        }
    }
}

/// A longer line of a guest's is logged in pieces.
const LINE: usize = 8 << 10;

/// The text of what a guest prints, in which all that is none is replaced; as much of it as the system has
/// memory for.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::new();
    held::append_lossy(&mut text, bytes);
    text.into()
}

/// Makes lines of what a guest prints in pieces.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes a piece; `say` gets each line that it ends, and takes its time: what follows is dropped
    /// where `goes_on` says no after one.
    pub fn take(&mut self, mut bytes: &[u8], mut say: impl FnMut(&str), mut goes_on: impl FnMut() -> bool) {
        while !bytes.is_empty() {
            // Never much of it at once: what waits takes little memory, however much is written.
            let piece = &bytes[..bytes.len().min(LINE)];
            let end = piece.iter().position(|byte| *byte == b'\n');
            let (piece, whole) = (&piece[..end.unwrap_or(piece.len())], end.is_some());
            bytes = &bytes[piece.len() + usize::from(whole)..];
            if self.wait(piece, &mut say) {
                if !whole && self.rest.len() < LINE {
                    continue;
                }
                self.give(whole, &mut say);
            }
            if !goes_on() {
                return;
            }
        }
    }

    /// Adds to what waits. Where the system has no memory for that, both are given as lines now, and
    /// nothing waits.
    fn wait(&mut self, piece: &[u8], say: &mut impl FnMut(&str)) -> bool {
        let waits = self.rest.try_reserve(piece.len()).is_ok();
        if waits {
            self.rest.extend_from_slice(piece);
        } else {
            self.end(&mut *say);
            say(&text(piece));
        }
        waits
    }

    /// Nothing follows: the rest is a line.
    pub fn end(&mut self, mut say: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            self.give(true, &mut say);
        }
    }

    /// Gives the line that is there, in pieces where it is long. Where it is not `whole`, the last
    /// piece waits for more.
    fn give(&mut self, whole: bool, say: &mut impl FnMut(&str)) {
        let mut line = &self.rest[..];
        while line.len() >= LINE {
            // Not within a character.
            let cut = (LINE - 3..=LINE).rev().find(|at| line.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80));
            let (piece, rest) = line.split_at(cut.unwrap_or(LINE));
            say(&text(piece));
            line = rest;
        }
        if whole {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            say(&text(line));
            self.rest.clear();
        } else {
            let given = self.rest.len() - line.len();
            self.rest.drain(..given);
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
    fn pieces_become_lines() {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        lines.take(b"one\r\ntw", |line| said.push(line.to_owned()), || true);
        lines.take(b"o\n\nrest", |line| said.push(line.to_owned()), || true);
        lines.end(|line| said.push(line.to_owned()));
        lines.end(|line| said.push(line.to_owned()));
        assert_eq!(said, ["one", "two", "", "rest"]);
        said.clear();
        lines.take(b"a\xffb\xe2\x82\n", |line| said.push(line.to_owned()), || true);
        assert_eq!(said, ["a\u{fffd}b\u{fffd}"]);
        let long = "\u{e4}".repeat(10_000);
        said.clear();
        lines.take(long.as_bytes(), |line| said.push(line.to_owned()), || true);
        lines.end(|line| said.push(line.to_owned()));
        assert!(said.len() == 3 && said.concat() == long);
        said.clear();
        let mut left = 2;
        let two = || {
            left -= 1;
            left > 0
        };
        lines.take(b"one\ntwo\nthree\nfour", |line| said.push(line.to_owned()), two);
        lines.end(|line| said.push(line.to_owned()));
        assert_eq!(said, ["one", "two"]);
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
