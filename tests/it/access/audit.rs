//! The audit log: an append-only hash chain.

use sealpost::admin::audit::{self, Head};
use sealpost::admin::{Caller, Scope, Scopes};
use sealpost::store::{AuditEntry, AuditFilter, Target};
use sqlx::Connection;
use time::Duration;

use super::cli::run;
use crate::harness::{Gateway, START, database, sql};

/// Adds entries by these actors, one a minute.
async fn write(gateway: &Gateway, actors: &[&str]) {
    let mut at = START;
    for actor in actors {
        let mut tx = gateway.store().begin().await.unwrap();
        at += Duration::MINUTE;
        let entry =
            AuditEntry { at, actor, action: "replay", target: "all", reason: "é\0", count: 3 };
        tx.audit(&entry).await.unwrap();
        tx.commit(()).await.unwrap();
    }
}

fn root() -> Caller {
    Caller::local("grace")
}

async fn broken(gateway: &Gateway) -> Option<String> {
    audit::verify(gateway.store(), &root(), None, |_| ()).await.unwrap().broken
}

/// The error of a rejected statement.
async fn refused(target: &Target, statement: &str) -> String {
    let mut connection = sql::connect(target).await;
    let done = sqlx::query(database::trusted(statement)).execute(&mut connection).await;
    connection.close().await.unwrap();
    done.expect_err(statement).to_string()
}

#[tokio::test]
async fn concurrent_entries_form_one_chain() {
    let gateway = Gateway::start().await;
    let writers = (0..8).map(|_| write(&gateway, &["a", "b", "c"]));
    futures_util::future::join_all(writers).await;
    let verified = audit::verify(gateway.store(), &root(), None, |_| ()).await.unwrap();
    assert_eq!((verified.entries, verified.broken), (24, None));
    let Head { id, hash } = verified.head.unwrap();
    assert_eq!(id, 24);
    write(&gateway, &["d"]).await;
    let later = audit::verify(gateway.store(), &root(), Some(&hash), |_| ()).await.unwrap();
    assert_eq!((later.entries, later.broken), (25, None), "an earlier head is still there");
}

#[tokio::test]
async fn changes_gaps_and_truncation_are_detected() {
    let gateway = Gateway::start().await;
    write(&gateway, &["a", "b", "c", "d"]).await;
    let head =
        audit::verify(gateway.store(), &root(), None, |_| ()).await.unwrap().head.unwrap().hash;
    // Whoever can drop the trigger can change rows, but the chain reveals it.
    gateway.execute("ALTER TABLE audit_log DISABLE TRIGGER append_only").await;
    gateway.execute("UPDATE audit_log SET actor = 'x' WHERE id = 2").await;
    assert_eq!(broken(&gateway).await, Some(audit::Break::Changed(2).to_string()));
    gateway.execute("UPDATE audit_log SET actor = 'b' WHERE id = 2").await;
    assert_eq!(broken(&gateway).await, None);
    gateway.execute("DELETE FROM audit_log WHERE id = 4").await;
    assert_eq!(
        broken(&gateway).await,
        None,
        "the chain alone cannot reveal that its end is missing"
    );
    let verified = audit::verify(gateway.store(), &root(), Some(&head), |_| ()).await.unwrap();
    assert_eq!(verified.broken, Some(audit::Break::Unexpected.to_string()), "a known head can");
    gateway.execute("DELETE FROM audit_log WHERE id = 2").await;
    assert_eq!(broken(&gateway).await, Some(audit::Break::Missing(2).to_string()));
    gateway.execute("UPDATE audit_log SET id = 2 WHERE id = 3").await;
    assert_eq!(broken(&gateway).await, Some(audit::Break::Unlinked(2).to_string()));
}

#[tokio::test]
async fn entries_cannot_be_prepended() {
    let gateway = Gateway::start().await;
    write(&gateway, &["a"]).await;
    let before =
        "INSERT INTO audit_log SELECT -1, at, 'bob', tenant, address, action, target, reason, count,
                         before, after, prev_hash, hash FROM audit_log";
    let why = refused(gateway.target(), before).await;
    assert!(why.contains("audit_log_id_check"), "{why}");
    gateway.execute("ALTER TABLE audit_log DROP CONSTRAINT audit_log_id_check").await;
    gateway.execute(before).await;
    assert_eq!(
        broken(&gateway).await,
        Some(audit::Break::Missing(1).to_string()),
        "and the chain reveals it"
    );
}

#[tokio::test]
async fn entries_cannot_be_changed_even_by_a_superuser() {
    let gateway = Gateway::start().await;
    write(&gateway, &["a"]).await;
    let changes =
        ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"];
    for statement in changes {
        let why = refused(gateway.target(), statement).await;
        assert!(why.contains("the audit log is append-only"), "{statement}: {why}");
    }
}

