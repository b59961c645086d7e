//! Alerts: notifications for users, raised in the transaction of their cause.
//!
//! - An alert is *open* until it is closed. Repeats are counted in the same row while it is open.
//! - It is *pending* until it is sent. It is sent again when its severity rises, when it was raised
//!   ten times as often, when its rate is much higher than in the hour before, after a pause of an
//!   hour, and once a day while it is raised.
//! - A *resolution* closes an open alert, and is sent itself.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{DeathReason, EventId, HandlerName, StoreError, Tx, bounded};

mod outbox;

pub use outbox::{AlertBatch, AlertFilter, OpenAlert, PendingAlert};

/// The type of alerts about dead letters; their key is the handler and the reason.
pub const DEAD_LETTER: &str = "dead_letter";
/// The maximum length of a stored text, in bytes.
const MAX_TEXT: usize = 1024;
/// The maximum length of a stored key, in bytes; repeats are recognised by the full key.
const MAX_KEY: usize = 200;

/// A notification for users.
#[derive(Debug, Clone, Copy)]
pub struct Alert<'a> {
    /// The type, such as `dead_letter`; never text from a sender.
    pub alert_type: &'static str,
    /// The subject. An alert of the same source, type and key is a repeat.
    pub key: &'a str,
    pub severity: Severity,
    pub source: &'a str,
    /// The event that the text is about, if it is about one: the text goes when it is erased.
    pub event: Option<EventId>,
    /// The message, a sentence or two. It may quote untrusted text, but no secret.
    pub text: &'a str,
    /// Whether it reports a single moment: no resolution will follow, and it is closed an hour
    /// after it was last raised.
    pub passing: bool,
}

/// The end of an open alert.
#[derive(Debug, Clone, Copy)]
pub struct AlertResolution<'a> {
    pub alert_type: &'static str,
    pub key: &'a str,
    pub source: &'a str,
    /// The event that the text is about, if it is about one.
    pub event: Option<EventId>,
    pub text: &'a str,
}

/// The severity of an alert.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = AlertSeverity)]
pub enum Severity {
    /// For information.
    Info,
    /// Needs attention soon.
    #[default]
    Warning,
    /// Needs attention now.
    Critical,
}

/// The state of an alert; `resolution` reports that another alert was closed.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AlertState {
    /// Its cause continues.
    Open,
    /// Its cause has ended.
    Closed,
    /// It reports the end of another alert.
    Resolution,
}

