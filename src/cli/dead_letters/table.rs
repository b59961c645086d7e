//! Dead letters as a table.

use crate::admin::Delivery;
use crate::cli::{delivery_detail, output};
use crate::clock::{Clock, SystemClock};
use crate::store::DeathReason;

pub(in crate::cli) fn table(dead_letters: &[Delivery]) -> String {
    let now = SystemClock.now();
    let head = [
        "ID", "EVENT", "SOURCE", "HANDLER", "TYPE", "REASON", "ATTEMPTS", "DIED", "AGE", "WAITING",
        "ERROR",
    ];
    let rows: Vec<Vec<String>> = dead_letters
        .iter()
        .map(|dead| {
            let reason = dead.death_reason.map_or(dead.state.as_str(), DeathReason::as_str);
            let reason = match dead.resolution {
                Some(resolution) => format!("{reason}, {resolution}"),
                None => reason.to_owned(),
            };
            vec![
                dead.id.to_string(),
                dead.event.to_string(),
                dead.source.clone(),
                dead.handler.clone(),
                dead.event_type.clone().unwrap_or_default(),
                reason,
                dead.attempts.to_string(),
                dead.finished_at.map(output::time).unwrap_or_default(),
                dead.finished_at.map(|died| output::age(now - died)).unwrap_or_default(),
                delivery_detail::waiting(dead),
                dead.error.as_deref().unwrap_or_default().chars().take(80).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
