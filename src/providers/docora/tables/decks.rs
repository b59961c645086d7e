//! Decks, and the description of a repository.

use sqlx::PgConnection;

use super::{FileRow, RepositoryRow};

pub(in super::super) struct DeckRow {
    pub(in super::super) folder: String,
    pub(in super::super) display_name: Option<String>,
    pub(in super::super) description: Option<String>,
    pub(in super::super) tags: Vec<String>,
    pub(in super::super) whole: Option<String>,
}

/// The README at the root.
pub(in super::super) struct ReadmeRow {
    pub(in super::super) text: String,
}

impl RepositoryRow {
    pub(super) async fn put_deck(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
        deck: &DeckRow,
        available: bool,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO docora_decks
                 (source, repository_id, path, folder, display_name, description, tags, whole,
                  available)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (source, repository_id, path) DO UPDATE SET
                 display_name = excluded.display_name,
                 description  = excluded.description,
                 tags         = excluded.tags,
                 whole        = excluded.whole,
                 available    = excluded.available",
            self.source,
            self.repository_id,
            file.path,
            deck.folder,
            deck.display_name,
            deck.description,
            &deck.tags,
            deck.whole,
            available,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    pub(super) async fn remove_deck(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "DELETE FROM docora_decks WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    pub(super) async fn put_description(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
        readme: &ReadmeRow,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "UPDATE docora_repositories SET description = $3, description_path = $4
             WHERE source = $1 AND repository_id = $2",
            self.source,
            self.repository_id,
            readme.text,
            file.path,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Deletes the description if it came from this file, and not from one that differs in case.
    pub(super) async fn remove_description(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "UPDATE docora_repositories SET description = NULL, description_path = NULL
             WHERE source = $1 AND repository_id = $2 AND description_path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
