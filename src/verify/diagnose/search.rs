//! Searches for the secret, and the form of secret, text and body, that made a signature.

use std::borrow::Cow;

use bytes::Bytes;

use super::candidates;
use super::read::{self, Claim};
use super::{Deviation, HeaderFormat, Origin, SecretForm, SignedBy, TextForm};
use crate::verify::scheme::diagnosis::{Candidate, Recipe};
use crate::verify::scheme::{Material, Piece};
use crate::verify::{ProofMethod, RequestHead, Scheme, Secret};

/// The maximum number of bytes hashed over all attempts. Candidates beyond it are skipped.
const MAX_HASHED: usize = 64 * 1024 * 1024;

/// A search for what made a request's signatures.
pub(super) struct Search<'a> {
    pub(super) head: &'a RequestHead,
    pub(super) body: &'a Bytes,
    pub(super) secrets: Vec<(Origin, &'a Secret)>,
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

/// How the signatures of a claim are made, and what they are.
struct Attempt<'r> {
    recipe: &'r Recipe,
    /// The keys in the secrets, as the scheme expects them.
    keys: &'r [(Origin, &'r Secret, Material)],
    macs: &'r [Candidate],
}

impl<'a> Search<'a> {
    pub(super) fn new(
        head: &'a RequestHead,
        body: &'a Bytes,
        secrets: Vec<(Origin, &'a Secret)>,
    ) -> Self {
        Self { head, body, secrets, hashed: 0, cut: false }
    }

    pub(super) fn find(&mut self, proof: &ProofMethod<'_>) -> Found {
        match proof {
            ProofMethod::Signature(scheme) => self.signature(scheme, None),
            ProofMethod::OtherForm(scheme) => self.signature(scheme, Some(TextForm::Other)),
            ProofMethod::Token { signed, mac } => self.token(signed, *mac),
            ProofMethod::Repeated(value) => self.repeated(value),
        }
    }

    fn signature(&mut self, scheme: &Scheme, form: Option<TextForm>) -> Found {
        if let Some(token) = scheme.repeated_token(self.head, self.body) {
            return self.repeated(&token);
        }
        let recipe = scheme.recipe();
        let keys = self.keys(&recipe);
        let mut format = None;
        for claim in read::read(scheme, self.head, self.body) {
            let attempt = Attempt { recipe: &recipe, keys: &keys, macs: &claim.macs };
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
        let attempt = Attempt { recipe: &recipe, keys: &keys, macs: &macs };
        let texts = [vec![Piece::Bytes(Cow::Borrowed(signed))]];
        let made = self
            .try_secrets(&attempt, &texts, Vec::new)
            .or_else(|| self.try_secret_forms(&attempt, &texts, &[]));
        made.map_or(Found::NoMatch(None), Found::SignedBy)
    }

    fn repeated(&self, value: &[u8]) -> Found {
        let without_scheme = value.strip_prefix(b"Bearer ");
        for (origin, secret) in &self.secrets {
            let made = |deviations| {
                Found::SignedBy(SignedBy {
                    origin: *origin,
                    secret: secret.fingerprint(),
                    deviations,
                })
            };
            if secret.matches(value) {
                return made(Vec::new());
            }
            if without_scheme.is_some_and(|without_scheme| secret.matches(without_scheme)) {
                let found = "Bearer ".to_owned();
                let format = HeaderFormat::Prefix { expected: None, found };
                return made(vec![Deviation::HeaderFormat(format)]);
            }
            for (form, other) in candidates::of_secret(secret.expose()) {
                if *other == value {
                    return made(vec![Deviation::Secret(form)]);
                }
            }
        }
        Found::NoMatch(None)
    }

    /// The keys in the secrets. One without the form of the others cannot have signed.
    fn keys(&self, recipe: &Recipe) -> Vec<(Origin, &'a Secret, Material)> {
        let key = |(origin, secret): &(Origin, &'a Secret)| {
            Some((*origin, *secret, recipe.key(secret.expose())?))
        };
        self.secrets.iter().filter_map(key).collect()
    }

    /// Tries every secret in its configured form.
    fn try_secrets(
        &mut self,
        attempt: &Attempt<'_>,
        texts: &[Vec<Piece<'_>>],
        describe: impl FnOnce() -> Vec<Deviation>,
    ) -> Option<SignedBy> {
        let mut keys = attempt.keys.iter();
        let (origin, secret, _) = keys.find(|(_, _, key)| self.verifies(attempt, key, texts))?;
        Some(SignedBy { origin: *origin, secret: secret.fingerprint(), deviations: describe() })
    }

    /// Tries every secret in the forms that others may use.
    fn try_secret_forms(
        &mut self,
        attempt: &Attempt<'_>,
        texts: &[Vec<Piece<'_>>],
        deviations: &[Deviation],
    ) -> Option<SignedBy> {
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
