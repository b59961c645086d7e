//! Subscriptions and the invoices that Stripe makes itself.

use time::OffsetDateTime;

use super::{Life, Place};

/// What a customer's standing usually goes through. It may go back: who pays what was due is
/// active again.
const SUBSCRIPTION: Life = Life {
    steps: &["incomplete", "trialing", "active", "past_due", "unpaid", "paused"],
    ends: &["incomplete_expired", "canceled"],
};

/// An uncollectible invoice may still be paid; a paid or void one is closed.
const INVOICE: Life = Life { steps: &["draft", "open", "uncollectible"], ends: &["void", "paid"] };

/// Attempts within one status: more than Stripe ever makes.
const ATTEMPTS: i64 = 1_000_000;

/// Which event told of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Created,
    Updated,
    Deleted,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) account: Option<String>,
    pub(crate) customer: String,
    pub(crate) status: String,
    pub(crate) current_period_end: Option<OffsetDateTime>,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) cancel_at: Option<OffsetDateTime>,
    pub(crate) canceled_at: Option<OffsetDateTime>,
    pub(crate) ended_at: Option<OffsetDateTime>,
    /// By their ids, in order.
    pub(crate) items: Vec<Item>,
    pub(crate) place: Place,
}

/// Of what a subscription consists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) price: String,
    pub(crate) product: Option<String>,
    pub(crate) quantity: Option<i64>,
}

/// For whom a subscription is, in the application's words. Said once, when it begins.
pub(crate) struct Subscriber {
    pub(crate) subscription: String,
    pub(crate) reference: String,
    pub(crate) customer: Option<String>,
    pub(crate) session: String,
    pub(crate) reached_at: OffsetDateTime,
}

/// An invoice that Stripe made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) account: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) status: String,
    pub(crate) amount_due: i64,
    pub(crate) amount_paid: i64,
    pub(crate) currency: String,
    pub(crate) billing_reason: Option<String>,
    pub(crate) attempt_count: i64,
    pub(crate) next_attempt_at: Option<OffsetDateTime>,
    pub(crate) last_failed_at: Option<OffsetDateTime>,
    pub(crate) paid_at: Option<OffsetDateTime>,
    pub(crate) place: Place,
}

impl Subscription {
    pub(crate) fn join(known: Option<Self>, told: Self) -> Self {
        match known {
            Some(known) if known.order() >= told.order() => known,
            _ => told,
        }
    }

    /// The rank within a second: created before updated before deleted, then by status.
    pub(crate) fn rank(told: Told, status: &str) -> i64 {
        let order = match told {
            Told::Created => 0,
            Told::Updated => 1,
            Told::Deleted => 2,
        };
        order * 100 + SUBSCRIPTION.rank(status)
    }

    /// The status after an event: a deleted one is at an end, whatever its object still says.
    pub(crate) fn status(told: Told, status: &str) -> &str {
        if told == Told::Deleted && !SUBSCRIPTION.is_end(status) { "canceled" } else { status }
    }

    fn order(&self) -> (bool, &Place) {
        (SUBSCRIPTION.is_end(&self.status), &self.place)
    }
}

impl Invoice {
    /// Paid, in Stripe's word.
    pub(crate) const PAID: &'static str = "paid";

    /// The last failure is kept beside: it is known of a paid invoice too, whichever came first.
    pub(crate) fn join(known: Option<Self>, told: Self) -> Self {
        let Some(known) = known else { return told };
        let last_failed_at = known.last_failed_at.max(told.last_failed_at);
        let newest = if known.order() >= told.order() { known } else { told };
        Self { last_failed_at, ..newest }
    }

    /// The rank within a second: by status, then by the attempts.
    pub(crate) fn rank(status: &str, attempt_count: i64) -> i64 {
        INVOICE.rank(status) * ATTEMPTS + attempt_count.min(ATTEMPTS - 1)
    }

    fn order(&self) -> (bool, &Place) {
        (INVOICE.is_end(&self.status), &self.place)
    }
}
