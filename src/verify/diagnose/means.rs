//! What should have proved a request, and the words for it in an explanation.

use super::Case;
use crate::verify::scheme::diagnosis;
use crate::verify::{Algorithm, ProofMethod, Verifier};

/// What should have proved a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Means {
    pub keys: Keys,
    /// Whether it is a token that has a digest of the request, and not a signature over it.
    pub is_token: bool,
    /// Whether the URL is signed, too.
    pub signs_url: bool,
    /// Whether the scheme is in the configuration of the source, where the user can change it.
    pub is_own_scheme: bool,
}

/// The keys that the sender and the source have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    /// Both have a secret.
    #[default]
    Secret,
    /// The sender repeats the secret.
    Repeated,
    /// The source has the sender's public key.
    Public,
    /// The sender publishes its keys.
    Published,
    /// The sender publishes its keys, but the one for the request is not known here.
    Unknown,
}

/// What a request that is authentic must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// A claim of its token.
    Claim,
    /// The digest of the URL in its token.
    Url,
    /// A value that the source requires.
    Value,
    /// Nothing that the signature does not cover.
    Covered,
}

impl Means {
    /// The means of the proof that the request most likely claims.
    pub(super) fn of(verifier: &Verifier, case: &Case<'_>, proofs: &[ProofMethod<'_>]) -> Self {
        let Some(ProofMethod::Signature(scheme)) = proofs.first() else { return Self::default() };
        let keys = match scheme.algorithm() {
            Algorithm::Token | Algorithm::Basic => Keys::Repeated,
            _ if scheme.fetches_keys() => {
                let url = scheme.key_url(case.head, case.body).ok().flatten();
                let cache = verifier.published.as_deref();
                let is_known = |url| cache.is_some_and(|cache| cache.get(&url).is_some());
                if url.is_none_or(is_known) { Keys::Published } else { Keys::Unknown }
            }
            algorithm if algorithm.is_public_key() => Keys::Public,
            _ => Keys::Secret,
        };
        let is_token = scheme.algorithm() == Algorithm::Jwt;
        let is_own_scheme = verifier.provider.has_own_scheme();
        Self { keys, is_token, signs_url: scheme.signs_url(), is_own_scheme }
    }

    /// The name of a configured key.
    pub(super) fn key(self) -> &'static str {
        match self.keys {
            Keys::Public => "public key",
            _ => "secret",
        }
    }

    /// What is invalid.
    pub(super) fn invalid(self) -> &'static str {
        match self.keys {
            Keys::Repeated => "wrong token",
            _ if self.is_token => "invalid token",
            _ => "invalid signature",
        }
    }

    /// How a key is used.
    pub(super) fn made(self) -> &'static str {
        match self.keys {
            Keys::Repeated => "it is",
            _ => "signed with",
        }
    }

    /// That no key fits.
    pub(super) fn no_match(self) -> &'static str {
        match self.keys {
            Keys::Repeated => "no configured secret is the one in the request",
            Keys::Public => "no configured public key matches the signature",
            Keys::Published => "no published key of the sender matches the signature",
            Keys::Unknown => "the key that the sender publishes is not known here",
            Keys::Secret if self.is_token => "no configured secret matches the token",
            Keys::Secret => "no configured secret matches the signature",
        }
    }

    /// That no key fits, and what the reason may be.
    pub(super) fn no_match_because(self) -> String {
        let because = match self.keys {
            Keys::Repeated | Keys::Unknown => "",
            Keys::Secret if self.is_token => ": wrong secret",
            Keys::Published if self.is_token => ": the token is of somebody else",
            Keys::Secret if self.signs_url => {
                ": wrong secret, another URL than the source's, or the body was changed irreversibly"
            }
            Keys::Secret => ": wrong secret, or the body was changed irreversibly",
            Keys::Public | Keys::Published => ": wrong key, or the body was changed irreversibly",
        };
        format!("{}{because}", self.no_match())
    }

    /// The hint if no key fits.
    pub(super) fn no_match_hint(self) -> &'static str {
        match self.keys {
            Keys::Secret if self.is_token => {
                "compare the fingerprints in `sealpost check` with the sender's secret"
            }
            Keys::Secret if self.signs_url => {
                "compare the fingerprints in `sealpost check` with the sender's secret, and the \
                 source's `url` with the one at the sender; look for a proxy or framework that \
                 parses the body before it is signed or sent"
            }
            Keys::Secret => {
                "compare the fingerprints in `sealpost check` with the sender's secret; look for a \
                 proxy or framework that parses the body before it is signed or sent"
            }
            Keys::Repeated => {
                "compare the fingerprints in `sealpost check` with the secret that the sender sends"
            }
            Keys::Public => {
                "copy the public key from the sender again; look for a proxy or framework that \
                 parses the body before it is sent on"
            }
            Keys::Published => {
                "look for a proxy or framework that parses the body before it is sent on"
            }
            Keys::Unknown => {
                "explain the request on the gateway that receives it, with `--url` or in the \
                 console: it fetches the keys"
            }
        }
    }
}

impl Requirement {
    /// The requirement that a refusal names.
    pub(super) fn of(what: &str) -> Option<Self> {
        match what {
            diagnosis::CLAIM => Some(Self::Claim),
            diagnosis::REQUIRED => Some(Self::Value),
            diagnosis::UNCOVERED => Some(Self::Covered),
            _ => None,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Claim => "a claim of the token is not the one that the source expects",
            Self::Url => "the token is for another URL than the source's",
            Self::Value => "a value of the request is not the one that the source requires",
            Self::Covered => "the body has a part that the signature does not cover",
        }
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Claim | Self::Value => {
                "compare the source's `options` with the sender's settings: the request may be for \
                 somebody else"
            }
            Self::Url => "compare the source's `url` with the one at the sender",
            Self::Covered => "look for what adds to the body between the sender and Sealpost",
        }
    }
}

/// What a request lacks that is not a header.
pub(super) fn lacks(what: &str) -> String {
    match what {
        "body" => "the signature, or its time, is missing in the body".to_owned(),
        "query" => "the signature is missing in the query".to_owned(),
        "the public URL" => "the source has no public URL, which the sender signs".to_owned(),
        diagnosis::KIND => "it is signed in a way that the source does not know".to_owned(),
        what if what.starts_with("a body that") => {
            "the body is not of the kind that the sender signs, such as a form".to_owned()
        }
        what => format!("the request lacks {what}, which the sender signs"),
    }
}

/// Where something is.
pub(super) fn place(name: &str) -> String {
    match name {
        "body" | "query" => format!("the signature in the {name}"),
        header => format!("`{header}`"),
    }
}
