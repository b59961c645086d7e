//! The keys that senders publish, and the confirmation of subscriptions, with a real server.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sealpost::outbound::{Outbound, Policy};
use sealpost::sender_client::{KeyUnavailable, SenderClient};
use sealpost::verify::{KeyCache, KeyRequest};
use tokio::sync::Semaphore;
use url::Url;

use crate::destinations::receiver::{Receiver, Reply, Seen};
use crate::harness::Gateway;

const HOUR: u64 = 60 * 60;

fn client() -> SenderClient {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    SenderClient::new(Outbound::new(&Policy { allow }).unwrap())
}

/// The source for which keys are fetched.
static SOURCE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("bus"));

fn request(receiver: &Receiver, path: &str) -> KeyRequest {
    KeyRequest { url: url(receiver, path), is_outdated: false }
}

fn outdated(request: &KeyRequest) -> KeyRequest {
    KeyRequest { is_outdated: true, ..request.clone() }
}

fn url(receiver: &Receiver, path: &str) -> Url {
    receiver.url(path).parse().unwrap()
}

fn cached(client: &SenderClient, url: &Url) -> Option<String> {
    client.get(url).map(|text| text.to_string())
}

/// Responds 200 with the number of the request, except to those that fail.
async fn numbering(fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> Receiver {
    Receiver::start(move |_, number| {
        if fails(number) {
            return Reply::status(500);
        }
        Reply::status(200).body(number.to_string().as_bytes())
    })
    .await
}

/// Lets time pass. It is paused only for the jump: with a paused clock, requests time out at once.
async fn pass(seconds: u64) {
    // Tasks that have received their response begin to wait first.
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("did not happen: {what}");
}

#[tokio::test]
async fn requests_share_one_fetch() {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let receiver =
        Receiver::start(move |_, _| Reply::status(200).body(b"keys").gate(&closed)).await;
    let (client, request) = (client(), request(&receiver, "/keys"));
    assert_eq!(cached(&client, &request.url), None);
    let open = async {
        until("a fetch", || receiver.seen().len() == 1).await;
        gate.add_permits(1);
    };
    let fetch = || client.fetch_key(&SOURCE, &request);
    let (first, second, third, ()) = tokio::join!(fetch(), fetch(), fetch(), open);
    assert_eq!([first, second, third], [Ok(()); 3]);
    assert_eq!(cached(&client, &request.url).as_deref(), Some("keys"));
    assert_eq!(client.fetch_key(&SOURCE, &request).await, Ok(()));
    assert_eq!(receiver.seen().len(), 1);
    assert_eq!(receiver.seen()[0].line, "GET /keys");
}

#[tokio::test]
async fn fetch_continues_when_the_request_is_gone() {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let receiver =
        Receiver::start(move |_, _| Reply::status(200).body(b"keys").gate(&closed)).await;
    let (client, request) = (client(), request(&receiver, "/keys"));
    for _ in 0..3 {
        let waited =
            tokio::time::timeout(Duration::from_millis(50), client.fetch_key(&SOURCE, &request));
        assert!(waited.await.is_err());
    }
    gate.add_permits(1);
    until("the content", || cached(&client, &request.url).is_some()).await;
    client.finish().await;
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn failure_is_remembered_for_five_seconds() {
    let receiver = numbering(|number| number == 0).await;
    let (client, request) = (client(), request(&receiver, "/keys"));
    for _ in 0..3 {
        assert_eq!(client.fetch_key(&SOURCE, &request).await, Err(KeyUnavailable));
    }
    pass(3).await;
    assert_eq!(client.fetch_key(&SOURCE, &request).await, Err(KeyUnavailable));
    assert_eq!(receiver.seen().len(), 1);
    pass(3).await;
    assert_eq!(client.fetch_key(&SOURCE, &request).await, Ok(()));
    assert_eq!(cached(&client, &request.url).as_deref(), Some("1"));
}

#[tokio::test]
async fn outdated_keys_are_refetched_once_in_half_a_minute() {
    let receiver = numbering(|number| number == 2).await;
    let (client, request) = (client(), request(&receiver, "/keys"));
    let outdated = outdated(&request);
    assert_eq!(client.fetch_key(&SOURCE, &request).await, Ok(()));
    for (after, result, content, fetches) in [
        (0, Ok(()), "0", 1),
        (31, Ok(()), "1", 2),
        (0, Ok(()), "1", 2),
        (25, Ok(()), "1", 2),
        // This one fails: until the next, the key may exist.
        (6, Err(KeyUnavailable), "1", 3),
        (25, Err(KeyUnavailable), "1", 3),
        (6, Ok(()), "3", 4),
    ] {
        if after > 0 {
            pass(after).await;
        }
        assert_eq!(client.fetch_key(&SOURCE, &outdated).await, result, "{content}");
        assert_eq!(cached(&client, &request.url).as_deref(), Some(content));
        assert_eq!(receiver.seen().len(), fetches);
    }
}

#[tokio::test]
async fn unknown_urls_are_limited() {
    let receiver = numbering(|number| number % 2 == 1).await;
    let client = client();
    for number in 0..20 {
        let result = client.fetch_key(&SOURCE, &request(&receiver, &format!("/{number}"))).await;
        assert_eq!(result.is_ok(), number % 2 == 0, "{number}");
    }
    let (known, unknown) = (request(&receiver, "/0"), request(&receiver, "/20"));
    assert_eq!(client.fetch_key(&SOURCE, &unknown).await, Err(KeyUnavailable));
    assert_eq!(receiver.seen().len(), 20);
    pass(31).await;
    assert_eq!(client.fetch_key(&SOURCE, &unknown).await, Err(KeyUnavailable));
    // One that failed is still unknown.
    let failed = request(&receiver, "/1");
    assert_eq!(client.fetch_key(&SOURCE, &failed).await, Err(KeyUnavailable));
    assert_eq!(receiver.seen().len(), 20);
    // One that is known is not limited, nor is one of the configuration.
    assert_eq!(client.fetch_key(&SOURCE, &outdated(&known)).await, Ok(()));
    let configured = request(&receiver, "/configured");
    client.want(configured.url.clone());
    assert_eq!(client.fetch_key(&SOURCE, &configured).await, Err(KeyUnavailable));
    assert_eq!(receiver.seen().len(), 22);
    pass(30).await;
    assert_eq!(client.fetch_key(&SOURCE, &unknown).await, Ok(()));
}

#[tokio::test]
async fn limit_of_one_source_is_not_that_of_another() {
    let receiver = numbering(|_| false).await;
    let client = client();
    for number in 0..20 {
        let request = request(&receiver, &format!("/{number}"));
        assert_eq!(client.fetch_key(&SOURCE, &request).await, Ok(()));
    }
    let unknown = request(&receiver, "/20");
    assert_eq!(client.fetch_key(&SOURCE, &unknown).await, Err(KeyUnavailable));
    let other = Arc::from("another");
    assert_eq!(client.fetch_key(&other, &unknown).await, Ok(()));
    assert_eq!(receiver.seen().len(), 21);
}

#[tokio::test]
async fn what_was_used_last_stays() {
    let receiver = numbering(|_| false).await;
    let client = client();
    let first = request(&receiver, "/0");
    for number in 0..=256 {
        if number % 20 == 0 {
            pass(61).await;
        }
        let result = client.fetch_key(&SOURCE, &request(&receiver, &format!("/{number}"))).await;
        assert_eq!(result, Ok(()), "{number}");
        assert!(client.get(&first.url).is_some(), "{number}");
    }
    assert_eq!(cached(&client, &url(&receiver, "/1")), None);
    assert_eq!(cached(&client, &url(&receiver, "/2")).as_deref(), Some("2"));
    assert_eq!(cached(&client, &url(&receiver, "/256")).as_deref(), Some("256"));
}

#[tokio::test]
async fn only_short_text_with_status_200_is_cached() {
    let receiver = Receiver::start(|seen, _| match seen.line.as_str() {
        "GET /largest" => Reply::status(200).body("x".repeat(64 * 1024).as_bytes()),
        "GET /large" => Reply::status(200).body("x".repeat(64 * 1024 + 1).as_bytes()),
        "GET /bytes" => Reply::status(200).body(b"\xff"),
        "GET /empty" => Reply::status(204),
        "GET /moved" => Reply::status(301).header("location", "/largest"),
        _ => Reply::status(404),
    })
    .await;
    let client = client();
    assert_eq!(client.fetch_key(&SOURCE, &request(&receiver, "/largest")).await, Ok(()));
    for path in ["/large", "/bytes", "/empty", "/moved", "/missing"] {
        let request = request(&receiver, path);
        assert_eq!(client.fetch_key(&SOURCE, &request).await, Err(KeyUnavailable), "{path}");
        assert_eq!(cached(&client, &request.url), None, "{path}");
    }
    let strict = SenderClient::new(Outbound::new(&Policy::default()).unwrap());
    let private = request(&receiver, "/largest");
    assert_eq!(strict.fetch_key(&SOURCE, &private).await, Err(KeyUnavailable));
    assert_eq!(receiver.seen().len(), 6);
}

#[tokio::test]
async fn keys_of_the_configuration_are_fetched_and_refreshed() {
    let receiver = numbering(|_| false).await;
    let (client, url) = (client(), url(&receiver, "/keys"));
    let background = client.clone();
    let background = tokio::task::spawn(async move { background.keep_fresh().await });
    client.want(url.clone());
    until("the first fetch", || cached(&client, &url).is_some()).await;
    pass(HOUR - 60).await;
    pass(31).await;
    assert_eq!(receiver.seen().len(), 1);
    pass(61).await;
    until("the second fetch", || cached(&client, &url).as_deref() == Some("1")).await;
    assert_eq!(receiver.seen().len(), 2);
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_source_are_fetched_at_the_start() {
    let receiver = numbering(|_| false).await;
    let source = format!(
        r#"
[outbound]
allow = ["127.0.0.0/8"]

[[source]]
name = "ledger"
provider = "custom"

[source.scheme]
algorithm = "jwt"
signature = {{ header = "authorization", prefix = "Bearer " }}
key = {{ encoding = "jwk", fetch = {{ url = "{}" }} }}
jwt = {{ algorithms = ["RS256"] }}
"#,
        receiver.url("/jwks.json")
    );
    let _gateway = Gateway::builder().more_config(&source).running().start().await;
    until("a fetch that no request needs", || receiver.seen().len() == 1).await;
    assert_eq!(receiver.seen()[0].line, "GET /jwks.json");
}

#[tokio::test]
async fn failed_refresh_keeps_the_content_for_a_day() {
    let receiver = numbering(|number| number > 0).await;
    let (client, request) = (client(), request(&receiver, "/keys"));
    assert_eq!(client.fetch_key(&SOURCE, &request).await, Ok(()));
    let background = client.clone();
    let background = tokio::task::spawn(async move { background.keep_fresh().await });
    for hour in 1..24 {
        pass(HOUR).await;
        until("a fetch", || receiver.seen().len() > hour).await;
        assert_eq!(cached(&client, &request.url).as_deref(), Some("0"), "{hour}");
    }
    pass(HOUR).await;
    assert_eq!(cached(&client, &request.url), None);
    background.abort();
}

#[tokio::test]
async fn confirmation_is_retried_twice() {
    let receiver = numbering(|number| number != 2).await;
    let client = client();
    let url = url(&receiver, "/?Action=Confirm&Token=t");
    for fetches in [3, 6] {
        client.confirm(url.clone());
        until("the first try", || receiver.seen().len() == fetches - 2).await;
        pass(1).await;
        until("the second try", || receiver.seen().len() == fetches - 1).await;
        pass(5).await;
        until("the third try", || receiver.seen().len() == fetches).await;
        pass(60).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(receiver.seen().len(), fetches);
    }
    client.finish().await;
    assert!(receiver.seen().iter().all(|seen| seen.line == "GET /?Action=Confirm&Token=t"));
}

#[tokio::test]
async fn sixteen_subscriptions_are_confirmed_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    // A large response confirms it, too.
    let body = "x".repeat(100_000);
    let answer = move |_: &Seen, _: usize| Reply::status(200).body(body.as_bytes()).gate(&closed);
    let receiver = Receiver::start(answer).await;
    let client = client();
    for number in 0..20 {
        client.confirm(url(&receiver, &format!("/{number}")));
    }
    until("the first confirmations", || receiver.seen().len() == 16).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(receiver.seen().len(), 16);
    gate.add_permits(20);
    client.finish().await;
    assert_eq!(receiver.seen().len(), 20);
}
