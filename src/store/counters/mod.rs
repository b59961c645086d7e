//! Counters: received events and outcomes, per source and span of time.
//!
//! - A [`SourceCounters`] has the counters of one source in this process: plain atomics, so that
//!   counting costs a request a few additions and never a wait.
//! - [`Counters`] has one for each source, and one for requests to unknown paths.
//! - [`Store::flush_counters`] adds the counts to the table that all gateways share, in one
//!   statement every few seconds. A killed process loses its counts since then, and counts just
//!   before the end of a span may appear in the next one.
//!
//! The uses of each secret are counted by the [`KeyRing`] itself.

mod flush;
mod read;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use strum::VariantArray as _;
use time::OffsetDateTime;

use crate::verify::{Fingerprint, KeyRing};

pub use read::{Counted, SecretUsage, Span};

/// The capacity of the table of rejection reasons; further reasons share one counter.
const MAX_REASONS: usize = 40;
/// The reason counted for signed requests to unknown paths.
pub const WRONG_PATH: &str = "wrong_path";
/// The reason counted for requests with a body that is too large, rejected or not.
pub const TOO_LARGE: &str = "too_large";
/// The reason for those that did not fit into the table.
const OTHER: &str = "other";
/// The histogram buckets of response times, in milliseconds.
pub const ACKNOWLEDGED_WITHIN: [u32; 12] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// What is counted per source.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Counter {
    Accepted,
    /// A duplicate of an earlier request.
    Duplicate,
    /// An authentic request that cannot be processed.
    Quarantined,
    /// A chunk of an incomplete payload.
    Chunk,
    /// A request that was rejected or not stored, by reason.
    Refused,
    /// A response to an authentic request, by duration.
    Acknowledged,
    /// A delivery that succeeded.
    Handled,
    /// A delivery that its handler ignored.
    Ignored,
    /// An attempt that failed and will be retried.
    Retry,
    /// An attempt that failed and does not count: its destination is blocked.
    Deferred,
    /// A delivery that was dead-lettered after at least one attempt.
    Dead,
    /// A delivery that an operator created by a replay.
    Replayed,
    /// A transfer that expired.
    Expired,
}

/// The counters of one source since the last flush.
#[derive(Debug, Default)]
pub struct SourceCounters {
    counts: [AtomicU64; Counter::VARIANTS.len()],
    acknowledged: [AtomicU64; ACKNOWLEDGED_WITHIN.len() + 1],
    refused: Refused,
    /// Quarantined requests that were too large. They are in no other counter.
    too_large: AtomicU64,
    /// When the last authentic request arrived, in microseconds since 1970; 0 if none has.
    last_at: AtomicI64,
    /// When the first one since the last flush arrived; 0 if none has.
    first_at: AtomicI64,
}

/// Counts by reason. A reason uses the first free slot, and keeps it.
#[derive(Debug)]
struct Refused {
    reasons: [(OnceLock<&'static str>, AtomicU64); MAX_REASONS],
    others: AtomicU64,
}

#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sources: OnceLock<HashMap<String, SourceEntry>>,
    unknown_paths: SourceCounters,
}

/// The counters and the secrets of a source.
#[derive(Debug)]
struct SourceEntry {
    counters: SourceCounters,
    keys: KeyRing,
    /// The use count of each secret at the last flush.
    flushed: Mutex<Vec<(Fingerprint, u64)>>,
}

impl Counter {
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it counts authentic requests.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::Accepted | Self::Duplicate | Self::Quarantined | Self::Chunk)
    }
}

impl SourceCounters {
    pub fn count(&self, what: Counter) {
        self.add(what, 1);
    }

    /// Counts several at once.
    pub fn add(&self, what: Counter, number: u64) {
        if let Some(count) = self.counts.get(what as usize) {
            count.fetch_add(number, Ordering::Relaxed);
        }
    }

