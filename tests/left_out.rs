//! Prints the skipped tests at the end of a run. It runs after `it`, whose skipped tests write a
//! file each (`tests/it/harness/programs.rs`).

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test program"
)]

use std::collections::BTreeSet;
use std::path::Path;

fn main() {
    // nextest asks for a list of tests.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("left-out");
    let Ok(entries) = std::fs::read_dir(&folder) else { return };
    let reasons: Vec<String> = entries
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("a reason"))
        .collect();
    std::fs::remove_dir_all(&folder).expect("the files to remove");
    if reasons.is_empty() {
        return;
    }
    let number = reasons.len();
    let distinct: BTreeSet<String> = reasons.into_iter().collect();
    let distinct: Vec<String> = distinct.into_iter().collect();
    println!(
        "\n{number} tests were skipped: {}. `.ci/tools` installs what they need.\n",
        distinct.join("; ")
    );
}
