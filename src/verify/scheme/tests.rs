//! Tests of the engine with the two usual kinds of scheme.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use proptest::prelude::*;

use super::Scheme;
use crate::verify::{Headers, KeyRing, Proof, Refusal, RequestHead, Secret, UnixSeconds, Window};

static STAMPED: LazyLock<Arc<Scheme>> = LazyLock::new(|| {
    let table = r#"
        algorithm = "hmac-sha256"
        signed = "{timestamp}.{body}"
        signature = { header = "x-signature", prefix = "sha256=" }
        timestamp = { from = "header:x-timestamp", tolerance = "5m" }
    "#;
    Scheme::built_in(table).unwrap()
});
static LISTED: LazyLock<Arc<Scheme>> = LazyLock::new(|| {
    let table = r#"
        algorithm = "hmac-sha256"
        signed = "{timestamp}.{body}"
        signature = { header = "x-signature", format = "t={timestamp},v1={signature}" }
        timestamp = { from = "signature", tolerance = "5m" }
    "#;
    Scheme::built_in(table).unwrap()
});
const NOW: UnixSeconds = 1_700_000_000;
const WINDOW: Window = Window { max_age: 300, max_future: 300 };

fn secret() -> Secret {
    Secret::new("a-secret-of-good-length").unwrap()
}

fn valid() -> String {
    hex::encode(secret().sign(&[b"1700000000.", b"body"]))
}

