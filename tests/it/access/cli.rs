//! `sealpost api-keys` and `sealpost users`.

use std::process::Command;

use serde_json::{Value, json};

use super::get_with;
use crate::harness::{Gateway, database};

/// Runs the program on the gateway's database, and returns its exit code and its output.
pub(super) async fn run(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("DATABASE_URL", database::url(gateway.target()).await)
        .env("USER", "grace")
        .current_dir(folder.path())
        .output()
        .expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

#[tokio::test]
async fn cli_creates_lists_and_revokes_keys() {
    let gateway = Gateway::start().await;
    let arguments =
        ["api-keys", "create", "grafana", "--scopes", "events:read", "--format", "json"];
    let (code, created) = run(&gateway, &arguments).await;
    let created: Value = serde_json::from_str(&created).unwrap();
    assert_eq!((code, &created["about"]["created_by"]), (Some(0), &json!("grace")));
    let key = created["key"].as_str().unwrap();
    assert_eq!(get_with(&gateway, "/metrics", key).await.status, 200);

    let (code, again) = run(&gateway, &arguments).await;
    assert_eq!((code, &*again), (Some(1), ""), "the name is taken");
    let (_, plain) = run(&gateway, &["api-keys", "create", "ci", "--scopes", "admin"]).await;
    assert_eq!(get_with(&gateway, "/metrics", &plain).await.status, 200);

    let (_, list) = run(&gateway, &["api-keys", "list"]).await;
    assert!(list.contains("grafana") && list.contains("good"), "{list}");
    assert!(!list.contains(&key[21..]), "the secret is not listed");
    let id = created["about"]["id"].as_str().unwrap();
    let (code, output) = run(&gateway, &["api-keys", "revoke", id, "--reason", "old"]).await;
    assert_eq!((code, output), (Some(0), format!("revoked grafana ({id})")));
    assert_eq!(get_with(&gateway, "/metrics", key).await.status, 401);
    let (_, list) = run(&gateway, &["api-keys", "list"]).await;
    assert!(!list.contains("grafana"), "{list}");
    let (_, all) = run(&gateway, &["api-keys", "list", "--all"]).await;
    assert!(all.contains("revoked"), "{all}");

    let unknown = ["api-keys", "revoke", "00", "--reason", "x"];
    assert_eq!(run(&gateway, &unknown).await.0, Some(2));
    for wrong in [
        &["api-keys", "create", "x", "--scopes", "root"][..],
        &["api-keys", "create", "x"],
        &["api-keys", "create", "", "--scopes", "admin"],
        &["api-keys", "create", "x", "--scopes", "admin", "--expires", "soon"],
    ] {
        assert_eq!(run(&gateway, wrong).await.0, Some(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn cli_adds_resets_and_disables_users() {
    let gateway = Gateway::start().await;
    let (code, link) = run(&gateway, &["users", "add", "ada", "--scopes", "admin"]).await;
    assert_eq!(code, Some(0));
    let token = link.strip_prefix("http://127.0.0.1:8081/setup?token=").expect("a link");
    assert_eq!(gateway.access().setup_link(token).await.unwrap().name.as_deref(), Some("ada"));
    let (_, list) = run(&gateway, &["users", "list"]).await;
    assert!(list.contains("invited"), "{list}");
    gateway
        .access()
        .set_up(
            token,
            None,
            "correct horse battery",
            &sealpost::admin::Client::at([192, 0, 2, 1].into()),
        )
        .await
        .unwrap();
    let (_, list) = run(&gateway, &["users", "list", "--format", "json"]).await;
    let user: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&user["state"], &user["created_by"]), (&json!("good"), &json!("grace")));

    let (_, other) = run(&gateway, &["users", "reset", "ada", "--reason", "forgot it"]).await;
    assert!(other.starts_with("http://") && other != link, "{other}");
    let (code, output) = run(&gateway, &["users", "disable", "Ada", "--reason", "left"]).await;
    assert_eq!((code, &*output), (Some(0), "disabled ada"));
    let (code, output) = run(&gateway, &["users", "enable", "ada", "--reason", "back"]).await;
    assert_eq!((code, &*output), (Some(0), "enabled ada"));
    let nobody = ["users", "disable", "nobody", "--reason", "x"];
    assert_eq!(run(&gateway, &nobody).await.0, Some(2));
    let log = gateway.query("SELECT actor, action FROM audit_log ORDER BY id").await;
    let did: Vec<String> =
        log.iter().map(|row| format!("{} {}", row["actor"], row["action"])).collect();
    assert_eq!(
        did,
        [
            r#""grace" "add user""#,
            r#""ada" "set password""#,
            r#""grace" "end sessions""#,
            r#""grace" "reset user""#,
            r#""grace" "disable user""#,
            r#""grace" "enable user""#,
        ]
    );
}
