//! What is erased with an event: everything about the object that it describes, since a row is
//! merged from several events.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::payload::Head;
use super::tables;
use crate::store::{DerivedRows, RowsErased, StoreError, StoredEvent, Tx};

pub(super) struct StripeRows;

#[async_trait]
impl DerivedRows for StripeRows {
    async fn erase_event(
        &self,
        tx: &mut Tx<'_>,
        event: &StoredEvent,
        _now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        // A body that cannot be read changed nothing.
        let head = serde_json::from_slice::<Head<'_>>(&event.body).ok();
        let object = head.as_ref().and_then(Head::object_id);
        let account = head.as_ref().and_then(Head::scope);
        let connection = tx.connection();
        let rows = tables::erase_object(connection, &event.source, event.id.0, object, account);
        Ok(RowsErased::rows(rows.await?))
    }

    async fn erase_source(
        &self,
        tx: &mut Tx<'_>,
        source: &str,
        _now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        Ok(RowsErased::rows(tables::erase_source(tx.connection(), source).await?))
    }
}
