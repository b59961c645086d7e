//! Handshakes that bring a secret, and requests signed with a secret that has just been brought.

use std::error::Error;
use std::net::IpAddr;

use time::OffsetDateTime;
use tracing::error;

use super::{IngestService, NotStored, Rejection, SlowLane, Source, not_stored};
use crate::store::Committed;
use crate::stored_secrets::HandshakeError;
use crate::verify::{BroughtSecret, HandshakeAnswer, Refusal};

impl IngestService {
    /// Stores the secret of a handshake. The answer exists only after the commit.
    pub async fn accept_handshake(
        &self,
        source: &Source,
        brought: BroughtSecret,
        from: Option<IpAddr>,
        now: OffsetDateTime,
        lane: SlowLane,
    ) -> Result<Committed<HandshakeAnswer>, Rejection> {
        let closed = || Rejection::Refused(Refusal::HandshakeClosed);
        let secrets = source.stored_secrets.as_ref().ok_or_else(closed)?;
        let _slot = lane.acquire().await;
        let of = (&*source.tenant, &*source.name);
        match secrets.accept(of, &brought.secret, from, now).await {
            Ok(stored) => Ok(stored.map(|()| brought.answer)),
            Err(HandshakeError::Closed) => Err(closed()),
            Err(HandshakeError::Unusable) => {
                Err(Rejection::Refused(Refusal::Malformed("the secret of a handshake")))
            }
            Err(HandshakeError::Unavailable(error)) => Err(Rejection::SecretsUnavailable(error)),
            Err(HandshakeError::Vault(error)) => {
                error!(
                    error = &error as &dyn Error,
                    source.name = &*source.name,
                    "cannot seal the secret of a handshake"
                );
                Err(Rejection::NotStored(NotStored::Unknown))
            }
            Err(HandshakeError::Store(error)) => Err(not_stored(&error)),
        }
    }

    /// Reads the stored secrets of a source again, before a signature is refused.
    pub(super) async fn read_secrets(source: &Source) -> Result<(), Rejection> {
        match &source.stored_secrets {
            Some(secrets) => secrets.refresh().await.map_err(Rejection::SecretsUnavailable),
            None => Ok(()),
        }
    }

    /// The rejection of a body that was not kept, and that no secret fits. If there is a new one,
    /// the sender has to send it again.
    pub(super) async fn refused_or_new_secret(source: &Source, refusal: Refusal) -> Rejection {
        let Some(keys) = source.verifier.keys.stored() else { return Rejection::Refused(refusal) };
        let before = keys.fingerprints();
        match Self::read_secrets(source).await {
            Ok(()) if keys.fingerprints() == before => Rejection::Refused(refusal),
            Ok(()) => Rejection::NotStored(NotStored::Unknown),
            Err(rejection) => rejection,
        }
    }
}
