//! Who may call the operator listener: whoever holds its token. It is the configured one, or, where
//! none is configured, the one that was made: shown once, and kept as its digest.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use tracing::info;
use zeroize::Zeroizing;

use crate::store::{AuditEntry, NewToken, Store, StoreError, TokenDigest};

/// How a token that we made begins, so that people and scanners know one when they see it.
const PREFIX: &str = "slp_";
/// How long the database may take to say which token is good.
const ASK_WITHIN: Duration = Duration::from_millis(500);

/// Tells good tokens from bad ones.
#[derive(Debug)]
pub struct Access {
    store: Store,
    configured: Option<TokenDigest>,
    /// The one that the database named last: what counts while the database is away, when metrics
    /// are wanted most.
    known: Mutex<Option<TokenDigest>>,
}

impl Access {
    /// `configured` is the token that the configuration names: then the database is not asked.
    pub fn new(store: Store, configured: Option<&[u8]>) -> Self {
        Self { store, configured: configured.map(TokenDigest::of), known: Mutex::default() }
    }

    /// Whether it was good when the database was asked last. Costs nothing.
    pub fn seems_good(&self, token: &TokenDigest) -> bool {
        let known = self.configured.or_else(|| *self.lock());
        known.is_some_and(|known| known.matches(token))
    }

    /// Whether it is good now.
    pub async fn is_good(&self, token: &TokenDigest) -> bool {
        match self.ask().await {
            // What was read for this call, and not what another one has noted meanwhile.
            Some(good) => good.is_some_and(|good| good.matches(token)),
            None => self.seems_good(token),
        }
    }

    /// Asks the database which token is good. To be called now and then, so that a good one is
    /// known before it is shown.
    pub async fn refresh(&self) {
        self.ask().await;
    }

    /// The digest of the good token; `None` where the database was not asked or did not answer.
    async fn ask(&self) -> Option<Option<TokenDigest>> {
        if self.configured.is_some() {
            return None;
        }
        let asked = tokio::time::timeout(ASK_WITHIN, self.store.operator_token()).await;
        let good = asked.ok()?.ok()?;
        *self.lock() = good;
        Some(good)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<TokenDigest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the first token of this database; `None` where one was made before, by whichever gateway.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn first_token(
    store: &Store,
    now: OffsetDateTime,
) -> Result<Option<Zeroizing<String>>, StoreError> {
    let token = make();
    let mut tx = store.begin().await?;
    let new = NewToken { digest: TokenDigest::of(token.as_bytes()), at: now, by: "sealpost serve" };
    let made = tx.first_operator_token(&new).await?;
    Ok(tx.commit(made).await?.into_inner().then_some(token))
}

/// Makes a token; the one before it is good no longer.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn replace_token(
    store: &Store,
    now: OffsetDateTime,
    actor: &str,
) -> Result<Zeroizing<String>, StoreError> {
    let token = make();
    let mut tx = store.begin().await?;
    let digest = TokenDigest::of(token.as_bytes());
    tx.replace_operator_token(&NewToken { digest, at: now, by: actor }).await?;
    tx.audit(&AuditEntry {
        at: now,
        actor,
        action: "replace token",
        target: "the operator listener",
        reason: "",
        count: 1,
    })
    .await?;
    tx.commit(()).await?;
    info!(actor, "the operator listener has a new token");
    Ok(token)
}

fn make() -> Zeroizing<String> {
    let random = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&random[..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_made_fits_a_header_and_is_never_the_same() {
        let (one, other) = (make(), make());
        assert_ne!(one, other);
        assert_eq!(one.len(), "slp_".len() + 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
    }
}
