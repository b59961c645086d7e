//! Alerts: notifications for users, raised in the transaction of their cause.
//!
//! - An alert is *open* until its recovery. Repeats are counted in the same row while it is open.
//! - It is *pending* until it is sent. It is sent again when it
//!   matters more than before, when it has come ten times as often, when it comes at a much higher
//!   rate than in the hour before, after a pause without it, and once a day while it keeps coming.
//! - A *recovery* closes an open alert, and is sent itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{DeathReason, StoreError, Tx, bounded};

mod outbox;

pub use outbox::{AlertBatch, AlertFilter, OpenAlert, PendingAlert};

/// The kind of the alerts about dead letters: their key is the handler and the reason.
pub const DEAD_LETTER: &str = "dead_letter";
/// The longest text that is kept, in bytes.
const MAX_TEXT: usize = 1024;
/// The longest key that is shown, in bytes; folding goes by the whole.
const MAX_KEY: usize = 200;

/// A notification for users.
#[derive(Debug, Clone, Copy)]
pub struct Alert<'a> {
    /// What happened: a word of the program, never of a sender, such as `dead_letter`.
    pub kind: &'static str,
    /// What of this kind it happened to. The same source, kind and key is the same thing again.
    pub key: &'a str,
    /// How much it matters.
    pub severity: Severity,
    /// The source that it is about.
    pub source: &'a str,
    /// What to tell, in a sentence or two. It may hold untrusted text, but no secret.
    pub text: &'a str,
    /// Whether it happens and is over: no recovery will follow. It ends by itself an hour later.
    pub passing: bool,
}

/// The end of an open alert.
#[derive(Debug, Clone, Copy)]
pub struct AlertResolution<'a> {
    /// As in [`Alert::kind`].
    pub kind: &'static str,
    /// As in [`Alert::key`].
    pub key: &'a str,
    /// As in [`Alert::source`].
    pub source: &'a str,
    /// What to tell now.
    pub text: &'a str,
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Needs attention soon.
    #[default]
    Warning,
    /// Needs attention now.
    Critical,
}

/// The word is no severity.
#[derive(Debug, thiserror::Error)]
#[error("unknown severity `{0}`; expected info, warning or critical")]
pub struct UnknownSeverity(String);

/// An alert as it is kept.
#[derive(Debug, Clone)]
pub struct AlertRow {
    /// Its id.
    pub id: i64,
    /// The source that it is about.
    pub source: String,
    /// What happened.
    pub kind: String,
    /// What it happened to.
    pub key: String,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it says that something is over.
    pub recovery: bool,
    /// The newest text.
    pub text: String,
    /// When it was raised first.
    pub first_at: OffsetDateTime,
    /// When it was raised last.
    pub last_at: OffsetDateTime,
    /// How often it was raised.
    pub count: i64,
    /// When it was told last.
    pub sent_at: Option<OffsetDateTime>,
    /// When it ended; `None` while it goes on.
    pub over_at: Option<OffsetDateTime>,
    /// Whether it is still to be told.
    pub pending: bool,
}

impl AlertRow {
    /// How it stands, in one word: `open`, `over`, or `recovery` for what says that another is over.
    pub fn state(&self) -> &'static str {
        match (self.recovery, self.over_at) {
            (true, _) => "recovery",
            (false, Some(_)) => "over",
            (false, None) => "open",
        }
    }

    /// The notification state: `pending`, `told` (sent), or `not told` (given up).
    pub fn told(&self) -> &'static str {
        match (self.pending, self.sent_at) {
            (true, _) => "pending",
            (false, Some(_)) => "told",
            (false, None) => "not told",
        }
    }
}

