//! What providers erase: the rows that their handlers derived from events.

use std::ops::AddAssign;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::store::{StoreError, StoredEvent, Tx};

/// The tables of a provider, as an erasure uses them.
#[async_trait]
pub trait DerivedRows: Send + Sync {
    /// Erases what is known because of an event: the rows of what it is about, whichever event
    /// wrote them last.
    async fn erase_event(
        &self,
        tx: &mut Tx<'_>,
        event: &StoredEvent,
        now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError>;

    /// Erases everything of a source.
    async fn erase_source(
        &self,
        tx: &mut Tx<'_>,
        source: &str,
        now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError>;
}

/// What a provider erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsErased {
    pub rows: u64,
    /// Stored objects that nothing uses any more: maintenance removes them.
    pub objects: u64,
}

impl RowsErased {
    pub fn rows(rows: u64) -> Self {
        Self { rows, objects: 0 }
    }
}

impl AddAssign for RowsErased {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.objects += more.objects;
    }
}
