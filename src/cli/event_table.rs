//! Prints lists of events.

use super::output;
use crate::admin::EventSummary;

/// Events as a table.
pub(super) fn table(events: &[EventSummary]) -> String {
    let head = ["ID", "RECEIVED", "SOURCE", "TYPE", "PROOF", "BYTES", "DELIVERIES"];
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|event| {
            let counts = event.deliveries;
            let states = [
                (counts.ready, "ready"),
                (counts.leased, "leased"),
                (counts.done, "done"),
                (counts.dead, "dead"),
                (counts.resolved, "resolved"),
            ];
            let states = states.iter().filter(|(count, _)| *count > 0);
            let states: Vec<String> =
                states.map(|(count, state)| format!("{count} {state}")).collect();
            vec![
                event.id.to_string(),
                output::time(event.received_at),
                event.source.clone(),
                event.event_type.clone(),
                event.strength.as_str().to_owned(),
                event.size_bytes.to_string(),
                states.join(", "),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
