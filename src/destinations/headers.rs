//! Which headers a request has, and who may set them.

use super::sign::{Form, GUILD};
use crate::dispatch::Attempt;
use crate::outbound::Outbound;
use crate::store::StoredEvent;
use crate::verify::SenderInfo;

/// Headers that a configuration may not set: ours, and those that would hold a secret in the clear.
const OURS: &[&str] =
    &["authorization", "content-encoding", "content-type", "cookie", "user-agent"];

/// Whether a configuration may set this header.
pub(super) fn may_be_set(name: &str, value: &str, form: &Form) -> bool {
    let lower = name.to_ascii_lowercase();
    Outbound::check_header(name, value).is_ok() && !is_ours(&lower, form)
}

/// The headers of a request about `event`, but those of its signature.
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
    // Who receives it is told what its sender has not sent, or not sent now.
    if let Some(original) = attempt.origin.edited_from {
        headers.push(("sealpost-edited".to_owned(), original.to_string()));
    }
    if attempt.origin.replay {
        headers.push(("sealpost-replay".to_owned(), "true".to_owned()));
    }
    headers.extend(fixed.iter().filter(|(name, _)| !is_guild(name, form)).cloned());
    if provider_headers {
        let kept = event.headers.iter().filter(|(name, value)| {
            let is_fixed = fixed.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            // What came along is for users.
            !SenderInfo::is_name(name)
                && !is_fixed
                && !is_guild(name, form)
                && may_be_set(name, value, form)
        });
        headers.extend(kept.cloned());
    }
    headers
}

/// The guild of a call to the bot: the configured one, or the one that the event came with.
pub(super) fn guild<'a>(event: &'a StoredEvent, fixed: &'a [(String, String)]) -> Option<&'a str> {
    let mut all = fixed.iter().chain(&event.headers);
    let found = all.find(|(name, _)| name.eq_ignore_ascii_case(GUILD));
    found.map(|(_, value)| value.as_str()).filter(|guild| {
        (1..=20).contains(&guild.len()) && guild.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_ours(lower: &str, form: &Form) -> bool {
    OURS.contains(&lower) || lower.starts_with("sealpost-") || form.owns(lower)
}

/// The guild is signed in the bot's form, and set there.
fn is_guild(name: &str, form: &Form) -> bool {
    matches!(form, Form::Bot { .. }) && name.eq_ignore_ascii_case(GUILD)
}

/// What a header can hold of a text that a sender wrote.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
