//! The secrets of a source that its sender brought in handshakes. They are stored elsewhere, and
//! replaced here while requests are verified.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::key::{Key, KeyError, keys_of_scheme};
use super::scheme::{Algorithm, KeyDefinition};
use super::secret::{Fingerprint, Secret};

/// The secrets of handshakes, as far as they have been read.
#[derive(Debug)]
pub struct StoredKeys {
    algorithm: Algorithm,
    definition: KeyDefinition,
    /// Oldest first.
    keys: RwLock<Arc<Vec<Key>>>,
    /// The use counts of all secrets since startup: a secret that is removed and stored again goes
    /// on counting.
    uses: Mutex<HashMap<Fingerprint, Arc<AtomicU64>>>,
}

impl StoredKeys {
    pub(super) fn new(algorithm: Algorithm, definition: KeyDefinition) -> Self {
        Self { algorithm, definition, keys: RwLock::default(), uses: Mutex::default() }
    }

    /// Checks that a secret is a key of this sender.
    ///
    /// # Errors
    /// The error has only the fingerprint.
    pub fn check(&self, secret: &Secret) -> Result<(), KeyError> {
        keys_of_scheme(vec![secret.clone()], self.algorithm, &self.definition).map(|_| ())
    }

    /// Replaces the secrets; oldest first.
    ///
    /// # Errors
    /// As [`StoredKeys::check`]; nothing is replaced.
    pub fn replace(&self, secrets: Vec<Secret>) -> Result<(), KeyError> {
        let keys = keys_of_scheme(secrets, self.algorithm, &self.definition)?;
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let counting = keys.into_iter().map(|mut key| {
            let mark = &mut key.mark;
            let known = uses.entry(mark.fingerprint).or_insert_with(|| Arc::clone(&mark.uses));
            mark.uses = Arc::clone(known);
            key
        });
        let keys = Arc::new(counting.collect());
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.snapshot().iter().map(|key| key.mark.fingerprint).collect()
    }

    /// Whether this is one of the secrets; compared in constant time.
    pub fn contains(&self, presented: &[u8]) -> bool {
        self.snapshot().iter().any(|key| key.secret.matches(presented))
    }

    pub(super) fn snapshot(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}
