//! The circuit breaker of a destination: pure. It opens after failures in a row; then nothing is
//! sent but one probe at a time, at growing distances, until one comes through.

use std::time::Duration;

use time::OffsetDateTime;

/// How many failures in a row open it.
const THRESHOLD: i32 = 5;
/// From opening to the first probe; it doubles with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest time between probes.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Breaker {
    /// Failures in a row.
    pub(super) failures: i32,
    /// Since when it is open.
    pub(super) opened_at: Option<OffsetDateTime>,
    /// How often it has opened since it was closed.
    pub(super) openings: i32,
    /// Nothing is sent before.
    pub(super) not_before: Option<OffsetDateTime>,
}

impl Breaker {
    /// After a failure of an attempt that began at `began`.
    pub(super) fn failed(
        mut self,
        began: OffsetDateTime,
        now: OffsetDateTime,
        retry_after: Option<Duration>,
    ) -> Self {
        self.failures = self.failures.saturating_add(1);
        // What was still on its way when it opened says nothing new: only a probe does.
        let is_straggler =
            self.opened_at.is_some() && self.not_before.is_some_and(|probe| began < probe);
        if self.failures >= THRESHOLD && !is_straggler {
            self.opened_at = self.opened_at.or(Some(now));
            self.openings = self.openings.saturating_add(1);
            self.not_before = Some(now + pause(self.openings));
        }
        let asked = retry_after.map(|wait| now + wait);
        self.not_before = self.not_before.max(asked);
        self
    }

    /// After a response that shows that the destination is up. What a `Retry-After` asked for still
    /// holds.
    pub(super) fn answered(self) -> Self {
        let not_before = if self.opened_at.is_some() { None } else { self.not_before };
        Self { not_before, ..Self::default() }
    }
}

fn pause(openings: i32) -> Duration {
    let doublings = openings.saturating_sub(1).clamp(0, 16).unsigned_abs();
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-20 12:00:00 UTC);

    fn open() -> Breaker {
        (0..THRESHOLD).fold(Breaker::default(), |breaker, _| breaker.failed(START, START, None))
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_an_answer_closes_it() {
        let four = (1..THRESHOLD).fold(Breaker::default(), |b, _| b.failed(START, START, None));
        assert_eq!((four.failures, four.opened_at, four.not_before), (4, None, None));
        assert_eq!(four.answered(), Breaker::default());
        let open = open();
        assert_eq!((open.opened_at, open.openings), (Some(START), 1));
        assert_eq!(open.not_before, Some(START + FIRST_PAUSE));
        assert_eq!(open.answered(), Breaker::default());
    }

    #[test]
    fn every_probe_that_fails_doubles_the_pause_up_to_its_bound() {
        let mut breaker = open();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let now = breaker.not_before.unwrap();
            breaker = breaker.failed(now, now, None);
            pauses.push((breaker.not_before.unwrap() - now).whole_seconds());
        }
        assert_eq!(pauses, [60, 120, 240, 480, 600, 600, 600]);
        assert_eq!(breaker.opened_at, Some(START), "it is open since it first opened");
    }

    #[test]
    fn what_was_on_its_way_when_it_opened_does_not_put_the_probe_off() {
        let open = open();
        let later = START + Duration::from_secs(10);
        let straggled = open.failed(START, later, None);
        assert_eq!((straggled.openings, straggled.not_before), (1, open.not_before));
    }

    #[test]
    fn a_retry_after_holds_everything_back_and_outlives_an_answer() {
        let minute = Duration::from_mins(1);
        let asked = Breaker::default().failed(START, START, Some(minute));
        assert_eq!((asked.opened_at, asked.not_before), (None, Some(START + minute)));
        assert_eq!(asked.answered().not_before, Some(START + minute));
        let open = open().failed(START, START, Some(minute));
        assert_eq!(open.not_before, Some(START + minute), "later than the probe would be");
    }
}
