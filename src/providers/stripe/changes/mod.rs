//! The change that an event reports. It is read outside a transaction and applied in the one that
//! settles the delivery: the object is locked, the known state is loaded and merged with the new
//! one ([`super::lifecycle`]), and the result is written.
//!
//! Locks are taken in the order session, dispute, charge, intent, invoice; and session or Stripe
//! invoice, then subscription. Two events of one payment are therefore serialised and cannot
//! deadlock.

mod accounts;
mod alert;
mod apply;
mod billing;
mod payments;

use serde_json::value::RawValue;

use self::accounts::AccountState;
use super::lifecycle::{
    Charge, Dispute, Intent, Invoice, Place, Reached, Session, Subscriber, Subscription,
    SubscriptionEvent,
};
use super::refusal::missing;
use super::tables::Stamp;
use crate::dispatch::Failure;

/// The handled event types.
pub(super) const KINDS: [&str; 14] = [
    CHECKOUT_COMPLETED,
    CHECKOUT_PAID_LATER,
    CHECKOUT_FAILED_LATER,
    INTENT_SUCCEEDED,
    CHARGE_REFUNDED,
    DISPUTE_CREATED,
    DISPUTE_CLOSED,
    SUBSCRIPTION_CREATED,
    SUBSCRIPTION_UPDATED,
    SUBSCRIPTION_DELETED,
    INVOICE_PAID,
    INVOICE_FAILED,
    ACCOUNT_UPDATED,
    DEAUTHORIZED,
];

const CHECKOUT_COMPLETED: &str = "checkout.session.completed";
/// The same session again, after a delayed payment succeeded.
const CHECKOUT_PAID_LATER: &str = "checkout.session.async_payment_succeeded";
/// The same session again, after a delayed payment failed.
const CHECKOUT_FAILED_LATER: &str = "checkout.session.async_payment_failed";
const INTENT_SUCCEEDED: &str = "payment_intent.succeeded";
const CHARGE_REFUNDED: &str = "charge.refunded";
const DISPUTE_CREATED: &str = "charge.dispute.created";
const DISPUTE_CLOSED: &str = "charge.dispute.closed";
const SUBSCRIPTION_CREATED: &str = "customer.subscription.created";
const SUBSCRIPTION_UPDATED: &str = "customer.subscription.updated";
const SUBSCRIPTION_DELETED: &str = "customer.subscription.deleted";
const INVOICE_PAID: &str = "invoice.paid";
const INVOICE_FAILED: &str = "invoice.payment_failed";
const ACCOUNT_UPDATED: &str = "account.updated";
const DEAUTHORIZED: &str = "account.application.deauthorized";

/// The change that an event reports.
pub(super) enum Change {
    Session(Session),
    Intent(Intent),
    Charge(Charge),
    Dispute(Dispute),
    Subscription(Subscription),
    Subscriber(Subscriber),
    Invoice(Invoice),
    Account(AccountState),
}

impl Change {
    /// Whether events of this type need the object that they refer to. A deauthorisation is
    /// described by the event alone.
    pub(super) fn needs_object(kind: &str) -> bool {
        kind != DEAUTHORIZED
    }

    /// Reads an event of one of the [`KINDS`]; `None` if it names nothing of interest.
    ///
    /// # Errors
    /// A permanent failure: the object does not match the type.
    pub(super) fn read(
        kind: &str,
        object: Option<&RawValue>,
        stamp: &Stamp,
    ) -> Result<Option<Self>, Failure> {
        let change = match kind {
            CHECKOUT_COMPLETED | CHECKOUT_PAID_LATER | CHECKOUT_FAILED_LATER => {
                let failed = kind == CHECKOUT_FAILED_LATER;
                return payments::session(object, failed, stamp);
            }
            INTENT_SUCCEEDED => Self::Intent(payments::intent(object, stamp)?),
            CHARGE_REFUNDED => Self::Charge(payments::charge(object, stamp)?),
            DISPUTE_CREATED | DISPUTE_CLOSED => Self::Dispute(payments::dispute(object, stamp)?),
            SUBSCRIPTION_CREATED => Self::subscription(object, SubscriptionEvent::Created, stamp)?,
            SUBSCRIPTION_UPDATED => Self::subscription(object, SubscriptionEvent::Updated, stamp)?,
            SUBSCRIPTION_DELETED => Self::subscription(object, SubscriptionEvent::Deleted, stamp)?,
            INVOICE_PAID => Self::Invoice(billing::invoice(object, true, stamp)?),
            INVOICE_FAILED => Self::Invoice(billing::invoice(object, false, stamp)?),
            ACCOUNT_UPDATED => Self::Account(AccountState::described(object, stamp)?),
            DEAUTHORIZED => {
                let account = stamp.account.clone().ok_or_else(|| missing("account"))?;
                Self::Account(AccountState::deauthorized(account, stamp))
            }
            _ => return Ok(None),
        };
        Ok(Some(change))
    }

    fn subscription(
        object: Option<&RawValue>,
        event: SubscriptionEvent,
        stamp: &Stamp,
    ) -> Result<Self, Failure> {
        Ok(Self::Subscription(billing::subscription(object, event, stamp)?))
    }
}

impl Stamp {
    /// The position of an object described by this event.
    fn place(&self, rank: i64) -> Place {
        Place { at: self.seen_at, rank, event: self.stripe_event.clone() }
    }

    fn reached(&self) -> Reached {
        Reached { at: self.happened_at, event: self.stripe_event.clone() }
    }
}
