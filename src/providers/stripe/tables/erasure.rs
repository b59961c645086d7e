//! Erases rows.

use sqlx::PgConnection;
use uuid::Uuid;

/// Erases the response that an event fetched, and every row about an object of the account: of a
/// session, intent, charge or dispute also the payments that it belongs to. Returns the number of
/// rows.
pub(crate) async fn erase_object(
    connection: &mut PgConnection,
    source: &str,
    event: Uuid,
    object: Option<&str>,
    account: Option<&str>,
) -> Result<u64, sqlx::Error> {
    let thin = sqlx::query!(
        "DELETE FROM stripe_thin_events WHERE source = $1 AND event_id = $2",
        source,
        event,
    )
    .execute(&mut *connection)
    .await?;
    let object = match object {
        Some(object) if owns(connection, source, object, account).await? => Some(object),
        _ => None,
    };
    let invoices = invoices(connection, source, event, object).await?;
    let payments = erase_payments(connection, source, &invoices).await?;
    let states = match object {
        Some(object) => erase_states(connection, source, object).await?,
        None => 0,
    };
    Ok(thin.rows_affected() + payments + states)
}

/// Whether the object is the account's: an event of another account has changed none of its rows.
async fn owns(
    connection: &mut PgConnection,
    source: &str,
    object: &str,
    account: Option<&str>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT ($2 = COALESCE($3, $2)
                   AND EXISTS (SELECT FROM stripe_accounts WHERE source = $1 AND account = $2))
                  OR EXISTS (SELECT FROM stripe_objects
                              WHERE source = $1 AND object_id = $2
                                AND account IS NOT DISTINCT FROM $3) AS "owns!""#,
        source,
        object,
        account,
    )
    .fetch_one(connection)
    .await
}

/// The invoices of the application whose payment the event changed last, or the object belongs to.
async fn invoices(
    connection: &mut PgConnection,
    source: &str,
    event: Uuid,
    object: Option<&str>,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH intents AS (
                SELECT $3 AS id
                 UNION ALL
                SELECT payment_intent_id FROM stripe_charges
                 WHERE source = $1 AND charge_id = $3
                 UNION ALL
                SELECT payment_intent_id FROM stripe_disputes
                 WHERE source = $1 AND dispute_id = $3
           )
           SELECT invoice_id AS "invoice!" FROM stripe_payments
            WHERE source = $1
              AND (event_id = $2 OR session_id = $3 OR dispute_id = $3
                   OR payment_intent_id IN (SELECT id FROM intents WHERE id IS NOT NULL))
           UNION
           SELECT invoice_id FROM stripe_sessions WHERE source = $1 AND session_id = $3
           UNION
           SELECT object_id FROM stripe_objects
            WHERE source = $1 AND kind = 'invoice' AND event_id = $2"#,
        source,
        event,
        object,
    )
    .fetch_all(connection)
    .await
}

async fn erase_payments(
    connection: &mut PgConnection,
    source: &str,
    invoices: &[String],
) -> Result<u64, sqlx::Error> {
    let erased = sqlx::query_scalar!(
        r#"WITH objects AS (
                DELETE FROM stripe_objects
                 WHERE source = $1 AND kind = 'invoice' AND object_id = ANY($2) RETURNING 1
           ), payments AS (
                DELETE FROM stripe_payments
                 WHERE source = $1 AND invoice_id = ANY($2) RETURNING 1
           )
           SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM payments) AS "erased!""#,
        source,
        invoices,
    )
    .fetch_one(connection)
    .await?;
    Ok(erased.unsigned_abs())
}

