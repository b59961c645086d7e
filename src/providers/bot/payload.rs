//! The bot's callbacks: an object with an `event`, and for a heartbeat the bot's health.

use serde::Deserialize;

use crate::verify::{EventMeta, Quarantine, parse};

/// The event type of a heartbeat.
pub(super) const HEARTBEAT: &str = "bot.heartbeat";

#[derive(Deserialize)]
struct Callback {
    event: String,
}

/// The bot's health, as reported by itself.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    pub(super) status: Status,
    pub(super) shard_count: Option<i64>,
    pub(super) guild_count: Option<i64>,
    pub(super) memory_bytes: Option<i64>,
    pub(super) uptime_seconds: Option<i64>,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Online,
    Degraded,
    Offline,
    Unknown,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

/// The event type of a callback: its `event`.
pub(super) fn event_type(body: &[u8]) -> Result<String, (Quarantine, String)> {
    let Callback { event } = parse(body)?;
    if event.len() > EventMeta::MAX_EVENT_TYPE {
        return Err((Quarantine::FieldLength, "`event` is too long".into()));
    }
    if event.is_empty() || !event.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err((Quarantine::Schema, "`event` is not a valid name".into()));
    }
    if event == HEARTBEAT {
        heartbeat(body)?;
    }
    Ok(event)
}

pub(super) fn heartbeat(body: &[u8]) -> Result<Heartbeat, (Quarantine, String)> {
    let heartbeat: Heartbeat = parse(body)?;
    let Heartbeat { shard_count, guild_count, memory_bytes, uptime_seconds, .. } = heartbeat;
    if [shard_count, guild_count, memory_bytes, uptime_seconds].into_iter().flatten().any(|n| n < 0)
    {
        return Err((Quarantine::Schema, "a count is negative".into()));
    }
    Ok(heartbeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_requires_only_an_event() {
        assert_eq!(
            event_type(br#"{"event":"post.submitted","id":"1"}"#).unwrap(),
            "post.submitted"
        );
        let long = format!(r#"{{"event":"{}"}}"#, "e".repeat(201));
        for (body, word) in [
            ("", Quarantine::EmptyBody),
            ("x", Quarantine::NotJson),
            ("{}", Quarantine::Schema),
            (r#"["post.submitted"]"#, Quarantine::Schema),
            (r#""post.submitted""#, Quarantine::Schema),
            (r#"{"event":null}"#, Quarantine::Schema),
            (r#"{"event":""}"#, Quarantine::Schema),
            (r#"{"event":"a b"}"#, Quarantine::Schema),
            (r#"{"event":"a\u0000b"}"#, Quarantine::Schema),
            (r#"{"event":"a","event":"b"}"#, Quarantine::DuplicateKey),
            (&long, Quarantine::FieldLength),
        ] {
            assert_eq!(event_type(body.as_bytes()).unwrap_err().0, word, "{body}");
        }
    }

    #[test]
    fn heartbeat_reports_the_health_of_the_bot() {
        let body = br#"{"event":"bot.heartbeat","status":"degraded","shardCount":2,"guildCount":41,"memoryBytes":5000000000,"uptimeSeconds":86400}"#;
        let heartbeat = heartbeat(body).unwrap();
        assert_eq!(heartbeat.status, Status::Degraded);
        assert_eq!(heartbeat.memory_bytes, Some(5_000_000_000));
        assert!(event_type(body).is_ok());
        for bad in [
            r#"{"event":"bot.heartbeat"}"#,
            r#"{"event":"bot.heartbeat","status":"fine"}"#,
            r#"{"event":"bot.heartbeat","status":"online","shardCount":-1}"#,
            r#"{"event":"bot.heartbeat","status":"online","shardCount":1.5}"#,
            r#"{"event":"bot.heartbeat","status":"online","memoryBytes":9223372036854775808}"#,
        ] {
            assert_eq!(event_type(bad.as_bytes()).unwrap_err().0, Quarantine::Schema, "{bad}");
        }
    }
}
