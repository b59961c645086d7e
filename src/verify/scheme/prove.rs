//! Proves that the sender made a request, and that it is fresh.

use std::borrow::Cow;

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::signature_field::{self, Group};
use super::template::NoText;
use super::value::Value;
use super::{Algorithm, BodyHash, Encoding, Scheme, TimePlace, TimeUnit, Values};
use crate::verify::{KeyCache, KeyRing, Proof, Refusal, RequestHead, UnixSeconds, Window};

/// The texts of a request for one signature.
struct Claimed<'a> {
    group: Group<'a>,
    timestamp: Option<(Cow<'a, str>, UnixSeconds)>,
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
        let (text, name) = match &time.place {
            TimePlace::Header(name) => {
                let value = match time.unit {
                    // These contain commas.
                    TimeUnit::HttpDate => values.head.headers.single(name)?,
                    _ => values.head.headers.token(name)?,
                };
                (value.map(Cow::Borrowed), *name)
            }
            TimePlace::Signature => (group.timestamp.clone(), self.field.name()),
            TimePlace::Json(pointer) => (values.json(pointer).map(Cow::Owned), "body"),
            TimePlace::Form(field) => (values.form(field).map(Cow::Owned), "body"),
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
        let proof = match self.algorithm {
            Algorithm::Token | Algorithm::Basic => self.prove_token(&values, keys),
            Algorithm::Jwt => self.prove_jwt(&values, (keys, cache), now),
            _ => self.prove_text(&values, (keys, cache), window, now),
        }?;
        let claims = proof.claims.as_ref().and_then(|claims| serde_json::from_slice(claims).ok());
        let values = values.with_claims(claims.as_ref());
        for (value, template) in &self.require {
            let expected = template.render(&values)?;
            if values.get(value).map_err(NoText::from)?.as_ref() != expected {
                return Err(Refusal::NotAllowed("a value that the source requires"));
            }
        }
        Ok(proof)
    }

    fn prove_text(
        &self,
        values: &Values<'_>,
        (keys, cache): (&KeyRing, Option<&dyn KeyCache>),
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let texts = self.field.texts(values)?;
        let published = self.published_keys(values, cache)?;
        let mut last = Refusal::Mismatch;
        for text in &texts {
            for group in self.field.groups(text)? {
                let claimed = match self.claim(values, group, window, now) {
                    Ok(claimed) => claimed,
                    Err(refusal) => {
                        last = refusal;
                        continue;
                    }
                };
                let Claimed { group: Group { candidates, elements, .. }, timestamp } = claimed;
                let skew = timestamp.as_ref().map(|(_, at)| now - at);
                let of_group =
                    self.again(values).with_elements(&elements, timestamp.map(|(text, _)| text));
                for template in &self.texts {
                    let text = match template.evaluate(&of_group) {
                        Ok(text) => text,
                        Err(no_text) => {
                            last = no_text.into();
                            continue;
                        }
                    };
                    let proof = match &published {
                        Some((keys, name)) => {
                            let mut keys = keys.iter();
                            let verified = keys
                                .any(|key| key.verifies(self.algorithm, &text, &candidates))
                                .then_some(());
                            KeyRing::prove_published(verified, name, self.strength, &self.covered)
                                .map(|(proof, ())| proof)
                        }
                        None => keys.prove_text(
                            self.algorithm,
                            &text,
                            &candidates,
                            self.strength,
                            &self.covered,
                        ),
                    };
                    match proof {
                        Ok(proof) => {
                            self.check_body_hash(&of_group)?;
                            return Ok(match skew {
                                Some(skew) => proof.with_skew(skew),
                                None => proof,
                            });
                        }
                        Err(refusal) => last = refusal,
                    }
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
        let values = self.values(head, None);
        match self.algorithm {
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
        }
        if group.candidates.is_empty() {
            return Err(Refusal::Malformed(self.field.name()));
        }
        Ok(Claimed { group, timestamp })
    }

    /// Where the sender lists the headers that it signed, the time must be one of them.
    fn check_list(&self, values: &Values<'_>) -> Result<(), Refusal> {
        let Some(TimePlace::Header(time)) = self.time.as_ref().map(|time| &time.place) else {
            return Ok(());
        };
        let placeholders = self.texts.iter().flat_map(super::Template::placeholders);
        for placeholder in placeholders {
            if let Value::SignedHeaders(list) = &placeholder.source {
                let listed = values.head.headers.single(list)?.unwrap_or_default();
                if !listed.split(',').any(|name| name.trim().eq_ignore_ascii_case(time)) {
                    return Err(Refusal::Missing(time));
                }
            }
        }
        Ok(())
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

/// The credentials of a basic authentication.
fn decode_basic(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (scheme, credentials) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    base64::engine::general_purpose::STANDARD.decode(credentials.trim()).ok()
}
