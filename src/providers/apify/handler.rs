//! Processes Apify's webhooks: updates the run and, after a success, collects its results before
//! any transaction is open. A run counts as succeeded once its results are stored: if they cannot
//! be fetched, the delivery is retried or becomes a dead letter.
//!
//! A vouched body identifies nothing by itself: run and guild come from the token's claims, and the
//! body must not contradict the stored run. Only a body without claims, which is signed or came
//! with the shared secret, is matched by Apify's run id.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;

use super::alerts;
use super::apply::ApplyEvent;
use super::lifecycle::Change;
use super::payload;
use super::results::Collector;
use super::tables;
use super::token::Claims;
use super::{Apify, Purpose};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::store::{DeathReason, Effects, ExpectedTokens, StoreError, StoredEvent, Tx};
use crate::verify::Quarantine;

pub(super) struct Runs {
    pub(super) purpose: Purpose,
    /// A webhook may arrive before the application has registered its run: it is retried for this
    /// long.
    pub(super) registration_grace: Duration,
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
        let claims = event.claims.as_ref().map(parse_claims).transpose()?;
        let results = match change {
            Change::Succeeded(at) => {
                self.collector.collect(&event.body, &read, at, attempt.started_at).await?
            }
            _ => None,
        };
        Ok(Effects::write(ApplyEvent {
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
    /// The delay before an unknown run is looked up again; `None` once the grace is over. It is
    /// deterministic, so that the grace ends before the attempts are used up.
    fn wait(&self, event: &StoredEvent, attempt: Attempt) -> Option<Duration> {
        let doublings = attempt.number.saturating_sub(1).min(6);
        let in_grace = attempt.started_at < event.received_at + self.registration_grace;
        in_grace.then(|| Duration::from_secs(5 << doublings))
    }
}

fn parse_claims(claims: &Bytes) -> Result<Claims, Failure> {
    let unreadable = || {
        let reason = DeathReason::Quarantined(Quarantine::Schema);
        Failure::permanent(reason, "the stored claims cannot be read")
    };
    Claims::read(claims).ok_or_else(unreadable)
}

/// The runs that a source still expects: see [`tables::is_expected`] and [`tables::expire`].
pub(super) struct ExpectedRuns {
    pub(super) source: String,
    pub(super) dispatch_ttl: time::Duration,
}

#[async_trait]
impl ExpectedTokens for ExpectedRuns {
    async fn contains(
        &self,
        tx: &mut Tx<'_>,
        claims: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        tables::is_expected(tx.connection(), &self.source, claims, self.dispatch_ttl, now).await
    }

    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError> {
        let runs = tables::expire(tx, &self.source, now, self.dispatch_ttl).await?;
        if runs > 0 {
            alerts::expired(tx, &self.source, runs).await?;
        }
        Ok(runs)
    }
}
