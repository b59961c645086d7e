//! Keeps the objects of an image: the image itself, and a smaller one where that was asked for.
//!
//! They are written before their row is, so that no row ever names an object that is not there.
//! A key holds the digest of its content: what was written for an event that then comes to nothing
//! has not taken the place of anything, and is removed by upkeep.

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::images::Image;
use super::rendition;
use super::tables::{ImageRow, RenditionRow, StoreFile};
use crate::objects::{About, Key, Objects, ObjectsError};

/// Decoding one image may take hundreds of megabytes: one at a time, in the whole process.
static DECODING: Semaphore = Semaphore::const_new(1);

/// Keeps images.
pub(super) struct Keeper {
    pub(super) objects: Objects,
    /// Images that are wider get a rendition of this width, in pixels.
    pub(super) rendition_width: Option<u32>,
}

impl Keeper {
    /// Keeps an image and gives its row. What is kept already is not written again.
    ///
    /// # Errors
    /// [`ObjectsError`]. An image that cannot be made smaller is no error.
    pub(super) async fn keep(
        &self,
        tenant: &str,
        file: &StoreFile,
        content: Bytes,
        image: Image,
    ) -> Result<ImageRow, ObjectsError> {
        let (repository, file) = (&file.repository, &file.file);
        let key =
            |version: &str| Key::new(&[tenant, &repository.repository_id], &file.path, version);
        let about =
            About { media_type: image.media_type, download: image.media_type == "image/svg+xml" };
        let own = key(&file.content_sha);
        if self.objects.size(&own).await? != Some(content.len() as u64) {
            self.objects.put(&own, content.clone(), about).await?;
        }
        let mut row = ImageRow {
            media_type: image.media_type,
            width: image.size.and_then(|(width, _)| i32::try_from(width).ok()),
            height: image.size.and_then(|(_, height)| i32::try_from(height).ok()),
            object_key: own.as_str().to_owned(),
            rendition: None,
            rendition_problem: None,
        };
        let Some(size) = self.rendition_width.and_then(|width| rendition::size(&image, width))
        else {
            return Ok(row);
        };
        let smaller = key(&format!("{}-{}w", file.content_sha, size.0));
        if self.objects.size(&smaller).await?.is_none() {
            match render(content, size).await {
                Ok(bytes) => self.objects.put(&smaller, bytes, about).await?,
                Err(problem) => {
                    row.rendition_problem = Some(problem);
                    return Ok(row);
                }
            }
        }
        row.rendition = Some(RenditionRow {
            key: smaller.as_str().to_owned(),
            width: i32::try_from(size.0).unwrap_or(i32::MAX),
            height: i32::try_from(size.1).unwrap_or(i32::MAX),
        });
        Ok(row)
    }
}

async fn render(content: Bytes, size: (u32, u32)) -> Result<Bytes, String> {
    let permit = DECODING.acquire().await.map_err(|error| error.to_string())?;
    let rendering = tokio::task::spawn_blocking(move || {
        // Not given back before it is done, even where nobody waits for it any more.
        let _permit = permit;
        rendition::render(&content, size)
    });
    rendering.await.map_err(|error| error.to_string())?.map(Bytes::from)
}