#[tokio::test]
async fn gateway_role_cannot_change_entries() {
    let admin = database::empty().await;
    let name = sql::texts(&admin, "SELECT current_database()::text").await.remove(0);
    let role = format!("gateway_of_{name}");
    sql::script(&admin, &format!("CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}"))
        .await;
    sql::execute(&admin, &format!("ALTER DATABASE {name} OWNER TO {role}")).await;
    let current = sql::texts(&admin, "SELECT current_user::text").await.remove(0);
    let url = database::url(&admin).await.replace(&format!("//{current}@"), &format!("//{role}@"));
    let own = Target::from_url(&url).unwrap();
    own.migrate().await.expect("a migrated database");
    let gateway = Gateway::builder().on(own.clone()).start().await;
    write(&gateway, &["a"]).await;
    let superuser = sql::number(
        &own,
        "SELECT count(*) FROM pg_roles
                                        WHERE rolname = current_user AND rolsuper",
    )
    .await;
    assert_eq!(superuser, 0);
    for statement in
        ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
    {
        let why = refused(&own, statement).await;
        assert!(why.contains("permission denied for table audit_log"), "{statement}: {why}");
    }
    assert_eq!(broken(&gateway).await, None);
}

#[tokio::test]
async fn administrators_see_the_entries_of_their_tenant() {
    let gateway = Gateway::start().await;
    write(&gateway, &["ada", "bob", "ada"]).await;
    gateway.key("key", &[Scope::EventsRead], None).await;
    let theirs = Caller::new("eve", Some("others".to_owned()), Scopes::all());
    let new = sealpost::admin::NewUser {
        name: "mallory".to_owned(),
        scopes: [Scope::EventsRead].into_iter().collect(),
        tenant: Some("others".to_owned()),
    };
    gateway.access().add_user(&theirs, &new).await.unwrap();
    let list = async |caller: &Caller, filter: AuditFilter, before, limit| {
        let entries = audit::list(gateway.store(), caller, &filter, before, limit).await.unwrap();
        entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    let all = AuditFilter::default();
    assert_eq!(list(&root(), all.clone(), None, 10).await, [5, 4, 3, 2, 1]);
    assert_eq!(list(&root(), all.clone(), None, 2).await, [5, 4]);
    assert_eq!(list(&root(), all.clone(), Some(4), 2).await, [3, 2], "the next page");
    assert_eq!(list(&theirs, all, None, 10).await, [5]);
    let ada = AuditFilter { actor: Some("ada".to_owned()), ..AuditFilter::default() };
    assert_eq!(list(&root(), ada, None, 10).await, [3, 1]);
    let action = AuditFilter { action: Some("create key".to_owned()), ..AuditFilter::default() };
    assert_eq!(list(&root(), action, None, 10).await, [4]);
    let time = AuditFilter {
        since: Some(START + Duration::minutes(2)),
        until: Some(START + Duration::minutes(3)),
        ..AuditFilter::default()
    };
    assert_eq!(list(&root(), time, None, 10).await, [2]);
    let foreign = AuditFilter { tenant: Some("default".to_owned()), ..AuditFilter::default() };
    assert!(list(&theirs, foreign, None, 10).await.is_empty());
    let reader = Caller::new("r", None, [Scope::SecretsWrite].into_iter().collect());
    let denied = audit::list(gateway.store(), &reader, &AuditFilter::default(), None, 1).await;
    assert_eq!(denied.unwrap_err().missing(), Some(Scope::Admin));
    let denied = audit::verify(gateway.store(), &reader, None, |_| ()).await;
    assert_eq!(denied.unwrap_err().missing(), Some(Scope::Admin));
    assert!(audit::verify(gateway.store(), &theirs, None, |_| ()).await.is_err());
}

#[tokio::test]
async fn log_is_listed_and_verified_by_the_cli() {
    let gateway = Gateway::start().await;
    assert_eq!(run(&gateway, &["audit", "verify"]).await.0, Some(0), "an empty log");
    write(&gateway, &["ada", "bob"]).await;
    let (code, head) = run(&gateway, &["audit", "verify"]).await;
    assert_eq!((code, head.len()), (Some(0), 64));
    assert_eq!(run(&gateway, &["audit", "verify", "--expect", &head]).await.0, Some(0));
    let other = "0".repeat(64);
    assert_eq!(run(&gateway, &["audit", "verify", "--expect", &other]).await.0, Some(1));
    assert_eq!(run(&gateway, &["audit", "verify", "--expect", "x"]).await.0, Some(64));
    let (_, list) = run(&gateway, &["audit", "list", "--actor", "ada", "--format", "json"]).await;
    let entry: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&entry["id"], &entry["action"]), (&1.into(), &"replay".into()));
    let (_, table) = run(&gateway, &["audit", "list"]).await;
    assert!(table.contains("bob") && table.contains("REASON"), "{table}");
}
