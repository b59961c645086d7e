//! Requests that are answered and not recorded: challenges, validations and probes.

use std::collections::BTreeMap;

use bytes::Bytes;
use regex::Regex;
use subtle::ConstantTimeEq;
use url::Url;
use zeroize::Zeroizing;

use super::template::Template;
use super::value::Value;
use super::values::Values;
use super::{HandshakeDefinition, HandshakeMethod, Scheme, intern, is_allowed};
use crate::verify::{KeyRing, RequestHead};

/// The maximum length of an answer, in bytes: a challenge is short.
const MAX_ANSWER: usize = 16 * 1024;

/// A compiled handshake.
#[derive(Debug)]
pub struct Handshake {
    method: HandshakeMethod,
    conditions: Vec<(Value, Expected)>,
    verified: bool,
    status: u16,
    content_type: String,
    body: Template,
    headers: Vec<(String, Template)>,
    /// The secret that it brings.
    store: Option<Value>,
    visit: Option<Template>,
    hosts: Vec<String>,
}

#[derive(Debug)]
enum Expected {
    Present,
    /// Compared in constant time: it may be a secret.
    Text(Vec<u8>),
    /// The whole value. A challenge that is signed must not be able to look like an event.
    Pattern(Regex),
}

/// A request that may be a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    pub method: HandshakeMethod,
    pub head: &'a RequestHead,
    pub body: &'a Bytes,
    /// Whether its signature was verified.
    pub verified: bool,
}

/// A secret that a handshake brings, and the answer once it is stored. Whoever sent it is not
/// known.
pub struct BroughtSecret {
    pub secret: Zeroizing<Vec<u8>>,
    /// It may repeat the secret.
    pub answer: HandshakeAnswer,
}

/// The answer to a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeAnswer {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
    pub headers: Vec<(String, String)>,
    /// A URL to fetch, which confirms a subscription.
    pub visit: Option<Url>,
}

impl Handshake {
    /// Checks a definition and prepares it for one source.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn compile(
        definition: &HandshakeDefinition,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let parse = |key: &str, text: &str| {
            Template::parse(text, options).map_err(|error| format!("{key}: {error}"))
        };
        let is_post = definition.method == HandshakeMethod::Post;
        let verified = definition.is_verified();
        if verified && !is_post {
            return Err("verified: only a POST can be verified".into());
        }
        let store = definition.store.as_deref().map(stored_value).transpose()?;
        if store.is_some() && (verified || !is_post) {
            return Err("store: only an unverified POST can bring a secret".into());
        }
        if !verified && is_post && store.is_none() && definition.when.is_empty() {
            return Err("when: every request would be answered and lost".into());
        }
        let condition = |(name, text): (&String, &String)| {
            let value = Value::parse(name).map_err(|error| format!("when: {error}"))?;
            let expected = match text.as_str() {
                "*" => Expected::Present,
                text if pattern(text).is_some() => {
                    let regex = Regex::new(&whole(pattern(text).unwrap_or_default()));
                    Expected::Pattern(regex.map_err(|error| format!("when: {error}"))?)
                }
                text => {
                    let template = parse("when", text)?;
                    if !template.placeholders().is_empty() {
                        return Err("when: only `{option:NAME}` can stand in a value".into());
                    }
                    // No placeholder is left, so the text is the same for every request.
                    let head = RequestHead::default();
                    let values = Values::new(&head, None, None, None);
                    Expected::Text(template.render(&values).unwrap_or_default())
                }
            };
            Ok((value, expected))
        };
        let is_guarded = definition.when.values().any(|value| pattern(value).is_some());
        if signs(definition) && !verified && !is_guarded {
            return Err("when: a value that anybody may have signed needs a `/pattern/` that no \
                        event matches"
                .into());
        }
        if definition.visit.is_some() && (!verified || definition.hosts.is_empty()) {
            return Err("visit: needs `hosts` and a verified request".into());
        }
        let content_type = definition.content_type.clone().unwrap_or_else(|| {
            let json = definition.body.trim_start().starts_with("{{");
            if json { "application/json" } else { "text/plain; charset=utf-8" }.to_owned()
        });
        Ok(Self {
            method: definition.method,
            conditions: definition.when.iter().map(condition).collect::<Result<_, String>>()?,
            verified,
            status: definition.status,
            content_type,
            body: parse("body", &definition.body)?,
            headers: definition
                .headers
                .iter()
                .map(|(name, text)| Ok((name.to_ascii_lowercase(), parse("headers", text)?)))
                .collect::<Result<_, String>>()?,
            store,
            visit: definition.visit.as_deref().map(|text| parse("visit", text)).transpose()?,
            hosts: definition.hosts.clone(),
        })
    }

    pub fn method(&self) -> HandshakeMethod {
        self.method
    }

    /// Whether it is a POST that is not verified.
    pub fn is_open_post(&self) -> bool {
        self.method == HandshakeMethod::Post && !self.verified
    }

    /// Whether it brings a secret, which is stored.
    pub fn brings_secret(&self) -> bool {
        self.store.is_some()
    }

    /// Where the secret is.
    pub(super) fn store(&self) -> Option<&Value> {
        self.store.as_ref()
    }

    /// The secret and the answer, if the request is this handshake, and brings a secret.
    pub fn brought(
        &self,
        scheme: &Scheme,
        keys: &KeyRing,
        prompt: Prompt<'_>,
    ) -> Option<BroughtSecret> {
        let values = scheme.values(prompt.head, Some(prompt.body));
        let secret = Zeroizing::new(values.get(self.store.as_ref()?).ok()?.into_owned());
        let answer = self.respond(scheme, keys, prompt).filter(|_| !secret.is_empty())?;
        Some(BroughtSecret { secret, answer })
    }

    /// The answer, if the request is this handshake. One that brings a secret is answered only
    /// after the secret is stored.
    pub fn answer(
        &self,
        scheme: &Scheme,
        keys: &KeyRing,
        prompt: Prompt<'_>,
    ) -> Option<HandshakeAnswer> {
        self.store.is_none().then(|| self.respond(scheme, keys, prompt))?
    }

    fn respond(
        &self,
        scheme: &Scheme,
        keys: &KeyRing,
        prompt: Prompt<'_>,
    ) -> Option<HandshakeAnswer> {
        if self.method != prompt.method || self.verified && !prompt.verified {
            return None;
        }
        let mac = |message: &[u8]| keys.mac(scheme.algorithm, message);
        let values = scheme.values(prompt.head, Some(prompt.body)).with_mac(&mac);
        let holds = self.conditions.iter().all(|(value, expected)| {
            let Ok(found) = values.get(value) else { return false };
            match expected {
                Expected::Present => true,
                Expected::Text(text) => found.ct_eq(text).into(),
                Expected::Pattern(pattern) => {
                    std::str::from_utf8(&found).is_ok_and(|found| pattern.is_match(found))
                }
            }
        });
        if !holds {
            return None;
        }
        let body = self.body.render(&values).ok().filter(|body| body.len() <= MAX_ANSWER)?;
        let header = |(name, template): &(String, Template)| {
            let value = String::from_utf8(template.render(&values).ok()?).ok()?;
            let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            is_plain.then(|| (name.clone(), value))
        };
        let visit = match &self.visit {
            Some(template) => {
                let text = String::from_utf8(template.render(&values).ok()?).ok()?;
                Some(Url::parse(&text).ok().filter(|url| is_allowed(url, &self.hosts))?)
            }
            None => None,
        };
        Some(HandshakeAnswer {
            status: self.status,
            content_type: self.content_type.clone(),
            body,
            headers: self.headers.iter().map(header).collect::<Option<_>>()?,
            visit,
        })
    }
}

