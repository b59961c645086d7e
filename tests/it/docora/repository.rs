//! A whole repository: tables and objects match its files, despite duplicates and kills.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use sealpost::objects::{Objects, Place};

use super::model::{Request, assert_same, expected, found, syncs};
use crate::faults::assertions::{expire_leases, wait_until_settled};
use crate::faults::driver::{Remote, Server};
use crate::harness::{Gateway, database, sql};

/// Number of concurrent requests.
const CONCURRENCY: usize = 8;

async fn gateway() -> Gateway {
    let options = "options = { app_id = \"app_0123456789abcdef01234567\" }";
    let limit = format!("{options}\nlimit = {{ per_second = 100000, burst = 100000 }}");
    Gateway::builder().config(options, &limit).start().await
}

async fn send_all(gateway: &Gateway, requests: &[Request], times: usize) {
    let all = requests.iter().flat_map(|request| std::iter::repeat_n(request, times));
    let sending = stream::iter(all).for_each_concurrent(CONCURRENCY, async |request| {
        let body = request.body.to_string();
        // Retries on 503, like the sender.
        loop {
            let answer = gateway.send(super::SOURCE, Some(request.action), body.as_bytes()).await;
            match answer.status {
                200 | 202 => break,
                503 => {}
                status => panic!("{status} {}", answer.text),
            }
        }
    });
    sending.await;
    gateway.run_until_idle().await;
}

async fn sync_and_check(times: usize) {
    let gateway = gateway().await;
    for (requests, version) in &syncs() {
        send_all(&gateway, requests, times).await;
        let state = found(gateway.target(), gateway.objects()).await;
        assert_same(&state, &expected(version));
    }
    let state = found(gateway.target(), gateway.objects()).await;

    // Only unused objects are removed.
    for _ in 0..2 {
        gateway.clock().advance(Duration::from_mins(11));
        for _ in 0..3 {
            gateway.run_maintenance().await;
        }
    }
    let stored = super::objects::stored(gateway.objects()).await;
    let keys = sql::texts(gateway.target(), "SELECT object_key FROM docora_images").await;
    assert_eq!(stored, keys.into_iter().collect());
    assert_same(&found(gateway.target(), gateway.objects()).await, &state);
}

#[tokio::test(flavor = "multi_thread")]
async fn repository_matches_its_files_after_four_syncs() {
    sync_and_check(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repository_matches_its_files_with_duplicate_requests() {
    sync_and_check(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repository_matches_its_files_after_three_kills() {
    let target = database::fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "limit = {{ per_second = 100000, burst = 100000 }}\n[objects]\ndir = \"{}\"\n",
        folder.path().display()
    );
    let url = database::url(&target).await;
    let start = async || Server::start_with(Some(&url), &config).await;
    let mut server = start().await;
    let syncs = syncs();
    // During the large file, the edits, and the last sync.
    let kills = [(0, 60), (1, 20), (3, 90)];
    for (number, (requests, _)) in syncs.iter().enumerate() {
        for (from, batch) in requests.chunks(20).enumerate() {
            let mut left: Vec<&Request> = batch.iter().collect();
            let kill = kills.contains(&(number, from * 20));
            if kill {
                let remote = server.remote.clone();
                let sending = send_to(&remote, left);
                tokio::pin!(sending);
                // Kills it while some requests are unanswered.
                let early = tokio::time::timeout(Duration::from_millis(25), &mut sending).await;
                server.kill().await;
                left = match early {
                    Ok(left) => left,
                    Err(_) => batch.iter().collect(),
                };
                expire_leases(&target).await;
                server = start().await;
            }
            while !left.is_empty() {
                left = send_to(&server.remote, left).await;
            }
        }
    }
    wait_until_settled(&target).await;
    let objects = Objects::at(&Place::Folder(folder.path().to_owned())).unwrap();
    assert_same(&found(&target, &objects).await, &expected(&syncs[3].1));

    // Every stored object is in use, or marked for removal.
    let known = sql::texts(&target, "SELECT object_key FROM docora_objects").await;
    let known: BTreeSet<String> = known.into_iter().collect();
    let stored = super::objects::stored(&objects).await;
    assert_eq!(stored.difference(&known).next(), None, "every object is known");
}

/// Sends requests; returns those without a 2xx response.
async fn send_to<'r>(remote: &Remote, requests: Vec<&'r Request>) -> Vec<&'r Request> {
    let sent = requests.into_iter().map(async |request| {
        let path = format!("cards/{}", request.action);
        let answer = remote.send(&path, &request.body).await;
        (!answer.is_some_and(|(status, _)| matches!(status, 200 | 202))).then_some(request)
    });
    join_all(sent).await.into_iter().flatten().collect()
}
