//! Idempotency keys of requests in progress.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Rejection;
use crate::store::KeyDigest;

/// Holds an idempotency key while its request is recorded.
pub(super) struct InProgress {
    keys: Arc<Mutex<HashSet<KeyDigest>>>,
    key: KeyDigest,
}

impl InProgress {
    pub(super) fn claim(
        keys: &Arc<Mutex<HashSet<KeyDigest>>>,
        key: KeyDigest,
    ) -> Result<Self, Rejection> {
        let mut in_progress = keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !in_progress.insert(key) {
            return Err(Rejection::InProgress);
        }
        Ok(Self { keys: Arc::clone(keys), key })
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
