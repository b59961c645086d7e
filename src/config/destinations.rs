//! Destinations: HTTP endpoints that events are forwarded to.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::Span;
use super::{Environment, File, SecretRef, is_source_name};
use crate::near_names;
use crate::verify::Secret;

/// One destination.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationEntry {
    /// Its name, as in `sealpost destinations pause NAME`. Never changed once used.
    #[schemars(extend("pattern" = "^[a-z0-9_-]{1,64}$"))]
    pub name: String,
    /// URL that events are sent to.
    pub url: String,
    /// Sources whose events are sent; `*` is every source.
    #[serde(default = "all")]
    pub sources: Vec<String>,
    /// Event types that are sent, such as `invoice.*`; `!invoice.created` excludes a type.
    #[serde(default = "all")]
    pub types: Vec<String>,
    /// A `JSONPath` query over the decoded body; events without a match are not sent.
    pub filter: Option<String>,
    /// How requests are signed.
    #[serde(default)]
    pub sign: SignForm,
    /// For `sign = "standard"`: prefix of the signature headers.
    #[serde(default)]
    pub header_prefix: HeaderPrefix,
    /// Signing secret.
    pub secret: SecretRef,
    /// For `sign = "bot"`: name of the calling service.
    pub service: Option<String>,
    /// Bearer token, if the application requires one.
    pub token: Option<SecretRef>,
    /// Timeout of a request.
    #[serde(default = "timeout", with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub timeout: Duration,
    /// Maximum number of concurrent requests, over all gateways.
    #[serde(default = "concurrency")]
    pub concurrency: NonZeroU32,
    /// Maximum number of requests per second of this gateway; unlimited by default.
    pub rate: Option<NonZeroU32>,
    /// Additional headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether the stored headers of the original request are forwarded.
    #[serde(default)]
    pub provider_headers: bool,
}

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignForm {
    /// Standard Webhooks.
    #[default]
    Standard,
    /// As the bot's API signs when it calls the bot.
    Bot,
}

/// Prefix of the Standard Webhooks headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeaderPrefix {
    /// `webhook-id` and so on, as in the standard.
    #[default]
    Webhook,
    /// `svix-id` and so on.
    Svix,
}

#[derive(Debug, Clone)]
pub struct DestinationConfig {
    pub entry: DestinationEntry,
    pub secret: Secret,
    pub token: Option<Secret>,
}

impl DestinationEntry {
    /// Whether it accepts events of this source.
    pub fn takes_from(&self, source: &str) -> bool {
        self.sources.iter().any(|known| known == "*" || known == source)
    }
}

/// Checks the destinations and resolves their references.
pub(super) fn resolve(
    file: &File,
    environment: &Environment,
    wrong: &mut Vec<String>,
) -> Vec<DestinationConfig> {
    let mut names = HashSet::new();
    let mut resolved = Vec::new();
    for entry in &file.destination {
        let name = &entry.name;
        let mut say = |what: &str| wrong.push(format!("destination `{name}`: {what}"));
        if !is_source_name(name) {
            say("invalid name; use 1 to 64 of a-z, 0-9, `_` and `-`");
        }
        if !names.insert(name) {
            say("duplicate name");
        }
        if entry.sources.is_empty() {
            say("sources must list at least one source, or be [\"*\"]");
        }
        for source in entry.sources.iter().filter(|source| *source != "*") {
            if !file.source.iter().any(|known| known.name == *source) {
                let known = file.source.iter().map(|known| known.name.as_str());
                say(&format!("unknown source `{source}`{}", near_names::hint(source, known)));
            }
        }
        if (entry.sign == SignForm::Bot) != entry.service.is_some() {
            say("`service` and sign = \"bot\" require each other");
        }
        if entry.sign == SignForm::Bot && entry.header_prefix != HeaderPrefix::default() {
            say("`header_prefix` requires sign = \"standard\"");
        }
        let wait = entry.rate.map_or(0, |rate| entry.concurrency.get().div_ceil(rate.get()));
        if entry.timeout.saturating_add(Duration::from_secs(wait.into()))
            >= file.dispatch.handler_deadline
        {
            say("timeout, plus the longest wait caused by concurrency and rate, must be shorter \
                 than dispatch.handler_deadline");
        }
        let mut secret = |reference: &SecretRef, what: &str| {
            let secret = reference.resolve(environment);
            secret.map_err(|why| wrong.push(format!("destination `{name}`: {what} {why}"))).ok()
        };
        let token = entry.token.as_ref().and_then(|reference| secret(reference, "token"));
        if let Some(secret) = secret(&entry.secret, "secret") {
            resolved.push(DestinationConfig { entry: entry.clone(), secret, token });
        }
    }
    resolved
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

fn timeout() -> Duration {
    Duration::from_secs(15)
}

fn concurrency() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(3)
}
