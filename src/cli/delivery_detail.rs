//! Prints a delivery with its event and attempts.

use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{line, lines, rfc3339, table, time};
use crate::admin::DeliveryDetail;
use crate::store::{DeadLetter, EventPreview, MANY_WAITING};

/// A delivery as JSON.
pub(super) fn letter(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "event": letter.event.to_string(),
        "source": letter.source,
        "handler": letter.handler,
        "kind": letter.kind,
        "state": letter.state,
        "replay_of": letter.replay_of,
        "attempts": letter.attempts,
        "death_reason": letter.death_reason,
        "error": letter.error,
        "created_at": rfc3339(letter.created_at),
        "finished_at": letter.finished_at.map(rfc3339),
        "resolution": letter.resolution,
        "resolved_at": letter.resolved_at.map(rfc3339),
        "lane": letter.lane,
        "waiting": letter.waiting,
        "group": letter.group,
        "class": letter.class,
    })
}

/// Number of deliveries waiting behind it; the count is capped.
pub(super) fn waiting(letter: &DeadLetter) -> String {
    match letter.waiting {
        counted @ ..=MANY_WAITING => counted.to_string(),
        _ => format!("{MANY_WAITING}+"),
    }
}

/// All details as JSON.
pub(super) fn json(delivery_detail: &DeliveryDetail) -> Value {
    let mut delivery = letter(&delivery_detail.delivery);
    if let Some(fields) = delivery.as_object_mut() {
        fields.insert("error".into(), delivery_detail.last_error.clone().into());
    }
    let attempts: Vec<Value> = delivery_detail
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "delivery": attempt.delivery,
                "number": attempt.number,
                "started_at": rfc3339(attempt.started_at),
                "finished_at": rfc3339(attempt.finished_at),
                "seconds": (attempt.finished_at - attempt.started_at).as_seconds_f64(),
                "result": attempt.result,
                "error": attempt.error,
            })
        })
        .collect();
    json!({
        "delivery": delivery,
        "event": delivery_detail.event.as_ref().map(event),
        "deliveries": delivery_detail.deliveries.iter().map(letter).collect::<Vec<Value>>(),
        "attempts": attempts,
    })
}

fn event(preview: &EventPreview) -> Value {
    let event = &preview.event;
    let headers: serde_json::Map<String, Value> =
        event.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({
        "id": event.id.to_string(),
        "tenant": event.tenant,
        "source": event.source,
        "provider": event.provider,
        "kind": event.kind,
        "action": event.action,
        "received_at": rfc3339(event.received_at),
        "occurred_at": event.occurred_at.map(rfc3339),
        "proof": {
            "strength": event.strength.as_str(),
            "secret": event.secret,
            "skew_seconds": event.skew_seconds,
            "late": event.late,
        },
        "edited": preview.edited.as_ref().map(|edit| json!({
            "from": edit.from.to_string(),
            "by": edit.by,
        })),
        "seen": {
            "count": preview.seen_count,
            "last_at": preview.last_seen_at.map(rfc3339),
        },
        "headers": headers,
        "claims": event.claims.as_ref().map(embedded),
        "envelope": event.envelope.as_ref().map(embedded),
        "body": body(preview),
    })
}

