//! The page for `AllyShip`: its destination, route and function schedule an integration once per
//! change.

use std::time::Duration;

use sealpost::admin::{Caller, DeadLetterAction};
use sealpost::clock::{Clock, SystemClock};
use sealpost::store::Target;
use serde_json::{Value, json};

use super::application::Application;
use super::{ALLYSHIP, LOOPBACK, blocks, configuration, payload, send, sha, text_file};
use crate::harness::{Gateway, because, database, sql};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/migrating/allyship.md");
const REPOSITORY: &str = "repo_0123456789abcdef01234567";
const SOURCE: &str = "repositories";

/// The variables with the secrets of other platforms, whose webhooks are tested elsewhere.
const PLATFORMS: [&str; 6] = [
    "SLACK_SIGNING_SECRET",
    "SUPABASE_WEBHOOK_TOKEN",
    "VERCEL_WEBHOOK_SECRET",
    "NETLIFY_JWS_SECRET",
    "EVENTBRIDGE_AUTHORIZATION",
    "GITHUB_WEBHOOK_SECRET",
];

/// The roles and grants of every Supabase project, and the table of integrations.
const BEFORE: &str = r#"
    DO $$ BEGIN
        CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- Roles are global to the server: another test was faster.
    END $$;
    GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public
        GRANT ALL ON TABLES TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public
        GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
    CREATE TABLE integrations (
        name text PRIMARY KEY, integration_type text NOT NULL, config jsonb NOT NULL,
        status text DEFAULT 'active', next_check_at timestamptz
    );
    INSERT INTO integrations VALUES
        ('changed', 'github', '{"owner":"owner","repositories":["x","cards"]}', 'active',
         now() + interval '1 day'),
        ('never checked', 'github', '{"owner":"owner","repositories":["cards"]}', 'active', NULL),
        ('other', 'github', '{"owner":"owner","repositories":["x"]}', 'active',
         now() + interval '1 day'),
        ('of another', 'github', '{"owner":"another","repositories":["cards"]}', 'active',
         now() + interval '1 day'),
        ('paused', 'github', '{"owner":"owner","repositories":["cards"]}', 'paused',
         now() + interval '1 day'),
        ('slack', 'slack', '{"owner":"owner"}', 'active', now() + interval '1 day');
"#;

/// The route and the database of `AllyShip`.
struct AllyShip {
    route: Application,
    database: Target,
}

impl AllyShip {
    async fn start() -> Option<Self> {
        let packages = &[("h3", "1.15.11"), ("sucrase", "3.35.1")];
        let route = Application::node("route.cjs", packages, &[PAGE]).await?;
        let database = database::empty().await;
        sql::script(&database, BEFORE).await;
        sql::script(&database, &blocks(ALLYSHIP, "sql").concat()).await;
        Some(Self { route, database })
    }

    /// Runs deliveries, and executes or fails the database call of the route.
    async fn run_call(&mut self, gateway: &Gateway, fails: bool) -> Value {
        let serve = async {
            let call = self.route.read_line().await;
            assert_eq!(call["name"], "repository_changed");
            let error = if fails { json!({ "message": "away" }) } else { Value::Null };
            if !fails {
                self.call(&call["args"]).await;
            }
            self.route.write_line(&json!({ "error": error })).await;
            call["args"].clone()
        };
        tokio::join!(gateway.run_until_idle(), serve).1
    }

    /// Calls the function with the service role.
    async fn call(&self, args: &Value) {
        let args = args.as_object().unwrap().iter();
        let args: Vec<String> =
            args.map(|(name, value)| format!("{name} => '{}'", value.as_str().unwrap())).collect();
        let mut connection = sql::connect(&self.database).await;
        sql::run(&mut connection, "SET ROLE service_role").await;
        let call = format!("SELECT repository_changed({})", args.join(", "));
        sql::run(&mut connection, &call).await;
    }

    /// The names of the due integrations.
    async fn due(&self) -> Vec<String> {
        let due = "SELECT name FROM integrations WHERE next_check_at <= now() ORDER BY name";
        sql::texts(&self.database, due).await
    }

    /// Marks all integrations as scanned.
    async fn mark_scanned(&self) {
        let update = "UPDATE integrations SET next_check_at = now() + interval '1 day'";
        sql::execute(&self.database, update).await;
    }

    async fn seen(&self) -> i64 {
        sql::number(&self.database, "SELECT count(*) FROM sealpost_seen").await
    }
}

