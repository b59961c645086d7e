//! The account of objects: which are in use, and how those that are not are removed.
//!
//! Objects are written before the transaction that takes them into use, and removed after the
//! transaction that gives them up. In between stands this account:
//!
//! 1. An object that no image has any more is *unused*. It may be used again at any time.
//! 2. After a while upkeep marks it as *being removed*, if under the lock on its row no image has
//!    it. From then on no transaction takes it into use: the delivery that wants to is tried again
//!    later, and writes the object anew.
//! 3. Then it is removed from the place, however often that has to be tried.
//! 4. The mark stays for longer than an attempt lasts: an attempt that saw the object before it
//!    was removed still finds the mark.
//!
//! So no object in use is ever removed, wherever a process dies; and what was written for a
//! transaction that never came is found by holding the place against this account.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::RepositoryRow;
use crate::store::{StoreError, Tx};

/// How long an object stays unused before it is removed.
const UNUSED_FOR: Duration = Duration::minutes(10);
/// How long the mark stays after the removal: longer than any attempt lasts.
const MARKED_FOR: Duration = Duration::minutes(10);
/// How often the objects of a repository are held against the account.
const CHECK_EVERY: Duration = Duration::days(1);
/// The most objects or repositories that one step takes.
const BATCH: i64 = 200;

/// The account of the objects of a source.
pub(in super::super) struct Account<'s> {
    pub(in super::super) source: &'s str,
}

/// Objects that are being removed.
pub(in super::super) struct Removal {
    pub(in super::super) keys: Vec<String>,
}

impl RepositoryRow {
    /// Takes objects into use; says whether all of them can be.
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

    /// Objects that an image no longer has.
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

    /// Objects that were written and are not needed, unless they are known.
    pub(super) async fn note_unused(
        &self,
        connection: &mut PgConnection,
        keys: &[String],
    ) -> Result<(), sqlx::Error> {
        note_unused(connection, keys, self.started_at).await.map(drop)
    }
}

impl Account<'_> {
    /// Marks objects that have been unused for a while, and gives all that are marked.
    ///
    /// # Errors
    /// A [`StoreError`].
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
        // In a statement of its own: under the locks, every image that has one of them is seen.
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

    /// Notes that these objects are gone.
    ///
    /// # Errors
    /// A [`StoreError`].
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

    /// Gives a repository whose objects are to be held against the account, and notes that they
    /// were.
    ///
    /// # Errors
    /// A [`StoreError`].
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

    /// Takes objects that the account does not know into it, as unused; says how many.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub(in super::super) async fn found(
        &self,
        tx: &mut Tx<'_>,
        keys: &[String],
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        Ok(note_unused(tx.connection(), keys, now).await?)
    }
}

async fn note_unused(
    connection: &mut PgConnection,
    keys: &[String],
    now: OffsetDateTime,
) -> Result<u64, sqlx::Error> {
    let noted = sqlx::query!(
        "INSERT INTO docora_objects (object_key, unused_since)
         SELECT key, $2 FROM unnest($1::text[]) AS key ORDER BY key
         ON CONFLICT (object_key) DO NOTHING",
        keys,
        now,
    )
    .execute(connection)
    .await?;
    Ok(noted.rows_affected())
}
