//! Variants of headers and paths that mean the same.

use crate::receive::raw::{Wire, head};
use crate::receive::{Bench, RequestOutcome, card, event, value, with};

const STRIPE: &str = "stripe-signature";

/// Rewrites a header, given its name and value, as one or more lines.
type Rewrite = fn(&str, &str) -> Vec<String>;

#[tokio::test]
async fn content_encoding_without_compression_is_ignored() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for encoding in [
        "",
        "identity",
        "IDENTITY",
        "identity, identity",
        "utf-8",
        "UTF8",
        "iso-8859-1",
        "none",
        "aws-chunked",
        "application/json",
        "7bit",
    ] {
        let body = event().to_string().into_bytes();
        let headers = with(&gateway.sign("billing", &body, &[]), "content-encoding", encoding);
        let sent = gateway.send_raw("billing", None, &headers, &body);
        bench.check(encoding, "stripe", RequestOutcome::Accepted, sent).await;
    }
    for encoding in ["gzip", "x-gzip", "br", "deflate", "zstd", "compress", "aws-chunked, gzip"] {
        let body = event().to_string().into_bytes();
        let headers = with(&gateway.sign("billing", &body, &[]), "content-encoding", encoding);
        let sent = gateway.send_raw("billing", None, &headers, &body);
        bench.check(encoding, "none", RequestOutcome::Refused(415, "content_encoding"), sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn path_variants_reach_the_same_source() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for path in [
        "/hooks/billing/",
        "/hooks/billing//",
        "//hooks//billing",
        "/hooks/billing/?x=1",
        "/hooks/%62illing",
        "/%68%6Foks/bil%6Cing/",
        "/api/stripe/webhook/",
        "/api/stripe/web%68ook",
    ] {
        let body = event().to_string().into_bytes();
        let sent = gateway.post(path, &gateway.sign("billing", &body, &[]), &body).await;
        assert_eq!((sent.status, sent.body_status()), (202, "accepted"), "{path}");
    }
    for path in [
        "/hooks/cards/create/",
        "/hooks/cards//create//",
        "/functions/v1/docora-webhook/create/",
        "/hooks/c%61rds/cre%61te",
    ] {
        let body = card().to_string().into_bytes();
        let sent = gateway.post(path, &gateway.sign("cards", &body, &[]), &body).await;
        assert_eq!((sent.status, sent.body_status()), (202, "accepted"), "{path}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn signed_requests_to_unknown_paths_are_counted() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let counted = async || {
        let page = gateway.operator("/metrics").await.text;
        let name = "sealpost_signed_to_unknown_path_total ";
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let before = counted().await;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    for path in ["/hooks/biling", "/webhooks/billing", "/"] {
        gateway.post(path, &signed, &body).await;
    }
    // All tests in the process share the counter.
    assert!(counted().await >= before + 3);
    bench.finish().await;
}

/// Sends header lines unchanged.
async fn send_lines(bench: &Bench, path: &str, lines: &[String], body: &[u8]) -> u16 {
    let mut wire = Wire::open(bench.gateway.address()).await;
    let mut bytes = head(path, &[], &format!("Content-Length: {}", body.len()));
    bytes.truncate(bytes.len() - 2);
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    wire.write(&bytes).await;
    wire.answer().await.expect("an answer").status
}

#[tokio::test]
async fn signature_headers_rewritten_by_proxies_are_accepted() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let rewrites: [(&str, Rewrite); 6] = [
        ("twice", |name, value| vec![format!("{name}: {value}"); 2]),
        ("joined", |name, value| vec![format!("{name}: {value}, {value}")]),
        ("a trailing comma", |name, value| vec![format!("{name}: {value},")]),
        ("quotes", |name, value| vec![format!("{name}: \"{value}\"")]),
        ("blanks", |name, value| vec![format!("{name}:   {value}\t ")]),
        ("blanks after commas", |name, value| {
            vec![format!("{name}: {}", value.replace(',', ", "))]
        }),
    ];
    let docora = || ("/hooks/cards/create", "cards", card().to_string());
    let stripe = || ("/hooks/billing", "billing", event().to_string());
    let bot = || {
        let body = format!(r#"{{"event":"post.submitted","n":{}}}"#, crate::receive::unique());
        ("/hooks/bot", "bot", body)
    };
    let apify = || {
        let body = format!(r#"{{"eventType":"TEST","n":{}}}"#, crate::receive::unique());
        ("/hooks/apify-runs", "apify-runs", body)
    };
    let senders: [&dyn Fn() -> (&'static str, &'static str, String); 4] =
        [&docora, &stripe, &bot, &apify];
    let is_rewritten = |name: &str| name.contains("signature") || name.contains("timestamp");
    for (what, rewrite) in rewrites {
        for sender in senders {
            let (path, source, body) = sender();
            let headers = gateway.sign(source, body.as_bytes(), &[]);
            let written: Vec<String> = headers
                .iter()
                .flat_map(|(name, value)| {
                    if is_rewritten(name) {
                        rewrite(name, value)
                    } else {
                        vec![format!("{name}: {value}")]
                    }
                })
                .collect();
            let status = send_lines(&bench, path, &written, body.as_bytes()).await;
            assert_eq!(status, 202, "{source}, {what}");
        }
    }
    // A changed body is still rejected.
    let body = event().to_string();
    let signed = gateway.sign("billing", body.as_bytes(), &[]);
    let twice = vec![format!("{STRIPE}: {}", value(&signed, STRIPE)); 2];
    let changed = format!("{body} ");
    assert_eq!(send_lines(&bench, "/hooks/billing", &twice, changed.as_bytes()).await, 401);
    bench.finish().await;
}
