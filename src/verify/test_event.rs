//! A test event, sent by the holder of a source's secret to check the connection. It is recognised
//! by its body, which is signed like every other; a header could be added to a replayed request. It
//! is recorded for every provider and delivered to no handler.

use serde::{Deserialize, Serialize};

/// The type under which it is recorded.
pub const TEST_EVENT_TYPE: &str = "sealpost.test";
/// Longer bodies are none.
const LONGEST: usize = 256;

/// The whole body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    sealpost_test: String,
}

/// The body of a test event; `id` tells it from every other.
pub fn test_body(id: &str) -> Vec<u8> {
    // One text cannot fail to be written.
    serde_json::to_vec(&Test { sealpost_test: id.to_owned() }).unwrap_or_default()
}

/// Whether this is the body of a test event.
pub(super) fn is_test(body: &[u8]) -> bool {
    body.len() <= LONGEST && serde_json::from_slice::<Test>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_body_that_is_made_for_it_is_a_test() {
        assert!(is_test(&test_body("1")));
        for body in
            [&b"{}"[..], b"[\"1\"]x", br#"{"sealpost_test":"1","id":"evt_1"}"#, b"", b"{\"id\":1}"]
        {
            assert!(!is_test(body), "{body:?}");
        }
    }
}
