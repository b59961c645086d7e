//! SIGKILL of the program during a chunk transfer: acknowledged chunks are kept, and the remaining
//! ones complete the event.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealpost::store::Target;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::assertions::{assert_events, expire_leases, wait_until_settled};
use super::driver::Server;
use super::proxy::{Pause, Point, Proxy};
use crate::harness::{database, sql};

const CHUNKS: usize = 4;
const STORE_CHUNK: &str = "INSERT INTO chunk_buffer";
const DELETE_CHUNKS: &str = "DELETE FROM chunk_buffer";

fn content() -> Vec<u8> {
    (0..30_000u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// The chunks of one file.
pub(crate) fn chunks() -> Vec<Value> {
    let content = content();
    let text = STANDARD.encode(&content);
    let slices = text.as_bytes().chunks(text.len().div_ceil(CHUNKS));
    let chunk = |(index, slice): (usize, &[u8])| {
        json!({
            "repository": {
                "repository_id": "repo_0123456789abcdef01234567",
                "github_url": "https://github.com/owner/repo", "owner": "owner", "name": "repo",
            },
            "file": {
                "path": "img/a.bin", "sha": hex::encode(Sha256::digest(&content)),
                "size": content.len(), "content": std::str::from_utf8(slice).unwrap(),
                "content_encoding": "base64",
                "chunk": {
                    "id": "550e8400-e29b-41d4-a716-446655440000", "index": index, "total": CHUNKS,
                },
            },
            "commit_sha": "0123456789abcdef0123456789abcdef01234567",
            "timestamp": "2025-01-11T12:00:00.000Z",
        })
    };
    slices.enumerate().map(chunk).collect()
}

/// Sends `before` chunks, and kills the gateway when the next one reaches the pause.
async fn kill_at(before: usize, pause_at: impl FnOnce(&Proxy) -> Pause) -> (Target, Proxy, Server) {
    let direct = database::fresh().await;
    let proxy = Proxy::before(&direct).await;
    let server = Server::start(proxy.url()).await;
    let chunks = chunks();
    for (have, chunk) in chunks[..before].iter().enumerate() {
        let (status, answer) = server.remote.send("cards/create", chunk).await.unwrap();
        assert_eq!((status, &answer["chunk"]["have"]), (202, &json!(have + 1)), "{answer}");
    }
    let pause = pause_at(&proxy);
    let unanswered = server.remote.start_send("cards/create", &chunks[before]);
    pause.reached().await;
    server.kill().await;
    pause.cut();
    assert_eq!(unanswered.await.unwrap(), None);
    let server = Server::start(proxy.url()).await;
    (direct, proxy, server)
}

/// Asserts one handled event with the bytes of the file, and no remaining chunks.
async fn assert_whole(direct: &Target) {
    expire_leases(direct).await;
    wait_until_settled(direct).await;
    assert_events(direct, 1).await;
    let sha256 = sql::texts(direct, "SELECT encode(sha256(body), 'hex') FROM events").await;
    assert_eq!(sha256, [hex::encode(Sha256::digest(content()))]);
    assert_eq!(sql::number(direct, "SELECT count(*) FROM chunk_buffer").await, 0);
    assert_eq!(sql::texts(direct, "SELECT state FROM chunk_transfers").await, ["whole"]);
    let files = "SELECT count(*) FROM docora_files WHERE path = 'img/a.bin'";
    assert_eq!(sql::number(direct, files).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_completes_after_a_kill_while_storing_a_chunk() {
    let (direct, _proxy, server) =
        kill_at(2, |proxy| proxy.hold_after(STORE_CHUNK, Point::Before, "COMMIT")).await;
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM chunk_buffer").await, 2);
    for chunk in &chunks()[2..] {
        let (status, answer) = server.remote.send("cards/create", chunk).await.unwrap();
        assert_eq!((status, &answer["status"]), (202, &json!("accepted")), "{answer}");
    }
    assert_whole(&direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_completes_after_a_kill_while_assembling() {
    let (direct, _proxy, server) =
        kill_at(CHUNKS - 1, |proxy| proxy.hold_after(DELETE_CHUNKS, Point::Before, "COMMIT")).await;
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 0);
    let (status, answer) = server.remote.send("cards/create", &chunks()[CHUNKS - 1]).await.unwrap();
    assert_eq!((status, &answer["status"]), (202, &json!("accepted")), "{answer}");
    assert_whole(&direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_chunk_is_a_duplicate_after_a_kill_past_the_commit() {
    let (direct, _proxy, server) =
        kill_at(CHUNKS - 1, |proxy| proxy.hold_after(DELETE_CHUNKS, Point::Answered, "COMMIT"))
            .await;
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    for chunk in &chunks()[CHUNKS - 2..] {
        let (status, answer) = server.remote.send("cards/create", chunk).await.unwrap();
        assert_eq!((status, &answer["status"]), (200, &json!("duplicate")), "{answer}");
    }
    assert_whole(&direct).await;
}
