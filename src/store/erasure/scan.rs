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
    /// The lane of a delivery of the event, as it is stored or as it is shown.
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
                SELECT id, tenant, source, key, erased_at FROM events
                 WHERE id >= $1 AND id < $2 AND id > $3 ORDER BY id LIMIT $4
            )
            SELECT ARRAY(
                     SELECT s.id FROM scanned s
                      WHERE s.erased_at IS NULL
                        AND ($5::text IS NULL OR s.tenant = $5)
                        AND ($6::text IS NULL OR s.source = $6)
                        AND ($7::uuid[] IS NULL OR s.key = ANY($7))
                      ORDER BY s.id) AS "events!",
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
        )
        .fetch_one(&self.admin)
        .await?;
        let events = match &scan.lane {
            Some(lane) => self.in_lane(&row.events, lane).await?,
            None => row.events,
        };
        Ok(ScannedEvents {
            events: events.into_iter().map(EventId).collect(),
            read: row.read.unsigned_abs(),
            next: row.last.filter(|_| row.read >= STEP).map(EventId),
        })
    }

    /// Those of these events that have a delivery in this lane, in order.
    async fn in_lane(&self, events: &[Uuid], lane: &str) -> Result<Vec<Uuid>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT event_id, lane AS "lane!" FROM deliveries
                WHERE event_id = ANY($1) AND lane IS NOT NULL ORDER BY event_id"#,
            events,
        )
        .fetch_all(&self.admin)
        .await?;
        let is_in = |stored: &str| stored == lane || Lane::shown(stored) == lane;
        let mut found: Vec<Uuid> =
            rows.into_iter().filter(|row| is_in(&row.lane)).map(|row| row.event_id).collect();
        found.dedup();
        Ok(found)
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