    /// Counts a rejection by its reason, a constant.
    pub fn count_rejection(&self, reason: &'static str) {
        self.refused.slot(reason).1.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an authentic request with a body that is too large.
    pub fn count_too_large(&self) {
        self.too_large.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the time of an authentic request.
    pub fn record_arrival(&self, at: OffsetDateTime) {
        let micros = i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
        self.last_at.fetch_max(micros, Ordering::Relaxed);
        let _known =
            self.first_at.compare_exchange(0, micros, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The times of the first and the last authentic request since the last flush.
    fn take_times(&self) -> Option<(OffsetDateTime, OffsetDateTime)> {
        let time = |micros: i64| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
        };
        let first = self.first_at.swap(0, Ordering::Relaxed);
        let last = self.last_at.load(Ordering::Relaxed);
        (first != 0).then(|| Some((time(first)?, time(last)?))).flatten()
    }

    /// Counts a response to an authentic request by its duration.
    pub fn count_response_time(&self, took: time::Duration) {
        let within = ACKNOWLEDGED_WITHIN
            .iter()
            .position(|bound| took <= time::Duration::milliseconds(i64::from(*bound)));
        if let Some(count) = self.acknowledged.get(within.unwrap_or(ACKNOWLEDGED_WITHIN.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Refused {
    fn slot(&self, reason: &'static str) -> (&'static str, &AtomicU64) {
        for (word, count) in &self.reasons {
            if *word.get_or_init(|| reason) == reason {
                return (reason, count);
            }
        }
        (OTHER, &self.others)
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, &AtomicU64)> {
        let reasons = self.reasons.iter().filter_map(|(word, count)| Some((*word.get()?, count)));
        reasons.chain([(OTHER, &self.others)])
    }
}

impl Default for Refused {
    fn default() -> Self {
        Self { reasons: std::array::from_fn(|_| Default::default()), others: AtomicU64::default() }
    }
}

impl Counters {
    /// Sets the sources, once. Before that, everything is counted under no source.
    pub fn set_sources(&self, sources: impl IntoIterator<Item = (String, KeyRing)>) {
        let entry = |(name, keys)| {
            (
                name,
                SourceEntry {
                    counters: SourceCounters::default(),
                    keys,
                    flushed: Mutex::default(),
                },
            )
        };
        let sources = sources.into_iter().map(entry).collect();
        // A store is started once only.
        drop(self.0.sources.set(sources));
    }

    /// The counters of a source, or those of unknown paths.
    pub fn of(&self, source: &str) -> &SourceCounters {
        let sources = self.0.sources.get();
        let known = sources.and_then(|sources| sources.get(source));
        known.map_or(&self.0.unknown_paths, |entry| &entry.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counters: &SourceCounters) -> Vec<(&'static str, u64)> {
        let each =
            counters.refused.each().map(|(word, count)| (word, count.load(Ordering::Relaxed)));
        each.filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn reasons_beyond_the_capacity_share_one_counter() {
        let counters = SourceCounters::default();
        for reason in ["ts_stale", "sig_mismatch", "ts_stale"] {
            counters.count_rejection(reason);
        }
        assert_eq!(counts(&counters), [("ts_stale", 2), ("sig_mismatch", 1)]);
        for number in 0..MAX_REASONS {
            counters.count_rejection(Box::leak(format!("reason {number}").into_boxed_str()));
        }
        assert_eq!(counts(&counters).len(), MAX_REASONS + 1);
        assert_eq!(counts(&counters).last(), Some(&(OTHER, 2)));
    }

    #[test]
    fn response_is_counted_in_the_first_bucket_that_fits() {
        let counters = SourceCounters::default();
        for micros in [0, 1_000, 1_001, 5_000_000, 5_000_001] {
            counters.count_response_time(time::Duration::microseconds(micros));
        }
        let counts: Vec<u64> =
            counters.acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn counters_have_distinct_words_and_indexes() {
        for (place, counter) in Counter::VARIANTS.iter().enumerate() {
            assert_eq!(*counter as usize, place);
            assert_eq!(counter.as_str().parse::<Counter>().ok(), Some(*counter));
        }
    }
}
