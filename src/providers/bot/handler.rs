//! Processes the bot's callbacks: stores them, and tracks the bot's health by its heartbeats. If
//! the source defines a heartbeat interval, housekeeping detects missing ones.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::payload::{self, HEARTBEAT, Heartbeat};
use super::{Bot, GUILD, SERVICE, tables};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::store::{
    Alert, AlertResolution, DeathReason, EffectError, Effects, ExpectedTokens, Outcome, Severity,
    StoreError, StoredEvent, Tx, Write,
};

/// The kind of the alert for a silent bot.
const SILENT: &str = "bot_silent";

pub(super) struct Callbacks;

#[async_trait]
impl Handler for Callbacks {
    fn name(&self) -> &'static str {
        Bot::NAME
    }

    async fn handle(&self, event: &StoredEvent, _attempt: Attempt) -> Result<Effects, Failure> {
        if event.event_type != HEARTBEAT {
            return Ok(Effects::write(RecordCallback(event.clone())));
        }
        let heartbeat = payload::heartbeat(&event.body).map_err(|(reason, detail)| {
            Failure::permanent(DeathReason::Quarantined(reason), detail)
        })?;
        Ok(Effects::write(RecordHeartbeat(event.clone(), heartbeat)))
    }
}

struct RecordCallback(StoredEvent);

#[async_trait]
impl Write for RecordCallback {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self(event) = self;
        // Both forms sign the guild; the service is one of the allowed ones.
        let header_value = |header_name: &str| {
            let header = event.headers.iter().find(|(name, _)| name == header_name);
            header.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let inserted =
            tables::insert_event(tx, event, header_value(GUILD), header_value(SERVICE)).await?;
        Ok(if inserted { Outcome::Handled } else { Outcome::Unchanged })
    }
}

struct RecordHeartbeat(StoredEvent, Heartbeat);

#[async_trait]
impl Write for RecordHeartbeat {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self(event, heartbeat) = self;
        let at = event.occurred_at.unwrap_or(event.received_at);
        let was_missing = tables::is_missing(tx, &event.source).await?;
        let written = tables::upsert_health(tx, event, heartbeat, at).await?;
        if written && was_missing {
            let text = "the bot's heartbeats have resumed";
            let (source, key, alert_type) = (event.source.as_str(), "", SILENT);
            let event = None;
            tx.close_alert(&AlertResolution { alert_type, key, source, event, text }).await?;
        }
        Ok(if written { Outcome::Handled } else { Outcome::Unchanged })
    }
}

/// Expects the next heartbeat of a source.
pub(super) struct HeartbeatMonitor {
    pub(super) source: String,
    /// The maximum interval between heartbeats.
    pub(super) timeout: Duration,
}

#[async_trait]
impl ExpectedTokens for HeartbeatMonitor {
    /// Callbacks have no tokens.
    async fn contains(
        &self,
        _tx: &mut Tx<'_>,
        _claims: &[u8],
        _now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError> {
        let last = tables::mark_missing(tx, &self.source, now, now - self.timeout).await?;
        let Some(last) = last else { return Ok(0) };
        let silent = (now - last).whole_seconds();
        let text = format!("the bot is silent: its last heartbeat was {silent} seconds ago");
        let (source, severity) = (self.source.as_str(), Severity::Critical);
        let (alert_type, key, event, passing) = (SILENT, "", None, false);
        tx.alert(&Alert { alert_type, key, severity, source, event, text: &text, passing }).await?;
        Ok(1)
    }
}
