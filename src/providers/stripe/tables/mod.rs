//! The statements on Stripe's tables. Whoever reads a row to write it afterwards holds the lock of
//! its object, by [`claim`].

mod accounts;
mod billing;
mod payments;
mod standing;
mod thin;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use self::accounts::{AccountRow, record_account};
pub(super) use self::billing::{
    invoice, record_subscriber, save_invoice, save_subscription, subscription,
};
pub(super) use self::payments::{
    charges, disputes, intents, invoices_of_intent, save_charge, save_dispute, save_intent,
    save_session, sessions,
};
pub(super) use self::standing::{Payment, record_payment};
pub(super) use self::thin::{Fetched, Thin, record_thin};

/// What every row says about the event behind it.
pub(super) struct Stamp {
    pub(super) source: String,
    pub(super) livemode: bool,
    /// The connected account in whose name it happened; none is the platform's own.
    pub(super) account: Option<String>,
    /// When the event was made at Stripe.
    pub(super) happened_at: OffsetDateTime,
    /// As of when the object is described. Of a snapshot: when the event was made. Of an object
    /// that was fetched: when it was asked for.
    pub(super) seen_at: OffsetDateTime,
    /// Stripe's id of the event; empty where it has none.
    pub(super) stripe_event: String,
    /// The gateway's id of the event.
    pub(super) event_id: Uuid,
}

/// What an id names.
#[derive(Debug, Clone, Copy)]
pub(super) enum ObjectKind {
    Invoice,
    Session,
    Intent,
    Charge,
    Dispute,
    Subscription,
    StripeInvoice,
}

impl ObjectKind {
    /// The stored word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Session => "checkout_session",
            Self::Intent => "payment_intent",
            Self::Charge => "charge",
            Self::Dispute => "dispute",
            Self::Subscription => "subscription",
            Self::StripeInvoice => "stripe_invoice",
        }
    }
}

/// Gives the object to the event's account if nobody has it yet, and tells who has it. The update
/// that changes nothing takes the row's lock until the end of the transaction.
pub(super) async fn claim(
    connection: &mut PgConnection,
    stamp: &Stamp,
    kind: ObjectKind,
    object_id: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO stripe_objects AS known (source, kind, object_id, account, event_id)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (source, kind, object_id) DO UPDATE SET account = known.account
         RETURNING account",
        stamp.source,
        kind.as_str(),
        object_id,
        stamp.account,
        stamp.event_id,
    )
    .fetch_one(connection)
    .await
}
