//! Which dead letters match, found group by group: of each group an index gives the next few, and
//! the few of all groups are merged. So a page costs the same whatever is asked for, and however
//! many there are. What is not grouped yet is looked through; that is what died a moment ago.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::{Class, DeathReason, Store, StoreError, Tx};

/// Which dead letters. Every part that is there must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    /// These deliveries, whatever their state: who names a row wants to see that row.
    pub ids: Option<Vec<i64>>,
    /// Of this event.
    pub event: Option<Uuid>,
    /// Of this group.
    pub group: Option<i64>,
    /// Of groups of this class.
    pub class: Option<Class>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this handler.
    pub handler: Option<String>,
    /// Dead for this reason.
    pub death_reason: Option<DeathReason>,
    /// Dead since this time or longer.
    pub died_before: Option<OffsetDateTime>,
    /// Dead since this time or shorter.
    pub died_after: Option<OffsetDateTime>,
    /// Those that were replayed or discarded too.
    pub resolved: bool,
}

/// In which order ids come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The highest first.
    Down,
    /// The lowest first.
    Up,
}

/// Some ids of many.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Only ids above this one.
    pub after: i64,
    /// Only ids below this one.
    pub before: i64,
    /// From which end.
    pub order: Order,
    /// The most ids.
    pub limit: i64,
}

/// The query of a page. An index is read in one direction: it has to stand in the text.
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
    /// The ids of the deliveries that match, in the order of the page.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
            Order::Down => find!("DESC", filter, page).fetch_all(&self.operator).await?,
            Order::Up => find!("ASC", filter, page).fetch_all(&self.operator).await?,
        };
        Ok(ids)
    }

    /// How many deliveries match, and the highest id among them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        let mut tx = Tx::begin(&self.operator).await?;
        // Of one moment: what is grouped between two statements would be counted twice, or never.
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

    /// Those that are asked for by their own id or their event's, lowest id first.
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
        .fetch_all(&self.operator)
        .await?;
        Ok(ids)
    }
}

/// Of what is grouped, by the groups' own counts.
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

/// Of what is grouped, one by one: of their ages the groups know nothing.
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
