//! One destination: its statistics of the last day, its recent responses, retries and test events.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Destination, DestinationDetail, DestinationHour, DestinationResponse, Destinations};
use crate::admin::change::{Audited, AuditedChange};
use crate::admin::{AdminError, Caller, Reason, Scope};
use crate::store::{ACKNOWLEDGED_WITHIN, RecordedResponse, ResponseHour, Span};

/// The number of hours shown.
const HOURS: u32 = 24;
/// The maximum number of waiting deliveries retried at once.
const MAX_RETRIED: i64 = 1000;

/// Sends test events.
#[async_trait]
pub trait SendTest: Send + Sync + 'static {
    /// Sends one to the destination of this name; `None` if it does not exist.
    async fn send_test(&self, name: &str) -> Option<RecordedResponse>;
}

impl Destinations {
    /// One destination, redacted for the caller.
    pub async fn show(&self, caller: &Caller, name: &str) -> Result<DestinationDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let mut destination = self.find(caller, name).await?;
        let now = self.clock.now();
        let begins = Span::Coarse.last(HOURS, now);
        let from = begins.first().copied().unwrap_or(now);
        let known = self.store.response_hours(name, from).await?;
        let hours: Vec<(OffsetDateTime, ResponseHour)> = begins
            .into_iter()
            .map(|hour| {
                let found = known.iter().find(|(begin, _)| *begin == hour);
                (hour, found.map(|(_, results)| results.clone()).unwrap_or_default())
            })
            .collect();
        let responses = self.store.last_responses(name).await?;
        let may_see = caller.may(Scope::PayloadRead);
        if !may_see {
            destination.redact_payload();
        }
        let due = self.store.next_due(name).await?;
        let (delivered, failed) = hours.iter().fold((0, 0), |(delivered, failed), (_, results)| {
            (delivered + results.delivered, failed + results.failed)
        });
        let hour = |(begins_at, results): &(OffsetDateTime, ResponseHour)| DestinationHour {
            begins_at: *begins_at,
            delivered: results.delivered,
            failed: results.failed,
        };
        let response = |response| DestinationResponse::new(response, may_see);
        Ok(DestinationDetail {
            next_attempt_at: next_attempt(&destination, due, now),
            success_percent: percent(delivered, failed),
            p50_ms: percentile(&hours, 50),
            p95_ms: percentile(&hours, 95),
            hours: hours.iter().map(hour).collect(),
            responses: responses.into_iter().map(response).collect(),
            destination,
        })
    }

    /// Retries its waiting deliveries now; returns how many are due.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if it is paused or disabled.
    pub async fn retry_now(
        &self,
        caller: &Caller,
        name: &str,
        reason: &Reason,
    ) -> Result<u64, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let destination = self.find(caller, name).await?;
        if destination.state.is_off() {
            let text = format!("the destination is {}: nothing is sent", destination.state);
            return Err(AdminError::Conflict(text));
        }
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let at = change.at;
        let count = change.tx.retry_destination(name, at, MAX_RETRIED).await?;
        let (action, target) = ("retry", format!("destination {name}"));
        change.commit(Audited { action, target: &target, reason, count }).await?;
        Ok(count)
    }

    /// Sends a test event, even if the destination is blocked. Without `payload:read` the text of
    /// the response is left out.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if it is not configured.
    pub async fn send_test(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<DestinationResponse, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        self.find(caller, name).await?;
        let change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let audited = Audited {
            action: "test",
            target: &format!("destination {name}"),
            reason: "a test event",
            count: 1,
        };
        change.commit(audited).await?;
        let response = match &self.tests {
            Some(tests) => tests.send_test(name).await,
            None => None,
        };
        let not_here = || AdminError::Conflict("the destination is not configured".to_owned());
        let response = response.ok_or_else(not_here)?;
        self.store.responses().record(name, response.clone());
        self.store.flush_responses(self.clock.now()).await?;
        Ok(DestinationResponse::new(response, caller.may(Scope::PayloadRead)))
    }
}

fn next_attempt(
    destination: &Destination,
    due: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    if destination.state.is_off() {
        return None;
    }
    Some(due?.max(destination.not_before.unwrap_or(now)).max(now))
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for display")]
fn percent(delivered: u64, failed: u64) -> Option<f64> {
    let all = delivered + failed;
    (all > 0).then(|| (delivered as f64 / all as f64 * 1000.0).round() / 10.0)
}

/// A percentile of the response times, in milliseconds.
fn percentile(hours: &[(OffsetDateTime, ResponseHour)], percent: u64) -> Option<u32> {
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
    fn percentiles_of_a_day() {
        let mut did = ResponseHour { delivered: 2, failed: 1, ..ResponseHour::default() };
        did.within[0] = 1;
        did.within[3] = 1;
        did.within[12] = 1;
        let hours = [(datetime!(2026-11-20 12:00 UTC), did)];
        assert_eq!(percent(2, 1), Some(66.7));
        assert_eq!((percentile(&hours, 50), percentile(&hours, 95)), (Some(10), None));
        assert_eq!((percent(0, 0), percentile(&[], 50)), (None, None));
    }
}
