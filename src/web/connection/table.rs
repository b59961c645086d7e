//! The connection table of a listener. Connections are limited per client address and in total; at
//! a limit, a connection without progress is evicted for a new one.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use metrics::{Counter, Gauge};
use tokio::time::Instant;

use super::Settings;
use crate::ingest::Peer;

/// How long a body or a response must be stalled before its connection can be evicted, in
/// microseconds.
const STALLED: u64 = 1_000_000;

/// The maximum number of detected proxies that are not in the trusted list.
const FORWARDERS: usize = 64;

/// The state of a connection, in eviction order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Activity {
    Closing,
    /// Without a complete request head.
    Head,
    /// Waiting for the client within a request or a response.
    Stalled,
    /// Idle between requests.
    Idle,
    /// Processing a request; never evicted.
    Work,
}

impl Activity {
    const ALL: [Self; 5] = [Self::Closing, Self::Head, Self::Stalled, Self::Idle, Self::Work];
    const BITS: u32 = 3;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The limit per client address is reached and all its connections are processing.
    Peer,
    /// The limit of the listener is reached and all connections are processing.
    Full,
}

#[derive(Debug)]
struct Entry {
    /// Its state, and since when.
    state: AtomicU64,
    is_evicted: AtomicBool,
    waker: AtomicWaker,
}

/// The connections of one listener, across its threads.
#[derive(Debug)]
pub(super) struct Connections {
    settings: Arc<Settings>,
    base: Instant,
    taken: Mutex<Taken>,
    open: Gauge,
    accepted: Counter,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    /// By client address, and whether that is a proxy.
    peers: HashMap<Key, Vec<Arc<Entry>>>,
    /// Addresses of private networks detected as proxies.
    forwarders: HashSet<Peer>,
}

type Key = (Peer, IsProxy);
type IsProxy = bool;

/// A slot in the table, released on drop.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<Connections>,
    key: Key,
    address: IpAddr,
    entry: Arc<Entry>,
}

impl Connections {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let listener = settings.listener;
        Self {
            base: Instant::now(),
            taken: Mutex::default(),
            open: metrics::gauge!("sealpost_connections_open", "listener" => listener),
            accepted: metrics::counter!("sealpost_connections_total", "listener" => listener),
            settings,
        }
    }

    /// Takes a slot for a connection from this address.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Refused> {
        let peer = Peer::from(address);
        let entry = Arc::new(Entry {
            state: AtomicU64::new(self.pack(Activity::Head, Instant::now())),
            is_evicted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        let mut taken = self.taken();
        let is_proxy = self.settings.trusts(address) || taken.forwarders.contains(&peer);
        let key = (peer, is_proxy);
        let own = taken.peers.get(&key).map_or(0, Vec::len);
        if !is_proxy && own >= self.settings.per_peer && !self.evict_from(&mut taken, &key) {
            return Err(Refused::Peer);
        }
        if taken.count >= self.settings.total && !self.evict_any(&mut taken) {
            return Err(Refused::Full);
        }
        taken.count += 1;
        taken.peers.entry(key).or_default().push(Arc::clone(&entry));
        drop(taken);
        self.open.increment(1.0);
        self.accepted.increment(1);
        Ok(Slot { connections: Arc::clone(self), key, address, entry })
    }

    /// Evicts a connection of this address; false if all are processing.
    fn evict_from(&self, taken: &mut Taken, key: &Key) -> bool {
        let now = self.micros(Instant::now());
        let Some(entries) = taken.peers.get_mut(key) else { return false };
        let first = entries
            .iter()
            .enumerate()
            .filter_map(|(place, entry)| Some((entry.eviction_order(now)?, place)))
            .min();
        let Some((_, place)) = first else { return false };
        let entry = entries.swap_remove(place);
        if entries.is_empty() {
            taken.peers.remove(key);
        }
        taken.count -= 1;
        entry.is_evicted.store(true, Ordering::Release);
        entry.waker.wake();
        true
    }

    /// Evicts a connection of the address with the most connections, proxies last.
    fn evict_any(&self, taken: &mut Taken) -> bool {
        let sizes = taken.peers.iter().map(|(key, entries)| (*key, entries.len()));
        let mut peers: Vec<(Key, usize)> = sizes.collect();
        peers.sort_by_key(|((_, is_proxy), size)| (*is_proxy, std::cmp::Reverse(*size)));
        peers.into_iter().any(|(key, _)| self.evict_from(taken, &key))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.base).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).min(u64::MAX >> Activity::BITS)
    }

    fn pack(&self, activity: Activity, since: Instant) -> u64 {
        (self.micros(since) << Activity::BITS) | activity as u64
    }
}

impl Entry {
    /// Its eviction order, smallest first; `None` is never evicted.
    fn eviction_order(&self, now: u64) -> Option<(Activity, u64)> {
        let state = self.state.load(Ordering::Relaxed);
        let since = state >> Activity::BITS;
        let place = usize::try_from(state & ((1 << Activity::BITS) - 1)).ok()?;
        let activity = *Activity::ALL.get(place)?;
        match activity {
            Activity::Work => None,
            Activity::Stalled if now.saturating_sub(since) < STALLED => None,
            _ => Some((activity, since)),
        }
    }
}

impl Slot {
    pub(super) fn set_activity(&self, activity: Activity, since: Instant) {
        self.entry.state.store(self.connections.pack(activity, since), Ordering::Relaxed);
    }

