//! Processes Docora's events: files are recorded, markdown becomes cards, images are stored as
//! objects, and failures are shown until the next file event.

use async_trait::async_trait;

use super::effects::{self, PlannedWrite};
use super::payload::Action;
use super::registry::Registration;
use super::store_image::ImageStore;
use super::tables::Detail;
use crate::dispatch::{Attempt, EventTypes, Failure, Handler};
use crate::store::{DeathReason, Effects, StoredEvent};

/// The handler of a Docora source.
pub(super) struct DocoraHandler {
    /// The repositories whose events are accepted.
    pub(super) registration: Registration,
    pub(super) image_store: ImageStore,
}

#[async_trait]
impl Handler for DocoraHandler {
    fn name(&self) -> &'static str {
        "docora"
    }

    fn event_types(&self) -> EventTypes {
        EventTypes::Only(Action::NAMES)
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let Some(action) = Action::named(&event.event_type) else { return Ok(Effects::ignored()) };
        // Parsing megabytes of text would block the async runtime.
        let reading = {
            let event = event.clone();
            let required = self.registration == Registration::Required;
            tokio::task::spawn_blocking(move || {
                effects::read(action, &event, attempt.started_at, required)
            })
        };
        let planned = reading.await.map_err(Failure::transient)?.map_err(|(reason, detail)| {
            Failure::permanent(DeathReason::Quarantined(reason), detail)
        })?;
        Ok(match planned {
            PlannedWrite::Store(file) => Effects::write(file),
            PlannedWrite::StoreImage { mut file, content, image } => {
                let stored = self.image_store.store(&event.tenant, &file, content, image).await;
                file.detail = Detail::Image(stored.map_err(Failure::transient)?);
                Effects::write(file)
            }
            PlannedWrite::Delete(file) => Effects::write(file),
            PlannedWrite::Fail(failure) => Effects::write(failure),
        })
    }
}
