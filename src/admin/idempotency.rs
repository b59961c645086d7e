//! Requests with an idempotency key: what is asked for twice with the same key is done once.
//!
//! A request is *claimed*, in a commit of its own, before anything is done. Then it is carried out,
//! and what it answered is recorded; what was refused lets the claim go, and may be asked for
//! again. A process that dies in between leaves a claim. Nobody knows then whether the request was
//! carried out: where doing it twice comes to the same as doing it once it is done again, and
//! where it does not, whoever repeats it is told to look.

use std::error::Error;

use sha2::{Digest, Sha256};
use tracing::warn;
use uuid::Uuid;

use super::{AdminError, Caller};
use crate::clock::SharedClock;
use crate::store::{IdempotencyClaim, IdempotentRequest, Store};

/// What a duplicate comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// To do it twice comes to the same as to do it once: the second finds it done, and is refused
    /// or changes nothing.
    Repeatable,
    /// To do it twice makes two.
    Single,
    /// As [`Repeat::Single`], and its answer holds a secret: it is shown once and kept nowhere.
    Secret,
}

/// The requests with an idempotency key.
#[derive(Clone)]
pub struct IdempotencyKeys {
    store: Store,
    clock: SharedClock,
}

/// A request that its caller may carry out now.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedKey {
    key: [u8; 32],
    claim: Uuid,
    act: Repeat,
}

/// What there is of a request.
#[derive(Debug, Clone)]
pub enum IdempotencyState {
    /// Nothing: carry it out, and settle it.
    New(ClaimedKey),
    /// See [`IdempotencyClaim`].
    Known(IdempotencyClaim),
}

impl IdempotencyKeys {
    /// Those that `store` remembers.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// Claims the request that `caller` names `key`; `parts` are all that makes it what it is.
    ///
    /// # Errors
    /// [`AdminError::Store`].
    pub async fn claim(
        &self,
        caller: &Caller,
        key: &str,
        parts: &[&[u8]],
        act: Repeat,
    ) -> Result<IdempotencyState, AdminError> {
        let tenant =
            caller.tenant().map_or_else(Vec::new, |tenant| [b"=", tenant.as_bytes()].concat());
        let named = IdempotentRequest {
            key: digest(&[caller.actor().as_bytes(), &tenant, key.as_bytes()]),
            request: digest(parts),
            repeatable: act == Repeat::Repeatable,
        };
        Ok(match self.store.claim_request(&named, self.clock.now()).await? {
            IdempotencyClaim::Taken(claim) => {
                IdempotencyState::New(ClaimedKey { key: named.key, claim, act })
            }
            known => IdempotencyState::Known(known),
        })
    }

    /// Settles a request that was carried out, or refused: `done` is the status and the body of
    /// what was done. A claim that cannot be settled now expires.
    pub async fn settle(&self, claimed: ClaimedKey, done: Option<(u16, &[u8])>) {
        let ClaimedKey { key, claim, act } = claimed;
        let settled = match done {
            Some((status, body)) => {
                let kept = (act != Repeat::Secret).then_some(body);
                self.store.answer_request(claim, key, (status, kept), self.clock.now()).await
            }
            None => self.store.release_request(claim, key).await,
        };
        if let Err(error) = settled {
            warn!(error = &error as &dyn Error, "cannot store the response for an idempotency key");
        }
    }
}

/// SHA-256 of parts, each after its length: no two lists of parts come to the same.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_cut_elsewhere_are_another_request() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"a"]), digest(&[b"a", b""]));
        assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
    }
}
