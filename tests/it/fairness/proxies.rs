//! Clients behind a proxy, whether it is listed as trusted or not.

use futures_util::future::join_all;
use sealpost::admin::{AlarmKind, Caller, Scope};

use super::{INGEST, event_of, forged};
use crate::access::users::{PASSWORD, signed_in};
use crate::harness::{Answer, Gateway};
use crate::receive::{Bench, event};

const STRANGER: &str = "198.51.100.66";
const SENDER: &str = "203.0.113.50";

fn with_header(headers: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    headers.iter().cloned().chain([(name.to_owned(), value.to_owned())]).collect()
}

async fn alarms(gateway: &Gateway) -> Vec<String> {
    let caller = Caller::local("test");
    let overview = gateway.monitoring().overview(&caller).await.expect("an overview");
    let alarms = overview.alarms.into_iter().filter(|alarm| alarm.kind == AlarmKind::Proxy);
    alarms.map(|alarm| alarm.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn unlisted_proxy_raises_an_alarm_and_blocks_no_sender() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    assert_eq!(alarms(gateway).await, Vec::<String>::new());
    let body = event().to_string().into_bytes();
    let bad = with_header(&forged(gateway, &body), "x-forwarded-for", STRANGER);
    for _ in 0..30 {
        assert_eq!(gateway.send_raw("billing", None, &bad, &body).await.status, 401);
    }
    let good = (0..20).map(|_| async {
        let body = event_of(200_000);
        let headers =
            with_header(&gateway.sign("billing", &body, &[]), "forwarded", "for=203.0.113.50");
        gateway.send_raw("billing", None, &headers, &body).await.status
    });
    assert_eq!(join_all(good).await, [202; 20]);
    let alarm_texts = alarms(gateway).await;
    assert_eq!(alarm_texts.len(), 1, "{alarm_texts:?}");
    assert!(
        alarm_texts[0].contains("add trusted_proxies = [\"127.0.0.1/32\"] to [ingest]"),
        "{alarm_texts:?}"
    );
    bench.finish().await;
}

#[tokio::test]
async fn trusted_proxy_headers_are_parsed_in_every_format() {
    let listed = format!("{INGEST}\ntrusted_proxies = [\"127.0.0.0/8\"]");
    // Rejected requests are kept with the address of their sender.
    let keep_rejected = "name = \"billing\"\nkeep_rejected = \"1h\"";
    let gateway = Gateway::builder()
        .config(INGEST, &listed)
        .config("name = \"billing\"", keep_rejected)
        .start()
        .await;
    let formats = [
        ("x-forwarded-for", "203.0.113.9", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.10:51724", "203.0.113.10"),
        ("x-forwarded-for", "2001:DB8::11", "2001:db8::11"),
        ("x-forwarded-for", "[2001:db8::12]", "2001:db8::12"),
        ("x-forwarded-for", "[2001:db8::13%2]:51724", "2001:db8::13"),
        ("x-forwarded-for", "\"[2001:db8::14]:51724\"", "2001:db8::14"),
        ("x-forwarded-for", "198.51.100.7:4000 ,\t203.0.113.15:5, 127.0.0.9", "203.0.113.15"),
        ("x-forwarded-for", "::ffff:203.0.113.16", "203.0.113.16"),
        ("x-forwarded-for", "203.0.113.1, unknown", "127.0.0.1"),
        ("forwarded", "for=1.1.1.1, For=\"[2001:db8::17]:4711\";proto=https", "2001:db8::17"),
        ("forwarded", "proto=https;for=203.0.113.18:80", "203.0.113.18"),
    ];
    for (name, forwarded, expected) in formats {
        let body = event().to_string().into_bytes();
        let headers = with_header(&forged(&gateway, &body), name, forwarded);
        assert_eq!(gateway.send_raw("billing", None, &headers, &body).await.status, 401);
        let query = format!("SELECT count(*) FROM rejected_requests WHERE peer = '{expected}'");
        let mut found = 0;
        for _ in 0..500 {
            found = gateway.count(&query).await;
            if found > 0 {
                break;
            }
        }
        assert_eq!(found, 1, "{name}: {forwarded}");
    }
    assert_eq!(alarms(&gateway).await, Vec::<String>::new());
}

async fn operator(gateway: &Gateway, client: &str, path: &str, form: Option<&str>) -> Answer {
    let url = gateway.operator_url(path);
    let request = match form {
        Some(form) => gateway
            .client()
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", gateway.operator_url(""))
            .body(form.to_owned()),
        None => gateway.client().get(url),
    };
    Answer::of(request.header("x-forwarded-for", client).send().await.expect("an answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_limits_are_per_client_behind_an_unlisted_proxy() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "ada", Scope::EventsRead).await;
    let mut last = 0;
    for _ in 0..70 {
        last = operator(&gateway, STRANGER, "/setup?token=x", None).await.status;
    }
    assert_eq!(last, 429, "the stranger is limited");
    for attempt in 0..6 {
        let form = format!("name=nobody{attempt}&password=wrong");
        operator(&gateway, "198.51.100.67", "/sign-in", Some(&form)).await;
    }
    let form = format!("name=ada&password={}", PASSWORD.replace(' ', "+"));
    let answer = operator(&gateway, SENDER, "/sign-in", Some(&form)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let alarm_texts = alarms(&gateway).await;
    assert!(alarm_texts.iter().any(|text| text.contains("to [operator]")), "{alarm_texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_client_addresses_are_limited_together() {
    let gateway = Gateway::start().await;
    let mut refused = false;
    for client in 0..700 {
        let client = format!("198.51.{}.{}", client / 250, client % 250);
        refused =
            refused || operator(&gateway, &client, "/setup?token=x", None).await.status == 429;
    }
    assert!(refused);
}
