//! Pending alerts: claimed under a lease, sent, settled.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{AlertRow, Severity};
use crate::store::deliveries::interval;
use crate::store::{Store, StoreError};

/// The most alerts that wait: beyond it the oldest of the least severe are given up.
const MAX_PENDING: i64 = 1_000;
/// The most alerts that are kept.
const MAX_KEPT: i64 = 10_000;

/// What is to be told now, by whoever holds it.
#[derive(Debug)]
pub struct AlertBatch {
    /// The alerts: the most severe first, then in the order in which they were raised.
    pub alerts: Vec<PendingAlert>,
    /// How often telling them failed in a row, at most.
    pub attempts: u32,
    /// The fencing token.
    token: Uuid,
}

/// An alert that is to be told.
#[derive(Debug, Clone)]
pub struct PendingAlert {
    /// Its id.
    pub id: i64,
    /// The source that it is about.
    pub source: String,
    /// What happened.
    pub kind: String,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it says that something is over.
    pub recovery: bool,
    /// What to tell.
    pub text: String,
    /// When it was raised last.
    pub last_at: OffsetDateTime,
    /// How often it was raised.
    pub count: i64,
    /// How often of that was told before.
    pub told: i64,
}

/// An alert that goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAlert {
    /// The source that it is about; empty for the gateway itself.
    pub source: String,
    /// What happened.
    pub kind: String,
    /// What it happened to.
    pub key: String,
    /// How much it matters.
    pub severity: Severity,
    /// The newest text.
    pub text: String,
    /// When it was raised first.
    pub since: OffsetDateTime,
    /// How often it was raised, or how much of it there is.
    pub count: i64,
    /// How many seconds ago it was raised last, by the database's clock.
    pub quiet_seconds: f64,
}

/// Which alerts.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Those that are over and told, too.
    pub all: bool,
    /// Only of these sources, and of these `handlers`.
    pub sources: Option<Vec<String>>,
    /// With `sources`: the stored names of destinations whose alerts are wanted too.
    pub handlers: Vec<String>,
    /// Only those that come after this one: when it was raised last, and its id.
    pub after: Option<(OffsetDateTime, i64)>,
    /// The most.
    pub limit: u32,
}

impl Store {
    /// Takes everything of at least this severity that is pending, for `lease`; nothing while a
    /// failure says to wait. Committed when it returns.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_alerts(
        &self,
        least: Severity,
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
             RETURNING id, source, kind, severity, recovery, text, last_at, count, told, attempts",
            least.rank(),
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
            kind: row.kind,
            severity: Severity::ranked(row.severity),
            recovery: row.recovery,
            text: row.text,
            last_at: row.last_at,
            count: row.count,
            told: row.told,
        });
        let mut alerts: Vec<PendingAlert> = alerts.collect();
        alerts.sort_unstable_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.id));
        Ok(Some(AlertBatch { alerts, attempts, token }))
    }

    /// Notes that a batch was told, unless another gateway holds it by now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn alerts_told(&self, batch: &AlertBatch) -> Result<(), StoreError> {
        let ids: Vec<i64> = batch.alerts.iter().map(|alert| alert.id).collect();
        let counts: Vec<i64> = batch.alerts.iter().map(|alert| alert.count).collect();
        sqlx::query!(
            "UPDATE alerts AS a
                SET told = t.count, sent_at = clock_timestamp(), pending = false, attempts = 0,
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

    /// Gives a batch back that could not be told. Nothing is told before `wait` has passed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the lease expires then.
    pub async fn alerts_not_told(
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

    /// Everything that goes on, what matters most and was raised last first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn alerts_going_on(&self, limit: i64) -> Result<Vec<OpenAlert>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT source, kind, key, severity, text, first_at, count,
                    extract(epoch FROM clock_timestamp() - last_at)::float8 AS "quiet!"
               FROM alerts
              WHERE over_at IS NULL
              ORDER BY severity DESC, last_at DESC, id DESC LIMIT $1"#,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        let going_on = rows.into_iter().map(|row| OpenAlert {
            source: row.source,
            kind: row.kind,
            key: row.key,
            severity: Severity::ranked(row.severity),
            text: row.text,
            since: row.first_at,
            count: row.count,
            quiet_seconds: row.quiet,
        });
        Ok(going_on.collect())
    }

    /// Gives up what is too old to be news, or one too many; gives how many. Ends what only
    /// happened, and deletes what is long over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn tidy_alerts(&self) -> Result<u64, StoreError> {
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
            "UPDATE alerts SET over_at = clock_timestamp()
              WHERE passing AND over_at IS NULL AND NOT pending
                AND last_at < clock_timestamp() - interval '1 hour'",
        )
        .execute(&self.dispatch)
        .await?;
        sqlx::query!(
            "DELETE FROM alerts
              WHERE NOT pending
                AND (last_at < clock_timestamp() - CASE WHEN over_at IS NULL
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

    /// The newest alerts that `wanted` names.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn alerts(&self, wanted: &AlertFilter) -> Result<Vec<AlertRow>, StoreError> {
        let (last_at, id) = wanted.after.unzip();
        let rows = sqlx::query!(
            "SELECT id, source, kind, key, severity, recovery, text, first_at, last_at, count,
                    sent_at, over_at, pending
               FROM alerts
              WHERE ($1 OR pending OR over_at IS NULL)
                AND ($2::text[] IS NULL OR source = ANY($2)
                     OR (source = '' AND key = ANY($6)))
                AND ($3::timestamptz IS NULL OR (last_at, id) < ($3, $4::bigint))
              ORDER BY last_at DESC, id DESC LIMIT $5",
            wanted.all,
            wanted.sources.as_deref(),
            last_at,
            id,
            i64::from(wanted.limit),
            &wanted.handlers,
        )
        .fetch_all(&self.operator)
        .await?;
        let alerts = rows.into_iter().map(|row| AlertRow {
            id: row.id,
            source: row.source,
            kind: row.kind,
            key: row.key,
            severity: Severity::ranked(row.severity),
            recovery: row.recovery,
            text: row.text,
            first_at: row.first_at,
            last_at: row.last_at,
            count: row.count,
            sent_at: row.sent_at,
            over_at: row.over_at,
            pending: row.pending,
        });
        Ok(alerts.collect())
    }
}
