//! What Docora's handler writes.
//!
//! Every write first takes the lock on its repository's row, by inserting or updating it. Writes
//! about one repository are therefore serial, whatever lanes they come from: two of them cannot
//! deadlock, and the count of cards needs no counting.

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::{EffectError, Outcome, Tx, Write};

pub(super) mod registrations;

/// The repository as an event describes it.
pub(super) struct RepositoryRow {
    pub(super) source: String,
    pub(super) repository_id: String,
    pub(super) github_url: String,
    pub(super) owner: String,
    pub(super) name: String,
    /// When the sender built the payload.
    pub(super) sent_at: OffsetDateTime,
    /// Whether it must have been registered.
    pub(super) must_be_registered: bool,
}

/// The file as an event describes it.
pub(super) struct FileRow {
    pub(super) path: String,
    pub(super) sha: String,
    pub(super) content_sha: String,
    pub(super) size: i64,
    pub(super) kind: &'static str,
    pub(super) media_type: &'static str,
    pub(super) lossy: bool,
    pub(super) commit_sha: String,
    pub(super) event_id: Uuid,
}

/// The card that a markdown file is.
pub(super) struct CardRow {
    pub(super) title: String,
    pub(super) tags: Vec<String>,
    pub(super) front_matter: Option<String>,
    pub(super) front_matter_error: Option<String>,
    pub(super) raw: String,
    pub(super) body: String,
}

/// A file has this content now.
pub(super) struct StoreFile {
    pub(super) repository: RepositoryRow,
    pub(super) file: FileRow,
    pub(super) card: Option<CardRow>,
}

/// A file is gone.
pub(super) struct DeleteFile {
    pub(super) repository: RepositoryRow,
    pub(super) path: String,
    pub(super) sha: String,
    pub(super) kind: &'static str,
    pub(super) commit_sha: String,
    pub(super) event_id: Uuid,
}

/// A repository could not be read.
pub(super) struct RecordFailure {
    pub(super) repository: RepositoryRow,
    pub(super) error_type: String,
    pub(super) error_message: String,
    pub(super) consecutive_failures: i64,
    pub(super) cooldown_until: Option<OffsetDateTime>,
}

/// What is known about a file.
struct Known {
    sha: String,
    content_sha: Option<String>,
    deleted: bool,
    sent_at: OffsetDateTime,
}

#[async_trait]
impl Write for StoreFile {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self { repository, file, card } = self;
        repository.let_in(tx).await?;
        let connection = tx.connection();
        let known = repository.known(connection, &file.path).await?;
        if let Some(known) = &known {
            if known.sent_at > repository.sent_at {
                return Ok(Outcome::Unchanged);
            }
            let same =
                known.content_sha.as_ref() == Some(&file.content_sha) && known.sha == file.sha;
            if same && !known.deleted {
                repository.seen_again(connection, &file.path, &file.commit_sha).await?;
                return Ok(Outcome::Unchanged);
            }
        }
        repository.put_file(connection, file).await?;
        if let Some(card) = card
            && repository.put_card(connection, file, card).await?
        {
            repository.count_cards(connection, 1).await?;
        }
        Ok(Outcome::Handled)
    }
}

#[async_trait]
impl Write for DeleteFile {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self { repository, path, commit_sha, .. } = self;
        repository.let_in(tx).await?;
        let connection = tx.connection();
        match repository.known(connection, path).await? {
            Some(known) if known.sent_at > repository.sent_at => return Ok(Outcome::Unchanged),
            Some(known) if known.deleted => {
                repository.seen_again(connection, path, commit_sha).await?;
                return Ok(Outcome::Unchanged);
            }
            // Noted although nothing is known: an older create that comes after all, from the
            // dead letters for instance, must not bring the file back.
            None | Some(_) => self.mark(connection).await?,
        }
        if repository.withdraw_card(connection, path).await? {
            repository.count_cards(connection, -1).await?;
        }
        Ok(Outcome::Handled)
    }
}

#[async_trait]
impl Write for RecordFailure {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let repository = &self.repository;
        repository.check_registered(tx.connection()).await?;
        let written = sqlx::query!(
            "INSERT INTO docora_repositories AS known
                 (source, repository_id, github_url, owner, name, status, error_type,
                  error_message, error_at, consecutive_failures, cooldown_until)
             VALUES ($1, $2, $3, $4, $5, 'sync_failed', $6, $7, $8, $9, $10)
             ON CONFLICT (source, repository_id) DO UPDATE SET
                 github_url           = excluded.github_url,
                 owner                = excluded.owner,
                 name                 = excluded.name,
                 status               = excluded.status,
                 error_type           = excluded.error_type,
                 error_message        = excluded.error_message,
                 error_at             = excluded.error_at,
                 consecutive_failures = excluded.consecutive_failures,
                 cooldown_until       = excluded.cooldown_until
             WHERE coalesce(greatest(known.last_sync_at, known.error_at) <= excluded.error_at, true)",
            repository.source,
            repository.repository_id,
            repository.github_url,
            repository.owner,
            repository.name,
            self.error_type,
            self.error_message,
            repository.sent_at,
            self.consecutive_failures,
            self.cooldown_until,
        )
        .execute(tx.connection())
        .await?;
        if written.rows_affected() == 0 {
            return Ok(Outcome::Unchanged);
        }
        super::registry::failed(tx, repository, &self.error_message).await?;
        Ok(Outcome::Handled)
    }
}

