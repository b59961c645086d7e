//! Signs as Apify's senders do, for fixtures and tests.
//!
//! A draft controls the signature by headers that are not sent:
//!
//! - `fixture-run-key`, `fixture-guild`: issue a token for this run; without a run key the body is
//!   signed instead.
//! - `fixture-purpose`: the token's purpose, `run` or `verify`, if not the source's.
//! - `fixture-token-age`: issue the token this many seconds before the signing time.
//! - `fixture-signature`: `both` adds the body signature to the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::options::{DEFAULT_SECRET_HEADER, Purpose};
use super::token::{Claims, mint};
use super::{SIGNATURE, TOKEN};
use crate::providers::Draft;

pub(super) fn sign(draft: &Draft<'_>) -> Vec<(String, String)> {
    let option = |name: &str| draft.options.get(name).and_then(toml::Value::as_str);
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(draft.headers.iter().filter(|(name, _)| !name.starts_with("fixture-")).cloned());
    if option("mode") == Some("token") {
        let header = option("token_header").unwrap_or(DEFAULT_SECRET_HEADER);
        let secret = String::from_utf8_lossy(draft.secret.expose()).into_owned();
        headers.push((header.to_owned(), secret));
        return headers;
    }
    let run_key = helper(draft, "fixture-run-key").and_then(|key| key.parse().ok());
    if let Some(run_key) = run_key {
        let purpose = helper(draft, "fixture-purpose").or(option("purpose"));
        headers.push((TOKEN.to_owned(), token(draft, run_key, purpose)));
    }
    if run_key.is_none() || helper(draft, "fixture-signature") == Some("both") {
        let at = draft.at.to_string();
        let mac = hex::encode(draft.secret.sign(&[at.as_bytes(), b".", draft.body]));
        headers.push((SIGNATURE.to_owned(), format!("t={at},v1={mac}")));
    }
    headers
}

fn token(draft: &Draft<'_>, run_key: Uuid, purpose: Option<&str>) -> String {
    let purpose = if purpose == Some("verify") { Purpose::Verify } else { Purpose::Run };
    let age: i64 = helper(draft, "fixture-token-age").and_then(|age| age.parse().ok()).unwrap_or(0);
    let nonce = Sha256::digest(draft.body);
    let claims = Claims {
        v: 1,
        purpose: purpose.claim().to_owned(),
        guild_id: helper(draft, "fixture-guild").unwrap_or("0").to_owned(),
        run_key,
        iat: draft.at.saturating_sub(age),
        nonce: URL_SAFE_NO_PAD.encode(nonce.first_chunk::<16>().unwrap_or(&[0; 16])),
        actor_id: None,
        actor_run_id: None,
    };
    mint(draft.secret, &claims)
}

fn helper<'d>(draft: &Draft<'d>, name: &str) -> Option<&'d str> {
    draft.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
}
