//! Subscriptions and Stripe's own invoices, in their formats since 2020.

use serde::Deserialize;
use time::OffsetDateTime;

use super::super::values::{Amount, Currency, Id, Moment, Word};

#[derive(Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: Id,
    pub(crate) customer: Id,
    pub(crate) status: Word,
    /// Until version 2025-03-31; since then each item has its own.
    current_period_end: Option<Moment>,
    pub(crate) cancel_at_period_end: Option<bool>,
    cancel_at: Option<Moment>,
    pub(crate) canceled_at: Option<Moment>,
    pub(crate) ended_at: Option<Moment>,
    items: Option<Items>,
}

#[derive(Deserialize)]
struct Items {
    data: Vec<Item>,
}

/// An item of a subscription.
#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) id: Id,
    price: Option<Price>,
    /// The former name of `price`; some versions have both.
    plan: Option<Price>,
    /// `None` for metered use.
    pub(crate) quantity: Option<Amount>,
    current_period_end: Option<Moment>,
}

#[derive(Deserialize)]
pub(crate) struct Price {
    pub(crate) id: Id,
    pub(crate) product: Option<Id>,
}

impl Subscription {
    pub(crate) fn items(&self) -> &[Item] {
        self.items.as_ref().map(|items| &*items.data).unwrap_or_default()
    }

    /// The end of the billed period: the subscription's, or the earliest of its items.
    pub(crate) fn current_period_end(&self) -> Option<OffsetDateTime> {
        let of_items = self.items().iter().filter_map(|item| item.current_period_end);
        let own = self.current_period_end.map(|moment| moment.0);
        own.or_else(|| of_items.map(|moment| moment.0).min())
    }

    /// When it will end, if cancelled: at a given time or with the period.
    pub(crate) fn cancel_at(&self) -> Option<OffsetDateTime> {
        let with_the_period = self.cancel_at_period_end == Some(true);
        let at = self.cancel_at.map(|moment| moment.0);
        at.or_else(|| self.current_period_end().filter(|_| with_the_period))
    }
}

impl Item {
    pub(crate) fn price(&self) -> Option<&Price> {
        self.price.as_ref().or(self.plan.as_ref())
    }
}

#[derive(Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: Id,
    pub(crate) customer: Option<Id>,
    pub(crate) status: Option<Word>,
    /// Until version 2025-03-31; since then below `parent`.
    subscription: Option<Id>,
    parent: Option<Parent>,
    pub(crate) amount_due: Amount,
    pub(crate) amount_paid: Amount,
    pub(crate) currency: Currency,
    pub(crate) billing_reason: Option<Word>,
    pub(crate) attempt_count: Option<Amount>,
    pub(crate) next_payment_attempt: Option<Moment>,
    status_transitions: Option<Transitions>,
}

#[derive(Deserialize)]
struct Parent {
    subscription_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    subscription: Option<Id>,
}

#[derive(Deserialize)]
struct Transitions {
    paid_at: Option<Moment>,
}

impl Invoice {
    pub(crate) fn subscription(&self) -> Option<&Id> {
        let below = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        self.subscription.as_ref().or(below.and_then(|details| details.subscription.as_ref()))
    }

    pub(crate) fn paid_at(&self) -> Option<OffsetDateTime> {
        Some(self.status_transitions.as_ref()?.paid_at?.0)
    }
}
