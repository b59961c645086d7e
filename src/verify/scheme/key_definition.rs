//! The part of a scheme that describes keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::Digest;

/// How a secret becomes the key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyDefinition {
    /// How the secret contains the key.
    #[serde(default)]
    pub encoding: KeyEncoding,
    /// A prefix that the secret must have, and that is removed. With several alternatives it says
    /// for which one a secret is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The prefixes of the keys of other alternatives.
    #[serde(skip)]
    pub(super) others: Vec<String>,
    /// Prefixes; the first that the secret has is removed.
    #[serde(default)]
    pub strip: Vec<String>,
    /// A prefix as a pattern in which `*` stands for letters, digits and `_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_pattern: Option<String>,
    /// A text after the secret.
    #[serde(default)]
    pub suffix: String,
    /// The key is this digest of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The Unicode normalization form of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<Normalization>,
    /// Where the sender publishes its keys, instead of a secret of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch: Option<FetchDefinition>,
    /// A certificate chain in the token, which must lead to a root that is compiled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5c: Option<X5cDefinition>,
}

/// How the secret contains the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyEncoding {
    /// The bytes of the text.
    #[default]
    Text,
    Base64,
    Hex,
    /// A public key in PEM form.
    Pem,
    /// A public key in base64 of its DER form.
    SpkiBase64,
    /// The 32 bytes of an Ed25519 key in hexadecimal.
    RawHex,
    /// The 32 bytes of an Ed25519 key in base64.
    RawBase64,
    /// A JSON Web Key.
    Jwk,
    /// An X.509 certificate in PEM form.
    Certificate,
}

/// A Unicode normalization form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    Nfkd,
}

/// Where the sender publishes its keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchDefinition {
    /// The URL, or a template such as `{json:/SigningCertURL}`.
    pub url: String,
    /// The hosts that a URL from the request may have; `*` stands for one label or a part of it.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The path that such a URL must have; `*` stands for letters, digits, `-` and `_`.
    pub path: Option<String>,
    /// What is at the URL.
    #[serde(default)]
    pub format: FetchFormat,
}

/// What is at the URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FetchFormat {
    /// A JSON Web Key Set.
    #[default]
    Jwks,
    /// An X.509 certificate in PEM form.
    Certificate,
}

/// A certificate chain in a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X5cDefinition {
    /// The SHA-256 fingerprint of the root, in hexadecimal.
    pub root_sha256: String,
    /// The extensions that the certificates must have, from the leaf up.
    #[serde(default)]
    pub oids: Vec<String>,
}
