//! The key ring of a source, and the proof that only a key ring can create.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hmac::Mac as _;

use super::key::{Key, KeyError, Mark, keys_of_schemes};
use super::scheme::{Algorithm, Candidate, KeyDefinition, Mac as SchemeMac, Material, Piece};
use super::secret::{Fingerprint, MAX_SECRETS, Secret, WeakSecret};
use super::stored_keys::StoredKeys;
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

/// The secrets of one source, any of which may have signed: those of its configuration, and those
/// that handshakes have brought. HMAC states are prepared when a secret is added.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
    /// The secrets of handshakes; `None` if the sender brings none.
    stored: Option<Arc<StoredKeys>>,
}

impl KeyRing {
    /// A ring of one to three secrets.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, WeakSecret> {
        check_count(&secrets, 1)?;
        let keys =
            secrets.into_iter().map(|secret| Key::new(vec![(None, (&secret).into())], secret));
        Ok(Self { keys: keys.collect(), stored: None })
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
        check_count(&secrets, 1)?;
        Ok(Self { keys: keys_of_schemes(secrets, kinds)?, stored: None })
    }

    /// The ring of a source whose sender brings secrets in handshakes: up to three secrets of its
    /// configuration, and those of [`KeyRing::set_stored`].
    ///
    /// # Errors
    /// As [`KeyRing::of_schemes`].
    pub(super) fn storing(
        secrets: Vec<Secret>,
        kinds: &[(Algorithm, &KeyDefinition)],
    ) -> Result<Self, KeyError> {
        check_count(&secrets, 0)?;
        let keys = keys_of_schemes(secrets, kinds)?;
        Ok(Self { keys, stored: Some(Arc::new(StoredKeys::new(kinds))) })
    }

    /// The ring of a source whose sender publishes its keys.
    pub fn without_secrets() -> Self {
        Self { keys: Vec::new(), stored: None }
    }

    /// A ring that also has the stored secrets of another one, now and later.
    #[must_use]
    pub fn sharing_stored(self, other: &Self) -> Self {
        Self { stored: other.stored.clone(), ..self }
    }

    /// The secrets of handshakes, if the sender brings them.
    pub fn stored(&self) -> Option<&StoredKeys> {
        self.stored.as_deref()
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
        let verifies = |key: &Key| {
            key.material(algorithm)?.verifies(algorithm, text, candidates).then_some(())
        };
        self.prove(strength, covered, verifies).map(|(proof, ())| proof)
    }

    /// Proves a request by what `check` finds with one of the secrets.
    pub(super) fn prove_by<T>(
        &self,
        algorithm: Algorithm,
        strength: Strength,
        covered: &[&'static str],
        check: impl Fn(&Material) -> Option<T>,
    ) -> Result<(Proof, T), Refusal> {
        self.prove(strength, covered, |key| check(key.material(algorithm)?))
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
    pub(super) fn begin(&self, algorithm: Algorithm) -> Vec<(Mark, SchemeMac)> {
        let begin =
            |key: &Key| Some((key.mark.clone(), key.material(algorithm)?.begin(algorithm)?));
        self.each(self.snapshot().as_deref()).filter_map(begin).collect()
    }

    /// Proves that one of the secrets made one of the candidates over a text that arrived in
    /// pieces.
    pub(super) fn conclude(
        &self,
        macs: Vec<(Mark, SchemeMac)>,
        candidates: &[Candidate],
        strength: Strength,
        covered: &[&'static str],
    ) -> Result<Proof, Refusal> {
        let mut by_key = macs.into_iter();
        let found = by_key.find_map(|(mark, mac)| mac.matches_one_of(candidates).then_some(mark));
        let mark = found.ok_or_else(|| self.no_match())?;
        Ok(Self::proof(strength, &mark, covered.to_vec()))
    }

    /// The MAC of the first secret, for the answer to a challenge.
    pub(super) fn mac(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let stored = self.snapshot();
        let mut materials = self.each(stored.as_deref()).filter_map(|key| key.material(algorithm));
        let mut mac = materials.next()?.begin(algorithm)?;
        mac.update(message);
        Some(mac.finish().to_vec())
    }

    /// The number of verifications by each secret since startup. It shows operators which secret a
    /// sender uses.
    pub fn uses(&self) -> Vec<(Fingerprint, u64)> {
        let stored = self.snapshot();
        let marks = self.each(stored.as_deref()).map(|key| &key.mark);
        marks.map(|mark| (mark.fingerprint, mark.uses.load(Ordering::Relaxed))).collect()
    }

    /// The length of each configured secret, in bytes.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|key| key.secret.expose().len())
    }

    /// The secrets: those of the configuration in its order, then the stored ones, oldest first.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let stored = self.snapshot();
        self.each(stored.as_deref()).map(|key| key.secret.clone()).collect()
    }

    /// Proves that one of the secrets made `candidate` over `token`, which does not include the
    /// body.
    pub(super) fn vouch(&self, token: &[u8], candidate: [u8; 32]) -> Result<Proof, Refusal> {
        let made = |key: &Key| {
            let mac = key.mac.clone().chain_update(token);
            mac.verify_slice(&candidate).ok()
        };
        self.prove(Strength::Vouched, &[], made).map(|(proof, ())| proof)
    }

    /// Proves that `presented` is one of the secrets; vouches for the headers in `covered`.
    pub(super) fn match_secret(
        &self,
        presented: &[u8],
        covered: &[&'static str],
    ) -> Result<Proof, Refusal> {
        let is_it = |key: &Key| key.secret.matches(presented).then_some(());
        self.prove(Strength::Vouched, covered, is_it).map(|(proof, ())| proof)
    }

    /// Proves a request by what `check` finds with one of the secrets.
    fn prove<T>(
        &self,
        strength: Strength,
        covered: &[&'static str],
        check: impl Fn(&Key) -> Option<T>,
    ) -> Result<(Proof, T), Refusal> {
        let stored = self.snapshot();
        let found = self.each(stored.as_deref()).find_map(|key| Some((key, check(key)?)));
        let (key, found) = found.ok_or_else(|| self.no_match())?;
        Ok((Self::proof(strength, &key.mark, covered.to_vec()), found))
    }

    fn proof(strength: Strength, mark: &Mark, covered: Vec<&'static str>) -> Proof {
        mark.uses.fetch_add(1, Ordering::Relaxed);
        Proof::new(strength, mark.fingerprint, covered)
    }

    /// Why no secret fits.
    fn no_match(&self) -> Refusal {
        let is_empty = self.each(self.snapshot().as_deref()).next().is_none();
        if self.stored.is_some() && is_empty { Refusal::NoSecret } else { Refusal::Mismatch }
    }

    /// The stored secrets as they are now.
    fn snapshot(&self) -> Option<Arc<Vec<Key>>> {
        self.stored.as_ref().map(|stored| stored.snapshot())
    }

    /// The secrets of the configuration, then `stored`.
    fn each<'k>(&'k self, stored: Option<&'k Vec<Key>>) -> impl Iterator<Item = &'k Key> {
        self.keys.iter().chain(stored.into_iter().flatten())
    }
}

fn check_count(secrets: &[Secret], least: usize) -> Result<(), WeakSecret> {
    if (least..=MAX_SECRETS).contains(&secrets.len()) { Ok(()) } else { Err(WeakSecret::Count) }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit};
    use sha2::Sha256;

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