/// The notification state of an alert.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = AlertNotification)]
pub enum Notification {
    /// It will be sent.
    Pending,
    /// It was sent.
    Sent,
    /// It was given up: too old, or one too many.
    NotSent,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertRow {
    /// Its id.
    pub id: i64,
    /// Its severity.
    pub severity: Severity,
    /// The source it is about; empty for the gateway itself.
    pub source: String,
    /// The type, such as `dead_letter`.
    #[serde(rename = "type")]
    pub alert_type: String,
    /// The subject; null if there is none, or without the scope `payload:read`.
    pub key: Option<String>,
    /// How often it was raised.
    pub count: i64,
    /// When it was first raised.
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    /// When it was last raised.
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    /// Its state.
    pub state: AlertState,
    /// When it was closed; null while it is open.
    #[serde(with = "time::serde::rfc3339::option")]
    pub closed_at: Option<OffsetDateTime>,
    /// Whether it was sent to the alert channel.
    pub notification: Notification,
    /// When it was last sent.
    #[serde(with = "time::serde::rfc3339::option")]
    pub sent_at: Option<OffsetDateTime>,
    /// The latest text; null without the scope `payload:read`. It may quote untrusted data.
    pub text: Option<String>,
}

impl Tx<'_> {
    /// Raises an alert: it is sent after the transaction has committed. Its row is locked until
    /// then: raise alerts last.
    pub async fn alert(&mut self, alert: &Alert<'_>) -> Result<(), StoreError> {
        // Sent again at 10, 100, 1,000 … since it was raised first, and at 10, 100, 1,000 … within
        // an hour where that is much more than in the hour before: what trickles in for days does
        // not hide an outage.
        sqlx::query!(
            r"
            INSERT INTO alerts AS known
                 (source, alert_type, key, dedup_key, severity, text, passing, event_id, first_at,
                  last_at, hour_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, t.now, t.now, t.now
               FROM clock_timestamp() AS t (now)
             ON CONFLICT (dedup_key) WHERE closed_at IS NULL DO UPDATE SET
                 text        = excluded.text,
                 event_id    = excluded.event_id,
                 severity    = greatest(known.severity, excluded.severity),
                 last_at     = excluded.last_at,
                 count       = known.count + 1,
                 hour_at     = CASE WHEN excluded.last_at < known.hour_at + interval '1 hour'
                                    THEN known.hour_at ELSE excluded.last_at END,
                 hour_count  = CASE WHEN excluded.last_at < known.hour_at + interval '1 hour'
                                    THEN known.hour_count + 1 ELSE 1 END,
                 hour_before = CASE WHEN excluded.last_at < known.hour_at + interval '1 hour'
                                    THEN known.hour_before
                                    WHEN excluded.last_at < known.hour_at + interval '2 hours'
                                    THEN known.hour_count ELSE 0 END,
                 pending     = known.pending
                         OR known.sent_at IS NULL
                         OR excluded.severity > known.severity
                         OR known.count + 1 >= power(10, char_length(known.notified_count::text))
                         OR (excluded.last_at < known.hour_at + interval '1 hour'
                             AND (known.hour_count + 1)::text ~ '^10+$'
                             AND known.hour_count + 1 >= 5 * known.hour_before)
                         OR excluded.last_at >= known.last_at + interval '1 hour'
                         OR excluded.last_at >= known.sent_at + interval '1 day'",
            alert.source,
            alert.alert_type,
            truncated(alert.key, MAX_KEY),
            &dedup_key(alert.source, alert.alert_type, alert.key)[..],
            alert.severity.rank(),
            truncated(alert.text, MAX_TEXT),
            alert.passing,
            alert.event.map(|event| event.0),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Raises an alert about a condition with a size, or updates the open one with the new `count`.
    /// It is sent again when its severity rises, when the count is ten times what was sent, and
    /// once a day. A lower count replaces the one that was sent, so that growth is sent again.
    pub async fn alert_with_count(
        &mut self,
        alert: &Alert<'_>,
        count: i64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO alerts AS known
                 (source, alert_type, key, dedup_key, severity, text, passing, first_at, last_at,
                  hour_at, count, event_id)
             SELECT $1, $2, $3, $4, $5, $6, $7, t.now, t.now, t.now, $8, $9
               FROM clock_timestamp() AS t (now)
             ON CONFLICT (dedup_key) WHERE closed_at IS NULL DO UPDATE SET
                 text     = excluded.text,
                 event_id = excluded.event_id,
                 severity = greatest(known.severity, excluded.severity),
                 last_at  = excluded.last_at,
                 count    = excluded.count,
                 notified_count = least(known.notified_count, excluded.count),
                 pending  = known.pending
                         OR known.sent_at IS NULL
                         OR excluded.severity > known.severity
                         OR excluded.count
                            >= power(10, char_length(least(known.notified_count, excluded.count)::text))
                         OR excluded.last_at >= known.sent_at + interval '1 day'",
            alert.source,
            alert.alert_type,
            truncated(alert.key, MAX_KEY),
            &dedup_key(alert.source, alert.alert_type, alert.key)[..],
            alert.severity.rank(),
            truncated(alert.text, MAX_TEXT),
            alert.passing,
            count.max(1),
            alert.event.map(|event| event.0),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Raises the alert of a dead letter; those of one source, handler and reason are one alert.
    pub(super) async fn alert_dead_letter(
        &mut self,
        (source, handler): (&str, &str),
        reason: DeathReason,
        error: &str,
        event: Option<EventId>,
    ) -> Result<(), StoreError> {
        let error = error.lines().next().unwrap_or_default();
        let who = HandlerName::parse(handler).in_words();
        self.alert(&Alert {
            alert_type: DEAD_LETTER,
            key: &format!("{handler} {reason}"),
            severity: Severity::Warning,
            source,
            event,
            text: &format!("{who}, {reason}: {error}"),
            passing: false,
        })
        .await
    }

    /// Closes an open alert. Its resolution is sent if the alert was sent or is pending. Returns
    /// whether an alert was open.
    pub async fn close_alert(
        &mut self,
        resolution: &AlertResolution<'_>,
    ) -> Result<bool, StoreError> {
        let ended = sqlx::query_scalar!(
            r#"
            WITH ended AS (
                UPDATE alerts SET closed_at = clock_timestamp()
                 WHERE dedup_key = $1 AND closed_at IS NULL
                RETURNING source, alert_type, key, dedup_key, severity, closed_at, event_id,
                          pending OR sent_at IS NOT NULL AS known
            ), resolution AS (
                INSERT INTO alerts
                    (source, alert_type, key, dedup_key, severity, resolution, text, event_id,
                     first_at, last_at, closed_at)
                SELECT source, alert_type, key, dedup_key, severity, true, $2,
                       COALESCE($3, event_id), closed_at, closed_at, closed_at
                  FROM ended WHERE known
            )
            SELECT count(*) AS "ended!" FROM ended
            "#,
            &dedup_key(resolution.source, resolution.alert_type, resolution.key)[..],
            truncated(resolution.text, MAX_TEXT),
            resolution.event.map(|event| event.0),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(ended > 0)
    }
}

impl Severity {
    /// The word in JSON and in the configuration.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The stored number.
    fn rank(self) -> i16 {
        match self {
            Self::Info => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }

    fn ranked(rank: i16) -> Self {
        match rank {
            i16::MIN..=1 => Self::Info,
            2 => Self::Warning,
            3.. => Self::Critical,
        }
    }
}

/// The identity of an alert: no two combinations of source, type and key give the same.
fn dedup_key(source: &str, alert_type: &str, key: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [source, alert_type, key] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn truncated(text: &str, limit: usize) -> String {
    let mut text = bounded(text);
    text.truncate(text.floor_char_boundary(limit));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_alerts_have_different_keys() {
        assert_eq!(dedup_key("a", "b", "c"), dedup_key("a", "b", "c"));
        assert_ne!(dedup_key("a", "b", "c"), dedup_key("ab", "", "c"));
        assert_ne!(dedup_key("a", "b", "c"), dedup_key("a", "bc", ""));
    }

    #[test]
    fn severities_round_trip_as_word_and_number() {
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            assert_eq!(severity.as_str().parse::<Severity>().unwrap(), severity);
            assert_eq!(Severity::ranked(severity.rank()), severity);
        }
        assert!("loud".parse::<Severity>().is_err());
    }
}
