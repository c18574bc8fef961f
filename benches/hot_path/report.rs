//! The table and the CSV.

use std::fmt::Write as _;

use crate::facts::bytes;
use crate::measure::Spread;
use crate::ways::{Key, Way};
use crate::work::{Task, Work};

/// One figure.
pub struct Row {
    pub work: Work,
    pub payload_bytes: usize,
    pub way: Key,
    pub ns: Spread,
    /// To libtorvyn's direct path.
    pub ratio: f64,
}

impl Row {
    pub fn of(task: &Task, ways: &[Box<dyn Way>], spreads: Vec<Spread>) -> Vec<Row> {
        let torvyn = ways.iter().position(|way| way.key() == Key::Direct).map_or(f64::NAN, |i| spreads[i].median);
        let row = |(way, ns): (Key, Spread)| Row {
            work: task.work,
            payload_bytes: task.payload_bytes(),
            way,
            ns,
            ratio: ns.median / torvyn,
        };
        ways.iter().map(|way| way.key()).zip(spreads).map(row).collect()
    }
}

/// Nanoseconds with digits as the spread deserves.
fn ns(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Prints the rows of one task.
pub fn table(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let title = format!("{}, {}", first.work.name(), bytes(first.payload_bytes));
    println!("{title:34}{:>12}{:>12}{:>12}{:>12}", "ns/element", "min", "max", "x libtorvyn");
    for row in rows {
        let Spread { median, min, max } = row.ns;
        println!("  {:32}{:>12}{:>12}{:>12}{:>12.2}", row.way, ns(median), ns(min), ns(max), row.ratio);
    }
    println!();
}

/// All rows.
pub fn csv(rows: &[Row]) -> String {
    let mut csv = String::from("work,payload_bytes,way,ns_median,ns_min,ns_max,ratio_to_libtorvyn\n");
    for Row { work, payload_bytes, way, ns: Spread { median, min, max }, ratio } in rows {
        let name = work.name();
        let _ = writeln!(csv, "{name},{payload_bytes},{way},{median:.1},{min:.1},{max:.1},{ratio:.3}");
    }
    csv
}
