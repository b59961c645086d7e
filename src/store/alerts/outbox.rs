//! Pending alerts: claimed under a lease, sent, settled.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{AlertRow, AlertState, Notification, Severity};
use crate::store::deliveries::interval;
use crate::store::{Store, StoreError};

/// The maximum number of pending alerts; beyond it the oldest of the least severe are given up.
const MAX_PENDING: i64 = 1_000;
/// The maximum number of stored alerts.
const MAX_KEPT: i64 = 10_000;

/// Alerts to send now, under a lease.
#[derive(Debug)]
pub struct AlertBatch {
    /// The most severe first, then in the order in which they were raised.
    pub alerts: Vec<PendingAlert>,
    /// The highest number of failed attempts in a row.
    pub attempts: u32,
    /// Fencing token.
    token: Uuid,
}

/// An alert to send.
#[derive(Debug, Clone)]
pub struct PendingAlert {
    pub id: i64,
    pub source: String,
    pub alert_type: String,
    pub severity: Severity,
    /// Whether it reports that another alert was closed.
    pub resolution: bool,
    pub text: String,
    pub last_at: OffsetDateTime,
    /// How often it was raised.
    pub count: i64,
    /// The count that was last sent.
    pub notified_count: i64,
}

/// An open alert.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAlert {
    /// The source it is about; empty for the gateway itself.
    pub source: String,
    pub alert_type: String,
    pub key: String,
    pub severity: Severity,
    /// The latest text.
    pub text: String,
    pub since: OffsetDateTime,
    /// How often it was raised, or the size of the condition.
    pub count: i64,
    /// Seconds since it was last raised, by the database's clock.
    pub quiet_seconds: f64,
}

/// A filter of alerts.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Include closed alerts that were sent.
    pub all: bool,
    /// Only alerts about these sources or `handlers`.
    pub sources: Option<Vec<String>>,
    /// With `sources`: the stored names of destinations whose alerts are wanted too.
    pub handlers: Vec<String>,
    /// Pagination: only alerts after this `last_at` and id.
    pub after: Option<(OffsetDateTime, i64)>,
    pub limit: u32,
}

