//! Chunked transfers: in any order, with repeats, over several gateways, and never assembled into
//! a payload that was not sent.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::harness::{Answer, Builder, Gateway};
use crate::receive::process::Process;
use crate::receive::{Bench, RequestOutcome, unique};

const OPTIONS: &str = "options = { app_id = \"app_0123456789abcdef01234567\" }";
const MIXED: RequestOutcome = RequestOutcome::Quarantined("chunk_mixed");

/// A file that is sent in chunks.
#[derive(Clone)]
pub(crate) struct Transfer {
    id: String,
    repository: &'static str,
    path: String,
    bytes: Vec<u8>,
    total: usize,
    built_at: &'static str,
}

impl Transfer {
    /// A unique file.
    pub(crate) fn of(total: usize) -> Self {
        let number = unique();
        // No chunk ends at the end of a base64 group.
        let bytes = noise(total * 50 + 11, number);
        Self {
            id: Uuid::new_v4().to_string(),
            repository: "repo_0123456789abcdef01234567",
            path: format!("images/{number}.bin"),
            bytes,
            total,
            built_at: "2026-11-20T11:59:00.000Z",
        }
    }

    /// A unique text file.
    pub(crate) fn of_text(total: usize) -> Self {
        let transfer = Self::of(total);
        let bytes = transfer.bytes.iter().map(|byte| b'a' + byte % 26).collect();
        Self { path: format!("texts/{}.txt", transfer.id), bytes, ..transfer }
    }

    /// A new transfer of the same file.
    pub(crate) fn again(&self) -> Self {
        let id = Uuid::new_v4().to_string();
        Self { id, built_at: "2026-11-20T11:59:30.000Z", ..self.clone() }
    }

    /// The same transfer in another repository.
    pub(crate) fn of_repository(self, repository: &'static str) -> Self {
        Self { repository, ..self }
    }

    fn sha(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }

    pub(crate) fn chunk(&self, index: usize) -> Value {
        let text = STANDARD.encode(&self.bytes);
        let size = text.len().div_ceil(self.total);
        let slice = &text[index * size..text.len().min((index + 1) * size)];
        let mut body = self.whole();
        body["file"]["content"] = json!(slice);
        body["file"]["chunk"] = json!({ "id": self.id, "index": index, "total": self.total });
        body
    }

    /// The same file in one request.
    fn whole(&self) -> Value {
        json!({
            "repository": {
                "repository_id": self.repository, "github_url": "https://github.com/owner/repo",
                "owner": "owner", "name": "repo",
            },
            "file": {
                "path": self.path, "sha": self.sha(), "size": self.bytes.len(),
                "content": STANDARD.encode(&self.bytes), "content_encoding": "base64",
            },
            "commit_sha": "0123456789abcdef0123456789abcdef01234567",
            "timestamp": self.built_at,
        })
    }

    pub(crate) async fn send(&self, gateway: &Gateway, index: usize) -> Answer {
        post(gateway, &self.chunk(index)).await
    }
}

async fn post(gateway: &Gateway, body: &Value) -> Answer {
    gateway.send("cards", Some("create"), body.to_string().as_bytes()).await
}

/// A gateway without a rate limit.
fn unlimited() -> Builder {
    let more = format!("{OPTIONS}\nlimit = {{ per_second = 100000, burst = 100000 }}");
    Gateway::builder().config(OPTIONS, &more)
}

/// Pseudo-random bytes.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(step).collect()
}

/// Every order of the numbers below `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let insert = |order: Vec<usize>| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(insert).collect()
}

