//! Whether a source is silent: nothing came for so long that, by its own habits, much would have.
//! Pure.

use time::{Duration, OffsetDateTime};

/// How many requests have to be missing.
const MISSING: f64 = 10.0;
/// For how long a gap is added up; what is silent for longer has other habits by now.
const LONGEST: Duration = Duration::days(7);

/// How many requests a source sends at each hour of the day (UTC), on average.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Baseline([f64; 24]);

impl Baseline {
    /// The average over `days` of what came at each hour, all days together.
    pub fn of(hours: &[(u8, u64)], days: u32) -> Self {
        let mut habit = Self::default();
        for (hour, count) in hours {
            if let Some(average) = habit.0.get_mut(usize::from(*hour)) {
                #[expect(clippy::cast_precision_loss, reason = "an average of counts")]
                let count = *count as f64;
                *average += count / f64::from(days.max(1));
            }
        }
        habit
    }

    /// How many would have been sent between these times.
    pub fn expected(&self, from: OffsetDateTime, to: OffsetDateTime) -> f64 {
        let mut at = from.max(to - LONGEST);
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

    /// How many would have been sent since `last` and were not, if they are so many that the
    /// source is silent.
    pub fn silent(&self, last: OffsetDateTime, now: OffsetDateTime) -> Option<u64> {
        let expected = self.expected(last, now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least ten, and at most what was counted"
        )]
        let missing = expected as u64;
        (expected >= MISSING).then_some(missing)
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
    fn a_busy_source_is_missed_soon_and_a_slow_one_late() {
        let since = |minutes| NOON - Duration::minutes(minutes);
        assert_eq!(steady(60).silent(since(9), NOON), None);
        assert_eq!(steady(60).silent(since(10), NOON), Some(10));
        assert_eq!(steady(1).silent(since(9 * 60), NOON), None);
        assert_eq!(steady(1).silent(since(11 * 60), NOON), Some(11));
    }

    #[test]
    fn a_source_that_never_sends_by_night_is_not_missed_by_night() {
        let day: Vec<(u8, u64)> = (8..20).map(|hour| (hour, 7 * 100)).collect();
        let habit = Baseline::of(&day, 7);
        let evening = datetime!(2026-11-20 19:59 UTC);
        assert_eq!(habit.silent(evening, datetime!(2026-11-21 07:59 UTC)), None);
        assert_eq!(habit.silent(evening, datetime!(2026-11-21 08:30 UTC)), Some(51));
    }

    #[test]
    fn a_source_that_has_no_habits_is_never_missed() {
        assert_eq!(Baseline::default().silent(NOON - Duration::days(30), NOON), None);
        assert_eq!(Baseline::of(&[(12, 69)], 7).silent(NOON, NOON + Duration::HOUR), None);
    }

    #[test]
    fn a_gap_is_added_up_for_a_week_at_most() {
        let habit = steady(1);
        let expected = habit.expected(NOON - Duration::days(400), NOON);
        assert!((expected - 168.0).abs() < 1e-6, "{expected}");
    }

    #[test]
    fn parts_of_hours_count_in_part() {
        let habit = Baseline::of(&[(11, 60), (12, 120)], 1);
        let expected =
            habit.expected(datetime!(2026-11-20 11:30 UTC), datetime!(2026-11-20 12:15 UTC));
        assert!((expected - 60.0).abs() < 1e-9, "{expected}");
        assert!(habit.expected(NOON, NOON - Duration::HOUR).abs() < f64::EPSILON);
    }
}
