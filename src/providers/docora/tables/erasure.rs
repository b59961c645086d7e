//! Erases files with their cards, decks, rules and images. The objects of images become unused:
//! maintenance removes them.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::RowsErased;

/// What an event is about.
pub(in super::super) struct About {
    pub(in super::super) source: String,
    pub(in super::super) event: Uuid,
    /// The repository that it names.
    pub(in super::super) repository: Option<String>,
    /// The path and the SHA-256 of the file that it names.
    pub(in super::super) file: Option<(String, String)>,
    /// Whether it reports that the repository could not be read.
    pub(in super::super) is_failure: bool,
}

/// In place of the error of a repository that could not be read.
const ERASED: &str = "erased";

/// Erases the files that an event has written, and the one that has its content. A repository
/// without any other file is erased too, unless it is registered.
pub(in super::super) async fn erase_files(
    connection: &mut PgConnection,
    about: &About,
    now: OffsetDateTime,
) -> Result<RowsErased, sqlx::Error> {
    let (path, sha) = about.file.as_ref().map(|(path, sha)| (path, sha)).unzip();
    let repositories = sqlx::query_scalar!(
        r#"SELECT r.repository_id FROM docora_repositories r
            WHERE r.source = $1
              AND (r.repository_id = $3
                   OR EXISTS (SELECT FROM docora_files f
                               WHERE f.source = $1 AND f.repository_id = r.repository_id
                                 AND f.event_id = $2))
            ORDER BY r.repository_id FOR UPDATE"#,
        about.source,
        about.event,
        about.repository,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut erased = RowsErased::default();
    for repository in repositories {
        let paths = sqlx::query_scalar!(
            "SELECT path FROM docora_files
              WHERE source = $1 AND repository_id = $2
                AND (event_id = $3 OR (repository_id = $4 AND path = $5 AND sha = $6))",
            about.source,
            repository,
            about.event,
            about.repository,
            path,
            sha,
        )
        .fetch_all(&mut *connection)
        .await?;
        erased += erase_paths(connection, &about.source, &repository, &paths, now).await?;
        if about.is_failure {
            sqlx::query!(
                "UPDATE docora_repositories SET error_message = $3
                  WHERE source = $1 AND repository_id = $2 AND status = 'sync_failed'",
                about.source,
                repository,
                ERASED,
            )
            .execute(&mut *connection)
            .await?;
        }
        let gone = sqlx::query!(
            "DELETE FROM docora_repositories r
              WHERE r.source = $1 AND r.repository_id = $2 AND r.registered_at IS NULL
                AND NOT EXISTS (SELECT FROM docora_files f
                                 WHERE f.source = $1 AND f.repository_id = $2)",
            about.source,
            repository,
        )
        .execute(&mut *connection)
        .await?;
        erased += RowsErased::rows(gone.rows_affected());
    }
    Ok(erased)
}

/// Erases files of a repository whose row is locked.
async fn erase_paths(
    connection: &mut PgConnection,
    source: &str,
    repository: &str,
    paths: &[String],
    now: OffsetDateTime,
) -> Result<RowsErased, sqlx::Error> {
    let references = sqlx::query!(
        "DELETE FROM docora_card_images
          WHERE source = $1 AND repository_id = $2 AND card_path = ANY($3)",
        source,
        repository,
        paths,
    )
    .execute(&mut *connection)
    .await?;
    let kinds = sqlx::query!(
        r#"WITH cards AS (
                DELETE FROM docora_cards
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3)
                RETURNING source_available
           ), decks AS (
                DELETE FROM docora_decks
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3) RETURNING 1
           ), rules AS (
                DELETE FROM docora_ignore_rules
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3) RETURNING 1
           ), images AS (
                DELETE FROM docora_images
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3)
                RETURNING object_key, rendition_key
           ), repository AS (
                UPDATE docora_repositories
                   SET cards_count = cards_count
                           - (SELECT count(*) FROM cards WHERE source_available),
                       description = CASE WHEN description_path = ANY($3) THEN NULL
                                     ELSE description END,
                       description_path = CASE WHEN description_path = ANY($3) THEN NULL
                                          ELSE description_path END
                 WHERE source = $1 AND repository_id = $2
           )
           SELECT (SELECT count(*) FROM cards) + (SELECT count(*) FROM decks)
                + (SELECT count(*) FROM rules) + (SELECT count(*) FROM images) AS "rows!",
                  ARRAY(SELECT object_key FROM images UNION
                        SELECT rendition_key FROM images WHERE rendition_key IS NOT NULL)
                      AS "keys!""#,
        source,
        repository,
        paths,
    )
    .fetch_one(&mut *connection)
    .await?;
    let files = sqlx::query!(
        "DELETE FROM docora_files WHERE source = $1 AND repository_id = $2 AND path = ANY($3)",
        source,
        repository,
        paths,
    )
    .execute(&mut *connection)
    .await?;
    Ok(RowsErased {
        rows: references.rows_affected() + kinds.rows.unsigned_abs() + files.rows_affected(),
        objects: release(connection, &kinds.keys, now).await?,
    })
}

/// Marks the objects that no image uses any more as unused. Returns their number.
async fn release(
    connection: &mut PgConnection,
    keys: &[String],
    now: OffsetDateTime,
) -> Result<u64, sqlx::Error> {
    let released = sqlx::query!(
        "UPDATE docora_objects SET unused_since = $2
          WHERE object_key = ANY($1) AND unused_since IS NULL
            AND NOT EXISTS (SELECT FROM docora_images i
                             WHERE i.object_key = docora_objects.object_key
                                OR i.rendition_key = docora_objects.object_key)",
        keys,
        now,
    )
    .execute(connection)
    .await?;
    Ok(released.rows_affected())
}

/// Erases everything of a source.
pub(in super::super) async fn erase_source(
    connection: &mut PgConnection,
    source: &str,
    now: OffsetDateTime,
) -> Result<RowsErased, sqlx::Error> {
    let repositories = sqlx::query_scalar!(
        "SELECT repository_id FROM docora_repositories WHERE source = $1
          ORDER BY repository_id FOR UPDATE",
        source,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut erased = RowsErased::default();
    for repository in &repositories {
        let paths = sqlx::query_scalar!(
            "SELECT path FROM docora_files WHERE source = $1 AND repository_id = $2",
            source,
            repository,
        )
        .fetch_all(&mut *connection)
        .await?;
        erased += erase_paths(connection, source, repository, &paths, now).await?;
    }
    let gone = sqlx::query!("DELETE FROM docora_repositories WHERE source = $1", source)
        .execute(&mut *connection)
        .await?;
    erased += RowsErased::rows(gone.rows_affected());
    Ok(erased)
}
