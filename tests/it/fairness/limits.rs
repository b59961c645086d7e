//! Rate limits, and the limit of open chunk transfers.

use futures_util::future::join_all;
use sealpost::app;

use crate::chunks::Transfer;
use crate::harness::{Gateway, load};
use crate::receive::{Bench, card, event};

const OPTIONS: &str = "options = { app_id = \"app_0123456789abcdef01234567\" }";
const ALIASES: &str = "aliases = [\"/api/stripe/webhook\"]";

#[tokio::test(flavor = "multi_thread")]
async fn sequential_senders_are_throttled_but_not_rejected() {
    let limited = format!("{OPTIONS}\nlimit = {{ per_second = 50, burst = 5 }}");
    let bench = Bench::with(Gateway::builder().config(OPTIONS, &limited)).await;
    let gateway = &bench.gateway;
    let workers = (0..5).map(|_| async {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let body = card().to_string();
            statuses.push(gateway.send("cards", Some("create"), body.as_bytes()).await.status);
        }
        statuses
    });
    assert_eq!(join_all(workers).await.concat(), [202; 100]);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_with_more_chunks_than_the_burst_is_accepted() {
    let limited = format!("{OPTIONS}\nlimit = {{ per_second = 20, burst = 4 }}");
    let bench = Bench::with(Gateway::builder().config(OPTIONS, &limited)).await;
    let transfer = Transfer::of(14);
    for index in 0..14 {
        assert_eq!(transfer.send(&bench.gateway, index).await.body_status(), "accepted", "{index}");
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn default_limits_allow_the_first_sync_of_a_large_repository() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let workers = (0..8).map(|_| async {
        for _ in 0..200 {
            let body = card().to_string();
            let answer = gateway.send("cards", Some("create"), body.as_bytes()).await;
            assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
        }
    });
    join_all(workers).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limited_request_waits_briefly_before_429() {
    let limited = format!("{ALIASES}\nlimit = {{ per_second = 1, burst = 2 }}");
    let bench = Bench::with(Gateway::builder().config(ALIASES, &limited)).await;
    let gateway = &bench.gateway;
    let at_once = (0..12).map(|_| async {
        let answer = gateway.send("billing", None, event().to_string().as_bytes()).await;
        if answer.status == 429 {
            assert!(answer.headers.contains_key("retry-after"));
        }
        answer.status
    });
    let answers = join_all(at_once).await;
    let rejected = answers.iter().filter(|status| **status == 429).count();
    let accepted = answers.iter().filter(|status| **status == 202).count();
    assert_eq!(accepted + rejected, 12, "{answers:?}");
    // Two at once, two more within two seconds, and some for the duration of the test itself.
    assert!((4..=8).contains(&accepted), "{answers:?}");
    bench.assert_other_source_works("a quota", "stripe").await;
    bench.finish().await;
}

#[test]
fn check_warns_of_a_burst_below_the_chunks_of_a_file() {
    let warnings = |more: &str| {
        let text = include_str!("../harness/config.toml");
        // `check` also warns of the placeholder in the example.
        let own = OPTIONS.replace("0123456789abcdef01234567", "aaaaaaaaaaaaaaaaaaaaaaaa");
        let text = text.replacen(OPTIONS, &format!("{own}\n{more}"), 1);
        app::check(&load(&text)).of_sources.swap_remove(0)
    };
    let limited = warnings("limit = { per_second = 4, burst = 4 }");
    assert!(limited.iter().any(|warning| warning.contains("171 chunks")), "{limited:?}");
    assert_eq!(warnings(""), Vec::<String>::new());
}

#[tokio::test]
async fn open_transfers_of_one_repository_do_not_block_others() {
    let more = "\n[transfers]\nmax_open = 40\n";
    let bench = Bench::with(Gateway::builder().more_config(more)).await;
    let gateway = &bench.gateway;
    for number in 0..10 {
        assert_eq!(Transfer::of(2).send(gateway, 0).await.body_status(), "accepted", "{number}");
    }
    for _ in 0..5 {
        assert_eq!(Transfer::of(2).send(gateway, 0).await.status, 503, "it has used its share");
    }
    let other = Transfer::of(2).of_repository("repo_ffffffffffffffffffffffff");
    for index in 0..2 {
        assert_eq!(other.send(gateway, index).await.body_status(), "accepted", "{index}");
    }
    gateway.execute("DELETE FROM chunk_transfers WHERE state = 'open'").await;
    bench.finish().await;
}
