//! Whose request it is: the socket's address, or, behind proxies that are listed, the nearest
//! address that is not one of them.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header;
use ipnet::IpNet;

/// The most entries of `X-Forwarded-For` that are looked at, from the right.
const MAX_HOPS: usize = 16;

/// The address that limits are counted by. A header that anybody can write counts only as far as
/// trusted proxies have written it.
pub(super) fn address(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let socket = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if !is_trusted(socket) {
        return Some(socket);
    }
    let lines = request.headers().get_all(header::X_FORWARDED_FOR);
    let hops: Vec<&str> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let mut nearest = socket;
    for hop in hops.iter().rev().take(MAX_HOPS) {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        nearest = address.to_canonical();
        if !is_trusted(nearest) {
            break;
        }
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(forwarded: &str, trusted: &[&str]) -> String {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:4000".parse().unwrap())
            .insert_header((header::X_FORWARDED_FOR, forwarded))
            .to_http_request();
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        address(&request, &trusted).unwrap().to_string()
    }

    #[test]
    fn the_header_counts_only_behind_a_trusted_proxy() {
        assert_eq!(seen("203.0.113.9", &[]), "10.0.0.1");
        assert_eq!(seen("203.0.113.9", &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_nearest_hop_that_is_not_trusted_counts_and_not_what_the_client_wrote() {
        assert_eq!(seen("1.1.1.1, 203.0.113.9, 10.0.0.2", &["10.0.0.0/8"]), "203.0.113.9");
        for nonsense in ["spoof, [::1]:99", "fe80::1%eth0", "", ",,,,"] {
            assert_eq!(seen(nonsense, &["10.0.0.0/8"]), "10.0.0.1", "{nonsense}");
        }
        assert_eq!(seen(&"10.0.0.3,".repeat(10_000), &["10.0.0.0/8"]), "10.0.0.1");
    }
}
