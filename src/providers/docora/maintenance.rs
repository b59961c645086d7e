//! Removes objects that no image uses, including those written for a failed delivery.

use async_trait::async_trait;
use futures_util::StreamExt;
use time::{Duration, OffsetDateTime};

use super::tables::{ObjectLedger, Removal};
use crate::dispatch::{BoxError, ProviderMaintenance};
use crate::objects::{Key, Objects};
use crate::store::Store;

/// Younger objects may not be in the ledger yet.
const MIN_AGE: Duration = Duration::hours(1);
/// The number of objects checked against the ledger at a time.
const BATCH: usize = 500;
/// The number of objects removed concurrently.
const REMOVALS: usize = 8;

pub(super) struct ObjectMaintenance {
    pub(super) source: String,
    pub(super) tenant: String,
    pub(super) objects: Objects,
}

#[async_trait]
impl ProviderMaintenance for ObjectMaintenance {
    async fn step(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError> {
        // Removal is bounded, however large a repository is, so it comes first.
        let removed = self.remove(store, now).await?;
        Ok(removed + self.find(store, now).await?)
    }
}

impl ObjectMaintenance {
    fn ledger(&self) -> ObjectLedger<'_> {
        ObjectLedger { source: &self.source }
    }

    async fn remove(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError> {
        let mut tx = store.begin().await?;
        let removal = self.ledger().begin_removal(&mut tx, now).await?;
        let Removal { keys } = tx.commit(removal).await?.into_inner();
        let removed = futures_util::stream::iter(keys)
            .map(async |key| (self.objects.remove(&Key::read(&key)).await, key))
            .buffer_unordered(REMOVALS);
        let removed: Vec<_> = removed.collect().await;
        let mut failure = None;
        let mut removed_keys = Vec::new();
        for (result, key) in removed {
            match result {
                Ok(()) => removed_keys.push(key),
                Err(error) => failure = Some(error),
            }
        }
        if !removed_keys.is_empty() {
            let mut tx = store.begin().await?;
            self.ledger().removed(&mut tx, &removed_keys, now).await?;
            tx.commit(()).await?;
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(removed_keys.len() as u64),
        }
    }

    /// Finds objects of one repository that the ledger does not contain: their delivery wrote them
    /// and failed.
    async fn find(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError> {
        let mut tx = store.begin().await?;
        let next = self.ledger().next_to_check(&mut tx, now).await?;
        let Some(repository) = tx.commit(next).await?.into_inner() else { return Ok(0) };
        let listed = self.objects.list(&[&self.tenant, &repository]).await?;
        let mut listed = listed.chunks(BATCH);
        let mut found = 0;
        while let Some(batch) = listed.next().await {
            let batch = batch.into_iter().collect::<Result<Vec<_>, _>>()?;
            let old = batch.into_iter().filter(|object| object.written_at < now - MIN_AGE);
            let keys: Vec<String> = old.map(|object| object.key.as_str().to_owned()).collect();
            if keys.is_empty() {
                continue;
            }
            let mut tx = store.begin().await?;
            let noted = self.ledger().add_unknown(&mut tx, &keys, now).await?;
            found += tx.commit(noted).await?.into_inner();
        }
        Ok(found)
    }
}
