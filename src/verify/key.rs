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
    /// The keys that the secret contains: one for each algorithm of the source's schemes for which
    /// it is a secret; without an algorithm, one for all.
    materials: Vec<(Option<Algorithm>, Material)>,
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

/// The keys in secrets of the form that the sender gives them: each is a key of the `kinds` that its
/// prefix fits.
pub(super) fn keys_of_schemes(
    secrets: Vec<Secret>,
    kinds: &[(Algorithm, &KeyDefinition)],
) -> Result<Vec<Key>, KeyError> {
    let keys = secrets.into_iter().map(|secret| {
        let wrong = |reason| {
            let fingerprint = secret.fingerprint().to_string();
            KeyError::Form { fingerprint, reason }
        };
        let fitting = kinds.iter().filter(|(_, key)| key.fits(secret.expose()));
        let material = |(algorithm, key): &(Algorithm, &KeyDefinition)| {
            let material = Material::of(secret.expose(), *algorithm, key).map_err(wrong)?;
            Ok((Some(*algorithm), material))
        };
        let materials = fitting.map(material).collect::<Result<Vec<_>, KeyError>>()?;
        if materials.is_empty() {
            return Err(wrong("the secret does not have the prefix of a key".to_owned()));
        }
        Ok(Key::new(materials, secret))
    });
    keys.collect()
}

impl Key {
    pub(super) fn new(materials: Vec<(Option<Algorithm>, Material)>, secret: Secret) -> Self {
        let mark = Mark { fingerprint: secret.fingerprint(), uses: Arc::default() };
        Self { mac: secret.mac(), materials, secret, mark }
    }

    pub(super) fn material(&self, algorithm: Algorithm) -> Option<&Material> {
        let mut materials = self.materials.iter();
        let found = materials.find(|(known, _)| known.is_none_or(|known| known == algorithm));
        found.map(|(_, material)| material)
    }
}
