//! Counts added up, and what is read from them.

use time::{Duration, OffsetDateTime};

use crate::store::{ACKNOWLEDGED_WITHIN, Counted, Counter, Span, TOO_LARGE};

/// Received events and outcomes, in some time. Approximate, as counters are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// New events.
    pub accepted: u64,
    /// Requests that had come before.
    pub duplicates: u64,
    /// Requests that are authentic, and no use.
    pub quarantined: u64,
    /// Chunks of payloads that were not whole yet.
    pub chunks: u64,
    /// Requests that were rejected or could not be kept.
    pub refused: u64,
    /// The same by reason, the most frequent first.
    pub reasons: Vec<(String, u64)>,
    /// Of those quarantined and those refused, the ones that were larger than their source keeps.
    pub oversize: u64,
    /// Deliveries that ended well.
    pub handled: u64,
    /// Deliveries that their handler had no use for.
    pub ignored: u64,
    /// Attempts that failed; there will be another.
    pub retries: u64,
    /// Dead letters: deliveries that died, requests that were quarantined, transfers given up.
    pub dead: u64,
    /// Deliveries that operators made of others.
    pub replayed: u64,
    /// Transfers that were given up.
    pub expired: u64,
    /// Acknowledgements by how long they took, under the bounds of [`ACKNOWLEDGED_WITHIN`] and
    /// above the last.
    pub acknowledged: [u64; ACKNOWLEDGED_WITHIN.len() + 1],
}

/// What is shown of one span of time in a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When the span begins.
    pub begin: OffsetDateTime,
    /// Requests that were authentic.
    pub verified: u64,
    /// Requests that were rejected or could not be kept.
    pub refused: u64,
    /// Deliveries that ended well.
    pub handled: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
    /// Within what time half of the authentic requests were answered.
    pub p50: Option<Duration>,
    /// Within what time 95 of 100 were.
    pub p95: Option<Duration>,
}

/// A chart: the last spans of one length, oldest first; the last one is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The length of a span.
    pub step: Duration,
    /// The spans.
    pub points: Vec<Point>,
}

impl Totals {
    /// Everything of these together.
    pub(super) fn of<'a>(counted: impl IntoIterator<Item = &'a Counted>) -> Self {
        let mut totals = Self::default();
        for one in counted {
            totals.add(one);
        }
        totals.reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        totals
    }

    fn add(&mut self, counted: &Counted) {
        let count = counted.count;
        let place = match counted.what {
            Counter::Accepted => &mut self.accepted,
            Counter::Duplicate => &mut self.duplicates,
            Counter::Quarantined => &mut self.quarantined,
            Counter::Chunk => &mut self.chunks,
            Counter::Handled => &mut self.handled,
            Counter::Ignored => &mut self.ignored,
            Counter::Retry | Counter::Deferred => &mut self.retries,
            Counter::Dead => &mut self.dead,
            Counter::Replayed => &mut self.replayed,
            Counter::Expired => &mut self.expired,
            Counter::Refused => {
                match self.reasons.iter_mut().find(|(reason, _)| *reason == counted.detail) {
                    Some((_, known)) => *known += count,
                    None => self.reasons.push((counted.detail.clone(), count)),
                }
                &mut self.refused
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
        // No handler has seen them, and dead letters they are all the same.
        if matches!(counted.what, Counter::Quarantined | Counter::Expired) {
            self.dead += count;
        }
        let may_be_large = matches!(counted.what, Counter::Quarantined | Counter::Refused);
        if may_be_large && counted.detail == TOO_LARGE {
            self.oversize += count;
        }
    }

    /// Requests that were authentic.
    pub fn verified(&self) -> u64 {
        self.accepted + self.duplicates + self.quarantined + self.chunks
    }

    /// All requests.
    pub fn received(&self) -> u64 {
        self.verified() + self.refused
    }

    /// Within what time this part of a hundred of the authentic requests was answered: between two
    /// bounds of the histogram by proportion. `None` where there was none.
    pub fn answered_within(&self, percent: u32) -> Option<Duration> {
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
                verified: totals.verified(),
                refused: totals.refused,
                handled: totals.handled,
                dead: totals.dead,
                p50: totals.answered_within(50),
                p95: totals.answered_within(95),
            }
        };
        let points = span.last(count, now).into_iter().map(point).collect();
        Self { step: Duration::minutes(span.minutes()), points }
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

    #[test]
    fn everything_is_added_up_under_its_name() {
        let all = [
            counted(Counter::Accepted, "", 3),
            counted(Counter::Duplicate, "", 2),
            counted(Counter::Refused, "ts_stale", 1),
            counted(Counter::Refused, "sig_mismatch", 4),
            counted(Counter::Refused, "ts_stale", 1),
        ];
        let totals = Totals::of(&all);
        assert_eq!((totals.verified(), totals.refused, totals.received()), (5, 6, 11));
        assert_eq!(totals.reasons, [("sig_mismatch".to_owned(), 4), ("ts_stale".to_owned(), 2)]);
    }

    #[test]
    fn what_was_too_large_is_counted_whether_it_was_authentic_or_not() {
        let all = [
            counted(Counter::Quarantined, "", 7),
            counted(Counter::Quarantined, TOO_LARGE, 2),
            counted(Counter::Refused, TOO_LARGE, 3),
            counted(Counter::Refused, "ts_stale", 1),
        ];
        let totals = Totals::of(&all);
        assert_eq!((totals.quarantined, totals.dead), (9, 9));
        assert_eq!((totals.refused, totals.oversize), (4, 5));
        assert_eq!(totals.reasons, [(TOO_LARGE.to_owned(), 3), ("ts_stale".to_owned(), 1)]);
    }

    #[test]
    fn a_percentile_lies_between_the_bounds_of_its_part() {
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
        assert_eq!(of(&[("more", 7)]), Some(Duration::seconds(5)), "the last bound there is");
    }
}
