//! Details of pages: flash messages and the icon.

use sealpost::admin::Step;

use crate::api::dead_letters;
use crate::harness::Gateway;

#[tokio::test]
async fn finished_jobs_hide_the_started_message() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    dead_letters(&gateway, 0..2).await;
    let json = [("content-type", "application/json")];
    let plan = r#"{"action":"discard","selection":{"matching":{}},"cap":1,"reason":"noise"}"#;
    let planned = gateway.call("/api/v1/jobs", &json, plan).await;
    let id = planned.json["job"]["id"].as_i64().unwrap_or_else(|| panic!("{}", planned.text));
    let page = gateway.operator(&format!("/jobs/{id}")).await.text;
    assert!(page.contains("the oldest 1 would be processed"), "a dry run does nothing: {page}");
    let path = format!("/jobs/{id}?did=jobs-start");
    assert_eq!(gateway.call(&format!("/api/v1/jobs/{id}/start"), &json, "").await.status, 200);
    assert!(gateway.operator(&path).await.text.contains("Job started."), "while it runs");
    let mut worker = gateway.jobs().worker();
    while matches!(worker.step().await.unwrap(), Step::Did { .. }) {}
    assert!(!gateway.operator(&path).await.text.contains("Job started."), "it is done");
}

#[tokio::test]
async fn icon_is_allowed_by_the_content_security_policy() {
    let gateway = Gateway::start().await;
    let page = gateway.operator("/").await;
    assert!(!page.text.contains("data:,"), "{}", page.text);
    let (_, rest) = page.text.split_once("rel=\"icon\"").expect("an icon");
    let (_, rest) = rest.split_once("href=\"").unwrap();
    let (path, _) = rest.split_once('"').unwrap();
    let icon = gateway.operator(path).await;
    assert_eq!(icon.status, 200, "{path}");
    assert_eq!(icon.headers["content-type"], "image/svg+xml");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("img-src 'self'"), "{policy}");
}
