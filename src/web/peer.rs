//! Whose request it is: the socket's address, or, behind proxies that are listed, the nearest
//! address that is not one of them. Behind a proxy that is not listed it is still that proxy's, but
//! the clients that it names are told apart, so that none is slowed down for another.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

use super::forwarded;
use crate::admin::{Listener, UnlistedProxies, is_internal};
use crate::ingest::Peer;

/// The most hops that are looked at, from the nearest.
const MAX_HOPS: usize = 16;

/// The proxies in front of a listener.
#[derive(Debug)]
pub struct Proxies {
    listener: Listener,
    trusted: Vec<IpNet>,
    unlisted: UnlistedProxies,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    /// The address, for people.
    pub(super) address: IpAddr,
    /// By what limits count.
    pub(super) peer: Peer,
}

impl From<IpAddr> for Sender {
    fn from(address: IpAddr) -> Self {
        Self { address, peer: address.into() }
    }
}

impl Proxies {
    /// The word of `trusted` counts. Others that speak as proxies do are noted in `unlisted`.
    pub fn new(listener: Listener, trusted: Vec<IpNet>, unlisted: UnlistedProxies) -> Self {
        Self { listener, trusted, unlisted }
    }

    /// Whose request it is. A header that anybody can write counts only as far as trusted proxies
    /// have written it.
    pub(super) fn sender(&self, request: &HttpRequest) -> Option<Sender> {
        let socket = request.peer_addr()?.ip().to_canonical();
        let hops = forwarded::hops(request.headers());
        if !self.trusts(socket) {
            let Some(client) = client(&hops) else { return Some(socket.into()) };
            self.unlisted.note(self.listener, socket, &self.trusted);
            // The port of a client is another each time.
            let address = forwarded::address(client).map(|address| address.to_string());
            let peer = Peer::behind(socket, address.as_deref().unwrap_or(client));
            return Some(Sender { address: socket, peer });
        }
        let mut nearest = socket;
        for hop in hops.iter().take(MAX_HOPS) {
            let Some(address) = forwarded::address(hop) else {
                return Some(Sender { address: nearest, peer: Peer::behind(nearest, hop) });
            };
            nearest = address;
            if !self.trusts(nearest) {
                break;
            }
        }
        Some(nearest.into())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// The client that a proxy that is not listed names: the nearest hop that is not within a network
/// of the operator's own, since that is likely to be a proxy too; else the nearest.
fn client(hops: &[String]) -> Option<&String> {
    let outside = |hop: &&String| forwarded::address(hop).is_none_or(|hop| !is_internal(hop));
    hops.iter().take(MAX_HOPS).find(outside).or(hops.first())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;

    fn sender(forwarded: &str, trusted: &[&str]) -> Sender {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:4000".parse().unwrap())
            .insert_header((header::X_FORWARDED_FOR, forwarded))
            .to_http_request();
        let trusted = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let proxies = Proxies::new(Listener::Ingest, trusted, UnlistedProxies::default());
        proxies.sender(&request).unwrap()
    }

    fn seen(forwarded: &str, trusted: &[&str]) -> String {
        sender(forwarded, trusted).address.to_string()
    }

    #[test]
    fn the_header_counts_only_behind_a_trusted_proxy() {
        assert_eq!(seen("203.0.113.9", &[]), "10.0.0.1");
        assert_eq!(seen("203.0.113.9", &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_nearest_hop_that_is_not_trusted_counts_and_not_what_the_client_wrote() {
        let all = &["10.0.0.0/8"];
        assert_eq!(seen("1.1.1.1, 203.0.113.9, 10.0.0.2", all), "203.0.113.9");
        assert_eq!(seen("spoof, [2001:db8::9]:99, 10.0.0.2:80", all), "2001:db8::9");
        for nonsense in ["spoof, unknown", "_hidden", "", ",,,,", "1.1.1.1, [::1"] {
            assert_eq!(seen(nonsense, all), "10.0.0.1", "{nonsense}");
        }
        assert_eq!(seen(&"10.0.0.3,".repeat(10_000), all), "10.0.0.3");
    }

    #[test]
    fn clients_that_a_trusted_proxy_hides_are_told_apart_by_what_it_calls_them() {
        let peer = |forwarded| sender(forwarded, &["10.0.0.0/8"]).peer;
        assert_ne!(peer("_one"), peer("_other"));
        assert_eq!(peer("spoof, _one"), peer("_one"));
    }

    #[test]
    fn clients_behind_a_proxy_that_is_not_listed_are_told_apart() {
        let peer = |forwarded| sender(forwarded, &[]).peer;
        assert_ne!(peer("203.0.113.1"), peer("203.0.113.2"));
        assert_eq!(peer("spoof, 203.0.113.1:55, 10.0.0.9"), peer("spoofed, 203.0.113.1:56"));
        assert_eq!(peer("203.0.113.1").shared(), Some(IpAddr::from([10, 0, 0, 1]).into()));
        assert_eq!(peer(""), IpAddr::from([10, 0, 0, 1]).into(), "it is no proxy");
    }
}
