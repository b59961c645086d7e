//! Merges Stripe's events independently of their order of arrival. Pure, and the only place that
//! defines the lifecycles of Stripe's objects.
//!
//! Every rule is a *join*: of two known states of an object it keeps one, by a total order. Joins
//! may be applied in any order and any number of times, so a row ends the same whether its events
//! arrive in order, reversed or repeated. The order is, for every object:
//!
//! 1. A final state is never left: cancelled, paid and won stay, whatever arrives later.
//! 2. The newer event counts, by Stripe's own time. A subscription may go from active to past due
//!    and back, so its status alone does not tell which came first.
//! 3. Stripe's times are whole seconds. Within one second, the later state in the lifecycle counts
//!    ([`Life`]): an incomplete subscription becomes active, not the other way round; one that is
//!    active and past due in the same second was charged and declined.
//! 4. Remaining ties are decided by the event's id: arbitrary, but always the same.

mod billing;
mod dispute;
mod payment;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;

pub(super) use self::billing::{Invoice, Item, Subscriber, Subscription, SubscriptionEvent};
pub(super) use self::dispute::Dispute;
pub(super) use self::payment::{
    Charge, Intent, PaymentState, Reached, Session, Stage, payment_state,
};

/// The position of an event among those of one object. Fields are compared in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The time of the state, by Stripe's clock.
    pub(super) at: OffsetDateTime,
    /// The rank of the state in the object's lifecycle.
    pub(super) rank: i64,
    /// Stripe's id of the event.
    pub(super) event: String,
}

/// The states of an object, in the order in which they are usually reached.
struct Life {
    /// States that may be left, also backwards.
    steps: &'static [&'static str],
    /// Final states.
    ends: &'static [&'static str],
}

impl Life {
    /// Later states rank higher, final states highest. A state that Stripe adds later ranks in
    /// between: newer than the known ones, and not final until its meaning is known.
    fn rank(&self, word: &str) -> i64 {
        let place = |words: &[&str]| words.iter().position(|known| *known == word);
        let unknown = self.steps.len();
        let end = place(self.ends).map(|end| unknown + 1 + end);
        let rank = place(self.steps).or(end).unwrap_or(unknown);
        i64::try_from(rank).unwrap_or(i64::MAX)
    }

    fn is_end(&self, word: &str) -> bool {
        self.ends.contains(&word)
    }
}
