//! Proves that the sender made a request, and that it is fresh.

use std::borrow::Cow;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::signature_field::{self, Group};
use super::template::NoText;
use super::{
    Algorithm, BodyHash, Candidate, Encoding, EventMethod, Material, Piece, Scheme, TimePlace,
    Values,
};
use crate::verify::{
    KeyCache, KeyRing, Proof, Refusal, RequestHead, Strength, UnixSeconds, Window,
};

/// The maximum length of a challenge, in bytes.
const MAX_CHALLENGE: usize = 256;

/// What a request claims in one list of signatures.
struct Claimed<'a> {
    group: Group<'a>,
    timestamp: Option<(Cow<'a, str>, UnixSeconds)>,
}

/// The keys that may have signed.
struct Prover<'a> {
    scheme: &'a Scheme,
    keys: &'a KeyRing,
    published: Option<&'a (Vec<Material>, String)>,
}

impl Prover<'_> {
    fn prove(
        &self,
        values: &Values<'_>,
        claimed: Claimed<'_>,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let Claimed { group: Group { candidates, elements, .. }, timestamp } = claimed;
        let skew = timestamp.as_ref().map(|(_, at)| now - at);
        let timestamp = timestamp.map(|(text, _)| text);
        let values = self.scheme.again(values).with_elements(&elements, timestamp);
        let mut last = Refusal::Mismatch;
        for template in &self.scheme.texts {
            let text = match template.evaluate(&values) {
                Ok(text) => text,
                Err(no_text) => {
                    last = no_text.into();
                    continue;
                }
            };
            match self.try_keys(&text, &candidates) {
                Ok(mut proof) => {
                    self.scheme.check_body_hash(&values)?;
                    self.scheme.check_challenge(&text)?;
                    if !template.covers_body() && self.scheme.method == EventMethod::Post {
                        // Other bytes may have the same signature.
                        proof.signed_digest = Some(digest(&text));
                    }
                    proof.skew = skew;
                    return Ok(proof);
                }
                Err(refusal) => last = refusal,
            }
        }
        Err(last)
    }

    fn try_keys(&self, text: &[Piece<'_>], candidates: &[Candidate]) -> Result<Proof, Refusal> {
        let Scheme { algorithm, strength, covered, .. } = self.scheme;
        let Some((keys, name)) = self.published else {
            return self.keys.prove_text(*algorithm, text, candidates, *strength, covered);
        };
        let mut keys = keys.iter();
        let verified = keys.any(|key| key.verifies(*algorithm, text, candidates)).then_some(());
        KeyRing::prove_published(verified, name, *strength, covered).map(|(proof, ())| proof)
    }
}

