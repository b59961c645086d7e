//! Searches for the secret, and the form of secret, text and body, that made a signature.

use std::borrow::Cow;

use bytes::Bytes;

use super::candidates;
use super::read::{self, Claim};
use super::{BodyForm, Case, Deviation, HeaderFormat, Origin, SecretForm, SignedBy, TextForm};
use crate::verify::scheme::diagnosis::{Candidate, Recipe, Repeated};
use crate::verify::scheme::{Material, Piece};
use crate::verify::{
    Algorithm, Fingerprint, KeyCache, ProofMethod, RequestHead, Scheme, Secret, UnixSeconds,
};

/// The maximum number of bytes hashed over all attempts. Candidates beyond it are skipped.
const MAX_HASHED: usize = 64 * 1024 * 1024;

/// A search for what made a request's signatures.
pub(super) struct Search<'a> {
    head: &'a RequestHead,
    body: &'a Bytes,
    at: UnixSeconds,
    secrets: Vec<(Origin, &'a Secret)>,
    published: Option<&'a dyn KeyCache>,
    hashed: usize,
    /// Whether candidates were skipped because of their size.
    pub(super) cut: bool,
}

/// The result for one claimed proof.
#[derive(Debug)]
pub(super) enum Found {
    SignedBy(SignedBy),
    /// The proof cannot be read, or no known secret made it; with the deviating format, if any.
    NoMatch(Option<HeaderFormat>),
}

/// A key, and the name by which users know it.
type Known = (Origin, Fingerprint, Material);

/// How the signatures of a claim are made, and what they are.
struct Attempt<'r> {
    recipe: &'r Recipe,
    /// The keys in the secrets, as the scheme expects them, or those that the sender publishes.
    keys: &'r [Known],
    /// Whether they are public, so that there are no other forms of a secret.
    is_public: bool,
    macs: &'r [Candidate],
}

