//! The keys of the stub issuer, and ID tokens. The RSA keys are files: generating one takes seconds
//! on a busy machine, longer than the gateway's timeout for the issuer.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey,
};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use serde_json::{Value, json};
use sha2::Sha256;

use super::CLIENT_SECRET;

/// How an ID token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// With the issuer's RSA key.
    Rsa,
    /// With the issuer's Ed25519 key, which it does not publish at first.
    Edwards,
    /// With another key, under the id of the issuer's key.
    Foreign,
    /// With the RSA key, and one bit of the signature flipped.
    Broken,
    /// With the client secret.
    Shared,
    /// Not at all.
    Unsigned,
}

static RSA: LazyLock<CoreRsaPrivateSigningKey> = LazyLock::new(|| rsa(include_str!("issuer.pem")));
static FOREIGN: LazyLock<CoreRsaPrivateSigningKey> =
    LazyLock::new(|| rsa(include_str!("foreign.pem")));
static EDWARDS: LazyLock<CoreEdDsaPrivateSigningKey> = LazyLock::new(|| {
    // The DER prefix of an Ed25519 key, and the key.
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend(rand::random::<[u8; 32]>());
    let text = STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(key_id("edwards"))).unwrap()
});

/// Both keys have the id of the issuer's key.
fn rsa(pem: &str) -> CoreRsaPrivateSigningKey {
    CoreRsaPrivateSigningKey::from_pem(pem, Some(key_id("rsa"))).expect("a key")
}

fn key_id(name: &str) -> JsonWebKeyId {
    JsonWebKeyId::new(name.to_owned())
}

/// The keys that the issuer publishes.
pub(super) fn published(edwards: bool) -> Value {
    let mut keys = vec![json!(RSA.as_verification_key())];
    keys.extend(edwards.then(|| json!(EDWARDS.as_verification_key())));
    json!({ "keys": keys })
}

pub(super) fn token(claims: &Value, sign: Sign) -> String {
    let (algorithm, key) = match sign {
        Sign::Rsa | Sign::Foreign | Sign::Broken => ("RS256", "rsa"),
        Sign::Edwards => ("EdDSA", "edwards"),
        Sign::Shared => ("HS256", "rsa"),
        Sign::Unsigned => ("none", "rsa"),
    };
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let head = part(&json!({ "alg": algorithm, "kid": key, "typ": "JWT" }));
    let text = format!("{head}.{}", part(claims));
    let (rs256, bytes) = (CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, text.as_bytes());
    let signature = match sign {
        Sign::Rsa => RSA.sign(&rs256, bytes).unwrap(),
        Sign::Foreign => FOREIGN.sign(&rs256, bytes).unwrap(),
        Sign::Broken => {
            let mut signature = RSA.sign(&rs256, bytes).unwrap();
            signature[100] ^= 1;
            signature
        }
        Sign::Edwards => EDWARDS.sign(&CoreJwsSigningAlgorithm::EdDsa, bytes).unwrap(),
        Sign::Shared => {
            let mut mac = Hmac::<Sha256>::new_from_slice(CLIENT_SECRET.as_bytes()).unwrap();
            mac.update(bytes);
            mac.finalize().into_bytes().to_vec()
        }
        Sign::Unsigned => Vec::new(),
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
