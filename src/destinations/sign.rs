//! Request signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Prefix, Sign};
use crate::providers::{Draft, bot};
use crate::store::EventId;
use crate::verify::Secret;

/// The prefix of a Standard Webhooks secret; the key follows in base64.
const PREFIX: &[u8] = b"whsec_";
/// The accepted length of such a key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The header with the guild of a call to the bot.
pub(super) const GUILD: &str = "x-guild-id";

/// The signature form, with its keys.
#[derive(Debug)]
pub(super) enum Form {
    Standard { key: Key, prefix: Prefix, token: Option<Secret> },
    Bot { service: String, secret: Secret, token: Option<Secret>, options: toml::Table },
}

/// A Standard Webhooks key: arbitrary bytes. Its `Debug` output does not show them.
pub(super) struct Key(Zeroizing<Vec<u8>>);

/// Why a secret cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It begins with `whsec_` but is not base64 of a valid key.
    #[error("the part after `whsec_` must be 24 to 64 bytes in base64")]
    Encoding,
    /// The token is sent in a header.
    #[error("the token must be visible ASCII")]
    Token,
    /// The bot accepts no such name.
    #[error("`service` must be 1 to 64 letters, digits, `.`, `_` or `-`")]
    Service,
}

impl Form {
    pub(super) fn new(
        sign: &Sign,
        secret: &Secret,
        token: Option<Secret>,
    ) -> Result<Self, KeyError> {
        if token.as_ref().is_some_and(|token| !token.expose().iter().all(u8::is_ascii_graphic)) {
            return Err(KeyError::Token);
        }
        match sign {
            Sign::Standard { prefix } => {
                Ok(Self::Standard { key: Key::new(secret)?, prefix: *prefix, token })
            }
            Sign::Bot { service } => {
                let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if !(1..=64).contains(&service.len()) || !service.bytes().all(is_name) {
                    return Err(KeyError::Service);
                }
                let options = toml::Table::from_iter([("form".to_owned(), "native".into())]);
                let (service, secret) = (service.clone(), secret.clone());
                Ok(Self::Bot { service, secret, token, options })
            }
        }
    }

    /// The headers that sign `body` for this event now. The id is the event's in every attempt;
    /// timestamp and nonce are new each time.
    pub(super) fn sign(
        &self,
        id: EventId,
        now: OffsetDateTime,
        guild: Option<&str>,
        body: &[u8],
    ) -> Vec<(String, String)> {
        let (id, at) = (id.to_string(), now.unix_timestamp());
        match self {
            Self::Standard { key, prefix, token } => {
                let signature = key.sign(&[format!("{id}.{at}.").as_bytes(), body]);
                let mut headers = vec![
                    (prefix.header("id"), id),
                    (prefix.header("timestamp"), at.to_string()),
                    (prefix.header("signature"), format!("v1,{signature}")),
                ];
                if let Some(token) = token {
                    let bearer = format!("Bearer {}", String::from_utf8_lossy(token.expose()));
                    headers.push(("authorization".to_owned(), bearer));
                }
                headers
            }
            Self::Bot { service, secret, token, options } => {
                let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
                let mut headers = vec![
                    ("x-service-name".to_owned(), service.clone()),
                    ("x-nonce".to_owned(), nonce),
                    ("idempotency-key".to_owned(), id),
                ];
                headers.extend(guild.map(|guild| (GUILD.to_owned(), guild.to_owned())));
                let token = token.as_ref();
                let draft = Draft { options, secret, token, at, headers: &headers, body };
                bot::sign(&draft)
            }
        }
    }

    /// Whether the signature sets a header with this lower-case name. Both prefixes count: a
    /// receiver that knows both must not see unsigned headers.
    pub(super) fn owns(&self, name: &str) -> bool {
        match self {
            Self::Standard { .. } => {
                Prefix::ALL.iter().any(|prefix| name.starts_with(&prefix.header("")))
            }
            Self::Bot { .. } => matches!(
                name,
                "x-signature"
                    | "x-timestamp"
                    | "x-nonce"
                    | "x-service-name"
                    | "x-callback-token"
                    | "idempotency-key"
            ),
        }
    }
}

impl Prefix {
    const ALL: [Self; 2] = [Self::Webhook, Self::Svix];

    fn header(self, part: &str) -> String {
        let prefix = match self {
            Self::Webhook => "webhook",
            Self::Svix => "svix",
        };
        format!("{prefix}-{part}")
    }
}

impl Key {
    fn new(secret: &Secret) -> Result<Self, KeyError> {
        let Some(encoded) = secret.expose().strip_prefix(PREFIX) else {
            return Ok(Self(Zeroizing::new(secret.expose().to_vec())));
        };
        match STANDARD.decode(encoded).map(Zeroizing::new) {
            Ok(key) if KEY_BYTES.contains(&key.len()) => Ok(Self(key)),
            _ => Err(KeyError::Encoding),
        }
    }

    fn sign(&self, message: &[&[u8]]) -> String {
        // HMAC takes keys of any length, so this error cannot occur.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        for part in message {
            mac.update(part);
        }
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> Result<Key, KeyError> {
        Key::new(&Secret::new(secret).unwrap())
    }

    #[test]
    fn reference_library_vector_matches() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let before = b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.";
        assert_eq!(
            key.sign(&[before, br#"{"test": 2432232314}"#]),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn prefixed_secret_is_decoded_and_any_other_is_used_as_is() {
        assert_eq!(key("a-raw-secret-of-ours").unwrap().0.as_slice(), b"a-raw-secret-of-ours");
        let long = format!("whsec_{}", STANDARD.encode([7; 64]));
        assert_eq!(key(&long).unwrap().0.as_slice(), [7; 64]);
        for bad in [
            "whsec_not base64 at all!".to_owned(),
            format!("whsec_{}", STANDARD.encode([7; 23])),
            format!("whsec_{}", STANDARD.encode([7; 65])),
            format!("whsec_{}", URL_SAFE_NO_PAD.encode([0xff; 25])),
        ] {
            assert_eq!(key(&bad).unwrap_err(), KeyError::Encoding, "{bad}");
        }
        assert!(!format!("{:?}", key("a-raw-secret-of-ours").unwrap()).contains("raw"));
    }
}
