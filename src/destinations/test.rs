//! A test event: what a destination is sent to see whether it answers. It says in its body and in a
//! header that it is a test; no source has sent it, and it is in no table of events.

use bytes::Bytes;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::send::{Asked, Sender};
use super::sign::Form;
use crate::store::{DestinationResponse, EventId};

/// The type of a test event, and the source that it says it is of.
const KIND: &str = "sealpost.test";
const SOURCE: &str = "sealpost";

/// Sends a test event, signed as every event is.
pub(super) async fn send(sender: &Sender, now: OffsetDateTime) -> DestinationResponse {
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
    // The guild is signed in the bot's form, and set there.
    let (guild, fixed): (Vec<_>, Vec<_>) = sender
        .headers
        .iter()
        .partition(|(name, _)| is_bot && name.eq_ignore_ascii_case(super::sign::GUILD));
    headers.extend(fixed.into_iter().cloned());
    let guild = guild.first().map(|(_, value)| value.as_str());
    let signed = sender.form.sign(id, now, guild, &body);
    headers.extend(signed.into_iter().filter(|(name, _)| name != "content-type"));
    let asked = Asked { event: id, at: now, delivery: None };
    sender.ask(asked, headers, body).await.1
}
