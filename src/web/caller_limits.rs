//! Rate limits per caller, for reads and for changes.

use std::num::NonZeroU32;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota as Allowance};

use super::denial::Denial;
use crate::admin::Caller;

#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Requests per second.
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// The rate limiters by caller. Users and keys, and callers of different tenants, are separate.
#[derive(Debug)]
pub struct Limits {
    reads: DefaultKeyedRateLimiter<Key>,
    changes: DefaultKeyedRateLimiter<Key>,
}

/// The limit a request counts against.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rate {
    /// Reads, and provider endpoints, which have their own quotas.
    Reads,
    /// Changes by operators.
    Changes,
}

type Key = (String, Option<String>);

impl Limits {
    pub fn new(reads: Quota, changes: Quota) -> Self {
        let limiter = |quota: Quota| {
            let allowance = Allowance::per_second(quota.per_second).allow_burst(quota.burst);
            DefaultKeyedRateLimiter::keyed(allowance)
        };
        Self { reads: limiter(reads), changes: limiter(changes) }
    }

    /// Removes idle callers. Call it periodically.
    pub fn remove_inactive(&self) {
        for limiter in [&self.reads, &self.changes] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    pub(super) fn check(&self, caller: &Caller, rate: Rate) -> Result<(), Denial> {
        let limiter = match rate {
            Rate::Reads => &self.reads,
            Rate::Changes => &self.changes,
        };
        let key = (caller.actor().to_owned(), caller.tenant().map(str::to_owned));
        limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(limiter.clock().now());
            // Rounded up, so that a retry after this time succeeds.
            Denial::TooMany { after: wait.as_secs() + 1 }
        })
    }
}
