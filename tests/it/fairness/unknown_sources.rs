//! Responses do not reveal which sources exist, nor their limits.

use super::forged;
use crate::harness::Gateway;
use crate::receive::Bench;
use crate::receive::raw::{Wire, head};

const KIB: usize = 1024;

/// Status and limit in the response to a body that is announced but not sent.
async fn announced(
    gateway: &Gateway,
    path: &str,
    headers: &[(String, String)],
    bytes: usize,
) -> Option<(u16, Option<u64>)> {
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&head(path, headers, &format!("Content-Length: {bytes}"))).await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), wire.answer()).await;
    let answer = early.ok().flatten()?.parsed();
    Some((answer.status, answer.json["limit_bytes"].as_u64()))
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_source_has_the_body_limit_of_a_configured_one() {
    let small = "name = \"billing\"\nmax_body = \"100 KiB\"";
    let gateway = Gateway::builder().config("name = \"billing\"", small).start().await;
    let headers = forged(&gateway, b"{}");
    for bytes in [200 * KIB, 3 * KIB * KIB, 600 * KIB * KIB] {
        let answer = async |path: &str| announced(&gateway, path, &headers, bytes).await;
        let known = [
            answer("/hooks/billing").await,
            answer("/hooks/apify-runs").await,
            answer("/hooks/apify-verify").await,
            answer("/hooks/bot").await,
        ];
        for path in ["/hooks/closed", "/hooks/nosuch-1", "/hooks/nosuch-2"] {
            let first = answer(path).await;
            assert!(known.contains(&first), "{path}: {bytes}: {first:?}");
            assert_eq!(answer(path).await, first, "{path}: {bytes}");
        }
        let cards = answer("/hooks/cards/create").await;
        assert_eq!(answer("/hooks/nosuch/create").await, cards, "{bytes}");
    }
    let body = vec![b'x'; 200 * KIB];
    for path in ["/hooks/billing", "/hooks/closed", "/hooks/nosuch", "/hooks/nosuch/create"] {
        assert_eq!(gateway.post(path, &headers, &body).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn unknown_source_gives_the_same_401_for_every_request() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = b"{\"id\":\"evt_1\"}";
    let docora = gateway.sign("cards", body, &[]);
    let stripe = gateway.sign("billing", body, &[]);
    let old = gateway.sign_at("billing", body, &[], gateway.clock_seconds() - 100_000);
    for (what, headers) in [
        ("no signature", vec![]),
        ("a valid one of another source", docora),
        ("a valid one", stripe),
        ("a stale one", old),
        ("a forged one", forged(gateway, body)),
    ] {
        for name in 0..20 {
            for action in [None, Some("create")] {
                let answer =
                    gateway.send_raw(&format!("nosuch-{name}"), action, &headers, body).await;
                assert_eq!((answer.status, &answer.text), (401, &bench.unauthorized), "{what}");
            }
        }
    }
    for table in ["events", "event_keys", "rejected_requests"] {
        assert_eq!(gateway.rows(table).await.len(), 0, "{table}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn gateway_without_sources_responds_401() {
    let config = include_str!("../harness/config.toml");
    let (_, sources) = config.split_once("[[source]]").unwrap();
    let gateway = Gateway::builder().config(&format!("[[source]]{sources}"), "").start().await;
    let answer = gateway.post("/hooks/billing", &[], b"{}").await;
    assert_eq!(answer.status, 401);
    assert!(gateway.config().sources.is_empty());
}
