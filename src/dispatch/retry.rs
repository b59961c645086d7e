//! The retry policy: a pure decision.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::store::DeathReason;

/// Returns random numbers from 0 to 1. An argument, so that tests can fix it.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The limits and delays of retries.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The maximum number of attempts, including the first.
    pub max_attempts: u32,
    /// The maximum age, counted from the first attempt, without times when no gateway was there to
    /// try.
    pub max_age: Duration,
    /// The upper bound of the first delay. It doubles with every attempt.
    pub base: Duration,
    /// The upper bound of every delay and of every `Retry-After`.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            // With the delays below this lasts for hours: an outage of an hour or two loses
            // nothing.
            max_attempts: 20,
            max_age: Duration::from_hours(24),
            base: Duration::from_secs(5),
            cap: Duration::from_hours(1),
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Retry after this delay.
    Retry(Duration),
    /// Retry after this delay, without counting the attempt. `None` if the destination is blocked:
    /// its state decides when.
    Pause(Option<Duration>),
    DeadLetter(DeathReason),
}

impl RetryPolicy {
    /// Decides after attempt `attempt` (from 1) of a delivery of this age. `jitter` is from 0 to 1:
    /// full jitter, so that deliveries that failed together are not retried together.
    ///
    /// A `Retry-After` only ever delays, up to the cap, and never changes the number of attempts. A
    /// delivery that is not ready is limited by age, not by attempts: it has not failed yet.
    pub fn decide(&self, attempt: u32, age: Duration, failure: &Failure, jitter: f64) -> Decision {
        let (retry_after, too_old) = match failure {
            Failure::Permanent { reason, .. } => return Decision::DeadLetter(*reason),
            Failure::Panicked { .. } if attempt >= self.max_attempts => {
                return Decision::DeadLetter(DeathReason::Panicked);
            }
            Failure::Transient { .. } | Failure::Rejected { .. }
                if attempt >= self.max_attempts =>
            {
                return Decision::DeadLetter(DeathReason::Exhausted);
            }
            Failure::Panicked { .. } => (Duration::ZERO, DeathReason::TooOld),
            Failure::Transient { retry_after, .. } | Failure::Rejected { retry_after, .. } => {
                (retry_after.unwrap_or_default(), DeathReason::TooOld)
            }
            Failure::NotReady { retry_after, .. } => {
                (*retry_after, DeathReason::PreconditionNotMet)
            }
        };
        let doublings = attempt.saturating_sub(1).min(31);
        let bound = self.base.saturating_mul(1 << doublings).min(self.cap);
        let delay = bound.mul_f64(jitter.clamp(0.0, 1.0)).max(retry_after.min(self.cap));
        if age.saturating_add(delay) > self.max_age {
            return Decision::DeadLetter(too_old);
        }
        Decision::Retry(delay)
    }

    /// The delay of a delivery that was released without an attempt. It is short, since nothing is
    /// wrong with the delivery.
    pub fn release_delay(&self, jitter: f64) -> Duration {
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
    fn delay_bound_doubles_from_base_to_cap() {
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
    fn last_attempt_and_maximum_age_end_retries() {
        let failure = transient(None);
        let exhausted = POLICY.decide(8, Duration::ZERO, &failure, 0.5);
        assert_eq!(exhausted, Decision::DeadLetter(DeathReason::Exhausted));
        let old = POLICY.decide(1, POLICY.max_age, &failure, 0.5);
        assert_eq!(old, Decision::DeadLetter(DeathReason::TooOld));
    }

    #[test]
    fn default_policy_outlasts_a_two_hour_outage() {
        let policy = RetryPolicy::default();
        let failure = transient(None);
        // A third of the maximum delay each time, which is unlikely with so many attempts.
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
    fn last_panic_is_the_death_reason() {
        let failure = Failure::Panicked { error: "a bug".into() };
        let last = POLICY.decide(8, Duration::ZERO, &failure, 0.5);
        assert_eq!(last, Decision::DeadLetter(DeathReason::Panicked));
        let first = POLICY.decide(1, Duration::ZERO, &failure, 0.5);
        assert_eq!(first, POLICY.decide(1, Duration::ZERO, &transient(None), 0.5));
    }

    #[test]
    fn permanent_failure_is_not_retried() {
        let failure = Failure::permanent(DeathReason::WrongAccount, "not yours");
        let decision = POLICY.decide(1, Duration::ZERO, &failure, 0.5);
        assert_eq!(decision, Decision::DeadLetter(DeathReason::WrongAccount));
    }

    #[test]
    fn not_ready_is_retried_until_its_maximum_age() {
        let retry_after = Duration::from_secs(10);
        let failure = Failure::NotReady { retry_after, error: "not there".into(), awaiting: None };
        let first = POLICY.decide(1, Duration::ZERO, &failure, 0.0);
        assert_eq!(first, Decision::Retry(retry_after));
        let hundredth = POLICY.decide(100, Duration::from_hours(20), &failure, 1.0);
        assert_eq!(hundredth, Decision::Retry(POLICY.cap));
        let last = POLICY.decide(3, POLICY.max_age, &failure, 0.5);
        assert_eq!(last, Decision::DeadLetter(DeathReason::PreconditionNotMet));
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
