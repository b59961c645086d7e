//! Signed bodies of every kind: authentic requests are stored, valid or quarantined.

use serde_json::{Value, json};

use super::raw::{Wire, head};
use super::{Bench, RequestOutcome, event, file_event, unique, with};
use crate::harness::{Answer, Gateway};

const ENCODED: RequestOutcome = RequestOutcome::Refused(415, "content_encoding");
const MIB: usize = 1024 * 1024;

/// A valid event of exactly this many bytes.
fn event_of(bytes: usize) -> Vec<u8> {
    let mut event = event();
    event["padding"] = json!("");
    let padding = bytes - event.to_string().len();
    event["padding"] = json!("x".repeat(padding));
    event.to_string().into_bytes()
}

/// A valid event with text before its closing brace.
fn event_with(text: &str) -> Vec<u8> {
    let event = event().to_string();
    format!("{},{text}}}", &event[..event.len() - 1]).into_bytes()
}

async fn chunked(gateway: &Gateway, source: &str, body: &[u8]) -> Answer {
    let headers = gateway.sign(source, body, &[]);
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&head(&format!("/hooks/{source}"), &headers, "Transfer-Encoding: chunked")).await;
    for piece in body.chunks(60_000) {
        let framed = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        if !wire.try_write(&framed).await {
            break;
        }
    }
    wire.try_write(b"0\r\n\r\n").await;
    wire.answer().await.expect("an answer").parsed()
}

#[tokio::test]
async fn body_is_accepted_up_to_its_limit() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let largest = event_of(2 * MIB);
    let sent = gateway.send("billing", None, &largest);
    bench.check("the limit", "stripe", RequestOutcome::Accepted, sent).await;
    let largest = event_of(2 * MIB);
    bench
        .check(
            "in chunks",
            "stripe",
            RequestOutcome::Accepted,
            chunked(gateway, "billing", &largest),
        )
        .await;
    // Beyond the limit the content is not stored, but the sender need not retry.
    let too_large = event_of(2 * MIB + 1);
    let sent = gateway.send("billing", None, &too_large);
    bench.check("one more", "stripe", RequestOutcome::Quarantined("too_large"), sent).await;
    let too_large = event_of(2 * MIB + 1);
    let sent = chunked(gateway, "billing", &too_large);
    bench
        .check("one more, in chunks", "stripe", RequestOutcome::Quarantined("too_large"), sent)
        .await;
    bench.finish().await;
}