impl DeleteFile {
    async fn mark(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO docora_files
                 (source, repository_id, path, sha, kind, lossy, deleted, commit_sha, sent_at, event_id)
             VALUES ($1, $2, $3, $4, $5, false, true, $6, $7, $8)
             ON CONFLICT (source, repository_id, path) DO UPDATE SET
                 deleted    = true,
                 commit_sha = excluded.commit_sha,
                 sent_at    = excluded.sent_at,
                 event_id   = excluded.event_id",
            self.repository.source,
            self.repository.repository_id,
            self.path,
            self.sha,
            self.kind,
            self.commit_sha,
            self.repository.sent_at,
            self.event_id,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl RepositoryRow {
    /// Locks the repository's row, and notes that it can be read, as every file event says unless
    /// the failure is newer. Says whether it could not be read before.
    async fn heard_from(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let recovered = sqlx::query_scalar!(
            r#"INSERT INTO docora_repositories AS known
                   (source, repository_id, github_url, owner, name, status, last_sync_at)
               VALUES ($1, $2, $3, $4, $5, 'synced', $6)
               ON CONFLICT (source, repository_id) DO UPDATE SET
                   github_url = CASE WHEN greatest(known.last_sync_at, known.error_at) > $6
                                     THEN known.github_url ELSE excluded.github_url END,
                   owner      = CASE WHEN greatest(known.last_sync_at, known.error_at) > $6
                                     THEN known.owner ELSE excluded.owner END,
                   name       = CASE WHEN greatest(known.last_sync_at, known.error_at) > $6
                                     THEN known.name ELSE excluded.name END,
                   status = CASE known.status WHEN 'pending' THEN 'synced' ELSE known.status END,
                   last_sync_at = greatest(known.last_sync_at, excluded.last_sync_at)
               RETURNING coalesce(error_at <= $6, false) AS "recovered!""#,
            self.source,
            self.repository_id,
            self.github_url,
            self.owner,
            self.name,
            self.sent_at,
        )
        .fetch_one(&mut *connection)
        .await?;
        if recovered {
            sqlx::query!(
                "UPDATE docora_repositories
                 SET status = 'synced', error_type = NULL, error_message = NULL, error_at = NULL,
                     consecutive_failures = 0, cooldown_until = NULL
                 WHERE source = $1 AND repository_id = $2",
                self.source,
                self.repository_id,
            )
            .execute(connection)
            .await?;
        }
        Ok(recovered)
    }

    async fn known(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<Option<Known>, sqlx::Error> {
        sqlx::query_as!(
            Known,
            "SELECT sha, content_sha, deleted, sent_at FROM docora_files
             WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .fetch_optional(connection)
        .await
    }

    /// Notes that the file was still so at a later time: what is older than that must not
    /// overwrite it either.
    async fn seen_again(
        &self,
        connection: &mut PgConnection,
        path: &str,
        commit_sha: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "UPDATE docora_files SET sent_at = $4, commit_sha = $5
             WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
            self.sent_at,
            commit_sha,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn put_file(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO docora_files
                 (source, repository_id, path, sha, content_sha, size, kind, media_type, lossy,
                  deleted, commit_sha, sent_at, event_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false, $10, $11, $12)
             ON CONFLICT (source, repository_id, path) DO UPDATE SET
                 sha         = excluded.sha,
                 content_sha = excluded.content_sha,
                 size        = excluded.size,
                 kind        = excluded.kind,
                 media_type  = excluded.media_type,
                 lossy       = excluded.lossy,
                 deleted     = false,
                 commit_sha  = excluded.commit_sha,
                 sent_at     = excluded.sent_at,
                 event_id    = excluded.event_id",
            self.source,
            self.repository_id,
            file.path,
            file.sha,
            file.content_sha,
            file.size,
            file.kind,
            file.media_type,
            file.lossy,
            file.commit_sha,
            self.sent_at,
            file.event_id,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Writes a card; says whether there was none available before.
    async fn put_card(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
        card: &CardRow,
    ) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar!(
            r#"WITH before AS (
                   SELECT source_available FROM docora_cards
                   WHERE source = $1 AND repository_id = $2 AND path = $3
               )
               INSERT INTO docora_cards
                   (source, repository_id, path, title, tags, front_matter, front_matter_error,
                    raw, body, content_hash, source_available)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true)
               ON CONFLICT (source, repository_id, path) DO UPDATE SET
                   title              = excluded.title,
                   tags               = excluded.tags,
                   front_matter       = excluded.front_matter,
                   front_matter_error = excluded.front_matter_error,
                   raw                = excluded.raw,
                   body               = excluded.body,
                   content_hash       = excluded.content_hash,
                   source_available   = true
               RETURNING NOT coalesce((SELECT source_available FROM before), false) AS "new!""#,
            self.source,
            self.repository_id,
            file.path,
            card.title,
            &card.tags,
            card.front_matter,
            card.front_matter_error,
            card.raw,
            card.body,
            file.content_sha,
        )
        .fetch_one(connection)
        .await
    }

    /// Marks a card as no longer in the repository; says whether there was one.
    async fn withdraw_card(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<bool, sqlx::Error> {
        let done = sqlx::query!(
            "UPDATE docora_cards SET source_available = false
             WHERE source = $1 AND repository_id = $2 AND path = $3 AND source_available",
            self.source,
            self.repository_id,
            path,
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn count_cards(
        &self,
        connection: &mut PgConnection,
        change: i64,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "UPDATE docora_repositories SET cards_count = cards_count + $3
             WHERE source = $1 AND repository_id = $2",
            self.source,
            self.repository_id,
            change,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