async fn erase_states(
    connection: &mut PgConnection,
    source: &str,
    object: &str,
) -> Result<u64, sqlx::Error> {
    // The items refer to their subscription.
    let items = sqlx::query!(
        "DELETE FROM stripe_subscription_items WHERE source = $1 AND subscription_id = $2",
        source,
        object,
    )
    .execute(&mut *connection)
    .await?;
    let erased = sqlx::query_scalar!(
        r#"WITH objects AS (
                DELETE FROM stripe_objects
                 WHERE source = $1 AND kind <> 'invoice' AND object_id = $2 RETURNING 1
           ), sessions AS (
                DELETE FROM stripe_sessions WHERE source = $1 AND session_id = $2 RETURNING 1
           ), intents AS (
                DELETE FROM stripe_intents
                 WHERE source = $1 AND payment_intent_id = $2 RETURNING 1
           ), charges AS (
                DELETE FROM stripe_charges WHERE source = $1 AND charge_id = $2 RETURNING 1
           ), disputes AS (
                DELETE FROM stripe_disputes WHERE source = $1 AND dispute_id = $2 RETURNING 1
           ), subscriptions AS (
                DELETE FROM stripe_subscriptions
                 WHERE source = $1 AND subscription_id = $2 RETURNING 1
           ), subscribers AS (
                DELETE FROM stripe_subscribers
                 WHERE source = $1 AND (subscription_id = $2 OR session_id = $2) RETURNING 1
           ), invoices AS (
                DELETE FROM stripe_invoices WHERE source = $1 AND invoice_id = $2 RETURNING 1
           ), accounts AS (
                DELETE FROM stripe_accounts WHERE source = $1 AND account = $2 RETURNING 1
           )
           SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM sessions)
                + (SELECT count(*) FROM intents) + (SELECT count(*) FROM charges)
                + (SELECT count(*) FROM disputes) + (SELECT count(*) FROM subscriptions)
                + (SELECT count(*) FROM subscribers) + (SELECT count(*) FROM invoices)
                + (SELECT count(*) FROM accounts) AS "erased!""#,
        source,
        object,
    )
    .fetch_one(connection)
    .await?;
    Ok(items.rows_affected() + erased.unsigned_abs())
}

/// Erases everything of a source. Returns the number of rows.
pub(crate) async fn erase_source(
    connection: &mut PgConnection,
    source: &str,
) -> Result<u64, sqlx::Error> {
    let items = sqlx::query!("DELETE FROM stripe_subscription_items WHERE source = $1", source)
        .execute(&mut *connection)
        .await?;
    let erased = sqlx::query_scalar!(
        r#"WITH objects AS (DELETE FROM stripe_objects WHERE source = $1 RETURNING 1),
                sessions AS (DELETE FROM stripe_sessions WHERE source = $1 RETURNING 1),
                intents AS (DELETE FROM stripe_intents WHERE source = $1 RETURNING 1),
                charges AS (DELETE FROM stripe_charges WHERE source = $1 RETURNING 1),
                disputes AS (DELETE FROM stripe_disputes WHERE source = $1 RETURNING 1),
                payments AS (DELETE FROM stripe_payments WHERE source = $1 RETURNING 1),
                subscriptions AS (DELETE FROM stripe_subscriptions WHERE source = $1 RETURNING 1),
                subscribers AS (DELETE FROM stripe_subscribers WHERE source = $1 RETURNING 1),
                invoices AS (DELETE FROM stripe_invoices WHERE source = $1 RETURNING 1),
                thin AS (DELETE FROM stripe_thin_events WHERE source = $1 RETURNING 1),
                accounts AS (DELETE FROM stripe_accounts WHERE source = $1 RETURNING 1)
           SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM sessions)
                + (SELECT count(*) FROM intents) + (SELECT count(*) FROM charges)
                + (SELECT count(*) FROM disputes) + (SELECT count(*) FROM payments)
                + (SELECT count(*) FROM subscriptions) + (SELECT count(*) FROM subscribers)
                + (SELECT count(*) FROM invoices) + (SELECT count(*) FROM thin)
                + (SELECT count(*) FROM accounts) AS "erased!""#,
        source,
    )
    .fetch_one(connection)
    .await?;
    Ok(items.rows_affected() + erased.unsigned_abs())
}
