//! JSON Web Tokens that bind a request: fixed algorithms, required claims, digests of body and URL.

use std::collections::BTreeMap;

use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value as Json;
use subtle::ConstantTimeEq;

use super::jwt_definition::{ClaimHash, JwtAlgorithm, JwtDefinition};
use super::template::Template;
use super::value::Value;
use super::values::Values;
use super::{KeyCache, KeyRing, Material, Scheme, x5c};
use crate::verify::{Proof, Refusal, UnixSeconds};

/// What is refused if it differs, for explanations.
pub(in crate::verify) const CLAIM: &str = "a claim of the token";
/// How far the sender's clock may be off, in seconds.
const LEEWAY: i64 = 60;

/// The compiled requirements on a token.
#[derive(Debug)]
pub(super) struct Jwt {
    algorithms: Vec<JwtAlgorithm>,
    claims: Vec<(String, Template)>,
    required: Vec<String>,
    body_hash: Option<ClaimHash>,
    url_hash: Option<ClaimHash>,
    max_age: Option<i64>,
}

impl Jwt {
    pub(super) fn compile(
        definition: &JwtDefinition,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        if definition.algorithms.is_empty() {
            return Err("jwt.algorithms: name at least one".into());
        }
        let symmetric = |algorithm: &JwtAlgorithm| {
            matches!(algorithm, JwtAlgorithm::HS256 | JwtAlgorithm::HS384 | JwtAlgorithm::HS512)
        };
        let some = definition.algorithms.iter().any(symmetric);
        if some != definition.algorithms.iter().all(symmetric) {
            // Otherwise a public key could be used as a shared secret.
            return Err("jwt.algorithms: HS and public-key algorithms cannot be mixed".into());
        }
        let claim = |(name, text): (&String, &String)| {
            let template = Template::parse(text, options)
                .map_err(|error| format!("jwt.claims.{name}: {error}"))?;
            Ok((name.clone(), template))
        };
        Ok(Self {
            algorithms: definition.algorithms.clone(),
            claims: definition.claims.iter().map(claim).collect::<Result<_, String>>()?,
            required: definition.required.clone(),
            body_hash: definition.body_hash.clone(),
            url_hash: definition.url_hash.clone(),
            max_age: definition.max_age.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX)),
        })
    }

    pub(super) fn covers_body(&self) -> bool {
        self.body_hash.is_some()
    }

    /// What its claims name.
    pub(super) fn values(&self) -> Vec<Value> {
        let claims = self.claims.iter().flat_map(|(_, text)| text.placeholders());
        let url = self.url_hash.as_ref().map(|_| Value::Url);
        claims.map(|part| part.source.clone()).chain(url).collect()
    }

    pub(super) fn algorithms(&self) -> &[JwtAlgorithm] {
        &self.algorithms
    }

    pub(super) fn claims(&self) -> &[(String, Template)] {
        &self.claims
    }

    pub(super) fn hashes(&self) -> (Option<&ClaimHash>, Option<&ClaimHash>) {
        (self.body_hash.as_ref(), self.url_hash.as_ref())
    }

    /// The claims of a token that this key signed with an accepted algorithm.
    pub(super) fn decode(&self, token: &str, key: &DecodingKey) -> Option<Json> {
        let algorithm = jsonwebtoken::decode_header(token).ok()?.alg;
        let known = self.algorithms.iter().find(|known| known.library() == algorithm)?;
        let mut validation = Validation::new(known.library());
        // The time is checked against the caller's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<Json>(token, key, &validation).ok()?;
        decoded.claims.is_object().then_some(decoded.claims)
    }

    /// The claims of a token that the key of a source signed.
    pub(super) fn decode_by(&self, token: &str, key: &Material) -> Option<Json> {
        match key {
            Material::Bytes(secret) => self.decode(token, &DecodingKey::from_secret(secret).ok()?),
            Material::Jwk(key) => self.decode(token, key),
            Material::Mac(_) | Material::Public(_) => None,
        }
    }

    /// Checks time, required claims and digests; returns the skew, if the token has a time.
    fn check(
        &self,
        claims: &Json,
        values: &Values<'_>,
        now: UnixSeconds,
    ) -> Result<Option<i64>, Refusal> {
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => {
                let seconds = value.as_i64().or_else(|| {
                    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second")]
                    value.as_f64().map(|seconds| seconds as i64)
                });
                seconds.map(Some).ok_or(Refusal::TimestampMalformed)
            }
        };
        if self.required.iter().any(|name| claims.get(name).is_none_or(Json::is_null)) {
            return Err(Refusal::NotAllowed(CLAIM));
        }
        if let Some(expires) = time("exp")?
            && now > expires.saturating_add(LEEWAY)
        {
            return Err(Refusal::Stale { seconds: now.saturating_sub(expires) });
        }
        let issued = time("iat")?;
        for begin in [time("nbf")?, issued].into_iter().flatten() {
            if begin > now.saturating_add(LEEWAY) {
                return Err(Refusal::Future { seconds: begin.saturating_sub(now) });
            }
        }
        if let Some(most) = self.max_age {
            let age = now.saturating_sub(issued.ok_or(Refusal::TimestampMalformed)?);
            if age > most.saturating_add(LEEWAY) {
                return Err(Refusal::Stale { seconds: age.saturating_sub(most) });
            }
        }
        for (name, template) in &self.claims {
            let expected = template.render(values)?;
            let equals = |value: &Json| {
                value.as_str().is_some_and(|text| text.as_bytes().ct_eq(&expected).into())
            };
            let found = match claims.get(name) {
                // An audience may be a list.
                Some(Json::Array(several)) if name == "aud" => several.iter().any(equals),
                Some(value) => equals(value),
                None => false,
            };
            if !found {
                return Err(Refusal::NotAllowed(CLAIM));
            }
        }
        let body = values.body().cloned().unwrap_or_default();
        check_hash(claims, self.body_hash.as_ref(), &body)?;
        if let Some(hash) = &self.url_hash {
            let url = values.get(&Value::Url).map_err(super::NoText::from)?;
            check_hash(claims, Some(hash), &url)?;
        }
        Ok(issued.map(|issued| now.saturating_sub(issued)))
    }
}

