//! Reads payment objects: sessions, intents, refunded charges and disputes.

use serde_json::value::RawValue;

use super::super::lifecycle::{Charge, Dispute, Intent, Session, Stage, Subscriber};
use super::super::money::Money;
use super::super::payload::{self, PaymentStatus, invoice};
use super::super::refusal::{read_object, schema};
use super::super::tables::Stamp;
use super::super::values::{Amount, Currency, Id};
use super::Change;
use crate::dispatch::Failure;

/// `None` for a session that names neither an invoice nor a subscriber. `failed`: the event reports
/// a failed payment.
pub(super) fn session(
    object: Option<&RawValue>,
    failed: bool,
    stamp: &Stamp,
) -> Result<Option<Change>, Failure> {
    let session: payload::Session = read_object(object)?;
    let Some(invoice) = session.invoice().map_err(schema)? else {
        return Ok(subscriber(&session, stamp)?.map(Change::Subscriber));
    };
    let stage = match session.payment_status {
        PaymentStatus::Paid => Stage::Paid,
        PaymentStatus::NotPaid if failed => Stage::Failed,
        PaymentStatus::NotPaid => Stage::Pending,
    };
    if stage == Stage::Paid && (session.amount_total.is_none() || session.currency.is_none()) {
        return Err(schema("a payment without amount or currency"));
    }
    let created = session.created.map(|moment| moment.0);
    Ok(Some(Change::Session(Session {
        id: text(&session.id),
        invoice: text(&invoice),
        intent: session.payment_intent.as_ref().map(text),
        stage,
        amount: session.amount_total.map(Amount::get),
        currency: session.currency.as_ref().map(currency),
        begun_at: created.unwrap_or(stamp.happened_at),
        reached: stamp.reached(),
    })))
}

fn subscriber(session: &payload::Session, stamp: &Stamp) -> Result<Option<Subscriber>, Failure> {
    let (Some(subscription), Some(reference)) =
        (&session.subscription, session.reference().map_err(schema)?)
    else {
        return Ok(None);
    };
    Ok(Some(Subscriber {
        subscription: text(subscription),
        reference: text(&reference),
        customer: session.customer.as_ref().map(text),
        session: text(&session.id),
        reached_at: stamp.happened_at,
    }))
}

pub(super) fn intent(object: Option<&RawValue>, stamp: &Stamp) -> Result<Intent, Failure> {
    let intent: payload::Intent = read_object(object)?;
    let (Some(amount), Some(paid_in)) = (intent.amount_received, &intent.currency) else {
        return Err(schema("a payment without amount or currency"));
    };
    Ok(Intent {
        id: text(&intent.id),
        amount: amount.get(),
        currency: currency(paid_in),
        invoice: invoice(intent.metadata.as_ref()).map_err(schema)?.as_ref().map(text),
        reached: stamp.reached(),
    })
}

pub(super) fn charge(object: Option<&RawValue>, stamp: &Stamp) -> Result<Charge, Failure> {
    let charge: payload::Charge = read_object(object)?;
    let (amount, refunded) = (charge.amount.get(), charge.amount_refunded.get());
    if refunded > amount {
        let money = |amount| Money { amount, currency: charge.currency.as_str() };
        let detail = format!("{} of a charge of {} refunded", money(refunded), money(amount));
        return Err(schema(detail));
    }
    Ok(Charge {
        id: text(&charge.id),
        account: stamp.account.clone(),
        intent: charge.payment_intent.as_ref().map(text),
        amount,
        amount_refunded: refunded,
        currency: currency(&charge.currency),
        place: stamp.place(Charge::rank(refunded)),
    })
}

pub(super) fn dispute(object: Option<&RawValue>, stamp: &Stamp) -> Result<Dispute, Failure> {
    let dispute: payload::Dispute = read_object(object)?;
    let status = dispute.status.as_str();
    Ok(Dispute {
        id: text(&dispute.id),
        account: stamp.account.clone(),
        charge: text(&dispute.charge),
        intent: dispute.payment_intent.as_ref().map(text),
        reason: dispute.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        amount: dispute.amount.get(),
        currency: currency(&dispute.currency),
        opened_at: dispute.created.0,
        evidence_due_by: dispute.evidence_due_by(),
        closed_at: Dispute::is_closed(status).then_some(stamp.happened_at),
        place: stamp.place(Dispute::rank(status)),
        status: status.to_owned(),
    })
}

fn text(id: &Id) -> String {
    id.as_str().to_owned()
}

fn currency(currency: &Currency) -> String {
    currency.as_str().to_owned()
}
