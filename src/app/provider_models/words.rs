//! A scheme in words. Code is between backticks.

use serde::Serialize;

use crate::verify::{
    Algorithm, BatchDefinition, EventDefinition, HandshakeDefinition, HandshakeMethod, KeyEncoding,
    SchemeDefinition, Strength,
};

/// The word of a value in the configuration, such as `base64`.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// A place in a request, such as `header:x-id`.
pub(super) fn place(text: &str) -> String {
    match text.split_once(':') {
        Some(("header", name)) => format!("header `{name}`"),
        Some(("query", name)) => format!("query parameter `{name}`"),
        Some(("form", name)) => format!("form field `{name}`"),
        Some(("multipart", name)) => format!("part `{name}` of the form"),
        Some(("json", "")) => "the JSON body".to_owned(),
        Some(("json", pointer)) => format!("JSON `{pointer}`"),
        Some(("claim", pointer)) => format!("claim `{pointer}` of the token"),
        _ if text == "body" => "the body".to_owned(),
        _ => format!("`{text}`"),
    }
}

/// The signed texts, also of the alternatives.
pub(super) fn signed(scheme: &SchemeDefinition) -> Vec<String> {
    let others = scheme.alternative.iter().flat_map(|other| other.signed.iter());
    scheme.signed.iter().chain(others).map(str::to_owned).collect()
}

/// Where the signature is, and how it is written, also for the alternatives.
pub(super) fn signatures(scheme: &SchemeDefinition) -> String {
    let mut text = signature(scheme);
    for other in &scheme.alternative {
        text.push_str("; or ");
        if let Some(field) = &other.signature {
            let algorithm = other.algorithm.unwrap_or(scheme.algorithm);
            let other = SchemeDefinition { signature: field.clone(), algorithm, ..scheme.clone() };
            text.push_str(&signature(&other));
        } else {
            text.push_str("the same");
        }
        if let Some(algorithm) = other.algorithm {
            text.extend([", by `", algorithm.into(), "`"]);
        }
        if let Some(option) = &other.option {
            text.extend([", with the option `", option, "`"]);
        }
    }
    text
}

/// Where the signature is, and how it is written.
fn signature(scheme: &SchemeDefinition) -> String {
    let field = &scheme.signature;
    let headers = field.header.iter().map(|name| format!("header `{name}`"));
    let places = headers
        .chain(field.query.iter().map(|name| format!("query parameter `{name}`")))
        .chain(field.json.iter().map(|pointer| format!("JSON `{pointer}`")))
        .chain(field.form.iter().map(|name| format!("form field `{name}`")))
        .chain(field.body.then(|| "the whole body".to_owned()));
    let mut parts = vec![places.collect::<Vec<_>>().join(" or ")];
    if !field.prefix.is_empty() {
        let optional = if field.prefix_optional { ", if it is there" } else { "" };
        parts.push(format!("after `{}`{optional}", field.prefix));
    }
    if let Some(format) = &field.format {
        parts.push(format!("as `{format}`"));
        match field.separator.as_str() {
            "," => {}
            " " => parts.push("with spaces between several".to_owned()),
            separator => parts.push(format!("with `{separator}` between several")),
        }
    }
    if field.groups.is_some() {
        parts.push("in groups, each with its own time".to_owned());
    }
    if scheme.algorithm.signs_text() {
        parts.push(format!("in {}", word(&field.encoding)));
    }
    parts.join(", ")
}

/// Where the signed time is.
pub(super) fn timestamp(scheme: &SchemeDefinition) -> Option<String> {
    let Some(time) = &scheme.timestamp else {
        let jwt = scheme.jwt.as_ref()?;
        let claim = match jwt.max_age {
            Some(_) => "claim `/iat` of the token",
            None if jwt.requires_end() => "claim `/exp` of the token",
            None => "claim `/exp` of the token, if it has one",
        };
        return Some(claim.to_owned());
    };
    let from = match time.from.as_str() {
        "signature" => "`{timestamp}` beside the signature".to_owned(),
        from => place(from),
    };
    let unit = match word(&time.unit).as_str() {
        "seconds" => "in Unix seconds".to_owned(),
        "milliseconds" => "in Unix milliseconds".to_owned(),
        "seconds-or-milliseconds" => "in Unix seconds or milliseconds".to_owned(),
        "rfc3339" => "as RFC 3339".to_owned(),
        "http-date" => "as in the header `Date`".to_owned(),
        unit => unit.to_owned(),
    };
    let missing = if time.optional { "; may be missing" } else { "" };
    Some(format!("{from}, {unit}{missing}"))
}

