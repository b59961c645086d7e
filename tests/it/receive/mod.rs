//! Everything that a sender can do, honest or not: what it is told, and what is left of it.
//!
//! A [`Bench`] sends one request after the other. After each it looks at every table, at the
//! counter of the request's outcome, and whether another source still takes a good event.

mod alike;
mod bodies;
mod framing;
mod freshness;
pub(crate) mod process;
pub(crate) mod raw;
mod replay;
mod report;
mod routing;
mod signatures;
mod volume;

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{Effects, StoredEvent};
use serde_json::{Value, json};

use crate::harness::{Answer, Builder, Gateway};

/// A gateway, and what every refusal has in common.
pub(crate) struct Bench {
    pub(crate) gateway: Gateway,
    /// The body of every failure of authentication.
    pub(crate) unauthorized: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// 202, one event, one delivery.
    Accepted,
    /// 200, and nothing new.
    Duplicate,
    /// 200, and nothing new: its id was seen, with another body.
    Differs,
    /// 202, one event, one dead letter with this reason.
    Quarantined(&'static str),
    /// 401, for this reason, and no row.
    Unauthorized(&'static str),
    /// This status, for this reason, and no row.
    Refused(u16, &'static str),
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rows {
    events: i64,
    keys: i64,
    seen: i64,
    deliveries: i64,
    dead: i64,
    transfers: i64,
    chunks: i64,
}

/// Takes every event and does nothing about it: here only its arrival counts.
pub(crate) struct TakeAll;

#[async_trait]
impl Handler for TakeAll {
    fn name(&self) -> &'static str {
        "take-all"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        Ok(Effects::ignored())
    }
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(Gateway::builder()).await
    }

    pub(crate) async fn with(builder: Builder) -> Self {
        let gateway = builder.handler(TakeAll).start().await;
        let unauthorized = gateway.send_raw("nobody", None, &[], b"{}").await;
        assert_eq!(unauthorized.status, 401);
        Self { gateway, unauthorized: unauthorized.text }
    }

    /// Sends something of a kind of source by `send`, and checks what becomes of it.
    pub(crate) async fn check(
        &self,
        what: &str,
        kind: &str,
        fate: DeliveryOutcome,
        send: impl Future<Output = Answer>,
    ) -> Answer {
        let (outcome, reason) = match fate {
            DeliveryOutcome::Accepted => ("accepted", ""),
            DeliveryOutcome::Duplicate => ("duplicate", "seen_before"),
            DeliveryOutcome::Differs => ("duplicate", "seen_with_another_body"),
            DeliveryOutcome::Quarantined(reason) => ("quarantined", reason),
            DeliveryOutcome::Unauthorized(reason) | DeliveryOutcome::Refused(_, reason) => {
                ("rejected", reason)
            }
        };
        let counted = self.counter(kind, outcome, reason).await;
        let before = self.rows().await;
        let answer = send.await;
        let after = self.rows().await;
        let mut expected = before;
        let told = match fate {
            DeliveryOutcome::Accepted => {
                (expected.events, expected.keys) = (before.events + 1, before.keys + 1);
                (expected.seen, expected.deliveries) = (before.seen + 1, before.deliveries + 1);
                (202, "accepted")
            }
            DeliveryOutcome::Duplicate | DeliveryOutcome::Differs => {
                expected.seen += 1;
                (200, "duplicate")
            }
            DeliveryOutcome::Quarantined(_) => {
                (expected.events, expected.keys) = (before.events + 1, before.keys + 1);
                (expected.seen, expected.deliveries) = (before.seen + 1, before.deliveries + 1);
                expected.dead += 1;
                (202, "quarantined")
            }
            DeliveryOutcome::Unauthorized(_) => {
                assert_eq!(answer.text, self.unauthorized, "{what}: every 401 has the same bytes");
                (401, "")
            }
            DeliveryOutcome::Refused(status, _) => (status, ""),
        };
        assert_eq!((answer.status, answer.what()), told, "{what}: {}", answer.text);
        assert_eq!(after, expected, "{what}");
        if let DeliveryOutcome::Quarantined(reason) = fate {
            let query = "SELECT death_reason, event_id FROM deliveries ORDER BY id DESC LIMIT 1";
            let dead = self.gateway.query(query).await.remove(0);
            assert_eq!(dead["death_reason"], reason, "{what}");
            assert_eq!(dead["event_id"], answer.id(), "{what}");
        }
        let counts = self.counter(kind, outcome, reason).await;
        assert!(counts > counted, "{what}: {kind}, {outcome}, {reason:?} is not counted");
        self.still_takes_good_events(what, kind).await;
        answer
    }

    /// Whatever happened at sources of `kind`, another source takes a good event.
    pub(crate) async fn still_takes_good_events(&self, what: &str, kind: &str) {
        let (source, action, body) = match kind {
            "stripe" => ("cards-too", Some("create"), card()),
            _ => ("billing", None, event()),
        };
        let answer = self.gateway.send(source, action, body.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.what()), (202, "accepted"), "after {what}: {source}");
    }

    /// Works off what was accepted, and nothing of it dies.
    pub(crate) async fn finish(self) {
        let dead = self.gateway.dead_letters().await;
        self.gateway.run_until_idle().await;
        assert_eq!(self.gateway.dead_letters().await, dead);
    }

    async fn rows(&self) -> Rows {
        let query = "SELECT (SELECT count(*) FROM events) AS events,
            (SELECT count(*) FROM event_keys) AS keys,
            (SELECT coalesce(sum(seen_count), 0) FROM event_keys) AS seen,
            (SELECT count(*) FROM deliveries) AS deliveries,
            (SELECT count(*) FROM deliveries WHERE state = 'dead') AS dead,
            (SELECT count(*) FROM chunk_transfers) AS transfers,
            (SELECT count(*) FROM chunk_buffer) AS chunks";
        let row = self.gateway.query(query).await.remove(0);
        let number = |name: &str| row[name].as_i64().unwrap();
        Rows {
            events: number("events"),
            keys: number("keys"),
            seen: number("seen"),
            deliveries: number("deliveries"),
            dead: number("dead"),
            transfers: number("transfers"),
            chunks: number("chunks"),
        }
    }

    /// The process counts for all tests at once, so it can only be seen to rise.
    async fn counter(&self, kind: &str, outcome: &str, reason: &str) -> u64 {
        let page = self.gateway.operator("/metrics").await.text;
        let labels = [
            format!("kind=\"{kind}\""),
            format!("outcome=\"{outcome}\""),
            format!("reason=\"{reason}\""),
        ];
        let lines = page
            .lines()
            .filter(|line| line.starts_with("sealpost_ingest_total{"))
            .filter(|line| labels.iter().all(|label| line.contains(label)));
        // One for each source of this kind.
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// A number that nobody else has.
pub(crate) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A good event of Stripe's, with an id of its own.
pub(crate) fn event() -> Value {
    let number = unique();
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "invoice.finalized",
        "created": 1_763_600_000, "livemode": false,
        "data": { "object": { "id": format!("in_{number}"), "object": "invoice" } },
    })
}

/// A good event of Docora's: a file with a path of its own.
pub(crate) fn card() -> Value {
    file_event(&format!("cards/{}.md", unique()), "# A card")
}

/// A text file that Docora sends.
pub(crate) fn file_event(path: &str, content: &str) -> Value {
    use sha2::{Digest, Sha256};
    json!({
        "repository": {
            "repository_id": "repo_0123456789abcdef01234567",
            "github_url": "https://github.com/owner/repo", "owner": "owner", "name": "repo",
        },
        "file": {
            "path": path, "sha": hex::encode(Sha256::digest(content)), "size": content.len(),
            "content": content,
        },
        "commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "timestamp": "2026-11-20T11:59:00.000Z",
    })
}

/// The value of a header.
pub(crate) fn value<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
    let found = headers.iter().find(|(header, _)| header == name);
    &found.unwrap_or_else(|| panic!("no {name} in {headers:?}")).1
}

/// The same headers with another value of one of them.
pub(crate) fn with(
    headers: &[(String, String)],
    name: &str,
    value: impl Into<String>,
) -> Vec<(String, String)> {
    let others = headers.iter().filter(|(header, _)| header != name).cloned();
    others.chain([(name.to_owned(), value.into())]).collect()
}
