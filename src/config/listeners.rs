//! The two listeners. What both have is written once: the keys, what they are by default, and what
//! they must be.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::oidc::OidcEntry;
use super::source::LimitEntry;

const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Longer than load balancers keep a connection that rests (60 s): otherwise one closes it as the
/// other sends a request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(10);
const MIN_RATE: ByteSize = ByteSize::kib(1);
/// The HTTP library takes no more.
pub(super) const MOST_HEADER_LINES: usize = 96;

/// How many connections a listener takes, and by when each has to make progress.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// The most connections, over all threads.
    pub total: usize,
    /// The most connections of one address that is no trusted proxy.
    pub per_peer: usize,
    /// How long the head of a request may take to arrive.
    pub head_deadline: Duration,
    /// How long a connection may rest between two requests.
    pub keep_alive: Duration,
    /// How long a body or an answer may stand still.
    pub stall: Duration,
    /// How much of a body or an answer moves in a second, at least.
    pub min_rate: ByteSize,
}

impl ConnectionLimits {
    /// Notes what does not hold of the listener with this section.
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

/// A listener's section: its own keys, and those that every listener has. By a macro, since a
/// struct that is flattened into another would let unknown keys pass.
macro_rules! listener {
    (
        $(#[$about:meta])*
        $name:ident on port $port:literal for $total:literal connections, $per_peer:literal a peer {
            $($(#[$own:meta])* $key:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Where it listens.
            pub listen: SocketAddr,
            /// Proxies whose `X-Forwarded-For` or `Forwarded` counts.
            pub trusted_proxies: Vec<IpNet>,
            /// The most connections, over all threads.
            pub connections: usize,
            /// The most connections of one address that is no trusted proxy.
            pub connections_per_peer: usize,
            /// How long the head of a request may take to arrive.
            #[serde(with = "humantime_serde")]
            pub head_deadline: Duration,
            /// How long a connection may rest between two requests.
            #[serde(with = "humantime_serde")]
            pub keep_alive: Duration,
            /// How long a body or an answer may stand still.
            #[serde(with = "humantime_serde")]
            pub stall: Duration,
            /// How much of a body or an answer moves in a second, at least.
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
            /// What its connections may do.
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
        /// What senders call, at the proxy in front: only shown.
        public_url: Option<String> = None,
        /// Threads; by default as many as the machine has cores.
        workers: Option<usize> = None,
        /// The most bytes that bodies in flight may hold, over all requests; by default a part of
        /// the memory that there is.
        in_flight: Option<ByteSize> = None,
        /// The largest head of a request: the names and values of its headers together.
        max_head: ByteSize = ByteSize::kib(32),
        /// The most header lines of a request.
        max_header_lines: usize = MOST_HEADER_LINES,
    }
}

listener! {
    /// The listener for operators.
    Operator on port 8081 for 256 connections, 64 a peer {
        /// Where browsers reach it: what links and examples begin with.
        public_url: Option<String> = None,
        /// Whether it may listen on an address that other machines reach.
        allow_remote: bool = false,
        /// How many may watch the stream at a time.
        stream_clients: usize = 32,
        /// The longest silence of the stream.
        #[serde(with = "humantime_serde")]
        heartbeat: Duration = Duration::from_secs(15),
        /// How many requests a caller may send that change nothing.
        reads: LimitEntry = LimitEntry::of(50, 200),
        /// How many requests a caller may send that change something.
        changes: LimitEntry = LimitEntry::of(5, 20),
        /// How often in a minute one address may come without a good key.
        failures_per_minute: NonZeroU32 = NonZeroU32::MIN.saturating_add(19),
        /// Whether people who sign in with a password need codes of an authenticator app too.
        require_second_factor: bool = false,
        /// The issuer that vouches for people.
        oidc: Option<OidcEntry> = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_take_the_same_keys_for_their_connections_and_no_unknown_one() {
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
    fn what_cannot_be_is_named_with_the_section_it_stands_in() {
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
