//! Writing what an event says.

use super::super::lifecycle::{
    Charge, Dispute, Intent, Invoice, Session, Subscriber, Subscription, standing,
};
use super::super::refusal::owner;
use super::super::tables::{self, ObjectKind, Payment, Stamp};
use super::{Change, alert};
use crate::store::{DeathReason, EffectError, Outcome, Tx};

impl Change {
    /// Writes what the event says, where it is news.
    pub(crate) async fn apply(
        &self,
        tx: &mut Tx<'_>,
        stamp: &Stamp,
    ) -> Result<Outcome, EffectError> {
        let news = match self {
            Self::Session(told) => session(tx, stamp, told).await?,
            Self::Intent(told) => intent(tx, stamp, told).await?,
            Self::Charge(told) => charge(tx, stamp, told).await?,
            Self::Dispute(told) => dispute(tx, stamp, told).await?,
            Self::Subscription(told) => subscription(tx, stamp, told).await?,
            Self::Subscriber(told) => subscriber(tx, stamp, told).await?,
            Self::Invoice(told) => invoice(tx, stamp, told).await?,
            Self::Account(told) => {
                tables::record_account(tx.connection(), stamp, &told.row()).await?
            }
        };
        Ok(if news { Outcome::Handled } else { Outcome::Unchanged })
    }
}

async fn session(tx: &mut Tx<'_>, stamp: &Stamp, told: &Session) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Session, &told.id).await?;
    if let Some(intent) = &told.intent {
        claim(tx, stamp, ObjectKind::Intent, intent).await?;
    }
    claim(tx, stamp, ObjectKind::Invoice, &told.invoice).await?;
    let connection = tx.connection();
    let mut sessions = tables::sessions(connection, &stamp.source, &told.invoice).await?;
    let place = sessions.iter().position(|session| session.id == told.id);
    let known = place.map(|place| sessions.swap_remove(place));
    let joined = Session::join(known.clone(), told.clone());
    if known.as_ref() != Some(&joined) {
        tables::save_session(connection, &stamp.source, &joined).await?;
    }
    sessions.push(joined);
    work_out(tx, stamp, &told.invoice, &sessions).await
}

async fn intent(tx: &mut Tx<'_>, stamp: &Stamp, told: &Intent) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Intent, &told.id).await?;
    let (source, connection) = (&stamp.source, tx.connection());
    let ids = std::slice::from_ref(&told.id);
    let known = tables::intents(connection, source, ids, None).await?.pop();
    let joined = Intent::join(known.clone(), told.clone());
    let news = known.as_ref() != Some(&joined);
    if news {
        tables::save_intent(connection, source, &joined).await?;
    }
    work_out_of_intent(tx, stamp, &told.id, news).await
}

async fn charge(tx: &mut Tx<'_>, stamp: &Stamp, told: &Charge) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Charge, &told.id).await?;
    if let Some(intent) = &told.intent {
        claim(tx, stamp, ObjectKind::Intent, intent).await?;
    }
    let connection = tx.connection();
    let known = tables::charges(connection, &stamp.source, Some(&told.id), None).await?.pop();
    let joined = Charge::join(known.clone(), told.clone());
    let news = known.as_ref() != Some(&joined);
    if news {
        tables::save_charge(connection, stamp, &joined).await?;
    }
    match &joined.intent {
        Some(intent) => work_out_of_intent(tx, stamp, intent, news).await,
        None => Ok(news),
    }
}

async fn dispute(tx: &mut Tx<'_>, stamp: &Stamp, told: &Dispute) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Dispute, &told.id).await?;
    claim(tx, stamp, ObjectKind::Charge, &told.charge).await?;
    if let Some(intent) = &told.intent {
        claim(tx, stamp, ObjectKind::Intent, intent).await?;
    }
    let connection = tx.connection();
    let known = tables::disputes(connection, &stamp.source, Some(&told.id), None).await?.pop();
    let joined = Dispute::join(known.clone(), told.clone());
    let news = known.as_ref() != Some(&joined);
    if news {
        tables::save_dispute(connection, stamp, &joined).await?;
    }
    let changed = match &joined.intent {
        Some(intent) => work_out_of_intent(tx, stamp, intent, news).await?,
        None => news,
    };
    // Last, since it locks what every dispute may want.
    alert::tell(tx, stamp, known.as_ref(), &joined).await?;
    Ok(changed)
}

async fn subscription(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    told: &Subscription,
) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Subscription, &told.id).await?;
    let connection = tx.connection();
    let known = tables::subscription(connection, &stamp.source, &told.id).await?;
    let joined = Subscription::join(known.clone(), told.clone());
    let news = known.as_ref() != Some(&joined);
    if news {
        tables::save_subscription(connection, stamp, &joined).await?;
    }
    Ok(news)
}

async fn subscriber(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    told: &Subscriber,
) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::Session, &told.session).await?;
    claim(tx, stamp, ObjectKind::Subscription, &told.subscription).await?;
    Ok(tables::record_subscriber(tx.connection(), stamp, told).await?)
}

async fn invoice(tx: &mut Tx<'_>, stamp: &Stamp, told: &Invoice) -> Result<bool, EffectError> {
    claim(tx, stamp, ObjectKind::StripeInvoice, &told.id).await?;
    if let Some(subscription) = &told.subscription {
        claim(tx, stamp, ObjectKind::Subscription, subscription).await?;
    }
    let connection = tx.connection();
    let known = tables::invoice(connection, &stamp.source, &told.id).await?;
    let joined = Invoice::join(known.clone(), told.clone());
    let news = known.as_ref() != Some(&joined);
    if news {
        tables::save_invoice(connection, stamp, &joined).await?;
    }
    Ok(news)
}

/// Gives the object to the event's account, unless another account has it.
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

/// Works out afresh every invoice that the intent pays. Where none is known yet, what was told
/// waits in its own table, and `news` says whether it is any.
async fn work_out_of_intent(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    intent: &str,
    news: bool,
) -> Result<bool, EffectError> {
    let invoices = tables::invoices_of_intent(tx.connection(), &stamp.source, intent).await?;
    let mut changed = news && invoices.is_empty();
    for invoice in invoices {
        claim(tx, stamp, ObjectKind::Invoice, &invoice).await?;
        let sessions = tables::sessions(tx.connection(), &stamp.source, &invoice).await?;
        changed |= work_out(tx, stamp, &invoice, &sessions).await?;
    }
    Ok(changed)
}

/// Works out afresh how an invoice's payment stands, by the sessions that name it; the invoice is
/// locked. False when it stands as before.
async fn work_out(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    invoice: &str,
    sessions: &[Session],
) -> Result<bool, EffectError> {
    let (source, connection) = (&stamp.source, tx.connection());
    let named: Vec<String> = sessions.iter().filter_map(|session| session.intent.clone()).collect();
    let intents = tables::intents(connection, source, &named, Some(invoice)).await?;
    let Some(standing) = standing(sessions, &intents) else { return Ok(false) };
    let intent = standing.intent.as_deref();
    let charges = tables::charges(connection, source, None, intent).await?;
    let disputes = tables::disputes(connection, source, None, intent).await?;
    let payment = Payment {
        invoice,
        standing: &standing,
        amount_refunded: charges
            .iter()
            .fold(0, |sum: i64, charge| sum.saturating_add(charge.amount_refunded)),
        dispute: Dispute::shown(&disputes),
    };
    Ok(tables::record_payment(connection, stamp, &payment).await?)
}
