//! What a diagnosis needs to know about a scheme: how its signatures are written, which text they
//! cover, and what another key, time or body would give.

use std::borrow::Cow;

use bytes::Bytes;

use serde_json::Value as Json;

pub(in crate::verify) use super::alternatives::KIND;
pub(in crate::verify) use super::jwt::CLAIM;
use super::jwt::{by_key_set, check_hash};
use super::prove::decode_basic;
pub(in crate::verify) use super::requirements::{REQUIRED, UNCOVERED};
pub(in crate::verify) use super::signature_field::{
    Candidate, Element, Holds, List, MAX_CANDIDATES,
};
use super::{
    Algorithm, Encoding, KeyDefinition, KeyEncoding, Material, Piece, Scheme, TimeUnit, Value,
    intern, x5c,
};
use crate::verify::{Fingerprint, KeyCache, RequestHead, UnixSeconds};

/// How the signatures of a scheme are written, if a text is signed.
pub(in crate::verify) struct Written<'s> {
    /// The text before a signature.
    pub(in crate::verify) prefix: &'static str,
    pub(in crate::verify) prefix_optional: bool,
    pub(in crate::verify) list: Option<&'s List>,
    pub(in crate::verify) encoding: Encoding,
    /// In bytes, if it is fixed.
    pub(in crate::verify) length: Option<usize>,
}

/// The secret that a sender repeats.
pub(in crate::verify) struct Repeated {
    pub(in crate::verify) value: Vec<u8>,
    /// The expected prefix, if the request does not have it.
    pub(in crate::verify) lacks: Option<&'static str>,
}

/// How a signature is made: the algorithm, and how a secret becomes its key.
pub(in crate::verify) struct Recipe {
    algorithm: Algorithm,
    key: KeyDefinition,
    /// Without decoding the secret.
    undecoded: KeyDefinition,
    /// Without decoding it, and with its prefix.
    whole: KeyDefinition,
}

impl Recipe {
    /// HMAC-SHA256 with the text of a secret as the key.
    pub(in crate::verify) fn plain() -> Self {
        Self::new(Algorithm::HmacSha256, &KeyDefinition::default())
    }

    fn new(algorithm: Algorithm, key: &KeyDefinition) -> Self {
        let undecoded = KeyDefinition { encoding: KeyEncoding::Text, ..key.clone() };
        let whole = KeyDefinition { strip: Vec::new(), strip_pattern: None, ..undecoded.clone() };
        Self { algorithm, key: key.clone(), undecoded, whole }
    }

    /// The key in a secret, if the secret has the expected form.
    pub(in crate::verify) fn key(&self, secret: &[u8]) -> Option<Material> {
        Material::of(secret, self.algorithm, &self.key).ok()
    }

    /// Whether the key is something else than the text of the secret.
    pub(in crate::verify) fn decodes(&self) -> bool {
        self.key.encoding != KeyEncoding::Text
            || !self.key.strip.is_empty()
            || self.key.strip_pattern.is_some()
    }

    /// The keys of a sender that takes the text of the secret as it is.
    pub(in crate::verify) fn undecoded(&self, secret: &[u8]) -> Vec<Material> {
        let definitions = [&self.undecoded, &self.whole].into_iter();
        definitions.filter_map(|key| Material::of(secret, self.algorithm, key).ok()).collect()
    }

    /// The key of a sender that takes these bytes for the secret.
    pub(in crate::verify) fn key_as_is(&self, bytes: &[u8]) -> Option<Material> {
        Material::of(bytes, self.algorithm, &self.whole).ok()
    }

    /// Whether a text must contain the secret, so that the body alone proves nothing.
    pub(in crate::verify) fn is_hash(&self) -> bool {
        matches!(self.algorithm, Algorithm::Sha1 | Algorithm::Sha256)
    }

    /// Whether this key made one of the candidates over the text.
    pub(in crate::verify) fn verifies(
        &self,
        key: &Material,
        text: &[Piece<'_>],
        candidates: &[Candidate],
    ) -> bool {
        key.verifies(self.algorithm, text, candidates)
    }
}

impl Scheme {
    pub(in crate::verify) fn recipe(&self) -> Recipe {
        Recipe::new(self.algorithm, &self.key)
    }

    /// The name of the field with the signature.
    pub(in crate::verify) fn field_name(&self) -> &'static str {
        self.field.name()
    }

