//! Clients, as limits count them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

/// A peer: one IPv4 address, or one IPv6 /56 network, since a client can use all of its addresses.
/// If many clients share an address (see [`Peer::behind`]), each is a peer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    network: IpAddr,
    client: Option<u64>,
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self { network: network(address), client: None }
    }
}

impl Peer {
    /// A client reported by `address`, which is not trusted: it may be a proxy, or may have
    /// invented the client. The client is only told apart from other clients of the same address,
    /// never confused with one elsewhere.
    pub fn behind(address: IpAddr, client: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        match client.parse() {
            Ok(client) => network(client).hash(&mut hasher),
            Err(_) => client.hash(&mut hasher),
        }
        Self { network: network(address), client: Some(hasher.finish()) }
    }

    /// The client within its address, if it is told apart.
    pub fn client(self) -> Option<u64> {
        self.client
    }

    /// The peer for the whole address of a reported client; `None` if this peer is an address
    /// already.
    pub fn shared(self) -> Option<Self> {
        self.client.map(|_| Self { client: None, ..self })
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !((1 << 72) - 1))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn addresses_of_one_ipv6_site_are_one_peer() {
        assert_eq!(peer("2001:db8:0:12::1"), peer("2001:db8:0:ff::2"));
        assert_ne!(peer("2001:db8:0:100::1"), peer("2001:db8:0:200::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn clients_behind_a_proxy_are_distinct_and_local_to_it() {
        let proxy: IpAddr = [10, 0, 0, 1].into();
        let one = Peer::behind(proxy, "203.0.113.1");
        assert_eq!(one, Peer::behind(proxy, "::ffff:203.0.113.1"));
        assert_ne!(one, Peer::behind(proxy, "203.0.113.2"));
        assert_ne!(one, Peer::behind([10, 0, 0, 2].into(), "203.0.113.1"));
        assert_ne!(one, peer("203.0.113.1"), "a reported client is not the address itself");
        assert_ne!(Peer::behind(proxy, "_one"), Peer::behind(proxy, "_other"));
        assert_eq!(one.shared(), Some(peer("10.0.0.1")));
        assert_eq!(peer("10.0.0.1").shared(), None);
    }
}
