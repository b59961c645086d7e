//! Limits the number of subscribers, in total and per caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admin::Caller;

/// One caller may use this fraction of the slots.
const SHARE: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManySubscribers {
    /// All slots are in use.
    #[error("too many streams are open")]
    Full,
    /// The caller uses its whole share.
    #[error("this caller has too many open streams")]
    Share,
}

type CallerKey = (String, Option<String>);

#[derive(Debug)]
pub(super) struct SubscriberLimits {
    all: usize,
    taken: Mutex<HashMap<CallerKey, usize>>,
}

/// A slot in use, until it is dropped.
#[derive(Debug)]
pub(super) struct SubscriberSlot {
    limits: Arc<SubscriberLimits>,
    key: CallerKey,
}

impl SubscriberLimits {
    pub(super) fn new(all: usize) -> Self {
        Self { all, taken: Mutex::default() }
    }

    /// Takes a slot for a caller.
    pub(super) fn take(
        limits: &Arc<Self>,
        caller: &Caller,
    ) -> Result<SubscriberSlot, TooManySubscribers> {
        let key = (caller.actor().to_owned(), caller.tenant().map(str::to_owned));
        let mut taken = limits.taken();
        if taken.values().sum::<usize>() >= limits.all {
            return Err(TooManySubscribers::Full);
        }
        let own = taken.entry(key.clone()).or_default();
        if *own >= limits.all.div_ceil(SHARE) {
            return Err(TooManySubscribers::Share);
        }
        *own += 1;
        drop(taken);
        Ok(SubscriberSlot { limits: Arc::clone(limits), key })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<CallerKey, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SubscriberSlot {
    fn drop(&mut self) {
        let mut taken = self.limits.taken();
        if let Some(own) = taken.get_mut(&self.key) {
            *own = own.saturating_sub(1);
        }
        taken.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_gets_a_quarter_of_the_slots_and_releases_them() {
        let limits = Arc::new(SubscriberLimits::new(32));
        let caller = |number: usize| Caller::local(format!("actor {number}"));
        let mut slots: Vec<SubscriberSlot> =
            (0..8).map(|_| SubscriberLimits::take(&limits, &caller(0)).unwrap()).collect();
        assert_eq!(
            SubscriberLimits::take(&limits, &caller(0)).err(),
            Some(TooManySubscribers::Share)
        );
        for number in 1..4 {
            slots.extend((0..8).map(|_| SubscriberLimits::take(&limits, &caller(number)).unwrap()));
        }
        assert_eq!(
            SubscriberLimits::take(&limits, &caller(4)).err(),
            Some(TooManySubscribers::Full)
        );
        drop(slots.remove(0));
        assert!(SubscriberLimits::take(&limits, &caller(4)).is_ok(), "a released slot");
        assert!(
            SubscriberLimits::take(&limits, &caller(0)).is_ok(),
            "its own share has slots left, too"
        );
        drop(slots);
        assert!(limits.taken().is_empty());
        assert!(
            SubscriberLimits::take(&Arc::new(SubscriberLimits::new(1)), &caller(0)).is_ok(),
            "there is always one slot"
        );
    }
}
