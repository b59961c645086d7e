//! The statements on Stripe's tables.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// What every row says about the event behind it.
pub(super) struct Stamp {
    pub(super) source: String,
    pub(super) livemode: bool,
    /// When the event was made at Stripe: in whole seconds, so that events tie.
    pub(super) event_created: OffsetDateTime,
    /// The gateway's id of the event. Sorts by time of arrival, to the millisecond, and stays the
    /// same in a replay: it breaks ties the same way every time.
    pub(super) event_id: Uuid,
}

/// What an id names.
#[derive(Debug, Clone, Copy)]
pub(super) enum ObjectKind {
    Invoice,
    Session,
    Intent,
}

impl ObjectKind {
    /// The stored word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Session => "checkout_session",
            Self::Intent => "payment_intent",
        }
    }
}

/// Whose an object is, and what is known of it.
pub(super) struct Claim {
    pub(super) account: Option<String>,
    pub(super) succeeded_at: Option<OffsetDateTime>,
}

/// Gives the object to `account` if nobody has it yet, and tells who has it. The update that
/// changes nothing takes the row's lock until the end of the transaction.
pub(super) async fn claim(
    connection: &mut PgConnection,
    stamp: &Stamp,
    kind: ObjectKind,
    object_id: &str,
    account: Option<&str>,
) -> Result<Claim, sqlx::Error> {
    sqlx::query_as!(
        Claim,
        "INSERT INTO stripe_objects AS known (source, kind, object_id, account, event_id)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (source, kind, object_id) DO UPDATE SET account = known.account
         RETURNING account, succeeded_at",
        stamp.source,
        kind.as_str(),
        object_id,
        account,
        stamp.event_id,
    )
    .fetch_one(connection)
    .await
}

/// Notes that a payment intent succeeded; false when that was known.
pub(super) async fn remember_success(
    connection: &mut PgConnection,
    stamp: &Stamp,
    intent: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE stripe_objects SET succeeded_at = $3
         WHERE source = $1 AND kind = 'payment_intent' AND object_id = $2
           AND succeeded_at IS NULL",
        stamp.source,
        intent,
        stamp.event_created,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The invoice whose session named the payment intent.
pub(super) async fn invoice_of_intent(
    connection: &mut PgConnection,
    source: &str,
    intent: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT invoice_id FROM stripe_payments
         WHERE source = $1 AND payment_intent_id = $2
         ORDER BY event_created DESC, event_id DESC
         LIMIT 1",
        source,
        intent,
    )
    .fetch_optional(connection)
    .await
}

/// How an invoice stands after an event.
pub(super) struct PaymentRow<'a> {
    pub(super) invoice: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) intent: Option<&'a str>,
    /// None while the money is on its way.
    pub(super) paid_at: Option<OffsetDateTime>,
    /// In minor units.
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<&'a str>,
}

/// Writes how the invoice stands; false when nothing changed.
///
/// Paid is final, and a payment counts whenever it arrives: that money was received is not undone
/// by a newer session that is still pending. Between pending sessions the newer event counts.
pub(super) async fn record_payment(
    connection: &mut PgConnection,
    stamp: &Stamp,
    payment: &PaymentRow<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO stripe_payments AS known
            (source, invoice_id, account, status, session_id, payment_intent_id, amount, currency,
             livemode, paid_at, event_created, event_id)
         VALUES ($1, $2, $3, CASE WHEN $9::timestamptz IS NULL THEN 'pending' ELSE 'paid' END,
                 $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (source, invoice_id) DO UPDATE SET
            status = excluded.status,
            session_id = CASE
                WHEN excluded.session_id IS NULL
                 AND known.payment_intent_id = excluded.payment_intent_id
                THEN known.session_id
                ELSE excluded.session_id
            END,
            payment_intent_id = excluded.payment_intent_id,
            amount = excluded.amount,
            currency = excluded.currency,
            paid_at = excluded.paid_at,
            event_created = excluded.event_created,
            event_id = excluded.event_id
         WHERE known.status = 'pending'
           AND (excluded.status = 'paid'
                OR (excluded.event_created, excluded.event_id)
                 > (known.event_created, known.event_id))",
        stamp.source,
        payment.invoice,
        payment.account,
        payment.session,
        payment.intent,
        payment.amount,
        payment.currency,
        stamp.livemode,
        payment.paid_at,
        stamp.event_created,
        stamp.event_id,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Adds what another event of the same payment knows: the session where only the intent was
/// known, and the earlier time; false when it knows nothing more.
pub(super) async fn complete_payment(
    connection: &mut PgConnection,
    stamp: &Stamp,
    payment: &PaymentRow<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE stripe_payments
         SET session_id = coalesce(session_id, $4), paid_at = least(paid_at, $5)
         WHERE source = $1 AND invoice_id = $2 AND payment_intent_id = $3 AND status = 'paid'
           AND ((session_id IS NULL AND $4::text IS NOT NULL) OR paid_at > $5::timestamptz)",
        stamp.source,
        payment.invoice,
        payment.intent,
        payment.session,
        payment.paid_at,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How a connected account stands after an event.
pub(super) struct AccountRow<'a> {
    pub(super) account: &'a str,
    pub(super) status: &'a str,
    pub(super) details_submitted: bool,
    pub(super) payouts_enabled: bool,
    pub(super) charges_enabled: bool,
}

/// Writes how the account stands, unless a newer event is known; false when nothing changed.
pub(super) async fn record_account(
    connection: &mut PgConnection,
    stamp: &Stamp,
    account: &AccountRow<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO stripe_accounts AS known
            (source, account, status, details_submitted, payouts_enabled, charges_enabled,
             livemode, event_created, event_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (source, account) DO UPDATE SET
            status = excluded.status,
            details_submitted = excluded.details_submitted,
            payouts_enabled = excluded.payouts_enabled,
            charges_enabled = excluded.charges_enabled,
            event_created = excluded.event_created,
            event_id = excluded.event_id
         WHERE (excluded.event_created, excluded.event_id)
             > (known.event_created, known.event_id)",
        stamp.source,
        account.account,
        account.status,
        account.details_submitted,
        account.payouts_enabled,
        account.charges_enabled,
        stamp.livemode,
        stamp.event_created,
        stamp.event_id,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
