//! A secret of a source, and the key that it contains.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hmac::Hmac;
use sha2::Sha256;

use super::scheme::{Algorithm, KeyDefinition, Material};
use super::secret::{Fingerprint, Secret, WeakSecret};

/// Why a source's secrets are no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Weak(#[from] WeakSecret),
    /// The secret is not in the form that the sender gives it.
    #[error("with fingerprint {fingerprint}: {reason}")]
    Form { fingerprint: String, reason: String },
    /// The sender publishes its keys.
    #[error("must be empty: the sender publishes its keys")]
    Published,
}

#[derive(Clone)]
pub(super) struct Key {
    pub(super) mac: Hmac<Sha256>,
    /// The key that the secret contains, for the scheme of the source.
    pub(super) material: Material,
    pub(super) secret: Secret,
    pub(super) mark: Mark,
}

/// Which secret it was.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) fingerprint: Fingerprint,
    /// The number of successful verifications, shared by all clones of the ring.
    pub(super) uses: Arc<AtomicU64>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.mark.fingerprint)
    }
}

/// The keys in secrets of the form that the sender of a scheme gives them.
pub(super) fn keys_of_scheme(
    secrets: Vec<Secret>,
    algorithm: Algorithm,
    key: &KeyDefinition,
) -> Result<Vec<Key>, KeyError> {
    let keys = secrets.into_iter().map(|secret| {
        let material = Material::of(secret.expose(), algorithm, key).map_err(|reason| {
            KeyError::Form { fingerprint: secret.fingerprint().to_string(), reason }
        })?;
        Ok(Key::new(material, secret))
    });
    keys.collect()
}

impl Key {
    pub(super) fn new(material: Material, secret: Secret) -> Self {
        let mark = Mark { fingerprint: secret.fingerprint(), uses: Arc::default() };
        Self { mac: secret.mac(), material, secret, mark }
    }
}
