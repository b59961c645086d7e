//! Reads subscriptions and Stripe's own invoices.

use serde_json::value::RawValue;

use super::super::lifecycle::{Invoice, Item, Subscription, SubscriptionEvent};
use super::super::payload;
use super::super::refusal::{read_object, schema};
use super::super::tables::Stamp;
use super::super::values::{Amount, Id, Moment, Word};
use crate::dispatch::Failure;

pub(super) fn subscription(
    object: Option<&RawValue>,
    event: SubscriptionEvent,
    stamp: &Stamp,
) -> Result<Subscription, Failure> {
    let described: payload::Subscription = read_object(object)?;
    let status = Subscription::status(event, described.status.as_str()).to_owned();
    let mut items = described.items().iter().map(item).collect::<Result<Vec<_>, _>>()?;
    items.sort();
    items.dedup_by(|one, other| one.id == other.id);
    Ok(Subscription {
        id: text(&described.id),
        account: stamp.account.clone(),
        customer: text(&described.customer),
        current_period_end: described.current_period_end(),
        cancel_at_period_end: described.cancel_at_period_end.unwrap_or_default(),
        cancel_at: described.cancel_at(),
        canceled_at: described.canceled_at.map(|moment| moment.0),
        ended_at: described.ended_at.map(|moment| moment.0),
        items,
        place: stamp.place(Subscription::rank(event, &status)),
        status,
    })
}

fn item(item: &payload::Item) -> Result<Item, Failure> {
    let Some(price) = item.price() else {
        return Err(schema(format!("item {} has neither price nor plan", item.id.as_str())));
    };
    Ok(Item {
        id: text(&item.id),
        price: text(&price.id),
        product: price.product.as_ref().map(text),
        quantity: item.quantity.map(Amount::get),
    })
}

/// `paid`: the event reports a payment, otherwise a failed one.
pub(super) fn invoice(
    object: Option<&RawValue>,
    paid: bool,
    stamp: &Stamp,
) -> Result<Invoice, Failure> {
    let invoice: payload::Invoice = read_object(object)?;
    let implied_status = if paid { Invoice::PAID } else { "open" };
    let status = invoice.status.as_ref().map_or(implied_status, Word::as_str).to_owned();
    let attempt_count = invoice.attempt_count.map(Amount::get).unwrap_or_default();
    let paid_at = (status == Invoice::PAID).then(|| invoice.paid_at().unwrap_or(stamp.happened_at));
    Ok(Invoice {
        id: text(&invoice.id),
        account: stamp.account.clone(),
        customer: invoice.customer.as_ref().map(text),
        subscription: invoice.subscription().map(text),
        amount_due: invoice.amount_due.get(),
        amount_paid: invoice.amount_paid.get(),
        currency: invoice.currency.as_str().to_owned(),
        billing_reason: invoice.billing_reason.as_ref().map(|word| word.as_str().to_owned()),
        attempt_count,
        next_attempt_at: invoice.next_payment_attempt.map(|Moment(at)| at),
        last_failed_at: (!paid).then_some(stamp.happened_at),
        paid_at,
        place: stamp.place(Invoice::rank(&status, attempt_count)),
        status,
    })
}

fn text(id: &Id) -> String {
    id.as_str().to_owned()
}