pub(super) fn check_hash(
    claims: &Json,
    hash: Option<&ClaimHash>,
    over: &[u8],
) -> Result<(), Refusal> {
    let Some(ClaimHash { claim, hash, encoding, optional }) = hash else { return Ok(()) };
    let Some(claimed) = claims.get(claim).and_then(Json::as_str) else {
        let excused = *optional && over.is_empty();
        return if excused { Ok(()) } else { Err(Refusal::Mismatch) };
    };
    let expected = super::signature_field::encode(&hash.of(over), *encoding);
    let claimed = match encoding {
        super::Encoding::Hex => claimed.to_ascii_lowercase(),
        super::Encoding::Base64 => claimed.to_owned(),
        super::Encoding::Base64Url => claimed.trim_end_matches('=').to_owned(),
    };
    let equal = claimed.as_bytes().ct_eq(expected.as_bytes());
    if bool::from(equal) { Ok(()) } else { Err(Refusal::Mismatch) }
}

impl JwtAlgorithm {
    pub(super) fn library(self) -> Algorithm {
        match self {
            Self::HS256 => Algorithm::HS256,
            Self::HS384 => Algorithm::HS384,
            Self::HS512 => Algorithm::HS512,
            Self::RS256 => Algorithm::RS256,
            Self::ES256 => Algorithm::ES256,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }
}

impl Scheme {
    /// Proves a request by its token.
    pub(super) fn prove_jwt(
        &self,
        values: &Values<'_>,
        (keys, cache): (&KeyRing, Option<&dyn KeyCache>),
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let jwt = self.jwt.as_ref().ok_or(Refusal::Mismatch)?;
        let texts = self.field.texts(values)?;
        let token = self.field.token(texts.first().ok_or(Refusal::Mismatch)?)?;
        let (proof, claims) = if let Some(fetch) = &self.fetch {
            let url = fetch.url(values)?;
            let set = cache.and_then(|cache| cache.get(&url)).ok_or(Refusal::Mismatch)?;
            let claims = by_key_set(jwt, token, &set);
            KeyRing::prove_published(claims, url.as_str(), self.strength, &self.covered)?
        } else if let Some(chain) = &self.key.x5c {
            let key = x5c::leaf_key(token, chain, now).ok_or(Refusal::Mismatch)?;
            let claims = jwt.decode(token, &key);
            KeyRing::prove_published(claims, &chain.root_sha256, self.strength, &self.covered)?
        } else {
            let by_key = |key: &Material| jwt.decode_by(token, key);
            keys.prove_by(self.algorithm, self.strength, &self.covered, by_key)?
        };
        let skew = jwt.check(&claims, values, now)?;
        let stored = serde_json::to_vec(&claims).map_err(|_| Refusal::Mismatch)?;
        let mut proof = proof.with_claims(Bytes::from(stored));
        proof.skew = skew;
        Ok(proof)
    }

    /// Whether a key set lacks the key that the token names, so that it may be out of date.
    pub(in crate::verify) fn lacks_key(
        &self,
        head: &crate::verify::RequestHead,
        body: &Bytes,
        set: &str,
    ) -> bool {
        if self.jwt.is_none() {
            return false;
        }
        let values = self.values(head, Some(body));
        let Ok(texts) = self.field.texts(&values) else { return false };
        let Some(Ok(token)) = texts.first().map(|text| self.field.token(text)) else {
            return false;
        };
        let Ok(header) = jsonwebtoken::decode_header(token) else { return false };
        let (Some(kid), Ok(set)) = (header.kid, serde_json::from_str::<JwkSet>(set)) else {
            return false;
        };
        set.find(&kid).is_none()
    }
}

/// The claims of a token that a key of the set signed: the one it names, or any if it names none.
pub(super) fn by_key_set(jwt: &Jwt, token: &str, set: &str) -> Option<Json> {
    let set: JwkSet = serde_json::from_str(set).ok()?;
    let kid = jsonwebtoken::decode_header(token).ok()?.kid;
    let fits = |key: &&jsonwebtoken::jwk::Jwk| {
        kid.is_none() || key.common.key_id.is_none() || key.common.key_id == kid
    };
    set.keys.iter().filter(fits).take(16).find_map(|key| {
        let key = DecodingKey::from_jwk(key).ok()?;
        jwt.decode(token, &key)
    })
}
