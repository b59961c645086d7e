//! Results fetched from the dataset: paginated, bounded, retried, stored once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealpost::admin::{Filter, Selection};
use serde_json::{Value, json};

use super::results::{DATASET, item, post, run, started, webhook};
use super::stub::{ALLOW, Reply, Stub, number};
use super::{HOUR, send_webhook};
use crate::dead_letters;
use crate::harness::Gateway;

/// A page of `total` items, as the dataset has them.
fn page(target: &str, total: usize) -> Reply {
    let (offset, limit) = (number(target, "offset"), number(target, "limit"));
    let items: Vec<Value> = (offset..total.min(offset + limit)).map(item).collect();
    (200, format!("x-apify-pagination-total: {total}\r\n"), json!(items).to_string())
}

async fn gateway(api: &str, more: &str) -> Gateway {
    let options = format!(
        "token = {{ env = \"BOT_TOKEN\" }}\noptions = {{ purpose = \"run\", api_url = \"{api}\"{more} }}"
    );
    let builder = Gateway::builder().config(r#"options = { purpose = "run" }"#, &options);
    builder.more_config(ALLOW).start().await
}

#[tokio::test]
async fn dataset_is_fetched_in_pages_with_a_bearer_token() {
    let stub = Stub::start(|target, _| page(target, 1100)).await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let target = |offset| {
        format!("/v2/datasets/{DATASET}/items?clean=true&format=json&limit=500&offset={offset}")
    };
    assert_eq!(stub.targets(), [target(0), target(500), target(1000)]);
    for head in stub.requests() {
        assert!(head.contains("authorization: Bearer bot-token-0123456789abcdefghi\r\n"), "{head}");
    }
    let all = "SELECT count(*) FROM apify_metrics WHERE origin = 'dataset' AND flag IS NULL";
    assert_eq!(gateway.count(all).await, 1100);
    assert_eq!(run(&gateway).await["items"], 1100);
}

#[tokio::test]
async fn short_page_is_not_the_last_if_the_total_is_larger() {
    // `clean` leaves out empty items: the first page is short, and the second is empty.
    let stub = Stub::start(|target, _| {
        let items = match number(target, "offset") {
            0 => vec![item(1)],
            500 => vec![],
            _ => vec![item(2), item(3)],
        };
        (200, "x-apify-pagination-total: 1200\r\n".into(), json!(items).to_string())
    })
    .await;
    let gateway = gateway(&format!("{}/relay/", stub.url), "").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    assert_eq!(stub.targets().len(), 3);
    assert!(stub.targets()[0].starts_with("/relay/v2/datasets/"), "{:?}", stub.targets());
    assert_eq!(run(&gateway).await["items"], 3);
}

#[tokio::test]
async fn pagination_total_of_zero_is_not_trusted() {
    let stub = Stub::start(|target, _| {
        let (status, _, body) = page(target, 600);
        (status, "x-apify-pagination-total: 0\r\n".into(), body)
    })
    .await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    assert_eq!(run(&gateway).await["items"], 600);
}

#[tokio::test]
async fn max_items_limits_the_fetch() {
    let stub = Stub::start(|target, _| page(target, 10_000)).await;
    let gateway = gateway(&stub.url, ", max_items = 700").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let run = run(&gateway).await;
    assert_eq!((&run["items"], &run["items_left_off"]), (&json!(700), &json!(true)));
    assert_eq!(
        number(&stub.targets()[1], "limit"),
        201,
        "one more than allowed, to detect the rest"
    );
    assert_eq!(gateway.count("SELECT count(*) FROM apify_metrics").await, 700);
}

#[tokio::test]
async fn dataset_of_exactly_max_items_is_complete() {
    let stub = Stub::start(|target, _| page(target, 700)).await;
    let gateway = gateway(&stub.url, ", max_items = 700").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let run = run(&gateway).await;
    assert_eq!((&run["items"], &run["items_left_off"]), (&json!(700), &json!(false)));
}

#[tokio::test]
async fn oversize_item_does_not_lose_other_items() {
    let stub = Stub::start(|target, _| {
        let (offset, limit) = (number(target, "offset"), number(target, "limit"));
        let items = (offset..3.min(offset + limit)).map(|number| {
            let mut item = item(number);
            if number == 1 {
                item["text"] = json!("x".repeat(9 * 1024 * 1024));
            }
            item
        });
        (200, String::new(), json!(items.collect::<Vec<_>>()).to_string())
    })
    .await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let rows = gateway.query("SELECT post_id, flag FROM apify_metrics ORDER BY post_id").await;
    assert_eq!(
        rows,
        [
            json!({ "post_id": "0", "flag": null }),
            json!({ "post_id": "2", "flag": null }),
            json!({ "post_id": null, "flag": "too_large" }),
        ]
    );
}

#[tokio::test]
async fn rejected_dataset_fetch_is_a_replayable_dead_letter() {
    for status in [401, 404] {
        let fixed = Arc::new(AtomicBool::new(false));
        let stub = Stub::start({
            let fixed = fixed.clone();
            move |target, _| {
                let refused = (status, String::new(), "{}".into());
                if fixed.load(Ordering::SeqCst) { page(target, 2) } else { refused }
            }
        })
        .await;
        let gateway = gateway(&stub.url, "").await;
        let run_key = started(&gateway).await;
        send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
        gateway.run_until_idle().await;
        let dead = gateway.dead_letters().await;
        assert_eq!(dead[0].0, "permanent");
        assert!(dead[0].1.contains(&format!("Apify responded {status}")), "{dead:?}");
        assert!(!dead[0].1.contains("bot-token"), "the token is in no error");
        assert_eq!(stub.requests().len(), 1, "not retried");
        // A run without its results has not succeeded.
        assert_eq!(run(&gateway).await["status"], "initiated");

        gateway.clock().advance(25 * HOUR);
        gateway.run_maintenance().await;
        assert_eq!(
            (run(&gateway).await["status"].clone(), post(&gateway).await),
            (json!("expired"), json!("failed"))
        );
        fixed.store(true, Ordering::SeqCst);
        replay(&gateway).await;
        let run = run(&gateway).await;
        assert_eq!(
            (&run["status"], &run["late"], &run["items"]),
            (&json!("succeeded"), &json!(true), &json!(2))
        );
        assert_eq!(post(&gateway).await, "collected");
    }
}

#[tokio::test]
async fn dataset_fetch_is_retried_and_honors_retry_after() {
    let stub = Stub::start(|target, before| match before {
        0 => (429, "retry-after: 120\r\n".into(), "{}".into()),
        1 => (503, String::new(), "busy".into()),
        2 => (200, String::new(), "<html>a proxy</html>".into()),
        // The second page fails: the first is requested again.
        4 => (500, String::new(), String::new()),
        _ => page(target, 700),
    })
    .await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_secs(119));
    gateway.run_until_idle().await;
    assert_eq!(stub.requests().len(), 1, "requested before `retry-after`");
    gateway.run_to_the_end().await;
    assert!(gateway.dead_letters().await.is_empty());
    assert_eq!(gateway.count("SELECT count(*) FROM apify_metrics").await, 700);
    assert_eq!(run(&gateway).await["items"], 700);
}

#[tokio::test]
async fn unreachable_api_is_retried_until_attempts_are_exhausted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gateway = gateway(&url, "").await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_to_the_end().await;
    let dead = gateway.dead_letters().await;
    assert!(matches!(dead[0].0.as_str(), "exhausted" | "too_old"), "{dead:?}");
    let attempts = gateway.count("SELECT count(*) FROM attempts").await;
    assert!(attempts > 3, "{attempts}");
}

#[tokio::test]
async fn blocked_api_url_fails_at_start() {
    let options = "token = { env = \"BOT_TOKEN\" }\n\
                   options = { purpose = \"run\", api_url = \"https://127.0.0.1\" }";
    let builder = Gateway::builder().config(r#"options = { purpose = "run" }"#, options);
    let error = builder.build_error();
    assert!(error.contains("api_url") && error.contains("127.0.0.1"), "{error}");
}

async fn replay(gateway: &Gateway) {
    let everything = Selection::Matching(Filter::default());
    assert_eq!(
        dead_letters::replay(gateway.dead_letter_service(), &everything).await.resolved.len(),
        1
    );
    gateway.run_until_idle().await;
}
