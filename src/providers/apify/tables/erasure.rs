//! What is erased of Apify's tables: whole runs, with their posts, results and verifications.

use async_trait::async_trait;
use sqlx::postgres::PgQueryResult;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::{DerivedRows, RowsErased, StoreError, StoredEvent, Tx};

pub(in crate::providers::apify) struct ApifyRows;

#[async_trait]
impl DerivedRows for ApifyRows {
    async fn erase_event(
        &self,
        tx: &mut Tx<'_>,
        event: &StoredEvent,
        _now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        let runs = sqlx::query_scalar!(
            "SELECT run_key FROM apify_runs
              WHERE source = $1
                AND (event_id = $2
                     OR EXISTS (SELECT FROM apify_metrics m
                                 WHERE m.source = $1 AND m.run_key = apify_runs.run_key
                                   AND m.event_id = $2)
                     OR EXISTS (SELECT FROM apify_posts p
                                 WHERE p.source = $1 AND p.run_key = apify_runs.run_key
                                   AND p.event_id = $2)
                     OR EXISTS (SELECT FROM apify_verifications v
                                 WHERE v.source = $1 AND v.run_key = apify_runs.run_key
                                   AND v.event_id = $2))
              ORDER BY run_key FOR UPDATE",
            event.source,
            event.id.0,
        )
        .fetch_all(tx.connection())
        .await?;
        erase_runs(tx, &event.source, &runs).await
    }

    async fn erase_source(
        &self,
        tx: &mut Tx<'_>,
        source: &str,
        _now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        let runs = sqlx::query_scalar!(
            "SELECT run_key FROM apify_runs WHERE source = $1 ORDER BY run_key FOR UPDATE",
            source,
        )
        .fetch_all(tx.connection())
        .await?;
        let usage = sqlx::query!("DELETE FROM apify_usage WHERE source = $1", source)
            .execute(tx.connection())
            .await?;
        let mut erased = erase_runs(tx, source, &runs).await?;
        erased += RowsErased::rows(usage.rows_affected());
        Ok(erased)
    }
}

/// Deletes locked runs.
async fn erase_runs(
    tx: &mut Tx<'_>,
    source: &str,
    runs: &[Uuid],
) -> Result<RowsErased, StoreError> {
    // Statements of their own, since the rows refer to their run.
    let metrics = sqlx::query!(
        "DELETE FROM apify_metrics WHERE source = $1 AND run_key = ANY($2)",
        source,
        runs,
    )
    .execute(tx.connection())
    .await?;
    let posts = sqlx::query!(
        "DELETE FROM apify_posts WHERE source = $1 AND run_key = ANY($2)",
        source,
        runs
    )
    .execute(tx.connection())
    .await?;
    let verifications = sqlx::query!(
        "DELETE FROM apify_verifications WHERE source = $1 AND run_key = ANY($2)",
        source,
        runs,
    )
    .execute(tx.connection())
    .await?;
    let runs = sqlx::query!(
        "DELETE FROM apify_runs WHERE source = $1 AND run_key = ANY($2)",
        source,
        runs
    )
    .execute(tx.connection())
    .await?;
    let all = [metrics, posts, verifications, runs];
    Ok(RowsErased::rows(all.iter().map(PgQueryResult::rows_affected).sum()))
}
