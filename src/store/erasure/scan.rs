//! Finds events to erase or to export, oldest first. Only the id of an event is indexed, so a scan
//! reads all events of a range, a bounded number at a time.

use uuid::Uuid;

use crate::store::{EventId, IdRange, KeyDigest, Store, StoreError};
use crate::verify::Lane;

/// How many events a step reads.
const STEP: i64 = 5_000;

/// What a scan looks for. All given parts must match. Erased events never do.
#[derive(Debug, Clone, Default)]
pub struct EventScan {
    pub tenant: Option<String>,
    pub source: Option<String>,
    /// One of these deduplication keys.
    pub keys: Option<Vec<KeyDigest>>,
    /// The lane, as it is stored or as it is shown.
    pub lane: Option<String>,
}

/// The result of a step.
#[derive(Debug, Clone)]
pub struct ScannedEvents {
    /// Those that match, oldest first.
    pub events: Vec<EventId>,
    /// How many were read.
    pub read: u64,
    /// Where the next step continues; `None` at the end.
    pub next: Option<EventId>,
}

/// A transfer that is not complete yet.
#[derive(Debug, Clone)]
pub struct TransferToErase {
    pub id: i64,
    /// Its JSON without content.
    pub envelope: Vec<u8>,
}

impl Store {
    /// The matching ones among the next events of `range` after `after`.
    pub async fn scan_events(
        &self,
        scan: &EventScan,
        range: IdRange,
        after: Option<EventId>,
    ) -> Result<ScannedEvents, StoreError> {
        let keys: Option<Vec<Uuid>> =
            scan.keys.as_ref().map(|keys| keys.iter().map(|key| key.as_uuid()).collect());
        let row = sqlx::query!(
            r#"
            WITH scanned AS MATERIALIZED (
                SELECT id, tenant, source, key, lane, erased_at FROM events
                 WHERE id >= $1 AND id < $2 AND id > $3 ORDER BY id LIMIT $4
            ), matching AS MATERIALIZED (
                SELECT id, CASE WHEN $8 THEN lane END AS lane FROM scanned
                 WHERE erased_at IS NULL
                   AND ($5::text IS NULL OR tenant = $5)
                   AND ($6::text IS NULL OR source = $6)
                   AND ($7::uuid[] IS NULL OR key = ANY($7))
            )
            SELECT ARRAY(SELECT id FROM matching ORDER BY id) AS "events!",
                   ARRAY(SELECT lane FROM matching ORDER BY id) AS "lanes!: Vec<Option<String>>",
                   (SELECT id FROM scanned ORDER BY id DESC LIMIT 1) AS last,
                   (SELECT count(*) FROM scanned) AS "read!"
            "#,
            range.from,
            range.below,
            after.map_or(Uuid::nil(), |event| event.0),
            STEP,
            scan.tenant,
            scan.source,
            keys.as_deref(),
            scan.lane.is_some(),
        )
        .fetch_one(&self.admin)
        .await?;
        let is_wanted = |lane: Option<&str>| {
            let Some(wanted) = scan.lane.as_deref() else { return true };
            lane.is_some_and(|lane| lane == wanted || Lane::shown(lane) == wanted)
        };
        let events = row.events.into_iter().zip(row.lanes);
        let events = events.filter(|(_, lane)| is_wanted(lane.as_deref()));
        Ok(ScannedEvents {
            events: events.map(|(id, _)| EventId(id)).collect(),
            read: row.read.unsigned_abs(),
            next: row.last.filter(|_| row.read >= STEP).map(EventId),
        })
    }

    /// The transfers of a tenant or source that are not complete yet, by the id of their event.
    pub async fn open_transfers_in(
        &self,
        scan: &EventScan,
        range: IdRange,
    ) -> Result<Vec<TransferToErase>, StoreError> {
        let transfers = sqlx::query_as!(
            TransferToErase,
            "SELECT id, envelope FROM chunk_transfers
              WHERE state = 'open' AND event_id >= $1 AND event_id < $2
                AND ($3::text IS NULL OR tenant = $3) AND ($4::text IS NULL OR source = $4)
              ORDER BY id",
            range.from,
            range.below,
            scan.tenant,
            scan.source,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(transfers)
    }

    /// The rejected requests of a tenant or source, by their ids, which sort by time like those of
    /// events.
    pub async fn rejected_requests_in(
        &self,
        scan: &EventScan,
        range: IdRange,
    ) -> Result<Vec<Uuid>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM rejected_requests
              WHERE id >= $1 AND id < $2 AND event_id IS NULL
                AND ($3::text IS NULL OR tenant = $3) AND ($4::text IS NULL OR source = $4)
              ORDER BY id",
            range.from,
            range.below,
            scan.tenant,
            scan.source,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(ids)
    }

    /// The sources that have events of a tenant.
    pub async fn sources_of_tenant(
        &self,
        tenant: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT DISTINCT source, provider FROM events WHERE tenant = $1 ORDER BY source, provider",
            tenant,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().map(|row| (row.source, row.provider)).collect())
    }
}
