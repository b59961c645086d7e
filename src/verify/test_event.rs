//! A test event, sent by the holder of a source's secret to check the connection. It is recognised
//! by its body, which is signed like any other; a header could be added to a replayed request. It
//! is recorded for every provider and delivered to no handler.
//!
//! The body is `{"sealpost_test":"ID"}` and nothing else. Only where a sender signs members of the
//! body or writes its signature into it, the scheme decides: such a body has these members in
//! addition, and the signed ones are the id of the test event. A sender's own request has another
//! id there, so it is none, and cannot be turned into one.

use serde::{Deserialize, Serialize};

/// The event type.
pub const TEST_EVENT_TYPE: &str = "sealpost.test";
/// The member with the id.
pub(super) const MEMBER: &str = "sealpost_test";
/// Longer bodies are not test events.
const MAX_BYTES: usize = 256;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    sealpost_test: String,
}

/// The body of a test event with a unique `id`.
pub fn test_body(id: &str) -> Vec<u8> {
    // A struct with one string always serialises.
    serde_json::to_vec(&Test { sealpost_test: id.to_owned() }).unwrap_or_default()
}

pub(super) fn is_test(body: &[u8]) -> bool {
    body.len() <= MAX_BYTES && serde_json::from_slice::<Test>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_exact_test_body_is_a_test_event() {
        assert!(is_test(&test_body("1")));
        for body in
            [&b"{}"[..], b"[\"1\"]x", br#"{"sealpost_test":"1","id":"evt_1"}"#, b"", b"{\"id\":1}"]
        {
            assert!(!is_test(body), "{body:?}");
        }
    }
}
