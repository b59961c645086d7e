//! Groups of dead letters: made in the background, counted down where one is resolved.

use time::OffsetDateTime;

use super::{Store, StoreError, Tx};

/// How long the counts of each hour are kept.
const HOURS_KEPT: time::Duration = time::Duration::days(7);

/// A group of dead letters.
#[derive(Debug, Clone)]
pub struct GroupRow {
    /// Its id.
    pub id: i64,
    /// To whom its events belong; empty where they were gone before it was known.
    pub tenant: String,
    /// Their source.
    pub source: String,
    /// Their handler's stored name.
    pub handler: String,
    /// What kind of failure it is: a word of the closed list.
    pub class: String,
    /// Why they are dead: a word of the closed list.
    pub death_reason: String,
    /// The key of their errors: the text without values; empty where they are too various to be
    /// told apart.
    pub message: String,
    /// How many are neither replayed nor discarded.
    pub open: i64,
    /// How many there have been.
    pub total: i64,
    /// When the first died.
    pub first_at: OffsetDateTime,
    /// When the last died.
    pub last_at: OffsetDateTime,
    /// The newest of them.
    pub sample: i64,
    /// The first line of the newest one's error, at most 300 characters.
    pub newest: Option<String>,
}

/// Which groups. Every part that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this handler.
    pub handler: Option<String>,
    /// Of this class: a word of the closed list.
    pub class: Option<String>,
    /// Those too of which none is open.
    pub resolved: bool,
}

/// A place in the list of groups, which is sorted by how many are open, then by the last death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPlace {
    /// How many are open.
    pub open: i64,
    /// When the last died.
    pub last_at: OffsetDateTime,
    /// The group.
    pub id: i64,
}

/// A dead letter that is not grouped yet.
#[derive(Debug)]
pub struct UngroupedDeadLetter {
    /// The delivery.
    pub id: i64,
    /// To whom its event belongs; `None` when that is gone.
    pub tenant: Option<String>,
    /// The source.
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    /// Why it is dead.
    pub death_reason: String,
    /// Its last error, at most 2000 characters.
    pub error: Option<String>,
    /// When it died.
    pub died_at: OffsetDateTime,
    /// Whether it is neither replayed nor discarded.
    pub open: bool,
}

/// What a group is to grow by.
#[derive(Debug, Clone)]
pub struct GroupUpdate {
    /// SHA-256 over what its dead letters have in common.
    pub fingerprint: [u8; 32],
    /// As in [`GroupRow`].
    pub tenant: String,
    /// As in [`GroupRow`].
    pub source: String,
    /// As in [`GroupRow`].
    pub handler: String,
    /// As in [`GroupRow`].
    pub class: &'static str,
    /// As in [`GroupRow`].
    pub death_reason: String,
    /// As in [`GroupRow`].
    pub message: String,
    /// So many more are open.
    pub open: i64,
    /// Those that join it.
    pub members: Vec<(i64, OffsetDateTime)>,
}

impl Tx<'_> {
    /// Locks up to `limit` dead letters that are in no group, leaving out those that another
    /// gateway is grouping.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lock_ungrouped(
        &mut self,
        limit: i64,
    ) -> Result<Vec<UngroupedDeadLetter>, StoreError> {
        let rows = sqlx::query_as!(
            UngroupedDeadLetter,
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
        Ok(rows)
    }

    /// Which of these fingerprints have a group.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn groups_like(&mut self, like: &GroupUpdate) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM dead_letter_groups
                WHERE source = $1 AND handler = $2 AND death_reason = $3 AND tenant = $4"#,
            like.source,
            like.handler,
            like.death_reason,
            like.tenant,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(count)
    }

    /// Lets groups grow, and makes those that are not there yet. `growths` must be sorted by
    /// fingerprint: their rows are locked in this order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn grow_groups(&mut self, growths: &[GroupUpdate]) -> Result<(), StoreError> {
        let column = |of: fn(&GroupUpdate) -> &str| growths.iter().map(of).collect::<Vec<&str>>();
        let fingerprints: Vec<&[u8]> = growths.iter().map(|new| &new.fingerprint[..]).collect();
        let open: Vec<i64> = growths.iter().map(|new| new.open).collect();
        let total: Vec<i64> = growths
            .iter()
            .map(|new| i64::try_from(new.members.len()).unwrap_or(i64::MAX))
            .collect();
        let times =
            |new: &GroupUpdate| new.members.iter().map(|(_, died)| *died).collect::<Vec<_>>();
        let first: Vec<Option<OffsetDateTime>> =
            growths.iter().map(|new| times(new).into_iter().min()).collect();
        let last: Vec<Option<OffsetDateTime>> =
            growths.iter().map(|new| times(new).into_iter().max()).collect();
        let newest = |new: &GroupUpdate| new.members.iter().map(|(id, died)| (*died, *id)).max();
        let sample: Vec<Option<i64>> =
            growths.iter().map(|new| newest(new).map(|(_, id)| id)).collect();
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
            &column(|new| new.class) as &[&str],
            &column(|new| &new.death_reason) as &[&str],
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
            let new = growths.iter().find(|new| new.fingerprint[..] == row.fingerprint[..]);
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

    /// Deletes the hours that are too long ago for a trend.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_group_hours(&mut self, now: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM dead_letter_hours WHERE (group_id, hour) IN (
                SELECT group_id, hour FROM dead_letter_hours WHERE hour < $1 LIMIT 1000
                   FOR UPDATE SKIP LOCKED)",
            now - HOURS_KEPT,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Store {
    /// Up to `limit` groups from a place on, those with most open dead letters first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn groups(
        &self,
        filter: &GroupFilter,
        after: Option<GroupPlace>,
        limit: i64,
    ) -> Result<Vec<GroupRow>, StoreError> {
        let rows = sqlx::query_as!(
            GroupRow,
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
            filter.class,
            filter.resolved,
            after.map(|place| place.open),
            after.map(|place| place.last_at),
            after.map(|place| place.id),
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows)
    }

    /// One group; `None` when there is none, or it is another tenant's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn group(
        &self,
        id: i64,
        tenant: Option<&str>,
    ) -> Result<Option<GroupRow>, StoreError> {
        let row = sqlx::query_as!(
            GroupRow,
            r"SELECT id, tenant, source, handler, class, death_reason, message, open, total,
                     first_at, last_at, sample,
                     (SELECT left(split_part(d.last_error, E'\n', 1), 300)
                        FROM deliveries d WHERE d.id = g.sample) AS newest
                FROM dead_letter_groups g
               WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)",
            id,
            tenant,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(row)
    }

    /// How many of these groups died in each hour since `since`, where any did: group, hour, count.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(|row| (row.group_id, row.hour, row.count)).collect())
    }

    /// How many dead letters are open, by class.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn open_by_class(
        &self,
        tenant: Option<&str>,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT class, sum(open)::bigint AS "open!" FROM dead_letter_groups
                WHERE ($1::text IS NULL OR tenant = $1) AND open > 0
                GROUP BY class ORDER BY class"#,
            tenant,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(|row| (row.class, row.open)).collect())
    }
}
