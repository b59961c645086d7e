//! Unlisted proxies in front of a listener. All their clients share one address, so the operator
//! has to list them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;
use tracing::warn;

use super::model::{Alarm, AlarmKind, Link};
use crate::store::Severity;

const MAX_PROXIES: usize = 16;
/// How long after its last request a proxy is still an alarm.
const LIFETIME: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    Ingest,
    Operator,
}

impl Listener {
    /// Its section in the configuration.
    pub fn section(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Operator => "operator",
        }
    }
}

/// The unlisted proxies seen since the gateway was started.
#[derive(Debug, Clone, Default)]
pub struct UnlistedProxies(Arc<Mutex<Known>>);

type Known = BTreeMap<(Listener, IpAddr), SeenProxy>;

/// An unlisted proxy.
#[derive(Debug)]
struct SeenProxy {
    /// The missing line of the configuration.
    line: String,
    last: Instant,
}

impl UnlistedProxies {
    /// Records that an address sends forwarding headers. Logged once per address.
    pub fn record(&self, listener: Listener, address: IpAddr, trusted: &[IpNet]) {
        let mut known = self.known();
        if let Some(seen) = known.get_mut(&(listener, address)) {
            seen.last = Instant::now();
            return;
        }
        if known.len() >= MAX_PROXIES {
            return;
        }
        let line = line(address, trusted);
        let section = listener.section();
        let advice = format!("if it is your proxy, add to config.toml, in [{section}]: {line}");
        warn!(
            event = "proxy.not_trusted",
            listener = section,
            peer = %address,
            "requests come through an untrusted proxy, so all its clients share one address; \
             {advice}"
        );
        known.insert((listener, address), SeenProxy { line, last: Instant::now() });
    }

    /// An alarm for each proxy on this machine or in a private network. Any other client can send
    /// forwarding headers itself.
    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let known = self.known();
        let own = known
            .iter()
            .filter(|((_, address), seen)| is_internal(*address) && seen.last.elapsed() < LIFETIME);
        own.map(|((listener, address), SeenProxy { line, .. })| {
            let section = listener.section();
            Alarm {
                kind: AlarmKind::Proxy,
                source: None,
                name: Some(format!("{address} before [{section}]")),
                severity: Severity::Warning,
                text: format!(
                    "requests come through {address}, an untrusted proxy, so all its clients share \
                     one address: add {line} to [{section}] in config.toml"
                ),
                since: None,
                count: 1,
                link: Link::Settings,
            }
        })
        .collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line for the listener's section of the configuration.
fn line(address: IpAddr, trusted: &[IpNet]) -> String {
    let networks = trusted.iter().copied().chain([IpNet::from(address)]);
    let networks: Vec<String> = networks.map(|network| format!("\"{network}\"")).collect();
    format!("trusted_proxies = [{}]", networks.join(", "))
}

/// Whether an address belongs to a private network.
pub fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, 64..=127, ..]);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn suggested_line_keeps_the_trusted_proxies_and_parses() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let line = line(address("127.0.0.1"), &trusted);
        assert_eq!(line, "trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1/32\"]");
        let table: toml::Table = toml::from_str(&line).unwrap();
        let networks: Vec<IpNet> = table["trusted_proxies"].clone().try_into().unwrap();
        assert_eq!(networks.len(), 2);
    }

    #[test]
    fn only_proxies_in_private_networks_are_an_alarm() {
        let proxies = UnlistedProxies::default();
        for (place, own) in [("127.0.0.1", 1), ("203.0.113.9", 1), ("::1", 2), ("10.2.3.4", 3)] {
            for _ in 0..3 {
                proxies.record(Listener::Ingest, address(place), &[]);
            }
            assert_eq!(proxies.alarms().len(), own, "{place}");
        }
        for last in 0..100 {
            proxies.record(Listener::Operator, IpAddr::from([10, 0, 0, last]), &[]);
        }
        assert!(proxies.alarms().len() <= MAX_PROXIES);
    }
}
