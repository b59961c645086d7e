//! What is done about Docora's events: files are noted; markdown becomes cards, images are kept
//! as objects; failures are shown until the next file event.

use async_trait::async_trait;

use super::effects::{self, Draft};
use super::payload::Action;
use super::registry::Registration;
use super::store_image::Keeper;
use super::tables::Detail;
use crate::dispatch::{Attempt, EventTypes, Failure, Handler};
use crate::store::{DeathReason, Effects, StoredEvent};

/// The handler of every Docora source.
pub(super) struct DocoraHandler {
    /// Which repositories are accepted.
    pub(super) registration: Registration,
    pub(super) keeper: Keeper,
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
        // Megabytes of text take their time to be read.
        let reading = {
            let event = event.clone();
            let required = self.registration == Registration::Required;
            tokio::task::spawn_blocking(move || {
                effects::read(action, &event, attempt.started_at, required)
            })
        };
        let draft = reading.await.map_err(Failure::transient)?.map_err(|(reason, detail)| {
            Failure::permanent(DeathReason::Quarantined(reason), detail)
        })?;
        Ok(match draft {
            Draft::Store(file) => Effects::write(file),
            Draft::StoreImage { mut file, content, image } => {
                let kept = self.keeper.keep(&event.tenant, &file, content, image).await;
                file.detail = Detail::Image(kept.map_err(Failure::transient)?);
                Effects::write(file)
            }
            Draft::Delete(file) => Effects::write(file),
            Draft::Fail(failure) => Effects::write(failure),
        })
    }
}
