//! Rejected requests of a source that keeps them: encrypted, limited, explained, reprocessed.

use std::time::Duration;

use sealpost::admin::{AdminError, Caller, RejectedRequest, Reprocessing, Scope};
use sealpost::verify::diagnose::FindingKind;
use sealpost::verify::{RefusalReason, Secret};
use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::{Answer, Builder, Gateway, MASTER_KEY, RETIRED_SECRET, because};

pub(crate) const PLAIN: &str = "name = \"billing\"\nprovider = \"stripe\"\n";
pub(crate) const KEEP_REJECTED: &str =
    "name = \"billing\"\nprovider = \"stripe\"\nkeep_rejected = \"1h\"\n";
const CONFIG: &str = include_str!("harness/config.toml");
const EVENT: &str = r#"{"id":"evt_held","object":"event","type":"ping","created":1763640000}"#;

fn keeping_rejected() -> Builder {
    Gateway::builder().config(PLAIN, KEEP_REJECTED)
}

fn grace() -> Caller {
    Caller::local("grace")
}

/// Sends an event with the signature of an unknown secret.
pub(crate) async fn send_rejected(gateway: &Gateway, body: &str) -> Answer {
    let unknown_secret = Secret::new(RETIRED_SECRET).unwrap();
    let at = gateway.clock_seconds();
    let headers = gateway.sign_with("billing", body.as_bytes(), &[], at, &unknown_secret);
    gateway.send_raw("billing", None, &headers, body.as_bytes()).await
}

