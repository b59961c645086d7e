//! Everything about one delivery.

use crate::store::{
    DeadLetter, DeadLetterFilter, EventPreview, Page, PastAttempt, Store, StoreError,
};

/// How many bytes of a body are shown.
pub const PREVIEW: i32 = 64 * 1024;
/// The most deliveries of one event that are shown.
const SIBLINGS: i64 = 1000;

/// Everything about one delivery.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The delivery.
    pub delivery: DeadLetter,
    /// The whole text of its last error.
    pub last_error: Option<String>,
    /// Its event; `None` when that was removed.
    pub event: Option<EventPreview>,
    /// Every delivery of that event, oldest first, this one included.
    pub deliveries: Vec<DeadLetter>,
    /// Every attempt at those.
    pub attempts: Vec<PastAttempt>,
}

pub(super) async fn show(store: &Store, id: i64) -> Result<Option<Dossier>, StoreError> {
    let siblings = store.sibling_ids(id).await?;
    let filter = DeadLetterFilter { ids: Some(siblings.clone()), ..DeadLetterFilter::default() };
    let page = Page { after: i64::MIN, up_to: i64::MAX, limit: SIBLINGS };
    let deliveries = store.dead_letters(&filter, page).await?;
    let Some(delivery) = deliveries.iter().find(|delivery| delivery.id == id).cloned() else {
        return Ok(None);
    };
    Ok(Some(Dossier {
        last_error: store.last_error(id).await?,
        event: store.event_preview(delivery.event, PREVIEW).await?,
        attempts: store.attempts(&siblings).await?,
        delivery,
        deliveries,
    }))
}
