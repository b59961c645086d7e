//! The writes of Docora's handler.
//!
//! Every write first locks its repository's row by inserting or updating it. Writes for one
//! repository are therefore serialised across lanes: they cannot deadlock, and what a write has
//! read stays valid until it commits.

mod cards;
mod decks;
mod erasure;
mod failures;
mod images;
mod objects;
mod rules;

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use cards::CardRow;
pub(super) use decks::{DeckRow, ReadmeRow};
pub(super) use erasure::{About, erase_files, erase_source};
pub(super) use failures::RecordFailure;
pub(super) use images::{ImageRow, RenditionRow};
pub(super) use objects::{ObjectLedger, Removal};
pub(super) use rules::RulesRow;

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
    pub(super) must_be_registered: bool,
    /// When the writing attempt started.
    pub(super) started_at: OffsetDateTime,
    /// The event.
    pub(super) event_id: Uuid,
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
    pub(super) problem: Option<String>,
    /// Ignored whatever the rules of the repository say.
    pub(super) always_ignored: bool,
    pub(super) commit_sha: String,
}

/// The parsed content of a file, depending on its kind.
pub(super) enum Detail {
    None,
    Card(Box<CardRow>),
    Image(ImageRow),
    Deck(DeckRow),
    Rules(RulesRow),
    Readme(ReadmeRow),
}

pub(super) struct StoreFile {
    pub(super) repository: RepositoryRow,
    pub(super) file: FileRow,
    pub(super) detail: Detail,
}

pub(super) struct DeleteFile {
    pub(super) repository: RepositoryRow,
    pub(super) path: String,
    pub(super) sha: String,
    pub(super) kind: &'static str,
    pub(super) commit_sha: String,
}

/// The known state of a file.
struct Known {
    sha: String,
    content_sha: Option<String>,
    kind: String,
    deleted: bool,
    sent_at: OffsetDateTime,
}

#[async_trait]
impl Write for StoreFile {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self { repository, file, detail } = self;
        repository.accept_event(tx).await?;
        let connection = tx.connection();
        let known = repository.known(connection, &file.path).await?;
        if let Some(known) = &known {
            if known.sent_at > repository.sent_at {
                if let Detail::Image(image) = detail {
                    repository.record_unused(connection, image).await?;
                }
                return Ok(Outcome::Unchanged);
            }
            let same =
                known.content_sha.as_ref() == Some(&file.content_sha) && known.sha == file.sha;
            if same && !known.deleted {
                repository.record_unchanged(connection, &file.path, &file.commit_sha).await?;
                if let Detail::Image(image) = detail {
                    // Its objects may differ: a rendition may be new.
                    repository.put_image(connection, file, image, None).await?;
                }
                return Ok(Outcome::Unchanged);
            }
        }
        let ignored = match detail {
            Detail::Rules(_) | Detail::Readme(_) => false,
            _ => file.always_ignored || repository.ignores(connection, &file.path).await?,
        };
        repository.put_file(connection, file, ignored).await?;
        match detail {
            Detail::None => {}
            Detail::Card(card) => repository.put_card(connection, file, card, !ignored).await?,
            Detail::Image(image) => {
                repository.put_image(connection, file, image, Some(!ignored)).await?;
            }
            Detail::Deck(deck) => repository.put_deck(connection, file, deck, !ignored).await?,
            Detail::Rules(rules) => repository.put_rules(connection, file, rules).await?,
            Detail::Readme(readme) => repository.put_description(connection, file, readme).await?,
        }
        if known.is_some_and(|known| known.kind == "image") && file.kind != "image" {
            repository.remove_image(connection, &file.path).await?;
        }
        Ok(Outcome::Handled)
    }
}

#[async_trait]
impl Write for DeleteFile {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let Self { repository, path, commit_sha, .. } = self;
        repository.accept_event(tx).await?;
        let connection = tx.connection();
        let known = repository.known(connection, path).await?;
        match &known {
            Some(known) if known.sent_at > repository.sent_at => return Ok(Outcome::Unchanged),
            Some(known) if known.deleted => {
                repository.record_unchanged(connection, path, commit_sha).await?;
                return Ok(Outcome::Unchanged);
            }
            // Recorded although the file is unknown: an older create that arrives later, for
            // instance from the dead letters, must not bring the file back.
            None | Some(_) => self.record_deletion(connection).await?,
        }
        match known.as_ref().map(|known| known.kind.as_str()) {
            Some("card") => repository.hide_card(connection, path).await?,
            Some("image") => repository.remove_image(connection, path).await?,
            Some("deck") => repository.remove_deck(connection, path).await?,
            Some("rules") => repository.remove_rules(connection, path).await?,
            Some("readme") => repository.remove_description(connection, path).await?,
            _ => {}
        }
        Ok(Outcome::Handled)
    }
}

impl DeleteFile {
    async fn record_deletion(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO docora_files
                 (source, repository_id, path, sha, kind, lossy, ignored, deleted, commit_sha, sent_at,
                  event_id)
             VALUES ($1, $2, $3, $4, $5, false, false, true, $6, $7, $8)
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
            self.repository.event_id,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl RepositoryRow {
    /// Locks the repository's row and marks the repository as readable, unless a newer failure is
    /// known. Returns whether it was unreadable before.
    async fn mark_readable(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
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
            "SELECT sha, content_sha, kind, deleted, sent_at FROM docora_files
             WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .fetch_optional(connection)
        .await
    }

    /// Records that the file was unchanged at a later time: an older event must not overwrite it.
    async fn record_unchanged(
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
        ignored: bool,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO docora_files
                 (source, repository_id, path, sha, content_sha, size, kind, media_type, lossy,
                  problem, ignored, deleted, commit_sha, sent_at, event_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false, $12, $13, $14)
             ON CONFLICT (source, repository_id, path) DO UPDATE SET
                 sha         = excluded.sha,
                 content_sha = excluded.content_sha,
                 size        = excluded.size,
                 kind        = excluded.kind,
                 media_type  = excluded.media_type,
                 lossy       = excluded.lossy,
                 problem     = excluded.problem,
                 ignored     = excluded.ignored,
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
            file.problem,
            ignored,
            file.commit_sha,
            self.sent_at,
            self.event_id,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
