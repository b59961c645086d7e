//! The seats of those who watch: so many in all, and for one caller a share of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admin::Caller;

/// Of how many seats one caller may have one.
const SHARE: usize = 4;

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManySubscribers {
    /// Every seat is taken.
    #[error("too many streams are open")]
    Full,
    /// The caller has as many as one may have.
    #[error("this caller has too many open streams")]
    Share,
}

/// Callers of two tenants are told apart.
type Who = (String, Option<String>);

/// All seats.
#[derive(Debug)]
pub(super) struct SubscriberLimits {
    all: usize,
    taken: Mutex<HashMap<Who, usize>>,
}

/// One that is taken, as long as this lives.
#[derive(Debug)]
pub(super) struct SubscriberSlot {
    limits: Arc<SubscriberLimits>,
    who: Who,
}

impl SubscriberLimits {
    pub(super) fn new(all: usize) -> Self {
        Self { all, taken: Mutex::default() }
    }

    /// Takes a seat for a caller.
    pub(super) fn take(
        limits: &Arc<Self>,
        caller: &Caller,
    ) -> Result<SubscriberSlot, TooManySubscribers> {
        let who = (caller.actor().to_owned(), caller.tenant().map(str::to_owned));
        let mut taken = limits.taken();
        if taken.values().sum::<usize>() >= limits.all {
            return Err(TooManySubscribers::Full);
        }
        let own = taken.entry(who.clone()).or_default();
        if *own >= limits.all.div_ceil(SHARE) {
            return Err(TooManySubscribers::Share);
        }
        *own += 1;
        drop(taken);
        Ok(SubscriberSlot { limits: Arc::clone(limits), who })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SubscriberSlot {
    fn drop(&mut self) {
        let mut taken = self.limits.taken();
        if let Some(own) = taken.get_mut(&self.who) {
            *own = own.saturating_sub(1);
        }
        taken.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_a_quarter_of_the_seats_and_gives_them_back() {
        let limits = Arc::new(SubscriberLimits::new(32));
        let who = |number: usize| Caller::local(format!("actor {number}"));
        let mut held: Vec<SubscriberSlot> =
            (0..8).map(|_| SubscriberLimits::take(&limits, &who(0)).unwrap()).collect();
        assert_eq!(SubscriberLimits::take(&limits, &who(0)).err(), Some(TooManySubscribers::Share));
        for number in 1..4 {
            held.extend((0..8).map(|_| SubscriberLimits::take(&limits, &who(number)).unwrap()));
        }
        assert_eq!(SubscriberLimits::take(&limits, &who(4)).err(), Some(TooManySubscribers::Full));
        drop(held.remove(0));
        assert!(SubscriberLimits::take(&limits, &who(4)).is_ok(), "a seat that was given back");
        assert!(SubscriberLimits::take(&limits, &who(0)).is_ok(), "its share is not spent either");
        drop(held);
        assert!(limits.taken().is_empty());
        assert!(
            SubscriberLimits::take(&Arc::new(SubscriberLimits::new(1)), &who(0)).is_ok(),
            "there is always one"
        );
    }
}
