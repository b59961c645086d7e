//! API keys.

use std::time::Duration;

use reqwest::header::HeaderMap;
use sealpost::admin::{AdminError, Caller, Expiry, NewApiKey, Scope, Scopes};
use sealpost::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::users::signed_in;
use super::{STREAM, get, get_with};
use crate::harness::{API_KEY, Answer, Gateway, because};

/// What must be identical in two rejections.
fn comparable(answer: &Answer) -> (u16, String, HeaderMap) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    (answer.status, answer.text.clone(), headers)
}

fn new(name: &str, scope: Scope, tenant: Option<&str>) -> NewApiKey {
    NewApiKey {
        name: name.to_owned(),
        scopes: [scope].into_iter().collect(),
        tenant: tenant.map(str::to_owned),
        expiry: Expiry::default(),
    }
}

fn root() -> Caller {
    Caller::local("grace")
}

#[tokio::test]
async fn rejections_are_identical_and_health_needs_no_key() {
    let gateway = Gateway::start().await;
    let good = format!("Bearer {API_KEY}");
    let (first, cut) = (get(&gateway, "/metrics", &[]).await, &good[..good.len() - 1]);
    assert_eq!(first.status, 401);
    assert_eq!(first.headers["www-authenticate"], "Bearer realm=\"sealpost operator\"");
    assert_eq!(first.headers["content-type"], "application/problem+json");
    assert_eq!(first.json["type"], "urn:sealpost:problem:key-required");
    assert_eq!(first.json["detail"], json!(null));
    let invalid = get(&gateway, "/metrics", &["Bearer wrong-key"]).await;
    assert_eq!((invalid.status, &invalid.json["type"]), (401, &first.json["type"]));
    assert_eq!(invalid.json["detail"], "invalid API key: unknown, expired or revoked");
    let other = API_KEY.replace("AAEC", "BAEC");
    let unknown = API_KEY.replace("0123", "3210");
    for (path, authorization) in [
        ("/metrics", &["Bearer wrong-key-0123456789"][..]),
        ("/metrics", &[&format!("Bearer {other}")]),
        ("/metrics", &[&format!("Bearer {unknown}")]),
        ("/metrics", &[cut]),
        ("/metrics", &[&format!("{good}x")]),
        ("/metrics", &[API_KEY]),
        ("/metrics", &["Bearer"]),
        ("/metrics", &["Bearer "]),
        ("/metrics", &[&format!("Basic {API_KEY}")]),
        ("/metrics", &[&good, "Bearer other"]),
        (&format!("/metrics?token={API_KEY}"), &[]),
        ("/", &[]),
        ("/nothing/here", &[]),
        ("/healthz/", &[]),
        (STREAM, &[]),
        (&format!("{STREAM}?after=nonsense"), &[]),
    ] {
        let answer = get(&gateway, path, authorization).await;
        let expected = if authorization.is_empty() { &first } else { &invalid };
        assert_eq!(comparable(&answer), comparable(expected), "{path} {authorization:?}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&gateway, path, &[]).await.status, 200);
    }
    assert_eq!(get(&gateway, "/metrics", &[&good]).await.status, 200);
    assert_eq!(get(&gateway, "/metrics", &[&good.replace("Bearer", "bearer")]).await.status, 200);
    assert_eq!(get(&gateway, "/nothing/here", &[&good]).await.status, 404);
}

#[tokio::test]
async fn failing_clients_are_blocked_and_cached_keys_are_not() {
    let gateway = Gateway::start().await;
    gateway.access().remove_inactive().await;
    let mut answers = Vec::new();
    for _ in 0..25 {
        answers.push(get_with(&gateway, "/metrics", &API_KEY.replace("AAEC", "BAEC")).await);
    }
    let denied = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((20..=21).contains(&denied), "{denied}");
    let last = answers.last().unwrap();
    assert_eq!((last.status, &last.json["status"]), (429, &json!(429)));
    assert!(last.headers.contains_key("retry-after"));
    assert_eq!(gateway.operator("/metrics").await.status, 200);
    assert_eq!(get(&gateway, "/readyz", &[]).await.status, 200);
    let token = signed_in(&gateway, "ada", Scope::EventsRead).await;
    let request = gateway.client().get(gateway.operator_url("/metrics"));
    let request = request.header("cookie", format!("__Host-sealpost={token}"));
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "a new session is cached");
}

