//! The configuration as plain data, as monitoring needs it.

use time::Duration;

use super::model::Setting;
use crate::admin::ConfiguredDestination;
use crate::store::TO;

/// The configuration, as far as users may see it. It contains no secret.
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
    /// Whether alerts are sent: a channel is configured.
    pub alerts_are_sent: bool,
    /// How long a transfer waits for its next chunk.
    pub transfer_idle: Duration,
    /// How long a transfer may take in all.
    pub transfer_total: Duration,
    /// The configuration in effect, key by key.
    pub settings: Vec<Setting>,
}

/// One source, as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// Its name.
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// Its tenant.
    pub tenant: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The paths that lead to it, its own first. `{action}` stands for a word of `actions`.
    pub paths: Vec<String>,
    /// The actions that may follow the path; none where the path ends with the source.
    pub actions: Vec<String>,
    /// The headers that carry the proof and what it covers.
    pub headers: Vec<String>,
    /// The largest body, in bytes.
    pub max_body: u64,
    /// How old a signature may be, in seconds.
    pub max_age: i64,
    /// How far in the future it may lie, in seconds.
    pub max_future: i64,
    /// How many authentic requests it may send in a second.
    pub per_second: u32,
    /// How many at once.
    pub burst: u32,
    /// How long rejected requests are kept; `None` where they are not.
    pub keep_rejected: Option<Duration>,
    /// Whether a dead letter holds the deliveries behind it in its lane.
    pub lane_blocks: bool,
    /// The fingerprints of its secrets, in configured order.
    pub secrets: Vec<String>,
    /// The stored names of its handlers, destinations among them.
    pub handlers: Vec<String>,
}

impl Topology {
    /// The sources of this tenant, or all.
    pub(in crate::admin) fn seen_by<'a>(
        &'a self,
        tenant: Option<&'a str>,
    ) -> impl Iterator<Item = &'a SourceFacts> {
        self.sources
            .iter()
            .filter(move |source| tenant.is_none_or(|tenant| source.tenant == tenant))
    }

    /// The stored handler names of the destinations.
    pub(super) fn handlers_to(&self) -> Vec<String> {
        self.destinations.iter().map(|destination| format!("{TO}{}", destination.name)).collect()
    }

    /// The destination of this stored handler name.
    pub(super) fn destination(&self, handler: &str) -> Option<&ConfiguredDestination> {
        let name = handler.strip_prefix(TO)?;
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
