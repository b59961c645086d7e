//! Groups dead letters in the background: the transaction that dead-letters a delivery does not.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Class, Groups, normalize};
use crate::store::{GroupUpdate, StoreError, Tx, UngroupedDeadLetter};

/// The maximum number of dead letters of one transaction.
const BATCH: i64 = 1000;
/// How often to look for ungrouped dead letters.
const INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of groups of one tenant, source, handler and reason. Beyond it, dead letters
/// join a group without a message: otherwise a handler whose errors contain variable words would
/// create a group for each.
const MAX_SIMILAR: i64 = 500;
/// The maximum number of batches that a reader of the groups waits for.
const MAX_CATCH_UP: usize = 3;

impl Groups {
    /// Groups a batch of ungrouped dead letters; returns their number.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let ungrouped = tx.lock_ungrouped(BATCH).await?;
        if ungrouped.is_empty() {
            return Ok(0);
        }
        let growths = merged(ungrouped.iter());
        let growths = bounded(&mut tx, growths).await?;
        tx.add_to_groups(&growths).await?;
        tx.delete_old_group_hours(self.clock.now()).await?;
        Ok(tx.commit(ungrouped.len()).await?.into_inner())
    }

    /// Groups the newest dead letters before the groups are read; with a large backlog only a part.
    pub(in crate::admin) async fn catch_up(&self) -> Result<(), StoreError> {
        for _ in 0..MAX_CATCH_UP {
            if self.step().await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Groups dead letters until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        loop {
            match stop.run_until_cancelled(self.step()).await {
                None => return,
                Some(Ok(0)) => {}
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot group dead letters");
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }
}

/// The updates of the groups of these dead letters, sorted by fingerprint.
fn merged<'a>(
    ungrouped: impl Iterator<Item = &'a UngroupedDeadLetter>,
) -> BTreeMap<[u8; 32], GroupUpdate> {
    let mut growths = BTreeMap::new();
    for dead in ungrouped {
        let error = dead.error.as_deref().unwrap_or_default();
        let mut new = GroupUpdate {
            fingerprint: [0; 32],
            tenant: dead.tenant.clone().unwrap_or_default(),
            source: dead.source.clone(),
            handler: dead.handler.clone(),
            class: Class::of(&dead.handler, dead.death_reason),
            death_reason: dead.death_reason,
            message: normalize(error),
            open: i64::from(dead.open),
            members: vec![(dead.id, dead.died_at)],
        };
        new.fingerprint = fingerprint(&new);
        add(&mut growths, new);
    }
    growths
}

fn add(growths: &mut BTreeMap<[u8; 32], GroupUpdate>, new: GroupUpdate) {
    match growths.get_mut(&new.fingerprint) {
        Some(known) => {
            known.open += new.open;
            known.members.extend(new.members);
        }
        None => {
            growths.insert(new.fingerprint, new);
        }
    }
}

/// Beyond [`MAX_SIMILAR`] similar groups, the rest joins the one without a message.
async fn bounded(
    tx: &mut Tx<'_>,
    growths: BTreeMap<[u8; 32], GroupUpdate>,
) -> Result<Vec<GroupUpdate>, StoreError> {
    let fingerprints: Vec<Vec<u8>> = growths.keys().map(|key| key.to_vec()).collect();
    let known = tx.known_groups(&fingerprints).await?;
    let mut alike = BTreeMap::new();
    let mut within = BTreeMap::new();
    for (key, mut new) in growths {
        if !known.iter().any(|known| known[..] == key[..]) && !new.message.is_empty() {
            let names = [&new.tenant, &new.source, &new.handler].map(Clone::clone);
            let like = (names, new.death_reason.as_str());
            let count = match alike.get(&like) {
                Some(count) => *count,
                None => tx.count_similar_groups(&new).await?,
            };
            alike.insert(like, count + 1);
            if count >= MAX_SIMILAR {
                new.message.clear();
                new.fingerprint = fingerprint(&new);
            }
        }
        add(&mut within, new);
    }
    Ok(within.into_values().collect())
}

/// The digest of what the members of a group have in common. Each part is preceded by its length.
fn fingerprint(new: &GroupUpdate) -> [u8; 32] {
    let mut digest = Sha256::new();
    let reason = new.death_reason.as_str();
    for part in [new.tenant.as_str(), &new.source, &new.handler, reason, &new.message] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    // Equal texts may be in different classes.
    digest.update(new.class.as_str());
    digest.finalize().into()
}
