//! One log line and one count per ingest request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use metrics::{Histogram, SharedString};
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use super::problem::Problem;
use crate::ingest::{Receipt, Source};
use crate::store::{Counter, Counters, WRONG_PATH};
use crate::verify::Quarantine;

/// The outcome of an event that is stored, or of a chunk.
const ACCEPTED: &str = "accepted";

/// The metrics of accepted requests, registered once: finding them again for every request costs as
/// much as verifying it.
pub struct AcceptedMetrics {
    /// By the name of the source.
    total: HashMap<Arc<str>, metrics::Counter>,
    seconds: Histogram,
}

impl AcceptedMetrics {
    /// Registers them for the configured sources.
    pub fn of<'s>(sources: impl Iterator<Item = &'s Source>) -> Self {
        let total = sources.map(|source| {
            let name = Arc::clone(&source.name);
            let counter = total(Arc::clone(&name).into(), provider_of(source), ACCEPTED, "");
            (name, counter)
        });
        Self { total: total.collect(), seconds: seconds(ACCEPTED) }
    }
}

fn total(
    source: SharedString,
    provider: &'static str,
    outcome: &'static str,
    reason: &'static str,
) -> metrics::Counter {
    metrics::counter!(
        "sealpost_ingest_total",
        "source" => source,
        "provider" => provider,
        "outcome" => outcome,
        "reason" => reason
    )
}

fn seconds(outcome: &'static str) -> Histogram {
    metrics::histogram!("sealpost_ingest_seconds", "outcome" => outcome)
}

fn provider_of(source: &Source) -> &'static str {
    source.verifier.provider.name()
}

/// The report of a finished request. It never contains body, signature, query or headers.
pub(super) struct Report<'a> {
    request_id: &'a str,
    began: OffsetDateTime,
    /// The same on the monotonic clock, for durations.
    started: Instant,
    counters: &'a Counters,
    metrics: &'a AcceptedMetrics,
    source: Option<(Arc<str>, &'static str)>,
    pub(super) peer: Option<IpAddr>,
    /// The size of its body, if it was read.
    pub(super) size_bytes: usize,
    /// Whether it is a signed request to an unknown path: a sender may have a wrong URL.
    pub(super) has_wrong_path: bool,
}

impl<'a> Report<'a> {
    pub(super) fn begin(
        request_id: &'a str,
        began: OffsetDateTime,
        counters: &'a Counters,
        metrics: &'a AcceptedMetrics,
    ) -> Self {
        Self {
            request_id,
            began,
            started: Instant::now(),
            counters,
            metrics,
            source: None,
            peer: None,
            size_bytes: 0,
            has_wrong_path: false,
        }
    }

    pub(super) fn source(&mut self, source: &Source) {
        self.source = Some((Arc::clone(&source.name), provider_of(source)));
    }

    pub(super) fn accepted(&self, receipt: &Receipt) {
        let (outcome, reason, event) = match receipt {
            Receipt::Accepted(event) => (ACCEPTED, "", event),
            Receipt::Duplicate(event) => ("duplicate", "seen_before", event),
            Receipt::Differs { first, .. } => ("duplicate", "seen_with_another_body", first),
            Receipt::Quarantined(event, reason) => {
                ("quarantined", Quarantine::as_str(*reason), event)
            }
            Receipt::Batch { first, new: 0, .. } => ("duplicate", "seen_before", first),
            Receipt::Batch { first, .. } => (ACCEPTED, "batch", first),
            Receipt::Chunk { event, .. } => (ACCEPTED, "chunk", event),
            Receipt::Replayed { event, .. } => ("duplicate", "idempotency_key", event),
        };
        info!(
            event = outcome_event(outcome),
            reason,
            request.id = self.request_id,
            source.name = self.source_name(),
            source.kind = self.provider(),
            peer = self.peer.map(tracing::field::display),
            event.id = %event,
            size_bytes = self.size_bytes,
            duration_ms = self.milliseconds(),
        );
        self.count(outcome, reason);
        let tally = self.counters.of(self.source_name());
        match receipt {
            Receipt::Accepted(_) => tally.count(Counter::Accepted),
            Receipt::Duplicate(_) | Receipt::Differs { .. } | Receipt::Replayed { .. } => {
                tally.count(Counter::Duplicate);
            }
            Receipt::Quarantined(_, Quarantine::TooLarge) => tally.count_too_large(),
            Receipt::Quarantined(..) => tally.count(Counter::Quarantined),
            Receipt::Batch { new, duplicates, .. } => {
                tally.add(Counter::Accepted, u64::from(*new));
                tally.add(Counter::Duplicate, u64::from(*duplicates));
            }
            Receipt::Chunk { .. } => tally.count(Counter::Chunk),
        }
        tally.record_arrival(self.began);
        tally.count_response_time(self.started.elapsed().try_into().unwrap_or_default());
    }

    /// Reports a handshake: it is answered and not recorded.
    pub(super) fn handshake(&self) {
        debug!(
            event = "ingest.handshake",
            request.id = self.request_id,
            source.name = self.source_name(),
            source.kind = self.provider(),
            peer = self.peer.map(tracing::field::display),
            size_bytes = self.size_bytes,
            duration_ms = self.milliseconds(),
        );
        metrics::counter!("sealpost_handshakes_total", "source" => self.source_label())
            .increment(1);
    }

    pub(super) fn rejected(&self, problem: Problem, reason: &'static str) {
        warn!(
            event = outcome_event("rejected"),
            reason,
            status = problem.status(),
            request.id = self.request_id,
            source.name = self.source_name(),
            source.kind = self.provider(),
            peer = self.peer.map(tracing::field::display),
            size_bytes = self.size_bytes,
            duration_ms = self.milliseconds(),
        );
        self.count("rejected", reason);
        let reason = if self.has_wrong_path { WRONG_PATH } else { reason };
        self.counters.of(self.source_name()).count_rejection(reason);
    }

    fn count(&self, outcome: &'static str, reason: &'static str) {
        let took = self.started.elapsed();
        if (outcome, reason) == (ACCEPTED, "")
            && let Some(total) = self.metrics.total.get(self.source_name())
        {
            total.increment(1);
            self.metrics.seconds.record(took);
            return;
        }
        total(self.source_label(), self.provider(), outcome, reason).increment(1);
        seconds(outcome).record(took);
    }

    /// Only configured sources have a name here, so that clients cannot create new series.
    fn source_label(&self) -> SharedString {
        let source = self.source.as_ref();
        source.map_or_else(|| SharedString::from("none"), |(name, _)| Arc::clone(name).into())
    }

    fn source_name(&self) -> &str {
        self.source.as_ref().map_or("", |(name, _)| name)
    }

    fn provider(&self) -> &'static str {
        self.source.as_ref().map_or("none", |(_, provider)| provider)
    }

    fn milliseconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1_000.0
    }
}

fn outcome_event(outcome: &str) -> &'static str {
    match outcome {
        "accepted" => "ingest.accepted",
        "duplicate" => "ingest.duplicate",
        "quarantined" => "ingest.quarantined",
        _ => "ingest.rejected",
    }
}
