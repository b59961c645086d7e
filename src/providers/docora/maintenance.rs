//! Removes the objects that no image has any more, and finds those that were written in vain.

use async_trait::async_trait;
use futures_util::StreamExt;
use time::{Duration, OffsetDateTime};

use super::tables::{Account, Removal};
use crate::dispatch::{BoxError, ProviderMaintenance};
use crate::objects::{Key, Objects};
use crate::store::Store;

/// How old an object is that should be known by now.
const SETTLED: Duration = Duration::hours(1);
/// How many objects are held against the account at a time.
const AT_A_TIME: usize = 500;
/// How many are removed at a time.
const REMOVALS: usize = 8;

/// Keeps the objects of a source in order.
pub(super) struct ObjectMaintenance {
    pub(super) source: String,
    pub(super) tenant: String,
    pub(super) objects: Objects,
}

#[async_trait]
impl ProviderMaintenance for ObjectMaintenance {
    async fn step(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError> {
        // First what cannot take long, however large a repository is.
        let removed = self.remove(store, now).await?;
        Ok(removed + self.find(store, now).await?)
    }
}

impl ObjectMaintenance {
    fn account(&self) -> Account<'_> {
        Account { source: &self.source }
    }

    async fn remove(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError> {
        let mut tx = store.begin().await?;
        let removal = self.account().begin_removal(&mut tx, now).await?;
        let Removal { keys } = tx.commit(removal).await?.into_inner();
        let removed = futures_util::stream::iter(keys)
            .map(async |key| (self.objects.remove(&Key::read(&key)).await, key))
            .buffer_unordered(REMOVALS);
        let removed: Vec<_> = removed.collect().await;
        let mut failure = None;
        let mut gone = Vec::new();
        for (result, key) in removed {
            match result {
                Ok(()) => gone.push(key),
                Err(error) => failure = Some(error),
            }
        }
        if !gone.is_empty() {
            let mut tx = store.begin().await?;
            self.account().removed(&mut tx, &gone, now).await?;
            tx.commit(()).await?;
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(gone.len() as u64),
        }
    }

    /// Looks through the objects of one repository for those that the account does not know: their
    /// delivery wrote them and never came to its end.
    async fn find(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError> {
        let mut tx = store.begin().await?;
        let next = self.account().next_to_check(&mut tx, now).await?;
        let Some(repository) = tx.commit(next).await?.into_inner() else { return Ok(0) };
        let listed = self.objects.list(&[&self.tenant, &repository]).await?;
        let mut listed = listed.chunks(AT_A_TIME);
        let mut found = 0;
        while let Some(some) = listed.next().await {
            let some = some.into_iter().collect::<Result<Vec<_>, _>>()?;
            let old = some.into_iter().filter(|object| object.written_at < now - SETTLED);
            let keys: Vec<String> = old.map(|object| object.key.as_str().to_owned()).collect();
            if keys.is_empty() {
                continue;
            }
            let mut tx = store.begin().await?;
            let noted = self.account().found(&mut tx, &keys, now).await?;
            found += tx.commit(noted).await?.into_inner();
        }
        Ok(found)
    }
}
