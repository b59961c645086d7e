//! The change stream over real sockets: complete, in order, and resumable, with concurrent writers,
//! slow clients and broken connections.

mod order;
mod tail;

use std::collections::HashSet;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::harness::{API_KEY, Answer, Gateway};
use crate::receive::unique;

const PATH: &str = "/api/v1/stream";
/// Transactions of other tests on the same server delay the stream.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the stream.
struct Watcher {
    response: reqwest::Response,
    text: String,
    /// The last received id.
    last: String,
    comments: Vec<String>,
}

/// A received change.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    id: String,
    name: String,
    data: Value,
}

/// A message, which ends with an empty line.
#[derive(Debug, PartialEq)]
enum Message {
    Change(Seen),
    Other,
}

impl Watcher {
    /// Opens the stream with a query and a last id.
    async fn open(gateway: &Gateway, query: &str, last: Option<&str>) -> Self {
        Self::on(ask(gateway, query, last).await).await
    }

    async fn on(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let (text, last, comments) = (String::new(), String::new(), Vec::new());
        let mut watcher = Self { response, text, last, comments };
        // The first message is the position: from here on nothing is missed.
        while watcher.last.is_empty() {
            assert!(watcher.read().await, "it ended at once");
            assert!(!matches!(watcher.message(), Some(Message::Change(_))));
        }
        watcher
    }

    /// Reads more of the stream; false at its end.
    async fn read(&mut self) -> bool {
        let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
        let piece = piece.unwrap_or_else(|_| panic!("silence after {:?}", self.last));
        let Ok(Some(piece)) = piece else { return false };
        self.text.push_str(std::str::from_utf8(&piece).expect("text, split between messages"));
        true
    }

    /// The next complete message.
    fn message(&mut self) -> Option<Message> {
        let (message, rest) = self.text.split_once("\n\n")?;
        let (message, rest) = (message.to_owned(), rest.to_owned());
        self.text = rest;
        let field = |name: &str| {
            let mut lines = message.lines().filter_map(|line| line.strip_prefix(name));
            lines.next().map(str::to_owned)
        };
        self.comments.extend(field(": "));
        if let Some(id) = field("id: ") {
            self.last = id;
        }
        let Some(data) = field("data: ") else { return Some(Message::Other) };
        Some(Message::Change(Seen {
            id: self.last.clone(),
            name: field("event: ").expect("a name"),
            data: serde_json::from_str(&data).expect("JSON"),
        }))
    }

    /// The next change; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            while let Some(message) = self.message() {
                if let Message::Change(seen) = message {
                    return Some(seen);
                }
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.push(self.next().await.unwrap_or_else(|| panic!("ended: {:?}", self.comments)));
        }
        seen
    }

    /// Reads until a comment with this prefix.
    async fn comment(&mut self, prefix: &str) -> String {
        loop {
            while let Some(message) = self.message() {
                assert_eq!(message, Message::Other, "while waiting for `{prefix}`");
            }
            let found = self.comments.iter().find(|comment| comment.starts_with(prefix));
            if let Some(found) = found {
                return found.clone();
            }
            assert!(self.read().await, "ended: {:?}", self.comments);
        }
    }
}

async fn ask(gateway: &Gateway, query: &str, last: Option<&str>) -> reqwest::Response {
    let url = gateway.operator_url(&format!("{PATH}{query}"));
    let mut request = gateway.client().get(url).bearer_auth(API_KEY);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.expect("an answer")
}

async fn rejected(gateway: &Gateway, query: &str, last: Option<&str>) -> (u16, HeaderMap, Value) {
    let response = ask(gateway, query, last).await;
    // An accepted stream has no end.
    assert!(!response.status().is_success(), "{query} {last:?} is accepted");
    let answer = Answer::of(response).await;
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.text);
    (answer.status, answer.headers, answer.json)
}

/// Every change since the start.
async fn everything(gateway: &Gateway, count: usize) -> Vec<Seen> {
    Watcher::open(gateway, "?after=start", None).await.take(count).await
}

/// Sends a Stripe event that its handler ignores.
async fn send(gateway: &Gateway) -> String {
    let id = format!("evt_{}", unique());
    let event = json!({
        "id": id, "object": "event", "type": "invoice.finalized", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": id, "object": "invoice" } },
    });
    // Ids sort by time, so the clock must advance.
    gateway.clock().advance(Duration::from_millis(1));
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    answer.id().to_owned()
}

/// A statement that inserts `count` events of a type, past the gateway.
fn insert(count: u32, kind: &str) -> String {
    format!(
        "INSERT INTO events (id, tenant, source, provider, event_type, strength, late, secret,
                             received_at, key, headers, body)
         SELECT gen_random_uuid(), 'default', 'billing', 'stripe', '{kind}', 'signed', false, '',
                now(), gen_random_uuid(), '{{}}', '' FROM generate_series(1, {count})"
    )
}

fn text<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.data[name].as_str().unwrap_or_else(|| panic!("no {name} in {seen:?}"))
}

fn assert_no_repetition(seen: &[Seen]) {
    let ids: HashSet<&str> = seen.iter().map(|seen| seen.id.as_str()).collect();
    assert_eq!(ids.len(), seen.len(), "a change was streamed twice");
}
