//! Writes the change that an event reports.

use super::super::lifecycle::{
    Charge, Dispute, Intent, Invoice, Session, Subscriber, Subscription, payment_state,
};
use super::super::refusal::owner;
use super::super::tables::{self, ObjectKind, Payment, Stamp};
use super::{Change, alert};
use crate::store::{DeathReason, EffectError, Outcome, Tx};

impl Change {
    /// Writes the change, if it is new.
    pub(crate) async fn apply(
        &self,
        tx: &mut Tx<'_>,
        stamp: &Stamp,
    ) -> Result<Outcome, EffectError> {
        let changed = match self {
            Self::Session(update) => session(tx, stamp, update).await?,
            Self::Intent(update) => intent(tx, stamp, update).await?,
            Self::Charge(update) => charge(tx, stamp, update).await?,
            Self::Dispute(update) => dispute(tx, stamp, update).await?,
            Self::Subscription(update) => subscription(tx, stamp, update).await?,
            Self::Subscriber(update) => subscriber(tx, stamp, update).await?,
            Self::Invoice(update) => invoice(tx, stamp, update).await?,
            Self::Account(update) => {
                tables::record_account(tx.connection(), stamp, &update.row()).await?
            }
        };
        Ok(if changed { Outcome::Handled } else { Outcome::Unchanged })
    }
}

async fn session(tx: &mut Tx<'_>, stamp: &Stamp, update: &Session) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Session, &update.id).await?;
    if let Some(intent) = &update.intent {
        claim(tx, stamp, ObjectKind::Intent, intent).await?;
    }
    claim(tx, stamp, ObjectKind::Invoice, &update.invoice).await?;
    let connection = tx.connection();
    let mut sessions = tables::sessions(connection, &stamp.source, &update.invoice).await?;
    let place = sessions.iter().position(|session| session.id == update.id);
    let known = place.map(|place| sessions.swap_remove(place));
    let joined = Session::join(known.clone(), update.clone());
    if known.as_ref() != Some(&joined) {
        tables::save_session(connection, &stamp.source, &joined).await?;
    }
    sessions.push(joined);
    recompute_payment(tx, stamp, &update.invoice, &sessions).await
}

async fn intent(tx: &mut Tx<'_>, stamp: &Stamp, update: &Intent) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Intent, &update.id).await?;
    let (source, connection) = (&stamp.source, tx.connection());
    let ids = std::slice::from_ref(&update.id);
    let known = tables::intents(connection, source, ids, None).await?.pop();
    let joined = Intent::join(known.clone(), update.clone());
    let changed = known.as_ref() != Some(&joined);
    if changed {
        tables::save_intent(connection, source, &joined).await?;
    }
    recompute_payments_of_intent(tx, stamp, &update.id, changed).await
}

async fn charge(tx: &mut Tx<'_>, stamp: &Stamp, update: &Charge) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Charge, &update.id).await?;
    if let Some(intent) = &update.intent {
        claim(tx, stamp, ObjectKind::Intent, intent).await?;
    }
    let connection = tx.connection();
    let known = tables::charges(connection, &stamp.source, Some(&update.id), None).await?.pop();
    let joined = Charge::join(known.clone(), update.clone());
    let changed = known.as_ref() != Some(&joined);
    if changed {
        tables::save_charge(connection, stamp, &joined).await?;
    }
    match &joined.intent {
        Some(intent) => recompute_payments_of_intent(tx, stamp, intent, changed).await,
        None => Ok(changed),
    }
}

async fn dispute(tx: &mut Tx<'_>, stamp: &Stamp, update: &Dispute) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Dispute, &update.id).await?;
    claim(tx, stamp, ObjectKind::Charge, &update.charge).await?;
    if let Some(intent) = &update.intent {
        claim(tx, stamp, ObjectKind::Intent, intent).await?;
    }
    let connection = tx.connection();
    let known = tables::disputes(connection, &stamp.source, Some(&update.id), None).await?.pop();
    let joined = Dispute::join(known.clone(), update.clone());
    let changed = known.as_ref() != Some(&joined);
    if changed {
        tables::save_dispute(connection, stamp, &joined).await?;
    }
    let any_changed = match &joined.intent {
        Some(intent) => recompute_payments_of_intent(tx, stamp, intent, changed).await?,
        None => changed,
    };
    // Last, since it locks a row that all disputes share.
    alert::update_alert(tx, stamp, known.as_ref(), &joined).await?;
    Ok(any_changed)
}

