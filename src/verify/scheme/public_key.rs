//! Public keys of senders that sign with a private key. The text is hashed piece by piece, so that
//! verification needs no copy of the body.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::VerifyingKey as P256Key;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::{Pkcs1v15Sign, PublicKey as RsaKey};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{Algorithm, KeyEncoding};

/// The beginning of a PKCS #1 signature block: which hash follows, in DER (RFC 8017, 9.2).
const SHA1_PREFIX: &[u8] =
    &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];
const SHA256_PREFIX: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// The smallest RSA key that is accepted, in bytes: 2048 bits; 1024 bits for SHA-1, which old
/// senders still use.
const MIN_RSA_BYTES: usize = 256;
const MIN_OLD_RSA_BYTES: usize = 128;
/// The maximum number of keys of a set that are tried.
const MAX_KEYS: usize = 16;

/// A public key.
#[derive(Clone, Debug)]
pub(in crate::verify) enum PublicKey {
    Ed25519(Box<Ed25519Key>),
    P256(Box<P256Key>),
    RsaSha1(Box<RsaKey>),
    RsaSha256(Box<RsaKey>),
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl PublicKey {
    /// Parses a public key as the sender publishes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(
        text: &str,
        algorithm: Algorithm,
        encoding: KeyEncoding,
    ) -> Result<Self, String> {
        let text = text.trim();
        let der = match encoding {
            KeyEncoding::RawHex => {
                let bytes = hex::decode(text).map_err(|_| "the key is not hexadecimal")?;
                return Self::ed25519(&bytes);
            }
            KeyEncoding::RawBase64 => {
                let bytes = STANDARD.decode(text).map_err(|_| "the key is not base64")?;
                return Self::ed25519(&bytes);
            }
            KeyEncoding::Jwk => {
                let jwk = serde_json::from_str(text).map_err(|_| "the key is not a JWK")?;
                return Self::of_jwk(&jwk, algorithm);
            }
            KeyEncoding::Certificate => spki_of_certificate(text)?,
            KeyEncoding::SpkiBase64 if !text.starts_with("-----") => {
                STANDARD.decode(text).map_err(|_| "the key is not base64")?
            }
            _ => pem(text)?,
        };
        Self::of_spki(&der, algorithm)
    }

    /// The keys of a JSON Web Key Set that fit the algorithm.
    pub(super) fn of_set(text: &str, algorithm: Algorithm) -> Vec<Self> {
        let set = serde_json::from_str(text).unwrap_or(JwkSet { keys: Vec::new() });
        let keys = set.keys.iter().take(MAX_KEYS);
        keys.filter_map(|key| Self::of_jwk(key, algorithm).ok()).collect()
    }

    /// Parses a key in DER form (`SubjectPublicKeyInfo`).
    pub(super) fn of_spki(der: &[u8], algorithm: Algorithm) -> Result<Self, String> {
        let rsa = |least: usize| -> Result<Box<RsaKey>, String> {
            let key =
                RsaKey::from_public_key_der(der).map_err(|_| "not an RSA public key".to_owned())?;
            if rsa::traits::PublicKeyParts::size(&key) < least {
                return Err("the RSA key is too short".to_owned());
            }
            Ok(Box::new(key))
        };
        match algorithm {
            Algorithm::Ed25519 => {
                // The key follows a fixed head.
                let raw = der.len().checked_sub(32).and_then(|start| der.get(start..));
                if der.len() != 44 {
                    return Err("not an Ed25519 public key".into());
                }
                Self::ed25519(raw.unwrap_or_default())
            }
            Algorithm::EcdsaP256Sha256 => {
                use p256::pkcs8::DecodePublicKey as _;
                let key = P256Key::from_public_key_der(der)
                    .map_err(|_| "not a P-256 public key".to_owned())?;
                Ok(Self::P256(Box::new(key)))
            }
            Algorithm::RsaSha1 => Ok(Self::RsaSha1(rsa(MIN_OLD_RSA_BYTES)?)),
            Algorithm::RsaSha256 => Ok(Self::RsaSha256(rsa(MIN_RSA_BYTES)?)),
            _ => Err("the algorithm has no public key".into()),
        }
    }

    fn ed25519(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.try_into().map_err(|_| "an Ed25519 key has 32 bytes")?;
        let key = Ed25519Key::from_bytes(bytes).map_err(|_| "not an Ed25519 key")?;
        // A key of small order would accept signatures that nobody made.
        if key.is_weak() {
            return Err("the Ed25519 key is weak".into());
        }
        Ok(Self::Ed25519(Box::new(key)))
    }

    fn of_jwk(jwk: &Jwk, algorithm: Algorithm) -> Result<Self, String> {
        let decode = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| "the JWK is not base64url")
        };
        match (jwk.kty.as_str(), jwk.crv.as_str(), algorithm) {
            ("OKP", "Ed25519", Algorithm::Ed25519) => Self::ed25519(&decode(&jwk.x)?),
            ("EC", "P-256", Algorithm::EcdsaP256Sha256) => {
                let point = [&[4][..], &decode(&jwk.x)?, &decode(&jwk.y)?].concat();
                let key = P256Key::from_sec1_bytes(&point).map_err(|_| "not a P-256 key")?;
                Ok(Self::P256(Box::new(key)))
            }
            (kind, ..) => Err(format!("the key is of kind {kind}, which does not fit {algorithm}")),
        }
    }

    /// Whether its owner signed the pieces.
    pub(super) fn verifies<'p>(
        &self,
        pieces: impl Iterator<Item = &'p [u8]>,
        signature: &[u8],
    ) -> bool {
        match self {
            Self::Ed25519(key) => {
                let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
                    return false;
                };
                let Ok(mut verifier) = key.verify_stream(&signature) else { return false };
                for piece in pieces {
                    verifier.update(piece);
                }
                verifier.finalize_and_verify().is_ok()
            }
            Self::P256(key) => {
                let Ok(signature) = p256::ecdsa::DerSignature::from_bytes(signature) else {
                    return false;
                };
                let mut hash = Sha256::new();
                pieces.for_each(|piece| hash.update(piece));
                key.verify_prehash(&hash.finalize(), &signature).is_ok()
            }
            Self::RsaSha1(key) => {
                let mut hash = Sha1::new();
                pieces.for_each(|piece| hash.update(piece));
                verify_rsa(key, SHA1_PREFIX, &hash.finalize(), signature)
            }
            Self::RsaSha256(key) => {
                let mut hash = Sha256::new();
                pieces.for_each(|piece| hash.update(piece));
                verify_rsa(key, SHA256_PREFIX, &hash.finalize(), signature)
            }
        }
    }
}

fn verify_rsa(key: &RsaKey, prefix: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    let padding = Pkcs1v15Sign { hash_len: Some(hash.len()), prefix: prefix.into() };
    key.verify(padding, hash, signature).is_ok()
}

/// The DER form of a public key in PEM form.
fn pem(text: &str) -> Result<Vec<u8>, String> {
    let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----").ok_or("not a PEM public key")?;
    let (inner, _) = rest.split_once("-----END PUBLIC KEY-----").ok_or("not a PEM public key")?;
    let compact: String = inner.split_whitespace().collect();
    STANDARD.decode(compact).map_err(|_| "not a PEM public key".to_owned())
}

/// The public key of a certificate in PEM form.
fn spki_of_certificate(text: &str) -> Result<Vec<u8>, String> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes())
        .map_err(|_| "not a PEM certificate".to_owned())?;
    let certificate = pem.parse_x509().map_err(|_| "not an X.509 certificate".to_owned())?;
    Ok(certificate.public_key().raw.to_vec())
}