impl<'a> Search<'a> {
    pub(super) fn new(
        case: &Case<'a>,
        secrets: Vec<(Origin, &'a Secret)>,
        published: Option<&'a dyn KeyCache>,
    ) -> Self {
        let Case { head, body, at, .. } = *case;
        Self { head, body, at, secrets, published, hashed: 0, cut: false }
    }

    pub(super) fn find(&mut self, proof: &ProofMethod<'_>) -> Found {
        match proof {
            ProofMethod::Signature(scheme) => self.signature(scheme, None),
            ProofMethod::OtherForm(scheme) => self.signature(scheme, Some(TextForm::Other)),
            ProofMethod::Token { signed, mac } => self.token(signed, *mac),
            ProofMethod::Repeated(value) => self.repeated(value, None),
        }
    }

    fn signature(&mut self, scheme: &Scheme, form: Option<TextForm>) -> Found {
        if let Some(Repeated { value, lacks }) = scheme.repeated(self.head, self.body) {
            return self.repeated(&value, lacks);
        }
        if scheme.algorithm() == Algorithm::Jwt {
            return self.claims(scheme);
        }
        let recipe = scheme.recipe();
        let mut keys = self.keys(&recipe);
        let published = scheme.published(self.head, self.body, self.published).into_iter();
        keys.extend(published.map(|(name, key)| (Origin::Published, name, key)));
        let is_public = scheme.algorithm().is_public_key();
        let mut format = None;
        for claim in read::read(scheme, self.head, self.body) {
            let attempt = Attempt { recipe: &recipe, keys: &keys, is_public, macs: &claim.macs };
            if let Some(made) = self.claim(scheme, &attempt, &claim, form) {
                return Found::SignedBy(made);
            }
            format = format.or(claim.format);
        }
        Found::NoMatch(format)
    }

    fn claim(
        &mut self,
        scheme: &Scheme,
        attempt: &Attempt<'_>,
        claim: &Claim<'_>,
        form: Option<TextForm>,
    ) -> Option<SignedBy> {
        let (head, body, time) = (self.head, self.body, claim.timestamp.as_deref());
        let texts = scheme.texts_over(head, body, time, &claim.elements);
        let deviations: Vec<Deviation> =
            (claim.format.clone().map(Deviation::HeaderFormat).into_iter())
                .chain(form.map(Deviation::Text))
                .collect();
        let with = |last: Deviation| deviations.iter().cloned().chain([last]).collect();

        if let Some(made) = self.try_secrets(attempt, &texts, || deviations.clone()) {
            return Some(made);
        }
        // For the other form only this one attempt is made.
        if form.is_some() || claim.macs.is_empty() || texts.is_empty() {
            return None;
        }
        if let Some((form, time)) = time.and_then(other_time) {
            let texts = scheme.texts_over(head, body, Some(&time), &claim.elements);
            let describe = || with(Deviation::Text(form));
            if let Some(made) = self.try_secrets(attempt, &texts, describe) {
                return Some(made);
            }
        }
        if !attempt.recipe.is_hash() {
            let form = match scheme.time_unit() {
                Some(_) => TextForm::BodyAlone,
                None => TextForm::BodyOnly,
            };
            let alone = [vec![Piece::Bytes(Cow::Borrowed(body.as_ref()))]];
            let describe = || with(Deviation::Text(form));
            if let Some(made) = self.try_secrets(attempt, &alone, describe) {
                return Some(made);
            }
        }
        if let Some(made) = self.try_secret_forms(attempt, &texts, &deviations) {
            return Some(made);
        }
        for (form, body) in candidates::of_body(body) {
            if self.cut {
                // Nothing more is hashed, so further candidates need not be built.
                break;
            }
            let body = Bytes::from(body.into_owned());
            let texts = scheme.texts_over(head, &body, time, &claim.elements);
            let describe = || with(Deviation::Body(form));
            if let Some(made) = self.try_secrets(attempt, &texts, describe) {
                return Some(made);
            }
        }
        None
    }

    fn token(&mut self, signed: &[u8], mac: [u8; 32]) -> Found {
        let recipe = Recipe::plain();
        let (keys, macs) = (self.keys(&recipe), [Candidate::Long(mac.to_vec())]);
        let attempt = Attempt { recipe: &recipe, keys: &keys, is_public: false, macs: &macs };
        let texts = [vec![Piece::Bytes(Cow::Borrowed(signed))]];
        let made = self
            .try_secrets(&attempt, &texts, Vec::new)
            .or_else(|| self.try_secret_forms(&attempt, &texts, &[]));
        made.map_or(Found::NoMatch(None), Found::SignedBy)
    }

    /// `lacks` is the expected prefix, if the value has none.
    fn repeated(&self, value: &[u8], lacks: Option<&'static str>) -> Found {
        let format = lacks.map(HeaderFormat::NoPrefix);
        let without_scheme = value.strip_prefix(b"Bearer ");
        for (origin, secret) in &self.secrets {
            let made = |last: Option<Deviation>| {
                let first = format.clone().map(Deviation::HeaderFormat);
                let deviations = first.into_iter().chain(last).collect();
                let secret = secret.fingerprint();
                Found::SignedBy(SignedBy { origin: *origin, secret, deviations })
            };
            if secret.matches(value) {
                return made(None);
            }
            if without_scheme.is_some_and(|without_scheme| secret.matches(without_scheme)) {
                let found = "Bearer ".to_owned();
                let format = HeaderFormat::Prefix { expected: None, found };
                return made(Some(Deviation::HeaderFormat(format)));
            }
            for (form, other) in candidates::of_secret(secret.expose()) {
                if *other == value {
                    return made(Some(Deviation::Secret(form)));
                }
            }
        }
        Found::NoMatch(format)
    }

    /// A token with claims. It covers the body only by a digest in them.
    fn claims(&self, scheme: &Scheme) -> Found {
        let (recipe, head, body) = (scheme.recipe(), self.head, self.body);
        let by = |key: &Material| scheme.claims_by(head, body, key);
        let mut known = self.keys(&recipe).into_iter();
        let found = known
            .find_map(|(origin, name, key)| Some((origin, name, None, by(&key)?)))
            .or_else(|| {
                let (name, claims) =
                    scheme.claims_by_published(head, body, self.published, self.at)?;
                Some((Origin::Published, name, None, claims))
            })
            .or_else(|| {
                self.secrets.iter().find_map(|(origin, secret)| {
                    let mut forms = secret_forms(&recipe, secret).into_iter();
                    let (form, claims) = forms.find_map(|(form, key)| Some((form, by(&key)?)))?;
                    Some((*origin, secret.fingerprint(), Some(form), claims))
                })
            });
        let Some((origin, secret, form, claims)) = found else { return Found::NoMatch(None) };
        let mut deviations: Vec<Deviation> = form.map(Deviation::Secret).into_iter().collect();
        if !scheme.claims_cover(&claims, body) {
            let mut forms = candidates::of_body(body);
            let signed = forms.find(|(_, other)| scheme.claims_cover(&claims, other));
            deviations.push(Deviation::Body(signed.map_or(BodyForm::Unknown, |(form, _)| form)));
        }
        Found::SignedBy(SignedBy { origin, secret, deviations })
    }

    /// The keys in the secrets. One without the form of the others cannot have signed.
    fn keys(&self, recipe: &Recipe) -> Vec<Known> {
        let key = |(origin, secret): &(Origin, &'a Secret)| {
            Some((*origin, secret.fingerprint(), recipe.key(secret.expose())?))
        };
        self.secrets.iter().filter_map(key).collect()
    }

    /// Tries every key in its expected form.
    fn try_secrets(
        &mut self,
        attempt: &Attempt<'_>,
        texts: &[Vec<Piece<'_>>],
        describe: impl FnOnce() -> Vec<Deviation>,
    ) -> Option<SignedBy> {
        let mut keys = attempt.keys.iter();
        let (origin, name, _) = keys.find(|(_, _, key)| self.verifies(attempt, key, texts))?;
        Some(SignedBy { origin: *origin, secret: *name, deviations: describe() })
    }

    /// Tries every secret in the forms that others may use.
    fn try_secret_forms(
        &mut self,
        attempt: &Attempt<'_>,
        texts: &[Vec<Piece<'_>>],
        deviations: &[Deviation],
    ) -> Option<SignedBy> {
        if attempt.is_public {
            return None;
        }
        for (origin, secret) in self.secrets.clone() {
            for (form, key) in secret_forms(attempt.recipe, secret) {
                if self.verifies(attempt, &key, texts) {
                    let deviations =
                        deviations.iter().cloned().chain([Deviation::Secret(form)]).collect();
                    return Some(SignedBy { origin, secret: secret.fingerprint(), deviations });
                }
            }
        }
        None
    }

    /// Whether a key made one of the signatures over one of the texts.
    fn verifies(
        &mut self,
        attempt: &Attempt<'_>,
        key: &Material,
        texts: &[Vec<Piece<'_>>],
    ) -> bool {
        for text in texts {
            let length = length(text);
            if self.hashed > 0 && self.hashed.saturating_add(length) > MAX_HASHED {
                self.cut = true;
                return false;
            }
            self.hashed = self.hashed.saturating_add(length).saturating_add(1);
            if attempt.recipe.verifies(key, text, attempt.macs) {
                return true;
            }
        }
        false
    }
}

/// The keys in the forms of a secret that others may use.
fn secret_forms(recipe: &Recipe, secret: &Secret) -> Vec<(SecretForm, Material)> {
    if recipe.decodes() {
        let keys = recipe.undecoded(secret.expose()).into_iter();
        return keys.map(|key| (SecretForm::Undecoded, key)).collect();
    }
    let forms = candidates::of_secret(secret.expose()).into_iter();
    forms.filter_map(|(form, bytes)| Some((form, recipe.key_as_is(&bytes)?))).collect()
}

/// The length of a text, in bytes.
fn length(text: &[Piece<'_>]) -> usize {
    let lengths = text.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => bytes.len(),
        Piece::Secret | Piece::StreamedBody => 0,
    });
    lengths.sum()
}

/// The timestamp in another unit, rounded.
fn other_time(time: &str) -> Option<(TextForm, String)> {
    match time.len() {
        10 => Some((TextForm::Millis, format!("{time}000"))),
        13 => time.get(..10).map(|seconds| (TextForm::Seconds, seconds.to_owned())),
        _ => None,
    }
}