/// The form of the secret; `None` if the sender publishes its keys.
pub(super) fn secret(scheme: &SchemeDefinition) -> Option<String> {
    let key = &scheme.key;
    if key.fetch.is_some() || key.x5c.is_some() {
        return None;
    }
    let form = encoding(key.encoding);
    let mut parts = vec![match scheme.algorithm {
        Algorithm::Token => "the text that the sender repeats".to_owned(),
        Algorithm::Basic => "user and password: `user:password`".to_owned(),
        algorithm if algorithm.is_public_key() => format!("the sender's public key: {form}"),
        _ => form.to_owned(),
    }];
    if let Some(prefix) = &key.prefix {
        parts.push(format!("after `{prefix}`"));
    }
    if !key.strip.is_empty() {
        let prefixes: Vec<String> = key.strip.iter().map(|text| format!("`{text}`")).collect();
        parts.push(format!("after {}, which may be left out", prefixes.join(" or ")));
    }
    if let Some(pattern) = &key.strip_pattern {
        parts.push(format!("after `{pattern}`, which may be left out"));
    }
    if !key.suffix.is_empty() {
        parts.push(format!("the key is the secret and `{}`", key.suffix));
    }
    if let Some(digest) = &key.digest {
        parts.push(format!("the key is its {} digest", word(digest)));
    }
    if let Some(form) = &key.normalize {
        parts.push(format!("normalized ({})", word(form).to_uppercase()));
    }
    let mut text = parts.join(", ");
    for other in scheme.alternative.iter().filter(|other| other.key.is_some()) {
        let other = SchemeDefinition {
            key: other.key.clone().unwrap_or_default(),
            algorithm: other.algorithm.unwrap_or(scheme.algorithm),
            alternative: Vec::new(),
            ..scheme.clone()
        };
        text.push_str("; or ");
        text.push_str(&secret(&other).unwrap_or_default());
    }
    Some(text)
}

fn encoding(encoding: KeyEncoding) -> &'static str {
    match encoding {
        KeyEncoding::Text => "text",
        KeyEncoding::Base64 => "base64",
        KeyEncoding::Hex => "hexadecimal",
        KeyEncoding::Pem => "PEM",
        KeyEncoding::SpkiBase64 => "base64 of its DER form",
        KeyEncoding::RawHex => "32 bytes in hexadecimal",
        KeyEncoding::RawBase64 => "32 bytes in base64",
        KeyEncoding::Jwk => "a JSON Web Key",
        KeyEncoding::Certificate => "a certificate in PEM form",
    }
}

/// Where the sender publishes its keys; `None` if a source has a secret.
pub(super) fn published_keys(scheme: &SchemeDefinition) -> Option<String> {
    if let Some(chain) = &scheme.key.x5c {
        return Some(format!(
            "a certificate chain in the token, which leads to the root with the SHA-256 \
             fingerprint `{}`",
            chain.root_sha256
        ));
    }
    let fetch = scheme.key.fetch.as_ref()?;
    let hosts: Vec<String> = fetch.hosts.iter().map(|host| format!("`{host}`")).collect();
    if hosts.is_empty() {
        return Some(format!("fetched from `{}`", fetch.url));
    }
    Some(format!("fetched from the URL `{}`, of the hosts {}", fetch.url, hosts.join(", ")))
}

/// Where the event type is; `None` if every event has the same. A header that the signature does
/// not cover may have been changed.
pub(super) fn event_type(scheme: &SchemeDefinition, strength: Strength) -> Option<String> {
    let kind = scheme.event.kind.as_deref()?;
    let place = in_payload(&scheme.event, kind);
    let is_covered = scheme.signed.iter().all(|text| text.contains(&format!("{{{kind}")));
    if kind.starts_with("header:") && strength == Strength::Signed && !is_covered {
        return Some(format!("{place}, which is not signed"));
    }
    Some(place)
}

/// Each of these places.
pub(super) fn places<'a>(
    event: &'a EventDefinition,
    texts: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    texts.map(|text| in_payload(event, text)).collect()
}

