//! A destination's filter: a `JSONPath` query (RFC 9535) that matches if it selects anything. A
//! condition on the whole body has the form `$[?$.data.object.amount > 1000]`.

use serde_json::Value;
use serde_json_path::JsonPath;

/// Larger bodies are not examined and always match: a filter only removes noise, and no event may
/// be lost because of its size.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A query over the decoded body. It is validated at startup and cannot fail later: absent values
/// are not selected, and a body that is not JSON never matches.
#[derive(Debug, Clone)]
pub(super) struct Filter(JsonPath);

#[derive(Debug, thiserror::Error)]
#[error("`{query}` is not a valid JSONPath query (RFC 9535)")]
pub struct FilterError {
    query: String,
    #[source]
    error: serde_json_path::ParseError,
}

impl Filter {
    pub(super) fn new(query: &str) -> Result<Self, FilterError> {
        match JsonPath::parse(query) {
            Ok(path) => Ok(Self(path)),
            Err(error) => Err(FilterError { query: query.to_owned(), error }),
        }
    }

    pub(super) fn matches(&self, json: &[u8]) -> bool {
        if json.len() > MAX_BYTES {
            return true;
        }
        match serde_json::from_slice::<Value>(json) {
            Ok(value) => !self.0.query(&value).is_empty(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"type":"paid","data":{"object":{"amount":1200,"tags":["a","b"]}}}"#;

    #[test]
    fn filter_matches_if_it_selects_anything() {
        for (query, matches) in [
            ("$.type", true),
            ("$.absent", false),
            ("$[?$.type == 'paid']", true),
            ("$[?$.type == 'open']", false),
            ("$[?$.data.object.amount > 1000]", true),
            ("$[?$.data.object.amount > 2000]", false),
            ("$[?$.type == 'paid' && $.data.object.amount > 1000]", true),
            ("$[?$.absent > 1]", false),
            ("$.data.object.tags[?@ == 'b']", true),
            ("$[?match($.type, 'pa.*')]", true),
            ("$..amount", true),
        ] {
            assert_eq!(Filter::new(query).unwrap().matches(BODY), matches, "{query}");
        }
    }

    #[test]
    fn non_json_never_matches_and_oversized_body_always_does() {
        let filter = Filter::new("$.type").unwrap();
        for body in [&b""[..], b"type", b"\xff", b"{\"type\":1", b"[]", b"null"] {
            assert!(!filter.matches(body), "{body:?}");
        }
        assert!(filter.matches(&vec![b'['; MAX_BYTES + 1]));
    }

    #[test]
    fn invalid_query_is_rejected() {
        for query in ["", "type", "$[", "$.a ||", "$[?foo(@)]", "@.type"] {
            assert!(Filter::new(query).is_err(), "{query:?} was accepted");
        }
    }
}
