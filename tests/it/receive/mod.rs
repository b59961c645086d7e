//! Requests of senders, valid or not: their responses, and the rows they leave.
//!
//! A [`Bench`] sends requests one by one. After each it checks every table, the counter of the
//! outcome, and that another source still accepts a valid event.

mod bodies;
mod framing;
mod freshness;
mod invalid_proofs;
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

/// A gateway, and the body of its 401 responses.
pub(crate) struct Bench {
    pub(crate) gateway: Gateway,
    /// The body of every 401.
    pub(crate) unauthorized: String,
}

/// The expected outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// 202, with an event and a delivery.
    Accepted,
    /// 200, without new rows.
    Duplicate,
    /// 200, without new rows: a known id with another body.
    Differs,
    /// 202, with an event and a dead letter with this reason.
    Quarantined(&'static str),
    /// 401 for this reason, without rows.
    Unauthorized(&'static str),
    /// This status for this reason, without rows.
    Refused(u16, &'static str),
}

/// Numbers of rows.
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

/// Ignores every event: these tests are only about ingest.
pub(crate) struct IgnoreAll;

#[async_trait]
impl Handler for IgnoreAll {
    fn name(&self) -> &'static str {
        "ignore-all"
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
        let gateway = builder.handler(IgnoreAll).start().await;
        let unauthorized = gateway.send_raw("nobody", None, &[], b"{}").await;
        assert_eq!(unauthorized.status, 401);
        Self { gateway, unauthorized: unauthorized.text }
    }

    /// Sends a request to a source of a provider, and checks its outcome.
    pub(crate) async fn check(
        &self,
        what: &str,
        kind: &str,
        expected_outcome: RequestOutcome,
        send: impl Future<Output = Answer>,
    ) -> Answer {
        let (outcome, reason) = match expected_outcome {
            RequestOutcome::Accepted => ("accepted", ""),
            RequestOutcome::Duplicate => ("duplicate", "seen_before"),
            RequestOutcome::Differs => ("duplicate", "seen_with_another_body"),
            RequestOutcome::Quarantined(reason) => ("quarantined", reason),
            RequestOutcome::Unauthorized(reason) | RequestOutcome::Refused(_, reason) => {
                ("rejected", reason)
            }
        };
        let count_before = self.counter(kind, outcome, reason).await;
        let before = self.rows().await;
        let answer = send.await;
        let after = self.rows().await;
        let mut expected = before;
        let response = match expected_outcome {
            RequestOutcome::Accepted => {
                (expected.events, expected.keys) = (before.events + 1, before.keys + 1);
                (expected.seen, expected.deliveries) = (before.seen + 1, before.deliveries + 1);
                (202, "accepted")
            }
            RequestOutcome::Duplicate | RequestOutcome::Differs => {
                expected.seen += 1;
                (200, "duplicate")
            }
            RequestOutcome::Quarantined(_) => {
                (expected.events, expected.keys) = (before.events + 1, before.keys + 1);
                (expected.seen, expected.deliveries) = (before.seen + 1, before.deliveries + 1);
                expected.dead += 1;
                (202, "quarantined")
            }
            RequestOutcome::Unauthorized(_) => {
                assert_eq!(answer.text, self.unauthorized, "{what}: every 401 has the same body");
                (401, "")
            }
            RequestOutcome::Refused(status, _) => (status, ""),
        };
        assert_eq!((answer.status, answer.body_status()), response, "{what}: {}", answer.text);
        assert_eq!(after, expected, "{what}");
        if let RequestOutcome::Quarantined(reason) = expected_outcome {
            let query = "SELECT death_reason, event_id FROM deliveries ORDER BY id DESC LIMIT 1";
            let dead = self.gateway.query(query).await.remove(0);
            assert_eq!(dead["death_reason"], reason, "{what}");
            assert_eq!(dead["event_id"], answer.id(), "{what}");
        }
        let count_after = self.counter(kind, outcome, reason).await;
        assert!(count_after > count_before, "{what}: {kind}, {outcome}, {reason:?} is not counted");
        self.assert_other_source_works(what, kind).await;
        answer
    }

    /// Asserts that a source of another provider than `kind` accepts a valid event.
    pub(crate) async fn assert_other_source_works(&self, what: &str, kind: &str) {
        let (source, action, body) = match kind {
            "stripe" => ("cards-too", Some("create"), card()),
            _ => ("billing", None, event()),
        };
        let answer = self.gateway.send(source, action, body.to_string().as_bytes()).await;
        assert_eq!(
            (answer.status, answer.body_status()),
            (202, "accepted"),
            "after {what}: {source}"
        );
    }

    /// Runs the deliveries, and asserts that none dies.
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

    /// The counters are shared by all tests of the process, so they only show increases.
    async fn counter(&self, kind: &str, outcome: &str, reason: &str) -> u64 {
        let page = self.gateway.operator("/metrics").await.text;
        let labels = [
            format!("provider=\"{kind}\""),
            format!("outcome=\"{outcome}\""),
            format!("reason=\"{reason}\""),
        ];
        let lines = page
            .lines()
            .filter(|line| line.starts_with("sealpost_ingest_total{"))
            .filter(|line| labels.iter().all(|label| line.contains(label)));
        // One line for each source of the provider.
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// A number that is used once.
pub(crate) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A valid event of Stripe with a new id.
pub(crate) fn event() -> Value {
    let number = unique();
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "invoice.finalized",
        "created": 1_763_600_000, "livemode": false,
        "data": { "object": { "id": format!("in_{number}"), "object": "invoice" } },
    })
}

/// A valid event of Docora: a file with a new path.
pub(crate) fn card() -> Value {
    file_event(&format!("cards/{}.md", unique()), "# A card")
}

/// A text file in the format of Docora.
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

/// The headers with another value for one of them.
pub(crate) fn with(
    headers: &[(String, String)],
    name: &str,
    value: impl Into<String>,
) -> Vec<(String, String)> {
    let others = headers.iter().filter(|(header, _)| header != name).cloned();
    others.chain([(name.to_owned(), value.into())]).collect()
}