/// A place in the JSON document, which may be in a form field.
fn in_payload(event: &EventDefinition, text: &str) -> String {
    match &event.payload {
        Some(payload) if text.starts_with("json:") => {
            format!("{} in {}", place(text), place(payload))
        }
        _ => place(text),
    }
}

/// How duplicates are recognized.
pub(super) fn deduplication(event: &EventDefinition) -> String {
    if event.repeats {
        return "none: every request is an event, also one that is repeated".to_owned();
    }
    let ids = places(event, event.id.iter());
    match ids.as_slice() {
        [] => "by the digest of the body".to_owned(),
        [id] => format!("by the id: {id}"),
        ids => format!("by the id, made of {}", ids.join(", ")),
    }
}

/// Where the events of a request are that may be split.
pub(super) fn batch(batch: &BatchDefinition) -> String {
    let items = match batch.items.as_str() {
        "" => "the JSON body".to_owned(),
        pointer => format!("JSON `{pointer}`"),
    };
    format!("with `split = true`, an event of each item of {items}")
}

/// A request that is answered and not recorded.
pub(super) fn handshake(handshake: &HandshakeDefinition) -> String {
    let conditions: Vec<String> =
        handshake.when.iter().map(|(name, value)| condition(name, value)).collect();
    let is_post = handshake.method == HandshakeMethod::Post;
    let mut parts = vec![match conditions.as_slice() {
        [] => format!("`{}`", handshake.method),
        conditions => format!("`{}` with {}", handshake.method, conditions.join(" and ")),
    }];
    if is_post {
        let signature = if handshake.is_verified() { "with a valid" } else { "without a" };
        parts.push(format!("{signature} signature"));
    }
    if let Some(value) = &handshake.store {
        parts.push(format!("brings the secret in {}, which is stored", place(value)));
    }
    let mut answer = vec![format!("answered with {}", handshake.status)];
    if !handshake.body.is_empty() {
        answer.push(format!("`{}`", handshake.body));
    }
    let headers = handshake.headers.iter().map(|(name, text)| format!("header `{name}: {text}`"));
    answer.extend(headers);
    parts.push(answer.join(" and "));
    parts.extend(handshake.visit.as_ref().map(|url| format!("`{url}` is fetched")));
    parts.join(", ")
}

fn condition(name: &str, value: &str) -> String {
    let place = place(name);
    match value.strip_prefix('/').and_then(|value| value.strip_suffix('/')) {
        Some(pattern) => format!("{place} like `{pattern}`"),
        None if value == "*" => place,
        None => format!("{place} = `{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(text: &str) -> SchemeDefinition {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn schemes_are_put_into_words() {
        let slack = scheme(
            "algorithm = 'hmac-sha256'\nsigned = 'v0:{timestamp}:{body}'\n\
             signature = { header = 'x-signature', prefix = 'v0=' }\n\
             timestamp = { from = 'header:x-time', tolerance = '5m' }\n\
             key = { encoding = 'base64', strip = ['whsec_'] }\n\
             [event]\nid = ['json:/a', 'json:/b']\npayload = 'form:payload'\n\
             [[handshake]]\nwhen = { 'json:/type' = 'check' }\nbody = '{json:/challenge}'",
        );
        assert_eq!(signature(&slack), "header `x-signature`, after `v0=`, in hex");
        assert_eq!(timestamp(&slack).unwrap(), "header `x-time`, in Unix seconds");
        assert_eq!(secret(&slack).unwrap(), "base64, after `whsec_`, which may be left out");
        let places = "JSON `/a` in form field `payload`, JSON `/b` in form field `payload`";
        assert_eq!(deduplication(&slack.event), format!("by the id, made of {places}"));
        assert_eq!(
            handshake(&slack.handshake[0]),
            "`POST` with JSON `/type` = `check`, with a valid signature, answered with 200 and \
             `{json:/challenge}`"
        );
        let token = scheme(
            "algorithm = 'jwt'\nsignature = { header = 'authorization', prefix = 'Bearer ' }\n\
             key = { encoding = 'jwk', fetch = { url = 'https://keys.example.com/' } }\n\
             jwt = { algorithms = ['RS256'] }",
        );
        assert_eq!(secret(&token), None);
        assert_eq!(published_keys(&token).unwrap(), "fetched from `https://keys.example.com/`");
        assert_eq!(timestamp(&token).unwrap(), "claim `/exp` of the token, if it has one");
        assert_eq!(deduplication(&token.event), "by the digest of the body");
    }
}
