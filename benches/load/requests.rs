//! Signed requests, each with another event.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sealpost::providers::{self, Draft};
use sealpost::verify::Secret;

const BODY_BYTES: usize = 1024;
pub(crate) const SECRET: &str = "whsec_benchmark_0123456789abcdef";

/// No two events of a run have the same number.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// Where the gateway receives them.
pub(crate) const PATH: &str = "/hooks/billing";

/// So many Stripe events for the gateway.
pub(crate) fn of_stripe(count: usize) -> Arc<Vec<Bytes>> {
    events(PATH, count, usize::MAX)
}

/// So many Stripe events as bytes on the wire, about so many subjects: each is a lane. They are signed
/// now: every receiver rejects old ones.
pub(crate) fn events(path: &str, count: usize, subjects: usize) -> Arc<Vec<Bytes>> {
    let at = now();
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    let request = |number: usize| {
        let subject = number % subjects;
        let head = format!(
            "{{\"id\":\"evt_{number:012}\",\"object\":\"event\",\"type\":\"charge.succeeded\",\
             \"created\":{at},\"livemode\":false,\"data\":{{\"object\":{{\"id\":\"ch_{subject:012}\",\
             \"note\":\""
        );
        let filling = "x".repeat(BODY_BYTES.saturating_sub(head.len() + 5));
        let body = format!("{head}{filling}\"}}}}}}");
        signed("stripe", path, SECRET, &toml::Table::new(), &body)
    };
    Arc::new((first..first + count).map(request).collect())
}

/// A request as bytes on the wire.
pub(crate) fn signed(
    provider: &str,
    path: &str,
    secret: &str,
    options: &toml::Table,
    body: &str,
) -> Bytes {
    let sign = providers::find(provider).unwrap().sign.expect("a provider with handlers");
    let secret = Secret::new(secret).unwrap();
    let draft = Draft {
        options,
        secret: &secret,
        token: None,
        at: now(),
        headers: &[],
        body: body.as_bytes(),
    };
    let mut text = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         user-agent: Stripe/1.0\r\n"
    );
    for (name, value) in sign(&draft) {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    write!(text, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    text.into()
}

/// The body of a request.
pub(crate) fn body(request: &Bytes) -> Bytes {
    let head = request.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
    request.slice(head + 4..)
}

pub(crate) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