    /// How its signatures are written, if it signs a text.
    pub(in crate::verify) fn written(&self) -> Option<Written<'_>> {
        self.algorithm.signs_text().then(|| Written {
            prefix: intern(&self.field.prefix),
            prefix_optional: self.field.prefix_optional,
            list: self.field.list.as_ref(),
            encoding: self.field.encoding,
            length: self.field.length,
        })
    }

    /// Whether the URL of the source is signed.
    pub(in crate::verify) fn signs_url(&self) -> bool {
        let claimed = self.jwt.as_ref().map(super::Jwt::values).unwrap_or_default();
        self.texts.iter().any(|text| text.any(Value::needs_url))
            || claimed.iter().any(Value::needs_url)
    }

    /// Whether the header with the signature is longer than any signature.
    pub(in crate::verify) fn is_too_long(&self, head: &RequestHead) -> bool {
        self.field.too_long(&head.headers).is_some()
    }

    /// The texts in the field with the signature; none if they cannot be read.
    pub(in crate::verify) fn field_texts<'a>(
        &'a self,
        head: &'a RequestHead,
        body: &'a Bytes,
    ) -> Vec<Cow<'a, str>> {
        self.field.texts(&self.values(head, Some(body))).unwrap_or_default()
    }

    /// The secret that the sender repeats, if that is its proof.
    pub(in crate::verify) fn repeated(&self, head: &RequestHead, body: &Bytes) -> Option<Repeated> {
        let texts = self.field_texts(head, body);
        let text = texts.first()?;
        if self.algorithm == Algorithm::Basic {
            return Some(Repeated { value: decode_basic(text)?, lacks: None });
        }
        if self.algorithm != Algorithm::Token {
            return None;
        }
        Some(match self.field.token(text) {
            Ok(token) => Repeated { value: token.as_bytes().to_vec(), lacks: None },
            Err(_) if self.field.prefix.is_empty() => return None,
            Err(_) => Repeated {
                value: text.trim().as_bytes().to_vec(),
                lacks: Some(intern(&self.field.prefix)),
            },
        })
    }

    /// The keys that the sender publishes for this request, as far as they are known here.
    pub(in crate::verify) fn published(
        &self,
        head: &RequestHead,
        body: &Bytes,
        cache: Option<&dyn KeyCache>,
    ) -> Vec<(Fingerprint, Material)> {
        let values = self.values(head, Some(body));
        let Ok(Some((keys, name))) = self.published_keys(&values, cache) else { return Vec::new() };
        keys.into_iter().map(|key| (Fingerprint::of_name(&name), key)).collect()
    }

    /// The claims of the token in a request, if this key signed it. What they say about the
    /// request is not checked.
    pub(in crate::verify) fn claims_by(
        &self,
        head: &RequestHead,
        body: &Bytes,
        key: &Material,
    ) -> Option<Json> {
        let texts = self.field_texts(head, body);
        self.jwt.as_ref()?.decode_by(self.field.token(texts.first()?).ok()?, key)
    }

    /// The same, for a key that the sender publishes or that the token itself certifies.
    pub(in crate::verify) fn claims_by_published(
        &self,
        head: &RequestHead,
        body: &Bytes,
        cache: Option<&dyn KeyCache>,
        now: UnixSeconds,
    ) -> Option<(Fingerprint, Json)> {
        let texts = self.field_texts(head, body);
        let (jwt, token) = (self.jwt.as_ref()?, self.field.token(texts.first()?).ok()?);
        if let Some(chain) = &self.key.x5c {
            let claims = jwt.decode(token, &x5c::leaf_key(token, chain, now)?)?;
            return Some((Fingerprint::of_name(&chain.root_sha256), claims));
        }
        let url = self.key_url(head, body).ok()??;
        let claims = by_key_set(jwt, token, &cache?.get(&url)?)?;
        Some((Fingerprint::of_name(url.as_str()), claims))
    }

    /// Whether the digest of the body in the claims, if there is one, is that of this body.
    pub(in crate::verify) fn claims_cover(&self, claims: &Json, body: &[u8]) -> bool {
        let hash = self.jwt.as_ref().and_then(|jwt| jwt.hashes().0);
        check_hash(claims, hash, body).is_ok()
    }

    pub(in crate::verify) fn time_unit(&self) -> Option<TimeUnit> {
        self.time.as_ref().map(|time| time.unit)
    }

    /// The timestamp as the sender wrote it, if it does not stand beside the signature.
    pub(in crate::verify) fn written_time(
        &self,
        head: &RequestHead,
        body: &Bytes,
    ) -> Option<String> {
        let time = self.time.as_ref()?;
        time.text(&self.values(head, Some(body))).ok()?.map(Cow::into_owned)
    }

    /// The texts that the signature may cover, with this time and this body; none whose values are
    /// missing.
    pub(in crate::verify) fn texts_over<'a>(
        &'a self,
        head: &'a RequestHead,
        body: &'a Bytes,
        time: Option<&'a str>,
        elements: &'a [Element<'a>],
    ) -> Vec<Vec<Piece<'a>>> {
        let mut values = self.values(head, Some(body));
        values.elements = elements;
        values.timestamp = time.map(Cow::Borrowed);
        self.texts.iter().filter_map(|text| text.evaluate(&values).ok()).collect()
    }
}
