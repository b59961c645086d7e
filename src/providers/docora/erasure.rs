//! What is erased with an event: the file that has its content, and a repository that nothing
//! else is known of.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::payload::{self, Action, Report};
use super::tables::{self, About};
use crate::store::{DerivedRows, RowsErased, StoreError, StoredEvent, Tx};

pub(super) struct DocoraRows;

#[async_trait]
impl DerivedRows for DocoraRows {
    async fn erase_event(
        &self,
        tx: &mut Tx<'_>,
        event: &StoredEvent,
        now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        Ok(tables::erase_files(tx.connection(), &about(event), now).await?)
    }

    async fn erase_source(
        &self,
        tx: &mut Tx<'_>,
        source: &str,
        now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        Ok(tables::erase_source(tx.connection(), source, now).await?)
    }
}

/// What an event is about. One that cannot be read has changed nothing.
fn about(event: &StoredEvent) -> About {
    let mut about = About {
        source: event.source.clone(),
        event: event.id.0,
        repository: None,
        file: None,
        is_failure: false,
    };
    let action = Action::named(&event.event_type);
    let Some(Ok(payload)) = action.map(|action| payload::read_event(action, event)) else {
        return about;
    };
    about.repository = Some(payload.repository.id.into_owned());
    match payload.report {
        Report::Stored(file) => about.file = Some((file.path.into_owned(), hex::encode(file.sha))),
        Report::Deleted(file) => about.file = Some((file.path.into_owned(), hex::encode(file.sha))),
        Report::SyncFailed(_) => about.is_failure = true,
    }
    about
}
