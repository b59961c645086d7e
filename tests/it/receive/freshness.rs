//! The allowed age of a signature.

use std::time::Duration;

use sealpost::clock::Clock;

use super::signatures::secret;
use super::{Bench, RequestOutcome, card, event, with};

const STALE: RequestOutcome = RequestOutcome::Unauthorized("ts_stale");
const FUTURE: RequestOutcome = RequestOutcome::Unauthorized("ts_future");
const MALFORMED: RequestOutcome = RequestOutcome::Unauthorized("ts_malformed");

#[tokio::test]
async fn signature_is_valid_for_five_minutes_either_way() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let now = gateway.clock().now().unix_timestamp();
    for (offset, outcome) in [
        (0, RequestOutcome::Accepted),
        (-299, RequestOutcome::Accepted),
        (-300, RequestOutcome::Accepted),
        (299, RequestOutcome::Accepted),
        (300, RequestOutcome::Accepted),
        (-301, STALE),
        (-86_400, STALE),
        (301, FUTURE),
        (86_400, FUTURE),
        (-now + 1, STALE),
    ] {
        for (source, kind, action, body) in [
            ("billing", "stripe", None, event().to_string()),
            ("cards", "docora", Some("create"), card().to_string()),
        ] {
            let headers = gateway.sign_at(source, body.as_bytes(), &[], now + offset);
            let sent = gateway.send_raw(source, action, &headers, body.as_bytes());
            bench.check(&format!("{source} {offset}"), kind, outcome, sent).await;
        }
    }
    bench.finish().await;
}

#[tokio::test]
async fn signed_timestamp_must_be_plain_digits() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let now = gateway.clock().now().unix_timestamp();
    let hex_now = format!("{now:#x}");
    let padded = format!("0{now}");
    let (plus, point, colon) = (format!("+{now}"), format!("{now}.0"), format!("{now}:5"));
    let grouped = "1_764_000_000";
    let millis = format!("{now}000");
    for (what, outcome, text) in [
        ("a sign", MALFORMED, plus.as_str()),
        ("a zero before", MALFORMED, &padded),
        ("a point", MALFORMED, &point),
        ("a colon", MALFORMED, &colon),
        ("an exponent", MALFORMED, "1.7e9"),
        ("groups", MALFORMED, grouped),
        ("hexadecimal", MALFORMED, &hex_now),
        ("milliseconds", MALFORMED, &millis),
        ("zero", MALFORMED, "0"),
        ("minus one", MALFORMED, "-1"),
        ("the least", MALFORMED, "-9223372036854775808"),
        ("the greatest", MALFORMED, "9223372036854775807"),
        ("beyond the greatest", MALFORMED, "9223372036854775808"),
        ("thirty digits", MALFORMED, "999999999999999999999999999999"),
        ("eleven digits", FUTURE, "99999999999"),
        ("one", STALE, "1"),
        ("nothing", MALFORMED, ""),
        ("a word", MALFORMED, "now"),
    ] {
        let body = card().to_string().into_bytes();
        let mac = hex::encode(secret(gateway, "cards", 0).sign(&[text.as_bytes(), b".", &body]));
        let signed = gateway.sign("cards", &body, &[]);
        let headers = with(&signed, "x-docora-timestamp", text);
        let headers = with(&headers, "x-docora-signature", format!("sha256={mac}"));
        let sent = gateway.send_raw("cards", Some("create"), &headers, &body);
        bench.check(what, "docora", outcome, sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn changed_timestamp_is_a_mismatch() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let now = gateway.clock().now().unix_timestamp();
    let body = card().to_string().into_bytes();
    let signed = gateway.sign_at("cards", &body, &[], now - 1_000);
    let headers = with(&signed, "x-docora-timestamp", now.to_string());
    let sent = gateway.send_raw("cards", Some("create"), &headers, &body);
    bench.check("refreshed", "docora", RequestOutcome::Unauthorized("sig_mismatch"), sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn only_the_signing_time_counts_toward_freshness() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let mut old = event();
    old["created"] = (gateway.clock().now().unix_timestamp() - 3 * 86_400).into();
    let body = old.to_string().into_bytes();
    bench
        .check("old", "stripe", RequestOutcome::Accepted, gateway.send("billing", None, &body))
        .await;
    bench.finish().await;
}

#[tokio::test]
async fn a_captured_request_is_a_duplicate_and_later_stale() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let headers = gateway.sign("billing", &body, &[]);
    let send = || gateway.send_raw("billing", None, &headers, &body);
    bench.check("first", "stripe", RequestOutcome::Accepted, send()).await;
    gateway.clock().advance(Duration::from_mins(5));
    bench.check("again", "stripe", RequestOutcome::Duplicate, send()).await;
    gateway.clock().advance(Duration::from_secs(1));
    bench.check("too late", "stripe", STALE, send()).await;
    bench.finish().await;
}
