//! Prints lists of events.

use serde_json::{Value, json};

use super::output;
use crate::store::EventRow;

/// An event as JSON.
pub(super) fn row(event: &EventRow) -> Value {
    let counts = event.deliveries;
    json!({
        "id": event.id.to_string(),
        "tenant": event.tenant,
        "source": event.source,
        "provider": event.provider,
        "kind": event.kind,
        "strength": event.strength.as_str(),
        "edited": event.edited.as_ref().map(|edit| json!({
            "from": edit.from.to_string(),
            "by": edit.by,
        })),
        "late": event.late,
        "received_at": output::rfc3339(event.received_at),
        "size_bytes": event.size,
        "deliveries": {
            "ready": counts.ready,
            "leased": counts.leased,
            "done": counts.done,
            "dead": counts.dead,
            "resolved": counts.resolved,
        },
    })
}

/// Events as a table.
pub(super) fn table(events: &[EventRow]) -> String {
    let head = ["ID", "RECEIVED", "SOURCE", "KIND", "PROOF", "BYTES", "DELIVERIES"];
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
                event.kind.clone(),
                event.strength.as_str().to_owned(),
                event.size.to_string(),
                states.join(", "),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
