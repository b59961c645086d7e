//! Senders that call by GET and without a body: the query is the content, and it is signed.

use reqwest::Method;
use sealpost::verify::Secret;
use serde_json::json;

use crate::cli::Program;
use crate::harness::{Answer, Gateway};

const SECRET: &str = "dintero-secret-0123456789abcdef";
const CONFIG: &str = include_str!("harness/config.toml");
const SOURCE: &str = r#"
[[source]]
name = "callbacks"
provider = "dintero"
secrets = [{ env = "DINTERO_SECRET" }]
options = { account_id = "P00000000", url = "https://example.com/callback" }
"#;

async fn gateway() -> Gateway {
    Gateway::builder().more_config(SOURCE).variable("DINTERO_SECRET", SECRET).start().await
}

/// The header of a call with this sorted query, as the sender's documentation describes it.
fn signature(at: i64, sorted: &str) -> String {
    let text = format!("{at}\nP00000000\nGET\nexample.com\n/callback\n{sorted}");
    let mac = Secret::new(SECRET).unwrap().sign(&[text.as_bytes()]);
    format!("t={at},v0-hmac-sha256={}", hex::encode(mac))
}

async fn call(gateway: &Gateway, method: Method, query: &str, signature: &str) -> Answer {
    let url = gateway.url(&format!("/hooks/callbacks?{query}"));
    let request = gateway.client().request(method, url).header("dintero-signature", signature);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn call_is_an_event_with_the_sorted_query_as_its_body() {
    let gateway = gateway().await;
    let at = gateway.clock_seconds();
    let signed = signature(at, "A=992&B=123");
    let first = call(&gateway, Method::GET, "B=123&A=992", &signed).await;
    assert_eq!((first.status, first.body_status()), (202, "accepted"), "{}", first.text);
    // In another order, and signed again at another time, it is the same event.
    let again = signature(at + 1, "A=992&B=123");
    for (query, signed) in [("A=992&B=123", &signed), ("B=123&A=992", &again)] {
        let repeated = call(&gateway, Method::GET, query, signed).await;
        assert_eq!(repeated.body_status(), "duplicate", "{}", repeated.text);
        assert_eq!(repeated.id(), first.id());
    }
    let program = Program::beside_with(&gateway, &format!("{CONFIG}{SOURCE}")).await;
    let body = program.run(&["events", "body", first.id()]);
    assert_eq!(body.stdout.trim(), "A=992&B=123", "{}", body.all());
}

#[tokio::test]
async fn changed_call_is_refused() {
    let gateway = gateway().await;
    let at = gateway.clock_seconds();
    let signed = signature(at, "A=992&B=123");
    for query in ["A=992&B=124", "A=992", "A=992&B=123&C=1", "A=992&B=123&", "A=%3992&B=123"] {
        let answer = call(&gateway, Method::GET, query, &signed).await;
        assert_eq!(answer.status, 401, "{query}");
    }
    let old = signature(at - 1_000, "A=992&B=123");
    assert_eq!(call(&gateway, Method::GET, "A=992&B=123", &old).await.status, 401);
    // Only by the method that its sender uses.
    for method in [Method::POST, Method::HEAD, Method::PUT] {
        let answer = call(&gateway, method.clone(), "A=992&B=123", &signed).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET", "{method}");
    }
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_is_tested_and_explained() {
    use sealpost::clock::{Clock as _, SystemClock};
    let builder = Gateway::builder().more_config(SOURCE).variable("DINTERO_SECRET", SECRET);
    let gateway = builder.start_at(SystemClock.now()).start().await;
    let mut program = Program::beside_with(&gateway, &format!("{CONFIG}{SOURCE}")).await;
    program.set("DINTERO_SECRET", SECRET);
    let run = program.run(&["sources", "test", "callbacks", "--to", &gateway.url("")]);
    assert_eq!(run.code, 0, "{}", run.all());
    let kinds = gateway.query("SELECT event_type, count(*) AS n FROM events GROUP BY 1").await;
    assert_eq!(kinds, [json!({ "event_type": "sealpost.test", "n": 1 })]);

    let at = gateway.clock_seconds();
    let path = program.path("request.http");
    let recorded = format!(
        "GET /hooks/callbacks?B=123&A=992 HTTP/1.1\r\nhost: example.com\r\n\
         dintero-signature: {}\r\n\r\n",
        signature(at, "A=992&B=123")
    );
    std::fs::write(&path, recorded).unwrap();
    let run = program.run(&["explain", path.to_str().unwrap(), "--source", "callbacks"]);
    assert_eq!(run.code, 0, "{}", run.all());
}
