//! What holds for the connections of a listener.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};
use ipnet::IpNet;

use super::pace::Slowest;

/// How many connections that did not end as they should are logged in a second.
const LOGGED_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// What holds for the connections of a listener.
#[derive(Debug)]
pub struct Settings {
    pub(super) listener: &'static str,
    pub(super) total: usize,
    pub(super) per_peer: usize,
    pub(super) head_deadline: Duration,
    pub(super) keep_alive: Duration,
    pub(super) slowest: Slowest,
    pub(super) trusted_proxies: Vec<IpNet>,
    /// What may be logged about connections.
    pub(super) log: DefaultDirectRateLimiter,
}

/// How many connections, and by when each has to make progress.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most connections.
    pub total: usize,
    /// The most connections of one peer that is no proxy.
    pub per_peer: usize,
    /// How long a head may take to arrive.
    pub head_deadline: Duration,
    /// How long a connection may rest between two requests.
    pub keep_alive: Duration,
    /// How long a body or an answer may stand still.
    pub stall: Duration,
    /// How many bytes of a body or an answer move in a second, at least.
    pub min_rate: NonZeroU64,
}

impl Settings {
    /// Of the listener of this name. Connections of `trusted_proxies` are bounded by the total
    /// alone.
    pub fn new(listener: &'static str, bounds: Bounds, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            listener,
            total: bounds.total.max(1),
            per_peer: bounds.per_peer.max(1),
            head_deadline: bounds.head_deadline,
            keep_alive: bounds.keep_alive,
            slowest: Slowest { rate: bounds.min_rate, stall: bounds.stall },
            trusted_proxies,
            log: DefaultDirectRateLimiter::direct(Quota::per_second(LOGGED_PER_SECOND)),
        }
    }

    /// Whether a peer is a proxy that is listed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }

    #[cfg(test)]
    pub(super) fn example() -> Self {
        let bounds = Bounds {
            total: 100,
            per_peer: 10,
            head_deadline: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            stall: Duration::from_secs(10),
            min_rate: NonZeroU64::new(1024).unwrap(),
        };
        Self::new("test", bounds, Vec::new())
    }
}