/// Where the secret is. A query is in the log of every proxy, so it is no place for one.
fn stored_value(text: &str) -> Result<Value, String> {
    match Value::parse(text).map_err(|error| format!("store: {error}"))? {
        value @ (Value::Header(_) | Value::Json(_)) => Ok(value),
        _ => Err(format!("store: `{text}` must be `header:NAME` or `json:/pointer`")),
    }
}

/// What open handshakes let anybody have signed.
pub(super) fn challenges(handshakes: &[HandshakeDefinition]) -> Result<Vec<Regex>, String> {
    let open = handshakes.iter().filter(|handshake| !handshake.is_verified() && signs(handshake));
    let patterns = open.flat_map(|handshake| handshake.when.values());
    patterns
        .filter_map(|text| pattern(text))
        .map(|inner| Regex::new(&whole(inner)).map_err(|error| format!("when: {error}")))
        .collect()
}

/// Whether the answer contains a MAC.
fn signs(handshake: &HandshakeDefinition) -> bool {
    handshake.headers.values().chain([&handshake.body]).any(|text| text.contains("|hmac"))
}

/// The regular expression in a condition.
fn pattern(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/').filter(|inner| !inner.is_empty())
}

fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

/// The headers that handshakes read.
pub(super) fn headers(handshakes: &[HandshakeDefinition]) -> Vec<&'static str> {
    let texts = handshakes.iter().flat_map(|handshake| {
        let templates = handshake.headers.values().chain([&handshake.body]);
        let named = templates.flat_map(|text| {
            let template = Template::parse(text, &BTreeMap::new());
            let headers = template.map(|template| {
                template.placeholders().iter().filter_map(|part| part.source.header()).collect()
            });
            headers.unwrap_or_else(|_| Vec::new())
        });
        let conditions = handshake.when.keys().chain(&handshake.store);
        let conditions = conditions.filter_map(|name| name.strip_prefix("header:"));
        conditions.map(|name| intern(&name.to_ascii_lowercase())).chain(named).collect::<Vec<_>>()
    });
    texts.collect()
}

/// Whether a handshake needs method, path or query of a request.
pub(super) fn reads_target(handshake: &HandshakeDefinition) -> bool {
    handshake.when.keys().any(|name| name.starts_with("query:"))
        || handshake.body.contains("{query:")
        || handshake.headers.values().any(|text| text.contains("{query:"))
}