#[tokio::test]
async fn encoded_body_is_rejected() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    // An empty gzip stream.
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    for (encoding, bytes) in [
        ("gzip", &gzip[..]),
        ("gzip", &body[..]),
        ("deflate", &body[..]),
        ("br", &body[..]),
        ("zstd", &body[..]),
        ("identity, gzip", &body[..]),
    ] {
        let headers = with(&signed, "content-encoding", encoding);
        let sent = gateway.send_raw("billing", None, &headers, bytes);
        // Rejected before the source lookup.
        let answer = bench.check(encoding, "none", ENCODED, sent).await;
        assert!(!answer.text.contains("stream") && !answer.text.contains("header"));
    }
    let headers = with(&signed, "content-encoding", "Identity");
    let sent = gateway.send_raw("billing", None, &headers, &body);
    bench.check("identity", "stripe", RequestOutcome::Accepted, sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn unreadable_body_is_quarantined_unchanged() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let text = event().to_string();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let digits = "9".repeat(400);
    let huge = event_with(&format!("\"many\":[{}1]", "1e131071,".repeat(199)));
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("nothing", "empty_body", vec![]),
        ("white space", "not_json", b"  \n".to_vec()),
        ("bytes", "not_utf8", b"\xff\xfe\x00\x80".to_vec()),
        ("UTF-16 with its mark", "not_utf8", [b"\xff\xfe".to_vec(), utf16.clone()].concat()),
        ("UTF-16 without its mark", "not_json", utf16),
        ("a byte order mark", "not_json", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("a NUL", "not_json", text.replace("invoice.", "invoice\0").into_bytes()),
        ("half of it", "not_json", text.as_bytes()[..40].to_vec()),
        ("twice", "not_json", format!("{text}{text}").into_bytes()),
        ("a form", "not_json", b"payload=%7B%7D".to_vec()),
        ("parts", "not_json", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--".to_vec()),
        ("a lone surrogate in its type", "not_json", br#"{"id":"e","type":"\ud800"}"#.to_vec()),
        ("a type twice", "dup_key", event_with(r#""type":"b""#)),
        ("a type twice, once escaped", "dup_key", event_with(r#""\u0074ype":"b""#)),
        ("an id twice", "dup_key", event_with(r#""id":"evt_other""#)),
        (
            "a time beyond numbers",
            "number_range",
            br#"{"id":"e","type":"x","created":1e999999}"#.to_vec(),
        ),
        ("an id beyond numbers", "number_range", br#"{"id":1E400,"type":"x"}"#.to_vec()),
        ("a list", "schema", b"[]".to_vec()),
        ("a number", "schema", b"-0".to_vec()),
        ("null", "schema", b"null".to_vec()),
        (
            "an id of 400 digits",
            "number_range",
            format!("{{\"id\":{digits},\"type\":\"x\"}}").into_bytes(),
        ),
        ("an id of minus nothing", "schema", br#"{"id":-0,"type":"x"}"#.to_vec()),
        (
            "a type of 1 MiB",
            "field_length",
            format!("{{\"id\":\"e\",\"type\":\"{}\"}}", "x".repeat(MIB)).into_bytes(),
        ),
    ];
    for (what, reason, body) in cases {
        let sent = gateway.send("billing", None, &body);
        let answer = bench.check(what, "stripe", RequestOutcome::Quarantined(reason), sent).await;
        let query = format!(
            "SELECT count(*) FROM events WHERE id = '{}' AND encode(body, 'hex') = '{}'",
            answer.id(),
            hex::encode(&body)
        );
        if body.len() < MIB {
            assert_eq!(gateway.count(&query).await, 1, "{what}: the exact bytes");
        }
        let again = gateway.send("billing", None, &body);
        bench.check(what, "stripe", RequestOutcome::Duplicate, again).await;
    }
    let sent = gateway.send("billing", None, &huge);
    bench.check("numbers in unused fields", "stripe", RequestOutcome::Accepted, sent).await;
    let query = "SELECT max(octet_length(body))::bigint FROM events";
    assert!(gateway.count(query).await < 2 * 1024 * 1024, "stored as sent");
    bench.finish().await;
}

#[tokio::test]
async fn unusual_but_valid_bodies_are_accepted() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for (what, body) in [
        (
            "keys that matter in other languages",
            event_with(r#""__proto__":{"a":1},"constructor":null"#),
        ),
        (
            "nothing, very deep",
            event_with(&format!("\"d\":{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ),
        ("an escaped NUL in a value", event_with(r#""a":"\u0000""#)),
        ("a form feed", [event().to_string().into_bytes(), b"\n\t ".to_vec()].concat()),
        ("an unknown key twice", event_with(r#""a":1,"a":2"#)),
    ] {
        let sent = gateway.send("billing", None, &body);
        bench.check(what, "stripe", RequestOutcome::Accepted, sent).await;
    }
    for content_type in [None, Some("text/html"), Some("application/octet-stream"), Some("é")] {
        let body = event().to_string().into_bytes();
        let mut headers = gateway.sign("billing", &body, &[]);
        headers.extend(content_type.map(|value| ("content-type".to_owned(), value.to_owned())));
        let sent = gateway.send_raw("billing", None, &headers, &body);
        let what = content_type.unwrap_or("no type");
        let answer = bench.check(what, "stripe", RequestOutcome::Accepted, sent).await;
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    bench.finish().await;
}

#[tokio::test]
async fn dedup_key_has_any_length_and_compares_bytes() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let with_id = |id: &str| {
        let mut event = event();
        event["id"] = json!(id);
        event.to_string().into_bytes()
    };
    let long = "x".repeat(MIB);
    for (what, outcome, id) in [
        ("1 MiB", RequestOutcome::Accepted, long.as_str()),
        ("1 MiB again", RequestOutcome::Differs, long.as_str()),
        ("composed", RequestOutcome::Accepted, "evt_\u{e9}"),
        ("decomposed", RequestOutcome::Accepted, "evt_e\u{301}"),
        ("a NUL", RequestOutcome::Accepted, "evt_\0"),
        ("a quote", RequestOutcome::Accepted, "'; DROP TABLE events; --"),
    ] {
        let body = with_id(id);
        bench.check(what, "stripe", outcome, gateway.send("billing", None, &body)).await;
    }
    for (what, id) in [("an empty id", json!("")), ("no id", Value::Null)] {
        let mut event = event();
        event["id"] = id;
        let body = event.to_string().into_bytes();
        bench
            .check(what, "stripe", RequestOutcome::Accepted, gateway.send("billing", None, &body))
            .await;
        bench
            .check(what, "stripe", RequestOutcome::Duplicate, gateway.send("billing", None, &body))
            .await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn field_of_a_wrong_type_is_quarantined() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let wrong =
        [json!("boom"), Value::Null, json!(7), json!([]), json!({}), json!(true), json!(-1)];
    let mut quarantined = 0;
    for pointer in ["/repository", "/file", "/commit_sha", "/timestamp"]
        .into_iter()
        .chain(["/repository/repository_id", "/repository/github_url", "/repository/owner"])
        .chain(["/repository/name", "/file/path", "/file/sha", "/file/size", "/file/content"])
    {
        for value in &wrong {
            let valid = match pointer {
                "/repository/github_url"
                | "/repository/owner"
                | "/repository/name"
                | "/file/path"
                | "/file/content" => value.is_string(),
                "/file/size" => value == 7,
                _ => false,
            };
            let mut body = file_event(&format!("cards/{}.md", unique()), "# A card");
            *body.pointer_mut(pointer).unwrap() = value.clone();
            let what = format!("{pointer} = {value}");
            let answer = gateway.send("cards", Some("create"), body.to_string().as_bytes()).await;
            let expected = if valid { "accepted" } else { "quarantined" };
            assert_eq!(
                (answer.status, answer.body_status()),
                (202, expected),
                "{what}: {}",
                answer.text
            );
            quarantined += i64::from(!valid);
        }
    }
    let reasons =
        gateway.query("SELECT DISTINCT death_reason FROM deliveries WHERE state = 'dead'").await;
    assert_eq!(gateway.dead_letters().await.len(), usize::try_from(quarantined).unwrap());
    let known = ["schema", "action_mismatch"];
    assert!(
        reasons.iter().all(|row| known.contains(&row["death_reason"].as_str().unwrap())),
        "{reasons:?}"
    );
    bench.assert_other_source_works("wrong types", "docora").await;
    bench.finish().await;
}

#[tokio::test]
async fn unsafe_file_path_is_quarantined() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let deep = vec!["a"; 500].join("/");
    let long = "a/".repeat(2_500);
    let huge = "x".repeat(MIB);
    let segment = "a".repeat(300);
    for path in [
        "../a.md",
        "a/../../b.md",
        "/etc/passwd",
        "a//b.md",
        "",
        ".",
        "..",
        "a\\..\\b.md",
        "%2e%2e%2fa.md",
        "%252e%252e%252fa",
        "a\u{ff0f}..\u{ff0f}b.md",
        "a\0b.md",
        "a\nb.md",
        "a\u{202e}dm.exe",
        ".\u{200b}./a.md",
        &deep,
        &long,
        &huge,
        &segment,
    ] {
        let body = file_event(path, "# A card").to_string().into_bytes();
        let what = path.chars().take(20).collect::<String>();
        let sent = gateway.send("cards", Some("create"), &body);
        bench.check(&what, "docora", RequestOutcome::Quarantined("path_invalid"), sent).await;
    }
    for path in [
        "CON",
        "a.png:stream",
        "a\\b.md",
        "a\u{ff0f}b.md",
        "می\u{200c}خواهم.md",
        "résumé and ☃.md",
        "a/b/c.md",
        ".hidden",
        "__proto__",
    ] {
        let body = file_event(path, "# A card").to_string().into_bytes();
        let sent = gateway.send("cards", Some("create"), &body);
        bench.check(path, "docora", RequestOutcome::Accepted, sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn action_in_the_path_must_match_the_body() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let create = || file_event(&format!("cards/{}.md", unique()), "# A card");
    let deleted = || {
        let mut body = create();
        body["file"] = json!({ "path": body["file"]["path"], "sha": body["file"]["sha"] });
        body
    };
    let failed = || {
        json!({
            "event": "sync_failed", "repository": create()["repository"],
            "error": { "type": "git_failure", "message": format!("no {}", unique()) },
            "circuit_breaker": { "status": "open", "consecutive_failures": 5, "threshold": 5 },
            "retry_count": 4, "timestamp": "2026-11-20T11:59:00.000Z",
        })
    };
    let mismatch = RequestOutcome::Quarantined("action_mismatch");
    for (action, body, outcome) in [
        ("create", create(), RequestOutcome::Accepted),
        ("update", create(), RequestOutcome::Accepted),
        ("delete", create(), mismatch),
        ("sync_failed", create(), mismatch),
        ("create", deleted(), mismatch),
        ("update", deleted(), mismatch),
        ("delete", deleted(), RequestOutcome::Accepted),
        ("create", failed(), mismatch),
        ("delete", failed(), mismatch),
        ("sync_failed", failed(), RequestOutcome::Accepted),
    ] {
        let body = body.to_string();
        let what = format!("{action} {body}");
        let sent = gateway.send("cards", Some(action), body.as_bytes());
        bench.check(&what, "docora", outcome, sent).await;
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_file_of_25_mib_is_accepted_and_handled() {
    let gateway = Gateway::start().await;
    let content = "line of text\n".repeat(25 * MIB / 13);
    let body = file_event("data/large.json", &content).to_string().into_bytes();
    assert!(body.len() > 25 * MIB);
    let answer = gateway.send("cards", Some("create"), &body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
    gateway.run_until_idle().await;
    let files = gateway.rows("docora_files").await;
    assert_eq!(files[0]["size"], content.len());
    assert_eq!(files[0]["lossy"], false);
    let fence = "---\n".repeat(10 * MIB / 4);
    let body = file_event("cards/fence.md", &fence).to_string().into_bytes();
    let answer = gateway.send("cards", Some("create"), &body).await;
    assert_eq!(answer.body_status(), "accepted", "10 MiB of fences");
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_files").await.len(), 2);
    assert_eq!(gateway.dead_letters().await, []);
}
