//! The inputs of the payment state: sessions, intents, charges and disputes.

use sqlx::PgConnection;

use super::super::lifecycle::{Charge, Dispute, Intent, Place, Reached, Session, Stage};
use super::Stamp;

pub(crate) async fn sessions(
    connection: &mut PgConnection,
    source: &str,
    invoice: &str,
) -> Result<Vec<Session>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT session_id, invoice_id, payment_intent_id, stage, amount, currency, begun_at,
                reached_at, reached_by
           FROM stripe_sessions
          WHERE source = $1 AND invoice_id = $2",
        source,
        invoice,
    )
    .fetch_all(connection)
    .await?;
    let sessions = rows.into_iter().map(|row| Session {
        id: row.session_id,
        invoice: row.invoice_id,
        intent: row.payment_intent_id,
        stage: Stage::of(&row.stage),
        amount: row.amount,
        currency: row.currency,
        begun_at: row.begun_at,
        reached: Reached { at: row.reached_at, event: row.reached_by },
    });
    Ok(sessions.collect())
}

pub(crate) async fn save_session(
    connection: &mut PgConnection,
    source: &str,
    session: &Session,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO stripe_sessions
            (source, session_id, invoice_id, payment_intent_id, stage, amount, currency, begun_at,
             reached_at, reached_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (source, session_id, invoice_id) DO UPDATE SET
            payment_intent_id = excluded.payment_intent_id,
            stage = excluded.stage,
            amount = excluded.amount,
            currency = excluded.currency,
            begun_at = excluded.begun_at,
            reached_at = excluded.reached_at,
            reached_by = excluded.reached_by",
        source,
        session.id,
        session.invoice,
        session.intent,
        session.stage.as_str(),
        session.amount,
        session.currency,
        session.begun_at,
        session.reached.at,
        session.reached.event,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The intents with these ids, and those whose metadata names the invoice.
pub(crate) async fn intents(
    connection: &mut PgConnection,
    source: &str,
    ids: &[String],
    invoice: Option<&str>,
) -> Result<Vec<Intent>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT payment_intent_id, invoice_id, amount, currency, reached_at, reached_by
           FROM stripe_intents
          WHERE source = $1 AND (payment_intent_id = ANY($2) OR invoice_id = $3)",
        source,
        ids,
        invoice,
    )
    .fetch_all(connection)
    .await?;
    let intents = rows.into_iter().map(|row| Intent {
        id: row.payment_intent_id,
        invoice: row.invoice_id,
        amount: row.amount,
        currency: row.currency,
        reached: Reached { at: row.reached_at, event: row.reached_by },
    });
    Ok(intents.collect())
}

pub(crate) async fn save_intent(
    connection: &mut PgConnection,
    source: &str,
    intent: &Intent,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO stripe_intents
            (source, payment_intent_id, invoice_id, amount, currency, reached_at, reached_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (source, payment_intent_id) DO UPDATE SET
            invoice_id = excluded.invoice_id,
            amount = excluded.amount,
            currency = excluded.currency,
            reached_at = excluded.reached_at,
            reached_by = excluded.reached_by",
        source,
        intent.id,
        intent.invoice,
        intent.amount,
        intent.currency,
        intent.reached.at,
        intent.reached.event,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The invoices paid by the intent: those whose sessions refer to it, and the one that it names.
pub(crate) async fn invoices_of_intent(
    connection: &mut PgConnection,
    source: &str,
    intent: &str,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT invoice_id AS "invoice_id!" FROM stripe_sessions
            WHERE source = $1 AND payment_intent_id = $2
           UNION
           SELECT invoice_id FROM stripe_intents
            WHERE source = $1 AND payment_intent_id = $2 AND invoice_id IS NOT NULL
           ORDER BY 1"#,
        source,
        intent,
    )
    .fetch_all(connection)
    .await
}

/// The charge with this id, and those of the intent.
pub(crate) async fn charges(
    connection: &mut PgConnection,
    source: &str,
    id: Option<&str>,
    intent: Option<&str>,
) -> Result<Vec<Charge>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT charge_id, account, payment_intent_id, amount, amount_refunded, currency, as_of,
                as_of_rank, as_of_event
           FROM stripe_charges
          WHERE source = $1 AND (charge_id = $2 OR payment_intent_id = $3)",
        source,
        id,
        intent,
    )
    .fetch_all(connection)
    .await?;
    let charges = rows.into_iter().map(|row| Charge {
        id: row.charge_id,
        account: row.account,
        intent: row.payment_intent_id,
        amount: row.amount,
        amount_refunded: row.amount_refunded,
        currency: row.currency,
        place: Place { at: row.as_of, rank: row.as_of_rank, event: row.as_of_event },
    });
    Ok(charges.collect())
}

