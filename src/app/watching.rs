//! Telling people what is wrong, although nobody looks: a part of the housekeeping.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::dispatch::{BoxError, Upkeep};
use crate::operator::Insight;
use crate::store::Store;

/// Raises alerts for what is wrong.
pub(super) struct Watching(pub(super) Insight);

#[async_trait]
impl Upkeep for Watching {
    async fn step(&self, _: &Store, _: OffsetDateTime) -> Result<u64, BoxError> {
        Ok(self.0.raise_alarms().await?)
    }
}