/// Each of `count` files is one event with its own bytes, and no chunk is left over.
async fn assert_whole(gateway: &Gateway, count: usize) {
    let count = i64::try_from(count).unwrap();
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, count);
    let matching = "SELECT count(DISTINCT e.body) FROM events e
        WHERE encode(sha256(e.body), 'hex')
            = convert_from(e.envelope, 'UTF8')::json #>> '{file,sha}'";
    assert_eq!(gateway.count(matching).await, count, "every payload has its digest");
    assert_eq!(gateway.count("SELECT count(*) FROM deliveries").await, count);
    assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0);
    let open = "SELECT count(*) FROM chunk_transfers WHERE state <> 'whole'";
    assert_eq!(gateway.count(open).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_in_any_order_with_repeats_make_one_event() {
    let gateway = unlimited().start().await;
    let mut runner = TestRunner::default();
    let mut cases = Vec::new();
    for total in 1..=5 {
        for mut order in orders(total) {
            let repeats = proptest::collection::vec((0..total, 0..=total), 0..=total);
            for (chunk, place) in repeats.new_tree(&mut runner).unwrap().current() {
                order.insert(place.min(order.len()), chunk);
            }
            cases.push((Transfer::of(total), order));
        }
    }
    let count = cases.len();
    let run = |(transfer, order): (Transfer, Vec<usize>)| {
        let gateway = &gateway;
        async move {
            let mut seen = Vec::new();
            let mut event = None;
            for index in &order {
                let answer = transfer.send(gateway, *index).await;
                let response = (answer.status, answer.body_status());
                let id = answer.id().to_owned();
                assert_eq!(event.get_or_insert_with(|| id.clone()), &id, "one id for all");
                if seen.contains(index) {
                    assert_eq!(
                        response,
                        (200, "duplicate"),
                        "{order:?} at {index}: {}",
                        answer.text
                    );
                    continue;
                }
                seen.push(*index);
                assert_eq!(response, (202, "accepted"), "{order:?} at {index}: {}", answer.text);
                let progress = json!({ "have": seen.len(), "total": transfer.total });
                let progress = if seen.len() < transfer.total { progress } else { Value::Null };
                assert_eq!(answer.json["chunk"], progress, "{order:?} at {index}");
            }
        }
    };
    stream::iter(cases).map(run).buffer_unordered(8).collect::<Vec<()>>().await;
    assert_whole(&gateway, count).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_files").await.len(), count);
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_last_chunks_at_two_gateways_make_one_event() {
    const ROUNDS: usize = 50;
    let first = unlimited().start().await;
    let second = unlimited().sharing_database(&first).start().await;
    for round in 0..ROUNDS {
        let transfer = Transfer::of(3);
        transfer.send(&first, round % 3).await;
        let barrier = Arc::new(Barrier::new(2));
        let last = |gateway, index| {
            let (transfer, barrier) = (transfer.clone(), Arc::clone(&barrier));
            async move {
                barrier.wait().await;
                transfer.send(gateway, index).await
            }
        };
        let (left, right) =
            tokio::join!(last(&first, (round + 1) % 3), last(&second, (round + 2) % 3));
        assert_eq!((left.status, right.status), (202, 202), "{} {}", left.text, right.text);
        let whole = [&left, &right].iter().filter(|answer| answer.json["chunk"].is_null()).count();
        assert_eq!(whole, 1, "one of them was the last: {} {}", left.text, right.text);
    }
    assert_whole(&first, ROUNDS).await;
    first.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interleaved_transfers_over_two_gateways_each_make_one_event() {
    let first = unlimited().start().await;
    let second = unlimited().sharing_database(&first).start().await;
    let transfers: Vec<Transfer> = (0..30).map(|_| Transfer::of(10)).collect();
    let every: Vec<(usize, usize)> =
        (0..30).flat_map(|transfer| (0..10).map(move |index| (transfer, index))).collect();
    let mixed = proptest::strategy::Just(every).prop_shuffle();
    let mixed = mixed.new_tree(&mut TestRunner::default()).unwrap().current();
    let sent = stream::iter(mixed.into_iter().enumerate())
        .map(|(number, (transfer, index))| {
            let gateway = if number % 2 == 0 { &first } else { &second };
            let transfer = &transfers[transfer];
            async move { transfer.send(gateway, index).await.status }
        })
        .buffer_unordered(6)
        .collect::<Vec<_>>()
        .await;
    assert!(sent.iter().all(|status| *status == 202), "{sent:?}");
    assert_whole(&first, 30).await;
    first.run_until_idle().await;
    assert_eq!(first.rows("docora_files").await.len(), 30);
}

#[tokio::test]
async fn inconsistent_chunk_is_quarantined_and_the_transfer_completes() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let transfer = Transfer::of(3);
    assert_eq!(transfer.send(gateway, 0).await.status, 202);
    let changed = |index: usize, pointer: &str, value: Value| {
        let mut body = transfer.chunk(index);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let other = "f".repeat(64);
    for (what, body) in [
        (
            "other content",
            changed(0, "/file/content", transfer.chunk(1)["file"]["content"].clone()),
        ),
        ("another total", changed(1, "/file/chunk/total", json!(2))),
        ("a larger total", changed(1, "/file/chunk/total", json!(9))),
        ("another digest", changed(1, "/file/sha", json!(other))),
        ("another size", changed(1, "/file/size", json!(transfer.bytes.len() + 1))),
        ("another path", changed(1, "/file/path", json!("images/other.bin"))),
        ("another commit", changed(1, "/commit_sha", json!("0".repeat(40)))),
        ("another time", changed(1, "/timestamp", json!("2026-11-20T11:58:00.000Z"))),
        ("another owner", changed(1, "/repository/owner", json!("somebody"))),
    ] {
        bench.check(what, "docora", MIXED, post(gateway, &body)).await;
        bench.check(what, "docora", RequestOutcome::Duplicate, post(gateway, &body)).await;
    }
    // The same id in another repository is another transfer.
    let elsewhere = Transfer { repository: "repo_ffffffffffffffffffffffff", ..transfer.clone() };
    for index in 0..3 {
        assert_eq!(elsewhere.send(gateway, index).await.body_status(), "accepted");
    }
    let second = transfer.send(gateway, 1).await;
    assert_eq!(second.json["chunk"]["have"], 2, "{}", second.text);
    let last = transfer.send(gateway, 2).await;
    assert_eq!((last.body_status(), &last.json["chunk"]), ("accepted", &Value::Null));
    let whole = "SELECT count(*) FROM events WHERE envelope IS NOT NULL";
    assert_eq!(gateway.count(whole).await, 2);
    assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0);
    bench.finish().await;
}

#[tokio::test]
async fn invalid_chunk_opens_no_transfer() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let long = "a".repeat(10_000);
    let id = |text: &str| ("/file/chunk/id", json!(text), "chunk_id");
    let total = |value: Value| ("/file/chunk/total", value, "chunk_range");
    let index = |value: Value| ("/file/chunk/index", value, "chunk_range");
    let content = |text: &str| ("/file/content", json!(text), "base64");
    let huge: Value = serde_json::from_str("1e30").unwrap();
    for (pointer, value, reason) in [
        id(""),
        id("x"),
        id("../x"),
        id("a\0b"),
        id(&long),
        id("550e8400e29b41d4a716446655440000"),
        index(json!(3)),
        index(json!(-1)),
        index(json!(1.5)),
        index(json!(4_294_967_296_u64)),
        total(json!(0)),
        total(json!(4_294_967_296_u64)),
        total(json!(9_007_199_254_740_992_u64)),
        total(huge),
        ("/file/chunk/total", json!(1_000_000_000), "chunk_limit"),
        ("/file/chunk/total", json!(4_097), "chunk_limit"),
        ("/file/size", json!(64 * 1024 * 1024 + 1), "chunk_limit"),
        ("/file/size", json!(1), "size_mismatch"),
        content("@@@@"),
        content("AB=="),
        content("AB CD"),
        content("ABCD\n"),
        content("AB-_"),
        ("/file/content", json!(""), "schema"),
        ("/file/content", json!(7), "schema"),
        ("/file/content", Value::Null, "schema"),
        ("/file/content_encoding", json!("gzip"), "schema"),
        ("/file/content_encoding", Value::Null, "schema"),
        ("/file/chunk", json!("1/3"), "schema"),
        ("/file/chunk/id", json!(7), "schema"),
        ("/file/chunk/index", json!("0"), "schema"),
        ("/file/path", json!("../a.png"), "path_invalid"),
    ] {
        let mut body = Transfer::of(3).chunk(1);
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let what: String = format!("{pointer} = {value}").chars().take(60).collect();
        let outcome = RequestOutcome::Quarantined(reason);
        bench.check(&what, "docora", outcome, post(gateway, &body)).await;
    }
    for action in ["delete", "sync_failed"] {
        let body = Transfer::of(3).chunk(0).to_string();
        let sent = gateway.send("cards", Some(action), body.as_bytes());
        bench.check(action, "docora", RequestOutcome::Quarantined("action_mismatch"), sent).await;
    }
    let text = Transfer::of(3).chunk(0).to_string();
    let twice = text.replace("\"total\":3", "\"total\":3,\"\\u0074otal\":9");
    let sent = gateway.send("cards", Some("create"), twice.as_bytes());
    bench.check("two totals", "docora", RequestOutcome::Quarantined("dup_key"), sent).await;
    assert_eq!(gateway.rows("chunk_transfers").await.len(), 0);

    let single = Transfer::of(1);
    bench
        .check("one of one", "docora", RequestOutcome::Accepted, async {
            let answer = single.send(gateway, 0).await;
            gateway.execute("DELETE FROM chunk_transfers").await;
            answer
        })
        .await;
    let mut empty = Transfer::of(1).whole();
    empty["file"] = json!({
        "path": "empty.txt", "sha": hex::encode(Sha256::digest(b"")), "size": 0, "content": "",
    });
    bench.check("an empty file", "docora", RequestOutcome::Accepted, post(gateway, &empty)).await;
    bench.finish().await;
}

#[tokio::test]
async fn file_with_a_wrong_digest_or_size_is_a_dead_letter() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let declare = |field: &str, value: Value, transfer: &Transfer| -> Vec<Value> {
        (0..3)
            .map(|index| {
                let mut body = transfer.chunk(index);
                body["file"][field] = value.clone();
                body
            })
            .collect()
    };
    let transfer = |_| Transfer::of(3);
    let [digest, shorter, longer, nearly] = [0, 1, 2, 3].map(transfer);
    let size =
        |transfer: &Transfer, more: usize, less: usize| json!(transfer.bytes.len() + more - less);
    let padded = Transfer { bytes: vec![7; 90], ..nearly };
    for (what, reason, chunks) in [
        ("another digest", "digest_mismatch", declare("sha", json!("0".repeat(64)), &digest)),
        ("more declared", "size_mismatch", declare("size", size(&shorter, 30, 0), &shorter)),
        ("less declared", "size_mismatch", declare("size", size(&longer, 0, 30), &longer)),
        ("one byte less", "size_mismatch", declare("size", size(&padded, 0, 1), &padded)),
    ] {
        let dead = gateway.dead_letters().await.len();
        assert_eq!(post(gateway, &chunks[2]).await.body_status(), "accepted", "{what}");
        assert_eq!(post(gateway, &chunks[0]).await.body_status(), "accepted", "{what}");
        let last = post(gateway, &chunks[1]).await;
        assert_eq!(
            (last.status, last.body_status()),
            (202, "quarantined"),
            "{what}: {}",
            last.text
        );
        let dead_letters = gateway.dead_letters().await;
        assert_eq!(dead_letters.len(), dead + 1, "{what}");
        assert_eq!(dead_letters[dead].0, reason, "{what}: {}", dead_letters[dead].1);
        assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0, "{what}");
        for chunk in &chunks {
            let late = post(gateway, chunk).await;
            assert_eq!((late.status, late.body_status()), (200, "duplicate"), "{what}");
        }
        bench.assert_other_source_works(what, "docora").await;
    }
    let padding_in_the_middle = Transfer { bytes: vec![7; 88], ..Transfer::of(2) };
    let mut body = padding_in_the_middle.chunk(1);
    body["file"]["content"] = json!("=A==");
    let outcome = RequestOutcome::Quarantined("base64");
    bench.check("padding inside", "docora", outcome, post(gateway, &body)).await;
    bench.finish().await;
}

