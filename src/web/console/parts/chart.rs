//! Charts as SVG, each with its numbers as a table.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::number;

/// The size of the drawing area; charts are scaled to their place.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 150.0;
/// Margins for the axis labels.
const LEFT: f64 = 44.0;
const BELOW: f64 = 20.0;

/// Half the width of an isolated value in a curve.
const DASH: f64 = 4.0;

pub(in crate::web::console) struct Bar {
    /// Its label, such as an hour.
    pub(in crate::web::console) label: String,
    pub(in crate::web::console) value: u64,
}

pub(in crate::web::console) struct Curve {
    pub(in crate::web::console) label: &'static str,
    /// Its values in order; `None` without a measurement.
    pub(in crate::web::console) values: Vec<Option<f64>>,
}

/// A sparkline. `what` is its label for screen readers.
pub(in crate::web::console) fn sparkline(what: &str, values: &[u64]) -> Markup {
    let top = values.iter().copied().max().unwrap_or(0);
    let sum: u64 = values.iter().sum();
    let last = values.len().saturating_sub(1).max(1);
    let mut path = String::new();
    for (place, value) in values.iter().enumerate() {
        let (x, y) = (100.0 * ratio(place as u64, last as u64), 25.0 - 23.0 * ratio(*value, top));
        let command = if place == 0 { 'M' } else { 'L' };
        // Writing to a string never fails.
        let _written = write!(path, "{command}{x:.1} {y:.1}");
        if values.len() == 1 {
            let _written = write!(path, "L100.0 {y:.1}");
        }
    }
    let says = format!("{what}: {} in total, at most {}", number(sum), number(top));
    html! {
        svg .spark .flat[top == 0] viewBox="0 0 100 26" preserveAspectRatio="none" role="img" aria-label=(says) {
            @if !path.is_empty() {
                path .area d={ (path) "L100 26L0 26Z" } {}
                path d=(path) {}
            }
        }
    }
}

pub(in crate::web::console) fn bars(what: &str, unit: &str, bars: &[Bar]) -> Markup {
    let top = nice(bars.iter().map(|bar| as_f64(bar.value)).fold(0.0, f64::max));
    let step = (WIDTH - LEFT) / as_f64(bars.len().max(1) as u64);
    html! {
        figure .chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(what) {
                (grid(top, unit))
                @for (place, bar) in bars.iter().enumerate() {
                    @let height = (HEIGHT - BELOW) * as_f64(bar.value) / top;
                    @let x = LEFT + step * as_f64(place as u64);
                    rect .bar x=(fixed(x + step * 0.12)) y=(fixed(HEIGHT - BELOW - height))
                         width=(fixed(step * 0.76)) height=(fixed(height)) rx="1" {
                        title { (bar.label) ": " (number(bar.value)) }
                    }
                }
                (ends(bars.first().map(|bar| &*bar.label), bars.last().map(|bar| &*bar.label)))
            }
            details {
                summary { "As numbers" }
                table {
                    thead { tr { th scope="col" { "Time" } th .num scope="col" { (what) } } }
                    tbody { @for bar in bars {
                        tr { th scope="row" { (bar.label) } td .num { (number(bar.value)) } }
                    } }
                }
            }
        }
    }
}

/// Curves over time; `times` are the labels of the axis.
pub(in crate::web::console) fn curves(
    what: &str,
    unit: &str,
    times: &[String],
    curves: &[Curve],
) -> Markup {
    let all = curves.iter().flat_map(|curve| curve.values.iter().flatten());
    let top = nice(all.copied().fold(0.0, f64::max));
    html! {
        figure .chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(what) {
                (grid(top, unit))
                @for (place, curve) in curves.iter().enumerate() {
                    @let second = if place == 0 { "" } else { " second" };
                    path class={ "curve" (second) } d=(line_path(&curve.values, top)) {}
                }
                (ends(times.first().map(|t| &**t), times.last().map(|t| &**t)))
            }
            figcaption .legend {
                @for (place, curve) in curves.iter().enumerate() {
                    @let second = if place == 0 { "" } else { " second" };
                    span {
                        svg viewBox="0 0 24 8" aria-hidden="true" {
                            path class={ "curve" (second) } d="M0 4L24 4" {}
                        }
                        (curve.label)
                    }
                }
            }
            details {
                summary { "As numbers" }
                table {
                    thead { tr {
                        th scope="col" { "Time" }
                        @for curve in curves { th .num scope="col" { (curve.label) } }
                    } }
                    tbody { @for (place, time) in times.iter().enumerate() { tr {
                        th scope="row" { (time) }
                        @for curve in curves {
                            td .num {
                                @match curve.values.get(place).copied().flatten() {
                                    Some(value) => { (fixed(value)) " " (unit) }
                                    None => { "none" }
                                }
                            }
                        }
                    } } }
                }
            }
        }
    }
}

