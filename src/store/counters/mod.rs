//! Counters: received events and outcomes, per source and span of time.
//!
//! - A [`SourceCounters`] is what one source has been counted in this process: plain counters, so that
//!   counting costs a request a few additions and never a wait.
//! - [`Counters`] has one for each source, and one for requests to paths that are no source's.
//! - [`Store::flush_tallies`] takes what was counted and adds it to the table, for all gateways
//!   together, in one statement. To be called every few seconds: what a killed process has counted
//!   since is lost, and what was counted just before the end of a span may stand in the next.
//!
//! How often each secret has verified something is counted by the [`KeyRing`] itself.

mod flush;
mod read;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use strum::VariantArray as _;
use time::OffsetDateTime;

use crate::verify::{Fingerprint, KeyRing};

pub use read::{Counted, SecretUsage, Span};

/// More reasons for a refusal than there are; beyond it they share a word.
const REASONS: usize = 40;
/// The word under which refusals of signed requests to unknown paths are counted.
pub const WRONG_PATH: &str = "wrong_path";
/// The word of requests that were larger than their source keeps, refused or not.
pub const TOO_LARGE: &str = "too_large";
/// The word of reasons that found no place.
const OTHER: &str = "other";
/// Up to how many milliseconds an acknowledgement took: the bounds of the histogram.
pub const ACKNOWLEDGED_WITHIN: [u32; 12] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// What is counted of a source.
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
    /// A new event.
    Accepted,
    /// Something that was seen before.
    Duplicate,
    /// A request that is authentic, and no use.
    Quarantined,
    /// A chunk of a payload that is not whole yet.
    Chunk,
    /// A request that was rejected or could not be kept, by reason.
    Refused,
    /// An answer to an authentic request, by how long it took.
    Acknowledged,
    /// A delivery that ended well.
    Handled,
    /// A delivery that its handler had no use for.
    Ignored,
    /// An attempt that failed; there will be another.
    Retry,
    /// The same, and it does not count: its destination is blocked.
    Deferred,
    /// A delivery that became a dead letter after it was handed to a handler.
    Dead,
    /// A delivery that an operator made of another.
    Replayed,
    /// A transfer that was given up.
    Expired,
}

/// What one source has been counted in this process since the last flush.
#[derive(Debug, Default)]
pub struct SourceCounters {
    counts: [AtomicU64; Counter::VARIANTS.len()],
    acknowledged: [AtomicU64; ACKNOWLEDGED_WITHIN.len() + 1],
    refused: Refused,
    /// Of what was quarantined, what was too large: counted here and nowhere else.
    too_large: AtomicU64,
    /// When an authentic request last came, in microseconds since 1970; 0 where none has.
    last_at: AtomicI64,
    /// When the first one came after the last flush; 0 where none has.
    first_at: AtomicI64,
}

/// Counts by reason. A reason takes the first free place and keeps it.
#[derive(Debug)]
struct Refused {
    reasons: [(OnceLock<&'static str>, AtomicU64); REASONS],
    others: AtomicU64,
}

/// The counters of every source.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sources: OnceLock<HashMap<String, Counting>>,
    nowhere: SourceCounters,
}

/// A source's tally, and its secrets.
#[derive(Debug)]
struct Counting {
    tally: SourceCounters,
    keys: KeyRing,
    /// How often each secret had verified something when it was last flushed.
    flushed: Mutex<Vec<(Fingerprint, u64)>>,
}

impl Counter {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it is an authentic request.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::Accepted | Self::Duplicate | Self::Quarantined | Self::Chunk)
    }
}

impl SourceCounters {
    /// Counts one.
    pub fn count(&self, what: Counter) {
        if let Some(count) = self.counts.get(what as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a refusal, by a word of a closed list.
    pub fn refuse(&self, reason: &'static str) {
        self.refused.place(reason).1.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an authentic request whose body was larger than its source keeps.
    pub fn quarantine_too_large(&self) {
        self.too_large.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes when an authentic request came.
    pub fn came(&self, at: OffsetDateTime) {
        let micros = i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
        self.last_at.fetch_max(micros, Ordering::Relaxed);
        // Of several at once any is the first.
        let _known =
            self.first_at.compare_exchange(0, micros, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When authentic requests came since the last flush: the first and the last of them.
    fn take_times(&self) -> Option<(OffsetDateTime, OffsetDateTime)> {
        let time = |micros: i64| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
        };
        let first = self.first_at.swap(0, Ordering::Relaxed);
        let last = self.last_at.load(Ordering::Relaxed);
        (first != 0).then(|| Some((time(first)?, time(last)?))).flatten()
    }

    /// Counts an answer to an authentic request, by how long it took.
    pub fn acknowledge(&self, took: time::Duration) {
        let within = ACKNOWLEDGED_WITHIN
            .iter()
            .position(|bound| took <= time::Duration::milliseconds(i64::from(*bound)));
        if let Some(count) = self.acknowledged.get(within.unwrap_or(ACKNOWLEDGED_WITHIN.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Refused {
    fn place(&self, reason: &'static str) -> (&'static str, &AtomicU64) {
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
    /// Says which sources there are, once. Before that, everything counts as nobody's.
    pub fn begin(&self, sources: impl IntoIterator<Item = (String, KeyRing)>) {
        let counting = |(name, keys)| {
            (name, Counting { tally: SourceCounters::default(), keys, flushed: Mutex::default() })
        };
        let sources = sources.into_iter().map(counting).collect();
        // A second start in one process does not happen: each has a store of its own.
        drop(self.0.sources.set(sources));
    }

    /// The tally of a source; that of nobody's requests for what is no source.
    pub fn of(&self, source: &str) -> &SourceCounters {
        let sources = self.0.sources.get();
        let known = sources.and_then(|sources| sources.get(source));
        known.map_or(&self.0.nowhere, |counting| &counting.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tally: &SourceCounters) -> Vec<(&'static str, u64)> {
        let each = tally.refused.each().map(|(word, count)| (word, count.load(Ordering::Relaxed)));
        each.filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn a_reason_keeps_its_place_and_what_finds_none_is_counted_together() {
        let tally = SourceCounters::default();
        for reason in ["ts_stale", "sig_mismatch", "ts_stale"] {
            tally.refuse(reason);
        }
        assert_eq!(counts(&tally), [("ts_stale", 2), ("sig_mismatch", 1)]);
        for number in 0..REASONS {
            tally.refuse(Box::leak(format!("reason {number}").into_boxed_str()));
        }
        assert_eq!(counts(&tally).len(), REASONS + 1);
        assert_eq!(counts(&tally).last(), Some(&(OTHER, 2)));
    }

    #[test]
    fn an_acknowledgement_is_counted_under_the_first_bound_that_holds_it() {
        let tally = SourceCounters::default();
        for micros in [0, 1_000, 1_001, 5_000_000, 5_000_001] {
            tally.acknowledge(time::Duration::microseconds(micros));
        }
        let counts: Vec<u64> =
            tally.acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn each_counter_has_its_own_word_and_place() {
        for (place, counter) in Counter::VARIANTS.iter().enumerate() {
            assert_eq!(*counter as usize, place);
            assert_eq!(counter.as_str().parse::<Counter>().ok(), Some(*counter));
        }
    }
}
