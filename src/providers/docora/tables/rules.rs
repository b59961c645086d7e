//! Ignore rules, and the files that they hide.
//!
//! Hidden data is kept: when the rules change, every file below their folder is evaluated again,
//! and its card, image or deck is hidden or shown.

use sqlx::PgConnection;

use super::super::rules::RuleSet;
use super::{FileRow, RepositoryRow};

pub(in super::super) struct RulesRow {
    pub(in super::super) folder: String,
    pub(in super::super) lines: String,
    pub(in super::super) skipped: Vec<String>,
}

/// A file to which the rules may apply.
struct ListedFile {
    path: String,
    ignored: bool,
}

impl RepositoryRow {
    /// Whether the rules of the repository ignore this file.
    pub(super) async fn ignores(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<bool, sqlx::Error> {
        Ok(RuleSet::new(self.rules(connection).await?, &[path]).ignore(path))
    }

    /// Writes a rules file and applies it to the existing files.
    pub(super) async fn put_rules(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
        rules: &RulesRow,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO docora_ignore_rules (source, repository_id, path, folder, rules, skipped)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (source, repository_id, path) DO UPDATE SET
                 rules = excluded.rules, skipped = excluded.skipped",
            self.source,
            self.repository_id,
            file.path,
            rules.folder,
            rules.lines,
            &rules.skipped,
        )
        .execute(&mut *connection)
        .await?;
        self.apply_rules(connection).await
    }

    /// Removes the rules of a deleted file.
    pub(super) async fn remove_rules(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "DELETE FROM docora_ignore_rules
             WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .execute(&mut *connection)
        .await?;
        self.apply_rules(connection).await
    }

    async fn rules(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<(String, String)>, sqlx::Error> {
        let files = sqlx::query!(
            "SELECT folder, rules FROM docora_ignore_rules
             WHERE source = $1 AND repository_id = $2",
            self.source,
            self.repository_id,
        )
        .fetch_all(connection)
        .await?;
        Ok(files.into_iter().map(|file| (file.folder, file.rules)).collect())
    }

    /// Evaluates every card, image, deck and other file. Files that are always ignored have no kind
    /// that the rules could show again.
    async fn apply_rules(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let files = sqlx::query_as!(
            ListedFile,
            "SELECT path, ignored FROM docora_files
             WHERE source = $1 AND repository_id = $2 AND NOT deleted
               AND kind NOT IN ('rules', 'readme')",
            self.source,
            self.repository_id,
        )
        .fetch_all(&mut *connection)
        .await?;
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let rules = RuleSet::new(self.rules(connection).await?, &paths);
        let (mut hidden, mut shown) = (Vec::new(), Vec::new());
        for ListedFile { path, ignored } in files {
            let always = super::super::path::is_about_the_repository(&path);
            match (ignored, always || rules.ignore(&path)) {
                (false, true) => hidden.push(path),
                (true, false) => shown.push(path),
                _ => {}
            }
        }
        if !hidden.is_empty() {
            self.hide(connection, &hidden, true).await?;
        }
        if !shown.is_empty() {
            self.hide(connection, &shown, false).await?;
        }
        Ok(())
    }

    /// Hides files with their cards, images and decks, or shows them again.
    async fn hide(
        &self,
        connection: &mut PgConnection,
        paths: &[String],
        hidden: bool,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "WITH files AS (
                 UPDATE docora_files SET ignored = $4
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3)
             ), images AS (
                 UPDATE docora_images SET available = NOT $4
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3)
             ), decks AS (
                 UPDATE docora_decks SET available = NOT $4
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3)
             ), cards AS (
                 UPDATE docora_cards SET source_available = NOT $4
                 WHERE source = $1 AND repository_id = $2 AND path = ANY($3)
                   AND source_available = $4
                 RETURNING path
             )
             UPDATE docora_repositories
             SET cards_count = cards_count
                 + (SELECT count(*) FROM cards) * (CASE WHEN $4 THEN -1 ELSE 1 END)
             WHERE source = $1 AND repository_id = $2",
            self.source,
            self.repository_id,
            paths,
            hidden,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
