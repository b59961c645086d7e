use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};
use ipnet::IpNet;

use super::pace::Slowest;

/// The maximum number of broken connections logged per second.
const LOGGED_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();

#[derive(Debug)]
pub struct Settings {
    pub(super) listener: &'static str,
    pub(super) total: usize,
    pub(super) per_peer: usize,
    pub(super) head_deadline: Duration,
    pub(super) keep_alive: Duration,
    pub(super) slowest: Slowest,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) log: DefaultDirectRateLimiter,
}

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The maximum number of connections.
    pub total: usize,
    /// The maximum number of connections per client address that is not a proxy.
    pub per_peer: usize,
    /// The timeout of a request head.
    pub head_deadline: Duration,
    pub keep_alive: Duration,
    /// The stall timeout of a body or a response.
    pub stall: Duration,
    /// The minimum rate of a body or a response, in bytes per second.
    pub min_rate: NonZeroU64,
}

impl Settings {
    /// The settings of a listener. Connections of `trusted_proxies` are limited only by the total.
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