#[tokio::test]
async fn newer_transfer_of_a_file_supersedes_the_older() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let old = Transfer::of(5);
    let new = old.again();
    for index in 0..4 {
        assert_eq!(old.send(gateway, index).await.body_status(), "accepted");
    }
    for index in 0..5 {
        assert_eq!(new.send(gateway, index).await.body_status(), "accepted");
    }
    let states = "SELECT state FROM chunk_transfers ORDER BY id";
    let states = gateway.query(states).await;
    assert_eq!(states, [json!({ "state": "superseded" }), json!({ "state": "whole" })]);
    assert_eq!(gateway.dead_letters().await, [], "a superseded transfer is no dead letter");
    assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0);
    let late = old.send(gateway, 4);
    bench.check("late", "docora", RequestOutcome::Quarantined("chunk_superseded"), late).await;

    // In the other order: an older transfer does not supersede a newer one.
    let old = Transfer::of(3);
    let new = old.again();
    assert_eq!(new.send(gateway, 0).await.body_status(), "accepted");
    assert_eq!(old.send(gateway, 0).await.body_status(), "accepted");
    // A file in one request does not affect an open transfer.
    assert_eq!(post(gateway, &new.whole()).await.body_status(), "accepted");
    for index in 1..3 {
        assert_eq!(new.send(gateway, index).await.body_status(), "accepted");
        assert_eq!(old.send(gateway, index).await.body_status(), "accepted");
    }
    assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0);
    bench.finish().await;
}

