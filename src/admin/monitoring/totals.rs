//! Sums and series of counters.

use time::{Duration, OffsetDateTime};

use super::model::{Counts, Point, ReasonCount, Series};
use crate::store::{ACKNOWLEDGED_WITHIN, Counted, Counter, Span, TOO_LARGE};

/// The counters of a period, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) counts: Counts,
    /// Quarantined and rejected requests that exceeded the body limit of their source.
    pub(super) oversize: u64,
    /// Response times of authentic requests: under the bounds of [`ACKNOWLEDGED_WITHIN`], and
    /// above the last.
    pub(super) acknowledged: [u64; ACKNOWLEDGED_WITHIN.len() + 1],
}

impl Totals {
    /// The sums of these counters.
    pub(super) fn of<'a>(counted: impl IntoIterator<Item = &'a Counted>) -> Self {
        let mut totals = Self::default();
        for one in counted {
            totals.add(one);
        }
        let by_count = |a: &ReasonCount, b: &ReasonCount| {
            b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason))
        };
        totals.counts.reasons.sort_by(by_count);
        totals
    }

    fn add(&mut self, counted: &Counted) {
        let count = counted.count;
        let counts = &mut self.counts;
        let place = match counted.what {
            Counter::Accepted => &mut counts.accepted,
            Counter::Duplicate => &mut counts.duplicates,
            Counter::Quarantined => &mut counts.quarantined,
            Counter::Chunk => &mut counts.chunks,
            Counter::Handled => &mut counts.handled,
            Counter::Ignored => &mut counts.ignored,
            Counter::Retry | Counter::Deferred => &mut counts.retries,
            Counter::Dead => &mut counts.dead,
            Counter::Replayed => &mut counts.replayed,
            Counter::Expired => &mut counts.expired,
            Counter::Refused => {
                let reasons = &mut counts.reasons;
                match reasons.iter_mut().find(|known| known.reason == counted.detail) {
                    Some(known) => known.count += count,
                    None => reasons.push(ReasonCount { reason: counted.detail.clone(), count }),
                }
                &mut counts.refused
            }
            Counter::Acknowledged => {
                let bound = counted.detail.parse::<u32>().ok();
                let bound = bound.and_then(|bound| ACKNOWLEDGED_WITHIN.binary_search(&bound).ok());
                match self.acknowledged.get_mut(bound.unwrap_or(ACKNOWLEDGED_WITHIN.len())) {
                    Some(place) => place,
                    None => return,
                }
            }
        };
        *place += count;
        if counted.what.is_verified() {
            counts.verified += count;
        }
        if counted.what.is_verified() || counted.what == Counter::Refused {
            counts.received += count;
        }
        // Dead letters that no handler has processed.
        if matches!(counted.what, Counter::Quarantined | Counter::Expired) {
            counts.dead += count;
        }
        let may_be_large = matches!(counted.what, Counter::Quarantined | Counter::Refused);
        if may_be_large && counted.detail == TOO_LARGE {
            self.oversize += count;
        }
    }

    /// A percentile of the response times of authentic requests, interpolated between two bounds
    /// of the histogram, in seconds. `None` without requests.
    pub(super) fn seconds_within(&self, percent: u32) -> Option<f64> {
        self.answered_within(percent).map(Duration::as_seconds_f64)
    }

    fn answered_within(&self, percent: u32) -> Option<Duration> {
        let all: u64 = self.acknowledged.iter().sum();
        if all == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate between two bounds")]
        let [rank, counts] = [&[all][..], &self.acknowledged[..]]
            .map(|counts| counts.iter().map(|count| *count as f64).collect::<Vec<f64>>());
        let rank: f64 = rank.iter().sum::<f64>() * f64::from(percent.min(100)) / 100.0;
        let (mut below, mut from) = (0.0, 0.0);
        for (count, bound) in counts.iter().zip(ACKNOWLEDGED_WITHIN) {
            let to = f64::from(bound);
            if below + count >= rank && *count > 0.0 {
                return Some(milliseconds(from + (to - from) * (rank - below) / count));
            }
            below += count;
            from = to;
        }
        Some(milliseconds(from))
    }
}

impl Series {
    /// The last `count` spans until now.
    pub(super) fn of(span: Span, count: u32, now: OffsetDateTime, counted: &[&Counted]) -> Self {
        let point = |begin: OffsetDateTime| {
            let totals = Totals::of(counted.iter().copied().filter(|one| one.bucket == begin));
            Point {
                begin,
                verified: totals.counts.verified,
                refused: totals.counts.refused,
                handled: totals.counts.handled,
                dead: totals.counts.dead,
                p50_seconds: totals.seconds_within(50),
                p95_seconds: totals.seconds_within(95),
            }
        };
        let points = span.last(count, now).into_iter().map(point).collect();
        Self { step_seconds: span.minutes() * 60, points }
    }
}

fn milliseconds(count: f64) -> Duration {
    Duration::seconds_f64(count / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(what: Counter, detail: &str, count: u64) -> Counted {
        let bucket = OffsetDateTime::UNIX_EPOCH;
        Counted { bucket, source: "billing".into(), what, detail: detail.into(), count }
    }

    fn reasons(counts: &Counts) -> Vec<(&str, u64)> {
        counts.reasons.iter().map(|one| (one.reason.as_str(), one.count)).collect()
    }

    #[test]
    fn counters_are_added_up_by_name() {
        let all = [
            counted(Counter::Accepted, "", 3),
            counted(Counter::Duplicate, "", 2),
            counted(Counter::Refused, "ts_stale", 1),
            counted(Counter::Refused, "sig_mismatch", 4),
            counted(Counter::Refused, "ts_stale", 1),
        ];
        let counts = Totals::of(&all).counts;
        assert_eq!((counts.verified, counts.refused, counts.received), (5, 6, 11));
        assert_eq!(reasons(&counts), [("sig_mismatch", 4), ("ts_stale", 2)]);
    }

    #[test]
    fn oversize_requests_count_whether_authentic_or_not() {
        let all = [
            counted(Counter::Quarantined, "", 7),
            counted(Counter::Quarantined, TOO_LARGE, 2),
            counted(Counter::Refused, TOO_LARGE, 3),
            counted(Counter::Refused, "ts_stale", 1),
        ];
        let totals = Totals::of(&all);
        assert_eq!((totals.counts.quarantined, totals.counts.dead), (9, 9));
        assert_eq!((totals.counts.refused, totals.oversize), (4, 5));
        assert_eq!(reasons(&totals.counts), [(TOO_LARGE, 3), ("ts_stale", 1)]);
    }

    #[test]
    fn percentile_is_between_the_bounds_of_its_bucket() {
        let of = |parts: &[(&str, u64)]| {
            let all: Vec<Counted> = parts
                .iter()
                .map(|(bound, count)| counted(Counter::Acknowledged, bound, *count))
                .collect();
            Totals::of(&all).answered_within(95)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("10", 100)]), Some(Duration::microseconds(9_750)));
        assert_eq!(of(&[("1", 95), ("200", 5)]), Some(Duration::milliseconds(1)));
        assert_eq!(of(&[("1", 90), ("200", 10)]), Some(Duration::milliseconds(150)));
        assert_eq!(of(&[("more", 7)]), Some(Duration::seconds(5)), "the last bound");
    }
}
