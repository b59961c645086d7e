//! The statements on Stripe's tables. Anyone who reads a row in order to write it must hold the
//! lock of its object, taken by [`claim`].

mod accounts;
mod billing;
mod erasure;
mod payment_state;
mod payments;
mod thin;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use self::accounts::{AccountRow, record_account};
pub(super) use self::billing::{
    invoice, record_subscriber, save_invoice, save_subscription, subscription,
};
pub(super) use self::erasure::{erase_object, erase_source};
pub(super) use self::payment_state::{Payment, record_payment};
pub(super) use self::payments::{
    charges, disputes, intents, invoices_of_intent, save_charge, save_dispute, save_intent,
    save_session, sessions,
};
pub(super) use self::thin::{Fetched, Thin, record_thin};

/// The data about the event that every row contains.
pub(super) struct Stamp {
    pub(super) source: String,
    pub(super) livemode: bool,
    /// The connected account for which it happened; `None` for the platform's own account.
    pub(super) account: Option<String>,
    /// When Stripe created the event.
    pub(super) happened_at: OffsetDateTime,
    /// The time as of which the object is described: for a snapshot the event's creation, for a
    /// fetched object the request.
    pub(super) seen_at: OffsetDateTime,
    /// Stripe's id of the event; empty if it has none.
    pub(super) stripe_event: String,
    /// The gateway's id of the event.
    pub(super) event_id: Uuid,
}

/// The kind of object that an id names.
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

/// Assigns the object to the event's account if it has no owner yet, and returns the owner. The
/// no-op update locks the row until the end of the transaction.
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
