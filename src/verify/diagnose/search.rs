//! Looking for the secret, and the form of secret, text and body, that made a signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::candidates;
use super::read::{self, Reading};
use super::{Departure, HeaderFormat, Made, Origin, TextForm};
use crate::verify::{ProofMethod, RequestHead, Scheme, Secret};

/// How many bytes are hashed at most, over all attempts. What is beyond it is not tried.
const MAX_HASHED: usize = 64 * 1024 * 1024;

/// A search through what may have made a request's signatures.
pub(super) struct Search<'a> {
    pub(super) head: &'a RequestHead,
    pub(super) body: &'a [u8],
    pub(super) secrets: Vec<(Origin, &'a Secret)>,
    hashed: usize,
    /// Whether something was left out because of its size.
    pub(super) cut: bool,
}

/// What was found out about one piece of evidence.
#[derive(Debug)]
pub(super) enum Found {
    /// A secret made it.
    Made(Made),
    /// It is spelled in a way that cannot be read, or nobody made it; if it is spelled otherwise
    /// than asked for, how.
    Nobody(Option<HeaderFormat>),
}

impl<'a> Search<'a> {
    pub(super) fn new(
        head: &'a RequestHead,
        body: &'a [u8],
        secrets: Vec<(Origin, &'a Secret)>,
    ) -> Self {
        Self { head, body, secrets, hashed: 0, cut: false }
    }

    pub(super) fn look(&mut self, evidence: &ProofMethod) -> Found {
        match evidence {
            ProofMethod::Signature(scheme) => self.signature(scheme, None),
            ProofMethod::OtherForm(scheme) => self.signature(scheme, Some(TextForm::Other)),
            ProofMethod::Token { signed, mac } => self.token(signed, *mac),
            ProofMethod::Repeated(value) => self.repeated(value),
        }
    }

    fn signature(&mut self, scheme: &Scheme, form: Option<TextForm>) -> Found {
        let Reading { timestamp, macs, spelling } = read::read(scheme, self.head);
        let nobody = Found::Nobody(spelling.clone());
        let Some(before) = timestamp.and_then(|time| scheme.transcript(self.head, time).ok())
        else {
            return nobody;
        };
        let (head, body) = (self.head, self.body);
        let departures: Vec<Departure> = (spelling.map(Departure::HeaderFormat).into_iter())
            .chain(form.map(Departure::Text))
            .collect();
        let with = |last: Departure| departures.iter().cloned().chain([last]).collect();

        if let Some(made) = self.as_they_are(&before, body, &macs, || departures.clone()) {
            return Found::Made(made);
        }
        // The other form is one attempt of its own.
        if form.is_some() || macs.is_empty() {
            return nobody;
        }
        if let Some((form, time)) = other_time(timestamp.unwrap_or_default())
            && let Ok(before) = scheme.transcript(head, &time)
        {
            let how = || with(Departure::Text(form));
            if let Some(made) = self.as_they_are(&before, body, &macs, how) {
                return Found::Made(made);
            }
        }
        let how = || with(Departure::Text(TextForm::BodyAlone));
        if let Some(made) = self.as_they_are(&[], body, &macs, how) {
            return Found::Made(made);
        }
        if let Some(made) = self.otherwise(&before, body, &macs, &departures) {
            return Found::Made(made);
        }
        for (form, body) in candidates::of_body(body) {
            if self.cut {
                // Nothing more is hashed: it need not be written either.
                break;
            }
            let how = || with(Departure::Body(form));
            if let Some(made) = self.as_they_are(&before, &body, &macs, how) {
                return Found::Made(made);
            }
        }
        nobody
    }

    fn token(&mut self, signed: &[u8], mac: [u8; 32]) -> Found {
        let made = self
            .as_they_are(&[], signed, &[mac], Vec::new)
            .or_else(|| self.otherwise(&[], signed, &[mac], &[]));
        made.map_or(Found::Nobody(None), Found::Made)
    }

    fn repeated(&self, value: &[u8]) -> Found {
        let bare = value.strip_prefix(b"Bearer ");
        for (origin, secret) in &self.secrets {
            let made = |departures| {
                Found::Made(Made { origin: *origin, secret: secret.fingerprint(), departures })
            };
            if secret.matches(value) {
                return made(Vec::new());
            }
            if bare.is_some_and(|bare| secret.matches(bare)) {
                let found = "Bearer ".to_owned();
                let spelling = HeaderFormat::Prefix { expected: None, found };
                return made(vec![Departure::HeaderFormat(spelling)]);
            }
            for (form, other) in candidates::of_secret(secret.expose()) {
                if *other == value {
                    return made(vec![Departure::Secret(form)]);
                }
            }
        }
        Found::Nobody(None)
    }

    /// With every secret as it is.
    fn as_they_are(
        &mut self,
        before: &[&[u8]],
        body: &[u8],
        macs: &[[u8; 32]],
        how: impl FnOnce() -> Vec<Departure>,
    ) -> Option<Made> {
        let mut found = None;
        for (origin, secret) in self.secrets.clone() {
            if found.is_none() && self.made(secret.expose(), before, body, macs) {
                found = Some((origin, secret.fingerprint()));
            }
        }
        let (origin, secret) = found?;
        Some(Made { origin, secret, departures: how() })
    }

    /// With every secret as others may use it.
    fn otherwise(
        &mut self,
        before: &[&[u8]],
        body: &[u8],
        macs: &[[u8; 32]],
        departures: &[Departure],
    ) -> Option<Made> {
        for (origin, secret) in self.secrets.clone() {
            for (form, key) in candidates::of_secret(secret.expose()) {
                if self.made(&key, before, body, macs) {
                    let departures =
                        departures.iter().cloned().chain([Departure::Secret(form)]).collect();
                    return Some(Made { origin, secret: secret.fingerprint(), departures });
                }
            }
        }
        None
    }

    fn made(&mut self, key: &[u8], before: &[&[u8]], body: &[u8], macs: &[[u8; 32]]) -> bool {
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

/// The same time in another unit, rounded.
fn other_time(time: &str) -> Option<(TextForm, String)> {
    match time.len() {
        10 => Some((TextForm::Millis, format!("{time}000"))),
        13 => time.get(..10).map(|seconds| (TextForm::Seconds, seconds.to_owned())),
        _ => None,
    }
}
