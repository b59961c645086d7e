//! Master keys and their ids.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Standard base64, with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A master key: 32 bytes.
#[derive(Clone)]
pub struct MasterKey {
    pub(super) id: KeyId,
    pub(super) bytes: Zeroizing<[u8; 32]>,
}

/// An id that reveals nothing about the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

/// Why a text is not a master key. The text is not part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Neither base64 nor hexadecimal digits of 32 bytes.
    #[error("must be 32 bytes in base64 or hexadecimal (`sealpost vault key` generates one)")]
    Form,
    /// A repeated byte.
    #[error("is a placeholder (`sealpost vault key` generates one)")]
    Placeholder,
}

impl MasterKey {
    /// Parses a key: 64 hexadecimal digits, or base64.
    pub fn read(text: &str) -> Result<Self, BadKey> {
        let mut bytes = Zeroizing::new([0; 32]);
        if text.len() == 64 {
            hex::decode_to_slice(text, &mut *bytes).map_err(|_| BadKey::Form)?;
        } else {
            let decoded = Zeroizing::new(LENIENT.decode(text).map_err(|_| BadKey::Form)?);
            *bytes = decoded.as_slice().try_into().map_err(|_| BadKey::Form)?;
        }
        if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return Err(BadKey::Placeholder);
        }
        let digest = Sha256::new()
            .chain_update(b"sealpost master key v1")
            .chain_update(bytes.as_slice())
            .finalize();
        let id = digest.iter().take(6).copied().collect::<Vec<u8>>();
        Ok(Self { id: KeyId(hex::encode(id)), bytes })
    }

    /// A new key, as text.
    pub fn generate() -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*Zeroizing::new(rand::random::<[u8; 32]>())))
    }

    pub fn id(&self) -> &KeyId {
        &self.id
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl KeyId {
    /// Of the stored form.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_same_in_either_encoding() {
        let text = MasterKey::generate();
        let key = MasterKey::read(&text).unwrap();
        let hex = hex::encode(STANDARD.decode(&*text).unwrap());
        for other in [&hex, &hex.to_uppercase(), text.trim_end_matches('=')] {
            assert_eq!(MasterKey::read(other).unwrap().id, key.id);
        }
        assert_ne!(MasterKey::read(&MasterKey::generate()).unwrap().id, key.id);
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id));
    }

    #[test]
    fn invalid_key_is_rejected_without_repeating_it() {
        for text in ["", "changeme", "zz", &"g".repeat(64), &"A".repeat(40), &"ab".repeat(31)] {
            assert_eq!(MasterKey::read(text).unwrap_err(), BadKey::Form, "{text}");
        }
        for text in ["0".repeat(64), format!("{}=", "A".repeat(43))] {
            assert_eq!(MasterKey::read(&text).unwrap_err(), BadKey::Placeholder);
        }
    }
}