pub(crate) async fn save_charge(
    connection: &mut PgConnection,
    stamp: &Stamp,
    charge: &Charge,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO stripe_charges
            (source, charge_id, account, payment_intent_id, amount, amount_refunded, currency,
             livemode, as_of, as_of_rank, as_of_event)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (source, charge_id) DO UPDATE SET
            payment_intent_id = excluded.payment_intent_id,
            amount = excluded.amount,
            amount_refunded = excluded.amount_refunded,
            currency = excluded.currency,
            as_of = excluded.as_of,
            as_of_rank = excluded.as_of_rank,
            as_of_event = excluded.as_of_event",
        stamp.source,
        charge.id,
        charge.account,
        charge.intent,
        charge.amount,
        charge.amount_refunded,
        charge.currency,
        stamp.livemode,
        charge.place.at,
        charge.place.rank,
        charge.place.event,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The dispute with this id, and those of the intent.
pub(crate) async fn disputes(
    connection: &mut PgConnection,
    source: &str,
    id: Option<&str>,
    intent: Option<&str>,
) -> Result<Vec<Dispute>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT dispute_id, account, charge_id, payment_intent_id, status, reason, amount,
                currency, opened_at, evidence_due_by, closed_at, as_of, as_of_rank, as_of_event
           FROM stripe_disputes
          WHERE source = $1 AND (dispute_id = $2 OR payment_intent_id = $3)",
        source,
        id,
        intent,
    )
    .fetch_all(connection)
    .await?;
    let disputes = rows.into_iter().map(|row| Dispute {
        id: row.dispute_id,
        account: row.account,
        charge: row.charge_id,
        intent: row.payment_intent_id,
        status: row.status,
        reason: row.reason,
        amount: row.amount,
        currency: row.currency,
        opened_at: row.opened_at,
        evidence_due_by: row.evidence_due_by,
        closed_at: row.closed_at,
        place: Place { at: row.as_of, rank: row.as_of_rank, event: row.as_of_event },
    });
    Ok(disputes.collect())
}

pub(crate) async fn save_dispute(
    connection: &mut PgConnection,
    stamp: &Stamp,
    dispute: &Dispute,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO stripe_disputes
            (source, dispute_id, account, charge_id, payment_intent_id, status, reason, amount,
             currency, opened_at, evidence_due_by, closed_at, livemode, as_of, as_of_rank,
             as_of_event)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (source, dispute_id) DO UPDATE SET
            charge_id = excluded.charge_id,
            payment_intent_id = excluded.payment_intent_id,
            status = excluded.status,
            reason = excluded.reason,
            amount = excluded.amount,
            currency = excluded.currency,
            opened_at = excluded.opened_at,
            evidence_due_by = excluded.evidence_due_by,
            closed_at = excluded.closed_at,
            as_of = excluded.as_of,
            as_of_rank = excluded.as_of_rank,
            as_of_event = excluded.as_of_event",
        stamp.source,
        dispute.id,
        dispute.account,
        dispute.charge,
        dispute.intent,
        dispute.status,
        dispute.reason,
        dispute.amount,
        dispute.currency,
        dispute.opened_at,
        dispute.evidence_due_by,
        dispute.closed_at,
        stamp.livemode,
        dispute.place.at,
        dispute.place.rank,
        dispute.place.event,
    )
    .execute(connection)
    .await?;
    Ok(())
}
