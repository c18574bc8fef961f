//! What files came to, as lines of text from a worker and in the summary.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Modules that were instantiated, and assertions that hold.
    pub passed: u64,
    /// What the library refused, by the feature that it named.
    pub refused: BTreeMap<String, u64>,
    /// What was not tried, by the reason.
    pub skipped: BTreeMap<String, u64>,
    pub failed: Vec<String>,
}

impl Report {
    pub fn add(&mut self, other: &Report) {
        self.passed += other.passed;
        for (name, count) in &other.refused {
            *self.refused.entry(name.clone()).or_default() += count;
        }
        for (reason, count) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += count;
        }
        self.failed.extend(other.failed.iter().cloned());
    }

    pub fn refuse(&mut self, name: impl Into<String>) {
        *self.refused.entry(name.into()).or_default() += 1;
    }

    pub fn skip(&mut self, reason: impl Into<String>) {
        *self.skipped.entry(reason.into()).or_default() += 1;
    }

    /// As lines; [`Self::read`] takes each.
    pub fn lines(&self) -> String {
        let mut lines = format!("passed\t{}\n", self.passed);
        for (what, counts) in [("refused", &self.refused), ("skipped", &self.skipped)] {
            for (name, count) in counts {
                lines += &format!("{what}\t{count}\t{name}\n");
            }
        }
        for failure in &self.failed {
            lines += &format!("failed\t{}\n", failure.replace('\n', " "));
        }
        lines
    }

    /// Takes a line; whether it is one.
    pub fn read(&mut self, line: &str) -> bool {
        let mut parts = line.splitn(3, '\t');
        let (what, first, second) = (parts.next(), parts.next(), parts.next());
        match (what, first, first.and_then(|n| n.parse::<u64>().ok()), second) {
            (Some("passed"), _, Some(count), None) => self.passed += count,
            (Some("refused"), _, Some(count), Some(name)) => *self.refused.entry(name.into()).or_default() += count,
            (Some("skipped"), _, Some(count), Some(name)) => *self.skipped.entry(name.into()).or_default() += count,
            (Some("failed"), Some(text), ..) => self.failed.push(text.into()),
            _ => return false,
        }
        true
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed", self.passed)?;
        let listed = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        };
        if !self.refused.is_empty() {
            write!(f, "; refused by name: {}", listed(&self.refused))?;
        }
        if !self.skipped.is_empty() {
            write!(f, "; skipped: {}", listed(&self.skipped))?;
        }
        if !self.failed.is_empty() {
            write!(f, "; {} FAILED", self.failed.len())?;
        }
        Ok(())
    }
}
