//! Parses the forwarding headers of proxies: `X-Forwarded-For`, and `for` in `Forwarded` (RFC
//! 7239).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::http::header::{self, HeaderMap};

/// The hops of the headers, nearest first, as written but without quotes. If both headers are
/// present, `X-Forwarded-For` is used, since most proxies write it.
pub(super) fn hops(headers: &HeaderMap) -> Vec<String> {
    let mut hops = lines(headers, header::X_FORWARDED_FOR)
        .flat_map(|line| line.split(',').map(unquote).collect::<Vec<_>>())
        .filter(|hop| !hop.is_empty())
        .collect::<Vec<_>>();
    if hops.is_empty() {
        hops = lines(headers, header::FORWARDED)
            .flat_map(|line| split(&line, ',').into_iter().map(of_element).collect::<Vec<_>>())
            .flatten()
            .collect();
    }
    hops.reverse();
    hops
}

/// The address of a hop: with or without a port, IPv6 with or without brackets and zone. `None` for
/// anything else, such as `unknown` and `_hidden`.
pub(super) fn address(hop: &str) -> Option<IpAddr> {
    let address: IpAddr = match hop.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']')?;
            let is_port = after.is_empty() || after.starts_with(':');
            v6(inside).filter(|_| is_port)?.into()
        }
        // An IPv6 address has at least two colons: a single one precedes a port.
        None if hop.matches(':').count() > 1 => v6(hop)?.into(),
        None => {
            let address = hop.split_once(':').map_or(hop, |(address, _)| address);
            address.trim_ascii().parse::<Ipv4Addr>().ok()?.into()
        }
    };
    Some(address.to_canonical())
}

/// Removes the zone, which is only meaningful on the proxy.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.trim_ascii().parse().ok()
}

fn lines(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = String> {
    headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
}

/// The `for` value of an element of `Forwarded`; empty if missing, `None` without an element.
fn of_element(element: &str) -> Option<String> {
    if element.trim_ascii().is_empty() {
        return None;
    }
    let client = split(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim_ascii().eq_ignore_ascii_case("for").then(|| unquote(value))
    });
    Some(client.unwrap_or_default())
}

/// Splits at separators outside of quotes. If a quote is left open, quotes are ignored: a proxy
/// appends to the client's value, and its part must not be swallowed by an open quote.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let mut separates = |character: char| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match character {
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    };
    let parts = text.split(&mut separates).collect();
    if quoted { text.split(separator).collect() } else { parts }
}

fn unquote(text: &str) -> String {
    let text = text.trim_ascii();
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match inside {
        Some(inside) => inside.replace('\\', "").trim_ascii().to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn of(lines: &[(HeaderName, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name.clone(), HeaderValue::from_static(line));
        }
        hops(&headers)
    }

    #[test]
    fn addresses_are_parsed_in_every_form() {
        for (hop, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:51724", "203.0.113.9"),
            ("203.0.113.9:_port", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("2001:DB8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:51724", "2001:db8::9"),
            ("[2001:db8::9%eth0]:51724", "2001:db8::9"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:443", "203.0.113.9"),
        ] {
            assert_eq!(address(hop).map(|address| address.to_string()), Some(expected.to_owned()));
        }
        for hop in [
            "",
            "unknown",
            "_hidden",
            "_hidden:80",
            "unknown:80",
            "[2001:db8::9",
            "[2001:db8::9]x",
            "203.0.113",
            "203.0.113.9.1",
            "example.com",
            "]",
            "[]",
            ":",
        ] {
            assert_eq!(address(hop), None, "{hop}");
        }
    }

    #[test]
    fn hops_of_both_headers_are_nearest_first() {
        let (list, forwarded) = (header::X_FORWARDED_FOR, header::FORWARDED);
        assert_eq!(of(&[(list.clone(), "a, b ,,\"[::1]:5\" ,")]), ["[::1]:5", "b", "a"]);
        assert_eq!(of(&[(list.clone(), "a"), (list.clone(), "b,c")]), ["c", "b", "a"]);
        assert_eq!(
            of(&[(
                forwarded.clone(),
                "for=192.0.2.60;proto=http;by=203.0.113.43, For=\"[2001:db8:cafe::17]:4711\""
            )]),
            ["[2001:db8:cafe::17]:4711", "192.0.2.60"]
        );
        assert_eq!(
            of(&[(forwarded.clone(), "by=_a,proto=http ; FOR = \"_h,i;d\" ; host=x")]),
            ["_h,i;d", ""]
        );
        assert_eq!(of(&[(forwarded.clone(), "proto=https;for=\"_h,i;d\\\"en\"")]), ["_h,i;d\"en"]);
        assert_eq!(
            of(&[(forwarded.clone(), "for=a"), (forwarded.clone(), "proto=http")]),
            ["", "a"]
        );
        assert_eq!(of(&[(forwarded, "for=x"), (list, "y")]), ["y"]);
        assert_eq!(of(&[(header::X_FORWARDED_FOR, ", ,")]), Vec::<String>::new());
    }

    #[test]
    fn open_quotes_do_not_swallow_the_proxys_part() {
        let (list, forwarded) = (header::X_FORWARDED_FOR, header::FORWARDED);
        assert_eq!(of(&[(list, "\"a, 203.0.113.9")]), ["203.0.113.9", "\"a"]);
        for line in ["for=\"a, for=203.0.113.9", "for=\"a\\\", for=203.0.113.9"] {
            assert_eq!(of(&[(forwarded.clone(), line)]).first().unwrap(), "203.0.113.9", "{line}");
        }
    }
}
