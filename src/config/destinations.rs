//! Destinations: where events are sent on to.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Environment, File, SecretRef, is_source_name};
use crate::verify::Secret;

/// One destination.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationEntry {
    /// Its name, as in `sealpost destinations pause NAME`. Never changed once used.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The sources that it takes events from; `*` is all of them.
    #[serde(default = "all")]
    pub sources: Vec<String>,
    /// The event types that it takes: `invoice.*`, and `!invoice.created` for what it does not.
    #[serde(default = "all")]
    pub types: Vec<String>,
    /// A `JSONPath` query over the decoded body: what it selects nothing of is not sent.
    pub filter: Option<String>,
    /// How requests are signed.
    #[serde(default)]
    pub sign: SignForm,
    /// For `sign = "standard"`: what the names of the headers of the signature begin with.
    #[serde(default)]
    pub header_prefix: HeaderPrefix,
    /// With what they are signed.
    pub secret: SecretRef,
    /// For `sign = "bot"`: the name of the service that calls.
    pub service: Option<String>,
    /// What is sent as a bearer token, where the application wants one.
    pub token: Option<SecretRef>,
    /// The longest time for one request.
    #[serde(default = "timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// How many requests may run at a time, over all gateways.
    #[serde(default = "concurrency")]
    pub concurrency: NonZeroU32,
    /// How many requests this gateway begins a second; without it as many as there are.
    pub rate: Option<NonZeroU32>,
    /// Headers that every request has.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether the headers that are kept of the sender's request are sent on.
    #[serde(default)]
    pub provider_headers: bool,
}

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignForm {
    /// As Standard Webhooks says.
    #[default]
    Standard,
    /// As the bot's API signs when it calls the bot.
    Bot,
}

/// What the names of the headers of Standard Webhooks begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderPrefix {
    /// `webhook-id` and so on, as the standard says.
    #[default]
    Webhook,
    /// `svix-id` and so on.
    Svix,
}

/// One destination with its secrets.
#[derive(Debug, Clone)]
pub struct DestinationConfig {
    /// Its entry in the file.
    pub entry: DestinationEntry,
    /// With what requests are signed.
    pub secret: Secret,
    /// What is sent as a bearer token.
    pub token: Option<Secret>,
}

impl DestinationEntry {
    /// Whether it takes events of this source.
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
            say("a name is 1 to 64 of a-z, 0-9, `_` and `-`");
        }
        if !names.insert(name) {
            say("the name stands twice");
        }
        if entry.sources.is_empty() {
            say("sources must name at least one, or be [\"*\"]");
        }
        for source in entry.sources.iter().filter(|source| *source != "*") {
            if !file.source.iter().any(|known| known.name == *source) {
                say(&format!("there is no source `{source}`"));
            }
        }
        if (entry.sign == SignForm::Bot) != entry.service.is_some() {
            say("`service` goes with sign = \"bot\", and that with `service`");
        }
        if entry.sign == SignForm::Bot && entry.header_prefix != HeaderPrefix::default() {
            say("`header_prefix` goes with sign = \"standard\"");
        }
        let wait = entry.rate.map_or(0, |rate| entry.concurrency.get().div_ceil(rate.get()));
        if entry.timeout.saturating_add(Duration::from_secs(wait.into()))
            >= file.dispatch.handler_deadline
        {
            say("timeout, with the wait for a turn that concurrency and rate come to, must be \
                 shorter than dispatch.handler_deadline");
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
