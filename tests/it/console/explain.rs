//! Pages that explain and discard rejected requests.

use reqwest::header::LOCATION;
use sealpost::admin::Scope;
use sealpost::verify::Secret;
use url::form_urlencoded;

use super::browser::{is_missing, with_browser};
use super::dead_letters::{OURS, as_other};
use super::headers::post;
use crate::harness::{Answer, Gateway, RETIRED_SECRET};
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected, wait_for_rejected};

const BODY: &str = "{\"id\":\"evt_1\",\n \"object\":\"event\",\"type\":\"ping\"}";

/// Submits the form.
async fn ask(gateway: &Gateway, fields: &[(&str, &str)]) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(gateway, "/explain", OURS, &form).await
}

fn head(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

#[tokio::test]
async fn recorded_request_is_explained_in_every_format() {
    let gateway = Gateway::start().await;
    let headers = head(&gateway.sign("billing", BODY.as_bytes(), &[]));
    // As a browser sends text typed into a field.
    let typed = BODY.replace('\n', "\r\n");
    let whole = format!("POST /hooks/billing HTTP/1.1\r\n{headers}\r\n{typed}");
    let (hex, base64) = (
        hex::encode(BODY),
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, BODY),
    );
    for fields in [
        [("request", &*whole), ("body", ""), ("written", "text")],
        [("request", &headers), ("body", &typed), ("written", "text")],
        [("request", &headers), ("body", &hex), ("written", "hex")],
        [("request", &headers), ("body", &base64), ("written", "base64")],
    ] {
        let answer = ask(&gateway, &[&fields[..], &[("source", "billing")]].concat()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.contains("accepted"), "{fields:?}: {}", answer.text);
    }
    let stranger = Secret::new(RETIRED_SECRET).unwrap();
    let at = gateway.clock_seconds();
    let right = gateway.sign("billing", BODY.as_bytes(), &[]);
    let wrong = head(&gateway.sign_with("billing", BODY.as_bytes(), &[], at, &stranger));
    let answer = ask(&gateway, &[("source", "billing"), ("request", &wrong), ("body", BODY)]).await;
    assert!(answer.text.contains("rejected as sig_mismatch"), "{}", answer.text);
    let (_, expected) = right[0].1.rsplit_once('=').expect("a signature");
    assert!(!answer.text.contains(expected), "the correct signature is not revealed");
    let late = [
        ("source", "billing"),
        ("request", &headers),
        ("body", BODY),
        ("at", "2030-01-01T00:00:00Z"),
    ];
    let answer = ask(&gateway, &late).await;
    assert!(answer.text.contains("rejected as ts_stale"), "{}", answer.text);
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0, "nothing is accepted");
}

#[tokio::test]
async fn invalid_input_and_a_missing_scope_are_reported() {
    let gateway = Gateway::start().await;
    for (fields, why) in [
        ([("request", "nonsense"), ("body", "x"), ("written", "text")], "A header has no colon"),
        (
            [("request", "a: b"), ("body", "zz"), ("written", "hex")],
            "The body is not valid hexadecimal",
        ),
        (
            [("request", "a: b"), ("body", "!"), ("written", "base64")],
            "The body is not valid base64",
        ),
        ([("request", "a: b\n\nx"), ("body", "x"), ("written", "text")], "leave one of them empty"),
        ([("request", "{\"x\":1}"), ("body", ""), ("written", "text")], "unknown field"),
    ] {
        let answer = ask(&gateway, &[&fields[..], &[("source", "billing")]].concat()).await;
        assert!(answer.status == 422 && answer.text.contains(why), "{why}: {}", answer.text);
        assert!(
            answer
                .text
                .contains(fields[0].1.split('\n').next().unwrap().split('"').next().unwrap())
        );
    }
    let unknown = [("source", "nobody"), ("request", "a: b")];
    assert_eq!(ask(&gateway, &unknown).await.status, 404);
    let (status, page) = as_other(&gateway, &[Scope::EventsRead], "/explain").await;
    assert!(status == 403 && page.contains("<code>secrets:write</code>"), "{page}");
    let elsewhere = [("sec-fetch-site", "cross-site")];
    assert_eq!(
        post(&gateway, "/explain", &elsewhere, "source=billing&request=a").await.status,
        403
    );
}

#[tokio::test]
async fn rejected_request_links_the_form_and_is_discarded() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    send_rejected(&gateway, BODY).await;
    let id = wait_for_rejected(&gateway, 1).await[0].id;
    let page = gateway.operator(&format!("/rejected-requests/{id}")).await.text;
    assert!(page.contains("href=\"/explain?source=billing\""), "{page}");
    let path = format!("/rejected-requests/{id}/discard");
    assert_eq!(post(&gateway, &path, OURS, "reason=").await.status, 400);
    let elsewhere = [("sec-fetch-site", "cross-site")];
    assert_eq!(post(&gateway, &path, &elsewhere, "reason=x").await.status, 403);
    let done = post(&gateway, &path, OURS, "reason=a+test+of+theirs").await;
    assert_eq!(
        (done.status, &done.headers[LOCATION]),
        (303, &"/rejected-requests?did=rejected-requests-discard".parse().unwrap())
    );
    assert_eq!(post(&gateway, &path, OURS, "reason=again").await.status, 404);
    let [entry] = &gateway.audited_changes().await[..] else { panic!("one line") };
    assert_eq!(
        (&entry["action"], &entry["reason"]),
        (&"discard rejected request".into(), &"a test of theirs".into())
    );
}

#[tokio::test]
async fn form_accepts_a_file_upload() {
    if is_missing() {
        return;
    }
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    let body = BODY.replace('\n', "\r\n");
    std::fs::write(&file, &body).unwrap();
    let headers = head(&gateway.sign("billing", body.as_bytes(), &[]));
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.look("light", 1280).await;
        browser.open("/").await;
        browser.click("nav[aria-label=Main] a[href='/explain']").await;
        browser.click("#source option[value=billing]").await;
        browser.write("#request", headers.trim_end()).await;
        browser.write("#file", file.to_str().unwrap()).await;
        browser.click("form[action='/explain'] button").await;
        browser.wait_for_text("accepted").await;
        browser.keep("explain", "/explain").await;
    })
    .await;
}
