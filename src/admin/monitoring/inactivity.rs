//! Detects inactive sources: no requests for so long that, by its baseline, many are missing. Pure.

use time::{Duration, OffsetDateTime};

/// The number of missing requests from which a source is inactive.
const MIN_MISSING: f64 = 10.0;
/// The maximum length of a gap; the baseline of a longer one is out of date.
const MAX_GAP: Duration = Duration::days(7);

/// The average number of requests at each hour of the day (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Baseline([f64; 24]);

impl Baseline {
    /// The average over `days` of the totals per hour of the day.
    pub fn of(hours: &[(u8, u64)], days: u32) -> Self {
        let mut baseline = Self::default();
        for (hour, count) in hours {
            if let Some(average) = baseline.0.get_mut(usize::from(*hour)) {
                #[expect(clippy::cast_precision_loss, reason = "an average of counts")]
                let count = *count as f64;
                *average += count / f64::from(days.max(1));
            }
        }
        baseline
    }

    /// The expected number of requests between these times.
    pub fn expected(&self, from: OffsetDateTime, to: OffsetDateTime) -> f64 {
        let mut at = from.max(to - MAX_GAP);
        let mut expected = 0.0;
        while at < to {
            let into = Duration::seconds(i64::from(at.minute()) * 60 + i64::from(at.second()))
                + Duration::nanoseconds(i64::from(at.nanosecond()));
            let next = (at + Duration::HOUR - into).min(to);
            let hour = at.to_offset(time::UtcOffset::UTC).hour();
            let rate = self.0.get(usize::from(hour)).copied().unwrap_or_default();
            expected += rate * ((next - at) / Duration::HOUR);
            at = next;
        }
        expected
    }

    /// The number of requests missing since `last`, if the source is inactive.
    pub fn missing(&self, last: OffsetDateTime, now: OffsetDateTime) -> Option<u64> {
        let expected = self.expected(last, now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least ten, and at most what was counted"
        )]
        let missing = expected as u64;
        (expected >= MIN_MISSING).then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn steady(per_hour: u64) -> Baseline {
        let hours: Vec<(u8, u64)> = (0..24).map(|hour| (hour, per_hour * 7)).collect();
        Baseline::of(&hours, 7)
    }

    #[test]
    fn busy_source_becomes_inactive_sooner_than_a_slow_one() {
        let since = |minutes| NOON - Duration::minutes(minutes);
        assert_eq!(steady(60).missing(since(9), NOON), None);
        assert_eq!(steady(60).missing(since(10), NOON), Some(10));
        assert_eq!(steady(1).missing(since(9 * 60), NOON), None);
        assert_eq!(steady(1).missing(since(11 * 60), NOON), Some(11));
    }

    #[test]
    fn source_that_never_sends_at_night_is_not_inactive_at_night() {
        let day: Vec<(u8, u64)> = (8..20).map(|hour| (hour, 7 * 100)).collect();
        let baseline = Baseline::of(&day, 7);
        let evening = datetime!(2026-11-20 19:59 UTC);
        assert_eq!(baseline.missing(evening, datetime!(2026-11-21 07:59 UTC)), None);
        assert_eq!(baseline.missing(evening, datetime!(2026-11-21 08:30 UTC)), Some(51));
    }

    #[test]
    fn source_without_a_baseline_is_never_inactive() {
        assert_eq!(Baseline::default().missing(NOON - Duration::days(30), NOON), None);
        assert_eq!(Baseline::of(&[(12, 69)], 7).missing(NOON, NOON + Duration::HOUR), None);
    }

    #[test]
    fn gap_counts_for_a_week_at_most() {
        let baseline = steady(1);
        let expected = baseline.expected(NOON - Duration::days(400), NOON);
        assert!((expected - 168.0).abs() < 1e-6, "{expected}");
    }

    #[test]
    fn partial_hours_count_proportionally() {
        let baseline = Baseline::of(&[(11, 60), (12, 120)], 1);
        let expected =
            baseline.expected(datetime!(2026-11-20 11:30 UTC), datetime!(2026-11-20 12:15 UTC));
        assert!((expected - 60.0).abs() < 1e-9, "{expected}");
        assert!(baseline.expected(NOON, NOON - Duration::HOUR).abs() < f64::EPSILON);
    }
}