/// Stored JSON as JSON; anything else as a string.
pub(super) fn embedded(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

fn body(preview: &EventPreview) -> Value {
    let shown = &preview.event.body;
    let (encoding, content) = match preview.as_text() {
        Some(text) => ("text", text.to_owned()),
        None => ("hex", hex::encode(shown)),
    };
    json!({
        "size_bytes": preview.body_size,
        "shown_bytes": shown.len(),
        "encoding": encoding,
        "content": content,
    })
}

/// All details as text.
pub(super) fn text(delivery_detail: &DeliveryDetail) -> String {
    let delivery = &delivery_detail.delivery;
    let mut page = Page::default();
    page.heading(&format!("Delivery {}", delivery.id));
    page.field("state", &delivery.state);
    page.maybe("death reason", delivery.death_reason.as_deref());
    page.maybe("resolved", delivery.resolution.as_deref());
    page.maybe("resolved at", delivery.resolved_at.map(time).as_deref());
    page.field("source", &delivery.source);
    page.field("handler", &delivery.handler);
    page.maybe("replay of", delivery.replay_of.map(|id| id.to_string()).as_deref());
    page.maybe("lane", delivery.lane.as_deref());
    page.field("waiting", &waiting(delivery));
    page.maybe("group", delivery.group.map(|id| id.to_string()).as_deref());
    page.maybe("class", delivery.class.as_deref());
    page.field("created", &time(delivery.created_at));
    page.maybe("finished", delivery.finished_at.map(time).as_deref());
    page.maybe("error", delivery_detail.last_error.as_deref());

    match &delivery_detail.event {
        Some(preview) => page.event(preview),
        None => page.heading(&format!("Event {} (deleted)", delivery.event)),
    }

    page.heading("Deliveries of the event");
    let rows: Vec<Vec<String>> = delivery_detail
        .deliveries
        .iter()
        .map(|other| {
            vec![
                other.id.to_string(),
                other.handler.clone(),
                other.state.clone(),
                other.death_reason.clone().unwrap_or_default(),
                other.resolution.clone().unwrap_or_default(),
                other.replay_of.map(|id| id.to_string()).unwrap_or_default(),
                time(other.created_at),
                other.finished_at.map(time).unwrap_or_default(),
            ]
        })
        .collect();
    let head = ["ID", "HANDLER", "STATE", "REASON", "RESOLVED", "REPLAY OF", "CREATED", "FINISHED"];
    page.0.push_str(&table(&head, &rows));

    let rows: Vec<Vec<String>> = delivery_detail
        .attempts
        .iter()
        .map(|attempt| {
            vec![
                attempt.delivery.to_string(),
                attempt.number.to_string(),
                time(attempt.started_at),
                format!("{:.3}s", (attempt.finished_at - attempt.started_at).as_seconds_f64()),
                attempt.result.clone(),
                attempt.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.heading("Attempts");
        let head = ["DELIVERY", "ATTEMPT", "STARTED", "DURATION", "RESULT", "ERROR"];
        page.0.push_str(&table(&head, &rows));
    }

    if let Some(preview) = &delivery_detail.event {
        page.body(preview);
    }
    page.0
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

    fn event(&mut self, preview: &EventPreview) {
        let event = &preview.event;
        self.heading(&format!("Event {}", event.id));
        self.field("kind", &event.kind);
        self.maybe("action", event.action.as_deref());
        self.field("provider", &event.provider);
        self.field("tenant", &event.tenant);
        self.field("received", &time(event.received_at));
        self.maybe("occurred", event.occurred_at.map(time).as_deref());
        if let Some(edit) = &preview.edited {
            let text = format!(
                "by {}, from event {}: this body was not sent by the provider",
                edit.by, edit.from
            );
            self.field("edited", &text);
            let proof = format!("{}: does not cover the edited body", event.strength.as_str());
            self.field("proof", &proof);
        } else {
            self.field("proof", event.strength.as_str());
        }
        self.field("secret", &event.secret);
        self.maybe("skew", event.skew_seconds.map(|skew| format!("{skew}s")).as_deref());
        self.field("late", if event.late { "yes" } else { "no" });
        self.field("requests", &requests(preview.seen_count, preview.last_seen_at));
        for (name, value) in &event.headers {
            self.field("header", &format!("{name}: {value}"));
        }
        for (name, json) in [("claims", &event.claims), ("envelope", &event.envelope)] {
            self.maybe(name, json.as_deref().map(String::from_utf8_lossy).as_deref());
        }
    }

    fn body(&mut self, preview: &EventPreview) {
        let shown = &preview.event.body;
        let part = if (shown.len() as u64) < preview.body_size { " (truncated)" } else { "" };
        self.heading(&format!("Body, {} bytes{part}", preview.body_size));
        if let Some(text) = preview.as_text() {
            self.0.push_str(&lines(text));
            if !text.ends_with('\n') {
                self.0.push('\n');
            }
            return;
        }
        for (row, bytes) in shown.chunks(16).enumerate() {
            let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let readable = |byte: &u8| if byte.is_ascii_graphic() { *byte as char } else { '.' };
            let readable: String = bytes.iter().map(readable).collect();
            let pairs = pairs.join(" ");
            let row = format!("{:08x}  {pairs:<47}  {readable}\n", row * 16);
            self.0.push_str(&row);
        }
    }
}

fn requests(count: Option<i32>, last: Option<OffsetDateTime>) -> String {
    match (count, last) {
        (Some(1), _) => "1".to_owned(),
        (Some(count), Some(last)) => format!("{count}, last at {}", time(last)),
        _ => "unknown: deduplication key expired".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventId, StoredEvent};
    use crate::verify::Strength;

    fn preview(body: &[u8], body_size: u64) -> EventPreview {
        let at = OffsetDateTime::UNIX_EPOCH;
        let event = StoredEvent {
            id: EventId::new(at),
            tenant: "default".into(),
            source: "cards".into(),
            provider: "docora".into(),
            kind: "file.update".into(),
            action: None,
            strength: Strength::Signed,
            late: false,
            secret: "0123456789ab".into(),
            skew_seconds: None,
            received_at: at,
            occurred_at: None,
            headers: Vec::new(),
            claims: None,
            envelope: None,
            body: Bytes::copy_from_slice(body),
        };
        EventPreview {
            event,
            body_size,
            seen_count: None,
            last_seen_at: None,
            other_bodies: 0,
            edited: None,
        }
    }

    #[test]
    fn a_truncated_character_does_not_make_text_binary() {
        let body = "né".as_bytes();
        assert_eq!(preview(&body[..2], 3).as_text(), Some("n"));
        assert_eq!(preview(body, 3).as_text(), Some("né"));
        assert_eq!(preview(&body[..2], 2).as_text(), None, "whole, and not text");
        assert_eq!(preview(b"\xffn", 3).as_text(), None, "not halved: not text");
    }

    #[test]
    fn a_binary_body_is_shown_in_hexadecimal() {
        let mut page = Page::default();
        page.body(&preview(b"\x89PNG\r\n\x1a\n", 70_000));
        let row = "00000000  89 50 4e 47 0d 0a 1a 0a                          .PNG....\n";
        assert_eq!(page.0, format!("Body, 70000 bytes (truncated)\n{row}"));
        let json = body(&preview(b"\xff", 1));
        assert_eq!((&json["encoding"], &json["content"]), (&"hex".into(), &"ff".into()));
    }
}