    /// Records that a request is being handled: since when does not matter.
    pub(super) fn set_working(&self) {
        self.entry.state.store(Activity::Work as u64, Ordering::Relaxed);
    }

    /// Whether the connection is to be evicted; otherwise registers the waker.
    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        self.entry.waker.register(waker);
        self.entry.is_evicted.load(Ordering::Acquire)
    }

    /// The peer sends forwarding headers. On a private network it is treated as an unlisted proxy,
    /// which may have more connections than one client address.
    pub(super) fn mark_forwarding(&self) {
        let (peer, is_proxy) = self.key;
        if is_proxy || !is_internal(self.address) {
            return;
        }
        let mut taken = self.connections.taken();
        if taken.forwarders.len() < FORWARDERS {
            taken.forwarders.insert(peer);
        }
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.open.decrement(1.0);
        let mut taken = self.connections.taken();
        let Some(entries) = taken.peers.get_mut(&self.key) else { return };
        // An evicted connection is already removed.
        let Some(place) = entries.iter().position(|entry| Arc::ptr_eq(entry, &self.entry)) else {
            return;
        };
        entries.swap_remove(place);
        if entries.is_empty() {
            taken.peers.remove(&self.key);
        }
        taken.count -= 1;
    }
}

/// Whether an address is a loopback or private one.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_peer: usize, trusted: &[&str]) -> Arc<Connections> {
        let trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let settings = Settings { total, per_peer, trusted_proxies, ..Settings::example() };
        Arc::new(Connections::new(Arc::new(settings)))
    }

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    fn is_evicted(slot: &Slot) -> bool {
        slot.is_evicted(Waker::noop())
    }

    fn at_work(slot: Slot) -> Slot {
        slot.set_activity(Activity::Work, Instant::now());
        slot
    }

    #[test]
    fn connections_per_address_are_limited_and_released() {
        let table = connections(100, 2, &[]);
        let admit = |address: &str| table.admit(from(address));
        let (first, second) = (at_work(admit("192.0.2.1").unwrap()), admit("192.0.2.1").unwrap());
        let second = at_work(second);
        assert_eq!(admit("192.0.2.1").err(), Some(Refused::Peer));
        assert!(admit("192.0.2.2").is_ok(), "another address is not affected");
        drop(first);
        assert!(admit("192.0.2.1").is_ok());
        drop(second);
        assert_eq!(table.taken().count, 0);
        assert!(table.taken().peers.is_empty());
    }

    #[test]
    fn stalled_connections_are_evicted_in_order() {
        let table = connections(100, 4, &[]);
        let began = Instant::now();
        let later = |millis: u64| began + std::time::Duration::from_millis(millis);
        let slot = |activity: Activity, since: u64| {
            let slot = table.admit(from("192.0.2.1")).unwrap();
            slot.set_activity(activity, later(since));
            slot
        };
        let idle = slot(Activity::Idle, 0);
        let (old, new) = (slot(Activity::Head, 20), slot(Activity::Head, 30));
        let closing = slot(Activity::Closing, 40);
        for next in [&closing, &old, &new, &idle] {
            assert!(!is_evicted(next));
            let newcomer = at_work(table.admit(from("192.0.2.1")).unwrap());
            assert!(is_evicted(next));
            assert_eq!(table.taken().count, 4, "it is no longer counted");
            std::mem::forget(newcomer);
        }
        assert!(table.admit(from("192.0.2.1")).is_err());
        drop((idle, old, new, closing));
        assert_eq!(table.taken().count, 4, "and is not released twice");
    }

    #[test]
    fn full_listener_evicts_from_the_largest_address_and_proxies_last() {
        let table = connections(6, 100, &["10.0.0.0/8"]);
        let admit = |address: &str| table.admit(from(address)).unwrap();
        let proxied: Vec<Slot> = (0..3).map(|_| admit("10.0.0.1")).collect();
        let many: Vec<Slot> = (0..2).map(|_| admit("192.0.2.1")).collect();
        let single = admit("192.0.2.2");
        let newcomer = at_work(admit("192.0.2.3"));
        assert_eq!(many.iter().filter(|slot| is_evicted(slot)).count(), 1);
        assert!(!is_evicted(&single));
        assert!(!proxied.iter().any(is_evicted));
        let others: Vec<Slot> = (0..5).map(|_| at_work(admit("192.0.2.3"))).collect();
        assert!(proxied.iter().all(is_evicted), "when no other address has any");
        assert_eq!(table.admit(from("192.0.2.4")).err(), Some(Refused::Full));
        drop((newcomer, others));
    }

    #[test]
    fn proxies_are_exempt_from_the_limit_per_address() {
        let table = connections(100, 1, &["10.0.0.0/8"]);
        let admit = |address: &str| table.admit(from(address)).map(at_work);
        let _listed = [admit("10.0.0.1").unwrap(), admit("10.0.0.1").unwrap()];
        let near = admit("127.0.0.1").unwrap();
        assert!(admit("127.0.0.1").is_err());
        near.mark_forwarding();
        let _unlisted = [admit("127.0.0.1").unwrap(), admit("127.0.0.1").unwrap()];
        let far = admit("192.0.2.1").unwrap();
        far.mark_forwarding();
        assert!(admit("192.0.2.1").is_err(), "any client can send the header");
    }
}