async fn subscription(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    update: &Subscription,
) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Subscription, &update.id).await?;
    let connection = tx.connection();
    let known = tables::subscription(connection, &stamp.source, &update.id).await?;
    let joined = Subscription::join(known.clone(), update.clone());
    let changed = known.as_ref() != Some(&joined);
    if changed {
        tables::save_subscription(connection, stamp, &joined).await?;
    }
    Ok(changed)
}

async fn subscriber(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    update: &Subscriber,
) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Session, &update.session).await?;
    claim(tx, stamp, ObjectKind::Subscription, &update.subscription).await?;
    Ok(tables::record_subscriber(tx.connection(), stamp, update).await?)
}

async fn invoice(tx: &mut Tx<'_>, stamp: &Stamp, update: &Invoice) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::StripeInvoice, &update.id).await?;
    if let Some(subscription) = &update.subscription {
        claim(tx, stamp, ObjectKind::Subscription, subscription).await?;
    }
    let connection = tx.connection();
    let known = tables::invoice(connection, &stamp.source, &update.id).await?;
    let joined = Invoice::join(known.clone(), update.clone());
    let changed = known.as_ref() != Some(&joined);
    if changed {
        tables::save_invoice(connection, stamp, &joined).await?;
    }
    Ok(changed)
}

/// Assigns the object to the event's account, unless another account owns it.
async fn claim(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    kind: ObjectKind,
    id: &str,
) -> Result<(), EffectError> {
    let account = stamp.account.as_deref();
    let known = tables::claim(tx.connection(), stamp, kind, id).await?;
    if known.as_deref() == account {
        return Ok(());
    }
    Err(EffectError::Rejected {
        reason: DeathReason::WrongAccount,
        detail: format!(
            "{} {id} belongs to {}, but the event is from {}",
            kind.as_str(),
            owner(known.as_deref()),
            owner(account),
        ),
    })
}

/// Recomputes every invoice that the intent pays. If none is known yet, the intent's data waits in
/// its own table, and `changed` says whether it is new.
async fn recompute_payments_of_intent(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    intent: &str,
    changed: bool,
) -> Result<bool, EffectError> {
    let invoices = tables::invoices_of_intent(tx.connection(), &stamp.source, intent).await?;
    let mut any_changed = changed && invoices.is_empty();
    for invoice in invoices {
        claim(tx, stamp, ObjectKind::Invoice, &invoice).await?;
        let sessions = tables::sessions(tx.connection(), &stamp.source, &invoice).await?;
        any_changed |= recompute_payment(tx, stamp, &invoice, &sessions).await?;
    }
    Ok(any_changed)
}

/// Recomputes an invoice's payment state from the sessions that name it; the invoice is locked.
/// Returns false if nothing changed.
async fn recompute_payment(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    invoice: &str,
    sessions: &[Session],
) -> Result<bool, EffectError> {
    let (source, connection) = (&stamp.source, tx.connection());
    let named: Vec<String> = sessions.iter().filter_map(|session| session.intent.clone()).collect();
    let intents = tables::intents(connection, source, &named, Some(invoice)).await?;
    let Some(payment_state) = payment_state(sessions, &intents) else { return Ok(false) };
    let intent = payment_state.intent.as_deref();
    let charges = tables::charges(connection, source, None, intent).await?;
    let disputes = tables::disputes(connection, source, None, intent).await?;
    let payment = Payment {
        invoice,
        state: &payment_state,
        amount_refunded: charges
            .iter()
            .fold(0, |sum: i64, charge| sum.saturating_add(charge.amount_refunded)),
        dispute: Dispute::shown(&disputes),
    };
    Ok(tables::record_payment(connection, stamp, &payment).await?)
}
