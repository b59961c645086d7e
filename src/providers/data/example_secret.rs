//! A secret in the form that a sender gives it, for fixtures and tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::verify::{Algorithm, KeyEncoding, SchemeDefinition};

/// Public keys. Their private keys are known, so nothing may ever trust them.
const ED25519: &str = "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
const ED25519_HEX: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHhhTL9R1TALzBB2cdc6zO4P/2BrHzk/ogsyxyYvFiW6\
                    kbDEcTi/0DdlqNlPm5FRF0y3+SG7O11x6kMahiIHAow==";
const P256_JWK: &str = r#"{
    "kty": "EC", "crv": "P-256",
    "x": "HhhTL9R1TALzBB2cdc6zO4P_2BrHzk_ogsyxyYvFiW4",
    "y": "pGwxHE4v9A3ZajZT5uRURdMt_khuztdcepDGoYiBwKM"
}"#;
pub(super) const RSA: &str = include_str!("example_secret/rsa.pem");
pub(super) const CERTIFICATE: &str = include_str!("example_secret/certificate.pem");

/// A secret made of a text, in the form that the sender gives it. Where that is a public key, it is
/// always the same.
pub fn example_secret(definition: &SchemeDefinition, text: &str) -> String {
    let prefix = definition.key.strip.first().map_or("", String::as_str);
    match (definition.key.encoding, definition.algorithm) {
        (KeyEncoding::RawHex, _) => ED25519_HEX.to_owned(),
        (KeyEncoding::RawBase64, _) => ED25519.to_owned(),
        (KeyEncoding::SpkiBase64, _) => P256.to_owned(),
        (KeyEncoding::Jwk, _) => P256_JWK.to_owned(),
        (KeyEncoding::Pem, _) => RSA.trim().to_owned(),
        (KeyEncoding::Certificate, _) => CERTIFICATE.trim().to_owned(),
        (KeyEncoding::Base64, _) => format!("{prefix}{}", STANDARD.encode(text)),
        (KeyEncoding::Hex, _) => hex::encode(text),
        (KeyEncoding::Text, Algorithm::Basic) => format!("user:{text}"),
        (KeyEncoding::Text, _) => format!("{prefix}{text}"),
    }
}
