//! Secrets of acceptable quality, and the short names by which operators tell them apart.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The maximum number of secrets of one source: previous, current, next.
pub(super) const MAX_SECRETS: usize = 3;

/// What a secret that was never set begins with.
const PLACEHOLDERS: [&str; 8] = [
    "changeme",
    "change-me",
    "change_me",
    "replace-me",
    "replace_me",
    "your-secret",
    "your_secret",
    "placeholder",
];

/// A secret of acceptable quality. Its `Debug` output is the fingerprint, never the secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a secret is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Anybody could sign with an empty key.
    #[error("is empty")]
    Empty,
    /// Short enough to be guessed.
    #[error("is shorter than {min} bytes", min = Secret::MIN_BYTES)]
    Short,
    /// A pasted newline or space would produce signatures that never match the sender's.
    #[error("begins or ends with white space")]
    Padded,
    /// Some editors put one at the beginning of a file; it would become part of the key.
    #[error("begins with a byte order mark")]
    ByteOrderMark,
    /// HMAC pads keys with NUL: `k` and `k\0` would be the same key.
    #[error("contains a NUL byte")]
    Nul,
    /// One repeated character, or a word from an example.
    #[error("is a placeholder")]
    Placeholder,
    /// A key ring has one to three secrets.
    #[error("must be 1 to {MAX_SECRETS} secrets")]
    Count,
}

impl Secret {
    /// The minimum length, in bytes.
    pub const MIN_BYTES: usize = 16;

    /// Takes the bytes of a secret unchanged: every supported sender uses the whole UTF-8 text,
    /// prefix included, as the HMAC key.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, WeakSecret> {
        let bytes = Zeroizing::new(bytes.into());
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return Err(WeakSecret::Empty);
        };
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(WeakSecret::ByteOrderMark);
        }
        if bytes.contains(&0) {
            return Err(WeakSecret::Nul);
        }
        if first.is_ascii_whitespace() || last.is_ascii_whitespace() {
            return Err(WeakSecret::Padded);
        }
        let lower = bytes.to_ascii_lowercase();
        if PLACEHOLDERS.iter().any(|word| lower.starts_with(word.as_bytes())) {
            return Err(WeakSecret::Placeholder);
        }
        if bytes.len() < Self::MIN_BYTES {
            return Err(WeakSecret::Short);
        }
        if bytes.iter().all(|byte| byte == first) {
            return Err(WeakSecret::Placeholder);
        }
        Ok(Self(bytes))
    }

    /// A recorded secret, which may be short.
    #[cfg(test)]
    pub(crate) fn unchecked(text: &str) -> Self {
        Self(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// Compares in constant time.
    pub fn matches(&self, presented: &[u8]) -> bool {
        Sha256::digest(&*self.0).ct_eq(&Sha256::digest(presented)).into()
    }

    /// The HMAC-SHA256 of `message` under this secret, to sign what the gateway sends (fixtures,
    /// tokens). Received signatures are verified by [`KeyRing`](super::KeyRing), never by comparing with this.
    pub fn sign(&self, message: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac();
        for part in message {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The secret itself, for senders that repeat it in plaintext. Never log it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A short name by which operators distinguish secrets.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = self.sign(&[b"sealpost fingerprint v1"]);
        let mut short = [0; 6];
        short.copy_from_slice(digest.first_chunk::<6>().unwrap_or(&[0; 6]));
        Fingerprint(short)
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        // HMAC takes keys of any length, so this error cannot occur.
        Hmac::new_from_slice(&self.0)
            .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.fingerprint())
    }
}

/// Twelve hexadecimal digits derived one-way from a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 6]);

impl Fingerprint {
    /// The short name of a published key, by where it is published.
    pub(super) fn of_name(name: &str) -> Self {
        let mut short = [0; 6];
        let digest = Sha256::digest(name);
        short.copy_from_slice(digest.first_chunk::<6>().unwrap_or(&[0; 6]));
        Self(short)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secret_is_rejected_with_its_reason() {
        for (bytes, why) in [
            (&b""[..], WeakSecret::Empty),
            (b"   ", WeakSecret::Padded),
            (b"fifteen-bytes!!", WeakSecret::Short),
            (b"a-good-long-secret\n", WeakSecret::Padded),
            (b"\xef\xbb\xbfa-good-long-secret", WeakSecret::ByteOrderMark),
            (b"a-good-long\0secret", WeakSecret::Nul),
            (b"changeme-changeme-changeme", WeakSecret::Placeholder),
            (b"xxxxxxxxxxxxxxxxxxxxxxxx", WeakSecret::Placeholder),
        ] {
            assert_eq!(Secret::new(bytes).unwrap_err(), why, "{bytes:?}");
        }
        assert!(Secret::new("sixteen-bytes-ok").is_ok());
    }
}
