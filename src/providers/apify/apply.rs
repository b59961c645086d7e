//! Applies one event to its run, in the transaction that settles its delivery.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::Purpose;
use super::alerts;
use super::lifecycle::{Change, Status};
use super::payload::Event;
use super::results::{Finding, Found, Profile, Results, find_code};
use super::tables::{self, PostStatus, Run, Verification};
use super::token::Claims;
use crate::store::{DeathReason, EffectError, EventId, Outcome, StoreError, Tx, Write};

pub(super) struct ApplyEvent {
    pub(super) id: EventId,
    pub(super) source: String,
    pub(super) purpose: Purpose,
    pub(super) claims: Option<Claims>,
    pub(super) event: Event,
    pub(super) change: Change,
    /// The results of a successful run, if they are available.
    pub(super) results: Option<Results>,
    pub(super) late: bool,
    /// When the attempt started.
    pub(super) at: OffsetDateTime,
    /// The delay if the run is unknown.
    pub(super) wait: Option<Duration>,
}

#[async_trait]
impl Write for ApplyEvent {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Some(mut run) = self.find(tx).await? else {
            let detail = "no such run is registered".to_owned();
            return Err(match self.wait {
                Some(retry_after) => EffectError::NotYet { detail, retry_after, awaiting: None },
                None => unknown(detail),
            });
        };
        self.check(&run)?;
        let mut newly_identified = false;
        if let (None, Some(id)) = (&run.actor_run_id, &self.event.subject) {
            if tables::is_taken(tx, &self.source, run.key, id).await? {
                return Err(unknown(format!("Apify run {id} is registered under another key")));
            }
            run.actor_run_id = Some(id.clone());
            run.actor_id = run.actor_id.take().or_else(|| self.event.actor_id.clone());
            newly_identified = true;
        }
        let changed = run.state.after(self.change, self.late);
        // A repeated success may bring results that the first one lacked.
        let repeated =
            changed.is_none() && self.results.is_some() && run.state.succeeded_with(self.change);
        run.state = changed.unwrap_or(run.state);
        if changed.is_some() || newly_identified {
            tables::update(tx, &self.source, &run, self.id).await?;
        }
        if changed.is_some() {
            let by = (self.id, self.at);
            tables::mark_posts(tx, &self.source, run.key, post_status(run.state.status), by)
                .await?;
        }
        if changed.is_some() || repeated {
            self.write_results(tx, &run).await?;
        }
        // Last, since the alert's row stays locked until the commit.
        match changed.map(|state| state.status) {
            Some(Status::Failed) => {
                alerts::failed(tx, &self.source, &run, (self.id, &self.event)).await?;
            }
            Some(Status::Succeeded) => {
                alerts::succeeded(tx, &self.source, &run, self.id).await?;
            }
            _ => {}
        }
        let handled = newly_identified || changed.is_some() || repeated;
        Ok(if handled { Outcome::Handled } else { Outcome::Unchanged })
    }
}

impl ApplyEvent {
    async fn find(&self, tx: &mut Tx<'_>) -> Result<Option<Run>, EffectError> {
        let run = match (&self.claims, &self.event.subject) {
            (Some(claims), _) => tables::lock_by_key(tx, &self.source, claims.run_key).await?,
            (None, Some(id)) => tables::lock_by_actor_run(tx, &self.source, id).await?,
            (None, None) => return Err(unknown("the body has no run id and there is no token")),
        };
        Ok(run)
    }

    /// Writes the results, and whether they contain the code of a verification.
    async fn write_results(&self, tx: &mut Tx<'_>, run: &Run) -> Result<(), StoreError> {
        let mut texts: &[String] = &[];
        if let Some(results) = &self.results {
            let Results { found, origin, items, truncated } = results;
            tables::record_items(tx, &self.source, run.key, *items, *truncated).await?;
            match found {
                Found::Metrics(metrics) => {
                    let metrics =
                        metrics.iter().cloned().map(|metric| metric.with_platform(run.platform));
                    let by = (self.id, *origin);
                    tables::insert_metrics(tx, &self.source, run, metrics, by).await?;
                }
                Found::Profiles(found) => texts = found,
            }
        }
        let Some(verification) = tables::verification(tx, &self.source, run.key).await? else {
            return Ok(());
        };
        let result = verification_result(run, &verification, texts);
        tables::settle_verification(tx, &self.source, run.key, result, self.id).await
    }

    /// Checks that the event's statements about its run match the stored run.
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

fn post_status(status: Status) -> PostStatus {
    match status {
        Status::Initiated => PostStatus::Pending,
        Status::Succeeded => PostStatus::Collected,
        Status::Failed | Status::Expired => PostStatus::Failed,
    }
}

/// The result of a verification and its time; `None` while it is pending.
fn verification_result(
    run: &Run,
    verification: &Verification,
    texts: &[String],
) -> Option<(&'static str, OffsetDateTime)> {
    let ended = run.state.finished_at?;
    if ended > verification.expires_at {
        return Some(("expired", ended));
    }
    let finding = if run.state.status == Status::Succeeded {
        let profiles = texts.iter().filter_map(|text| Profile::read(text, verification.platform));
        find_code(&profiles.collect::<Vec<_>>(), &verification.handle, &verification.code)
    } else {
        Finding::Unreachable
    };
    Some((finding.as_str(), ended))
}