async fn gateway(allyship: &AllyShip) -> Gateway {
    let page = configuration(ALLYSHIP);
    assert!(page.contains("https://allyship.example.com/api/sealpost"));
    let page = page
        .replace("https://allyship.example.com", &allyship.route.url(""))
        .replace("ALLYSHIP_WEBHOOK_SECRET", "APP_SECRET")
        .replace("DOCORA_AUTH_KEY", "CARDS_SECRET");
    // The library uses the system clock.
    let mut builder = Gateway::builder().start_at(SystemClock.now());
    for name in PLATFORMS {
        builder = builder.variable(name, &format!("secret-of-{name}"));
    }
    builder.more_config(&format!("{page}{LOOPBACK}")).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn change_schedules_integrations_of_its_repository_once() {
    let Some(mut allyship) = AllyShip::start().await else { return };
    let gateway = gateway(&allyship).await;
    let due = ["changed", "never checked"];
    let created = payload(REPOSITORY, &text_file("a.md", "A"), 0);
    let answer = send(&gateway, SOURCE, "/hooks/repositories/create", &created).await;

    // The first call fails, and is retried.
    let expected = json!({ "id": answer.id(), "owner": "owner", "name": "cards" });
    assert_eq!(allyship.run_call(&gateway, true).await, expected);
    assert_eq!((allyship.due().await, allyship.seen().await), (vec![], 0));
    gateway.clock().advance(Duration::from_secs(60));
    assert_eq!(allyship.run_call(&gateway, false).await, expected);
    assert_eq!((allyship.due().await, allyship.seen().await), (due.map(str::to_owned).into(), 1));

    // A replay of the event does not count again.
    allyship.mark_scanned().await;
    replay(&gateway).await;
    assert_eq!(allyship.run_call(&gateway, false).await, expected);
    assert_eq!((allyship.due().await, allyship.seen().await), (vec![], 1));

    for (action, file, minute) in [
        ("update", text_file("a.md", "B"), 1),
        ("delete", json!({ "path": "a.md", "sha": sha("") }), 2),
    ] {
        allyship.mark_scanned().await;
        let body = payload(REPOSITORY, &file, minute);
        send(&gateway, SOURCE, &format!("/hooks/repositories/{action}"), &body).await;
        allyship.run_call(&gateway, false).await;
        assert_eq!(allyship.due().await, due, "{action}");
    }

    // A failed sync is not a change of the repository.
    let failed = json!({
        "event": "sync_failed", "repository": created["repository"],
        "error": { "type": "git_failure", "message": "not found" },
        "circuit_breaker": { "status": "open", "consecutive_failures": 5, "threshold": 5 },
        "retry_count": 4, "timestamp": "2026-11-20T10:03:00.000Z",
    });
    send(&gateway, SOURCE, "/hooks/repositories/sync_failed", &failed).await;
    gateway.run_until_idle().await;
    let sent = "SELECT count(*) FROM deliveries WHERE destination = 'allyship'";
    assert_eq!((gateway.count(sent).await, allyship.seen().await), (4, 3));
    assert_eq!(gateway.dead_letters().await, []);
}

/// Replays the only delivery to the application.
async fn replay(gateway: &Gateway) {
    let done = "SELECT id FROM deliveries WHERE destination = 'allyship' AND state = 'done'";
    let id = gateway.query(done).await[0]["id"].as_i64().unwrap();
    let caller = Caller::local("ada");
    let batch = gateway
        .dead_letter_service()
        .resolve_one(&caller, DeadLetterAction::Replay, id, &because("once more"), true)
        .await
        .unwrap();
    assert_eq!(batch.created.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn route_and_function_reject_unauthorized_callers() {
    let Some(allyship) = AllyShip::start().await else { return };
    let now = SystemClock.now().unix_timestamp().to_string();
    for signature in [None, Some("v1,MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")] {
        let request = sealpost::tls::client().no_proxy().build().unwrap();
        let mut request = request.post(allyship.route.url("/api/sealpost")).body("{}");
        request = request.header("webhook-id", "1").header("webhook-timestamp", &now);
        if let Some(signature) = signature {
            request = request.header("webhook-signature", signature);
        }
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let database = &allyship.database;
    sql::execute(database, "INSERT INTO sealpost_seen (id) VALUES ('1')").await;
    for (role, allowed) in [("anon", 0), ("authenticated", 0), ("service_role", 1)] {
        let function = format!(
            "SELECT has_function_privilege('{role}', 'repository_changed(text, text, text)',
                                           'EXECUTE')::int::bigint"
        );
        assert_eq!(sql::number(database, &function).await, allowed, "{role}");
        let mut connection = sql::connect(database).await;
        sql::run(&mut connection, &format!("SET ROLE {role}")).await;
        let sees =
            format!("DO $$ BEGIN ASSERT (SELECT count(*) FROM sealpost_seen) = {allowed}; END $$");
        sql::run(&mut connection, &sees).await;
    }
}
