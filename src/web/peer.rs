//! The client address of a request: the socket address, or, behind trusted proxies, the nearest
//! address that is not one of them. Behind an unlisted proxy it is the proxy's address, but the
//! clients it names have separate rate limits.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

use super::forwarded;
use crate::admin::{Listener, UnlistedProxies, is_internal};
use crate::ingest::Peer;

/// The maximum number of hops inspected, from the nearest.
const MAX_HOPS: usize = 16;

/// The trusted proxies of a listener.
#[derive(Debug)]
pub struct Proxies {
    listener: Listener,
    trusted: Vec<IpNet>,
    unlisted: UnlistedProxies,
}

/// The client of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    pub(super) address: IpAddr,
    /// The key for rate limits.
    pub(super) peer: Peer,
}

impl From<IpAddr> for Sender {
    fn from(address: IpAddr) -> Self {
        Self { address, peer: address.into() }
    }
}

impl Proxies {
    /// Headers of `trusted` proxies are used. Other proxies are recorded in `unlisted`.
    pub fn new(listener: Listener, trusted: Vec<IpNet>, unlisted: UnlistedProxies) -> Self {
        Self { listener, trusted, unlisted }
    }

    /// The client of a request. Forwarding headers are used only as far as trusted proxies wrote
    /// them.
    pub(super) fn sender(&self, request: &HttpRequest) -> Option<Sender> {
        let socket = request.peer_addr()?.ip().to_canonical();
        let hops = forwarded::hops(request.headers());
        if !self.trusts(socket) {
            let Some(client) = client(&hops) else { return Some(socket.into()) };
            self.unlisted.record(self.listener, socket, &self.trusted);
            // The port of a client changes with each connection.
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

/// The client named by an unlisted proxy: the nearest hop that is not on a private network, since
/// that is likely a proxy too; else the nearest hop.
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
    fn header_is_used_only_behind_a_trusted_proxy() {
        assert_eq!(seen("203.0.113.9", &[]), "10.0.0.1");
        assert_eq!(seen("203.0.113.9", &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn nearest_untrusted_hop_is_the_client() {
        let all = &["10.0.0.0/8"];
        assert_eq!(seen("1.1.1.1, 203.0.113.9, 10.0.0.2", all), "203.0.113.9");
        assert_eq!(seen("spoof, [2001:db8::9]:99, 10.0.0.2:80", all), "2001:db8::9");
        for nonsense in ["spoof, unknown", "_hidden", "", ",,,,", "1.1.1.1, [::1"] {
            assert_eq!(seen(nonsense, all), "10.0.0.1", "{nonsense}");
        }
        assert_eq!(seen(&"10.0.0.3,".repeat(10_000), all), "10.0.0.3");
    }

    #[test]
    fn hidden_clients_of_a_trusted_proxy_are_distinguished() {
        let peer = |forwarded| sender(forwarded, &["10.0.0.0/8"]).peer;
        assert_ne!(peer("_one"), peer("_other"));
        assert_eq!(peer("spoof, _one"), peer("_one"));
    }

    #[test]
    fn clients_behind_an_unlisted_proxy_are_distinguished() {
        let peer = |forwarded| sender(forwarded, &[]).peer;
        assert_ne!(peer("203.0.113.1"), peer("203.0.113.2"));
        assert_eq!(peer("spoof, 203.0.113.1:55, 10.0.0.9"), peer("spoofed, 203.0.113.1:56"));
        assert_eq!(peer("203.0.113.1").shared(), Some(IpAddr::from([10, 0, 0, 1]).into()));
        assert_eq!(peer(""), IpAddr::from([10, 0, 0, 1]).into(), "not a proxy");
    }
}
