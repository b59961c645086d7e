//! What is done about the bot's callbacks: they are kept, and a heartbeat says how the bot is.
//! Where the source says how often heartbeats should come, housekeeping notices when they do not.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::payload::{self, HEARTBEAT, Heartbeat};
use super::{Bot, GUILD, SERVICE, tables};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::store::{
    Alert, AlertResolution, DeathReason, EffectError, Effects, ExpectedTokens, Outcome, Severity,
    StoreError, StoredEvent, Tx, Write,
};

/// What users are told about: the bot is silent.
const SILENT: &str = "bot_silent";

/// Keeps callbacks and the bot's health.
pub(super) struct Callbacks;

#[async_trait]
impl Handler for Callbacks {
    fn name(&self) -> &'static str {
        Bot::NAME
    }

    async fn handle(&self, event: &StoredEvent, _attempt: Attempt) -> Result<Effects, Failure> {
        if event.event_type != HEARTBEAT {
            return Ok(Effects::write(Keep(event.clone())));
        }
        let heartbeat = payload::heartbeat(&event.body).map_err(|(reason, detail)| {
            Failure::permanent(DeathReason::Quarantined(reason), detail)
        })?;
        Ok(Effects::write(Beat(event.clone(), heartbeat)))
    }
}

/// Keeps one callback.
struct Keep(StoredEvent);

#[async_trait]
impl Write for Keep {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self(event) = self;
        // Both forms sign the guild; the service is one of those that are allowed.
        let said = |wanted: &str| {
            let header = event.headers.iter().find(|(name, _)| name == wanted);
            header.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let kept = tables::insert_event(tx, event, said(GUILD), said(SERVICE)).await?;
        Ok(if kept { Outcome::Handled } else { Outcome::Unchanged })
    }
}

/// Enters one heartbeat.
struct Beat(StoredEvent, Heartbeat);

#[async_trait]
impl Write for Beat {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self(event, heartbeat) = self;
        let at = event.occurred_at.unwrap_or(event.received_at);
        let was_missing = tables::is_missing(tx, &event.source).await?;
        let written = tables::upsert_health(tx, event, heartbeat, at).await?;
        if written && was_missing {
            let text = "the bot's heartbeats have resumed";
            let (source, key) = (event.source.as_str(), "");
            tx.close_alert(&AlertResolution { kind: SILENT, key, source, text }).await?;
        }
        Ok(if written { Outcome::Handled } else { Outcome::Unchanged })
    }
}

/// What a source awaits: the next heartbeat.
pub(super) struct Pulse {
    pub(super) source: String,
    /// The longest time between two heartbeats.
    pub(super) timeout: Duration,
}

#[async_trait]
impl ExpectedTokens for Pulse {
    /// A callback counts by its own time and no other.
    async fn awaits(
        &self,
        _tx: &mut Tx<'_>,
        _claims: &[u8],
        _now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError> {
        let last = tables::miss(tx, &self.source, now, now - self.timeout).await?;
        let Some(last) = last else { return Ok(0) };
        let silent = (now - last).whole_seconds();
        let text = format!("the bot is silent: its last heartbeat was {silent} seconds ago");
        let (source, severity) = (self.source.as_str(), Severity::Critical);
        let passing = false;
        tx.alert(&Alert { kind: SILENT, key: "", severity, source, text: &text, passing }).await?;
        Ok(1)
    }
}
