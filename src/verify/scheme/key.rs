//! How a secret becomes a key, and what a key can verify.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::public_key::PublicKey;
use super::template::Piece;
use super::{Algorithm, Digest, KeyDefinition, KeyEncoding, wildcard};
use crate::verify::Secret;
use crate::verify::secret::MAX_SECRETS;

/// The key of one secret, ready to verify.
#[derive(Clone)]
pub(in crate::verify) enum Material {
    /// A MAC with the key, before any message.
    Mac(Mac),
    /// The bytes of the secret, for a hash over a text that contains it, a token, basic credentials
    /// and a token's MAC.
    Bytes(Zeroizing<Vec<u8>>),
    Public(PublicKey),
    /// A public key of a token's issuer.
    Jwk(jsonwebtoken::DecodingKey),
}

/// A MAC or a hash of any supported kind, as far as it has been fed.
#[derive(Clone)]
pub(in crate::verify) enum Mac {
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha384(Box<Hmac<Sha384>>),
    HmacSha512(Box<Hmac<Sha512>>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Mac {
    fn new(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::HmacSha1 => Self::HmacSha1(Hmac::new_from_slice(key).ok()?),
            Algorithm::HmacSha256 => Self::HmacSha256(Hmac::new_from_slice(key).ok()?),
            Algorithm::HmacSha384 => Self::HmacSha384(Box::new(Hmac::new_from_slice(key).ok()?)),
            Algorithm::HmacSha512 => Self::HmacSha512(Box::new(Hmac::new_from_slice(key).ok()?)),
            _ => return None,
        })
    }

    pub(in crate::verify) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::HmacSha1(mac) => mac.update(bytes),
            Self::HmacSha256(mac) => mac.update(bytes),
            Self::HmacSha384(mac) => mac.update(bytes),
            Self::HmacSha512(mac) => mac.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    /// The result; at most 64 bytes.
    pub(in crate::verify) fn finish(self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::HmacSha1(mac) => mac.finalize().into_bytes().to_vec(),
            Self::HmacSha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::HmacSha384(mac) => mac.finalize().into_bytes().to_vec(),
            Self::HmacSha512(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
        })
    }

    /// Whether the result is one of the candidates. All are compared, each in constant time.
    pub(in crate::verify) fn matches_one_of(self, candidates: &[super::Candidate]) -> bool {
        let compare = |result: &[u8]| {
            let mut found = subtle::Choice::from(0);
            for candidate in candidates {
                found |= result.ct_eq(candidate.as_bytes());
            }
            found.into()
        };
        match self {
            Self::HmacSha1(mac) => compare(&mac.finalize().into_bytes()),
            Self::HmacSha256(mac) => compare(&mac.finalize().into_bytes()),
            Self::HmacSha384(mac) => compare(&mac.finalize().into_bytes()),
            Self::HmacSha512(mac) => compare(&mac.finalize().into_bytes()),
            Self::Sha1(hash) => compare(&hash.finalize()),
            Self::Sha256(hash) => compare(&hash.finalize()),
        }
    }
}

impl Material {
    /// The key that a secret contains.
    ///
    /// # Errors
    /// Why the secret contains no such key; never the secret.
    pub(in crate::verify) fn of(
        secret: &[u8],
        algorithm: Algorithm,
        definition: &KeyDefinition,
    ) -> Result<Self, String> {
        if !definition.fits(secret) {
            return Err("the secret does not have the prefix of such a key".into());
        }
        let prefix = definition.prefix.as_deref().unwrap_or_default();
        let secret = secret.strip_prefix(prefix.as_bytes()).unwrap_or(secret);
        if algorithm.is_public_key() {
            let text = std::str::from_utf8(secret).map_err(|_| "the public key is not text")?;
            let key = PublicKey::parse(text.trim(), algorithm, definition.encoding)?;
            return Ok(Self::Public(key));
        }
        if algorithm == Algorithm::Jwt && definition.encoding == KeyEncoding::Jwk {
            let jwk = serde_json::from_slice(secret).map_err(|_| "the key is not a JWK")?;
            let key = jsonwebtoken::DecodingKey::from_jwk(&jwk);
            return Ok(Self::Jwk(key.map_err(|_| "the JWK is of an unknown kind")?));
        }
        let bytes = key_bytes(secret, definition)?;
        Ok(match Mac::new(algorithm, &bytes) {
            Some(mac) => Self::Mac(mac),
            None => Self::Bytes(bytes),
        })
    }

