//! The configuration as plain data, for monitoring.

use time::{Duration, OffsetDateTime};

use super::model::Setting;
use crate::admin::{AdminError, ConfiguredDestination};
use crate::near_names;
use crate::verify::{SignedTime, Window};

/// How long before they are deleted open dead letters are an alarm.
pub(super) const RETENTION_WARNING: Duration = Duration::days(7);

/// The configuration as shown to users. It contains no secret.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// The sources, in configured order.
    pub sources: Vec<SourceFacts>,
    /// The base of webhook URLs: the public URL, or else the listener's own address.
    pub base_url: String,
    /// Whether that is the public URL.
    pub is_public: bool,
    /// The destinations, each with the only tenant whose events it takes.
    pub destinations: Vec<ConfiguredDestination>,
    pub alerts_are_sent: bool,
    pub transfer_idle: Duration,
    pub transfer_total: Duration,
    /// The effective configuration, key by key.
    pub settings: Vec<Setting>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFacts {
    pub name: String,
    pub provider: String,
    pub tenant: String,
    pub enabled: bool,
    /// Its paths, its own first. `{action}` stands for one of `actions`.
    pub paths: Vec<String>,
    /// The actions that may follow the path; empty if the path ends with the source.
    pub actions: Vec<String>,
    /// The headers with the proof and the signed values.
    pub headers: Vec<String>,
    /// The body limit, in bytes.
    pub max_body: u64,
    pub signed_time: SignedTime,
    /// The freshness window of a signed timestamp; `None` if there is none, or if it is not known.
    pub window: Option<Window>,
    /// The rate limit of authentic requests, per second.
    pub per_second: u32,
    pub burst: u32,
    /// The retention of rejected requests; `None` if they are not kept.
    pub keep_rejected: Option<Duration>,
    /// How long dead letters of handlers are kept.
    pub dead_retention: Duration,
    /// How long quarantined requests are kept.
    pub quarantine_retention: Duration,
    /// Whether a dead letter blocks its lane.
    pub lane_blocks: bool,
    /// The fingerprints of its secrets, in configured order.
    pub secrets: Vec<String>,
    /// Whether its sender brings secrets in handshakes.
    pub stores_secrets: bool,
    /// The stored names of its handlers, including destinations.
    pub handlers: Vec<String>,
}

impl SourceFacts {
    /// In place of the fingerprint of a secret that was not read.
    pub const UNKNOWN_SECRET: &str = "unknown";
}

impl Topology {
    /// The sources of this tenant, or all.
    pub(in crate::admin) fn visible_to<'a>(
        &'a self,
        tenant: Option<&'a str>,
    ) -> impl Iterator<Item = &'a SourceFacts> {
        self.sources
            .iter()
            .filter(move |source| tenant.is_none_or(|tenant| source.tenant == tenant))
    }

    /// For every source, the times before which open dead letters of handlers and quarantined
    /// requests died that will be deleted soon.
    pub(super) fn warned_of(
        &self,
        now: OffsetDateTime,
    ) -> Vec<(&str, OffsetDateTime, OffsetDateTime)> {
        let before = |retention: Duration| {
            now.checked_sub(retention - RETENTION_WARNING).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        };
        let sources = self.sources.iter();
        let times = sources.map(|source| {
            let (dead, quarantined) = (source.dead_retention, source.quarantine_retention);
            (source.name.as_str(), before(dead), before(quarantined))
        });
        times.collect()
    }

    /// That a source is not found, and which ones are similar.
    pub(super) fn source_not_found(&self, name: &str, tenant: Option<&str>) -> AdminError {
        let known = self.visible_to(tenant).map(|source| source.name.as_str());
        AdminError::NotFound(format!("source `{name}`{}", near_names::hint(name, known)))
    }

    /// The names of the destinations.
    pub(super) fn destination_names(&self) -> Vec<String> {
        self.destinations.iter().map(|destination| destination.name.clone()).collect()
    }

    /// The destination of this name.
    pub(super) fn destination(&self, name: &str) -> Option<&ConfiguredDestination> {
        self.destinations.iter().find(|destination| destination.name == name)
    }

    /// The source of this name, if it is of this tenant.
    pub(in crate::admin) fn source(
        &self,
        name: &str,
        tenant: Option<&str>,
    ) -> Option<&SourceFacts> {
        let mut sources = self.sources.iter();
        sources.find(|source| source.name == name && tenant.is_none_or(|t| source.tenant == t))
    }
}
