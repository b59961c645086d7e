//! The two listeners.

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

/// The listener for webhooks.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What senders call, at the proxy in front: only shown.
    pub public_url: Option<String>,
    /// Threads; by default as many as the machine has cores.
    pub workers: Option<usize>,
    /// The most bytes that bodies in flight may hold, over all requests; by default a part of the
    /// memory that there is.
    pub in_flight: Option<ByteSize>,
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
    /// The largest head of a request: the names and values of its headers together.
    pub max_head: ByteSize,
    /// The most header lines of a request.
    pub max_header_lines: usize,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            workers: None,
            in_flight: None,
            trusted_proxies: Vec::new(),
            connections: 1024,
            connections_per_peer: 128,
            head_deadline: HEAD_DEADLINE,
            keep_alive: KEEP_ALIVE,
            stall: STALL,
            min_rate: MIN_RATE,
            max_head: ByteSize::kib(32),
            max_header_lines: MOST_HEADER_LINES,
        }
    }
}

/// The listener for operators.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operator {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where browsers reach it: what links and examples begin with.
    pub public_url: Option<String>,
    /// Whether it may listen on an address that other machines reach.
    pub allow_remote: bool,
    /// How many may watch the stream at a time.
    pub stream_clients: usize,
    /// The longest silence of the stream.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How many requests a caller may send that change nothing.
    pub reads: LimitEntry,
    /// How many requests a caller may send that change something.
    pub changes: LimitEntry,
    /// How often in a minute one address may come without a good key.
    pub failures_per_minute: NonZeroU32,
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
    /// Whether people who sign in with a password need codes of an authenticator app too.
    pub require_second_factor: bool,
    /// The issuer that vouches for people.
    pub oidc: Option<OidcEntry>,
}

impl Default for Operator {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            public_url: None,
            allow_remote: false,
            stream_clients: 32,
            heartbeat: Duration::from_secs(15),
            reads: LimitEntry::of(50, 200),
            changes: LimitEntry::of(5, 20),
            failures_per_minute: NonZeroU32::MIN.saturating_add(19),
            trusted_proxies: Vec::new(),
            connections: 256,
            connections_per_peer: 64,
            head_deadline: HEAD_DEADLINE,
            keep_alive: KEEP_ALIVE,
            stall: STALL,
            min_rate: MIN_RATE,
            require_second_factor: false,
            oidc: None,
        }
    }
}
