//! Reads groups.

use time::OffsetDateTime;

use super::{GroupFilter, GroupPosition, GroupRow};
use crate::store::words::word;
use crate::store::{Class, Store, StoreError};

const TABLE: &str = "dead_letter_groups";

/// The columns of [`GroupRow`].
struct Row {
    id: i64,
    tenant: String,
    source: String,
    handler: String,
    class: String,
    death_reason: String,
    message: String,
    open: i64,
    total: i64,
    first_at: OffsetDateTime,
    last_at: OffsetDateTime,
    sample: i64,
    newest: Option<String>,
}

impl TryFrom<Row> for GroupRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            class: word(&row.class, TABLE, "class", row.id)?,
            death_reason: word(&row.death_reason, TABLE, "death_reason", row.id)?,
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            handler: row.handler,
            message: row.message,
            open: row.open,
            total: row.total,
            first_at: row.first_at,
            last_at: row.last_at,
            sample: row.sample,
            newest: row.newest,
        })
    }
}

impl Store {
    /// Up to `limit` groups after a position, most open dead letters first.
    pub async fn groups(
        &self,
        filter: &GroupFilter,
        after: Option<GroupPosition>,
        limit: i64,
    ) -> Result<Vec<GroupRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id, tenant, source, handler, class, death_reason, message, open, total,
                      first_at, last_at, sample,
                      (SELECT left(split_part(d.last_error, E'\n', 1), 300)
                         FROM deliveries d WHERE d.id = g.sample) AS newest
                 FROM dead_letter_groups g
                WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR source = $2)
                  AND ($3::text IS NULL OR handler = $3) AND ($4::text IS NULL OR class = $4)
                  AND ($5 OR open > 0)
                  AND ($6::bigint IS NULL
                       OR (open, last_at, id) < ($6::bigint, $7::timestamptz, $8::bigint))
                ORDER BY open DESC, last_at DESC, id DESC LIMIT $9"#,
            filter.tenant,
            filter.source,
            filter.handler,
            filter.class.map(Class::as_str),
            filter.resolved,
            after.map(|position| position.open),
            after.map(|position| position.last_at),
            after.map(|position| position.id),
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(GroupRow::try_from).collect()
    }

    /// One group; `None` if it does not exist or belongs to another tenant.
    pub async fn group(
        &self,
        id: i64,
        tenant: Option<&str>,
    ) -> Result<Option<GroupRow>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r"SELECT id, tenant, source, handler, class, death_reason, message, open, total,
                     first_at, last_at, sample,
                     (SELECT left(split_part(d.last_error, E'\n', 1), 300)
                        FROM deliveries d WHERE d.id = g.sample) AS newest
                FROM dead_letter_groups g
               WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)",
            id,
            tenant,
        )
        .fetch_optional(&self.admin)
        .await?;
        row.map(GroupRow::try_from).transpose()
    }

    /// Dead letters of these groups in each hour since `since`: group, hour, count.
    pub async fn group_hours(
        &self,
        groups: &[i64],
        since: OffsetDateTime,
    ) -> Result<Vec<(i64, OffsetDateTime, i64)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT group_id, hour, count FROM dead_letter_hours
              WHERE group_id = ANY($1) AND hour >= $2 ORDER BY group_id, hour",
            groups,
            since,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().map(|row| (row.group_id, row.hour, row.count)).collect())
    }

    /// Number of open dead letters by class.
    pub async fn open_by_class(
        &self,
        tenant: Option<&str>,
    ) -> Result<Vec<(Class, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT class, sum(open)::bigint AS "open!", max(id) AS "id!" FROM dead_letter_groups
                WHERE ($1::text IS NULL OR tenant = $1) AND open > 0
                GROUP BY class ORDER BY class"#,
            tenant,
        )
        .fetch_all(&self.admin)
        .await?;
        let counts = rows.into_iter();
        counts.map(|row| Ok((word(&row.class, TABLE, "class", row.id)?, row.open))).collect()
    }
}