#[tokio::test]
async fn cross_site_requests_are_not_counted_as_failures() {
    let gateway = Gateway::start().await;
    let wrong = format!("Bearer {}", API_KEY.replace("AAEC", "BAEC"));
    for _ in 0..40 {
        assert_eq!(get(&gateway, "/metrics", &[]).await.status, 401);
        let request = gateway.client().get(gateway.operator_url("/metrics"));
        let request =
            request.header("authorization", &wrong).header("sec-fetch-site", "cross-site");
        assert_eq!(Answer::of(request.send().await.unwrap()).await.status, 401);
    }
    assert_eq!(get(&gateway, "/metrics", &[&wrong]).await.status, 401, "the first failure");
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_fail_separately() {
    let proxied = "[operator]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let gateway = Gateway::builder().config("[operator]\n", proxied).start().await;
    let ask = async |peer: &str| {
        let request = gateway.client().get(gateway.operator_url("/metrics"));
        let request = request.bearer_auth(API_KEY.replace("AAEC", "BAEC"));
        let request = request.header("x-forwarded-for", peer);
        Answer::of(request.send().await.unwrap()).await.status
    };
    let mut last = 0;
    for _ in 0..25 {
        last = ask("192.0.2.1").await;
    }
    assert_eq!(last, 429);
    assert_eq!(ask("192.0.2.2").await, 401);
}

#[tokio::test]
async fn only_the_digest_of_a_key_is_stored_and_changes_are_audited() {
    let gateway = Gateway::start().await;
    let created = gateway.access().create_key(&root(), &new("ci", Scope::EventsRead, None)).await;
    let created = created.unwrap();
    assert_eq!(get_with(&gateway, "/metrics", &created.key).await.status, 200, "at once");
    let rows = gateway
        .query(
            "SELECT encode(digest, 'hex') AS digest, to_jsonb(k) AS row FROM api_keys k
                 WHERE name = 'ci'",
        )
        .await;
    assert_eq!(rows[0]["digest"], hex::encode(Sha256::digest(&*created.key)));
    assert!(!rows[0]["row"].to_string().contains(&created.key[21..]));
    assert_eq!(created.about.expires_at, Some(gateway.clock().now() + time::Duration::days(90)));

    let (revoked, _) =
        gateway.access().revoke_key(&root(), &created.about.id, &because("leaked")).await.unwrap();
    assert_eq!(revoked.revoked_by.as_deref(), Some("grace"));
    assert_eq!(get_with(&gateway, "/metrics", &created.key).await.status, 401, "at once");
    gateway.access().revoke_key(&root(), &created.about.id, &because("again")).await.unwrap();
    let log = gateway.rows("audit_log").await;
    let seen: Vec<(&Value, &Value)> =
        log.iter().map(|row| (&row["action"], &row["reason"])).collect();
    assert_eq!(
        seen,
        [(&json!("create key"), &json!("")), (&json!("revoke key"), &json!("leaked"))]
    );
    assert_eq!((&log[0]["actor"], &log[0]["before"]), (&json!("grace"), &Value::Null));
    assert_eq!(log[0]["after"], log[1]["before"], "the revoked key is the created one");
    assert_ne!(log[1]["before"], log[1]["after"]);
}

#[tokio::test]
async fn keys_expire_unless_created_without_expiry() {
    let gateway = Gateway::start().await;
    let mut short = new("short", Scope::EventsRead, None);
    short.expiry = Expiry::After(time::Duration::HOUR);
    let short = gateway.access().create_key(&root(), &short).await.unwrap();
    let mut ever = new("ever", Scope::EventsRead, None);
    ever.expiry = Expiry::Never;
    let ever = gateway.access().create_key(&root(), &ever).await.unwrap();
    gateway.clock().advance(Duration::from_secs(3599));
    assert_eq!(get_with(&gateway, "/metrics", &short.key).await.status, 200);
    gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(get_with(&gateway, "/metrics", &short.key).await.status, 401);
    gateway.clock().advance(Duration::from_hours(24 * 400));
    assert_eq!(get_with(&gateway, "/metrics", &ever.key).await.status, 200);
}

#[tokio::test]
async fn cached_key_reads_metrics_during_a_database_outage() {
    let gateway = Gateway::start().await;
    let key = gateway.key("scraper", &[Scope::EventsRead], None).await;
    let revoked = gateway.key("revoked", &[Scope::EventsRead], None).await;
    let unseen = gateway.key("unseen", &[Scope::EventsRead], None).await;
    for key in [&key, &revoked] {
        assert_eq!(get_with(&gateway, "/metrics", key).await.status, 200);
    }
    gateway.access().revoke_key(&root(), &revoked[4..20], &because("leaked")).await.unwrap();
    gateway.store().close().await;
    assert_eq!(get(&gateway, "/readyz", &[]).await.status, 503);
    assert_eq!(get_with(&gateway, "/metrics", &key).await.status, 200);
    for other in ["/", "/events", "/api/v1/events", STREAM] {
        assert_eq!(get_with(&gateway, other, &key).await.status, 503, "{other}");
    }
    for wrong in [&revoked, &unseen, &key.replace(&key[22..25], "AAA")] {
        assert_eq!(
            get_with(&gateway, "/metrics", wrong).await.status,
            503,
            "unknown while the database is down"
        );
    }
    gateway.clock().advance(Duration::from_secs(3601));
    assert_eq!(get_with(&gateway, "/metrics", &key).await.status, 503);
}

#[tokio::test]
async fn last_use_is_recorded_once_a_minute() {
    let gateway = Gateway::start().await;
    let key = gateway.key("ci", &[Scope::EventsRead], None).await;
    let used = "SELECT extract(epoch FROM last_used_at)::bigint FROM api_keys WHERE name = 'ci'";
    let begin = gateway.clock().now().unix_timestamp();
    for (wait, noted) in [(0, 0), (30, 0), (29, 0), (1, 60), (90, 150)] {
        gateway.clock().advance(Duration::from_secs(wait));
        assert_eq!(get_with(&gateway, "/metrics", &key).await.status, 200);
        gateway.access().remove_inactive().await;
        assert_eq!(gateway.count(used).await - begin, noted);
    }
}

#[tokio::test]
async fn scopes_grant_only_their_operations() {
    let gateway = Gateway::start().await;
    for scope in Scopes::all().iter() {
        let key = gateway.key(scope.as_str().replace(':', "-").as_str(), &[scope], None).await;
        let sees = matches!(scope, Scope::EventsRead | Scope::Admin);
        let answer = get_with(&gateway, "/metrics", &key).await;
        assert_eq!(answer.status, if sees { 200 } else { 403 }, "{scope}");
        let answer = get_with(&gateway, &format!("{STREAM}?after=nonsense"), &key).await;
        assert_eq!(answer.status, if sees { 400 } else { 403 }, "{scope}");
        if !sees {
            assert_eq!(answer.json["scope"], "events:read");
        }
        let call = gateway.client().post(gateway.operator_url("/api/v1/apify/runs"));
        let answer = Answer::of(call.bearer_auth(&key).body("{").send().await.unwrap()).await;
        let writes = matches!(scope, Scope::SourcesWrite | Scope::Admin);
        assert_eq!(answer.status, if writes { 400 } else { 403 }, "{scope}: {}", answer.text);
    }
}

#[tokio::test]
async fn tenant_keys_see_only_their_tenant() {
    let gateway = Gateway::start().await;
    let key = gateway.key("theirs", &[Scope::Admin], Some("others")).await;
    assert_eq!(get_with(&gateway, "/metrics", &key).await.status, 403);
    let call = gateway.client().post(gateway.operator_url("/api/v1/apify/runs"));
    let answer = Answer::of(call.bearer_auth(&key).body("{").send().await.unwrap()).await;
    assert_eq!(answer.status, 404, "{}", answer.text);

    let theirs = Caller::new("theirs", Some("others".to_owned()), Scopes::all());
    let listed = gateway.access().keys(&theirs).await.unwrap();
    assert_eq!(listed.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["theirs"]);
    let refused = gateway.access().revoke_key(&theirs, &API_KEY[4..20], &because("x")).await;
    assert!(matches!(refused, Err(AdminError::NotFound(_))), "{refused:?}");
    for tenant in [None, Some("default")] {
        let refused =
            gateway.access().create_key(&theirs, &new("x", Scope::EventsRead, tenant)).await;
        assert!(matches!(refused, Err(AdminError::Invalid(_))), "{tenant:?}");
    }
    let own = new("x", Scope::EventsRead, Some("others"));
    let created = gateway.access().create_key(&theirs, &own).await;
    assert_eq!(created.unwrap().about.tenant.as_deref(), Some("others"));
}

#[tokio::test]
async fn only_administrators_manage_keys_and_names_are_unique() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    let others = Scopes::all().iter().filter(|scope| *scope != Scope::Admin).collect();
    let caller = Caller::new("ada", None, others);
    let created = access.create_key(&caller, &new("x", Scope::EventsRead, None)).await;
    assert_eq!(created.unwrap_err().missing(), Some(Scope::Admin));
    assert_eq!(access.keys(&caller).await.unwrap_err().missing(), Some(Scope::Admin));
    let refused = access.revoke_key(&caller, &API_KEY[4..20], &because("x")).await;
    assert_eq!(refused.unwrap_err().missing(), Some(Scope::Admin));

    let first = access.create_key(&root(), &new("x", Scope::EventsRead, None)).await.unwrap();
    let again = access.create_key(&root(), &new("x", Scope::EventsRead, None)).await;
    assert!(matches!(again, Err(AdminError::Conflict(_))), "{again:?}");
    access.revoke_key(&root(), &first.about.id, &because("leaked")).await.unwrap();
    access.create_key(&root(), &new("x", Scope::EventsRead, None)).await.unwrap();
    for name in ["", " x", "a\nb", &"x".repeat(65)] {
        let refused = access.create_key(&root(), &new(name, Scope::EventsRead, None)).await;
        assert!(matches!(refused, Err(AdminError::Invalid(_))), "{name:?}");
    }
}
