//! The vault on the command line: generating and rotating master keys.

use std::sync::Arc;

use sealpost::admin::{AdminError, Caller, MasterKeys, Rotated, Scope, Scopes};
use sealpost::clock::SystemClock;
use sealpost::store::{RejectedRequest, Store};
use sealpost::vault::{Label, MasterKey, Vault};
use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::{Gateway, MASTER_KEY, START};
use crate::rejected_requests;

const CONFIG: &str = "";
/// Reason of the rotation.
const WHY: &str = "the old key was on a laptop";
/// The command without its options.
const ROTATE: [&str; 4] = ["vault", "rotate", "--reason", WHY];

/// The command with more arguments.
fn rotate(more: &[&'static str]) -> Vec<&'static str> {
    [&ROTATE[..], more].concat()
}

fn label(name: &str) -> Label {
    Label { tenant: "default".into(), source: "cards".into(), name: name.into() }
}

fn vault(keys: &[&str]) -> Vault {
    Vault::new(keys.iter().map(|key| MasterKey::read(key).unwrap()).collect())
}

async fn store_secret(store: &Store, vault: &Vault, name: &str) {
    let sealed = vault.seal(&label(name), format!("secret of {name}").as_bytes()).unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.put_credential(&label(name), &sealed, START).await.unwrap();
    tx.commit(()).await.unwrap();
}

async fn open(store: &Store, vault: &Vault, name: &str) -> String {
    let mut tx = store.begin().await.unwrap();
    let sealed = tx.credential(&label(name)).await.unwrap().expect("a credential");
    String::from_utf8(vault.open(&label(name), &sealed).unwrap().to_vec()).unwrap()
}

#[test]
fn vault_key_prints_a_new_key_without_configuration() {
    let program = Program::new("nonsense");
    let [one, two] = [(); 2].map(|()| program.run(&["vault", "key"]));
    assert_eq!((one.code, one.stderr.as_str()), (0, ""));
    assert!(MasterKey::read(one.stdout.trim_end()).is_ok(), "{}", one.stdout);
    assert_ne!(one.stdout, two.stdout);
}

#[test]
fn rotate_reports_a_missing_or_invalid_key() {
    let mut program = Program::new(CONFIG);
    let run = program.run(&ROTATE);
    assert_eq!(run.code, 64, "{}", run.all());
    let missing = "error: no master key is configured: set SEALPOST_MASTER_KEY (`sealpost vault \
                   key` generates one)\n";
    assert_eq!(run.stderr, missing);
    program.set("SEALPOST_MASTER_KEY", "hunter2hunter2");
    let run = program.run(&ROTATE);
    assert_eq!(run.code, 64, "{}", run.all());
    assert!(run.stderr.contains("SEALPOST_MASTER_KEY: a master key must be 32 bytes"));
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[tokio::test]
async fn rotate_seals_credentials_with_the_newest_key() {
    let gateway = Gateway::start().await;
    let (old_key, new_key) = (MasterKey::generate(), MasterKey::generate());
    let (old, new) = (vault(&[&old_key]), vault(&[&new_key]));
    for n in 0..250 {
        store_secret(gateway.store(), &old, &format!("old {n:03}")).await;
    }
    store_secret(gateway.store(), &new, "new").await;
    let untouched = gateway.query("SELECT * FROM credentials WHERE name = 'new'").await;

    let mut program = Program::beside_with(&gateway, CONFIG).await;
    program.set("SEALPOST_MASTER_KEY", &new_key);
    program.set("SEALPOST_MASTER_KEY_OLD", &old_key);
    let dry = program.json(&rotate(&["--format", "json"]));
    assert_eq!((&dry["dry_run"], &dry["matched"]), (&json!(true), &json!(250)));
    let dry = program.run(&ROTATE);
    let newest = new.newest().unwrap();
    assert!(dry.stdout.starts_with(&format!("would seal 250 with master key {newest}\n")));
    let not_sealed = "SELECT count(*) FROM credentials WHERE sealed_at = '2026-11-20 12:00Z'";
    assert_eq!(gateway.count(not_sealed).await, 251, "nothing was done");

    let done = program.run(&rotate(&["--yes"]));
    assert_eq!((done.code, done.stdout), (0, format!("sealed 250 with master key {newest}\n")));
    for n in [0, 99, 100, 249] {
        let name = format!("old {n:03}");
        assert_eq!(open(gateway.store(), &new, &name).await, format!("secret of {name}"));
    }
    assert_eq!(gateway.query("SELECT * FROM credentials WHERE name = 'new'").await, untouched);
    let audit = gateway
        .query("SELECT actor, action, reason, sum(count) AS count FROM audit_log GROUP BY 1, 2, 3")
        .await;
    let expected = json!({ "actor": "grace", "action": "rotate", "reason": WHY, "count": 250 });
    assert_eq!(audit, [expected]);
    let again = program.run(&rotate(&["--yes"]));
    assert_eq!((again.code, again.stdout.as_str()), (2, ""), "{}", again.stderr);
}

#[tokio::test]
async fn rotate_seals_rejected_requests() {
    const REQUESTS: usize = 12;
    let gateway = Gateway::builder()
        .config(rejected_requests::PLAIN, rejected_requests::KEEP_REJECTED)
        .start()
        .await;
    for n in 0..REQUESTS {
        rejected_requests::send_rejected(&gateway, &format!("{{\"n\":{n}}}")).await;
    }
    let rejected = rejected_requests::wait_for_rejected(&gateway, REQUESTS).await;
    let new_key = MasterKey::generate();
    let mut program = Program::beside_with(&gateway, CONFIG).await;
    program.set("SEALPOST_MASTER_KEY", &new_key);
    program.set("SEALPOST_MASTER_KEY_OLD", MASTER_KEY);
    let done = program.json(&rotate(&["--yes", "--format", "json"]));
    assert_eq!((&done["sealed"], &done["refused"]), (&json!(REQUESTS), &json!([])), "{done}");
    for request in rejected {
        let (_, sealed) = gateway.store().rejected_request(request.id).await.unwrap().unwrap();
        let label = RejectedRequest::label(&request.tenant, &request.source, request.id);
        let opened = vault(&[&new_key]).open(&label, &sealed.unwrap()).unwrap();
        assert!(opened.ends_with(b"}"), "its body is there");
    }
    let again = program.run(&rotate(&["--yes"]));
    assert_eq!(again.code, 2, "{}", again.all());
}

#[tokio::test]
async fn rotate_skips_what_no_configured_key_opens() {
    let gateway = Gateway::start().await;
    let keys = [(); 3].map(|()| MasterKey::generate());
    let [lost, old, new] = [0, 1, 2].map(|index| vault(&[&keys[index]]));
    store_secret(gateway.store(), &lost, "a of a lost key").await;
    store_secret(gateway.store(), &old, "b").await;
    store_secret(gateway.store(), &old, "c that somebody changed").await;
    let changed = "UPDATE credentials SET ciphertext = ciphertext || '\\x00' WHERE name LIKE 'c %'";
    gateway.execute(changed).await;
    let mut program = Program::beside_with(&gateway, CONFIG).await;
    program.set("SEALPOST_MASTER_KEY", &format!("{},{}", *keys[2], *keys[1]));
    let run = program.run(&rotate(&["--yes"]));
    let (lost_id, old_id, new_id) =
        (lost.newest().unwrap(), old.newest().unwrap(), new.newest().unwrap());
    assert_eq!(run.code, 1, "{}", run.all());
    assert_eq!(
        run.stdout,
        format!(
            "sealed 1 with master key {new_id}\n\
             skipped default/cards/a of a lost key: sealed with master key {lost_id}, which \
             is not configured (configured: {new_id}, {old_id})\n\
             skipped default/cards/c that somebody changed: cannot be opened with master key \
             {old_id}: changed, or sealed for another record\n"
        )
    );
    assert_eq!(open(gateway.store(), &lost, "a of a lost key").await, "secret of a of a lost key");
    let run = program.json(&rotate(&["--yes", "--format", "json"]));
    assert_eq!(run["refused"].as_array().map(Vec::len), Some(2), "{run}");
    assert_eq!(run["sealed"], Value::from(0));
}

#[tokio::test]
async fn rotate_requires_admin_on_all_tenants_and_a_reason() {
    let gateway = Gateway::start().await;
    let keys = [(); 2].map(|()| MasterKey::generate());
    store_secret(gateway.store(), &vault(&[&keys[0]]), "a secret").await;
    let both = vault(&[&keys[1], &keys[0]]);
    let sealing = MasterKeys::new(gateway.store().clone(), Arc::new(SystemClock), both);
    let mut done = Rotated::default();

    let without_admin = Scopes::all().iter().filter(|scope| *scope != Scope::Admin);
    let without_admin = Caller::new("rita", None, without_admin.collect());
    let denied = sealing.seals(&without_admin).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::Admin));
    let denied = sealing.rotate(&without_admin, WHY, &mut done).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::Admin));
    let one = Caller::new("tim", Some("default".to_owned()), Scopes::all());
    let denied = sealing.rotate(&one, WHY, &mut done).await.unwrap_err();
    assert!(matches!(denied, AdminError::AllTenants), "{denied:?}");
    let ada = Caller::local("ada");
    let silent = sealing.rotate(&ada, " ", &mut done).await.unwrap_err();
    assert!(matches!(silent, AdminError::Invalid(_)), "{silent:?}");
    assert_eq!((done.sealed, gateway.rows("audit_log").await.len()), (0, 0), "nothing was done");

    assert_eq!(sealing.seals(&ada).await.unwrap().others(), 1);
    sealing.rotate(&ada, WHY, &mut done).await.unwrap();
    assert_eq!((done.sealed, done.refused.len()), (1, 0));
    assert_eq!(sealing.seals(&ada).await.unwrap().others(), 0);
    let [entry] = &gateway.audited_changes().await[..] else { panic!("one entry") };
    assert_eq!((&entry["actor"], &entry["reason"]), (&json!("ada"), &json!(WHY)));
}
