//! Secrets, the key ring of a source, and the proof that only a key ring can create.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Refusal, Strength};

/// The maximum number of secrets of one source: previous, current, next.
const MAX_SECRETS: usize = 3;

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
        if bytes.len() < Self::MIN_BYTES {
            return Err(WeakSecret::Short);
        }
        let lower = bytes.to_ascii_lowercase();
        let placeholder = bytes.iter().all(|byte| byte == first)
            || [&b"changeme"[..], b"change-me", b"your-secret", b"your_secret", b"placeholder"]
                .iter()
                .any(|word| lower.starts_with(word));
        if placeholder {
            return Err(WeakSecret::Placeholder);
        }
        Ok(Self(bytes))
    }

    /// Compares in constant time.
    pub fn matches(&self, presented: &[u8]) -> bool {
        Sha256::digest(&*self.0).ct_eq(&Sha256::digest(presented)).into()
    }

    /// The HMAC-SHA256 of `message` under this secret, to sign what the gateway sends (fixtures,
    /// tokens). Received signatures are verified by [`KeyRing`], never by comparing with this.
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

    fn mac(&self) -> Hmac<Sha256> {
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

/// Evidence that a verification succeeded. The fields are private and only a key ring constructs
/// it, so no other code can produce one.
#[derive(Debug, Clone)]
pub struct Proof {
    pub(super) strength: Strength,
    pub(super) secret: Fingerprint,
    pub(super) skew: Option<i64>,
    pub(super) covered: Vec<&'static str>,
    pub(super) claims: Option<Bytes>,
    pub(super) request_key: Option<[u8; 32]>,
    /// By how many seconds the token has expired, if it has.
    pub(super) late: Option<i64>,
}

impl Proof {
    /// Adds the decoded claims of a verified token.
    #[must_use]
    pub fn with_claims(mut self, claims: Bytes) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Adds the digest of the idempotency key, for senders that sign each retry anew but keep the
    /// same `Idempotency-Key`.
    #[must_use]
    pub fn with_request_key(mut self, key: [u8; 32]) -> Self {
        self.request_key = Some(key);
        self
    }

    /// Adds the measured skew, `now − signed_at` in seconds.
    #[must_use]
    pub fn with_skew(mut self, skew: i64) -> Self {
        self.skew = Some(skew);
        self
    }

    /// Marks a valid proof whose token expired this many seconds ago: the request then becomes an
    /// [`ExpiredToken`](super::ExpiredToken).
    #[must_use]
    pub fn past_its_time(mut self, seconds: i64) -> Self {
        self.late = Some(seconds);
        self
    }
}

/// The secrets of one source, any of which may have signed. HMAC states are prepared once at
/// startup.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    mac: Hmac<Sha256>,
    secret: Secret,
    fingerprint: Fingerprint,
    /// The number of successful verifications, shared by all clones of the ring.
    uses: Arc<AtomicU64>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint)
    }
}

