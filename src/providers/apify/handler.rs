//! What is done about Apify's webhooks: the register of runs is kept up to date, and of a run that
//! succeeded the results are got, before any transaction is open. A run counts as succeeded once
//! its results are here: where they cannot be got the delivery is retried, or is a dead letter.
//!
//! A vouched body names nobody by itself: which run and which guild it is about comes from the
//! token's claims, and the body must not contradict what the register holds. Only a body without
//! claims, which is then signed or came with the shared secret, is matched by Apify's run id.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;

use super::alerts;
use super::apply::Settle;
use super::lifecycle::Change;
use super::payload;
use super::results::Collector;
use super::tables;
use super::token::Claims;
use super::{Apify, Purpose};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::store::{DeathReason, Effects, ExpectedTokens, StoreError, StoredEvent, Tx};
use crate::verify::Quarantine;

/// Keeps the register of runs.
pub(super) struct Runs {
    pub(super) purpose: Purpose,
    /// A webhook may arrive before the application has entered its run: for so long it is retried.
    pub(super) registration_grace: Duration,
    /// Gets results.
    pub(super) collector: Collector,
}

#[async_trait]
impl Handler for Runs {
    fn name(&self) -> &'static str {
        Apify::NAME
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let read = payload::read(&event.body).map_err(|(reason, detail)| {
            Failure::permanent(DeathReason::Quarantined(reason), detail)
        })?;
        let Some(change) = Change::of(&read, event.received_at) else {
            return Ok(Effects::ignored());
        };
        let claims = event.claims.as_ref().map(read_claims).transpose()?;
        let results = match change {
            Change::Succeeded(at) => {
                self.collector.collect(&event.body, &read, at, attempt.started_at).await?
            }
            _ => None,
        };
        Ok(Effects::write(Settle {
            id: event.id,
            source: event.source.clone(),
            purpose: self.purpose,
            claims,
            event: read,
            change,
            results,
            late: event.late,
            at: attempt.started_at,
            wait: self.wait(event, attempt),
        }))
    }
}

impl Runs {
    /// For how long to wait until an unknown run is looked up again; `None` once that is no use.
    /// Not left to chance: the delays have to add up to the grace before the attempts are used up.
    fn wait(&self, event: &StoredEvent, attempt: Attempt) -> Option<Duration> {
        let doublings = attempt.number.saturating_sub(1).min(6);
        let waits = attempt.started_at < event.received_at + self.registration_grace;
        waits.then(|| Duration::from_secs(5 << doublings))
    }
}

fn read_claims(claims: &Bytes) -> Result<Claims, Failure> {
    let unreadable = || {
        let reason = DeathReason::Quarantined(Quarantine::Schema);
        Failure::permanent(reason, "the stored claims cannot be read")
    };
    Claims::read(claims).ok_or_else(unreadable)
}

/// What a source still awaits: see [`tables::awaits`] and [`tables::expire`].
pub(super) struct Register {
    pub(super) source: String,
    pub(super) dispatch_ttl: time::Duration,
}

#[async_trait]
impl ExpectedTokens for Register {
    async fn awaits(
        &self,
        tx: &mut Tx<'_>,
        claims: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        tables::awaits(tx.connection(), &self.source, claims, self.dispatch_ttl, now).await
    }

    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError> {
        let runs = tables::expire(tx, &self.source, now, self.dispatch_ttl).await?;
        if runs > 0 {
            alerts::expired(tx, &self.source, runs).await?;
        }
        Ok(runs)
    }
}
