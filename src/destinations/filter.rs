//! A destination's look into the body: a `JSONPath` query (RFC 9535), which matches where it selects
//! anything. `$[?$.data.object.amount > 1000]` is the form for a condition on the whole.

use serde_json::Value;
use serde_json_path::JsonPath;

/// Bodies larger than this are not looked into, and match: what a filter keeps away is noise, and
/// an event must not be lost for its size.
const LARGEST: usize = 8 * 1024 * 1024;

/// A query over the decoded body. It is checked when it is made and cannot fail afterwards: what
/// is not there is not selected, and what is no JSON holds nothing.
#[derive(Debug, Clone)]
pub(super) struct Filter(JsonPath);

/// Why a filter cannot be used.
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
        if json.len() > LARGEST {
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
    fn a_filter_matches_where_it_selects_anything() {
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
    fn what_is_no_json_does_not_match_and_what_is_too_large_does() {
        let filter = Filter::new("$.type").unwrap();
        for body in [&b""[..], b"type", b"\xff", b"{\"type\":1", b"[]", b"null"] {
            assert!(!filter.matches(body), "{body:?}");
        }
        assert!(filter.matches(&vec![b'['; LARGEST + 1]));
    }

    #[test]
    fn a_query_that_is_none_is_refused() {
        for query in ["", "type", "$[", "$.a ||", "$[?foo(@)]", "@.type"] {
            assert!(Filter::new(query).is_err(), "{query:?} was taken");
        }
    }
}