impl KeyRing {
    /// A ring of one to three secrets.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, WeakSecret> {
        if secrets.is_empty() || secrets.len() > MAX_SECRETS {
            return Err(WeakSecret::Count);
        }
        let keys = secrets
            .into_iter()
            .map(|secret| Key {
                mac: secret.mac(),
                fingerprint: secret.fingerprint(),
                secret,
                uses: Arc::default(),
            })
            .collect();
        Ok(Self { keys })
    }

    /// The number of verifications by each secret since startup. It shows operators which secret a
    /// sender uses.
    pub fn uses(&self) -> impl Iterator<Item = (Fingerprint, u64)> {
        self.keys.iter().map(|key| (key.fingerprint, key.uses.load(Ordering::Relaxed)))
    }

    /// The length of each secret, in bytes.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|key| key.secret.0.len())
    }

    /// The secrets in configured order.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.keys.iter().map(|key| &key.secret)
    }

    /// Proves that one of the secrets made one of `candidates` over `transcript`. The MAC over the
    /// body is computed once per secret, however many candidates there are.
    pub(super) fn prove(
        &self,
        transcript: &[&[u8]],
        body: &[u8],
        candidates: &[[u8; 32]],
        covered: Vec<&'static str>,
    ) -> Result<Proof, Refusal> {
        let transcript: Vec<&[u8]> = transcript.iter().copied().chain([body]).collect();
        let key = self.find(&transcript, candidates)?;
        Ok(Self::proof(Strength::Signed, key, covered))
    }

    /// The MACs, one per secret, of a message that arrives in pieces, after its first pieces.
    pub(super) fn begin(&self, first: &[&[u8]]) -> Vec<Hmac<Sha256>> {
        let begin = |key: &Key| {
            let mut mac = key.mac.clone();
            for piece in first {
                mac.update(piece);
            }
            mac
        };
        self.keys.iter().map(begin).collect()
    }

    /// Proves that one of the secrets made one of `candidates` over a message that arrived in
    /// pieces.
    pub(super) fn conclude(
        &self,
        macs: &[Hmac<Sha256>],
        candidates: &[[u8; 32]],
        covered: Vec<&'static str>,
    ) -> Result<Proof, Refusal> {
        let mut by_key = self.keys.iter().zip(macs);
        let found = by_key.find(|(_, mac)| {
            candidates.iter().any(|candidate| (*mac).clone().verify_slice(candidate).is_ok())
        });
        let (key, _) = found.ok_or(Refusal::Mismatch)?;
        Ok(Self::proof(Strength::Signed, key, covered))
    }

    /// Proves that one of the secrets made `candidate` over `token`, which does not include the
    /// body.
    pub(super) fn vouch(&self, token: &[u8], candidate: [u8; 32]) -> Result<Proof, Refusal> {
        let key = self.find(&[token], &[candidate])?;
        Ok(Self::proof(Strength::Vouched, key, Vec::new()))
    }

    /// Proves that `presented` is one of the secrets; vouches for the headers in `covered`.
    pub(super) fn match_secret(
        &self,
        presented: &[u8],
        covered: &[&'static str],
    ) -> Result<Proof, Refusal> {
        let key =
            self.keys.iter().find(|key| key.secret.matches(presented)).ok_or(Refusal::Mismatch)?;
        Ok(Self::proof(Strength::Vouched, key, covered.to_vec()))
    }

    fn find(&self, message: &[&[u8]], candidates: &[[u8; 32]]) -> Result<&Key, Refusal> {
        for key in &self.keys {
            let mut mac = key.mac.clone();
            for part in message {
                mac.update(part);
            }
            if candidates.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok()) {
                return Ok(key);
            }
        }
        Err(Refusal::Mismatch)
    }

    fn proof(strength: Strength, key: &Key, covered: Vec<&'static str>) -> Proof {
        key.uses.fetch_add(1, Ordering::Relaxed);
        Proof {
            strength,
            secret: key.fingerprint,
            skew: None,
            covered,
            claims: None,
            request_key: None,
            late: None,
        }
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

    #[test]
    fn debug_output_never_contains_a_secret() {
        let secret = Secret::new("a-canary-in-the-coal-mine").unwrap();
        let ring = KeyRing::new(vec![secret.clone()]).unwrap();
        for text in [format!("{secret:?}"), format!("{ring:?}")] {
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn empty_key_proves_nothing() {
        let ring = KeyRing::new(vec![Secret::new("sixteen-bytes-ok").unwrap()]).unwrap();
        let empty: [u8; 32] = Hmac::<Sha256>::new_from_slice(b"")
            .unwrap()
            .chain_update(b"body")
            .finalize()
            .into_bytes()
            .into();
        assert!(matches!(ring.prove(&[], b"body", &[empty], vec![]), Err(Refusal::Mismatch)));
    }
}