#[tokio::test]
async fn source_over_its_chunk_quota_gets_503_and_others_do_not() {
    let more = "\n[transfers]\nmax_open = 3\nmax_waiting = \"2 KiB\"\n";
    let bench = Bench::with(Gateway::builder().more_config(more)).await;
    let gateway = &bench.gateway;
    let full = RequestOutcome::Refused(503, "chunk_quota");
    let heavy = Transfer { bytes: vec![1; 3_200], ..Transfer::of(2) };
    let answer = bench.check("2 KiB", "docora", full, heavy.send(gateway, 0)).await;
    assert_eq!(answer.headers["retry-after"], "5");
    let open: Vec<Transfer> = (0..3).map(|_| Transfer::of(2)).collect();
    for transfer in &open {
        assert_eq!(transfer.send(gateway, 0).await.body_status(), "accepted");
    }
    let fourth = Transfer::of(2);
    let answer = bench.check("a fourth", "docora", full, fourth.send(gateway, 0)).await;
    assert_eq!(answer.headers["retry-after"], "5");
    let other = fourth.chunk(0).to_string();
    let other = gateway.send("cards-too", Some("create"), other.as_bytes()).await;
    assert_eq!(other.body_status(), "accepted", "another source has a quota of its own");
    assert_eq!(open[0].send(gateway, 1).await.body_status(), "accepted", "open transfers continue");
    assert_eq!(fourth.send(gateway, 0).await.body_status(), "accepted", "there is room again");

    for transfer in [&open[1], &open[2], &fourth] {
        assert_eq!(transfer.send(gateway, 1).await.body_status(), "accepted");
    }
    let left = gateway.count("SELECT count(*) FROM chunk_buffer").await;
    assert_eq!(left, 1, "only the other source's");
    bench.finish().await;
}

