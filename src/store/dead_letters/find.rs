//! Finds matching dead letters, group by group: an index returns the next few of each group, and
//! those are merged. So a page costs the same for any filter and any number of dead letters.
//! Ungrouped ones, dead-lettered a moment ago, are scanned.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::{Class, DeathReason, Store, StoreError, Tx};

/// A filter for dead letters; all given parts must match.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    /// Deliveries by id, in any state.
    pub ids: Option<Vec<i64>>,
    pub event: Option<Uuid>,
    pub group: Option<i64>,
    pub class: Option<Class>,
    pub tenant: Option<String>,
    pub source: Option<String>,
    pub handler: Option<String>,
    pub death_reason: Option<DeathReason>,
    /// Dead-lettered at this time or earlier.
    pub died_before: Option<OffsetDateTime>,
    /// Dead-lettered at this time or later.
    pub died_after: Option<OffsetDateTime>,
    /// Include replayed and discarded ones.
    pub resolved: bool,
}

/// The order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Highest first.
    Down,
    /// Lowest first.
    Up,
}

/// A page of ids.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Only ids above this one.
    pub after: i64,
    /// Only ids below this one.
    pub before: i64,
    pub order: Order,
    pub limit: i64,
}

/// The query of a page. The direction is part of the text, since an index scan has a fixed
/// direction.
macro_rules! find {
    ($direction:tt, $filter:expr, $page:expr) => {
        sqlx::query_scalar!(
            r#"
            SELECT id AS "id!" FROM (
                SELECT x.id FROM dead_letter_groups g CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.group_id = g.id AND d.state = 'dead' AND ($7 OR d.resolution IS NULL)
                       AND ($8::timestamptz IS NULL OR d.finished_at <= $8)
                       AND ($9::timestamptz IS NULL OR d.finished_at >= $9)
                       AND d.id > $10 AND d.id < $11
                     ORDER BY d.id "# + $direction + r#" LIMIT $12) AS x
                 WHERE ($1::bigint IS NULL OR g.id = $1) AND ($2::text IS NULL OR g.class = $2)
                   AND ($3::text IS NULL OR g.tenant = $3) AND ($4::text IS NULL OR g.source = $4)
                   AND ($5::text IS NULL OR g.handler = $5)
                   AND ($6::text IS NULL OR g.death_reason = $6) AND ($7 OR g.open > 0)
                UNION ALL
                SELECT d.id FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
                 WHERE d.group_id IS NULL AND d.state = 'dead' AND ($7 OR d.resolution IS NULL)
                   AND $1::bigint IS NULL AND $2::text IS NULL
                   AND ($3::text IS NULL OR e.tenant = $3) AND ($4::text IS NULL OR d.source = $4)
                   AND ($5::text IS NULL OR d.handler = $5)
                   AND ($6::text IS NULL OR d.death_reason = $6)
                   AND ($8::timestamptz IS NULL OR d.finished_at <= $8)
                   AND ($9::timestamptz IS NULL OR d.finished_at >= $9)
                   AND d.id > $10 AND d.id < $11
            ) AS every ORDER BY id "# + $direction + " LIMIT $12",
            $filter.group,
            $filter.class.map(Class::as_str),
            $filter.tenant,
            $filter.source,
            $filter.handler,
            $filter.death_reason.map(DeathReason::as_str),
            $filter.resolved,
            $filter.died_before,
            $filter.died_after,
            $page.after,
            $page.before,
            $page.limit,
        )
    };
}

impl Store {
    /// The ids of the matching deliveries, in the order of the page.
    pub async fn find_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page,
    ) -> Result<Vec<i64>, StoreError> {
        if filter.ids.is_some() || filter.event.is_some() {
            let mut ids = self.named_dead_letters(filter).await?;
            ids.retain(|id| *id > page.after && *id < page.before);
            if page.order == Order::Down {
                ids.reverse();
            }
            ids.truncate(usize::try_from(page.limit).unwrap_or_default());
            return Ok(ids);
        }
        let ids = match page.order {
            Order::Down => find!("DESC", filter, page).fetch_all(&self.admin).await?,
            Order::Up => find!("ASC", filter, page).fetch_all(&self.admin).await?,
        };
        Ok(ids)
    }

    /// The number of matching deliveries, and the highest id among them.
    pub async fn count_dead_letters(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<(i64, i64), StoreError> {
        if filter.ids.is_some() || filter.event.is_some() {
            let ids = self.named_dead_letters(filter).await?;
            let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
            return Ok((count, ids.last().copied().unwrap_or_default()));
        }
        let by_age = filter.died_before.is_some() || filter.died_after.is_some();
        let mut tx = Tx::begin(&self.admin).await?;
        // In one snapshot: a delivery grouped between two statements would be counted twice or
        // never.
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(tx.connection())
            .await?;
        let (grouped, highest) = if by_age {
            count_by_age(tx.connection(), filter).await?
        } else {
            count_groups(tx.connection(), filter).await?
        };
        let (ungrouped, last) = count_ungrouped(tx.connection(), filter).await?;
        tx.rollback().await?;
        Ok((grouped + ungrouped, highest.max(last)))
    }

    /// Dead letters given by id or event, lowest id first.
    async fn named_dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<i64>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT d.id FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
              WHERE (d.id = ANY($1)
                     OR (d.event_id = $2 AND d.state = 'dead' AND ($3 OR d.resolution IS NULL)
                         AND ($5::text IS NULL OR d.source = $5)
                         AND ($6::text IS NULL OR d.handler = $6)
                         AND ($7::text IS NULL OR d.death_reason = $7)
                         AND ($8::bigint IS NULL OR d.group_id = $8)
                         AND ($9::text IS NULL OR EXISTS (
                             SELECT 1 FROM dead_letter_groups g
                              WHERE g.id = d.group_id AND g.class = $9))
                         AND ($10::timestamptz IS NULL OR d.finished_at <= $10)
                         AND ($11::timestamptz IS NULL OR d.finished_at >= $11)))
                AND ($4::text IS NULL OR e.tenant = $4)
              ORDER BY d.id",
            filter.ids.as_deref().unwrap_or_default(),
            filter.event,
            filter.resolved,
            filter.tenant,
            filter.source,
            filter.handler,
            filter.death_reason.map(DeathReason::as_str),
            filter.group,
            filter.class.map(Class::as_str),
            filter.died_before,
            filter.died_after,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(ids)
    }
}

