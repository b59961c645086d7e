//! Subscriptions and the invoices that Stripe makes itself.

use time::OffsetDateTime;

use super::{Life, Place};

/// The usual states of a subscription. They can go back: paying what was due makes it active again.
const SUBSCRIPTION: Life = Life {
    steps: &["incomplete", "trialing", "active", "past_due", "unpaid", "paused"],
    ends: &["incomplete_expired", "canceled"],
};

/// An uncollectible invoice can still be paid; a paid or void one is closed.
const INVOICE: Life = Life { steps: &["draft", "open", "uncollectible"], ends: &["void", "paid"] };

/// Attempts within one status: more than Stripe ever makes.
const ATTEMPTS: i64 = 1_000_000;

/// The event that describes a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscriptionEvent {
    Created,
    Updated,
    Deleted,
}

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
    /// Sorted by id.
    pub(crate) items: Vec<Item>,
    pub(crate) place: Place,
}

/// An item of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) price: String,
    pub(crate) product: Option<String>,
    pub(crate) quantity: Option<i64>,
}

/// Who a subscription is for, in the application's terms. Reported once, when it begins.
pub(crate) struct Subscriber {
    pub(crate) subscription: String,
    pub(crate) reference: String,
    pub(crate) customer: Option<String>,
    pub(crate) session: String,
    pub(crate) reached_at: OffsetDateTime,
}

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
    pub(crate) fn join(known: Option<Self>, update: Self) -> Self {
        match known {
            Some(known) if known.order() >= update.order() => known,
            _ => update,
        }
    }

    /// The rank within a second: created, updated, deleted; then by status.
    pub(crate) fn rank(event: SubscriptionEvent, status: &str) -> i64 {
        let order = match event {
            SubscriptionEvent::Created => 0,
            SubscriptionEvent::Updated => 1,
            SubscriptionEvent::Deleted => 2,
        };
        order * 100 + SUBSCRIPTION.rank(status)
    }

    /// The status after an event: after a deletion it is final, whatever the object says.
    pub(crate) fn status(event: SubscriptionEvent, status: &str) -> &str {
        if event == SubscriptionEvent::Deleted && !SUBSCRIPTION.is_end(status) {
            "canceled"
        } else {
            status
        }
    }

    fn order(&self) -> (bool, &Place) {
        (SUBSCRIPTION.is_end(&self.status), &self.place)
    }
}

impl Invoice {
    /// Stripe's name of the status.
    pub(crate) const PAID: &'static str = "paid";

    /// The last failure is kept too: a paid invoice retains it, whichever event arrives first.
    pub(crate) fn join(known: Option<Self>, update: Self) -> Self {
        let Some(known) = known else { return update };
        let last_failed_at = known.last_failed_at.max(update.last_failed_at);
        let newest = if known.order() >= update.order() { known } else { update };
        Self { last_failed_at, ..newest }
    }

    /// The rank within a second: by status, then by number of attempts.
    pub(crate) fn rank(status: &str, attempt_count: i64) -> i64 {
        INVOICE.rank(status) * ATTEMPTS + attempt_count.min(ATTEMPTS - 1)
    }

    fn order(&self) -> (bool, &Place) {
        (INVOICE.is_end(&self.status), &self.place)
    }
}