#[tokio::test]
async fn transfer_expires_without_a_next_chunk() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let transfer = Transfer::of(4);
    for index in 0..2 {
        assert_eq!(transfer.send(gateway, index).await.body_status(), "accepted");
        gateway.clock().advance(Duration::from_mins(14));
        gateway.run_maintenance().await;
    }
    assert_eq!(gateway.dead_letters().await, [], "each chunk resets the timeout");
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_maintenance().await;
    let dead_letters = gateway.dead_letters().await;
    assert_eq!(dead_letters.len(), 1);
    assert_eq!(dead_letters[0].0, "chunk_expired");
    assert!(dead_letters[0].1.contains("2 of 4"), "{}", dead_letters[0].1);
    assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0);
    gateway.run_maintenance().await;
    assert_eq!(gateway.dead_letters().await.len(), 1, "once");
    let late = transfer.send(gateway, 2);
    bench.check("late", "docora", RequestOutcome::Quarantined("chunk_expired"), late).await;
    let new = transfer.again();
    for index in 0..4 {
        assert_eq!(new.send(gateway, index).await.body_status(), "accepted");
    }
    bench.finish().await;
}

#[tokio::test]
async fn unfinished_transfer_expires_after_an_hour() {
    let gateway = Gateway::start().await;
    let transfer = Transfer::of(10);
    for index in 0..6 {
        assert_eq!(transfer.send(&gateway, index).await.body_status(), "accepted", "{index}");
        gateway.clock().advance(Duration::from_mins(10));
        if index < 5 {
            gateway.run_maintenance().await;
            assert_eq!(gateway.dead_letters().await, [], "{index}");
        }
    }
    gateway.run_maintenance().await;
    assert_eq!(gateway.dead_letters().await[0].0, "chunk_expired");
    assert_eq!(gateway.count("SELECT count(*) FROM chunk_buffer").await, 0);
}

