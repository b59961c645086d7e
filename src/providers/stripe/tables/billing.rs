//! Subscriptions and Stripe's own invoices.

use sqlx::PgConnection;

use super::super::lifecycle::{Invoice, Item, Place, Subscriber, Subscription};
use super::super::money::decimals;
use super::Stamp;

pub(crate) async fn subscription(
    connection: &mut PgConnection,
    source: &str,
    id: &str,
) -> Result<Option<Subscription>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT subscription_id, account, customer_id, status, current_period_end,
                cancel_at_period_end, cancel_at, canceled_at, ended_at, as_of, as_of_rank,
                as_of_event
           FROM stripe_subscriptions WHERE source = $1 AND subscription_id = $2",
        source,
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let items = sqlx::query_as!(
        Item,
        r#"SELECT item_id AS id, price_id AS price, product_id AS product, quantity
             FROM stripe_subscription_items WHERE source = $1 AND subscription_id = $2
            ORDER BY item_id COLLATE "C""#,
        source,
        id,
    )
    .fetch_all(connection)
    .await?;
    Ok(Some(Subscription {
        id: row.subscription_id,
        account: row.account,
        customer: row.customer_id,
        status: row.status,
        current_period_end: row.current_period_end,
        cancel_at_period_end: row.cancel_at_period_end,
        cancel_at: row.cancel_at,
        canceled_at: row.canceled_at,
        ended_at: row.ended_at,
        items,
        place: Place { at: row.as_of, rank: row.as_of_rank, event: row.as_of_event },
    }))
}

/// Writes a subscription and its items.
pub(crate) async fn save_subscription(
    connection: &mut PgConnection,
    stamp: &Stamp,
    subscription: &Subscription,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO stripe_subscriptions
            (source, subscription_id, account, customer_id, status, current_period_end,
             cancel_at_period_end, cancel_at, canceled_at, ended_at, livemode, as_of, as_of_rank,
             as_of_event)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (source, subscription_id) DO UPDATE SET
            customer_id = excluded.customer_id,
            status = excluded.status,
            current_period_end = excluded.current_period_end,
            cancel_at_period_end = excluded.cancel_at_period_end,
            cancel_at = excluded.cancel_at,
            canceled_at = excluded.canceled_at,
            ended_at = excluded.ended_at,
            as_of = excluded.as_of,
            as_of_rank = excluded.as_of_rank,
            as_of_event = excluded.as_of_event",
        stamp.source,
        subscription.id,
        subscription.account,
        subscription.customer,
        subscription.status,
        subscription.current_period_end,
        subscription.cancel_at_period_end,
        subscription.cancel_at,
        subscription.canceled_at,
        subscription.ended_at,
        stamp.livemode,
        subscription.place.at,
        subscription.place.rank,
        subscription.place.event,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM stripe_subscription_items WHERE source = $1 AND subscription_id = $2",
        stamp.source,
        subscription.id,
    )
    .execute(&mut *connection)
    .await?;
    for item in &subscription.items {
        sqlx::query!(
            "INSERT INTO stripe_subscription_items
                (source, subscription_id, item_id, price_id, product_id, quantity)
             VALUES ($1, $2, $3, $4, $5, $6)",
            stamp.source,
            subscription.id,
            item.id,
            item.price,
            item.product,
            item.quantity,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Writes who a subscription is for, as first reported; false if nothing changed.
pub(crate) async fn record_subscriber(
    connection: &mut PgConnection,
    stamp: &Stamp,
    subscriber: &Subscriber,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        r#"INSERT INTO stripe_subscribers AS known
            (source, subscription_id, reference, account, customer_id, session_id, reached_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (source, subscription_id) DO UPDATE SET
            reference = excluded.reference,
            customer_id = excluded.customer_id,
            session_id = excluded.session_id,
            reached_at = excluded.reached_at
         WHERE (excluded.reached_at, excluded.session_id COLLATE "C")
             < (known.reached_at, known.session_id COLLATE "C")"#,
        stamp.source,
        subscriber.subscription,
        subscriber.reference,
        stamp.account,
        subscriber.customer,
        subscriber.session,
        subscriber.reached_at,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn invoice(
    connection: &mut PgConnection,
    source: &str,
    id: &str,
) -> Result<Option<Invoice>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT invoice_id, account, customer_id, subscription_id, status, amount_due, amount_paid,
                currency, billing_reason, attempt_count, next_attempt_at, last_failed_at, paid_at,
                as_of, as_of_rank, as_of_event
           FROM stripe_invoices WHERE source = $1 AND invoice_id = $2",
        source,
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Invoice {
        id: row.invoice_id,
        account: row.account,
        customer: row.customer_id,
        subscription: row.subscription_id,
        status: row.status,
        amount_due: row.amount_due,
        amount_paid: row.amount_paid,
        currency: row.currency,
        billing_reason: row.billing_reason,
        attempt_count: row.attempt_count,
        next_attempt_at: row.next_attempt_at,
        last_failed_at: row.last_failed_at,
        paid_at: row.paid_at,
        place: Place { at: row.as_of, rank: row.as_of_rank, event: row.as_of_event },
    }))
}

pub(crate) async fn save_invoice(
    connection: &mut PgConnection,
    stamp: &Stamp,
    invoice: &Invoice,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO stripe_invoices
            (source, invoice_id, account, customer_id, subscription_id, status, amount_due,
             amount_paid, currency, decimals, billing_reason, attempt_count, next_attempt_at,
             last_failed_at, paid_at, livemode, as_of, as_of_rank, as_of_event)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19)
         ON CONFLICT (source, invoice_id) DO UPDATE SET
            customer_id = excluded.customer_id,
            subscription_id = excluded.subscription_id,
            status = excluded.status,
            amount_due = excluded.amount_due,
            amount_paid = excluded.amount_paid,
            currency = excluded.currency,
            decimals = excluded.decimals,
            billing_reason = excluded.billing_reason,
            attempt_count = excluded.attempt_count,
            next_attempt_at = excluded.next_attempt_at,
            last_failed_at = excluded.last_failed_at,
            paid_at = excluded.paid_at,
            as_of = excluded.as_of,
            as_of_rank = excluded.as_of_rank,
            as_of_event = excluded.as_of_event",
        stamp.source,
        invoice.id,
        invoice.account,
        invoice.customer,
        invoice.subscription,
        invoice.status,
        invoice.amount_due,
        invoice.amount_paid,
        invoice.currency,
        i16::from(decimals(&invoice.currency)),
        invoice.billing_reason,
        invoice.attempt_count,
        invoice.next_attempt_at,
        invoice.last_failed_at,
        invoice.paid_at,
        stamp.livemode,
        invoice.place.at,
        invoice.place.rank,
        invoice.place.event,
    )
    .execute(connection)
    .await?;
    Ok(())
}
