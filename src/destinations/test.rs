//! A test event that checks whether a destination responds. Its body and a header mark it as a
//! test. It has no source and is not stored.

use bytes::Bytes;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::send::{RequestContext, Sender};
use super::sign::Form;
use crate::store::{EventId, RecordedResponse};

/// The type and the source in a test event.
const KIND: &str = "sealpost.test";
const SOURCE: &str = "sealpost";

pub(super) async fn send(sender: &Sender, now: OffsetDateTime) -> RecordedResponse {
    let id = EventId::new(now);
    let document = json!({
        "type": KIND,
        "timestamp": now.format(&Rfc3339).unwrap_or_default(),
        "data": { "test": true, "id": id.to_string(), "message": "A test event from Sealpost." },
    });
    let body = Bytes::from(document.to_string());
    let mut headers: Vec<(String, String)> = [
        ("content-type", "application/json"),
        ("sealpost-source", SOURCE),
        ("sealpost-type", KIND),
        ("sealpost-attempt", "1"),
        ("sealpost-test", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let is_bot = matches!(sender.form, Form::Bot { .. });
    // The guild is part of the bot's signature, and set by its signer.
    let (guild, fixed): (Vec<_>, Vec<_>) = sender
        .headers
        .iter()
        .partition(|(name, _)| is_bot && name.eq_ignore_ascii_case(super::sign::GUILD));
    headers.extend(fixed.into_iter().cloned());
    let guild = guild.first().map(|(_, value)| value.as_str());
    let signed = sender.form.sign(id, now, guild, &body);
    headers.extend(signed.into_iter().filter(|(name, _)| name != "content-type"));
    let context = RequestContext { event: id, at: now, delivery: None };
    sender.send(context, headers, body).await.1
}
