//! The key ring of a source, and the proof that only a key ring can create.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::scheme::{Algorithm, Candidate, KeyDefinition, Mac as SchemeMac, Material, Piece};
use super::secret::{Fingerprint, MAX_SECRETS, Secret, WeakSecret};
use super::{Refusal, Strength};

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
    /// The digest of what was signed, if it is not the body itself.
    pub(super) signed_digest: Option<[u8; 32]>,
    /// By how many seconds the token has expired, if it has.
    pub(super) late: Option<i64>,
    /// The position of the scheme among the alternatives of the source.
    pub(super) alternative: usize,
}

impl Proof {
    fn new(strength: Strength, secret: Fingerprint, covered: Vec<&'static str>) -> Self {
        Self {
            strength,
            secret,
            skew: None,
            covered,
            claims: None,
            request_key: None,
            signed_digest: None,
            late: None,
            alternative: 0,
        }
    }

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

/// The secrets of one source, any of which may have signed. HMAC states are prepared once at
/// startup.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    mac: Hmac<Sha256>,
    /// The keys that the secret contains: one for each algorithm of the source's schemes for which
    /// it is a secret; without an algorithm, one for all.
    materials: Vec<(Option<Algorithm>, Material)>,
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
        check_count(&secrets)?;
        let keys =
            secrets.into_iter().map(|secret| Key::new(vec![(None, (&secret).into())], secret));
        Ok(Self { keys: keys.collect() })
    }

    /// A ring of secrets in the form that the sender gives them. Each is a key of the `kinds` that
    /// its prefix fits.
    ///
    /// # Errors
    /// [`KeyError`] names the secret by its fingerprint.
    pub(super) fn of_schemes(
        secrets: Vec<Secret>,
        kinds: &[(Algorithm, &KeyDefinition)],
    ) -> Result<Self, KeyError> {
        check_count(&secrets)?;
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
        Ok(Self { keys: keys.collect::<Result<_, KeyError>>()? })
    }

    /// The ring of a source whose sender publishes its keys.
    pub fn without_secrets() -> Self {
        Self { keys: Vec::new() }
    }

    /// Proves that one of the secrets made one of the candidates over a text.
    pub(super) fn prove_text(
        &self,
        algorithm: Algorithm,
        text: &[Piece<'_>],
        candidates: &[Candidate],
        strength: Strength,
        covered: &[&'static str],
    ) -> Result<Proof, Refusal> {
        let mut keys = self.keys.iter();
        let key = keys.find(|key| {
            let material = key.material(algorithm);
            material.is_some_and(|material| material.verifies(algorithm, text, candidates))
        });
        Ok(Self::proof(strength, key.ok_or(Refusal::Mismatch)?, covered.to_vec()))
    }

    /// Proves a request by what `check` finds with one of the secrets.
    pub(super) fn prove_by<T>(
        &self,
        algorithm: Algorithm,
        strength: Strength,
        covered: &[&'static str],
        check: impl Fn(&Material) -> Option<T>,
    ) -> Result<(Proof, T), Refusal> {
        let mut keys = self.keys.iter();
        let found = keys.find_map(|key| Some((key, check(key.material(algorithm)?)?)));
        let (key, found) = found.ok_or(Refusal::Mismatch)?;
        Ok((Self::proof(strength, key, covered.to_vec()), found))
    }

    /// Proves a request by what a published key verified. `name` says which key it was.
    pub(super) fn prove_published<T>(
        verified: Option<T>,
        name: &str,
        strength: Strength,
        covered: &[&'static str],
    ) -> Result<(Proof, T), Refusal> {
        let found = verified.ok_or(Refusal::Mismatch)?;
        Ok((Proof::new(strength, Fingerprint::of_name(name), covered.to_vec()), found))
    }

    /// The MACs or hashes, one per secret, at the beginning of a text.
    pub(super) fn begin(&self, algorithm: Algorithm) -> Vec<SchemeMac> {
        self.of(algorithm).filter_map(|(_, material)| material.begin(algorithm)).collect()
    }

    /// Proves that one of the secrets made one of the candidates over a text that arrived in
    /// pieces.
    pub(super) fn conclude(
        &self,
        algorithm: Algorithm,
        macs: Vec<SchemeMac>,
        candidates: &[Candidate],
        strength: Strength,
        covered: &[&'static str],
    ) -> Result<Proof, Refusal> {
        let mut by_key = self.of(algorithm).map(|(key, _)| key).zip(macs);
        let key = by_key.find_map(|(key, mac)| mac.matches_one_of(candidates).then_some(key));
        Ok(Self::proof(strength, key.ok_or(Refusal::Mismatch)?, covered.to_vec()))
    }

    /// The MAC of the first secret, for the answer to a challenge.
    pub(super) fn mac(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let (_, material) = self.of(algorithm).next()?;
        let mut mac = material.begin(algorithm)?;
        mac.update(message);
        Some(mac.finish().to_vec())
    }

    /// The number of verifications by each secret since startup. It shows operators which secret a
    /// sender uses.
    pub fn uses(&self) -> impl Iterator<Item = (Fingerprint, u64)> {
        self.keys.iter().map(|key| (key.fingerprint, key.uses.load(Ordering::Relaxed)))
    }

    /// The length of each secret, in bytes.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|key| key.secret.expose().len())
    }

    /// The secrets in configured order.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.keys.iter().map(|key| &key.secret)
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

    /// The keys for an algorithm.
    fn of(&self, algorithm: Algorithm) -> impl Iterator<Item = (&Key, &Material)> {
        self.keys.iter().filter_map(move |key| Some((key, key.material(algorithm)?)))
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
        Proof::new(strength, key.fingerprint, covered)
    }
}

fn check_count(secrets: &[Secret]) -> Result<(), WeakSecret> {
    if (1..=MAX_SECRETS).contains(&secrets.len()) { Ok(()) } else { Err(WeakSecret::Count) }
}

impl Key {
    fn new(materials: Vec<(Option<Algorithm>, Material)>, secret: Secret) -> Self {
        Self {
            mac: secret.mac(),
            materials,
            fingerprint: secret.fingerprint(),
            secret,
            uses: Arc::default(),
        }
    }

    fn material(&self, algorithm: Algorithm) -> Option<&Material> {
        let mut materials = self.materials.iter();
        let found = materials.find(|(known, _)| known.is_none_or(|known| known == algorithm));
        found.map(|(_, material)| material)
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;

    use super::*;

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
        let text = [Piece::Bytes(b"body".into())];
        let candidates = [Candidate::Long(empty.to_vec())];
        let algorithm = Algorithm::HmacSha256;
        let proof = ring.prove_text(algorithm, &text, &candidates, Strength::Signed, &[]);
        assert!(matches!(proof, Err(Refusal::Mismatch)));
    }
}