impl Store {
    /// Claims the pending alerts of at least this severity, for `lease`; none while a failure
    /// delays the next attempt. Committed when it returns.
    pub async fn claim_alerts(
        &self,
        min_severity: Severity,
        lease: Duration,
    ) -> Result<Option<AlertBatch>, StoreError> {
        let token = Uuid::new_v4();
        let rows = sqlx::query!(
            "WITH due AS MATERIALIZED (
                 SELECT id FROM alerts
                  WHERE pending AND severity >= $1
                    AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
                    AND NOT EXISTS (
                        SELECT 1 FROM alerts AS waiting
                         WHERE waiting.pending AND waiting.retry_at > clock_timestamp())
                  ORDER BY severity DESC, id LIMIT $2
                    FOR UPDATE SKIP LOCKED
             )
             UPDATE alerts
                SET lease_token = $3, lease_expires_at = clock_timestamp() + $4
              WHERE id IN (SELECT id FROM due)
             RETURNING id, source, alert_type, severity, resolution, text, last_at, count,
                       notified_count, attempts",
            min_severity.rank(),
            MAX_PENDING,
            token,
            interval(lease),
        )
        .fetch_all(&self.dispatch)
        .await?;
        let attempts = rows.iter().map(|row| row.attempts.unsigned_abs()).max();
        let Some(attempts) = attempts else { return Ok(None) };
        let alerts = rows.into_iter().map(|row| PendingAlert {
            id: row.id,
            source: row.source,
            alert_type: row.alert_type,
            severity: Severity::ranked(row.severity),
            resolution: row.resolution,
            text: row.text,
            last_at: row.last_at,
            count: row.count,
            notified_count: row.notified_count,
        });
        let mut alerts: Vec<PendingAlert> = alerts.collect();
        alerts.sort_unstable_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.id));
        Ok(Some(AlertBatch { alerts, attempts, token }))
    }

    /// Records that a batch was sent, unless another gateway has claimed it meanwhile.
    pub async fn alerts_sent(&self, batch: &AlertBatch) -> Result<(), StoreError> {
        let ids: Vec<i64> = batch.alerts.iter().map(|alert| alert.id).collect();
        let counts: Vec<i64> = batch.alerts.iter().map(|alert| alert.count).collect();
        sqlx::query!(
            "UPDATE alerts AS a
                SET notified_count = t.count, sent_at = clock_timestamp(), pending = false, attempts = 0,
                    retry_at = NULL, lease_token = NULL, lease_expires_at = NULL
               FROM UNNEST($1::bigint[], $2::bigint[]) AS t (id, count)
              WHERE a.id = t.id AND a.lease_token = $3",
            &ids,
            &counts,
            batch.token,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(())
    }

    /// Returns a batch that could not be sent. Nothing is sent before `wait` has passed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the lease expires then.
    pub async fn alerts_failed(
        &self,
        batch: &AlertBatch,
        wait: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE alerts
                SET attempts = attempts + 1, retry_at = clock_timestamp() + $2,
                    lease_token = NULL, lease_expires_at = NULL
              WHERE lease_token = $1",
            batch.token,
            interval(wait),
        )
        .execute(&self.dispatch)
        .await?;
        Ok(())
    }

    /// Open alerts, at most `limit`: the most severe first, then the most recent.
    pub async fn open_alerts(&self, limit: i64) -> Result<Vec<OpenAlert>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT source, alert_type, key, severity, text, first_at, count,
                    extract(epoch FROM clock_timestamp() - last_at)::float8 AS "quiet!"
               FROM alerts
              WHERE closed_at IS NULL
              ORDER BY severity DESC, last_at DESC, id DESC LIMIT $1"#,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        let open = rows.into_iter().map(|row| OpenAlert {
            source: row.source,
            alert_type: row.alert_type,
            key: row.key,
            severity: Severity::ranked(row.severity),
            text: row.text,
            since: row.first_at,
            count: row.count,
            quiet_seconds: row.quiet,
        });
        Ok(open.collect())
    }

    /// Gives up pending alerts that are too old or too many and returns their number. Closes
    /// passing alerts, and deletes alerts closed long ago.
    pub async fn clean_up_alerts(&self) -> Result<u64, StoreError> {
        let given_up = sqlx::query!(
            "UPDATE alerts
                SET pending = false, retry_at = NULL, lease_token = NULL, lease_expires_at = NULL
              WHERE pending
                AND (last_at < clock_timestamp() - interval '1 day'
                     OR id IN (SELECT id FROM alerts WHERE pending
                                ORDER BY severity DESC, id DESC OFFSET $1))",
            MAX_PENDING,
        )
        .execute(&self.dispatch)
        .await?;
        sqlx::query!(
            "UPDATE alerts SET closed_at = clock_timestamp()
              WHERE passing AND closed_at IS NULL AND NOT pending
                AND last_at < clock_timestamp() - interval '1 hour'",
        )
        .execute(&self.dispatch)
        .await?;
        sqlx::query!(
            "DELETE FROM alerts
              WHERE NOT pending
                AND (last_at < clock_timestamp() - CASE WHEN closed_at IS NULL
                                                        THEN interval '1 year'
                                                        ELSE interval '30 days' END
                     OR id IN (SELECT id FROM alerts WHERE NOT pending
                                ORDER BY last_at DESC OFFSET $1))",
            MAX_KEPT,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(given_up.rows_affected())
    }

    /// The newest alerts that match.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRow>, StoreError> {
        let (last_at, id) = filter.after.unzip();
        let rows = sqlx::query!(
            "SELECT id, source, alert_type, key, severity, resolution, text, first_at, last_at,
                    count, sent_at, closed_at, pending
               FROM alerts
              WHERE ($1 OR pending OR closed_at IS NULL)
                AND ($2::text[] IS NULL OR source = ANY($2)
                     OR (source = '' AND key = ANY($6)))
                AND ($3::timestamptz IS NULL OR (last_at, id) < ($3, $4::bigint))
              ORDER BY last_at DESC, id DESC LIMIT $5",
            filter.all,
            filter.sources.as_deref(),
            last_at,
            id,
            i64::from(filter.limit),
            &filter.handlers,
        )
        .fetch_all(&self.admin)
        .await?;
        let alerts = rows.into_iter().map(|row| AlertRow {
            id: row.id,
            severity: Severity::ranked(row.severity),
            source: row.source,
            alert_type: row.alert_type,
            key: Some(row.key).filter(|key| !key.is_empty()),
            count: row.count,
            first_at: row.first_at,
            last_at: row.last_at,
            state: match (row.resolution, row.closed_at) {
                (true, _) => AlertState::Resolution,
                (false, Some(_)) => AlertState::Closed,
                (false, None) => AlertState::Open,
            },
            closed_at: row.closed_at,
            notification: match (row.pending, row.sent_at) {
                (true, _) => Notification::Pending,
                (false, Some(_)) => Notification::Sent,
                (false, None) => Notification::NotSent,
            },
            sent_at: row.sent_at,
            text: Some(row.text),
        });
        Ok(alerts.collect())
    }
}