impl Tx<'_> {
    /// Raises an alert: it is told once the transaction has committed, and not if it does not.
    /// Its row is locked until then: raise alerts last.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn alert(&mut self, alert: &Alert<'_>) -> Result<(), StoreError> {
        // Told again at 10, 100, 1,000 … since it was raised first, and at 10, 100, 1,000 … within
        // an hour where that is much more than in the hour before: what trickles in for days does
        // not hide an outage.
        sqlx::query!(
            r"
            INSERT INTO alerts AS known
                 (source, kind, key, dedup_key, severity, text, passing, first_at, last_at, hour_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, t.now, t.now, t.now FROM clock_timestamp() AS t (now)
             ON CONFLICT (dedup_key) WHERE over_at IS NULL DO UPDATE SET
                 text        = excluded.text,
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
                         OR known.count + 1 >= power(10, char_length(known.told::text))
                         OR (excluded.last_at < known.hour_at + interval '1 hour'
                             AND (known.hour_count + 1)::text ~ '^10+$'
                             AND known.hour_count + 1 >= 5 * known.hour_before)
                         OR excluded.last_at >= known.last_at + interval '1 hour'
                         OR excluded.last_at >= known.sent_at + interval '1 day'",
            alert.source,
            alert.kind,
            cut(alert.key, MAX_KEY),
            &dedup_key(alert.source, alert.kind, alert.key)[..],
            alert.severity.rank(),
            cut(alert.text, MAX_TEXT),
            alert.passing,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Says how something stands that goes on, `count` times over: begins an alert, or updates the
    /// one there is. It is told again when it matters more than before, when there is ten times as
    /// much of it as was told, and once a day. Where there is less of it, only the new number
    /// counts: what is mended in part and grows again is told again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn alert_stands(&mut self, alert: &Alert<'_>, count: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO alerts AS known
                 (source, kind, key, dedup_key, severity, text, passing, first_at, last_at, hour_at,
                  count)
             SELECT $1, $2, $3, $4, $5, $6, $7, t.now, t.now, t.now, $8
               FROM clock_timestamp() AS t (now)
             ON CONFLICT (dedup_key) WHERE over_at IS NULL DO UPDATE SET
                 text     = excluded.text,
                 severity = greatest(known.severity, excluded.severity),
                 last_at  = excluded.last_at,
                 count    = excluded.count,
                 told     = least(known.told, excluded.count),
                 pending  = known.pending
                         OR known.sent_at IS NULL
                         OR excluded.severity > known.severity
                         OR excluded.count
                            >= power(10, char_length(least(known.told, excluded.count)::text))
                         OR excluded.last_at >= known.sent_at + interval '1 day'",
            alert.source,
            alert.kind,
            cut(alert.key, MAX_KEY),
            &dedup_key(alert.source, alert.kind, alert.key)[..],
            alert.severity.rank(),
            cut(alert.text, MAX_TEXT),
            alert.passing,
            count.max(1),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Tells of a dead letter; those of one source, handler and reason are folded.
    pub(super) async fn alert_of_death(
        &mut self,
        source: &str,
        handler: &str,
        reason: DeathReason,
        error: &str,
    ) -> Result<(), StoreError> {
        let error = error.lines().next().unwrap_or_default();
        self.alert(&Alert {
            kind: DEAD_LETTER,
            key: &format!("{handler} {reason}"),
            severity: Severity::Warning,
            source,
            text: &format!("{handler}, {reason}: {error}"),
            passing: false,
        })
        .await
    }

    /// Says that what goes on is over, and tells so if users were told, or are still to be told,
    /// about it. Says whether anything went on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn alert_is_over(
        &mut self,
        recovery: &AlertResolution<'_>,
    ) -> Result<bool, StoreError> {
        let ended = sqlx::query_scalar!(
            r#"
            WITH ended AS (
                UPDATE alerts SET over_at = clock_timestamp()
                 WHERE dedup_key = $1 AND over_at IS NULL
                RETURNING source, kind, key, dedup_key, severity, over_at, pending OR sent_at IS NOT NULL AS known
            ), told AS (
                INSERT INTO alerts
                    (source, kind, key, dedup_key, severity, recovery, text, first_at, last_at, over_at)
                SELECT source, kind, key, dedup_key, severity, true, $2, over_at, over_at, over_at
                  FROM ended WHERE known
            )
            SELECT count(*) AS "ended!" FROM ended
            "#,
            &dedup_key(recovery.source, recovery.kind, recovery.key)[..],
            cut(recovery.text, MAX_TEXT),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(ended > 0)
    }
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
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

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let all = [Self::Info, Self::Warning, Self::Critical];
        all.into_iter()
            .find(|severity| severity.as_str() == word)
            .ok_or_else(|| UnknownSeverity(word.to_owned()))
    }
}

/// What tells one thing that goes on from another: no two of source, kind and key give the same.
fn dedup_key(source: &str, kind: &str, key: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [source, kind, key] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn cut(text: &str, limit: usize) -> String {
    let mut text = bounded(text);
    text.truncate(text.floor_char_boundary(limit));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_are_folded_into_one() {
        assert_eq!(dedup_key("a", "b", "c"), dedup_key("a", "b", "c"));
        assert_ne!(dedup_key("a", "b", "c"), dedup_key("ab", "", "c"));
        assert_ne!(dedup_key("a", "b", "c"), dedup_key("a", "bc", ""));
    }

    #[test]
    fn a_severity_is_read_back_from_its_word_and_from_its_number() {
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            assert_eq!(severity.as_str().parse::<Severity>().unwrap(), severity);
            assert_eq!(Severity::ranked(severity.rank()), severity);
        }
        assert!("loud".parse::<Severity>().is_err());
    }
}
