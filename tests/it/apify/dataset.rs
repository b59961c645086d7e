//! Results that are fetched from the dataset: in pages, bounded, once, whatever goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealpost::admin::{Filter, Selection};
use serde_json::{Value, json};

use super::results::{DATASET, item, post, run, started, webhook};
use super::stub::{ALLOW, Reply, Stub, number};
use super::{HOUR, hear};
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
async fn a_dataset_is_fetched_in_pages_with_the_token_in_a_header() {
    let stub = Stub::start(|target, _| page(target, 1100)).await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let target = |offset| {
        format!("/v2/datasets/{DATASET}/items?clean=true&format=json&limit=500&offset={offset}")
    };
    assert_eq!(stub.targets(), [target(0), target(500), target(1000)]);
    for head in stub.asked() {
        assert!(head.contains("authorization: Bearer bot-token-0123456789abcdefghi\r\n"), "{head}");
    }
    let all = "SELECT count(*) FROM apify_metrics WHERE origin = 'dataset' AND flag IS NULL";
    assert_eq!(gateway.count(all).await, 1100);
    assert_eq!(run(&gateway).await["items"], 1100);
}

#[tokio::test]
async fn a_short_page_is_the_last_only_if_no_more_are_known() {
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
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    assert_eq!(stub.targets().len(), 3);
    assert!(stub.targets()[0].starts_with("/relay/v2/datasets/"), "{:?}", stub.targets());
    assert_eq!(run(&gateway).await["items"], 3);
}

#[tokio::test]
async fn the_header_that_says_how_many_there_are_is_not_trusted_to_say_that_there_are_none() {
    let stub = Stub::start(|target, _| {
        let (status, _, body) = page(target, 600);
        (status, "x-apify-pagination-total: 0\r\n".into(), body)
    })
    .await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    assert_eq!(run(&gateway).await["items"], 600);
}

#[tokio::test]
async fn no_more_is_fetched_than_is_allowed() {
    let stub = Stub::start(|target, _| page(target, 10_000)).await;
    let gateway = gateway(&stub.url, ", max_items = 700").await;
    let run_key = started(&gateway).await;
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let run = run(&gateway).await;
    assert_eq!((&run["items"], &run["items_left_off"]), (&json!(700), &json!(true)));
    assert_eq!(number(&stub.targets()[1], "limit"), 201, "one more, to know whether there is one");
    assert_eq!(gateway.count("SELECT count(*) FROM apify_metrics").await, 700);
}

#[tokio::test]
async fn a_dataset_that_is_exactly_as_large_as_allowed_has_no_more() {
    let stub = Stub::start(|target, _| page(target, 700)).await;
    let gateway = gateway(&stub.url, ", max_items = 700").await;
    let run_key = started(&gateway).await;
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    let run = run(&gateway).await;
    assert_eq!((&run["items"], &run["items_left_off"]), (&json!(700), &json!(false)));
}

#[tokio::test]
async fn an_item_that_is_larger_than_a_page_may_be_loses_no_others() {
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
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
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
async fn a_dataset_that_is_refused_is_a_dead_letter_that_can_be_replayed() {
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
        hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
        gateway.run_until_idle().await;
        let dead = gateway.dead_letters().await;
        assert_eq!(dead[0].0, "permanent");
        assert!(dead[0].1.contains(&format!("Apify responded {status}")), "{dead:?}");
        assert!(!dead[0].1.contains("bot-token"), "the token is in no error");
        assert_eq!(stub.asked().len(), 1, "nobody asks again");
        // Its results are not here: it has not succeeded yet.
        assert_eq!(run(&gateway).await["status"], "initiated");

        gateway.clock().advance(25 * HOUR);
        gateway.tidy().await;
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
async fn a_dataset_that_cannot_be_had_now_is_asked_for_again_when_apify_says_so() {
    let stub = Stub::start(|target, before| match before {
        0 => (429, "retry-after: 120\r\n".into(), "{}".into()),
        1 => (503, String::new(), "busy".into()),
        2 => (200, String::new(), "<html>a proxy</html>".into()),
        // The first page arrives, the second does not: the first is asked for again.
        4 => (500, String::new(), String::new()),
        _ => page(target, 700),
    })
    .await;
    let gateway = gateway(&stub.url, "").await;
    let run_key = started(&gateway).await;
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_secs(119));
    gateway.run_until_idle().await;
    assert_eq!(stub.asked().len(), 1, "asked before the time that Apify named");
    gateway.run_to_the_end().await;
    assert!(gateway.dead_letters().await.is_empty());
    assert_eq!(gateway.count("SELECT count(*) FROM apify_metrics").await, 700);
    assert_eq!(run(&gateway).await["items"], 700);
}

#[tokio::test]
async fn nobody_answering_is_no_reason_to_give_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gateway = gateway(&url, "").await;
    let run_key = started(&gateway).await;
    hear(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_to_the_end().await;
    let dead = gateway.dead_letters().await;
    assert!(matches!(dead[0].0.as_str(), "exhausted" | "too_old"), "{dead:?}");
    let attempts = gateway.count("SELECT count(*) FROM attempts").await;
    assert!(attempts > 3, "{attempts}");
}

#[tokio::test]
async fn a_place_where_no_request_may_go_is_said_at_the_start() {
    let options = "token = { env = \"BOT_TOKEN\" }\n\
                   options = { purpose = \"run\", api_url = \"https://127.0.0.1\" }";
    let builder = Gateway::builder().config(r#"options = { purpose = "run" }"#, options);
    let error = builder.refused();
    assert!(error.contains("api_url") && error.contains("127.0.0.1"), "{error}");
}

async fn replay(gateway: &Gateway) {
    let everything = Selection::Matching(Filter::default());
    assert_eq!(dead_letters::replay(gateway.desk(), &everything).await.resolved.len(), 1);
    gateway.run_until_idle().await;
}
