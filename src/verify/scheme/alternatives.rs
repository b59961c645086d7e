//! A sender that signs in several ways: which one a request has, and what they have in common.
//!
//! A secret is a key of the alternatives that its prefix fits, and of no other: a public key never
//! becomes a shared secret.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::signature_field::Place;
use super::{
    Algorithm, AlternativeDefinition, KeyDefinition, Scheme, SchemeDefinition, SchemeOptions,
};
use crate::verify::{
    Classified, KeyError, KeyRing, Proof, Refusal, RequestHead, Secret, UnixSeconds,
    VerifiedRequest, VerifyContext, Window, intern,
};

/// What a request lacks that is signed in another way, for explanations.
pub(in crate::verify) const KIND: &str = "what a request that is signed in this way has";

/// The schemes of one source: one, unless its sender signs in several ways.
#[derive(Debug)]
pub struct Schemes {
    main: Arc<Scheme>,
    alternatives: Vec<Arc<Scheme>>,
    headers: Vec<&'static str>,
    kept: Vec<&'static str>,
}

impl SchemeDefinition {
    /// The scheme and its alternatives, each as a whole.
    fn all(&self) -> Vec<Self> {
        let alternatives = self.alternative.iter().map(|other| self.with(other));
        let scheme = Self { alternative: Vec::new(), ..self.clone() };
        let mut all: Vec<Self> = std::iter::once(scheme).chain(alternatives).collect();
        let prefixes: Vec<String> =
            all.iter().filter_map(|scheme| scheme.key.prefix.clone()).collect();
        for scheme in all.iter_mut().filter(|scheme| scheme.key.prefix.is_none()) {
            scheme.key.others.clone_from(&prefixes);
        }
        all
    }

    /// The scheme with what an alternative changes.
    fn with(&self, other: &AlternativeDefinition) -> Self {
        let mut changed =
            Self { alternative: Vec::new(), when: other.when.clone(), ..self.clone() };
        changed.algorithm = other.algorithm.unwrap_or(self.algorithm);
        if !other.signed.is_empty() {
            changed.signed = other.signed.clone();
        }
        if let Some(signature) = &other.signature {
            changed.signature = signature.clone();
        }
        if let Some(timestamp) = &other.timestamp {
            changed.timestamp = Some(timestamp.clone());
        }
        if let Some(key) = &other.key {
            changed.key = key.clone();
        }
        if let Some(event) = &other.event {
            changed.event = event.clone();
        }
        changed
    }
}

