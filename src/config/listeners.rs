//! The two listeners. Their common keys, defaults and checks are defined once.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::oidc::OidcEntry;
use super::schema::{Size, Span};
use super::source::LimitEntry;

const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Longer than the idle timeout of load balancers (60 s): otherwise the gateway could close a
/// connection while the balancer sends a request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(10);
const MIN_RATE: ByteSize = ByteSize::kib(1);
/// The limit of the HTTP library.
pub(super) const MAX_HEADER_LINES: usize = 96;

/// Connection limits and timeouts of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Maximum number of connections, over all threads.
    pub total: usize,
    /// Maximum number of connections of one client address, except trusted proxies.
    pub per_peer: usize,
    /// Timeout for the head of a request.
    pub head_deadline: Duration,
    /// Idle timeout between two requests.
    pub keep_alive: Duration,
    /// Timeout without progress of a body or response.
    pub stall: Duration,
    /// Minimum rate of a body or response, per second.
    pub min_rate: ByteSize,
}

impl ConnectionLimits {
    /// Checks the limits of the listener with this section.
    pub(super) fn check(&self, section: &str, require: &mut impl FnMut(bool, &str)) {
        for (holds, what) in [
            (self.total > 0, "connections must be at least 1"),
            (self.per_peer > 0, "connections_per_peer must be at least 1"),
            (!self.head_deadline.is_zero(), "head_deadline must be longer than 0s"),
            (!self.stall.is_zero(), "stall must be longer than 0s"),
            (self.min_rate.as_u64() > 0, "min_rate must be at least 1 B"),
        ] {
            require(holds, &format!("{section}.{what}"));
        }
    }
}

/// The section of a listener: its own keys, and the common ones. A macro, because a flattened
/// struct would accept unknown keys.
macro_rules! listener {
    (
        $(#[$about:meta])*
        $name:ident on port $port:literal for $total:literal connections, $per_peer:literal a peer {
            $($(#[$own:meta])* $key:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Listen address.
            #[schemars(with = "String")]
            pub listen: SocketAddr,
            /// Proxies whose `X-Forwarded-For` or `Forwarded` header is trusted.
            #[schemars(with = "Vec<String>")]
            pub trusted_proxies: Vec<IpNet>,
            /// Maximum number of connections, over all threads.
            pub connections: usize,
            /// Maximum number of connections of one client address, except trusted proxies.
            pub connections_per_peer: usize,
            /// Timeout for the head of a request.
            #[serde(with = "humantime_serde")]
            #[schemars(with = "Span")]
            pub head_deadline: Duration,
            /// Idle timeout between two requests.
            #[serde(with = "humantime_serde")]
            #[schemars(with = "Span")]
            pub keep_alive: Duration,
            /// Timeout without progress of a body or response.
            #[serde(with = "humantime_serde")]
            #[schemars(with = "Span")]
            pub stall: Duration,
            /// Minimum rate of a body or response, per second.
            #[schemars(with = "Size")]
            pub min_rate: ByteSize,
            $($(#[$own])* pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    listen: SocketAddr::from(([127, 0, 0, 1], $port)),
                    trusted_proxies: Vec::new(),
                    connections: $total,
                    connections_per_peer: $per_peer,
                    head_deadline: HEAD_DEADLINE,
                    keep_alive: KEEP_ALIVE,
                    stall: STALL,
                    min_rate: MIN_RATE,
                    $($key: $default,)*
                }
            }
        }

        impl $name {
            pub fn limits(&self) -> ConnectionLimits {
                ConnectionLimits {
                    total: self.connections,
                    per_peer: self.connections_per_peer,
                    head_deadline: self.head_deadline,
                    keep_alive: self.keep_alive,
                    stall: self.stall,
                    min_rate: self.min_rate,
                }
            }
        }
    };
}

listener! {
    /// The listener for webhooks.
    Ingest on port 8080 for 1024 connections, 128 a peer {
        /// Public URL for senders, for display only.
        public_url: Option<String> = None,
        /// Number of threads; defaults to the number of cores.
        workers: Option<usize> = None,
        /// Maximum number of bytes of bodies in flight; defaults to a part of the available memory.
        #[schemars(with = "Option<Size>")]
        in_flight: Option<ByteSize> = None,
        /// Maximum size of the headers of a request, names and values.
        #[schemars(with = "Size")]
        max_head: ByteSize = ByteSize::kib(32),
        /// Maximum number of header lines of a request.
        max_header_lines: usize = MAX_HEADER_LINES,
    }
}

listener! {
    /// The listener of the admin API and the console.
    Operator on port 8081 for 256 connections, 64 a peer {
        /// Public URL for browsers, used in links and examples.
        public_url: Option<String> = None,
        /// Whether it may listen on an address that is reachable from other machines.
        allow_remote: bool = false,
        /// Maximum number of concurrent clients of the event stream.
        stream_clients: usize = 32,
        /// Interval between heartbeats of the event stream.
        #[serde(with = "humantime_serde")]
        #[schemars(with = "Span")]
        heartbeat: Duration = Duration::from_secs(15),
        /// Rate limit of read requests of a caller.
        reads: LimitEntry = LimitEntry::of(50, 200),
        /// Rate limit of write requests of a caller.
        changes: LimitEntry = LimitEntry::of(5, 20),
        /// Maximum number of failed authentications per minute of one client address.
        failures_per_minute: NonZeroU32 = NonZeroU32::MIN.saturating_add(19),
        /// Whether users who sign in with a password also need a two-factor code.
        require_second_factor: bool = false,
        /// The single sign-on issuer (OIDC).
        oidc: Option<OidcEntry> = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_listeners_have_the_same_connection_keys() {
        let common = "connections = 7\nconnections_per_peer = 3\nhead_deadline = \"1s\"\n\
                      keep_alive = \"2s\"\nstall = \"3s\"\nmin_rate = \"4 B\"\n";
        let ingest: Ingest = toml::from_str(common).unwrap();
        let operator: Operator = toml::from_str(common).unwrap();
        for limits in [ingest.limits(), operator.limits()] {
            assert_eq!((limits.total, limits.per_peer), (7, 3));
            let spans = [limits.head_deadline, limits.keep_alive, limits.stall];
            assert_eq!(spans, [1, 2, 3].map(Duration::from_secs));
            assert_eq!(limits.min_rate, ByteSize(4));
        }
        for key in ["connection", "max_headers", "per_peer", "limits"] {
            let text = format!("{common}{key} = 1\n");
            let error = toml::from_str::<Ingest>(&text).unwrap_err().to_string();
            assert!(error.contains("line 7") && error.contains(key), "{error}");
            assert!(toml::from_str::<Operator>(&text).is_err(), "{key}");
        }
    }

    #[test]
    fn errors_name_the_section() {
        let nothing = "connections = 0\nconnections_per_peer = 0\nhead_deadline = \"0s\"\n\
                       stall = \"0s\"\nmin_rate = \"0 B\"\n";
        let mut wrong = Vec::new();
        let mut require = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        Ingest::default().limits().check("ingest", &mut require);
        let operator: Operator = toml::from_str(nothing).unwrap();
        operator.limits().check("operator", &mut require);
        assert_eq!(
            wrong,
            [
                "operator.connections must be at least 1",
                "operator.connections_per_peer must be at least 1",
                "operator.head_deadline must be longer than 0s",
                "operator.stall must be longer than 0s",
                "operator.min_rate must be at least 1 B",
            ]
        );
    }
}
