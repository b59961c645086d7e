//! Applying one event to its run, in the transaction that settles its delivery.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::Purpose;
use super::alerts;
use super::lifecycle::{Change, Status};
use super::payload::Event;
use super::results::{Finding, Found, Profile, Results, look};
use super::tables::{self, Run, Standing, Verification};
use super::token::Claims;
use crate::store::{DeathReason, EffectError, EventId, Outcome, StoreError, Tx, Write};

/// Applies one event to its run.
pub(super) struct Settle {
    pub(super) id: EventId,
    pub(super) source: String,
    pub(super) purpose: Purpose,
    pub(super) claims: Option<Claims>,
    pub(super) event: Event,
    pub(super) change: Change,
    /// What the run brought, where it succeeded and that is to be known.
    pub(super) results: Option<Results>,
    pub(super) late: bool,
    /// When the attempt began.
    pub(super) at: OffsetDateTime,
    /// For how long to wait for an unknown run.
    pub(super) wait: Option<Duration>,
}

#[async_trait]
impl Write for Settle {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Some(mut run) = self.find(tx).await? else {
            let detail = "no such run is registered".to_owned();
            return Err(match self.wait {
                Some(retry_after) => EffectError::NotYet { detail, retry_after, awaits: None },
                None => unknown(detail),
            });
        };
        self.check(&run)?;
        let mut named = false;
        if let (None, Some(id)) = (&run.actor_run_id, &self.event.subject) {
            if tables::is_taken(tx, &self.source, run.key, id).await? {
                return Err(unknown(format!("Apify run {id} is registered under another key")));
            }
            run.actor_run_id = Some(id.clone());
            run.actor_id = run.actor_id.take().or_else(|| self.event.actor_id.clone());
            named = true;
        }
        let changed = run.state.after(self.change, self.late);
        // A duplicate of the success may bring results that the first one did not.
        let repeated =
            changed.is_none() && self.results.is_some() && run.state.succeeded_with(self.change);
        run.state = changed.unwrap_or(run.state);
        if changed.is_some() || named {
            tables::update(tx, &self.source, &run, self.id).await?;
        }
        if changed.is_some() {
            let by = (self.id, self.at);
            tables::mark_posts(tx, &self.source, run.key, standing(run.state.status), by).await?;
        }
        if changed.is_some() || repeated {
            self.write_results(tx, &run).await?;
        }
        // Last, since what users are told about is locked until the commit.
        match changed.map(|state| state.status) {
            Some(Status::Failed) => alerts::failed(tx, &self.source, &run, &self.event).await?,
            Some(Status::Succeeded) => alerts::succeeded(tx, &self.source, &run).await?,
            _ => {}
        }
        let handled = named || changed.is_some() || repeated;
        Ok(if handled { Outcome::Handled } else { Outcome::Unchanged })
    }
}

impl Settle {
    async fn find(&self, tx: &mut Tx<'_>) -> Result<Option<Run>, EffectError> {
        let run = match (&self.claims, &self.event.subject) {
            (Some(claims), _) => tables::lock_by_key(tx, &self.source, claims.run_key).await?,
            (None, Some(id)) => tables::lock_by_actor_run(tx, &self.source, id).await?,
            (None, None) => return Err(unknown("the body has no run id and there is no token")),
        };
        Ok(run)
    }

    /// What was found, and what that says about the code that was looked for.
    async fn write_results(&self, tx: &mut Tx<'_>, run: &Run) -> Result<(), StoreError> {
        let mut texts: &[String] = &[];
        if let Some(results) = &self.results {
            let Results { found, origin, items, left_off } = results;
            tables::note_items(tx, &self.source, run.key, *items, *left_off).await?;
            match found {
                Found::Metrics(metrics) => {
                    let placed = metrics.iter().cloned().map(|metric| metric.placed(run.platform));
                    let by = (self.id, *origin);
                    tables::insert_metrics(tx, &self.source, run, placed, by).await?;
                }
                Found::Profiles(found) => texts = found,
            }
        }
        let Some(sought) = tables::verification(tx, &self.source, run.key).await? else {
            return Ok(());
        };
        let result = verdict(run, &sought, texts);
        tables::settle_verification(tx, &self.source, run.key, result, self.id).await
    }

    /// Everything that the event says of its run must be what the register says.
    fn check(&self, run: &Run) -> Result<(), EffectError> {
        if run.purpose != self.purpose.as_str() {
            return Err(unknown(format!("the run is registered for `{}`", run.purpose)));
        }
        let named = self.event.subject.as_deref();
        let differs = |known: Option<&str>| matches!((known, named), (Some(known), Some(named)) if known != named);
        if differs(run.actor_run_id.as_deref()) {
            return Err(unknown("the body has a different run id than the registered run"));
        }
        let Some(claims) = &self.claims else { return Ok(()) };
        if claims.guild_id != run.guild_id {
            return Err(unknown("the token has a different guild than the registered run"));
        }
        if differs(claims.actor_run_id.as_deref()) {
            return Err(unknown("the body has a different run id than the token"));
        }
        Ok(())
    }
}

fn unknown(detail: impl Into<String>) -> EffectError {
    EffectError::Rejected { reason: DeathReason::UnknownRun, detail: detail.into() }
}

fn standing(status: Status) -> Standing {
    match status {
        Status::Initiated => Standing::Pending,
        Status::Succeeded => Standing::Collected,
        Status::Failed | Status::Expired => Standing::Failed,
    }
}

/// What is known of a code now, and since when; `None` where it is awaited again.
fn verdict(
    run: &Run,
    sought: &Verification,
    texts: &[String],
) -> Option<(&'static str, OffsetDateTime)> {
    let ended = run.state.finished_at?;
    if ended > sought.expires_at {
        return Some(("expired", ended));
    }
    let finding = if run.state.status == Status::Succeeded {
        let profiles = texts.iter().filter_map(|text| Profile::read(text, sought.platform));
        look(&profiles.collect::<Vec<_>>(), &sought.handle, &sought.code)
    } else {
        Finding::Unreachable
    };
    Some((finding.as_str(), ended))
}
