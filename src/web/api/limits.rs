//! How often a caller may ask, and how often they may change something.

use std::num::NonZeroU32;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota as Allowance};

use crate::admin::Caller;
use crate::web::denial::Denial;

/// How many requests a caller may send.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// On average.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// What is left to whom. Callers of two tenants, and people and keys, are told apart.
#[derive(Debug)]
pub struct Limits {
    reads: DefaultKeyedRateLimiter<Key>,
    changes: DefaultKeyedRateLimiter<Key>,
}

/// Which of a caller's quotas a request counts against.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) enum Rate {
    /// What changes nothing, and what applications ask of providers: those have budgets of their
    /// own.
    Reads,
    /// What operators change.
    Changes,
}

type Key = (String, Option<String>);

impl Limits {
    /// With these quotas.
    pub fn new(reads: Quota, changes: Quota) -> Self {
        let limiter = |quota: Quota| {
            let allowance = Allowance::per_second(quota.per_second).allow_burst(quota.burst);
            DefaultKeyedRateLimiter::keyed(allowance)
        };
        Self { reads: limiter(reads), changes: limiter(changes) }
    }

    /// Forgets who has not asked for a while. To be called now and then.
    pub fn tidy(&self) {
        for limiter in [&self.reads, &self.changes] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Counts a request.
    pub(in crate::web) fn check(&self, caller: &Caller, rate: Rate) -> Result<(), Denial> {
        let limiter = match rate {
            Rate::Reads => &self.reads,
            Rate::Changes => &self.changes,
        };
        let key = (caller.actor().to_owned(), caller.tenant().map(str::to_owned));
        limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(limiter.clock().now());
            // Rounded up: whoever waits so long is let in.
            Denial::TooMany { after: wait.as_secs() + 1 }
        })
    }
}
