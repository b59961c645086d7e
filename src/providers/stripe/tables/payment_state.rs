//! The payment state of invoices.

use sqlx::PgConnection;

use super::super::lifecycle::{Dispute, PaymentState};
use super::super::money::decimals;
use super::Stamp;

/// The computed state of one invoice's payment.
pub(crate) struct Payment<'a> {
    pub(crate) invoice: &'a str,
    pub(crate) state: &'a PaymentState,
    pub(crate) amount_refunded: i64,
    pub(crate) dispute: Option<&'a Dispute>,
}

/// Writes the payment state; false if nothing changed.
pub(crate) async fn record_payment(
    connection: &mut PgConnection,
    stamp: &Stamp,
    payment: &Payment<'_>,
) -> Result<bool, sqlx::Error> {
    let state = payment.state;
    let currency = state.currency.as_deref();
    let done = sqlx::query!(
        "INSERT INTO stripe_payments AS known
            (source, invoice_id, account, status, session_id, payment_intent_id, amount, currency,
             decimals, amount_refunded, dispute_id, dispute_status, livemode, paid_at, event_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (source, invoice_id) DO UPDATE SET
            status = excluded.status,
            session_id = excluded.session_id,
            payment_intent_id = excluded.payment_intent_id,
            amount = excluded.amount,
            currency = excluded.currency,
            decimals = excluded.decimals,
            amount_refunded = excluded.amount_refunded,
            dispute_id = excluded.dispute_id,
            dispute_status = excluded.dispute_status,
            paid_at = excluded.paid_at,
            event_id = excluded.event_id
         WHERE (known.status, known.session_id, known.payment_intent_id, known.amount,
                known.currency, known.amount_refunded, known.dispute_id, known.dispute_status,
                known.paid_at)
            IS DISTINCT FROM
               (excluded.status, excluded.session_id, excluded.payment_intent_id, excluded.amount,
                excluded.currency, excluded.amount_refunded, excluded.dispute_id,
                excluded.dispute_status, excluded.paid_at)",
        stamp.source,
        payment.invoice,
        stamp.account,
        state.stage.as_str(),
        state.session,
        state.intent,
        state.amount,
        currency,
        currency.map(|currency| i16::from(decimals(currency))),
        payment.amount_refunded,
        payment.dispute.map(|dispute| &*dispute.id),
        payment.dispute.map(|dispute| &*dispute.status),
        stamp.livemode,
        state.paid_at,
        stamp.event_id,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
