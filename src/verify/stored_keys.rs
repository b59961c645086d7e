//! The secrets of a source that its sender brought in handshakes. They are stored elsewhere, and
//! replaced here while requests are verified.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::key::{Key, KeyError, keys_of_schemes};
use super::scheme::{Algorithm, KeyDefinition};
use super::secret::{Fingerprint, Secret};

/// The secrets of handshakes, as far as they have been read.
#[derive(Debug)]
pub struct StoredKeys {
    kinds: Vec<(Algorithm, KeyDefinition)>,
    /// Oldest first.
    keys: RwLock<Arc<Vec<Key>>>,
    /// The use counts of all secrets since startup: a secret that is removed and stored again goes
    /// on counting.
    uses: Mutex<HashMap<Fingerprint, Arc<AtomicU64>>>,
}

impl StoredKeys {
    pub(super) fn new(kinds: &[(Algorithm, &KeyDefinition)]) -> Self {
        let kinds = kinds.iter().map(|(algorithm, key)| (*algorithm, (*key).clone()));
        Self { kinds: kinds.collect(), keys: RwLock::default(), uses: Mutex::default() }
    }

    /// Checks that a secret is a key of this sender.
    ///
    /// # Errors
    /// The error has only the fingerprint.
    pub fn check(&self, secret: &Secret) -> Result<(), KeyError> {
        self.keys_in(vec![secret.clone()]).map(|_| ())
    }

    /// Replaces the secrets; oldest first.
    ///
    /// # Errors
    /// As [`StoredKeys::check`]; nothing is replaced.
    pub fn replace(&self, secrets: Vec<Secret>) -> Result<(), KeyError> {
        let keys = self.keys_in(secrets)?;
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

    fn keys_in(&self, secrets: Vec<Secret>) -> Result<Vec<Key>, KeyError> {
        let kinds = self.kinds.iter().map(|(algorithm, key)| (*algorithm, key));
        keys_of_schemes(secrets, &kinds.collect::<Vec<_>>())
    }

    pub(super) fn snapshot(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}