/// The path of a curve, interrupted where nothing was measured. An isolated value is drawn as a
/// dash, since a line needs two points.
fn line_path(values: &[Option<f64>], top: f64) -> String {
    let last = as_f64(values.len().saturating_sub(1).max(1) as u64);
    let at = |place: usize| values.get(place).copied().flatten();
    let mut path = String::new();
    for place in 0..values.len() {
        let Some(value) = at(place) else { continue };
        let x = LEFT + (WIDTH - LEFT) * as_f64(place as u64) / last;
        let y = (HEIGHT - BELOW) * (1.0 - value / top);
        let follows = place.checked_sub(1).and_then(at).is_some();
        let is_alone = !follows && at(place + 1).is_none();
        // Writing to a string never fails.
        let _written = if is_alone {
            let (from, to) = ((x - DASH).max(LEFT), (x + DASH).min(WIDTH));
            write!(path, "M{from:.1} {y:.1}L{to:.1} {y:.1}")
        } else {
            write!(path, "{}{x:.1} {y:.1}", if follows { 'L' } else { 'M' })
        };
    }
    path
}

fn grid(top: f64, unit: &str) -> Markup {
    html! {
        @for part in [0.0, 0.5, 1.0] {
            @let y = (HEIGHT - BELOW) * (1.0 - part);
            line .rule x1=(LEFT) x2=(WIDTH) y1=(fixed(y)) y2=(fixed(y)) {}
            text x=(LEFT - 6.0) y=(fixed(y + 4.0)) text-anchor="end" {
                (scale(top * part)) @if part > 0.9 && !unit.is_empty() { " " (unit) }
            }
        }
    }
}

fn ends(first: Option<&str>, last: Option<&str>) -> Markup {
    html! {
        @if let Some(first) = first { text x=(LEFT) y=(HEIGHT - 4.0) { (first) } }
        @if let Some(last) = last { text x=(WIDTH) y=(HEIGHT - 4.0) text-anchor="end" { (last) } }
    }
}

/// The next round number above whose half is a whole number: 2, 4 or 10, with zeros.
fn nice(top: f64) -> f64 {
    let mut step = 1.0;
    loop {
        let next = [2.0, 4.0, 10.0].map(|factor| step * factor);
        match next.into_iter().find(|next| *next >= top) {
            Some(found) => return found,
            None => step *= 10.0,
        }
    }
}

fn scale(value: f64) -> String {
    if value >= 1e6 {
        format!("{} M", value / 1e6)
    } else if value >= 1e3 {
        format!("{} k", value / 1e3)
    } else {
        format!("{value}")
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { as_f64(part) / as_f64(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "the value is only drawn")]
fn as_f64(n: u64) -> f64 {
    n as f64
}

fn fixed(value: f64) -> String {
    let shown = format!("{value:.1}");
    shown.strip_suffix(".0").map(str::to_owned).unwrap_or(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_a_round_number() {
        let tops = [0.0, 1.0, 3.0, 17.0, 501.0].map(nice).map(|top| format!("{top}"));
        assert_eq!(tops, ["2", "2", "4", "20", "1000"]);
    }

    #[test]
    fn empty_charts_are_drawn() {
        assert!(sparkline("Received", &[]).into_string().contains("Received: 0 in total"));
        assert!(sparkline("Received", &[0, 0]).into_string().contains("M0.0 25.0L100.0 25.0"));
        assert!(!bars("Received", "", &[]).into_string().contains("NaN"));
        let gap = [Some(1.0), None, Some(1.0)];
        assert_eq!(line_path(&gap, 1.0), "M44.0 0.0L48.0 0.0M556.0 0.0L560.0 0.0");
    }

    #[test]
    fn single_values_are_drawn() {
        assert!(sparkline("Received", &[3]).into_string().contains("M0.0 2.0L100.0 2.0"));
        assert_eq!(line_path(&[Some(1.0)], 2.0), "M44.0 65.0L48.0 65.0");
        assert_eq!(line_path(&[None, Some(2.0), Some(0.0)], 2.0), "M302.0 0.0L560.0 130.0");
    }
}