#[tokio::test]
async fn closed_transfer_is_kept_for_the_key_retention() {
    let gateway = Gateway::start().await;
    let transfer = Transfer::of(2);
    transfer.send(&gateway, 0).await;
    transfer.send(&gateway, 1).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(29 * 24));
    gateway.run_maintenance().await;
    assert_eq!(transfer.send(&gateway, 1).await.status, 200);
    gateway.clock().advance(Duration::from_hours(2 * 24));
    gateway.run_maintenance().await;
    assert_eq!(gateway.rows("chunk_transfers").await.len(), 0);
}

#[tokio::test]
async fn transfer_continues_at_another_gateway() {
    let first = Gateway::start().await;
    let second = Gateway::builder().sharing_database(&first).start().await;
    let transfer = Transfer::of(3);
    transfer.send(&first, 0).await;
    transfer.send(&first, 1).await;
    drop(first);
    let last = transfer.send(&second, 2).await;
    assert_eq!((last.status, last.body_status()), (202, "accepted"));
    second.run_until_idle().await;
    assert_whole(&second, 1).await;
    assert_eq!(second.rows("docora_files").await[0]["sha"], transfer.sha());
}

#[tokio::test]
async fn chunked_and_single_request_files_are_stored_alike() {
    let gateway = Gateway::start().await;
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0".to_vec();
    png.extend(noise(5_000, 7));
    let mut known: Option<Value> = None;
    for (path, chunked) in [("images/a.png", true), ("images/b.png", false)] {
        let transfer = Transfer { path: path.into(), bytes: png.clone(), ..Transfer::of(4) };
        if chunked {
            for index in [2, 0, 3, 1] {
                assert_eq!(transfer.send(&gateway, index).await.body_status(), "accepted");
            }
        } else {
            assert_eq!(post(&gateway, &transfer.whole()).await.body_status(), "accepted");
        }
        gateway.run_until_idle().await;
        let query = format!("SELECT * FROM docora_files WHERE path = '{path}'");
        let mut row = gateway.query(&query).await.remove(0);
        row["path"] = Value::Null;
        row["event_id"] = Value::Null;
        assert_eq!(known.get_or_insert_with(|| row.clone()), &row);
    }
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_of_64_mib_is_assembled_in_bounded_memory() {
    const TOTAL: usize = 171;
    let process = Process::start().await;
    let bytes = noise(64 * 1024 * 1024, 1);
    let transfer = Transfer { bytes, total: TOTAL, ..Transfer::of(TOTAL) };
    let text = STANDARD.encode(&transfer.bytes);
    let slice = text.len().div_ceil(TOTAL);
    let mut body = Transfer { bytes: vec![], ..transfer.clone() }.whole();
    body["file"]["sha"] = json!(transfer.sha());
    body["file"]["size"] = json!(transfer.bytes.len());
    for (index, slice) in text.as_bytes().chunks(slice).enumerate() {
        body["file"]["content"] = json!(std::str::from_utf8(slice).unwrap());
        body["file"]["chunk"] = json!({ "id": transfer.id, "index": index, "total": TOTAL });
        let body = body.to_string().into_bytes();
        let headers = process.sign("cards", &body);
        let (status, text) = process.post("/hooks/cards/create", &headers, body).await;
        assert_eq!(status, 202, "{index}: {text}");
    }
    process.wait_for("the file is handled", |line| line["message"] == "delivery done").await;
    let most = process.peak_memory();
    assert!(most < 200 * 1024, "{most} KiB");
}
