//! The results of a run: its posts, its metrics, and its verification. The run's row is locked
//! meanwhile.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Run;
use crate::providers::apify::Platform;
use crate::providers::apify::results::{Flag, Metric, Origin};
use crate::store::{EventId, StoreError, Tx};

/// Rows per insert.
const STEP: usize = 500;
/// The stored length of a flagged item, in bytes.
const MAX_ITEM: usize = 16 * 1024;

/// The status of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::apify) enum PostStatus {
    Pending,
    Collected,
    Failed,
}

/// A verification.
#[derive(Debug)]
pub(in crate::providers::apify) struct Verification {
    pub(in crate::providers::apify) platform: Platform,
    pub(in crate::providers::apify) handle: String,
    pub(in crate::providers::apify) code: String,
    pub(in crate::providers::apify) expires_at: OffsetDateTime,
}

/// Sets the status of the posts that are assigned to the run.
pub(in crate::providers::apify) async fn mark_posts(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
    post_status: PostStatus,
    (event, at): (EventId, OffsetDateTime),
) -> Result<(), StoreError> {
    let status = match post_status {
        PostStatus::Pending => "pending",
        PostStatus::Collected => "collected",
        PostStatus::Failed => "failed",
    };
    sqlx::query!(
        "UPDATE apify_posts SET status = $3, changed_at = $4, event_id = $5
          WHERE source = $1 AND run_key = $2 AND status <> $3",
        source,
        run_key,
        status,
        at,
        event.0,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Stores the number of items of the run.
pub(in crate::providers::apify) async fn record_items(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
    items: usize,
    truncated: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE apify_runs SET items = $3, items_left_off = $4 WHERE source = $1 AND run_key = $2",
        source,
        run_key,
        i64::try_from(items).unwrap_or(i64::MAX),
        truncated,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Writes the run's metrics. Existing rows are replaced; of two items with the same key the later
/// one counts.
pub(in crate::providers::apify) async fn insert_metrics(
    tx: &mut Tx<'_>,
    source: &str,
    run: &Run,
    metrics: impl Iterator<Item = Metric>,
    (event, origin): (EventId, Origin),
) -> Result<(), StoreError> {
    let by_key: BTreeMap<[u8; 32], Metric> = metrics.map(|metric| (metric.key, metric)).collect();
    let metrics: Vec<Metric> = by_key.into_values().collect();
    for step in metrics.chunks(STEP) {
        insert_step(tx, source, run, step, event, origin).await?;
    }
    Ok(())
}

async fn insert_step(
    tx: &mut Tx<'_>,
    source: &str,
    run: &Run,
    metrics: &[Metric],
    event: EventId,
    origin: Origin,
) -> Result<(), StoreError> {
    fn each<'m, T>(metrics: &'m [Metric], field: impl Fn(&'m Metric) -> T) -> Vec<T> {
        metrics.iter().map(field).collect()
    }
    let keys = each(metrics, |metric| metric.key.to_vec());
    let platforms = each(metrics, |metric| metric.platform.map(Platform::as_str));
    let handles = each(metrics, |metric| metric.handle.as_deref());
    let posts = each(metrics, |metric| metric.post.as_deref());
    let urls = each(metrics, |metric| metric.url.as_deref());
    let posted = each(metrics, |metric| metric.posted_at);
    let observed = each(metrics, |metric| metric.observed_at);
    let views = each(metrics, |metric| metric.views);
    let likes = each(metrics, |metric| metric.likes);
    let comments = each(metrics, |metric| metric.comments);
    let shares = each(metrics, |metric| metric.shares);
    let flags = each(metrics, |metric| metric.flag.map(Flag::as_str));
    let items = each(metrics, |metric| {
        metric.item.as_deref().map(|item| item.get(..MAX_ITEM).unwrap_or(item).to_vec())
    });
    sqlx::query!(
        "INSERT INTO apify_metrics
            (source, run_key, guild_id, origin, event_id, item_key, platform, handle, post_id, url,
             posted_at, observed_at, views, likes, comments, shares, flag, item)
         SELECT $1, $2, $3, $4, $5, m.*
           FROM unnest($6::bytea[], $7::text[], $8::text[], $9::text[], $10::text[],
                       $11::timestamptz[], $12::timestamptz[], $13::bigint[], $14::bigint[],
                       $15::bigint[], $16::bigint[], $17::text[], $18::bytea[]) AS m
         ON CONFLICT (source, run_key, item_key) DO UPDATE
            SET origin = excluded.origin, event_id = excluded.event_id,
                platform = excluded.platform, handle = excluded.handle,
                post_id = excluded.post_id, url = excluded.url,
                posted_at = excluded.posted_at, views = excluded.views, likes = excluded.likes,
                comments = excluded.comments, shares = excluded.shares, flag = excluded.flag,
                item = excluded.item",
        source,
        run.key,
        run.guild_id,
        origin.as_str(),
        event.0,
        &keys,
        &platforms as &[Option<&str>],
        &handles as &[Option<&str>],
        &posts as &[Option<&str>],
        &urls as &[Option<&str>],
        &posted as &[Option<OffsetDateTime>],
        &observed,
        &views as &[Option<i64>],
        &likes as &[Option<i64>],
        &comments as &[Option<i64>],
        &shares as &[Option<i64>],
        &flags as &[Option<&str>],
        &items as &[Option<Vec<u8>>],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Locks and returns the run's verification; `None` if there is none or it is confirmed, which is
/// final.
pub(in crate::providers::apify) async fn verification(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
) -> Result<Option<Verification>, StoreError> {
    let row = sqlx::query!(
        "SELECT platform, handle, code, expires_at FROM apify_verifications
          WHERE source = $1 AND run_key = $2 AND result <> 'confirmed' FOR UPDATE",
        source,
        run_key,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let platform = Platform::read(&row.platform).ok_or_else(|| StoreError::Inconsistent {
        table: "apify_verifications",
        column: "platform",
        row: run_key.to_string(),
    })?;
    let (handle, code, expires_at) = (row.handle, row.code, row.expires_at);
    Ok(Some(Verification { platform, handle, code, expires_at }))
}

/// Writes the result of a verification; without a result it is pending again.
pub(in crate::providers::apify) async fn settle_verification(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
    result: Option<(&str, OffsetDateTime)>,
    event: EventId,
) -> Result<(), StoreError> {
    let (result, at) = result.unzip();
    sqlx::query!(
        "UPDATE apify_verifications SET result = $3, checked_at = $4, event_id = $5
          WHERE source = $1 AND run_key = $2",
        source,
        run_key,
        result.unwrap_or("pending"),
        at,
        event.0,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
