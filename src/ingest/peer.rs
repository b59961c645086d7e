//! Whose request it is, as limits count.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

/// A peer: one IPv4 address, or one IPv6 network of 56 bits, within which addresses cost nothing.
/// Where many clients share an address (see [`Peer::behind`]), each of them by itself.
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
    /// A client that `address` names, where its word cannot be trusted: `address` may be a proxy,
    /// or may have made the client up. The client is told apart from others of the same address,
    /// and from nobody else: whatever is claimed, it only counts below `address`.
    pub fn behind(address: IpAddr, client: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        match client.parse() {
            Ok(client) => network(client).hash(&mut hasher),
            Err(_) => client.hash(&mut hasher),
        }
        Self { network: network(address), client: Some(hasher.finish()) }
    }

    /// Which client of its address it is, where that is told apart.
    pub fn client(self) -> Option<u64> {
        self.client
    }

    /// The address of a client that was only named, with everybody behind it; `None` for a peer
    /// that is an address itself.
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
    fn addresses_within_one_ipv6_site_are_one_peer() {
        assert_eq!(peer("2001:db8:0:12::1"), peer("2001:db8:0:ff::2"));
        assert_ne!(peer("2001:db8:0:100::1"), peer("2001:db8:0:200::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn clients_behind_one_address_are_told_apart_and_nobody_elsewhere_is_meant() {
        let proxy: IpAddr = [10, 0, 0, 1].into();
        let one = Peer::behind(proxy, "203.0.113.1");
        assert_eq!(one, Peer::behind(proxy, "::ffff:203.0.113.1"));
        assert_ne!(one, Peer::behind(proxy, "203.0.113.2"));
        assert_ne!(one, Peer::behind([10, 0, 0, 2].into(), "203.0.113.1"));
        assert_ne!(one, peer("203.0.113.1"), "who is named is not who was named");
        assert_ne!(Peer::behind(proxy, "_one"), Peer::behind(proxy, "_other"));
        assert_eq!(one.shared(), Some(peer("10.0.0.1")));
        assert_eq!(peer("10.0.0.1").shared(), None);
    }
}
