//! The outcomes of a request.

use super::NotStored;
use crate::sender_client::KeyUnavailable;
use crate::store::{Committed, EventId};
use crate::stored_secrets::SecretsUnavailable;
use crate::verify::{HandshakeAnswer, Quarantine, Refusal};

/// The outcome of an authentic request. There is no response to an event without its commit: only
/// a handshake, which contains no event, is answered without one.
#[derive(Debug)]
pub enum Accepted {
    Recorded(Committed<Receipt>),
    /// A challenge of the sender. Nothing is recorded.
    Answered(Box<HandshakeAnswer>),
}

/// What was recorded. Only available inside a [`Committed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    Accepted(EventId),
    /// Received before, as this event.
    Duplicate(EventId),
    /// Its id was used before with another body.
    Differs {
        first: EventId,
        /// The SHA-256 of the first body.
        digest: [u8; 32],
    },
    /// Stored as a dead letter.
    Quarantined(EventId, Quarantine),
    /// Several events in one request.
    Batch {
        /// The first one, or the event that it repeats.
        first: EventId,
        /// How many are new; dead letters included.
        new: u32,
        /// How many were received before.
        duplicates: u32,
    },
    /// A chunk of a future event.
    Chunk {
        event: EventId,
        /// Chunks received.
        have: u32,
        /// The total number of chunks.
        total: u32,
    },
    /// Its idempotency key was used before: the first response is repeated.
    Replayed {
        event: EventId,
        quarantined: bool,
    },
}

/// Why a request was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Not authentic, or too old.
    #[error("request rejected")]
    Refused(#[source] Refusal),
    /// Whether it is authentic is unknown: a failure of the gateway or of the sender's key server,
    /// and not of the request.
    #[error("the published keys of the sender are not available")]
    KeysUnavailable(#[source] KeyUnavailable),
    /// Whether it is authentic is unknown: its secret may have been stored a moment ago.
    #[error("the stored secrets of the source are not available")]
    SecretsUnavailable(#[source] SecretsUnavailable),
    #[error("the idempotency key was already used with a different body")]
    KeyReused,
    #[error("a request with this idempotency key is in progress")]
    InProgress,
    /// With the time after which to retry.
    #[error("the source exceeds its rate limit")]
    RateLimited(std::time::Duration),
    #[error("the source exceeds its quota for open transfers")]
    ChunkQuota,
    /// Not stored, or the commit is unknown.
    #[error("event not stored, or commit unknown")]
    NotStored(#[source] NotStored),
}