fn head(headers: &[(&'static str, &str)]) -> RequestHead {
    let mut head = RequestHead::default();
    for (name, value) in headers {
        head.headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
    }
    head
}

fn check(scheme: &Scheme, head: &RequestHead) -> Result<Proof, Refusal> {
    let ring = KeyRing::new(vec![secret()]).unwrap();
    scheme.prove(head, &Bytes::from_static(b"body"), (&ring, None), WINDOW, NOW)
}

#[test]
fn valid_signature_of_either_case_is_accepted() {
    for digits in [valid(), valid().to_uppercase()] {
        let head =
            head(&[("x-signature", &format!("sha256={digits}")), ("x-timestamp", "1700000000")]);
        assert_eq!(check(&STAMPED, &head).unwrap().skew, Some(0));
    }
}

#[test]
fn incomplete_or_malformed_signature_is_rejected() {
    let valid = valid();
    for bad in [
        String::new(),
        "sha256=".into(),
        valid.clone(),
        format!("SHA256={valid}"),
        format!("sha256=sha256={valid}"),
        format!("xsha256={valid}"),
        format!("sha256= {valid}"),
        format!("sha256={}", &valid.split_at(2).0),
        format!("sha256={}", &valid.split_at(62).0),
        format!("sha256={valid}00"),
        format!("sha256={valid},sha256={}", "0".repeat(64)),
        format!("sha256=0x{}", &valid.split_at(2).1),
    ] {
        let head = head(&[("x-signature", &bad), ("x-timestamp", "1700000000")]);
        assert!(matches!(check(&STAMPED, &head), Err(Refusal::Malformed(_))), "{bad}");
    }
}

#[test]
fn one_wrong_digit_is_a_mismatch() {
    let valid = valid();
    for place in 0..64 {
        let mut digits = valid.clone().into_bytes();
        digits[place] = if digits[place] == b'0' { b'1' } else { b'0' };
        let digits = String::from_utf8(digits).unwrap();
        let head =
            head(&[("x-signature", &format!("sha256={digits}")), ("x-timestamp", "1700000000")]);
        assert!(matches!(check(&STAMPED, &head), Err(Refusal::Mismatch)), "digit {place}");
    }
}

#[test]
fn repeated_or_decorated_header_counts_once() {
    let value = format!("sha256={}", valid());
    for lines in [
        vec![value.clone(), value.clone()],
        vec![format!("{value}, {value}")],
        vec![format!("{value},")],
        vec![format!(" {value}\t")],
        vec![format!("\"{value}\"")],
    ] {
        let mut head = head(&[("x-timestamp", "1700000000"), ("x-timestamp", "1700000000")]);
        for line in &lines {
            head.headers.push("x-signature", Bytes::copy_from_slice(line.as_bytes()));
        }
        assert!(check(&STAMPED, &head).is_ok(), "{lines:?}");
    }
}

#[test]
fn differing_header_values_are_rejected_even_if_one_is_valid() {
    let valid = format!("sha256={}", valid());
    let other = format!("sha256={}", "0".repeat(64));
    for (signatures, times) in [
        (vec![valid.as_str(), other.as_str()], vec!["1700000000"]),
        (vec![valid.as_str()], vec!["1700000000", "1700000001"]),
    ] {
        let signatures = signatures.into_iter().map(|value| ("x-signature", value));
        let times = times.into_iter().map(|value| ("x-timestamp", value));
        let head = head(&signatures.chain(times).collect::<Vec<_>>());
        assert!(matches!(check(&STAMPED, &head), Err(Refusal::Malformed(_))));
    }
}

#[test]
fn list_may_span_lines_with_spaces_quotes_and_empty_elements() {
    let valid = valid();
    let noise = "0".repeat(64);
    for lines in [
        vec![format!("t=1700000000, v1={valid}")],
        vec![format!("t=1700000000,\tv1={valid},")],
        vec![format!("t=1700000000,,v1={valid}")],
        vec![format!("\"t=1700000000,v1={valid}\"")],
        vec![format!("t=\"1700000000\",v1=\"{valid}\"")],
        vec!["t=1700000000".to_owned(), format!("v1={valid}")],
        vec![format!("t=1700000000,v1={valid}"), format!("t=1700000000,v1={valid}")],
        vec![format!("t=1700000000,v1={noise}"), format!("t=1700000000,v1={valid}")],
        vec![format!("t=1700000000,v1={valid}, t=1700000000,v1={valid}")],
    ] {
        let mut head = RequestHead::default();
        for line in &lines {
            head.headers.push("x-signature", Bytes::copy_from_slice(line.as_bytes()));
        }
        assert!(check(&LISTED, &head).is_ok(), "{lines:?}");
    }
}

#[test]
fn list_may_have_any_order_and_unknown_or_malformed_elements() {
    let valid = valid();
    let noise = "0".repeat(64);
    for value in [
        format!("t=1700000000,v1={valid}"),
        format!("v1={valid},t=1700000000"),
        format!("t=1700000000,v1={noise},v1=short,v0={noise},v1={valid}"),
    ] {
        let head = head(&[("x-signature", &value)]);
        assert!(check(&LISTED, &head).is_ok(), "{value}");
    }
}

/// The head of a form that is signed over the texts `url` and `params`.
fn form(scheme: &Scheme, body: &'static str, signed: &str) -> Result<Proof, Refusal> {
    let form = crate::verify::SenderInfo::new(Some(crate::verify::SenderInfo::FORM), None);
    let mac = hex::encode(secret().sign(&[signed.as_bytes()]));
    let mut head = head(&[("x-signature", &mac)]);
    head.sender_info = form;
    let ring = KeyRing::new(vec![secret()]).unwrap();
    scheme.prove(&head, &Bytes::from_static(body.as_bytes()), (&ring, None), WINDOW, NOW)
}

const PARAMS: &str = r#"
    algorithm = "hmac-sha256"
    signed = "{params?}"
    signature = { header = "x-signature" }
"#;

#[test]
fn form_with_a_document_has_no_other_fields_where_they_run_into_each_other() {
    let scheme =
        Scheme::built_in(&format!("{PARAMS}event = {{ payload = 'form:events' }}")).unwrap();
    assert!(form(&scheme, "events=[1]", "events[1]").is_ok());
    for body in ["event=s[1]", "events=[&f=]", "events=&f=1", "a=&events=[1]"] {
        let signed: String = body.split(['=', '&']).collect();
        let refusal = form(&scheme, body, &signed);
        assert!(matches!(refusal, Err(Refusal::NotAllowed(_))), "{body}: {refusal:?}");
    }
    let id = Scheme::built_in(&format!("{PARAMS}event = {{ id = 'form:id' }}"));
    assert!(id.unwrap_err().contains("form:id"), "its name may begin elsewhere");
}

#[test]
fn form_with_too_many_fields_is_refused() {
    let scheme = Scheme::built_in(PARAMS).unwrap();
    for (fields, is_accepted) in [(4096, true), (4097, false)] {
        let names: Vec<String> = (0..fields).map(|number| format!("{number:05}")).collect();
        let body = format!("{}=", names.join("=&"));
        let signed = names.concat();
        let body: &'static str = Box::leak(body.into_boxed_str());
        assert_eq!(form(&scheme, body, &signed).is_ok(), is_accepted, "{fields}");
    }
    // Nor as one that is signed as an empty form.
    let body: &'static str = Box::leak("a&".repeat(5000).into_boxed_str());
    assert!(form(&scheme, body, "").is_err());
}

#[test]
fn lists_beyond_the_fourth_are_not_tried() {
    let table = r#"
        algorithm = "hmac-sha256"
        signed = "{timestamp}.{body}"
        signature = { header = "x-signature", format = "t={timestamp},v1={signature}", groups = " " }
        timestamp = { from = "signature", tolerance = "5m" }
    "#;
    let scheme = Scheme::built_in(table).unwrap();
    let wrong = format!("t=1700000000,v1={} ", "0".repeat(64));
    for (before, is_accepted) in [(0, true), (3, true), (4, false)] {
        let text = format!("{}t=1700000000,v1={}", wrong.repeat(before), valid());
        let found = check(&scheme, &head(&[("x-signature", &text)]));
        assert_eq!(found.is_ok(), is_accepted, "{before}");
    }
}

#[test]
fn token_without_a_required_claim_is_refused() {
    let table = r#"
        algorithm = "jwt"
        signature = { header = "x-signature" }
        [jwt]
        algorithms = ["HS256"]
    "#;
    let key = jsonwebtoken::EncodingKey::from_secret(b"a-secret-of-good-length").unwrap();
    let token = |claims: &serde_json::Value| {
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
    };
    let (open, required) = (table.to_owned(), format!("{table}required = ['exp']"));
    let (open, required) = (Scheme::built_in(&open).unwrap(), Scheme::built_in(&required).unwrap());
    let ring = || KeyRing::of_schemes(vec![secret()], &[(open.algorithm(), open.key())]).unwrap();
    let verify = |scheme: &Scheme, claims: serde_json::Value| {
        let head = head(&[("x-signature", &token(&claims))]);
        scheme.prove(&head, &Bytes::from_static(b"body"), (&ring(), None), WINDOW, NOW)
    };
    let (without, with) = (serde_json::json!({}), serde_json::json!({ "exp": NOW + 60 }));
    assert!(verify(&open, without.clone()).is_ok());
    assert!(matches!(verify(&required, without), Err(Refusal::NotAllowed(_))));
    assert!(verify(&required, with).is_ok());
}

#[test]
fn event_by_get_needs_a_signed_query() {
    let table = |signed: &str| {
        format!(
            "algorithm = 'hmac-sha256'\nmethod = 'GET'\nsigned = '{signed}'\n\
             signature = {{ header = 'x-signature' }}"
        )
    };
    assert!(Scheme::built_in(&table("{method}{query_sorted}")).is_ok());
    for signed in
        ["{method}", "{query_sorted}", "{method}{query_sorted}{body}", "{method}{query_pairs}"]
    {
        let error = Scheme::built_in(&table(signed)).unwrap_err();
        assert!(error.starts_with("method: "), "{signed}: {error}");
    }
}

#[test]
fn list_without_required_parts_is_rejected() {
    let valid = valid();
    for (value, reason) in [
        (format!("t=1700000000,v0={valid}"), "sig_missing"),
        ("t=1700000000".into(), "sig_missing"),
        (format!("v1={valid}"), "sig_malformed"),
        (format!("t=1700000000,t=1700000001,v1={valid}"), "sig_malformed"),
        ("t=1700000000,v1=1234567890".into(), "sig_malformed"),
        ("t=1700000000,v1=".into(), "sig_malformed"),
        (format!("t=Infinity,v1={valid}"), "ts_malformed"),
        (format!("t=NaN,v1={valid}"), "ts_malformed"),
        (format!("t= 1700000000,v1={valid}"), "ts_malformed"),
        (format!("t=1700000000, v1 = {valid}"), "sig_missing"),
        (format!("t=1700000000;v1={valid}"), "sig_missing"),
        (format!("t=1700000000,word,v1={valid}"), "sig_malformed"),
        (format!("t=1700000000,v1={valid},x={}", "a".repeat(4096)), "sig_malformed"),
        (String::new(), "sig_malformed"),
        (", \"\"".into(), "sig_malformed"),
        (
            (0..17).fold("t=1700000000".to_owned(), |value, n| format!("{value},v1={n:064x}")),
            "sig_malformed",
        ),
    ] {
        let head = head(&[("x-signature", &value)]);
        assert_eq!(check(&LISTED, &head).unwrap_err().reason(), reason, "{value}");
    }
}

#[test]
fn timestamp_is_part_of_the_signed_text() {
    let head =
        head(&[("x-signature", &format!("sha256={}", valid())), ("x-timestamp", "1700000001")]);
    assert!(matches!(check(&STAMPED, &head), Err(Refusal::Mismatch)));
}

proptest! {
    #[test]
    fn arbitrary_headers_neither_panic_nor_prove(
        signature in proptest::collection::vec(any::<u8>(), 0..200),
        timestamp in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut headers = Headers::default();
        headers.push("x-signature", Bytes::from(signature));
        headers.push("x-timestamp", Bytes::from(timestamp));
        let head = RequestHead { headers, ..RequestHead::default() };
        prop_assert!(check(&STAMPED, &head).is_err());
        prop_assert!(check(&LISTED, &head).is_err());
    }
}
