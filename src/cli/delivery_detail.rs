//! Prints a delivery with its event and attempts, as text.

use super::output::{line, lines, table, time};
use crate::admin::{Class, Delivery, DeliveryDetail, Encoding, Event, Preview, Resolution, Seen};
use crate::store::{DeathReason, MANY_WAITING};

/// Number of deliveries waiting behind it; the count is capped.
pub(super) fn waiting(delivery: &Delivery) -> String {
    match delivery.waiting {
        counted @ ..=MANY_WAITING => counted.to_string(),
        _ => format!("{MANY_WAITING}+"),
    }
}

/// All details.
pub(super) fn text(detail: &DeliveryDetail) -> String {
    let delivery = &detail.delivery;
    let mut page = Page::default();
    page.heading(&format!("Delivery {}", delivery.id));
    page.field("state", delivery.state.as_str());
    page.maybe("death reason", delivery.death_reason.map(DeathReason::as_str));
    page.maybe("resolved", delivery.resolution.map(Resolution::as_str));
    page.maybe("resolved at", delivery.resolved_at.map(time).as_deref());
    page.field("source", &delivery.source);
    page.field("handler", &delivery.handler);
    page.field("triggered by", delivery.triggered_by.as_str());
    page.maybe("replay of", delivery.replay_of.map(|id| id.to_string()).as_deref());
    page.maybe("lane", delivery.lane.as_deref());
    page.field("waiting", &waiting(delivery));
    page.maybe("group", delivery.group.map(|id| id.to_string()).as_deref());
    page.maybe("class", delivery.class.map(Class::as_str));
    page.field("created", &time(delivery.created_at));
    page.maybe("next attempt", delivery.due_at.map(time).as_deref());
    page.maybe("finished", delivery.finished_at.map(time).as_deref());
    page.maybe("error", delivery.error.as_deref());

    match &detail.event {
        Some(event) => page.event(event),
        None => page.heading(&format!("Event {} (deleted)", delivery.event)),
    }

    page.heading("Deliveries of the event");
    let rows: Vec<Vec<String>> = detail.deliveries.iter().map(delivery_row).collect();
    let head = ["ID", "HANDLER", "STATE", "REASON", "RESOLVED", "REPLAY OF", "CREATED", "FINISHED"];
    page.0.push_str(&table(&head, &rows));

    let rows: Vec<Vec<String>> = detail
        .attempts
        .iter()
        .map(|attempt| {
            vec![
                attempt.delivery.to_string(),
                attempt.number.to_string(),
                time(attempt.started_at),
                format!("{:.3}s", attempt.seconds),
                attempt.result.to_string(),
                attempt.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.heading("Attempts");
        let head = ["DELIVERY", "ATTEMPT", "STARTED", "DURATION", "RESULT", "ERROR"];
        page.0.push_str(&table(&head, &rows));
    }

    // Without the scope `payload:read` there is no payload.
    if let Some(payload) = detail.event.as_ref().and_then(|event| event.payload.as_ref()) {
        page.body(&payload.body);
    }
    page.0
}

fn delivery_row(delivery: &Delivery) -> Vec<String> {
    vec![
        delivery.id.to_string(),
        delivery.handler.clone(),
        delivery.state.to_string(),
        delivery.death_reason.map(|reason| reason.to_string()).unwrap_or_default(),
        delivery.resolution.map(|resolution| resolution.to_string()).unwrap_or_default(),
        delivery.replay_of.map(|id| id.to_string()).unwrap_or_default(),
        time(delivery.created_at),
        delivery.finished_at.map(time).unwrap_or_default(),
    ]
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn heading(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn field(&mut self, name: &str, value: &str) {
        let field = format!("  {name:<12} {}\n", line(value));
        self.0.push_str(&field);
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    fn event(&mut self, event: &Event) {
        self.heading(&format!("Event {}", event.id));
        self.field("type", &event.event_type);
        self.maybe("action", event.action.as_deref());
        self.field("provider", &event.provider);
        self.field("tenant", &event.tenant);
        self.field("received", &time(event.received_at));
        self.maybe("occurred", event.occurred_at.map(time).as_deref());
        let proof = &event.proof;
        if let Some(edit) = &event.edited {
            let text = format!(
                "by {}, from event {}: this body was not sent by the provider",
                edit.by, edit.from
            );
            self.field("edited", &text);
            self.field("proof", &format!("{}: does not cover the edited body", proof.strength));
        } else {
            self.field("proof", proof.strength.as_str());
        }
        self.maybe("payload", event.erased.as_ref().map(ToString::to_string).as_deref());
        self.field("secret", &proof.secret);
        self.maybe("skew", proof.skew_seconds.map(|skew| format!("{skew}s")).as_deref());
        self.field("late", if proof.late { "yes" } else { "no" });
        self.field("requests", &requests(event.seen));
        let Some(payload) = &event.payload else { return };
        for (name, value) in &payload.headers {
            self.field("header", &format!("{name}: {value}"));
        }
        for (name, json) in [("claims", &payload.claims), ("envelope", &payload.envelope)] {
            self.maybe(name, json.as_ref().map(ToString::to_string).as_deref());
        }
    }

    fn body(&mut self, body: &Preview) {
        let part = if body.is_cut() { " (truncated)" } else { "" };
        self.heading(&format!("Body, {} bytes{part}", body.size_bytes));
        if body.encoding == Encoding::Text {
            self.0.push_str(&lines(&body.content));
            if !body.content.ends_with('\n') {
                self.0.push('\n');
            }
            return;
        }
        for (row, bytes) in body.bytes().chunks(16).enumerate() {
            let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let readable = |byte: &u8| if byte.is_ascii_graphic() { *byte as char } else { '.' };
            let readable: String = bytes.iter().map(readable).collect();
            let pairs = pairs.join(" ");
            let row = format!("{:08x}  {pairs:<47}  {readable}\n", row * 16);
            self.0.push_str(&row);
        }
    }
}

fn requests(seen: Seen) -> String {
    match (seen.count, seen.last_at) {
        (Some(1), _) => "1".to_owned(),
        (Some(count), Some(last)) => format!("{count}, last at {}", time(last)),
        _ => "unknown: deduplication key expired".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_body_is_shown_in_hexadecimal() {
        let mut page = Page::default();
        page.body(&Preview {
            size_bytes: 70_000,
            shown_bytes: 8,
            encoding: Encoding::Hex,
            content: hex::encode(b"\x89PNG\r\n\x1a\n"),
        });
        let row = "00000000  89 50 4e 47 0d 0a 1a 0a                          .PNG....\n";
        assert_eq!(page.0, format!("Body, 70000 bytes (truncated)\n{row}"));
    }
}
