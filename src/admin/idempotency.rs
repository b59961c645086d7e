//! Idempotency keys: a request that is repeated with the same key is executed once.
//!
//! A request is *claimed*, in a commit of its own, before it is executed. Then its response is
//! recorded; a rejected request releases the claim. If the process dies in between, the claim
//! remains and the outcome is unknown: a request that is safe to repeat is executed again, and the
//! caller of any other is told to check the outcome.

use std::error::Error;

use sha2::{Digest, Sha256};
use tracing::warn;
use uuid::Uuid;

use super::{AdminError, Caller};
use crate::clock::SharedClock;
use crate::store::{IdempotencyClaim, IdempotentRequest, Store};

/// What a repeated request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing more than the first: it is rejected or changes nothing.
    Repeatable,
    /// It creates a second item.
    Single,
    /// As [`Repeat::Single`], and the response contains a secret, which is shown once and never
    /// stored.
    Secret,
}

#[derive(Clone)]
pub struct IdempotencyKeys {
    store: Store,
    clock: SharedClock,
}

/// A claimed request, to be executed now.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedKey {
    key: [u8; 32],
    claim: Uuid,
    repeat: Repeat,
}

/// The state of a request.
#[derive(Debug, Clone)]
pub enum IdempotencyState {
    New(ClaimedKey),
    Known(IdempotencyClaim),
}

impl IdempotencyKeys {
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// Claims the request that `caller` identifies by `key`; `parts` are all that determines its
    /// effect.
    pub async fn claim(
        &self,
        caller: &Caller,
        key: &str,
        parts: &[&[u8]],
        repeat: Repeat,
    ) -> Result<IdempotencyState, AdminError> {
        let tenant =
            caller.tenant().map_or_else(Vec::new, |tenant| [b"=", tenant.as_bytes()].concat());
        let request = IdempotentRequest {
            key: digest(&[caller.actor().as_bytes(), &tenant, key.as_bytes()]),
            request: digest(parts),
            repeatable: repeat == Repeat::Repeatable,
        };
        Ok(match self.store.claim_request(&request, self.clock.now()).await? {
            IdempotencyClaim::Claimed(claim) => {
                IdempotencyState::New(ClaimedKey { key: request.key, claim, repeat })
            }
            known => IdempotencyState::Known(known),
        })
    }

    /// Records the outcome of a request: `done` is the status and the body of a success response,
    /// `None` releases the claim. A claim that cannot be settled expires.
    pub async fn settle(&self, claimed: ClaimedKey, done: Option<(u16, &[u8])>) {
        let ClaimedKey { key, claim, repeat } = claimed;
        let settled = match done {
            Some((status, body)) => {
                let kept = (repeat != Repeat::Secret).then_some(body);
                self.store.answer_request(claim, key, (status, kept), self.clock.now()).await
            }
            None => self.store.release_request(claim, key).await,
        };
        if let Err(error) = settled {
            warn!(error = &error as &dyn Error, "cannot store the response for an idempotency key");
        }
    }
}

/// SHA-256 of parts, each after its length: different lists of parts have different digests.
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
    fn digest_depends_on_the_boundaries_of_the_parts() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"a"]), digest(&[b"a", b""]));
        assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
    }
}