impl Schemes {
    /// Checks a definition and prepares it for one source.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn compile(definition: &SchemeDefinition, source: &SchemeOptions) -> Result<Self, String> {
        let definitions = definition.all();
        let mut all: Vec<Scheme> = Vec::with_capacity(definitions.len());
        let mut kept = Vec::new();
        for (index, one) in definitions.iter().enumerate() {
            let wrong = |error: String| match index.checked_sub(1) {
                Some(index) => format!("alternative[{index}].{error}"),
                None => error,
            };
            let mut scheme = Scheme::compile(one, source).map_err(wrong)?;
            for (known, other) in all.iter().zip(&definitions) {
                scheme.check_beside(one, known, other).map_err(wrong)?;
            }
            let alternative =
                index.checked_sub(1).and_then(|index| definition.alternative.get(index));
            let option = alternative.and_then(|alternative| alternative.option.as_deref());
            scheme.disabled = option.filter(|name| !source.enabled.contains(*name)).map(intern);
            kept.extend(scheme.kept_headers(one));
            all.push(scheme);
        }
        let is_signature = |name: &&'static str| {
            all.iter().any(|scheme| match &scheme.field.place {
                Place::Headers(names) => names.contains(name),
                _ => false,
            })
        };
        kept.retain(|name| !is_signature(name));
        let headers = sorted(all.iter().flat_map(Scheme::headers).copied().collect());
        let mut all = all.into_iter().map(Arc::new);
        let main = all.next().ok_or("needs a scheme")?;
        Ok(Self { main, alternatives: all.collect(), headers, kept: sorted(kept) })
    }

    /// The scheme itself, then its alternatives.
    fn all(&self) -> impl Iterator<Item = &Arc<Scheme>> {
        std::iter::once(&self.main).chain(&self.alternatives)
    }

    pub fn headers(&self) -> &[&'static str] {
        &self.headers
    }

    /// The headers that are stored with an event: none that contains a secret or a signature.
    pub fn kept_headers(&self) -> &[&'static str] {
        &self.kept
    }

    /// The headers that make up the proof: the signature, and what it covers.
    pub fn proof_headers(&self) -> Vec<&'static str> {
        sorted(self.all().flat_map(|scheme| scheme.proof_headers()).collect())
    }

    /// The query parameters with a proof, for recognizing its requests.
    pub fn parameters(&self) -> Vec<String> {
        self.all().flat_map(|scheme| scheme.parameters()).collect()
    }

    /// Removes secrets in plaintext from a head that is about to be stored.
    pub fn redact(&self, head: &mut RequestHead) {
        for scheme in self.all() {
            scheme.redact(head);
        }
    }

    /// Whether one needs method, path and query of a request.
    pub fn reads_target(&self) -> bool {
        self.all().any(|scheme| scheme.reads_target())
    }

    /// The scheme that the others are alternatives to.
    pub fn main(&self) -> &Arc<Scheme> {
        &self.main
    }

    /// Whether the sender publishes its keys, so that the source has no secret.
    pub fn fetches_keys(&self) -> bool {
        self.main.fetches_keys()
    }

    /// The one whose signature is in this head.
    pub fn of_head(&self, head: &RequestHead) -> Option<&Arc<Scheme>> {
        if self.alternatives.is_empty() {
            return Some(&self.main);
        }
        self.all().find(|scheme| scheme.is_claimed_by(head)).or(Some(&self.main))
    }

    /// The one that a request claims, or the first.
    pub fn claimed(&self, request: &VerifyContext<'_>) -> &Scheme {
        let is_claimed = |scheme: &&Arc<Scheme>| match request.signed(scheme) {
            Ok(_) => true,
            Err(refusal) => !scheme.is_absent(&refusal),
        };
        self.all().find(is_claimed).unwrap_or(&self.main)
    }

    /// The one for which a secret is a key, or the first.
    pub fn of_secret(&self, secret: &Secret) -> &Scheme {
        self.all().find(|scheme| scheme.key.fits(secret.expose())).unwrap_or(&self.main)
    }

    /// The keys in the secrets of a source. With `stores`, the sender brings more in handshakes.
    ///
    /// # Errors
    /// Why the secrets are no keys of this sender.
    pub fn key_ring(&self, secrets: Vec<Secret>, stores: bool) -> Result<KeyRing, KeyError> {
        if self.fetches_keys() {
            if !secrets.is_empty() {
                return Err(KeyError::Published);
            }
            return Ok(KeyRing::without_secrets());
        }
        let mut kinds: Vec<(Algorithm, &KeyDefinition)> = Vec::new();
        for scheme in self.all() {
            if !kinds.iter().any(|(algorithm, _)| *algorithm == scheme.algorithm) {
                kinds.push((scheme.algorithm, &scheme.key));
            }
        }
        if stores {
            KeyRing::storing(secrets, &kinds)
        } else {
            KeyRing::of_schemes(secrets, &kinds)
        }
    }

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
        self.first(|scheme| scheme.precheck(head, window, now)).map(drop)
    }

    /// Proves that the sender made the request, in one of the ways.
    ///
    /// # Errors
    /// A [`Refusal`]: of the way in which the request claims to be signed.
    pub fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        let (index, mut proof) = self.first(|scheme| request.signed(scheme))?;
        proof.alternative = index;
        Ok(proof)
    }

    /// Classifies a verified request by the scheme that proved it: what another one covers proves
    /// nothing here.
    pub fn classify(&self, request: &VerifiedRequest, split: bool) -> Classified {
        self.all().nth(request.alternative()).unwrap_or(&self.main).classify(request, split)
    }

    fn first<T>(
        &self,
        attempt: impl Fn(&Scheme) -> Result<T, Refusal>,
    ) -> Result<(usize, T), Refusal> {
        let mut refused = None;
        for (index, scheme) in self.all().enumerate() {
            match attempt(scheme) {
                Ok(found) => return Ok((index, found)),
                Err(refusal) => {
                    let is_absent = scheme.is_absent(&refusal);
                    if refused.as_ref().is_none_or(|(was_absent, _)| *was_absent && !is_absent) {
                        refused = Some((is_absent, refusal));
                    }
                }
            }
        }
        Err(refused.map_or(Refusal::Mismatch, |(_, refusal)| refusal))
    }
}

impl Scheme {
    /// Whether a head has its signature.
    fn is_claimed_by(&self, head: &RequestHead) -> bool {
        self.field.is_in_head() && self.field.texts(&self.values(head, None)).is_ok()
    }

    /// Whether a refusal means that the request is not signed in this way.
    fn is_absent(&self, refusal: &Refusal) -> bool {
        matches!(refusal, Refusal::Missing(name) if *name == KIND || *name == self.field.name())
    }

    /// Checks that a request which was signed for one scheme cannot count for the other one.
    fn check_beside(
        &self,
        definition: &SchemeDefinition,
        known: &Self,
        other: &SchemeDefinition,
    ) -> Result<(), String> {
        if self.fetches_keys() != known.fetches_keys() {
            return Err("key: either all keys are fetched, or none".into());
        }
        if let (Some(time), Some(known)) = (&definition.timestamp, &other.timestamp)
            && time.tolerance != known.tolerance
        {
            return Err("timestamp.tolerance: must be the same for all alternatives".into());
        }
        if self.algorithm != known.algorithm {
            return Ok(());
        }
        if self.key != known.key {
            return Err("key: must be the same for all alternatives with this algorithm".into());
        }
        let shapes = |scheme: &Self| {
            let mut shapes: Vec<String> = scheme.texts.iter().map(super::Template::shape).collect();
            shapes.sort_unstable();
            shapes
        };
        if shapes(self) == shapes(known) {
            return Ok(());
        }
        Err("signed: differs in more than the names of headers, so a request that was signed for one \
             alternative could be taken for another"
            .into())
    }
}

impl KeyDefinition {
    /// Whether a secret is a key of this kind, by its prefix.
    pub(in crate::verify) fn fits(&self, secret: &[u8]) -> bool {
        match &self.prefix {
            Some(prefix) => secret.starts_with(prefix.as_bytes()),
            None => !self.others.iter().any(|prefix| secret.starts_with(prefix.as_bytes())),
        }
    }
}

fn sorted(mut names: Vec<&'static str>) -> Vec<&'static str> {
    names.sort_unstable();
    names.dedup();
    names
}
