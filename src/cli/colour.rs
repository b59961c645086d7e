//! Colour for states, on a terminal that shows it.

use std::io::IsTerminal as _;

use crate::config::Environment;

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;

/// Whether standard output is a terminal that shows colour, and `NO_COLOR` is not set.
pub(super) fn is_on() -> bool {
    let environment = Environment::of_process();
    std::io::stdout().is_terminal()
        && environment.get("NO_COLOR").is_none()
        && environment.get("TERM") != Some("dumb")
}

/// A padded cell in the colour of its state; the padding has none.
pub(super) fn painted(cell: &str) -> String {
    let text = cell.trim_end();
    let padding = cell.strip_prefix(text).unwrap_or_default();
    match of(text) {
        Some(colour) => format!("\u{1b}[{colour}m{text}\u{1b}[0m{padding}"),
        None => cell.to_owned(),
    }
}

/// The colour of a state: red for what needs attention, yellow for what waits.
fn of(state: &str) -> Option<u8> {
    match state {
        "critical" | "dead" | "disabled" | "expired" | "failed" | "failing" | "refusing"
        | "rejecting" | "revoked" | "unconfigured" => Some(RED),
        "done" | "good" | "ok" | "receiving" | "sent" | "whole" => Some(GREEN),
        "backing_off" | "cancelled" | "invited" | "open" | "paused" | "planned" | "quarantined"
        | "running" | "waiting" | "warning" => Some(YELLOW),
        _ => None,
    }
}
