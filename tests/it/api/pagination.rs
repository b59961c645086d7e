//! Lists: pagination, cursors, tags, filters.

use serde_json::{Value, json};

use super::{dead_letters, get, problem};
use crate::harness::Gateway;

const PATH: &str = "/api/v1/dead-letters";

fn ids(page: &Value) -> Vec<i64> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn pagination_returns_every_item() {
    let gateway = Gateway::start().await;
    dead_letters(&gateway, 0..5).await;
    let all = ids(&get(&gateway, PATH, &[]).await.json);
    assert_eq!(all.len(), 5);

    let mut seen = Vec::new();
    let mut path = format!("{PATH}?limit=2&source=billing");
    loop {
        let page = get(&gateway, &path, &[]).await;
        assert_eq!(page.status, 200, "{}", page.text);
        seen.extend(ids(&page.json));
        let Some(next) = page.json["next"].as_str() else {
            assert!(!page.headers.contains_key("link"));
            break;
        };
        let link = page.headers["link"].to_str().unwrap();
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        assert_eq!(path, format!("{PATH}?limit=2&source=billing&cursor={next}"));
    }
    assert_eq!(seen, all);
    // A full page without further items is the last.
    let full = get(&gateway, &format!("{PATH}?limit=5"), &[]).await;
    assert_eq!((ids(&full.json), &full.json["next"]), (all, &Value::Null));
}

#[tokio::test]
async fn unchanged_page_returns_304() {
    let gateway = Gateway::start().await;
    dead_letters(&gateway, 0..1).await;
    let first = get(&gateway, PATH, &[]).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let weak = format!("\"other\", W/{tag}");
    for known in [&*tag, &weak, "*"] {
        let again = get(&gateway, PATH, &[("if-none-match", known)]).await;
        assert_eq!((again.status, &*again.text), (304, ""), "{known}");
        assert_eq!(again.headers["etag"], *tag);
    }
    dead_letters(&gateway, 1..2).await;
    let changed = get(&gateway, PATH, &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status, ids(&changed.json).len()), (200, 2));
}

#[tokio::test]
async fn dead_letters_are_filtered_by_event_group_class_and_age() {
    let gateway = Gateway::start().await;
    dead_letters(&gateway, 0..2).await;
    let all = get(&gateway, PATH, &[]).await.json;
    let (both, event) = (ids(&all), all["items"][0]["event"].as_str().unwrap());
    let newest = both[..1].to_vec();
    let group = get(&gateway, "/api/v1/groups", &[]).await.json["items"][0].clone();
    let (class, group) = (group["class"].as_str().unwrap(), &group["id"]);
    for (query, expected) in [
        (format!("event={event}"), &newest),
        (format!("group={group}"), &both),
        (format!("class={class}"), &both),
        ("class=transfer".to_owned(), &Vec::new()),
        (format!("event={event}&group={group}&class={class}"), &newest),
        (format!("event={event}&class=transfer"), &Vec::new()),
        (format!("event={event}&older_than_seconds=60"), &Vec::new()),
        (format!("event={event}&newer_than_seconds=60"), &newest),
    ] {
        let page = get(&gateway, &format!("{PATH}?{query}"), &[]).await;
        assert_eq!((page.status, &ids(&page.json)), (200, expected), "{query}: {}", page.text);
    }
}

#[tokio::test]
async fn invalid_parameters_are_named() {
    let gateway = Gateway::start().await;
    let other = get(&gateway, "/api/v1/alerts?limit=1", &[]).await;
    assert_eq!((other.status, &other.json["items"]), (200, &json!([])));
    for (query, named) in [
        ("colour=red", "`colour`"),
        ("limit=0", "1 to 200"),
        ("limit=201", "1 to 200"),
        ("limit=1&limit=2", "`limit`"),
        ("cursor=AWRs", "`cursor`"),
        ("cursor=AWFsAAAAAAAAAAE", "`cursor`"),
        ("cursor=", "`cursor`"),
        ("death_reason=boredom", "`boredom`"),
        ("source=%00", "visible"),
        ("group=0", "a number from 1"),
        ("class=weather", "`weather`"),
        ("event=1", "UUID"),
        ("older_than_seconds=-1", "seconds"),
    ] {
        let answer = get(&gateway, &format!("{PATH}?{query}"), &[]).await;
        assert_eq!((answer.status, problem(&answer)), (400, "malformed"), "{query}");
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{query}: {detail}");
    }
}

#[tokio::test]
async fn delivery_is_shown_with_its_event() {
    let gateway = Gateway::start().await;
    dead_letters(&gateway, 0..1).await;
    let id = ids(&get(&gateway, PATH, &[]).await.json)[0];
    let shown = get(&gateway, &format!("/api/v1/deliveries/{id}"), &[]).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let (delivery, event) = (&shown.json["delivery"], &shown.json["event"]);
    assert_eq!((&delivery["state"], &delivery["death_reason"]), (&json!("dead"), &json!("schema")));
    assert_eq!(event["proof"]["strength"], "signed");
    assert_eq!(event["payload"]["body"]["content"], "{\"nothing\":0}");
    for none in ["0", "999999", "nonsense", "99999999999999999999"] {
        let answer = get(&gateway, &format!("/api/v1/deliveries/{none}"), &[]).await;
        assert_eq!((answer.status, problem(&answer)), (404, "not-found"), "{none}");
    }
}