/// Counts grouped dead letters by the counts of their groups.
async fn count_groups(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query!(
        r#"
        SELECT COALESCE(sum(CASE WHEN $7 THEN g.total ELSE g.open END), 0)::bigint AS "count!",
               COALESCE(max((SELECT d.id FROM deliveries d
                              WHERE d.group_id = g.id AND d.state = 'dead'
                                AND ($7 OR d.resolution IS NULL)
                              ORDER BY d.id DESC LIMIT 1)), 0) AS "highest!"
          FROM dead_letter_groups g
         WHERE ($1::bigint IS NULL OR g.id = $1) AND ($2::text IS NULL OR g.class = $2)
           AND ($3::text IS NULL OR g.tenant = $3) AND ($4::text IS NULL OR g.source = $4)
           AND ($5::text IS NULL OR g.handler = $5)
           AND ($6::text IS NULL OR g.death_reason = $6) AND ($7 OR g.open > 0)
        "#,
        filter.group,
        filter.class.map(Class::as_str),
        filter.tenant,
        filter.source,
        filter.handler,
        filter.death_reason.map(DeathReason::as_str),
        filter.resolved,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.count, row.highest))
}

/// Counts grouped dead letters one by one, since groups have no ages.
async fn count_by_age(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query!(
        r#"
        SELECT count(*) AS "count!", COALESCE(max(d.id), 0) AS "highest!"
          FROM dead_letter_groups g JOIN deliveries d ON d.group_id = g.id
         WHERE ($1::bigint IS NULL OR g.id = $1) AND ($2::text IS NULL OR g.class = $2)
           AND ($3::text IS NULL OR g.tenant = $3) AND ($4::text IS NULL OR g.source = $4)
           AND ($5::text IS NULL OR g.handler = $5)
           AND ($6::text IS NULL OR g.death_reason = $6)
           AND d.state = 'dead' AND ($7 OR d.resolution IS NULL)
           AND ($8::timestamptz IS NULL OR d.finished_at <= $8)
           AND ($9::timestamptz IS NULL OR d.finished_at >= $9)
        "#,
        filter.group,
        filter.class.map(Class::as_str),
        filter.tenant,
        filter.source,
        filter.handler,
        filter.death_reason.map(DeathReason::as_str),
        filter.resolved,
        filter.died_before,
        filter.died_after,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.count, row.highest))
}

async fn count_ungrouped(
    connection: &mut PgConnection,
    filter: &DeadLetterFilter,
) -> Result<(i64, i64), StoreError> {
    if filter.group.is_some() || filter.class.is_some() {
        return Ok((0, 0));
    }
    let row = sqlx::query!(
        r#"
        SELECT count(*) AS "count!", COALESCE(max(d.id), 0) AS "highest!"
          FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
         WHERE d.group_id IS NULL AND d.state = 'dead' AND ($5 OR d.resolution IS NULL)
           AND ($1::text IS NULL OR e.tenant = $1) AND ($2::text IS NULL OR d.source = $2)
           AND ($3::text IS NULL OR d.handler = $3)
           AND ($4::text IS NULL OR d.death_reason = $4)
           AND ($6::timestamptz IS NULL OR d.finished_at <= $6)
           AND ($7::timestamptz IS NULL OR d.finished_at >= $7)
        "#,
        filter.tenant,
        filter.source,
        filter.handler,
        filter.death_reason.map(DeathReason::as_str),
        filter.resolved,
        filter.died_before,
        filter.died_after,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.count, row.highest))
}