/// Waits for `count` rejected requests.
pub(crate) async fn wait_for_rejected(gateway: &Gateway, count: usize) -> Vec<RejectedRequest> {
    let waiting = async {
        loop {
            let rejected =
                gateway.rejected_requests().list(&grace(), None, None, 100).await.unwrap();
            if rejected.len() >= count {
                return rejected;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("rejected requests")
}

#[tokio::test]
async fn rejected_request_is_kept_encrypted_and_reprocessed() {
    let gateway = keeping_rejected().start().await;
    let plain = Gateway::start().await;
    let (answer, other) =
        (send_rejected(&gateway, EVENT).await, send_rejected(&plain, EVENT).await);
    assert_eq!(answer.status, 401);
    let without_id = |answer: &Answer| {
        let mut json = answer.json.clone();
        json.as_object_mut().unwrap().remove("request_id");
        (answer.status, json)
    };
    assert_eq!(without_id(&answer), without_id(&other), "the response is the same");
    let [one] = &wait_for_rejected(&gateway, 1).await[..] else { panic!("one") };
    assert_eq!((&*one.source, one.reason), ("billing", RefusalReason::SigMismatch));
    assert_eq!(one.size_bytes, EVENT.len() as i64);
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
    let unencrypted = "SELECT count(*) FROM rejected_requests WHERE position('evt_held' in
                 encode(ciphertext, 'escape')) > 0";
    assert_eq!(gateway.count(unencrypted).await, 0, "it is encrypted");
    assert_eq!(plain.count("SELECT count(*) FROM rejected_requests").await, 0);

    let shown = gateway.rejected_requests().show(&grace(), one.id).await.unwrap();
    assert_eq!(shown.payload.unwrap().body, EVENT);
    assert_eq!(shown.explanation.unwrap().finding, FindingKind::NoSecret);
    let Reprocessing::Rejected(why) =
        gateway.rejected_requests().reprocess(&grace(), one.id, &because("try")).await.unwrap()
    else {
        panic!("it verifies")
    };
    assert_eq!(why.reason, Some(RefusalReason::SigMismatch));

    // Another gateway on the same database, with the secret of the sender.
    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    let with_secret = keeping_rejected()
        .config(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"))
        .sharing_database(&gateway)
        .start()
        .await;
    with_secret.clock().advance(Duration::from_mins(50));
    assert!(with_secret.rejected_requests().explain(&grace(), one.id).await.unwrap().verifies);
    let verified = with_secret
        .rejected_requests()
        .reprocess(&grace(), one.id, &because("the secret is right now"))
        .await;
    let Reprocessing::Accepted(reprocessed) = verified.unwrap() else {
        panic!("it does not verify")
    };
    assert!(!reprocessed.duplicate);
    with_secret.run_until_idle().await;
    let events =
        with_secret.query("SELECT id, secret, skew_seconds, received_at FROM events").await;
    let fingerprint = Secret::new(RETIRED_SECRET).unwrap().fingerprint().to_string();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["id"], json!(reprocessed.event.to_string()));
    assert_eq!(
        (&events[0]["secret"], &events[0]["skew_seconds"]),
        (&json!(fingerprint), &json!(0))
    );
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    assert_eq!(with_secret.count(done).await, 1, "it is handled");

    let row = with_secret.rejected_requests().show(&grace(), one.id).await.unwrap();
    assert_eq!(row.request.event, Some(reprocessed.event));
    assert_eq!(row.request.verified_by.as_deref(), Some("grace"));
    assert!(row.payload.is_none() && row.explanation.is_none());
    let again =
        with_secret.rejected_requests().reprocess(&grace(), one.id, &because("again")).await;
    assert!(matches!(again, Err(AdminError::Conflict(_))));
    let audit = with_secret
        .query(
            "SELECT action, actor FROM audit_log
                               WHERE action NOT LIKE '% payload' ORDER BY id",
        )
        .await;
    assert_eq!(
        audit,
        [
            json!({ "action": "reprocess rejected request", "actor": "grace" }),
            json!({ "action": "reprocess rejected request, rejected again", "actor": "grace" }),
            json!({ "action": "reprocess rejected request", "actor": "grace" }),
        ]
    );
}

#[tokio::test]
async fn reprocessing_an_accepted_request_is_a_duplicate() {
    let gateway = keeping_rejected().start().await;
    send_rejected(&gateway, EVENT).await;
    let one = wait_for_rejected(&gateway, 1).await.remove(0);
    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    let with_secret = keeping_rejected()
        .config(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"))
        .sharing_database(&gateway)
        .start()
        .await;
    let first = with_secret.send("billing", None, EVENT.as_bytes()).await;
    assert_eq!(first.body_status(), "accepted");
    let verified = with_secret
        .rejected_requests()
        .reprocess(&grace(), one.id, &because("late"))
        .await
        .unwrap();
    let Reprocessing::Accepted(reprocessed) = verified else { panic!("it does not verify") };
    assert!(reprocessed.duplicate);
    assert_eq!(reprocessed.event.to_string(), first.id());
    with_secret.run_until_idle().await;
}

#[tokio::test]
async fn request_rejected_by_its_head_is_kept_but_an_unsigned_one_is_not() {
    let gateway = keeping_rejected().start().await;
    let at = gateway.clock_seconds() - 1000;
    let stale = gateway.sign_at("billing", EVENT.as_bytes(), &[], at);
    let answer = gateway.send_raw("billing", None, &stale, EVENT.as_bytes()).await;
    assert_eq!(answer.status, 401);
    let nothing = gateway.send_raw("billing", None, &[], EVENT.as_bytes()).await;
    let nowhere = gateway.send_raw("nowhere", None, &stale, EVENT.as_bytes()).await;
    let elsewhere = gateway.sign_at("bot", b"{}", &[], at);
    let elsewhere = gateway.send_raw("bot", None, &elsewhere, b"{}").await;
    assert_eq!((nothing.status, nowhere.status, elsewhere.status), (401, 401, 401));
    let malformed = [("stripe-signature".to_owned(), "t=1,v1=abc".to_owned())];
    gateway.send_raw("billing", None, &malformed, EVENT.as_bytes()).await;
    let rejected = wait_for_rejected(&gateway, 2).await;
    let mut reasons: Vec<&str> = rejected.iter().map(|one| one.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["sig_malformed", "ts_stale"]);
    let stale = rejected.iter().find(|one| one.reason == RefusalReason::TsStale).unwrap();
    let shown = gateway.rejected_requests().show(&grace(), stale.id).await.unwrap();
    assert_eq!(shown.payload.unwrap().body, EVENT);
    let text = shown.explanation.unwrap().text;
    assert!(text.contains("1000 s before arrival, 700 s over"), "{text}");
    assert!(text.contains("otherwise valid"), "{text}");
}

#[tokio::test]
async fn kept_rejected_requests_are_limited_and_expire() {
    let gateway =
        keeping_rejected().more_config("\n[rejected_requests]\nmax_rows = 2\n").start().await;
    for n in 0..5 {
        assert_eq!(send_rejected(&gateway, &format!("{{\"n\":{n}}}")).await.status, 401);
    }
    // Requests over the limit are dropped in order.
    wait_for_rejected(&gateway, 2).await;
    assert_eq!(gateway.send("billing", None, EVENT.as_bytes()).await.status, 202);
    gateway.run_until_idle().await;
    assert_eq!(gateway.count("SELECT count(*) FROM rejected_requests").await, 2);
    gateway.clock().advance(Duration::from_mins(59));
    gateway.run_maintenance().await;
    assert_eq!(gateway.count("SELECT count(*) FROM rejected_requests").await, 2);
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_maintenance().await;
    assert_eq!(gateway.count("SELECT count(*) FROM rejected_requests").await, 0);
}

#[tokio::test]
async fn rejected_requests_require_scope_and_tenant() {
    let gateway = keeping_rejected().start().await;
    send_rejected(&gateway, EVENT).await;
    let one = wait_for_rejected(&gateway, 1).await.remove(0);
    let with = |tenant: Option<&str>, scopes: &[Scope]| {
        Caller::new("ada", tenant.map(str::to_owned), scopes.iter().copied().collect())
    };
    let nobody = with(None, &[Scope::EventsRead, Scope::PayloadRead, Scope::EventsReplay]);
    let denied = gateway.rejected_requests().list(&nobody, None, None, 10).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::SecretsWrite));
    assert!(
        gateway
            .rejected_requests()
            .reprocess(&nobody, one.id, &because("r"))
            .await
            .unwrap_err()
            .missing()
            .is_some()
    );
    let other = with(Some("other"), &[Scope::SecretsWrite, Scope::PayloadRead]);
    assert!(gateway.rejected_requests().list(&other, None, None, 10).await.unwrap().is_empty());
    for error in [
        gateway.rejected_requests().show(&other, one.id).await.map(drop).unwrap_err(),
        gateway
            .rejected_requests()
            .reprocess(&other, one.id, &because("r"))
            .await
            .map(drop)
            .unwrap_err(),
        gateway.rejected_requests().discard(&other, one.id, &because("r")).await.unwrap_err(),
    ] {
        assert!(matches!(error, AdminError::NotFound(_)), "{error:?}");
    }
    let without_payload_scope = with(Some("default"), &[Scope::SecretsWrite]);
    let shown = gateway.rejected_requests().show(&without_payload_scope, one.id).await.unwrap();
    assert!(shown.payload.is_none() && shown.explanation.is_some());
}

#[tokio::test]
async fn rejected_request_moved_to_another_id_does_not_decrypt() {
    let gateway = keeping_rejected().start().await;
    send_rejected(&gateway, EVENT).await;
    let one = wait_for_rejected(&gateway, 1).await.remove(0);
    gateway
        .execute("UPDATE rejected_requests SET id = '019a0000-0000-7000-8000-000000000000'")
        .await;
    let moved = "019a0000-0000-7000-8000-000000000000".parse().unwrap();
    assert_ne!(one.id, moved);
    let error = gateway.rejected_requests().show(&grace(), moved).await.unwrap_err();
    assert!(matches!(error, AdminError::Vault(_)), "{error:?}");
}

#[test]
fn keep_rejected_requires_a_master_key() {
    let run = Program::new(&CONFIG.replace(PLAIN, KEEP_REJECTED)).run(&["check"]);
    assert_eq!(run.code, 64);
    let why = "source `billing`: keep_rejected: no master key is configured";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    let config = KEEP_REJECTED.replace("1h", "2d");
    let mut program = Program::new(&CONFIG.replace(PLAIN, &config));
    program.set("SEALPOST_MASTER_KEY", MASTER_KEY);
    let run = program.run(&["check"]);
    assert!(run.stderr.contains("at most dispatch.max_age"), "{}", run.stderr);
}

#[tokio::test]
async fn commands_list_explain_reprocess_and_discard() {
    let gateway = keeping_rejected().start().await;
    send_rejected(&gateway, EVENT).await;
    let one = wait_for_rejected(&gateway, 1).await.remove(0);
    let id = one.id.to_string();
    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    let config = CONFIG
        .replace(PLAIN, KEEP_REJECTED)
        .replace(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"));
    let mut program = Program::beside_with(&gateway, &config).await;
    program.set("SEALPOST_MASTER_KEY", MASTER_KEY);
    let run = program.run(&["rejected", "list"]);
    assert!(run.stdout.contains(&id) && run.stdout.contains("sig_mismatch"), "{}", run.all());
    let shown = program.json(&["rejected", "show", &id, "--format", "json"]);
    assert_eq!(shown["payload"]["body"], Value::from(EVENT));
    // `explain` accepts the payload as a recording.
    program.file("held.json", &shown["payload"].to_string());
    let run = program.run(&["explain", "held.json", "--source", "billing"]);
    assert_eq!((run.code, &run.stdout[..9]), (0, "accepted:"), "{}", run.all());
    let run = program.run(&["rejected", "explain", &id]);
    assert_eq!(run.code, 0, "{}", run.all());
    let run = program.run(&["rejected", "reprocess", &id, "--reason", "the secret is right"]);
    assert_eq!((run.code, &run.stdout[..18]), (0, "accepted as event "), "{}", run.all());
    let run = program.run(&["rejected", "reprocess", &id, "--reason", "again"]);
    assert_eq!(run.code, 1, "{}", run.all());
    let run = program.run(&["rejected", "discard", &id, "--reason", "done"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "discarded 1\n"), "{}", run.all());
    assert_eq!(program.run(&["rejected", "show", &id]).code, 2);
    gateway.run_until_idle().await;
}
