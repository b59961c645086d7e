//! Signs as the bot does, for fixtures and tests.
//!
//! A draft may set `x-service-name`, `x-guild-id`, `x-nonce`, `authorization` or
//! `x-callback-token`. `fixture-form: native` requests the native form if the source accepts any;
//! it is not sent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{AUTHORIZATION, GUILD, NONCE, SERVICE, SIGNATURE, TIMESTAMP, TOKEN};
use crate::providers::Draft;

const FORM: &str = "fixture-form";

pub(crate) fn sign(draft: &Draft<'_>) -> Vec<(String, String)> {
    let given = |name: &str| {
        draft.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    };
    let at = draft.at.to_string();
    let service = given(SERVICE).unwrap_or_else(|| first_service(draft.options));
    let guild = given(GUILD).unwrap_or_default();
    let nonce = given(NONCE).map_or_else(|| fresh_nonce(draft), str::to_owned);

    let mut headers: Vec<(String, String)> =
        draft.headers.iter().filter(|(name, _)| name != FORM).cloned().collect();
    let mut add = |name: &str, value: String| {
        if !headers.iter().any(|(header, _)| header == name) {
            headers.push((name.to_owned(), value));
        }
    };
    add("content-type", "application/json".into());
    add(SERVICE, service.to_owned());
    add(TIMESTAMP, at.clone());
    add(NONCE, nonce.clone());
    if let Some(token) = draft.token
        && given(TOKEN).is_none()
    {
        add(AUTHORIZATION, format!("Bearer {}", String::from_utf8_lossy(token.expose())));
    }

    let form = given(FORM).or_else(|| draft.options.get("form").and_then(toml::Value::as_str));
    let (prefix, before) = match form {
        Some("native") => ("v2=", format!("v2:{service}:{at}:{nonce}:{guild}:")),
        _ => ("", format!("{at}:{nonce}:{guild}:")),
    };
    let mac = hex::encode(draft.secret.sign(&[before.as_bytes(), draft.body]));
    add(SIGNATURE, format!("{prefix}{mac}"));
    headers
}

fn first_service(options: &toml::Table) -> &str {
    let services = options.get("allowed_services").and_then(toml::Value::as_array);
    services.and_then(|services| services.first()?.as_str()).unwrap_or("api")
}

/// A deterministic nonce that differs if anything else does: fixtures are repeatable.
fn fresh_nonce(draft: &Draft<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(draft.at.to_be_bytes());
    for (name, value) in draft.headers {
        hash.update(name);
        hash.update([0]);
        hash.update(value);
        hash.update([0]);
    }
    hash.update(draft.body);
    let digest: [u8; 32] = hash.finalize().into();
    URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
}
