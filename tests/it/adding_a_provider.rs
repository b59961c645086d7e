//! The page `docs/providers/adding.md`: its file, its vector and its source work as it says.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sealpost::providers::data::{self, CUSTOM, ProofLevel};
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;

use crate::harness::{Answer, Gateway};
use crate::migrating::blocks;
use crate::receive::IgnoreAll;

const PAGE: &str = include_str!("../../docs/providers/adding.md");
const SOURCE: &str = "invoices";
const SECRET_VARIABLE: &str = "ACME_BILLING_SECRET";

/// The provider's file, the vector and the source of the page.
fn page() -> [&'static str; 3] {
    blocks(PAGE, "toml").try_into().expect("three blocks")
}

fn table(text: &str) -> toml::Table {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The vector of the page.
fn vector() -> toml::Table {
    let [_, vector, _] = page();
    table(vector)["vector"][0].as_table().expect("a vector").clone()
}

fn text<'t>(table: &'t toml::Table, key: &str) -> &'t str {
    table[key].as_str().unwrap_or_else(|| panic!("{key} is not text"))
}

/// The configuration of the page, with the scheme of its file.
fn configuration() -> String {
    let [file, _, source] = page();
    let mut source = table(source);
    let entry = source["source"][0].as_table_mut().expect("a source");
    assert_eq!(text(entry, "provider"), "acme-billing");
    entry.insert("provider".to_owned(), CUSTOM.into());
    entry.insert("scheme".to_owned(), table(file)["scheme"].clone());
    format!("\n{}", toml::to_string(&source).unwrap())
}

/// Signs as the page says.
fn signature(secret: &str, at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// A gateway at the time of the vector.
async fn gateway() -> Gateway {
    let vector = vector();
    let now = vector["now"].as_integer().expect("a time");
    Gateway::builder()
        .more_config(&configuration())
        .variable(SECRET_VARIABLE, text(&vector, "secret"))
        .start_at(OffsetDateTime::from_unix_timestamp(now).unwrap())
        .handler(IgnoreAll)
        .start()
        .await
}

async fn send(gateway: &Gateway, signature: &str, body: &str) -> Answer {
    let headers = [("acme-signature".to_owned(), signature.to_owned())];
    gateway.send_raw(SOURCE, None, &headers, body.as_bytes()).await
}

#[test]
fn file_of_the_page_is_a_provider() {
    let [file, ..] = page();
    let file = data::parse(file).unwrap();
    assert_eq!((file.name.as_str(), file.proof.level), ("Acme Billing", ProofLevel::Proven));
    assert!(data::text("acme-billing").is_none(), "it stands for a sender that is not listed");
}

#[tokio::test]
async fn vector_of_the_page_is_an_event() {
    let gateway = gateway().await;
    let vector = vector();
    let (body, now) = (text(&vector, "body"), gateway.clock_seconds());
    let recorded = text(vector["headers"].as_table().unwrap(), "acme-signature");
    assert_eq!(signature(text(&vector, "secret"), now, body), recorded, "made by hand");
    assert!(PAGE.contains(&format!("`Acme-Signature: {}…`", &recorded[..24])), "the quotation");

    let answer = send(&gateway, recorded, body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
    let events = gateway.query("SELECT *, convert_from(body, 'UTF8') AS text FROM events").await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event["id"], answer.id());
    assert_eq!((&event["provider"], &event["strength"]), (&json!(CUSTOM), &json!("signed")));
    assert_eq!((&event["event_type"], &event["text"]), (&json!("invoice.paid"), &json!(body)));
    assert_eq!(gateway.query("SELECT lane FROM deliveries").await, [json!({ "lane": "inv_17" })]);
    let occurred = "SELECT extract(epoch FROM occurred_at)::bigint FROM events";
    let created: Value = serde_json::from_str(body).unwrap();
    assert_eq!(gateway.count(occurred).await, created["created"].as_i64().unwrap());
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn repetition_is_found_by_the_id_and_a_change_is_rejected() {
    let gateway = gateway().await;
    let vector = vector();
    let (secret, body) = (text(&vector, "secret"), text(&vector, "body"));
    let now = gateway.clock_seconds();
    let sign = |at, body: &str| signature(secret, at, body);
    let first = send(&gateway, &sign(now, body), body).await;
    assert_eq!(first.status, 202, "{}", first.text);

    // The sender signs again, and may write the same event in another way.
    let spaced = body.replace(',', ", ");
    let again = send(&gateway, &sign(now + 60, &spaced), &spaced).await;
    assert_eq!((again.status, again.body_status(), again.id()), (200, "duplicate", first.id()));
    let rotated = sign(now, body).replace("v1=", &format!("v1={},v1=", "0".repeat(64)));
    assert_eq!(send(&gateway, &rotated, body).await.body_status(), "duplicate");

    let changed = body.replace("4200", "4201");
    for (what, signature, body) in [
        ("a changed body", sign(now, body), changed.as_str()),
        ("a changed time", sign(now, body).replace(&now.to_string(), &(now + 1).to_string()), body),
        ("an old time", sign(now - 301, body), body),
        ("another secret", signature("another secret", now, body), body),
        ("no signature", format!("t={now}"), body),
    ] {
        assert_eq!(send(&gateway, &signature, body).await.status, 401, "{what}");
    }
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 1);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn check_of_the_endpoint_is_answered() {
    let gateway = gateway().await;
    let check = r#"{"type":"endpoint.check","challenge":"c-17"}"#;
    let signature = signature(text(&vector(), "secret"), gateway.clock_seconds(), check);
    let answer = send(&gateway, &signature, check).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "c-17"));
    assert_eq!(send(&gateway, "t=1,v1=00", check).await.status, 401);
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
}
