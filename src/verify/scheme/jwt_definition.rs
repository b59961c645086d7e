//! The part of a scheme that describes a JSON Web Token.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::{Digest, Encoding};

/// The requirements on a JSON Web Token.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtDefinition {
    /// The accepted algorithms.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Claims and their required values, as templates.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// Claims that must be there, such as `exp` if the sender always sets it.
    #[serde(default)]
    pub required: Vec<String>,
    /// The claim that contains the digest of the body.
    pub body_hash: Option<ClaimHash>,
    /// The claim that contains the digest of the URL.
    pub url_hash: Option<ClaimHash>,
    /// The maximum age of `iat`.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Duration>,
}

impl JwtDefinition {
    /// Whether a token always says until when it is valid.
    pub fn requires_end(&self) -> bool {
        self.required.iter().any(|name| name == "exp")
    }

    /// Whether the sender signs with a private key.
    pub fn is_public_key(&self) -> bool {
        let is_secret = |algorithm: &JwtAlgorithm| {
            matches!(algorithm, JwtAlgorithm::HS256 | JwtAlgorithm::HS384 | JwtAlgorithm::HS512)
        };
        !self.algorithms.iter().all(is_secret)
    }
}

/// The algorithm of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum JwtAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    ES256,
    EdDSA,
}

/// A claim that contains a digest.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimHash {
    /// The name of the claim.
    pub claim: String,
    /// The kind of digest.
    pub hash: Digest,
    /// How the signature is written as text.
    #[serde(default)]
    pub encoding: Encoding,
    /// Whether the sender leaves it out for an empty body.
    #[serde(default)]
    pub optional: bool,
}
