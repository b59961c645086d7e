//! Dead letters as a table.

use crate::cli::{delivery_detail, output};
use crate::clock::{Clock, SystemClock};
use crate::store::DeadLetter;

pub(in crate::cli) fn table(letters: &[DeadLetter]) -> String {
    let now = SystemClock.now();
    let head = [
        "ID", "EVENT", "SOURCE", "HANDLER", "KIND", "REASON", "ATTEMPTS", "DIED", "AGE", "WAITING",
        "ERROR",
    ];
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            let reason = letter.death_reason.as_deref().unwrap_or(&letter.state);
            let reason = match &letter.resolution {
                Some(resolution) => format!("{reason}, {resolution}"),
                None => reason.to_owned(),
            };
            vec![
                letter.id.to_string(),
                letter.event.to_string(),
                letter.source.clone(),
                letter.handler.clone(),
                letter.kind.clone().unwrap_or_default(),
                reason,
                letter.attempts.to_string(),
                letter.finished_at.map(output::time).unwrap_or_default(),
                letter.finished_at.map(|died| output::age(now - died)).unwrap_or_default(),
                delivery_detail::waiting(letter),
                letter.error.as_deref().unwrap_or_default().chars().take(80).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
