//! The stored form of a token that was shown once: its digest only.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::StoreError;

/// The SHA-256 of a token. Tokens are long and random, so that no slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads a stored digest.
    pub(super) fn stored(bytes: &[u8], table: &'static str, row: &str) -> Result<Self, StoreError> {
        let inconsistent =
            |_| StoreError::Inconsistent { table, column: "digest", row: row.to_owned() };
        Ok(Self(bytes.try_into().map_err(inconsistent)?))
    }
}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest")
    }
}
