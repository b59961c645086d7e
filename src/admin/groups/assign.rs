//! Puts dead letters into their groups, afterwards: where a delivery dies nothing of this is done.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Class, Groups, normalize};
use crate::store::{GroupUpdate, StoreError, Tx, UngroupedDeadLetter};

/// The most dead letters of one transaction.
const BATCH: i64 = 1000;
/// How often dead letters that are in no group are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// The most groups of one tenant, source, handler and reason. What would be one more joins the
/// group with no message: a handler that puts into its errors what cannot be told from words would
/// otherwise make a group of each.
const MOST_ALIKE: i64 = 500;
/// How many batches a look at the groups waits for.
const WAITED_FOR: usize = 3;

impl Groups {
    /// Groups some of what is not grouped yet; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was done.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let ungrouped = tx.lock_ungrouped(BATCH).await?;
        if ungrouped.is_empty() {
            return Ok(0);
        }
        let growths = merged(ungrouped.iter());
        let growths = bounded(&mut tx, growths).await?;
        tx.grow_groups(&growths).await?;
        tx.forget_group_hours(self.clock.now()).await?;
        Ok(tx.commit(ungrouped.len()).await?.into_inner())
    }

    /// Groups what died just now, so that who looks sees it; with very many at once, a part.
    pub(in crate::admin) async fn catch_up(&self) -> Result<(), StoreError> {
        for _ in 0..WAITED_FOR {
            if self.step().await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Groups what dies until `stop`.
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
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }
}

/// By how much groups grow by these, sorted by fingerprint.
fn merged<'a>(
    letters: impl Iterator<Item = &'a UngroupedDeadLetter>,
) -> BTreeMap<[u8; 32], GroupUpdate> {
    let mut growths = BTreeMap::new();
    for letter in letters {
        let error = letter.error.as_deref().unwrap_or_default();
        let mut new = GroupUpdate {
            fingerprint: [0; 32],
            tenant: letter.tenant.clone().unwrap_or_default(),
            source: letter.source.clone(),
            handler: letter.handler.clone(),
            class: Class::of(&letter.handler, &letter.death_reason).as_str(),
            death_reason: letter.death_reason.clone(),
            message: normalize(error),
            open: i64::from(letter.open),
            members: vec![(letter.id, letter.died_at)],
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

/// Beyond [`MOST_ALIKE`] groups that are alike, the rest joins the one without a message.
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
            let like =
                [&new.tenant, &new.source, &new.handler, &new.death_reason].map(Clone::clone);
            let count = match alike.get(&like) {
                Some(count) => *count,
                None => tx.groups_like(&new).await?,
            };
            alike.insert(like, count + 1);
            if count >= MOST_ALIKE {
                new.message.clear();
                new.fingerprint = fingerprint(&new);
            }
        }
        add(&mut within, new);
    }
    Ok(within.into_values().collect())
}

/// Over what the members of a group have in common; no two of its parts run into each other.
fn fingerprint(new: &GroupUpdate) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [&new.tenant, &new.source, &new.handler, &new.death_reason, &new.message] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    // The same words may be a fault of ours and of a handler.
    digest.update(new.class);
    digest.finalize().into()
}
