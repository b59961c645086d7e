//! The object ledger: which stored objects are in use, and the removal of those that are not.
//!
//! Objects are written before the transaction that uses them, and removed after the transaction
//! that releases them. The ledger covers the time in between:
//!
//! 1. An object that no image uses is *unused*. It may be used again at any time.
//! 2. After a while maintenance marks it as *being removed*, provided that no image uses it while
//!    its row is locked. From then on no transaction can use it: a delivery that needs it is
//!    retried later and writes the object anew.
//! 3. It is then removed from the object store, with as many retries as needed.
//! 4. The mark outlives any attempt: an attempt that saw the object before its removal still finds
//!    the mark.
//!
//! An object in use is therefore never removed, wherever a process crashes; and objects written for
//! a failed transaction are found by comparing the object store with the ledger.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::RepositoryRow;
use crate::store::{StoreError, Tx};

/// How long an object stays unused before it is removed.
const UNUSED_FOR: Duration = Duration::minutes(10);
/// How long the mark is kept after the removal: longer than any attempt takes.
const MARKED_FOR: Duration = Duration::minutes(10);
/// The interval at which the objects of a repository are compared with the ledger.
const CHECK_EVERY: Duration = Duration::days(1);
/// The maximum number of objects or repositories per step.
const BATCH: i64 = 200;

/// The object ledger of a source.
pub(in super::super) struct ObjectLedger<'s> {
    pub(in super::super) source: &'s str,
}

/// Objects being removed.
pub(in super::super) struct Removal {
    pub(in super::super) keys: Vec<String>,
}

impl RepositoryRow {
    /// Marks objects as used; returns whether all of them can be used.
    pub(super) async fn use_objects(
        &self,
        connection: &mut PgConnection,
        keys: &[String],
    ) -> Result<bool, sqlx::Error> {
        let used = sqlx::query!(
            "INSERT INTO docora_objects AS known (object_key)
             SELECT key FROM unnest($1::text[]) AS key ORDER BY key
             ON CONFLICT (object_key) DO UPDATE SET unused_since = NULL
             WHERE known.removing_since IS NULL",
            keys,
        )
        .execute(connection)
        .await?;
        Ok(used.rows_affected() == keys.len() as u64)
    }

    /// Marks objects as unused.
    pub(super) async fn release_objects(
        &self,
        connection: &mut PgConnection,
        keys: &[String],
    ) -> Result<(), sqlx::Error> {
        if keys.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE docora_objects SET unused_since = $2
             WHERE object_key = ANY($1) AND unused_since IS NULL",
            keys,
            self.started_at,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Records objects that were written but are not needed, unless they are known.
    pub(super) async fn record_unused_objects(
        &self,
        connection: &mut PgConnection,
        keys: &[String],
    ) -> Result<(), sqlx::Error> {
        record_unused_objects(connection, keys, self.started_at).await.map(drop)
    }
}

impl ObjectLedger<'_> {
    /// Marks objects that have been unused for a while as being removed, and returns all marked
    /// ones.
    pub(in super::super) async fn begin_removal(
        &self,
        tx: &mut Tx<'_>,
        now: OffsetDateTime,
    ) -> Result<Removal, StoreError> {
        let connection = tx.connection();
        sqlx::query!(
            "DELETE FROM docora_objects WHERE removed_at < $1 AND unused_since IS NOT NULL",
            now - MARKED_FOR
        )
        .execute(&mut *connection)
        .await?;
        let locked = sqlx::query_scalar!(
            "SELECT object_key FROM docora_objects
             WHERE unused_since <= $1 AND removing_since IS NULL
             ORDER BY object_key LIMIT $2 FOR UPDATE SKIP LOCKED",
            now - UNUSED_FOR,
            BATCH,
        )
        .fetch_all(&mut *connection)
        .await?;
        // A separate statement, so that under the locks every image that uses them is visible.
        sqlx::query!(
            "UPDATE docora_objects AS known
             SET removing_since = CASE WHEN in_use.yes THEN NULL ELSE $2::timestamptz END,
                 unused_since   = CASE WHEN in_use.yes THEN NULL ELSE unused_since END
             FROM (SELECT key, EXISTS (SELECT FROM docora_images
                                       WHERE object_key = key OR rendition_key = key) AS yes
                   FROM unnest($1::text[]) AS key) AS in_use
             WHERE known.object_key = in_use.key",
            &locked,
            now,
        )
        .execute(&mut *connection)
        .await?;
        let keys = sqlx::query_scalar!(
            "SELECT object_key FROM docora_objects
             WHERE removing_since IS NOT NULL AND removed_at IS NULL AND unused_since IS NOT NULL
             ORDER BY removing_since LIMIT $1",
            BATCH,
        )
        .fetch_all(connection)
        .await?;
        Ok(Removal { keys })
    }

    /// Records that these objects were removed.
    pub(in super::super) async fn removed(
        &self,
        tx: &mut Tx<'_>,
        keys: &[String],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE docora_objects SET removed_at = $2
             WHERE object_key = ANY($1) AND removing_since IS NOT NULL AND removed_at IS NULL",
            keys,
            now,
        )
        .execute(tx.connection())
        .await?;
        Ok(())
    }

    /// Returns a repository whose objects are due for comparison with the ledger, and records the
    /// comparison.
    pub(in super::super) async fn next_to_check(
        &self,
        tx: &mut Tx<'_>,
        now: OffsetDateTime,
    ) -> Result<Option<String>, StoreError> {
        let repository = sqlx::query_scalar!(
            "UPDATE docora_repositories SET objects_checked_at = $2
             WHERE (source, repository_id) = (
                 SELECT source, repository_id FROM docora_repositories
                 WHERE source = $1 AND coalesce(objects_checked_at < $3, true)
                 ORDER BY objects_checked_at NULLS FIRST
                 LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING repository_id",
            self.source,
            now,
            now - CHECK_EVERY,
        )
        .fetch_optional(tx.connection())
        .await?;
        Ok(repository)
    }

    /// Adds unknown objects to the ledger as unused; returns their number.
    pub(in super::super) async fn add_unknown(
        &self,
        tx: &mut Tx<'_>,
        keys: &[String],
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        Ok(record_unused_objects(tx.connection(), keys, now).await?)
    }
}

async fn record_unused_objects(
    connection: &mut PgConnection,
    keys: &[String],
    now: OffsetDateTime,
) -> Result<u64, sqlx::Error> {
    let recorded = sqlx::query!(
        "INSERT INTO docora_objects (object_key, unused_since)
         SELECT key, $2 FROM unnest($1::text[]) AS key ORDER BY key
         ON CONFLICT (object_key) DO NOTHING",
        keys,
        now,
    )
    .execute(connection)
    .await?;
    Ok(recorded.rows_affected())
}
