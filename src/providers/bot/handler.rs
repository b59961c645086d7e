//! What is done about the bot's callbacks: they are kept, and a heartbeat says how the bot is.

use async_trait::async_trait;

use super::payload::{self, HEARTBEAT, Heartbeat};
use super::{Bot, GUILD, tables};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};

/// Keeps callbacks and the bot's health.
pub(super) struct Callbacks;

#[async_trait]
impl Handler for Callbacks {
    fn name(&self) -> &'static str {
        Bot::NAME
    }

    async fn handle(&self, event: &StoredEvent, _attempt: Attempt) -> Result<Effects, Failure> {
        if event.kind != HEARTBEAT {
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
        // Both forms sign the guild: a header that is kept is one that was signed.
        let guild = event.headers.iter().find(|(name, _)| name == GUILD);
        let guild = guild.map(|(_, value)| value.as_str()).filter(|guild| !guild.is_empty());
        let kept = tables::insert_event(tx, event, guild).await?;
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
        let written = tables::upsert_health(tx, event, heartbeat, at).await?;
        Ok(if written { Outcome::Handled } else { Outcome::Unchanged })
    }
}
