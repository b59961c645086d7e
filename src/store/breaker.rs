//! The circuit breaker of a destination; pure. It opens after consecutive failures. Then only one
//! probe at a time is sent, at growing intervals, until one succeeds.

use std::time::Duration;

use time::OffsetDateTime;

/// The number of consecutive failures that opens it.
const THRESHOLD: i32 = 5;
/// The time from opening to the first probe. It doubles with every failed probe.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const MAX_PAUSE: Duration = Duration::from_mins(10);

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Breaker {
    /// Consecutive failures.
    pub(super) failures: i32,
    pub(super) opened_at: Option<OffsetDateTime>,
    /// How often it opened since it was last closed.
    pub(super) openings: i32,
    /// Nothing is sent before this time.
    pub(super) not_before: Option<OffsetDateTime>,
}

impl Breaker {
    /// Records a failure of an attempt that began at `began`.
    pub(super) fn failed(
        mut self,
        began: OffsetDateTime,
        now: OffsetDateTime,
        retry_after: Option<Duration>,
    ) -> Self {
        self.failures = self.failures.saturating_add(1);
        // The result of a request sent before it opened is no news; only that of a probe is.
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

    /// Records a response that shows that the destination is up. A `Retry-After` remains in effect.
    pub(super) fn responded(self) -> Self {
        let not_before = if self.opened_at.is_some() { None } else { self.not_before };
        Self { not_before, ..Self::default() }
    }
}

fn pause(openings: i32) -> Duration {
    let doublings = openings.saturating_sub(1).clamp(0, 16).unsigned_abs();
    FIRST_PAUSE.saturating_mul(1 << doublings).min(MAX_PAUSE)
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
    fn opens_after_consecutive_failures_and_a_response_closes_it() {
        let four = (1..THRESHOLD).fold(Breaker::default(), |b, _| b.failed(START, START, None));
        assert_eq!((four.failures, four.opened_at, four.not_before), (4, None, None));
        assert_eq!(four.responded(), Breaker::default());
        let open = open();
        assert_eq!((open.opened_at, open.openings), (Some(START), 1));
        assert_eq!(open.not_before, Some(START + FIRST_PAUSE));
        assert_eq!(open.responded(), Breaker::default());
    }

    #[test]
    fn failed_probes_double_the_pause_up_to_a_maximum() {
        let mut breaker = open();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let now = breaker.not_before.unwrap();
            breaker = breaker.failed(now, now, None);
            pauses.push((breaker.not_before.unwrap() - now).whole_seconds());
        }
        assert_eq!(pauses, [60, 120, 240, 480, 600, 600, 600]);
        assert_eq!(breaker.opened_at, Some(START), "since the first opening");
    }

    #[test]
    fn late_failures_do_not_delay_the_probe() {
        let open = open();
        let later = START + Duration::from_secs(10);
        let straggled = open.failed(START, later, None);
        assert_eq!((straggled.openings, straggled.not_before), (1, open.not_before));
    }

    #[test]
    fn retry_after_blocks_and_outlives_a_response() {
        let minute = Duration::from_mins(1);
        let asked = Breaker::default().failed(START, START, Some(minute));
        assert_eq!((asked.opened_at, asked.not_before), (None, Some(START + minute)));
        assert_eq!(asked.responded().not_before, Some(START + minute));
        let open = open().failed(START, START, Some(minute));
        assert_eq!(open.not_before, Some(START + minute), "later than the probe would be");
    }
}
