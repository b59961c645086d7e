//! Verification of signatures.

use hmac::{Hmac, KeyInit, Mac};
use sealpost::verify::Secret;
use sha2::Sha256;

use super::raw::{Wire, head};
use super::{Bench, RequestOutcome, card, event, value, with};
use crate::harness::Gateway;

const DOCORA: &str = "x-docora-signature";
const STRIPE: &str = "stripe-signature";
const MISSING: RequestOutcome = RequestOutcome::Unauthorized("sig_missing");
const MALFORMED: RequestOutcome = RequestOutcome::Unauthorized("sig_malformed");
const MISMATCH: RequestOutcome = RequestOutcome::Unauthorized("sig_mismatch");

pub(super) fn secret(gateway: &Gateway, source: &str, place: usize) -> Secret {
    let sources = &gateway.config().sources;
    let found = sources.iter().find(|config| config.entry.name == source).unwrap();
    found.secrets[place].clone()
}

/// The hexadecimal digits in a Docora signature header.
fn digits(headers: &[(String, String)]) -> String {
    value(headers, DOCORA).strip_prefix("sha256=").unwrap().to_owned()
}

#[tokio::test]
async fn single_signature_header_must_match_exactly() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = card().to_string().into_bytes();
    let signed = gateway.sign("cards", &body, &[]);
    let good = digits(&signed);
    let flipped = |place: usize| {
        let mut digits = good.clone().into_bytes();
        digits[place] = if digits[place] == b'0' { b'1' } else { b'0' };
        format!("sha256={}", String::from_utf8(digits).unwrap())
    };
    let at = value(&signed, "x-docora-timestamp").to_owned();
    let key = secret(gateway, "cards", 0);
    let empty_key = Hmac::<Sha256>::new_from_slice(b"")
        .unwrap()
        .chain_update(at.as_bytes())
        .chain_update(b".")
        .chain_update(&body)
        .finalize()
        .into_bytes();
    let empty_key = hex::encode(empty_key);
    let cases = [
        ("empty", MALFORMED, String::new()),
        ("a bare prefix", MALFORMED, "sha256=".into()),
        ("1 byte", MALFORMED, format!("sha256={}", &good[..2])),
        ("2 bytes", MALFORMED, format!("sha256={}", &good[..4])),
        ("16 bytes", MALFORMED, format!("sha256={}", &good[..32])),
        ("31 bytes", MALFORMED, format!("sha256={}", &good[..62])),
        ("33 bytes", MALFORMED, format!("sha256={good}00")),
        ("half a byte more", MALFORMED, format!("sha256={good}0")),
        ("the first digit", MISMATCH, flipped(0)),
        ("the last digit", MISMATCH, flipped(63)),
        ("a space", MALFORMED, format!("sha256= {good}")),
        ("a space inside", MALFORMED, format!("sha256={} {}", &good[..32], &good[32..])),
        ("0x", MALFORMED, format!("sha256=0x{}", &good[2..])),
        ("colons", MALFORMED, format!("sha256={}:{}", &good[..31], &good[32..])),
        ("another prefix", MALFORMED, format!("SHA256={good}")),
        ("no prefix", MALFORMED, good.clone()),
        ("two prefixes", MALFORMED, format!("sha256=sha256={good}")),
        ("a prefix before", MALFORMED, format!("xsha256={good}")),
        ("good and bad", MALFORMED, format!("sha256={good},sha256={}", "0".repeat(64))),
        ("over the body alone", MISMATCH, format!("sha256={}", hex::encode(key.sign(&[&body])))),
        (
            "over another separator",
            MISMATCH,
            format!("sha256={}", hex::encode(key.sign(&[at.as_bytes(), b":", &body]))),
        ),
        ("by the empty key", MISMATCH, format!("sha256={empty_key}")),
        (
            "by another source's key",
            MISMATCH,
            format!(
                "sha256={}",
                hex::encode(secret(gateway, "cards-too", 0).sign(&[at.as_bytes(), b".", &body]))
            ),
        ),
    ];
    for (what, outcome, text) in cases {
        let headers = with(&signed, DOCORA, text);
        let sent = gateway.send_raw("cards", Some("create"), &headers, &body);
        bench.check(what, "docora", outcome, sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn signature_is_valid_only_for_the_exact_bytes() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let mut event = event();
    event["note"] = "caf\u{e9}\n".into();
    let body = event.to_string();
    let signed = gateway.sign("billing", body.as_bytes(), &[]);
    let other = |from: &str, to: &str| {
        assert!(body.contains(from), "{from}");
        body.replace(from, to)
    };
    for (what, changed) in [
        ("a space", other("\":", "\": ")),
        ("another order", other("\"livemode\":false", "\"livemode\":true")),
        ("decomposed", other("\u{e9}", "e\u{301}")),
        ("another line end", other("\\n", "\\r\\n")),
        ("a line end", format!("{body}\n")),
        ("nothing", String::new()),
    ] {
        let sent = gateway.send_raw("billing", None, &signed, changed.as_bytes());
        bench.check(what, "stripe", MISMATCH, sent).await;
    }
    let sent = gateway.send_raw("billing", None, &signed, body.as_bytes());
    bench.check("the same bytes", "stripe", RequestOutcome::Accepted, sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn hex_case_and_part_order_make_no_second_event() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = card().to_string().into_bytes();
    let signed = gateway.sign("cards", &body, &[]);
    let upper = with(&signed, DOCORA, format!("sha256={}", digits(&signed).to_uppercase()));
    let sent = gateway.send_raw("cards", Some("create"), &upper, &body);
    bench.check("upper case", "docora", RequestOutcome::Accepted, sent).await;
    let sent = gateway.send_raw("cards", Some("create"), &signed, &body);
    bench.check("lower case", "docora", RequestOutcome::Duplicate, sent).await;

    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    let (time, signature) = value(&signed, STRIPE).split_once(',').unwrap();
    let swapped = with(&signed, STRIPE, format!("{signature},{time}"));
    let sent = gateway.send_raw("billing", None, &swapped, &body);
    bench.check("another order", "stripe", RequestOutcome::Accepted, sent).await;
    let sent = gateway.send_raw("billing", None, &signed, &body);
    bench.check("the usual order", "stripe", RequestOutcome::Duplicate, sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn any_signature_in_a_list_may_match() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let noises = |count: usize| {
        (0..count).map(|number| format!("v1={number:064x}")).collect::<Vec<_>>().join(",")
    };
    for (what, outcome, text) in [
        ("the last of ten", RequestOutcome::Accepted, format!("{{t}},{},{{v1}}", noises(9))),
        ("the last of sixteen", RequestOutcome::Accepted, format!("{{t}},{},{{v1}}", noises(15))),
        ("the last of seventeen", MALFORMED, format!("{{t}},{},{{v1}}", noises(16))),
        ("unknown parts", RequestOutcome::Accepted, "{t},v2=abc,x=,{v1}".into()),
        ("a bad one before", RequestOutcome::Accepted, "{t},v1=zz,{v1}".into()),
        ("only v0", MISSING, "{t},v0={hex}".into()),
        ("only a time", MISSING, "{t}".into()),
        ("no time", MALFORMED, "{v1}".into()),
        ("the same time twice", RequestOutcome::Accepted, "{t},{t},{v1}".into()),
        ("two different times", MALFORMED, "{t},t=1,{v1}".into()),
        (
            "an infinite time",
            RequestOutcome::Unauthorized("ts_malformed"),
            "t=Infinity,{v1}".into(),
        ),
        (
            "a time that is no number",
            RequestOutcome::Unauthorized("ts_malformed"),
            "t=NaN,{v1}".into(),
        ),
        ("ten digits", MALFORMED, "{t},v1=1234567890".into()),
        ("an empty one", MALFORMED, "{t},v1=".into()),
        ("empty parts", RequestOutcome::Accepted, "{t},,{v1},".into()),
        ("blanks after commas", RequestOutcome::Accepted, "{t}, {v1}".into()),
        ("quotes", RequestOutcome::Accepted, "\"{t},{v1}\"".into()),
        ("joined with itself", RequestOutcome::Accepted, "{t},{v1}, {t},{v1}".into()),
        ("spaces", MISSING, "{t}, v1 = {hex}".into()),
        ("semicolons", MISSING, "{t};{v1}".into()),
        ("nothing", MALFORMED, String::new()),
        ("over 4 KiB", MALFORMED, format!("{{t}},{{v1}},x={}", "a".repeat(4_096))),
    ] {
        let body = event().to_string().into_bytes();
        let signed = gateway.sign("billing", &body, &[]);
        let (time, signature) = value(&signed, STRIPE).split_once(',').unwrap();
        let text = text
            .replace("{t}", time)
            .replace("{v1}", signature)
            .replace("{hex}", signature.strip_prefix("v1=").unwrap());
        let headers = with(&signed, STRIPE, text);
        bench
            .check(what, "stripe", outcome, gateway.send_raw("billing", None, &headers, &body))
            .await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn only_the_secrets_of_a_source_are_accepted() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let at = sealpost::clock::Clock::now(gateway.clock()).unix_timestamp();
    let whole = secret(gateway, "billing", 0);
    let stranger = Secret::new("whsec_nobody_0123456789abcdef").unwrap();
    let stripped = String::from_utf8(whole.expose().to_vec()).unwrap();
    let stripped = Secret::new(stripped.trim_start_matches("whsec_")).unwrap();
    for (what, outcome, key) in [
        ("the present one", RequestOutcome::Accepted, &whole),
        ("the old one", RequestOutcome::Accepted, &secret(gateway, "billing", 1)),
        ("a stranger's", MISMATCH, &stranger),
        ("without its prefix", MISMATCH, &stripped),
    ] {
        let body = event().to_string().into_bytes();
        let headers = gateway.sign_with("billing", &body, &[], at, key);
        bench
            .check(what, "stripe", outcome, gateway.send_raw("billing", None, &headers, &body))
            .await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn misplaced_or_conflicting_signature_is_rejected() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    let text = value(&signed, STRIPE);
    let path = format!("/hooks/billing?{STRIPE}={text}&Stripe-Signature={text}");
    bench.check("in the query", "stripe", MISSING, gateway.post(&path, &[], &body)).await;
    let cookie = [("cookie".to_owned(), format!("{STRIPE}={text}"))];
    let sent = gateway.send_raw("billing", None, &cookie, &body);
    bench.check("in a cookie", "stripe", MISSING, sent).await;
    let other = [("x-hub-signature".to_owned(), text.to_owned())];
    let sent = gateway.send_raw("billing", None, &other, &body);
    bench.check("in another header", "stripe", MISSING, sent).await;
    let twice: Vec<_> = signed.iter().chain(&signed).cloned().collect();
    let sent = gateway.send_raw("billing", None, &twice, &body);
    bench.check("twice with the same value", "stripe", RequestOutcome::Accepted, sent).await;
    let other = with(&signed, STRIPE, text.replace("t=1", "t=2"));
    let twice: Vec<_> = signed.iter().chain(&other).cloned().collect();
    let sent = gateway.send_raw("billing", None, &twice, &body);
    bench.check("twice with different values", "stripe", MALFORMED, sent).await;

    let body = card().to_string().into_bytes();
    let signed = gateway.sign("cards", &body, &[]);
    for name in [DOCORA, "x-docora-timestamp", "x-docora-app-id"] {
        let again = (name.to_owned(), format!("{}0", value(&signed, name)));
        let twice: Vec<_> = signed.iter().cloned().chain([again]).collect();
        let sent = gateway.send_raw("cards", Some("create"), &twice, &body);
        bench.check(name, "docora", MALFORMED, sent).await;
        let without: Vec<_> = signed.iter().filter(|(header, _)| header != name).cloned().collect();
        let sent = gateway.send_raw("cards", Some("create"), &without, &body);
        bench.check(name, "docora", MISSING, sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn non_text_header_bytes_are_rejected_with_401() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = card().to_string().into_bytes();
    let signed = gateway.sign("cards", &body, &[]);
    for name in [DOCORA, "x-docora-timestamp", "x-docora-app-id"] {
        let others: Vec<_> = signed.iter().filter(|(header, _)| header != name).cloned().collect();
        for bytes in [&b"\xe9"[..], b"sha256=\xff\xfe", b"\t1763640000", b"app_\x80"] {
            let mut request = format!("POST /hooks/cards/create HTTP/1.1\r\n{name}: ").into_bytes();
            request.extend_from_slice(bytes);
            let length = format!("\r\nContent-Length: {}", body.len());
            let rest = head("/", &others, &length[2..]);
            let rest = rest.splitn(2, |byte| *byte == b'\n').nth(1).unwrap();
            request.extend_from_slice(b"\r\n");
            request.extend_from_slice(rest);
            request.extend_from_slice(&body);
            let mut wire = Wire::open(gateway.address()).await;
            wire.write(&request).await;
            let answer = wire.answer().await.expect("an answer").parsed();
            assert_eq!(answer.status, 401, "{name}: {bytes:?}");
            assert_eq!(answer.text, bench.unauthorized, "{name}: {bytes:?}");
        }
    }
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
    bench.assert_other_source_works("bytes", "docora").await;
    bench.finish().await;
}

#[tokio::test]
async fn app_id_of_another_application_is_unknown() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = card().to_string().into_bytes();
    let signed = gateway.sign("cards", &body, &[]);
    let unknown = RequestOutcome::Unauthorized("unknown_source");
    let long = "a".repeat(10_000);
    for (what, outcome, id) in [
        ("another's", unknown, "app_ffffffffffffffffffffffff"),
        ("upper case", unknown, "app_0123456789ABCDEF01234567"),
        ("empty", unknown, ""),
        ("10 KB", unknown, long.as_str()),
        ("a space after", unknown, "app_0123456789abcdef01234567 x"),
    ] {
        let headers = with(&signed, "x-docora-app-id", id);
        let sent = gateway.send_raw("cards", Some("create"), &headers, &body);
        bench.check(what, "docora", outcome, sent).await;
    }
    bench.finish().await;
}
