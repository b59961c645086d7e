//! Adds dead letters to their groups.

use time::OffsetDateTime;

use super::{GroupUpdate, UngroupedDeadLetter};
use crate::store::words::word;
use crate::store::{StoreError, Tx};

/// How long the counts of each hour are kept.
const HOURS_RETENTION: time::Duration = time::Duration::days(7);

impl Tx<'_> {
    /// Locks up to `limit` dead letters that are in no group, except those that another gateway is
    /// grouping.
    pub async fn lock_ungrouped(
        &mut self,
        limit: i64,
    ) -> Result<Vec<UngroupedDeadLetter>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT d.id, e.tenant AS "tenant?", d.source, d.handler,
                      d.death_reason AS "death_reason!", left(d.last_error, 2000) AS error,
                      d.finished_at AS "died_at!", d.resolution IS NULL AS "open!"
                 FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
                WHERE d.group_id IS NULL AND d.state = 'dead'
                ORDER BY d.id LIMIT $1
                  FOR UPDATE OF d SKIP LOCKED"#,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let ungrouped = rows.into_iter().map(|row| {
            Ok(UngroupedDeadLetter {
                id: row.id,
                tenant: row.tenant,
                source: row.source,
                handler: row.handler,
                death_reason: word(&row.death_reason, "deliveries", "death_reason", row.id)?,
                error: row.error,
                died_at: row.died_at,
                open: row.open,
            })
        });
        ungrouped.collect()
    }

    /// Which of these fingerprints have a group.
    pub async fn known_groups(
        &mut self,
        fingerprints: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let known = sqlx::query_scalar!(
            "SELECT fingerprint FROM dead_letter_groups WHERE fingerprint = ANY($1)",
            fingerprints,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(known)
    }

    /// How many groups there are of a tenant, source, handler and reason.
    pub async fn count_similar_groups(&mut self, update: &GroupUpdate) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM dead_letter_groups
                WHERE source = $1 AND handler = $2 AND death_reason = $3 AND tenant = $4"#,
            update.source,
            update.handler,
            update.death_reason.as_str(),
            update.tenant,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(count)
    }

    /// Adds dead letters to groups, and creates missing groups. `updates` must be sorted by
    /// fingerprint: the rows are locked in this order.
    pub async fn add_to_groups(&mut self, updates: &[GroupUpdate]) -> Result<(), StoreError> {
        let column = |of: fn(&GroupUpdate) -> &str| updates.iter().map(of).collect::<Vec<&str>>();
        let fingerprints: Vec<&[u8]> = updates.iter().map(|new| &new.fingerprint[..]).collect();
        let open: Vec<i64> = updates.iter().map(|new| new.open).collect();
        let total: Vec<i64> = updates
            .iter()
            .map(|new| i64::try_from(new.members.len()).unwrap_or(i64::MAX))
            .collect();
        let times =
            |new: &GroupUpdate| new.members.iter().map(|(_, died)| *died).collect::<Vec<_>>();
        let first: Vec<Option<OffsetDateTime>> =
            updates.iter().map(|new| times(new).into_iter().min()).collect();
        let last: Vec<Option<OffsetDateTime>> =
            updates.iter().map(|new| times(new).into_iter().max()).collect();
        let newest = |new: &GroupUpdate| new.members.iter().map(|(id, died)| (*died, *id)).max();
        let sample: Vec<Option<i64>> =
            updates.iter().map(|new| newest(new).map(|(_, id)| id)).collect();
        let rows = sqlx::query!(
            r#"
            INSERT INTO dead_letter_groups AS g
                (fingerprint, tenant, source, handler, class, death_reason, message, open, total,
                 first_at, last_at, sample)
            SELECT * FROM UNNEST($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[],
                                 $6::text[], $7::text[], $8::bigint[], $9::bigint[],
                                 $10::timestamptz[], $11::timestamptz[], $12::bigint[])
            ON CONFLICT (fingerprint) DO UPDATE
               SET open = g.open + excluded.open, total = g.total + excluded.total,
                   first_at = LEAST(g.first_at, excluded.first_at),
                   sample = CASE WHEN excluded.last_at >= g.last_at THEN excluded.sample
                                 ELSE g.sample END,
                   last_at = GREATEST(g.last_at, excluded.last_at)
            RETURNING id, fingerprint
            "#,
            &fingerprints as &[&[u8]],
            &column(|new| &new.tenant) as &[&str],
            &column(|new| &new.source) as &[&str],
            &column(|new| &new.handler) as &[&str],
            &column(|new| new.class.as_str()) as &[&str],
            &column(|new| new.death_reason.as_str()) as &[&str],
            &column(|new| &new.message) as &[&str],
            &open,
            &total,
            &first as &[Option<OffsetDateTime>],
            &last as &[Option<OffsetDateTime>],
            &sample as &[Option<i64>],
        )
        .fetch_all(self.connection())
        .await?;
        let (mut members, mut groups, mut died) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let new = updates.iter().find(|new| new.fingerprint[..] == row.fingerprint[..]);
            for (member, at) in new.map(|new| &new.members[..]).unwrap_or_default() {
                members.push(*member);
                groups.push(row.id);
                died.push(*at);
            }
        }
        self.join_groups(&members, &groups, &died).await
    }

    async fn join_groups(
        &mut self,
        members: &[i64],
        groups: &[i64],
        died: &[OffsetDateTime],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE deliveries d SET group_id = j.group_id
               FROM UNNEST($1::bigint[], $2::bigint[]) AS j (id, group_id)
              WHERE d.id = j.id",
            members,
            groups,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "INSERT INTO dead_letter_hours AS h (group_id, hour, count)
             SELECT group_id, date_trunc('hour', died, 'UTC') AS hour, count(*)
               FROM UNNEST($1::bigint[], $2::timestamptz[]) AS j (group_id, died)
              GROUP BY 1, 2 ORDER BY 1, 2
             ON CONFLICT (group_id, hour) DO UPDATE SET count = h.count + excluded.count",
            groups,
            died,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Deletes the counts of hours that are too old for a trend.
    pub async fn delete_old_group_hours(&mut self, now: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM dead_letter_hours WHERE (group_id, hour) IN (
                SELECT group_id, hour FROM dead_letter_hours WHERE hour < $1 LIMIT 1000
                   FOR UPDATE SKIP LOCKED)",
            now - HOURS_RETENTION,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
