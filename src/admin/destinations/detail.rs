//! Everything about one destination: where it is, how it did in the last day, what it answered.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Destination, DestinationStatus, Destinations};
use crate::admin::{AdminError, Caller, Reason, Scope, wake_gateways};
use crate::store::{ACKNOWLEDGED_WITHIN, AuditEntry, DestinationResponse, ResponseHour, Span};

/// How many hours are shown.
const HOURS: u32 = 24;
/// The most waiting deliveries that are tried at once.
const TRIED: i64 = 1000;

/// Sends test events.
#[async_trait]
pub trait SendTest: Send + Sync + 'static {
    /// Sends one to the destination of this name; `None` where there is none.
    async fn send_test(&self, name: &str) -> Option<DestinationResponse>;
}

/// Everything about one destination.
#[derive(Debug, Clone)]
pub struct DestinationDetail {
    /// What the list shows of it.
    pub destination: Destination,
    /// When something is sent next; `None` where nothing waits, or it is paused or disabled by an
    /// operator.
    pub next_try: Option<OffsetDateTime>,
    /// How it did in each of the last 24 hours, the oldest first, the present one last.
    pub hours: Vec<(OffsetDateTime, ResponseHour)>,
    /// Of a hundred requests of those hours, how many were taken; `None` where there were none.
    pub success_percent: Option<f64>,
    /// Half of the answers came within so many milliseconds, and 95 of a hundred; `None` where
    /// there were none, or they took longer than is told apart.
    pub p50_ms: Option<u32>,
    /// See `p50_ms`.
    pub p95_ms: Option<u32>,
    /// Its last answers, the newest first. Headers, bodies and errors only for callers with
    /// `payload:read`.
    pub answers: Vec<DestinationResponse>,
}

impl Destinations {
    /// Everything about one destination, as far as the caller may see it.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Denied`] without [`Scope::EventsRead`];
    /// [`AdminError::Store`].
    pub async fn show(&self, caller: &Caller, name: &str) -> Result<DestinationDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let mut destination = self.find(caller, name).await?;
        let (handler, now) = (destination.handler(), self.clock.now());
        let begins = Span::Coarse.last(HOURS, now);
        let from = begins.first().copied().unwrap_or(now);
        let known = self.store.response_hours(&handler, from).await?;
        let hours: Vec<(OffsetDateTime, ResponseHour)> = begins
            .into_iter()
            .map(|hour| {
                let found = known.iter().find(|(begin, _)| *begin == hour);
                (hour, found.map(|(_, did)| did.clone()).unwrap_or_default())
            })
            .collect();
        let mut answers = self.store.last_responses(&handler).await?;
        if !caller.may(Scope::PayloadRead) {
            destination.redact_payload();
            answers.iter_mut().for_each(redact_payload);
        }
        let due = self.store.next_due(&handler).await?;
        let (delivered, failed) = hours
            .iter()
            .fold((0, 0), |(taken, not), (_, did)| (taken + did.delivered, not + did.failed));
        Ok(DestinationDetail {
            next_try: next_try(&destination, due, now),
            success_percent: percent(delivered, failed),
            p50_ms: within(&hours, 50),
            p95_ms: within(&hours, 95),
            hours,
            answers,
            destination,
        })
    }

    /// Has what waits for it tried at once; gives how many deliveries became due by that.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] where an operator holds it back;
    /// [`AdminError::Denied`] without [`Scope::SourcesWrite`]; [`AdminError::Store`].
    pub async fn try_now(
        &self,
        caller: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<u64, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let reason = Reason::new(reason)?.get();
        let destination = self.find(caller, name).await?;
        if matches!(
            destination.standing,
            DestinationStatus::Paused
                | DestinationStatus::Disabled
                | DestinationStatus::Unconfigured
        ) {
            let text =
                format!("the destination is {}: nothing is sent", destination.standing.as_str());
            return Err(AdminError::Conflict(text));
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let count = tx.try_destination(&destination.handler(), now, TRIED).await?;
        let (actor, target) = (caller.actor(), format!("destination {name}"));
        let entry =
            AuditEntry { at: now, actor, action: "try now", target: &target, reason, count };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        wake_gateways(&self.store).await;
        Ok(count)
    }

    /// Sends it a test event, which says that it is one, whatever blocks the destination. What
    /// it answers is shown to callers with `payload:read` in full.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] where it is not configured;
    /// [`AdminError::Denied`] without [`Scope::SourcesWrite`]; [`AdminError::Store`].
    pub async fn send_test(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<DestinationResponse, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let destination = self.find(caller, name).await?;
        let now = self.clock.now();
        let (actor, target) = (caller.actor(), format!("destination {name}"));
        let mut tx = self.store.begin().await?;
        let entry = AuditEntry {
            at: now,
            actor,
            action: "test destination",
            target: &target,
            reason: "a test event",
            count: 1,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        let answer = match &self.tests {
            Some(tests) => tests.send_test(name).await,
            None => None,
        };
        let not_here = || AdminError::Conflict("the destination is not configured".to_owned());
        let mut answer = answer.ok_or_else(not_here)?;
        self.store.answers().note(&destination.handler(), answer.clone());
        self.store.flush_responses(self.clock.now()).await?;
        if !caller.may(Scope::PayloadRead) {
            redact_payload(&mut answer);
        }
        Ok(answer)
    }
}

/// Takes out what the application wrote.
fn redact_payload(answer: &mut DestinationResponse) {
    answer.headers.clear();
    answer.body.clear();
    if answer.error.is_some() {
        answer.error = Some(match answer.status {
            Some(status) => format!("destination responded {status}"),
            None => "cannot reach the destination".to_owned(),
        });
    }
}

fn next_try(
    destination: &Destination,
    due: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    if matches!(
        destination.standing,
        DestinationStatus::Paused | DestinationStatus::Disabled | DestinationStatus::Unconfigured
    ) {
        return None;
    }
    let held_until = destination.state.as_ref().and_then(|state| state.not_before);
    Some(due?.max(held_until.unwrap_or(now)).max(now))
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for display")]
fn percent(delivered: u64, failed: u64) -> Option<f64> {
    let all = delivered + failed;
    (all > 0).then(|| (delivered as f64 / all as f64 * 1000.0).round() / 10.0)
}

/// Within how many milliseconds so many of a hundred answers came.
fn within(hours: &[(OffsetDateTime, ResponseHour)], percent: u64) -> Option<u32> {
    let all: u64 = hours.iter().flat_map(|(_, did)| did.within).sum();
    let mut seen = 0;
    for (place, bound) in ACKNOWLEDGED_WITHIN.into_iter().enumerate() {
        seen += hours.iter().filter_map(|(_, did)| did.within.get(place)).sum::<u64>();
        if all > 0 && seen * 100 >= all * percent {
            return Some(bound);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_day_is_told_in_three_numbers() {
        let mut did = ResponseHour { delivered: 2, failed: 1, ..ResponseHour::default() };
        did.within[0] = 1;
        did.within[3] = 1;
        did.within[12] = 1;
        let hours = [(datetime!(2026-11-20 12:00 UTC), did)];
        assert_eq!(percent(2, 1), Some(66.7));
        assert_eq!((within(&hours, 50), within(&hours, 95)), (Some(10), None));
        assert_eq!((percent(0, 0), within(&[], 50)), (None, None));
    }
}
