//! Searches for the secret, and the form of secret, text and body, that made a signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::candidates;
use super::read::{self, Reading};
use super::{Deviation, HeaderFormat, Origin, SignedBy, TextForm};
use crate::verify::{ProofMethod, RequestHead, Scheme, Secret};

/// The maximum number of bytes hashed over all attempts. Candidates beyond it are skipped.
const MAX_HASHED: usize = 64 * 1024 * 1024;

/// A search for what made a request's signatures.
pub(super) struct Search<'a> {
    pub(super) head: &'a RequestHead,
    pub(super) body: &'a [u8],
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

impl<'a> Search<'a> {
    pub(super) fn new(
        head: &'a RequestHead,
        body: &'a [u8],
        secrets: Vec<(Origin, &'a Secret)>,
    ) -> Self {
        Self { head, body, secrets, hashed: 0, cut: false }
    }

    pub(super) fn find(&mut self, proof: &ProofMethod) -> Found {
        match proof {
            ProofMethod::Signature(scheme) => self.signature(scheme, None),
            ProofMethod::OtherForm(scheme) => self.signature(scheme, Some(TextForm::Other)),
            ProofMethod::Token { signed, mac } => self.token(signed, *mac),
            ProofMethod::Repeated(value) => self.repeated(value),
        }
    }

    fn signature(&mut self, scheme: &Scheme, form: Option<TextForm>) -> Found {
        let Reading { timestamp, macs, format } = read::read(scheme, self.head);
        let no_match = Found::NoMatch(format.clone());
        let Some(before) = timestamp.and_then(|time| scheme.transcript(self.head, time).ok())
        else {
            return no_match;
        };
        let (head, body) = (self.head, self.body);
        let deviations: Vec<Deviation> = (format.map(Deviation::HeaderFormat).into_iter())
            .chain(form.map(Deviation::Text))
            .collect();
        let with = |last: Deviation| deviations.iter().cloned().chain([last]).collect();

        if let Some(made) = self.try_secrets(&before, body, &macs, || deviations.clone()) {
            return Found::SignedBy(made);
        }
        // For the other form only this one attempt is made.
        if form.is_some() || macs.is_empty() {
            return no_match;
        }
        if let Some((form, time)) = other_time(timestamp.unwrap_or_default())
            && let Ok(before) = scheme.transcript(head, &time)
        {
            let describe = || with(Deviation::Text(form));
            if let Some(made) = self.try_secrets(&before, body, &macs, describe) {
                return Found::SignedBy(made);
            }
        }
        let describe = || with(Deviation::Text(TextForm::BodyAlone));
        if let Some(made) = self.try_secrets(&[], body, &macs, describe) {
            return Found::SignedBy(made);
        }
        if let Some(made) = self.try_secret_forms(&before, body, &macs, &deviations) {
            return Found::SignedBy(made);
        }
        for (form, body) in candidates::of_body(body) {
            if self.cut {
                // Nothing more is hashed, so further candidates need not be built.
                break;
            }
            let describe = || with(Deviation::Body(form));
            if let Some(made) = self.try_secrets(&before, &body, &macs, describe) {
                return Found::SignedBy(made);
            }
        }
        no_match
    }

    fn token(&mut self, signed: &[u8], mac: [u8; 32]) -> Found {
        let made = self
            .try_secrets(&[], signed, &[mac], Vec::new)
            .or_else(|| self.try_secret_forms(&[], signed, &[mac], &[]));
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

    /// Tries every secret in its configured form.
    fn try_secrets(
        &mut self,
        before: &[&[u8]],
        body: &[u8],
        macs: &[[u8; 32]],
        describe: impl FnOnce() -> Vec<Deviation>,
    ) -> Option<SignedBy> {
        let mut found = None;
        for (origin, secret) in self.secrets.clone() {
            if found.is_none() && self.verifies(secret.expose(), before, body, macs) {
                found = Some((origin, secret.fingerprint()));
            }
        }
        let (origin, secret) = found?;
        Some(SignedBy { origin, secret, deviations: describe() })
    }

    /// Tries every secret in the forms that others may use.
    fn try_secret_forms(
        &mut self,
        before: &[&[u8]],
        body: &[u8],
        macs: &[[u8; 32]],
        deviations: &[Deviation],
    ) -> Option<SignedBy> {
        for (origin, secret) in self.secrets.clone() {
            for (form, key) in candidates::of_secret(secret.expose()) {
                if self.verifies(&key, before, body, macs) {
                    let deviations =
                        deviations.iter().cloned().chain([Deviation::Secret(form)]).collect();
                    return Some(SignedBy { origin, secret: secret.fingerprint(), deviations });
                }
            }
        }
        None
    }

    fn verifies(&mut self, key: &[u8], before: &[&[u8]], body: &[u8], macs: &[[u8; 32]]) -> bool {
        if self.hashed > 0 && self.hashed.saturating_add(body.len()) > MAX_HASHED {
            self.cut = true;
            return false;
        }
        self.hashed = self.hashed.saturating_add(body.len()).saturating_add(1);
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
        for part in before.iter().copied().chain([body]) {
            mac.update(part);
        }
        macs.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok())
    }
}

/// The timestamp in another unit, rounded.
fn other_time(time: &str) -> Option<(TextForm, String)> {
    match time.len() {
        10 => Some((TextForm::Millis, format!("{time}000"))),
        13 => time.get(..10).map(|seconds| (TextForm::Seconds, seconds.to_owned())),
        _ => None,
    }
}
