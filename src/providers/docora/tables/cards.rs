//! Cards, and the images that they refer to.

use sqlx::PgConnection;

use super::{FileRow, RepositoryRow};

/// The card of a markdown file.
pub(in super::super) struct CardRow {
    pub(in super::super) title: String,
    pub(in super::super) tags: Vec<String>,
    pub(in super::super) difficulty: Option<i16>,
    pub(in super::super) language: Option<String>,
    pub(in super::super) front_matter: Option<String>,
    pub(in super::super) front_matter_error: Option<String>,
    pub(in super::super) raw: String,
    pub(in super::super) body: String,
    /// The references to images, as written.
    pub(in super::super) references: Vec<String>,
    /// The paths that they refer to, in the same order.
    pub(in super::super) image_paths: Vec<String>,
}

impl RepositoryRow {
    pub(super) async fn put_card(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
        card: &CardRow,
        available: bool,
    ) -> Result<(), sqlx::Error> {
        let was_available = sqlx::query_scalar!(
            r#"WITH before AS (
                   SELECT source_available FROM docora_cards
                   WHERE source = $1 AND repository_id = $2 AND path = $3
               )
               INSERT INTO docora_cards
                   (source, repository_id, path, title, tags, difficulty, language, front_matter,
                    front_matter_error, raw, body, content_hash, source_available)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
               ON CONFLICT (source, repository_id, path) DO UPDATE SET
                   title              = excluded.title,
                   tags               = excluded.tags,
                   difficulty         = excluded.difficulty,
                   language           = excluded.language,
                   front_matter       = excluded.front_matter,
                   front_matter_error = excluded.front_matter_error,
                   raw                = excluded.raw,
                   body               = excluded.body,
                   content_hash       = excluded.content_hash,
                   source_available   = excluded.source_available
               RETURNING coalesce((SELECT source_available FROM before), false) AS "before!""#,
            self.source,
            self.repository_id,
            file.path,
            card.title,
            &card.tags,
            card.difficulty,
            card.language,
            card.front_matter,
            card.front_matter_error,
            card.raw,
            card.body,
            file.content_sha,
            available,
        )
        .fetch_one(&mut *connection)
        .await?;
        self.count_cards(connection, i64::from(available) - i64::from(was_available)).await?;
        self.put_references(connection, &file.path, card).await
    }

    async fn put_references(
        &self,
        connection: &mut PgConnection,
        path: &str,
        card: &CardRow,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "DELETE FROM docora_card_images
             WHERE source = $1 AND repository_id = $2 AND card_path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .execute(&mut *connection)
        .await?;
        if card.references.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            r#"INSERT INTO docora_card_images
                   (source, repository_id, card_path, position, reference, image_path)
               SELECT $1, $2, $3, n::integer - 1, reference, image_path
               FROM unnest($4::text[], $5::text[]) WITH ORDINALITY
                    AS found(reference, image_path, n)"#,
            self.source,
            self.repository_id,
            path,
            &card.references,
            &card.image_paths,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Marks a card as no longer in the repository.
    pub(super) async fn hide_card(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<(), sqlx::Error> {
        let done = sqlx::query!(
            "UPDATE docora_cards SET source_available = false
             WHERE source = $1 AND repository_id = $2 AND path = $3 AND source_available",
            self.source,
            self.repository_id,
            path,
        )
        .execute(&mut *connection)
        .await?;
        self.count_cards(connection, -done.rows_affected().cast_signed()).await
    }

    async fn count_cards(
        &self,
        connection: &mut PgConnection,
        change: i64,
    ) -> Result<(), sqlx::Error> {
        if change == 0 {
            return Ok(());
        }
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
