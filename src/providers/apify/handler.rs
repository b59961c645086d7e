//! What is done about Apify's webhooks: the register of runs is kept up to date.
//!
//! A vouched body names nobody by itself: which run and which guild it is about comes from the
//! token's claims, and the body must not contradict what the register holds. Only a body without
//! claims, which is then signed or came with the shared secret, is matched by Apify's run id.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;

use super::lifecycle::Change;
use super::payload::{self, Event};
use super::tables::{self, Run};
use super::token::Claims;
use super::{Apify, Purpose};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::gate::Quarantine;
use crate::store::{
    DeathReason, EffectError, Effects, EventId, Outcome, Registry, StoreError, StoredEvent, Tx,
    Write,
};

/// Keeps the register of runs.
pub(super) struct Runs {
    pub(super) purpose: Purpose,
    /// A webhook may arrive before the application has entered its run: for so long it is retried.
    pub(super) registration_grace: Duration,
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
        Ok(Effects::write(Settle {
            id: event.id,
            source: event.source.clone(),
            purpose: self.purpose,
            claims,
            event: read,
            change,
            late: event.late,
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

/// Applies one event to its run.
struct Settle {
    id: EventId,
    source: String,
    purpose: Purpose,
    claims: Option<Claims>,
    event: Event,
    change: Change,
    late: bool,
    /// For how long to wait for an unknown run.
    wait: Option<Duration>,
}

#[async_trait]
impl Write for Settle {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Some(mut run) = self.find(tx).await? else {
            let detail = "no such run is registered".to_owned();
            return Err(match self.wait {
                Some(retry_after) => EffectError::NotYet { detail, retry_after },
                None => unknown(detail),
            });
        };
        self.check(&run)?;
        let mut news = false;
        if let (None, Some(id)) = (&run.actor_run_id, &self.event.subject) {
            if tables::is_taken(tx, &self.source, run.key, id).await? {
                return Err(unknown(format!("Apify's run {id} is registered under another key")));
            }
            run.actor_run_id = Some(id.clone());
            run.actor_id = run.actor_id.take().or_else(|| self.event.actor_id.clone());
            news = true;
        }
        if let Some(state) = run.state.after(self.change, self.late) {
            run.state = state;
            news = true;
        }
        if !news {
            return Ok(Outcome::Unchanged);
        }
        tables::update(tx, &self.source, &run, self.id).await?;
        Ok(Outcome::Handled)
    }
}

impl Settle {
    async fn find(&self, tx: &mut Tx<'_>) -> Result<Option<Run>, EffectError> {
        let run = match (&self.claims, &self.event.subject) {
            (Some(claims), _) => tables::lock_by_key(tx, &self.source, claims.run_key).await?,
            (None, Some(id)) => tables::lock_by_actor_run(tx, &self.source, id).await?,
            (None, None) => return Err(unknown("the body names no run and there is no token")),
        };
        Ok(run)
    }

    /// Everything that the event says of its run must be what the register says.
    fn check(&self, run: &Run) -> Result<(), EffectError> {
        if run.purpose != self.purpose.as_str() {
            return Err(unknown(format!("the run is registered for `{}`", run.purpose)));
        }
        let named = self.event.subject.as_deref();
        let differs = |known: Option<&str>| matches!((known, named), (Some(known), Some(named)) if known != named);
        if differs(run.actor_run_id.as_deref()) {
            return Err(unknown("the body names another run than the register"));
        }
        let Some(claims) = &self.claims else { return Ok(()) };
        if claims.guild_id != run.guild_id {
            return Err(unknown("the token names another guild than the register"));
        }
        if differs(claims.actor_run_id.as_deref()) {
            return Err(unknown("the body names another run than the token"));
        }
        Ok(())
    }
}

fn unknown(detail: impl Into<String>) -> EffectError {
    EffectError::Rejected { reason: DeathReason::UnknownRun, detail: detail.into() }
}

/// What a source still awaits: see [`tables::awaits`] and [`tables::expire`].
pub(super) struct Register {
    pub(super) source: String,
    pub(super) dispatch_ttl: time::Duration,
}

#[async_trait]
impl Registry for Register {
    async fn awaits(
        &self,
        tx: &mut Tx<'_>,
        claims: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        tables::awaits(tx.connection(), &self.source, claims, self.dispatch_ttl, now).await
    }

    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError> {
        tables::expire(tx, &self.source, now, self.dispatch_ttl).await
    }
}
