//! The signed context token: the application's statement about a run, made when it starts the run
//! and repeated by Apify with every event of that run.
//!
//! Apify signs nothing, but it sends what it was told to send. The application issues a token per
//! run and passes it to Apify as a header template; by it the gateway recognises that the request
//! comes from someone whom the application told. A token is `v1.` + base64url(claims) + `.` +
//! hexadecimal HMAC-SHA256 over everything before that dot.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::verify::{Secret, UnixSeconds};

/// The maximum length of a token, in bytes.
pub(super) const MAX_BYTES: usize = 4096;
const VERSION: &str = "v1";

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The version of the claims: 1.
    pub v: u8,
    /// The purpose of the run: [`Purpose::claim`](super::Purpose::claim).
    pub purpose: String,
    /// The Discord guild for which the run is started.
    pub guild_id: String,
    /// The application's id of the run.
    pub run_key: Uuid,
    /// The time of issue, in Unix seconds.
    pub iat: UnixSeconds,
    /// Makes tokens of the same run differ; 1 to 128 characters.
    pub nonce: String,
    /// The actor, if the application names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// Apify's id of the run, if the application knows it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_run_id: Option<String>,
}

impl Claims {
    /// Parses verified claims; `None` if they are not valid claims of version 1.
    pub fn read(json: &[u8]) -> Option<Self> {
        let claims: Self = serde_json::from_slice(json).ok()?;
        let sound = claims.v == 1
            && (1..=128).contains(&claims.nonce.len())
            && is_name(&claims.guild_id)
            && claims.actor_run_id.as_deref().is_none_or(super::payload::is_id);
        sound.then_some(claims)
    }
}

/// Mints the token for these claims.
///
/// ```
/// use sealpost::verify::Secret;
/// use sealpost::providers::apify::token::{Claims, mint};
///
/// let secret = Secret::new("apify-webhook-signing-secret-0123456789")?;
/// let claims = Claims {
///     v: 1,
///     purpose: "apify.run".into(),
///     guild_id: "123456789012345678".into(),
///     run_key: "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10".parse().unwrap_or_default(),
///     iat: 1_700_000_000,
///     nonce: "AAAAAAAAAAAAAAAAAAAAAA".into(),
///     actor_id: None,
///     actor_run_id: None,
/// };
/// assert!(mint(&secret, &claims).ends_with(
///     ".a9cab0e271755aa3a6eeb375d86e26096decceb529c92ba0d2b8f665265a84f3",
/// ));
/// # Ok::<(), sealpost::verify::WeakSecret>(())
/// ```
pub fn mint(secret: &Secret, claims: &Claims) -> String {
    // A struct of strings and numbers always serialises.
    let json = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(json));
    let mac = hex::encode(secret.sign(&[signed.as_bytes()]));
    format!("{signed}.{mac}")
}

/// A well-formed, unverified token.
pub(super) struct Token<'t> {
    /// The bytes covered by the MAC.
    pub(super) signed: &'t str,
    pub(super) mac: [u8; 32],
    payload: &'t str,
}

impl<'t> Token<'t> {
    /// Splits a token. Each token has a single spelling: no padding, lower-case digits.
    pub(super) fn split(text: &'t str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (signed, digits) = text.rsplit_once('.')?;
        let (version, payload) = signed.split_once('.')?;
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let shaped = version == VERSION
            && !payload.is_empty()
            && payload.bytes().all(is_base64url)
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut mac = [0; 32];
        hex::decode_to_slice(digits, &mut mac).ok()?;
        shaped.then_some(Self { signed, mac, payload })
    }

    /// The claims. Call this only after verifying the MAC.
    pub(super) fn claims(&self) -> Option<(Claims, Bytes)> {
        let json = URL_SAFE_NO_PAD.decode(self.payload).ok()?;
        Some((Claims::read(&json)?, json.into()))
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Computed with another implementation of HMAC.
    const TOKEN: &str = "v1.eyJ2IjoxLCJwdXJwb3NlIjoiYXBpZnkucnVuIiwiZ3VpbGRJZCI6IjEyMzQ1Njc4OTAxMjM0NTY3OCIsInJ1bktleSI6IjVmMGM2YTNlLTZmM2UtNGI1Mi05YzM5LTBhOGYzYThmM2YxMCIsImlhdCI6MTcwMDAwMDAwMCwibm9uY2UiOiJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIn0.a9cab0e271755aa3a6eeb375d86e26096decceb529c92ba0d2b8f665265a84f3";

    #[test]
    fn known_token_is_read_and_issued_byte_for_byte() {
        let secret = Secret::new("apify-webhook-signing-secret-0123456789").unwrap();
        let (claims, _) = Token::split(TOKEN).unwrap().claims().unwrap();
        assert_eq!(claims.guild_id, "123456789012345678");
        assert_eq!(claims.iat, 1_700_000_000);
        assert_eq!(mint(&secret, &claims), TOKEN);
    }

    #[test]
    fn token_has_exactly_one_spelling() {
        let [version, payload, mac] = TOKEN.split('.').collect::<Vec<_>>()[..] else {
            panic!("three segments")
        };
        for bad in [
            String::new(),
            "..".into(),
            format!("{version}.{payload}"),
            format!("{payload}.{mac}"),
            format!("v2.{payload}.{mac}"),
            format!("{version}.{payload}.{mac}."),
            format!("{version}.{payload}.{mac}.{mac}"),
            format!("{version}..{mac}"),
            format!("{version}.{payload}=.{mac}"),
            format!("{version}.{payload}==.{mac}"),
            format!("{version}.{payload}+.{mac}"),
            format!("{version}.{payload} .{mac}"),
            format!("{version}.{payload}.{}", mac.to_uppercase()),
            format!("{version}.{payload}.{}", mac.split_at(62).0),
            format!("{version}.{payload}.{mac}00"),
            format!("{version}.{payload}.0x{}", mac.split_at(2).1),
            format!(" {TOKEN}"),
            format!("{version}.{}.{mac}", "A".repeat(MAX_BYTES)),
        ] {
            assert!(Token::split(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn invalid_claims_are_rejected() {
        let good = r#"{"v":1,"purpose":"p","guildId":"1","runKey":"5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10","iat":1,"nonce":"n"}"#;
        assert!(Claims::read(good.as_bytes()).is_some());
        for (from, to) in [
            (r#""v":1"#, r#""v":2"#),
            (r#""guildId":"1""#, r#""guildId":"""#),
            (r#""guildId":"1""#, r#""guildId":"a b""#),
            (r#""guildId":"1""#, r#""guildId":"1","guildId":"2""#),
            (r#""guildId":"1""#, r#""guildId":1"#),
            (r#""nonce":"n""#, r#""nonce":"""#),
            (r#""nonce":"n""#, r#""nonce":"n","actorRunId":"../x""#),
            (r#""iat":1"#, r#""iat":"1""#),
            (r#""iat":1"#, r#""iat":1.5"#),
            ("5f0c6a3e", "zzzzzzzz"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good);
            assert!(Claims::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,200}", tail in "v1\\.[A-Za-z0-9_-]{0,40}\\.[0-9a-f]{64}") {
            for text in [text, tail] {
                if let Some(token) = Token::split(&text) {
                    token.claims();
                }
            }
        }
    }
}
