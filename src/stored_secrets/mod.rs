//! The secrets that senders bring in handshakes: accepted, sealed and stored, and given to the key
//! rings of their sources.
//!
//! Verification asks no database. Every gateway reads the secrets in the background, and again
//! before it refuses a signature that none of them made: the secret may have arrived at another
//! gateway a moment ago.

mod refresh;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::refresh::Refreshes;
use crate::store::{Committed, HandshakeSecret, NewHandshakeSecret, Store, StoreError};
use crate::vault::{Vault, VaultError};
use crate::verify::{KeyRing, Secret};

/// The interval of reading in the background. A secret that was removed is used for this long.
const EVERY: Duration = Duration::from_secs(5);
/// The maximum time of reading: a sender waits for it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The tenant and the name of a source.
type SourceKey = (String, String);

/// The stored secrets of all sources of this gateway. Cheap to clone.
#[derive(Clone)]
pub struct StoredSecrets(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    rings: RwLock<HashMap<SourceKey, KeyRing>>,
    /// The open windows, and when they close.
    windows: RwLock<HashMap<SourceKey, OffsetDateTime>>,
    /// The secrets that cannot be used, which are logged once.
    unusable: Mutex<BTreeSet<String>>,
    refreshes: Refreshes,
}

/// The secrets cannot be read now, so nobody knows whether the request is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored secrets of the source cannot be read")]
pub struct SecretsUnavailable;

/// Why a handshake was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The source accepts none now.
    #[error("the source does not accept a handshake now")]
    Closed,
    /// The secret is too weak, or not in the form that its sender uses.
    #[error("the secret of the handshake cannot be used")]
    Unusable,
    #[error(transparent)]
    Unavailable(#[from] SecretsUnavailable),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoredSecrets {
    pub fn new(store: Store, vault: Vault) -> Self {
        Self(Arc::new(Inner {
            store,
            vault,
            rings: RwLock::default(),
            windows: RwLock::default(),
            unusable: Mutex::default(),
            refreshes: Refreshes::default(),
        }))
    }

    /// Adds the ring of a source whose sender brings secrets.
    pub fn add(&self, tenant: &str, source: &str, keys: &KeyRing) {
        let mut rings = self.0.rings.write().unwrap_or_else(PoisonError::into_inner);
        rings.insert((tenant.to_owned(), source.to_owned()), keys.clone());
    }

    /// Reads the secrets in the background, until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        if self.rings().is_empty() {
            return stop.cancelled().await;
        }
        let reading = async {
            loop {
                // A failure is logged; the next one is in a moment.
                let _unavailable = self.refresh().await;
                tokio::time::sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(reading).await.unwrap_or(());
    }

    /// Reads the secrets: what is committed when this is called is known when it returns. Callers
    /// share a reading, and wait for the next one if the last was a moment ago.
    pub async fn refresh(&self) -> Result<(), SecretsUnavailable> {
        let read = || async {
            let reading = tokio::time::timeout(TIMEOUT, self.read()).await;
            let result = reading.unwrap_or_else(|_| Err(StoreError::timed_out()));
            result.map_err(|error| {
                warn!(error = &error as &dyn Error, "cannot read the stored secrets of sources");
                SecretsUnavailable
            })
        };
        self.0.refreshes.run(read).await
    }

    /// Accepts the secret of a handshake while the window of its source is open. A secret that is
    /// stored already is accepted again.
    pub async fn accept(
        &self,
        (tenant, source): (&str, &str),
        presented: &[u8],
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Committed<()>, HandshakeError> {
        let key = (tenant.to_owned(), source.to_owned());
        if !self.expects(&key, presented, now) {
            self.refresh().await?;
            if !self.expects(&key, presented, now) {
                return Err(HandshakeError::Closed);
            }
        }
        let ring = self.rings().get(&key).cloned().ok_or(HandshakeError::Closed)?;
        let keys = ring.stored().ok_or(HandshakeError::Closed)?;
        let secret = Secret::new(presented).map_err(|_| HandshakeError::Unusable)?;
        keys.check(&secret).map_err(|_| HandshakeError::Unusable)?;
        let fingerprint = secret.fingerprint().to_string();
        let label = HandshakeSecret::label(tenant, source, &fingerprint);
        let sealed = self.0.vault.seal(&label, presented)?;
        let new = NewHandshakeSecret { label: &label, sealed: &sealed, address, at: now };
        let stored = self.0.store.accept_handshake(new).await?.ok_or(HandshakeError::Closed)?;
        info!(source.name = source, secret = fingerprint, "handshake accepted: secret stored");
        Ok(stored)
    }

    /// Whether a handshake is worth a look at the database.
    fn expects(&self, key: &SourceKey, presented: &[u8], now: OffsetDateTime) -> bool {
        let windows = self.0.windows.read().unwrap_or_else(PoisonError::into_inner);
        let is_open = windows.get(key).is_some_and(|closes_at| *closes_at > now);
        is_open || {
            let rings = self.rings();
            let keys = rings.get(key).and_then(KeyRing::stored);
            keys.is_some_and(|keys| keys.contains(presented))
        }
    }

    async fn read(&self) -> Result<(), StoreError> {
        // Windows that have ended are left out when they are needed.
        let (secrets, windows) = self.0.store.handshake_secrets(OffsetDateTime::UNIX_EPOCH).await?;
        let windows = windows.into_iter();
        let windows = windows.map(|one| ((one.tenant, one.source), one.closes_at)).collect();
        *self.0.windows.write().unwrap_or_else(PoisonError::into_inner) = windows;
        let mut by_source: HashMap<SourceKey, Vec<HandshakeSecret>> = HashMap::new();
        for secret in secrets {
            let key = (secret.label.tenant.clone(), secret.label.source.clone());
            by_source.entry(key).or_default().push(secret);
        }
        for (key, ring) in &*self.rings() {
            if let Some(keys) = ring.stored() {
                let secrets = by_source.remove(key).unwrap_or_default();
                let known = keys.fingerprints().into_iter().map(|known| known.to_string());
                if !known.eq(secrets.iter().map(HandshakeSecret::fingerprint)) {
                    let opened = secrets.iter().filter_map(|secret| self.open(secret)).collect();
                    if let Err(error) = keys.replace(opened) {
                        error!(error = &error as &dyn Error, "cannot use the stored secrets");
                    }
                }
            }
        }
        Ok(())
    }

    /// The secret, unless it cannot be opened.
    fn open(&self, stored: &HandshakeSecret) -> Option<Secret> {
        let why = match self.0.vault.open(&stored.label, &stored.sealed) {
            Ok(bytes) => match Secret::new(bytes.as_slice()) {
                Ok(secret) => return Some(secret),
                Err(weak) => weak.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let mut unusable = self.0.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        if unusable.insert(stored.label.to_string()) {
            warn!(label = %stored.label, why, "cannot use a stored secret");
        }
        None
    }

    fn rings(&self) -> std::sync::RwLockReadGuard<'_, HashMap<SourceKey, KeyRing>> {
        self.0.rings.read().unwrap_or_else(PoisonError::into_inner)
    }
}
