//! When to try again, and when to stop: a pure decision.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::store::DeathReason;

/// Gives chance numbers from 0 up to 1: an argument, so that a test can fix it.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How often, how far apart and for how long a delivery is tried.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The most attempts, the first included.
    pub max_attempts: u32,
    /// The longest time for which it is tried: from the first attempt on, without the time in
    /// which nobody was there to try.
    pub max_age: Duration,
    /// The bound of the first delay; it doubles with every attempt.
    pub base: Duration,
    /// The bound of every delay, and of what a `Retry-After` may ask for.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            // With the delays below: hours. An outage of an hour or two costs nothing.
            max_attempts: 20,
            max_age: Duration::from_hours(24),
            base: Duration::from_secs(5),
            cap: Duration::from_hours(1),
        }
    }
}

/// What is to become of a delivery whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this time.
    Retry(Duration),
    /// Try again after this time, and do not count the attempt. `None`: the destination is held
    /// back, and when it is tried again is settled there.
    Pause(Option<Duration>),
    /// Stop.
    DeadLetter(DeathReason),
}

impl RetryPolicy {
    /// Decides after attempt `attempt` (from 1) of a delivery that was tried for `age`. `jitter`, from 0
    /// up to 1, is the chance: full jitter, so that deliveries that failed together do not come
    /// back together.
    ///
    /// A `Retry-After` only ever delays, up to the cap, and never changes the number of attempts.
    /// What waits for something is not given up for their number: it has failed at nothing yet.
    pub fn decide(&self, attempt: u32, age: Duration, failure: &Failure, jitter: f64) -> Decision {
        let (retry_after, too_old) = match failure {
            Failure::Permanent { reason, .. } => return Decision::DeadLetter(*reason),
            Failure::Panicked { .. } if attempt >= self.max_attempts => {
                return Decision::DeadLetter(DeathReason::Panicked);
            }
            Failure::Transient { .. } | Failure::NotTaken { .. }
                if attempt >= self.max_attempts =>
            {
                return Decision::DeadLetter(DeathReason::Exhausted);
            }
            Failure::Panicked { .. } => (Duration::ZERO, DeathReason::TooOld),
            Failure::Transient { retry_after, .. } | Failure::NotTaken { retry_after, .. } => {
                (retry_after.unwrap_or_default(), DeathReason::TooOld)
            }
            Failure::Backlog { retry_after, .. } => (*retry_after, DeathReason::AwaitedInVain),
        };
        let doublings = attempt.saturating_sub(1).min(31);
        let bound = self.base.saturating_mul(1 << doublings).min(self.cap);
        let delay = bound.mul_f64(jitter.clamp(0.0, 1.0)).max(retry_after.min(self.cap));
        if age.saturating_add(delay) > self.max_age {
            return Decision::DeadLetter(too_old);
        }
        Decision::Retry(delay)
    }

    /// When to try again what was given back: nothing is wrong with it, so it is soon.
    pub fn soon(&self, jitter: f64) -> Duration {
        self.base.mul_f64(jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 8,
        max_age: Duration::from_hours(24),
        base: Duration::from_secs(5),
        cap: Duration::from_hours(1),
    };

    fn transient(retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure::Transient { retry_after, error: "down".into() }
    }

    #[test]
    fn the_bound_doubles_from_the_base_up_to_the_cap() {
        let bounds: Vec<u64> = (1..8)
            .map(|attempt| match POLICY.decide(attempt, Duration::ZERO, &transient(None), 1.0) {
                Decision::Retry(delay) => delay.as_secs(),
                _ => 0,
            })
            .collect();
        assert_eq!(bounds, [5, 10, 20, 40, 80, 160, 320]);
        let patient = RetryPolicy { max_attempts: 99, ..POLICY };
        let late = patient.decide(40, Duration::ZERO, &transient(None), 1.0);
        assert_eq!(late, Decision::Retry(POLICY.cap));
    }

    #[test]
    fn the_last_attempt_and_the_greatest_age_end_it() {
        let failure = transient(None);
        let exhausted = POLICY.decide(8, Duration::ZERO, &failure, 0.5);
        assert_eq!(exhausted, Decision::DeadLetter(DeathReason::Exhausted));
        let old = POLICY.decide(1, POLICY.max_age, &failure, 0.5);
        assert_eq!(old, Decision::DeadLetter(DeathReason::TooOld));
    }

    #[test]
    fn an_outage_of_two_hours_leaves_attempts_over_however_small_the_draws() {
        let policy = RetryPolicy::default();
        let failure = transient(None);
        // A third of the greatest delay, each time: with so many attempts that is far out.
        let mut age = Duration::ZERO;
        for attempt in 1.. {
            match policy.decide(attempt, age, &failure, 0.33) {
                Decision::Retry(delay) => age += delay,
                _ => break,
            }
        }
        assert!(age > Duration::from_hours(3), "{age:?}");
        assert!(age < policy.max_age, "{age:?}");
    }

    #[test]
    fn what_panicked_to_the_end_says_so() {
        let failure = Failure::Panicked { error: "a bug".into() };
        let last = POLICY.decide(8, Duration::ZERO, &failure, 0.5);
        assert_eq!(last, Decision::DeadLetter(DeathReason::Panicked));
        let first = POLICY.decide(1, Duration::ZERO, &failure, 0.5);
        assert_eq!(first, POLICY.decide(1, Duration::ZERO, &transient(None), 0.5));
    }

    #[test]
    fn a_permanent_failure_is_not_tried_again() {
        let failure = Failure::permanent(DeathReason::WrongAccount, "not yours");
        let decision = POLICY.decide(1, Duration::ZERO, &failure, 0.5);
        assert_eq!(decision, Decision::DeadLetter(DeathReason::WrongAccount));
    }

    #[test]
    fn what_waits_is_tried_until_it_is_too_old_however_often_that_is() {
        let retry_after = Duration::from_secs(10);
        let failure = Failure::Backlog { retry_after, error: "not there".into(), awaits: None };
        let first = POLICY.decide(1, Duration::ZERO, &failure, 0.0);
        assert_eq!(first, Decision::Retry(retry_after));
        let hundredth = POLICY.decide(100, Duration::from_hours(20), &failure, 1.0);
        assert_eq!(hundredth, Decision::Retry(POLICY.cap));
        let last = POLICY.decide(3, POLICY.max_age, &failure, 0.5);
        assert_eq!(last, Decision::DeadLetter(DeathReason::AwaitedInVain));
    }

    proptest! {
        #[test]
        fn retry_after_only_delays_and_never_adds_an_attempt(
            attempt in 1_u32..12,
            age in 0_u64..40_000,
            asked in 0_u64..2_000_000_000,
            jitter in 0.0_f64..1.0,
        ) {
            let age = Duration::from_secs(age);
            let plain = POLICY.decide(attempt, age, &transient(None), jitter);
            let asked = POLICY.decide(attempt, age, &transient(Some(asked)), jitter);
            match (plain, asked) {
                (Decision::Retry(plain), Decision::Retry(asked)) => {
                    prop_assert!(asked >= plain && asked <= POLICY.cap);
                }
                (Decision::DeadLetter(plain), Decision::DeadLetter(asked)) => prop_assert_eq!(plain, asked),
                (Decision::Retry(_), Decision::DeadLetter(reason)) => {
                    prop_assert_eq!(reason, DeathReason::TooOld);
                }
                (plain, asked) => prop_assert!(false, "{plain:?} became {asked:?}"),
            }
        }
    }
}
