//! The plot: above, the transform by payload; below, the other work. Both axes of time are
//! logarithmic.

use std::fmt::Write as _;

use crate::facts::bytes;
use crate::report::Row;
use crate::ways::Key;
use crate::work::Work;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 480.0;
/// The first row of the lower part.
const ROWS: f64 = 580.0;
const ROW: f64 = 34.0;

fn colour(key: Key) -> &'static str {
    match key {
        Key::Direct => "#0b4f9e",
        Key::General => "#5aa2e0",
        Key::Typed => "#2a8a4a",
        Key::Dynamic => "#c98a00",
        Key::CApi => "#c0392b",
        Key::Extism => "#8e44ad",
        Key::Bare => "#777777",
        Key::Native => "#222222",
    }
}

/// How a line is drawn: libtorvyn's thick, the measures dashed.
fn stroke(key: Key) -> &'static str {
    match key {
        Key::Direct => "stroke-width=\"3.5\"",
        Key::Bare | Key::Native => "stroke-width=\"1.5\" stroke-dasharray=\"5 4\"",
        _ => "stroke-width=\"2\"",
    }
}

/// A logarithmic axis from one power of ten to another.
struct Axis {
    low: i32,
    high: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone, from: f64, to: f64) -> Self {
        let low = rows.clone().map(|row| row.ns.min).fold(f64::INFINITY, f64::min);
        let high = rows.map(|row| row.ns.max).fold(1.0, f64::max);
        Self { low: low.max(1.0).log10().floor() as i32, high: high.log10().ceil() as i32, from, to }
    }

    fn at(&self, ns: f64) -> f64 {
        let part = (ns.max(1.0).log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = (f64, &'static str)> {
        const NAMES: [&str; 10] =
            ["1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"];
        (self.low..=self.high).map(|p| (self.at(10f64.powi(p)), NAMES[p.clamp(0, 9) as usize]))
    }
}

/// The whole picture.
pub fn svg(rows: &[Row]) -> String {
    let lower: Vec<Work> = Work::ALL.into_iter().filter(|work| *work != Work::Transform).collect();
    let end = ROWS + ROW * (lower.len() - 1) as f64;
    let height = end + 70.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"30\" font-size=\"16\" font-weight=\"bold\">Time per element: read all, append, \
         emit, by payload</text>\n"
    );
    lines(&mut svg, rows);
    dots(&mut svg, rows, &lower, end);
    svg.push_str("</svg>\n");
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, fill: &str, content: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{content}</text>");
}

fn rule(svg: &mut String, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = writeln!(svg, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#dddddd\"/>");
}

fn lines(svg: &mut String, rows: &[Row]) {
    let rows = || rows.iter().filter(|row| row.work == Work::Transform);
    let mut sizes: Vec<usize> = rows().map(|row| row.payload_bytes).collect();
    sizes.dedup();
    let x = |bytes: usize| {
        let i = sizes.iter().position(|size| *size == bytes).unwrap_or(0);
        LEFT + (RIGHT - LEFT) * i as f64 / (sizes.len().max(2) - 1) as f64
    };
    let axis = Axis::of(rows(), BOTTOM, TOP);
    for (y, name) in axis.ticks() {
        rule(svg, [LEFT, y, RIGHT, y]);
        text(svg, LEFT - 10.0, y + 4.0, "end", "#555555", name);
    }
    for size in &sizes {
        rule(svg, [x(*size), TOP, x(*size), BOTTOM]);
        text(svg, x(*size), BOTTOM + 20.0, "middle", "#555555", &bytes(*size));
    }
    let mut labels = Vec::new();
    for key in Key::ALL {
        let points: Vec<&Row> = rows().filter(|row| row.way == key).collect();
        let Some(last) = points.last() else { continue };
        labels.push((axis.at(last.ns.median), key));
        let colour = colour(key);
        let path: Vec<String> =
            points.iter().map(|row| format!("{:.1} {:.1}", x(row.payload_bytes), axis.at(row.ns.median))).collect();
        let _ = writeln!(svg, "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" {}/>", path.join("L"), stroke(key));
        for row in points {
            let (x, y) = (x(row.payload_bytes), axis.at(row.ns.median));
            // The spread, where it can be seen.
            let (low, high) = (axis.at(row.ns.min), axis.at(row.ns.max));
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {low:.1}L{x:.1} {high:.1}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{}, {}: {:.0} ns</title></circle>",
                key.name(),
                bytes(row.payload_bytes),
                row.ns.median
            );
        }
    }
    // Names at the lines' ends, moved apart where they would touch.
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = 0f64;
    for (y, key) in labels {
        lowest = y.max(lowest + 17.0);
        text(svg, RIGHT + 14.0, lowest + 4.0, "start", colour(key), key.name());
    }
}

fn dots(svg: &mut String, rows: &[Row], works: &[Work], end: f64) {
    let rows = || rows.iter().filter(|row| row.work != Work::Transform);
    let axis = Axis::of(rows(), LEFT + 20.0, RIGHT);
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\" font-size=\"16\" font-weight=\"bold\">Time per element: other work, 64 bytes (colours as above)</text>",
        ROWS - 40.0
    );
    for (x, name) in axis.ticks() {
        rule(svg, [x, ROWS - 18.0, x, end + 18.0]);
        text(svg, x, end + 36.0, "middle", "#555555", name);
    }
    for (work, y) in works.iter().zip((0..).map(|i| ROWS + ROW * f64::from(i))) {
        rule(svg, [LEFT + 20.0, y, RIGHT, y]);
        text(svg, LEFT + 5.0, y + 4.0, "end", "#222222", work.name());
        for row in rows().filter(|row| row.work == *work) {
            let radius = if row.way == Key::Direct { 7.0 } else { 5.0 };
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\" fill-opacity=\"0.85\">\
                 <title>{}: {:.0} ns</title></circle>",
                axis.at(row.ns.median),
                colour(row.way),
                row.way.name(),
                row.ns.median
            );
        }
    }
}
