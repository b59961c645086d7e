//! The headers of a request, and which of them a configuration may set.

use super::sign::{Form, GUILD};
use crate::dispatch::Attempt;
use crate::outbound::Outbound;
use crate::store::{StoredEvent, Trigger};
use crate::verify::SenderInfo;

/// Headers that a configuration may not set: our own, and those that would expose a secret.
const RESERVED: &[&str] =
    &["authorization", "content-encoding", "content-type", "cookie", "user-agent"];

pub(super) fn may_be_set(name: &str, value: &str, form: &Form) -> bool {
    let lower = name.to_ascii_lowercase();
    Outbound::check_header(name, value).is_ok() && !is_reserved(&lower, form)
}

/// The headers of a request for `event`, without those of its signature.
pub(super) fn of(
    event: &StoredEvent,
    attempt: &Attempt,
    fixed: &[(String, String)],
    provider_headers: bool,
    form: &Form,
) -> Vec<(String, String)> {
    let content_type = event.headers.iter().find(|(name, _)| name == "content-type");
    let content_type = content_type.map_or("application/json", |(_, value)| value);
    let mut headers = vec![
        ("content-type".to_owned(), content_type.to_owned()),
        ("sealpost-source".to_owned(), event.source.clone()),
        ("sealpost-type".to_owned(), visible(&event.event_type)),
        ("sealpost-attempt".to_owned(), attempt.number.to_string()),
    ];
    // The receiver must know that the sender did not send this, or not now.
    if let Some(original) = attempt.origin.edited_from {
        headers.push(("sealpost-edited".to_owned(), original.to_string()));
    }
    let again = match attempt.origin.trigger {
        Trigger::Replay => Some("sealpost-replay"),
        Trigger::Resend => Some("sealpost-resend"),
        Trigger::Arrival | Trigger::Edit => None,
    };
    headers.extend(again.map(|name| (name.to_owned(), "true".to_owned())));
    headers.extend(fixed.iter().filter(|(name, _)| !is_guild(name, form)).cloned());
    if provider_headers {
        let kept = event.headers.iter().filter(|(name, value)| {
            let is_fixed = fixed.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            // Unsigned metadata is for display only.
            !SenderInfo::is_name(name)
                && !is_fixed
                && !is_guild(name, form)
                && may_be_set(name, value, form)
        });
        headers.extend(kept.cloned());
    }
    headers
}

/// The guild of a call to the bot: the configured one, or that of the event.
pub(super) fn guild<'a>(event: &'a StoredEvent, fixed: &'a [(String, String)]) -> Option<&'a str> {
    let mut all = fixed.iter().chain(&event.headers);
    let found = all.find(|(name, _)| name.eq_ignore_ascii_case(GUILD));
    found.map(|(_, value)| value.as_str()).filter(|guild| {
        (1..=20).contains(&guild.len()) && guild.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_reserved(lower: &str, form: &Form) -> bool {
    RESERVED.contains(&lower) || lower.starts_with("sealpost-") || form.owns(lower)
}

/// The guild is part of the bot's signature, and set by its signer.
fn is_guild(name: &str, form: &Form) -> bool {
    matches!(form, Form::Bot { .. }) && name.eq_ignore_ascii_case(GUILD)
}

/// Replaces characters that a header value cannot contain.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
