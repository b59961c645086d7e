//! Payloads in chunks, beside inserting the same bytes.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Suite;
use crate::generator::{Pace, generate};
use crate::http::Connection;
use crate::ingest::load;
use crate::processor::Meter;
use crate::requests::{self, signed};
use crate::results::Row;
use crate::rows::{Groups, create_table};
use crate::servers;

const CONNECTIONS: usize = 8;
/// Of a file, before it is encoded.
const CHUNK_BYTES: usize = 96 * 1024;
const CHUNKS_OF_FILE: usize = 4;
const FILES: usize = 400;
const SECRET: &str = "chunks-secret-0123456789abcdef";
const OPTIONS: &str = "app_id = 'app_0123456789abcdef01234567'\nregistration = 'open'";

pub(crate) async fn run(suite: &mut Suite) {
    let source = format!(
        "[[source]]\nname = 'cards'\nprovider = 'docora'\nsecrets = [{{ env = 'CHUNKS' }}]\n\
         limit = {{ per_second = 1000000, burst = 1000000 }}\n[source.options]\n{OPTIONS}\n"
    );
    let secrets = [("CHUNKS".to_owned(), SECRET.to_owned())];
    for round in 1..=suite.options.rounds {
        let requests = chunks();
        let bytes = requests.iter().map(Bytes::len).sum::<usize>() as f64;
        let body = requests::body(&requests[0]);
        let database = suite.databases.migrated().await;
        let server = servers::gateway(&database, &source, &secrets);
        let postgres = suite.databases.postmaster();
        let meter = Meter { server: Some(server.pid()), postgres };
        let of_all = |seconds| load(Pace::Closed, CONNECTIONS, seconds, requests.len());
        database.checkpoint().await;
        let sample =
            generate(of_all(60.0), &meter, || Connection::open(server.address, requests.clone()));
        let rate = bytes / 1e6 / sample.took.as_secs_f64();
        let row = Row::new("chunks", "closed", round).sample(&sample, 1);
        suite.results.push(row.with("megabytes_per_second", rate));
        drop(server);
        database.remove().await;

        let database = suite.databases.fresh().await;
        create_table(&database).await;
        database.checkpoint().await;
        let url = &database.url;
        let meter = Meter { server: None, postgres };
        let sample = generate(of_all(60.0), &meter, || Groups::open(url, 1, body.clone()));
        let rate = (body.len() * sample.times.len()) as f64 / 1e6 / sample.took.as_secs_f64();
        let row = Row::new("rows of chunks", "closed", round).sample(&sample, 1);
        suite.results.push(row.with("megabytes_per_second", rate));
        database.remove().await;
    }
}

/// Every chunk of every file.
fn chunks() -> Arc<Vec<Bytes>> {
    let options: toml::Table = toml::from_str(OPTIONS).unwrap();
    let files: Vec<(Uuid, String, String)> = (0..FILES)
        .map(|_| {
            let id = Uuid::new_v4();
            let bytes = noise(CHUNK_BYTES * CHUNKS_OF_FILE, id.as_u128() as u32);
            (id, STANDARD.encode(&bytes), hex::encode(Sha256::digest(&bytes)))
        })
        .collect();
    let make = |number: usize| {
        let (file, index) = (number / CHUNKS_OF_FILE, number % CHUNKS_OF_FILE);
        let (id, text, digest) = &files[file];
        let size = text.len() / CHUNKS_OF_FILE;
        let body = json!({
            "repository": {
                "repository_id": "repo_0123456789abcdef01234567",
                "github_url": "https://github.com/owner/repo", "owner": "owner", "name": "repo",
            },
            "file": {
                "path": format!("images/{id}.bin"), "sha": digest,
                "size": CHUNK_BYTES * CHUNKS_OF_FILE, "content_encoding": "base64",
                "content": &text[index * size..(index + 1) * size],
                "chunk": { "id": id, "index": index, "total": CHUNKS_OF_FILE },
            },
            "commit_sha": "0123456789abcdef0123456789abcdef01234567",
            "timestamp": "2026-11-20T11:59:00.000Z",
        });
        signed("docora", "/hooks/cards/create", SECRET, &options, &body.to_string())
    };
    Arc::new((0..FILES * CHUNKS_OF_FILE).map(make).collect())
}

/// Bytes that nothing compresses.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(step).collect()
}
