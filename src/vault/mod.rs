//! The vault: seals the credentials in the database.
//!
//! - A *master key* of 32 bytes is stored outside the database. There may be several: the first
//!   seals, all of them open, so that keys can be rotated.
//! - A *label* identifies the credential. It is authenticated: a value sealed for one source cannot
//!   be opened for another.
//! - *Sealing* is AES-256-GCM with a random nonce. The id of the key, a digest, is stored with it,
//!   so that a wrong key can be distinguished from a changed row.
//!
//! Plaintexts are wiped on drop, and never appear in errors or in `Debug`.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use zeroize::Zeroizing;

mod key;

pub use key::{BadKey, KeyId, MasterKey};

/// The master keys.
#[derive(Clone, Default)]
pub struct Vault {
    keys: Vec<MasterKey>,
}

/// The identity of a credential.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The tenant of the source.
    pub tenant: String,
    pub source: String,
    /// The name of the credential, defined by the source's provider.
    pub name: String,
}

/// A sealed credential as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The master key that sealed it.
    pub key_id: KeyId,
    pub nonce: [u8; 12],
    /// The sealed secret with its tag.
    pub ciphertext: Vec<u8>,
}

/// Why a value was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No master key is configured.
    #[error(
        "no master key is configured: set SEALPOST_MASTER_KEY (`sealpost vault key` generates one)"
    )]
    NoKey,
    /// The key that sealed it is not configured.
    #[error("sealed with master key {needed}, which is not configured (configured: {known})")]
    WrongKey {
        /// The key that sealed it.
        needed: KeyId,
        /// The configured keys.
        known: String,
    },
    /// The stored value was changed, or its label differs.
    #[error("cannot be opened with master key {0}: changed, or sealed for another record")]
    Changed(KeyId),
    /// The value is too large to seal.
    #[error("too large to be sealed")]
    TooLarge,
}

impl Vault {
    /// The first key seals.
    pub fn new(keys: Vec<MasterKey>) -> Self {
        Self { keys }
    }

    /// The key that seals.
    pub fn newest(&self) -> Result<&KeyId, VaultError> {
        Ok(&self.sealing()?.id)
    }

    /// Whether values sealed with this key can be opened.
    pub fn knows(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }

    /// Seals a secret with the newest key.
    pub fn seal(&self, label: &Label, secret: &[u8]) -> Result<Sealed, VaultError> {
        let key = self.sealing()?;
        let nonce: [u8; 12] = rand::random();
        let payload = Payload { msg: secret, aad: &label.authenticated() };
        let ciphertext =
            key.cipher().encrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::TooLarge)?;
        Ok(Sealed { key_id: key.id.clone(), nonce, ciphertext })
    }

    /// Opens a value sealed with the same label.
    ///
    /// # Errors
    /// The error contains nothing of the secret.
    pub fn open(&self, label: &Label, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.newest()?;
        let key = self.keys.iter().find(|key| key.id == sealed.key_id).ok_or_else(|| {
            let known: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
            VaultError::WrongKey { needed: sealed.key_id.clone(), known: known.join(", ") }
        })?;
        let payload = Payload { msg: &sealed.ciphertext, aad: &label.authenticated() };
        key.cipher()
            .decrypt(&Nonce::from(sealed.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Changed(sealed.key_id.clone()))
    }

    fn sealing(&self) -> Result<&MasterKey, VaultError> {
        self.keys.first().ok_or(VaultError::NoKey)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

impl MasterKey {
    fn cipher(&self) -> Aes256Gcm {
        let key: &Key<Aes256Gcm> = (&*self.bytes).into();
        Aes256Gcm::new(key)
    }
}

impl Label {
    /// The authenticated data; unique per label.
    fn authenticated(&self) -> Vec<u8> {
        let mut bytes = b"sealpost credential v1".to_vec();
        for part in [&self.tenant, &self.source, &self.name] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.source, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"ghp_0123456789abcdef";

    fn key(byte: u8) -> MasterKey {
        MasterKey::read(&format!("{byte:02x}11").repeat(16)).unwrap()
    }

    fn label(tenant: &str, source: &str, name: &str) -> Label {
        Label { tenant: tenant.into(), source: source.into(), name: name.into() }
    }

    #[test]
    fn sealed_value_opens_only_with_its_label() {
        let vault = Vault::new(vec![key(1)]);
        let mine = label("t", "s", "n");
        let sealed = vault.seal(&mine, SECRET).unwrap();
        assert!(!sealed.ciphertext.windows(4).any(|window| window == b"ghp_"));
        assert_eq!(*vault.open(&mine, &sealed).unwrap(), SECRET);
        for other in
            [label("u", "s", "n"), label("t", "x", "n"), label("t", "s", "m"), label("ts", "", "n")]
        {
            let error = vault.open(&other, &sealed).unwrap_err();
            assert_eq!(error, VaultError::Changed(sealed.key_id.clone()), "{other}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_values() {
        let vault = Vault::new(vec![key(1)]);
        let label = label("t", "s", "n");
        let (one, two) = (vault.seal(&label, SECRET).unwrap(), vault.seal(&label, SECRET).unwrap());
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.ciphertext, two.ciphertext);
    }

    #[test]
    fn changed_bits_are_detected() {
        let vault = Vault::new(vec![key(1)]);
        let label = label("t", "s", "n");
        let sealed = vault.seal(&label, SECRET).unwrap();
        for bit in 0..sealed.ciphertext.len() * 8 {
            let mut changed = sealed.clone();
            changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
            assert!(vault.open(&label, &changed).is_err(), "bit {bit}");
        }
        let mut changed = sealed.clone();
        changed.nonce[0] ^= 1;
        assert!(vault.open(&label, &changed).is_err());
        for length in 0..sealed.ciphertext.len() {
            let ciphertext = sealed.ciphertext[..length].to_vec();
            assert!(vault.open(&label, &Sealed { ciphertext, ..sealed.clone() }).is_err());
        }
    }

    #[test]
    fn newest_key_seals_and_old_keys_open() {
        let label = label("t", "s", "n");
        let old = Vault::new(vec![key(1)]).seal(&label, SECRET).unwrap();
        let both = Vault::new(vec![key(2), key(1)]);
        assert_eq!(*both.open(&label, &old).unwrap(), SECRET);
        let new = both.seal(&label, SECRET).unwrap();
        assert_eq!(&new.key_id, both.newest().unwrap());
        let error = Vault::new(vec![key(2)]).open(&label, &old).unwrap_err();
        let known = new.key_id.to_string();
        assert_eq!(error, VaultError::WrongKey { needed: old.key_id.clone(), known });
        assert!(error.to_string().contains(old.key_id.as_str()));
        assert!(both.knows(&old.key_id) && both.knows(&new.key_id));
        assert!(!Vault::new(vec![key(2)]).knows(&old.key_id));
    }

    #[test]
    fn error_without_a_key_names_the_remedy() {
        let error = Vault::default().seal(&label("t", "s", "n"), SECRET).unwrap_err();
        assert!(error.to_string().contains("`sealpost vault key` generates one"));
    }

    #[test]
    fn value_sealed_by_another_implementation_opens() {
        // Sealed with OpenSSL through Python's `cryptography`: AES-256-GCM, key 00..1f, nonce
        // 20..2b.
        let hex_key = hex::encode((0..32).collect::<Vec<u8>>());
        let vault = Vault::new(vec![MasterKey::read(&hex_key).unwrap()]);
        let label = label("default", "cards", "token");
        let sealed = Sealed {
            key_id: vault.newest().unwrap().clone(),
            nonce: std::array::from_fn(|index| 0x20 + u8::try_from(index).unwrap()),
            ciphertext: hex::decode(OTHERS).unwrap(),
        };
        assert_eq!(*vault.open(&label, &sealed).unwrap(), SECRET);
    }

    const OTHERS: &str = "b552d62f5ca9283d2e4974f9f921959bb32d89faa829b45389bca8c6cab61e3fbed002c9";
}