impl Scheme {
    /// Checks the presence, shape and freshness of what is in the head, without the body.
    ///
    /// # Errors
    /// The [`Refusal`] that verification would return for this head.
    pub fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        if !self.field.is_in_head() {
            return Ok(());
        }
        let values = self.values(head, None);
        let texts = self.field.texts(&values)?;
        self.check_enabled()?;
        if matches!(self.algorithm, Algorithm::Jwt | Algorithm::Token | Algorithm::Basic) {
            return texts.iter().try_for_each(|text| self.field.token(text).map(drop));
        }
        let mut last = Refusal::Missing(self.field.name());
        for text in &texts {
            for group in self.field.groups(text)? {
                match self.head_time(&values, &group) {
                    Ok(None) => return Ok(()),
                    Ok(Some((_, at))) => match window.check(at, now) {
                        Ok(_) => return Ok(()),
                        Err(refusal) => last = refusal,
                    },
                    Err(refusal) => last = refusal,
                }
            }
        }
        Err(last)
    }

    /// The timestamp of a group, if it is in the head.
    pub(super) fn head_time<'a>(
        &self,
        values: &Values<'a>,
        group: &Group<'a>,
    ) -> Result<Option<(Cow<'a, str>, UnixSeconds)>, Refusal> {
        match self.time.as_ref().map(|time| &time.place) {
            Some(TimePlace::Json(_) | TimePlace::Form(_)) | None => Ok(None),
            Some(TimePlace::Header(_) | TimePlace::Signature) => self.timestamp(values, group),
        }
    }

    /// The timestamp, as written and in seconds.
    fn timestamp<'a>(
        &self,
        values: &Values<'a>,
        group: &Group<'a>,
    ) -> Result<Option<(Cow<'a, str>, UnixSeconds)>, Refusal> {
        let Some(time) = &self.time else { return Ok(None) };
        let name = match &time.place {
            TimePlace::Header(name) => *name,
            TimePlace::Signature => self.field.name(),
            TimePlace::Json(_) | TimePlace::Form(_) => "body",
        };
        let text = match &time.place {
            TimePlace::Signature => group.timestamp.clone(),
            _ => time.text(values)?,
        };
        match text {
            Some(text) => {
                let at = time.unit.parse(&text)?;
                Ok(Some((text, at)))
            }
            None if time.optional => Ok(None),
            None if matches!(time.place, TimePlace::Signature) => Err(Refusal::Malformed(name)),
            None => Err(Refusal::Missing(name)),
        }
    }

    /// Proves that the sender made the request, and that it is fresh.
    pub(in crate::verify) fn prove(
        &self,
        head: &RequestHead,
        body: &Bytes,
        (keys, cache): (&KeyRing, Option<&dyn KeyCache>),
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let values = self.values(head, Some(body));
        self.check_method(&values)?;
        self.check_kind(&values)?;
        let proof = match self.algorithm {
            Algorithm::Token | Algorithm::Basic => self.prove_token(&values, keys),
            Algorithm::Jwt => self.prove_jwt(&values, (keys, cache), now),
            _ => self.prove_text(&values, (keys, cache), window, now),
        }?;
        self.check_content(values, &proof)?;
        Ok(proof)
    }

    /// Tries every signature of the request with every text that may be signed.
    fn prove_text(
        &self,
        values: &Values<'_>,
        (keys, cache): (&KeyRing, Option<&dyn KeyCache>),
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let fields = self.field.texts(values)?;
        let published = self.published_keys(values, cache)?;
        let prover = Prover { scheme: self, keys, published: published.as_ref() };
        let mut last = Refusal::Mismatch;
        for field in &fields {
            for group in self.field.groups(field)? {
                let proof = self
                    .claim(values, group, window, now)
                    .and_then(|claimed| prover.prove(values, claimed, now));
                match proof {
                    Ok(proof) => return Ok(proof),
                    Err(refusal) => last = refusal,
                }
            }
        }
        Err(last)
    }

    /// Proves a request whose body is not kept, if its proof does not cover the body.
    pub(in crate::verify) fn prove_without_body(
        &self,
        head: &RequestHead,
        keys: (&KeyRing, Option<&dyn KeyCache>),
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        if !self.require.is_empty() || !self.absent.is_empty() || !self.when.is_empty() {
            return Err(Refusal::Mismatch);
        }
        self.check_enabled()?;
        let values = self.values(head, None);
        match self.algorithm {
            // The digest of the body cannot be compared.
            Algorithm::Jwt if self.strength == Strength::Signed => Err(Refusal::Mismatch),
            Algorithm::Token | Algorithm::Basic => self.prove_token(&values, keys.0),
            Algorithm::Jwt => self.prove_jwt(&values, keys, now),
            _ => Err(Refusal::Mismatch),
        }
    }

    /// The same request, for another group.
    fn again<'a>(&'a self, values: &Values<'a>) -> Values<'a> {
        self.values(values.head, values.body())
    }

    fn claim<'a>(
        &self,
        values: &Values<'a>,
        group: Group<'a>,
        window: Window,
        now: UnixSeconds,
    ) -> Result<Claimed<'a>, Refusal> {
        let timestamp = self.timestamp(values, &group)?;
        if let Some((_, at)) = &timestamp {
            self.check_list(values)?;
            window.check(*at, now)?;
        } else if self.time.is_some()
            && values.body().is_some_and(|body| body.first().is_some_and(u8::is_ascii_digit))
        {
            // A time that was moved from its header into the body would never be old.
            return Err(Refusal::Missing(self.field.name()));
        }
        let is_hash = matches!(self.algorithm, Algorithm::Sha1 | Algorithm::Sha256);
        if is_hash && values.body().is_some_and(|body| body.contains(&0)) {
            // The padding of a hash that somebody extended contains NUL.
            return Err(Refusal::Mismatch);
        }
        if group.candidates.is_empty() {
            return Err(Refusal::Malformed(self.field.name()));
        }
        Ok(Claimed { group, timestamp })
    }

    /// A challenge that anybody may have had signed is no event.
    fn check_challenge(&self, text: &[Piece<'_>]) -> Result<(), Refusal> {
        if self.challenges.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for piece in text {
            if let Piece::Bytes(piece) = piece {
                bytes.extend_from_slice(piece);
            }
            if bytes.len() > MAX_CHALLENGE {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if self.challenges.iter().any(|challenge| challenge.is_match(text)) {
            return Err(Refusal::NotAllowed("a challenge"));
        }
        Ok(())
    }

    /// Where the sender lists the headers that it signed, the time must be one of them.
    fn check_list(&self, values: &Values<'_>) -> Result<(), Refusal> {
        let (Some(list), Some(time)) = (self.signed_list, self.time_header()) else {
            return Ok(());
        };
        let listed = values.head.headers.single(list)?.unwrap_or_default();
        let has_time = listed.split(',').any(|name| name.trim().eq_ignore_ascii_case(time));
        if has_time { Ok(()) } else { Err(Refusal::Missing(time)) }
    }

    fn prove_token(&self, values: &Values<'_>, keys: &KeyRing) -> Result<Proof, Refusal> {
        let mut last = Refusal::Mismatch;
        for text in self.field.texts(values)? {
            let proof = if self.algorithm == Algorithm::Basic {
                decode_basic(&text)
                    .ok_or(Refusal::Malformed(self.field.name()))
                    .and_then(|credentials| keys.match_secret(&credentials, &self.covered))
            } else {
                let token = self.field.token(&text)?;
                keys.match_secret(token.as_bytes(), &self.covered)
            };
            match proof {
                Ok(proof) => return Ok(proof),
                Err(refusal) => last = refusal,
            }
        }
        Err(last)
    }

    fn check_body_hash(&self, values: &Values<'_>) -> Result<(), Refusal> {
        let Some(BodyHash { from, hash, encoding }) = &self.body_hash else { return Ok(()) };
        let claimed = values.get(from).map_err(NoText::from)?;
        let body = values.body().ok_or(Refusal::Mismatch)?;
        let expected = signature_field::encode(&hash.of(body), *encoding);
        let claimed = match encoding {
            Encoding::Hex => claimed.to_ascii_lowercase(),
            Encoding::Base64 | Encoding::Base64Url => claimed.into_owned(),
        };
        let equal = bool::from(claimed.ct_eq(expected.as_bytes()));
        if equal { Ok(()) } else { Err(Refusal::Mismatch) }
    }
}

/// The digest of a signed text.
fn digest(text: &[Piece<'_>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in text {
        if let Piece::Bytes(bytes) = piece {
            hash.update(bytes);
        }
    }
    hash.finalize().into()
}

/// The credentials of a basic authentication.
pub(super) fn decode_basic(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (scheme, credentials) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    base64::engine::general_purpose::STANDARD.decode(credentials.trim()).ok()
}
