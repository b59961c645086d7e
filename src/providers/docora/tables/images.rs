//! Images and their objects.

use std::time::Duration;

use sqlx::PgConnection;

use super::{FileRow, RepositoryRow};
use crate::store::EffectError;

/// The delay if an object is being removed just when it is needed again.
const AFTER_REMOVAL: Duration = Duration::from_mins(11);

pub(in super::super) struct ImageRow {
    pub(in super::super) media_type: &'static str,
    pub(in super::super) width: Option<i32>,
    pub(in super::super) height: Option<i32>,
    pub(in super::super) object_key: String,
    pub(in super::super) rendition: Option<RenditionRow>,
    pub(in super::super) rendition_problem: Option<String>,
}

/// A smaller rendition.
pub(in super::super) struct RenditionRow {
    pub(in super::super) key: String,
    pub(in super::super) width: i32,
    pub(in super::super) height: i32,
}

impl ImageRow {
    fn keys(&self) -> Vec<String> {
        let rendition = self.rendition.as_ref().map(|rendition| rendition.key.clone());
        [self.object_key.clone()].into_iter().chain(rendition).collect()
    }
}

impl RepositoryRow {
    /// Writes an image: uses its objects and releases the previous ones. Its availability is
    /// unchanged if `available` is `None`.
    pub(super) async fn put_image(
        &self,
        connection: &mut PgConnection,
        file: &FileRow,
        image: &ImageRow,
        available: Option<bool>,
    ) -> Result<(), EffectError> {
        let keys = image.keys();
        if !self.use_objects(connection, &keys).await? {
            return Err(EffectError::NotYet {
                detail: "an object of the image is being removed".to_owned(),
                retry_after: AFTER_REMOVAL,
                awaiting: None,
            });
        }
        let previous = self.image_keys(connection, &file.path).await?;
        sqlx::query!(
            "INSERT INTO docora_images
                 (source, repository_id, path, sha256, media_type, width, height, object_key,
                  rendition_key, rendition_width, rendition_height, rendition_problem, available)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce($13, true))
             ON CONFLICT (source, repository_id, path) DO UPDATE SET
                 sha256            = excluded.sha256,
                 media_type        = excluded.media_type,
                 width             = excluded.width,
                 height            = excluded.height,
                 object_key        = excluded.object_key,
                 rendition_key     = excluded.rendition_key,
                 rendition_width   = excluded.rendition_width,
                 rendition_height  = excluded.rendition_height,
                 rendition_problem = excluded.rendition_problem,
                 available         = coalesce($13, docora_images.available)",
            self.source,
            self.repository_id,
            file.path,
            file.content_sha,
            image.media_type,
            image.width,
            image.height,
            image.object_key,
            image.rendition.as_ref().map(|rendition| &rendition.key),
            image.rendition.as_ref().map(|rendition| rendition.width),
            image.rendition.as_ref().map(|rendition| rendition.height),
            image.rendition_problem,
            available,
        )
        .execute(&mut *connection)
        .await?;
        let released: Vec<String> =
            previous.into_iter().filter(|key| !keys.contains(key)).collect();
        self.release_objects(connection, &released).await?;
        Ok(())
    }

    /// Removes an image and releases its objects.
    pub(super) async fn remove_image(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<(), sqlx::Error> {
        let previous = self.image_keys(connection, path).await?;
        sqlx::query!(
            "DELETE FROM docora_images WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .execute(&mut *connection)
        .await?;
        self.release_objects(connection, &previous).await
    }

    /// Records the objects of an image that is outdated on arrival.
    pub(super) async fn record_unused(
        &self,
        connection: &mut PgConnection,
        image: &ImageRow,
    ) -> Result<(), sqlx::Error> {
        self.record_unused_objects(connection, &image.keys()).await
    }

    async fn image_keys(
        &self,
        connection: &mut PgConnection,
        path: &str,
    ) -> Result<Vec<String>, sqlx::Error> {
        let image = sqlx::query!(
            "SELECT object_key, rendition_key FROM docora_images
             WHERE source = $1 AND repository_id = $2 AND path = $3",
            self.source,
            self.repository_id,
            path,
        )
        .fetch_optional(connection)
        .await?;
        Ok(image
            .map(|image| [image.object_key].into_iter().chain(image.rendition_key).collect())
            .unwrap_or_default())
    }
}
