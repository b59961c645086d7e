//! Thin events.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A thin event, and the response of Stripe's API.
pub(crate) struct Thin {
    pub(crate) source: String,
    pub(crate) event_id: Uuid,
    pub(crate) stripe_event: String,
    pub(crate) kind: String,
    pub(crate) context: Option<String>,
    /// `None` if the source has no API key.
    pub(crate) fetched: Option<Fetched>,
}

/// The response of Stripe's API, as JSON.
pub(crate) struct Fetched {
    pub(crate) event: String,
    /// Only for handled types.
    pub(crate) object: Option<String>,
    pub(crate) at: OffsetDateTime,
}

/// Writes a thin event. A previous response is kept if nothing was fetched this time.
pub(crate) async fn record_thin(
    connection: &mut PgConnection,
    thin: &Thin,
) -> Result<bool, sqlx::Error> {
    let fetched = thin.fetched.as_ref();
    let done = sqlx::query!(
        "INSERT INTO stripe_thin_events AS known
            (source, event_id, stripe_event_id, kind, context, status, event, object, fetched_at)
         VALUES ($1, $2, $3, $4, $5, CASE WHEN $6::text IS NULL THEN 'kept' ELSE 'fetched' END,
                 $6, $7, $8)
         ON CONFLICT (source, event_id) DO UPDATE SET
            status = excluded.status,
            event = excluded.event,
            object = excluded.object,
            fetched_at = excluded.fetched_at
         WHERE excluded.status = 'fetched'",
        thin.source,
        thin.event_id,
        thin.stripe_event,
        thin.kind,
        thin.context,
        fetched.map(|fetched| &*fetched.event),
        fetched.and_then(|fetched| fetched.object.as_deref()),
        fetched.map(|fetched| fetched.at),
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