    /// A MAC or hash at the beginning of a text; `None` for other kinds of key.
    pub(in crate::verify) fn begin(&self, algorithm: Algorithm) -> Option<Mac> {
        match (self, algorithm) {
            (Self::Mac(mac), _) => Some(mac.clone()),
            (Self::Bytes(_), Algorithm::Sha1) => Some(Mac::Sha1(Sha1::new())),
            (Self::Bytes(_), Algorithm::Sha256) => Some(Mac::Sha256(Sha256::new())),
            _ => None,
        }
    }

    /// The secret, for a text that contains it.
    pub(super) fn secret(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Mac(_) | Self::Public(_) | Self::Jwk(_) => b"",
        }
    }

    /// Whether this key made one of the candidates over the text.
    pub(in crate::verify) fn verifies(
        &self,
        algorithm: Algorithm,
        text: &[Piece<'_>],
        candidates: &[super::Candidate],
    ) -> bool {
        let pieces = || {
            text.iter().map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.as_ref(),
                Piece::Secret => self.secret(),
                Piece::StreamedBody => b"",
            })
        };
        if text.iter().any(|piece| matches!(piece, Piece::StreamedBody)) {
            return false;
        }
        if let Self::Public(key) = self {
            // Each signature costs a pass over the text, and anybody can write some more.
            let mut candidates = candidates.iter().take(MAX_SECRETS);
            return candidates.any(|claimed| key.verifies(pieces(), claimed.as_bytes()));
        }
        let Some(mut mac) = self.begin(algorithm) else { return false };
        for piece in pieces() {
            mac.update(piece);
        }
        mac.matches_one_of(candidates)
    }
}

/// The bytes of an HMAC key.
fn key_bytes(secret: &[u8], definition: &KeyDefinition) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut secret = secret;
    for prefix in &definition.strip {
        if let Some(rest) = secret.strip_prefix(prefix.as_bytes()) {
            secret = rest;
            break;
        }
    }
    if let Some(pattern) = &definition.strip_pattern {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        secret = wildcard::strip(secret, pattern, is_word).unwrap_or(secret);
    }
    let normalized;
    if definition.normalize.is_some() {
        let text = std::str::from_utf8(secret).map_err(|_| "the secret is not UTF-8")?;
        normalized = Zeroizing::new(text.nfkd().collect::<String>().into_bytes());
        secret = &normalized;
    }
    let mut bytes = Zeroizing::new(match definition.encoding {
        KeyEncoding::Base64 => decode_base64(secret).ok_or("the secret is not base64")?,
        KeyEncoding::Hex => hex::decode(secret).map_err(|_| "the secret is not hexadecimal")?,
        _ => secret.to_vec(),
    });
    bytes.extend_from_slice(definition.suffix.as_bytes());
    if let Some(digest) = definition.digest {
        bytes = Zeroizing::new(digest.of(&bytes));
    }
    if bytes.is_empty() {
        return Err("the key in the secret is empty".into());
    }
    Ok(bytes)
}

/// As users paste it: with or without padding.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
    use base64::Engine as _;
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

impl Digest {
    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// The key of a secret that is used as it is, with HMAC-SHA256.
impl From<&Secret> for Material {
    fn from(secret: &Secret) -> Self {
        match Mac::new(Algorithm::HmacSha256, secret.expose()) {
            Some(mac) => Self::Mac(mac),
            None => Self::Bytes(Zeroizing::new(secret.expose().to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str, definition: &str) -> Result<Vec<u8>, String> {
        let definition: KeyDefinition = toml::from_str(definition).unwrap();
        key_bytes(secret.as_bytes(), &definition).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn secret_becomes_the_key_that_the_sender_uses() {
        for (secret, definition, expected) in [
            ("whsec_c2VjcmV0", "encoding = 'base64'\nstrip = ['whsec_']", &b"secret"[..]),
            ("c2VjcmV0", "encoding = 'base64'\nstrip = ['whsec_']", b"secret"),
            ("whsec_c2VjcmV0", "", b"whsec_c2VjcmV0"),
            ("736563", "encoding = 'hex'", b"sec"),
            ("signkey-prod-abc", "strip_pattern = 'signkey-*-'", b"abc"),
            ("other-prod-abc", "strip_pattern = 'signkey-*-'", b"other-prod-abc"),
            ("abc", "suffix = '&'", b"abc&"),
            ("\u{212b}", "normalize = 'nfkd'", "A\u{30a}".as_bytes()),
        ] {
            assert_eq!(key(secret, definition).unwrap(), expected, "{secret}");
        }
        assert_eq!(key("abc", "digest = 'sha1'").unwrap(), Sha1::digest("abc").to_vec());
        assert!(key("!!", "encoding = 'base64'").is_err());
        assert!(key("xyz", "encoding = 'hex'").is_err());
        assert!(key("whsec_", "strip = ['whsec_']").is_err());
    }
}
