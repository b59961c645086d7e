//! How Stripe's events add up, whatever the order in which they arrive. Pure, and the one place
//! where the lives of its objects are recorded.
//!
//! Every rule here is a *join*: of two things known about one object it keeps one, by an order in
//! which nothing ties except what is equal. Joins may be made in any order and any number of
//! times, so a row comes to the same whether its events arrive in order, backwards or five times.
//! The order is, for every object:
//!
//! 1. An end is never left: canceled, paid, won stay so whatever comes later.
//! 2. The newer event counts, by Stripe's own time. A subscription may go from active to past due
//!    and back, so that its status alone says nothing about which came first.
//! 3. Stripe's times are whole seconds. Within one, what stands later in the object's life counts
//!    ([`Life`]): an incomplete subscription becomes active, not the other way round; one that is
//!    active and past due in the same second was charged and refused.
//! 4. What still ties is decided by the event's id: without a meaning, but the same every time.

mod billing;
mod dispute;
mod payment;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;

pub(super) use self::billing::{Invoice, Item, Subscriber, Subscription, Told};
pub(super) use self::dispute::Dispute;
pub(super) use self::payment::{Charge, Intent, Reached, Session, Stage, Standing, standing};

/// Where an event stands among those of one object. Compared in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The state's time by Stripe's clock.
    pub(super) at: OffsetDateTime,
    /// The state's rank in the object's life.
    pub(super) rank: i64,
    /// Stripe's id of the event.
    pub(super) event: String,
}

/// The words for an object's states, in the order in which they are usually reached.
struct Life {
    /// From these it may go on, and back.
    steps: &'static [&'static str],
    /// These it never leaves.
    ends: &'static [&'static str],
}

impl Life {
    /// Later in life is larger; ends are largest. A word that Stripe adds one day ranks between:
    /// newer than what is known, and not an end before somebody has read what it means.
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
