//! Every problem, caused in turn: the page, the alerts, the metrics, the command line and the API
//! show it until it is resolved.

mod dispatch;
mod notifications;
mod urls;

use std::time::Duration;

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusBuilder;
use sealpost::admin::Caller;
use sealpost::clock::{Clock, SystemClock};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{
    Alert, AlertResolution, DeathReason, DestinationFailure, DestinationSwitch, Effects,
    FailureScope, PauseTarget, Severity, StoredEvent,
};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::cli::Program;
use crate::harness::{Gateway, because};
use crate::monitoring::event_of;
use crate::receive::raw::{Wire, head};

/// A destination that these tests never send to.
const SHOP: &str = "[[destination]]\nname = \"shop\"\nurl = \"https://shop.example/in\"\n\
                    sources = [\"billing\"]\ntypes = [\"account.external_account.*\"]\n\
                    secret = { env = \"APP_SECRET\" }\n";

/// Fails permanently if the body says so.
struct FailingHandler;

#[async_trait]
impl Handler for FailingHandler {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        if String::from_utf8_lossy(&event.body).contains("dies") {
            return Err(Failure::permanent(DeathReason::Permanent, "the event says so"));
        }
        Ok(Effects::unchanged())
    }
}

/// A problem: its name, the kind of its alarm, the kind of its alert, and its severity.
struct Problem {
    what: &'static str,
    alarm: &'static str,
    alert: &'static str,
    severity: &'static str,
}

const fn problem(
    what: &'static str,
    alarm: &'static str,
    alert: &'static str,
    severity: &'static str,
) -> Problem {
    Problem { what, alarm, alert, severity }
}

/// Every problem, caused in turn.
const MATRIX: &[Problem] = &[
    problem("a handler's dead letter", "dead_letters", "dead_letter", "warning"),
    problem("a quarantined request", "dead_letters", "dead_letter", "warning"),
    problem("a source is paused", "paused", "paused", "warning"),
    problem("a handler is paused", "paused", "paused", "warning"),
    problem("a destination is paused", "paused", "paused", "warning"),
    problem("a destination fails", "destination_failing", "destination_failing", "warning"),
    problem(
        "a destination fails for long",
        "destination_failing",
        "destination_failing",
        "critical",
    ),
    problem(
        "a destination asks us to wait",
        "destination_failing",
        "destination_failing",
        "warning",
    ),
    problem("a destination rejects", "destination_rejecting", "destination_rejecting", "warning"),
    problem("a destination is gone", "destination_disabled", "destination_disabled", "warning"),
    problem(
        "a destination is not configured",
        "destination_unconfigured",
        "destination_unconfigured",
        "warning",
    ),
    problem("deliveries are overdue", "stuck", "stuck", "warning"),
    problem("deliveries are overdue for long", "stuck", "stuck", "critical"),
    problem("an authentic request is too large", "oversize", "oversize", "warning"),
    problem("a request is over the hard limit", "oversize", "oversize", "warning"),
    problem("a signed request to an unknown path", "wrong_path", "wrong_path", "warning"),
    problem("a signed request to an unknown source", "wrong_path", "wrong_path", "warning"),
    problem("most requests are rejected", "refusals", "refusals", "warning"),
    problem("a transaction stays open", "transaction", "transaction", "warning"),
    problem("an alert of a provider", "alert", "sync_failed", "warning"),
    problem("another gateway's clock", "alert", "clock", "critical"),
];

/// A gateway, and the program on its database.
struct Scene {
    gateway: Gateway,
    program: Program,
    ada: Caller,
    /// An open transaction.
    open: Option<sqlx::PgConnection>,
}

impl Scene {
    async fn start() -> Self {
        let config = format!("{}\n{SHOP}", include_str!("../harness/config.toml"));
        let gateway = Gateway::builder()
            .start_at(SystemClock.now())
            .handler(FailingHandler)
            .more_config(SHOP)
            .allow_unfinished()
            .start()
            .await;
        let program = Program::beside_with(&gateway, &config).await;
        Self { gateway, program, ada: Caller::local("ada"), open: None }
    }

    async fn send(&self, id: &str) {
        let answer = self.gateway.send("billing", None, &event_of("acct_a", id)).await;
        assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    }

    /// Records failures of the destination, the first of them `ago`.
    async fn record_failure(
        &self,
        scope: FailureScope,
        times: u32,
        ago: Duration,
        retry: Option<Duration>,
    ) {
        let now = self.gateway.clock().now();
        for time in 0..times {
            let began = if time == 0 { now - ago } else { now };
            let error = "destination responded 500";
            let failure =
                DestinationFailure { scope, retry_after: retry, began, now: began, error };
            self.gateway.store().record_destination_failure("shop", &failure).await.unwrap();
        }
    }

    async fn switch(&self, switch: DestinationSwitch) {
        let mut tx = self.gateway.store().begin().await.unwrap();
        let now = self.gateway.clock().now();
        assert!(tx.switch_destination("shop", switch, "ada", "a test", now).await.unwrap());
        tx.commit(()).await.unwrap();
    }

    /// Records responses of the destination.
    async fn record_responses(&self, times: u32) {
        for _ in 0..times {
            let mut tx = self.gateway.store().begin().await.unwrap();
            tx.record_destination_success("shop").await.unwrap();
            tx.commit(()).await.unwrap();
        }
    }

    async fn discard_all(&self) {
        let dead_letters = self.gateway.dead_letter_service();
        let open = self
            .gateway
            .query("SELECT id FROM deliveries WHERE state = 'dead' AND resolution IS NULL")
            .await;
        for row in open {
            let id = row["id"].as_i64().unwrap();
            let action = sealpost::admin::DeadLetterAction::Discard;
            dead_letters
                .resolve_one(&self.ada, action, id, &because("it was a test"), false)
                .await
                .unwrap();
        }
    }

    /// Removes the counters of the last hour, as if it had passed.
    async fn an_hour_passes(&self) {
        self.gateway.execute("DELETE FROM counters").await;
    }

    async fn cause(&mut self, what: &str) {
        let gateway = &self.gateway;
        let minute = Duration::from_mins(1);
        match what {
            "a handler's dead letter" => {
                self.send("evt_dies").await;
                gateway.run_until_idle().await;
            }
            "a quarantined request" => {
                assert_eq!(
                    gateway.send("billing", None, b"no JSON").await.body_status(),
                    "quarantined"
                );
            }
            "a source is paused" => {
                gateway
                    .pauses()
                    .pause(&self.ada, PauseTarget::Source, "billing", &because("a test"))
                    .await
                    .unwrap();
            }
            "a handler is paused" => {
                gateway
                    .pauses()
                    .pause(&self.ada, PauseTarget::Handler, "ledger", &because("a test"))
                    .await
                    .unwrap();
            }
            "a destination is paused" => self.switch(DestinationSwitch::Pause).await,
            "a destination fails" => {
                self.record_failure(FailureScope::Destination, 2, minute, None).await;
            }
            "a destination fails for long" => {
                self.record_failure(FailureScope::Destination, 6, minute * 6, None).await;
            }
            "a destination asks us to wait" => {
                self.record_failure(FailureScope::Destination, 1, minute, Some(minute * 30)).await;
            }
            "a destination rejects" => {
                self.record_failure(FailureScope::Event, 5, Duration::ZERO, None).await;
            }
            "a destination is gone" => {
                self.record_failure(FailureScope::Gone, 1, Duration::ZERO, None).await;
            }
            "a destination is not configured" => {
                self.send("evt_for_another").await;
                gateway
                    .execute(
                        "UPDATE deliveries SET handler = 'to:old', destination = 'old'
                          WHERE state = 'ready'",
                    )
                    .await;
            }
            "deliveries are overdue" | "deliveries are overdue for long" => {
                self.send(&format!("evt_{}", what.len())).await;
                let age = if what.ends_with("long") { "6 minutes" } else { "1 minute" };
                let due = format!(
                    "UPDATE deliveries SET due_at = due_at - interval '{age}' WHERE state = 'ready'"
                );
                gateway.execute(&due).await;
            }
            "an authentic request is too large" => {
                let body = vec![b' '; 3 * 1024 * 1024];
                let answer = gateway.send("billing", None, &body).await;
                assert_eq!(
                    (answer.status, answer.body_status()),
                    (202, "quarantined"),
                    "{}",
                    answer.text
                );
            }
            "a request is over the hard limit" => {
                let headers = gateway.sign("billing", b"{}", &[]);
                let mut wire = Wire::open(gateway.address()).await;
                wire.write(&head("/hooks/billing", &headers, "Content-Length: 536870913")).await;
                assert_eq!(wire.answer().await.expect("an answer").status, 413);
            }
            "a signed request to an unknown path" | "a signed request to an unknown source" => {
                let body = event_of("acct_a", "evt_lost");
                let headers = gateway.sign("billing", &body, &[]);
                let path = if what.ends_with("path") { "/nowhere" } else { "/hooks/biling" };
                let status = gateway.post(path, &headers, &body).await.status;
                assert!(matches!(status, 401 | 404), "{status}");
            }
            "most requests are rejected" => {
                for _ in 0..20 {
                    gateway.send_raw("billing", None, &[], b"{}").await;
                }
            }
            "a transaction stays open" => {
                let mut session = gateway.target().connect().await.unwrap();
                let begin = sqlx::raw_sql("BEGIN; SELECT pg_current_xact_id()");
                begin.execute(&mut session).await.unwrap();
                self.open = Some(session);
                self.send("evt_behind_it").await;
                self.gateway.run_until_idle().await;
                // The start of the session cannot be moved back, but the times of waiting events can.
                self.gateway
                    .execute("UPDATE events SET received_at = received_at - interval '1 minute'")
                    .await;
            }
            "an alert of a provider" => {
                let mut tx = gateway.store().begin().await.unwrap();
                tx.alert(&Self::alert("repository 1")).await.unwrap();
                tx.commit(()).await.unwrap();
            }
            "another gateway's clock" => {
                let mut tx = gateway.store().begin().await.unwrap();
                let alert = Alert {
                    alert_type: "clock",
                    key: "",
                    severity: Severity::Critical,
                    source: "",
                    event: None,
                    text: "this machine's clock is 2m ahead of the database's",
                    passing: false,
                };
                tx.alert(&alert).await.unwrap();
                tx.commit(()).await.unwrap();
            }
            other => panic!("unknown problem: {other}"),
        }
    }

    fn alert(key: &str) -> Alert<'_> {
        let text = "ada/cards cannot be read";
        let severity = Severity::Warning;
        Alert {
            alert_type: "sync_failed",
            key,
            severity,
            source: "cards",
            event: None,
            text,
            passing: false,
        }
    }

    async fn resolve(&mut self, what: &str) {
        let gateway = &self.gateway;
        // Deliveries are not overdue right after a resume.
        let resumed = "UPDATE pauses SET resumed_at = resumed_at - interval '1 hour'";
        gateway.execute(resumed).await;
        match what {
            "a handler's dead letter" | "a quarantined request" => self.discard_all().await,
            "a source is paused" => {
                gateway
                    .pauses()
                    .resume(&self.ada, PauseTarget::Source, "billing", &because("done"))
                    .await
                    .unwrap();
            }
            "a handler is paused" => {
                gateway
                    .pauses()
                    .resume(&self.ada, PauseTarget::Handler, "ledger", &because("done"))
                    .await
                    .unwrap();
            }
            "a destination is paused" => self.switch(DestinationSwitch::Resume).await,
            "a destination is gone" => self.switch(DestinationSwitch::Enable).await,
            "a destination asks us to wait" => {
                self.record_responses(1).await;
                self.switch(DestinationSwitch::Resume).await;
            }
            "a destination fails" | "a destination fails for long" => {
                self.record_responses(1).await;
            }
            "a destination rejects" => self.record_responses(10).await,
            "a destination is not configured" => {
                let path = "/api/v1/destinations/old/forget";
                let key = [("idempotency-key", "forget"), ("content-type", "application/json")];
                let answer = gateway.call(path, &key, r#"{"reason":"it is gone"}"#).await;
                assert_eq!(
                    (answer.status, &answer.json["count"]),
                    (200, &json!(1)),
                    "{}",
                    answer.text
                );
                self.discard_all().await;
            }
            "deliveries are overdue" | "deliveries are overdue for long" => {
                gateway.run_until_idle().await;
            }
            "an authentic request is too large" => {
                self.discard_all().await;
                self.an_hour_passes().await;
            }
            "a request is over the hard limit"
            | "a signed request to an unknown path"
            | "a signed request to an unknown source"
            | "most requests are rejected" => self.an_hour_passes().await,
            "a transaction stays open" => {
                self.open.take().unwrap().close().await.unwrap();
                self.gateway
                    .execute("UPDATE events SET received_at = received_at + interval '1 minute'")
                    .await;
            }
            "an alert of a provider" => {
                let mut tx = gateway.store().begin().await.unwrap();
                let resolution = AlertResolution {
                    alert_type: "sync_failed",
                    key: "repository 1",
                    source: "cards",
                    event: None,
                    text: "it can be read again",
                };
                assert!(tx.close_alert(&resolution).await.unwrap());
                tx.commit(()).await.unwrap();
            }
            "another gateway's clock" => {
                let quiet = "UPDATE alerts SET last_at = last_at - interval '2 minutes'";
                gateway.execute(quiet).await;
            }
            other => panic!("unknown problem: {other}"),
        }
    }

    /// Evaluates the alarms. On a slow machine the clock is first advanced to the database's.
    async fn evaluate(&self) -> String {
        let behind = SystemClock.now() - self.gateway.clock().now();
        if behind > Duration::from_secs(20) {
            self.gateway.clock().advance(behind.unsigned_abs());
        }
        evaluate(&self.gateway).await
    }

    /// The severity in the API, and the kind and severity of each alarm.
    async fn api(&self) -> (Value, Vec<(String, String)>) {
        let overview = overview(&self.gateway).await;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alarms = overview["alarms"].as_array().unwrap();
        let alarms = alarms.iter().map(|alarm| (word(&alarm["type"]), word(&alarm["severity"])));
        (overview["severity"].clone(), alarms.collect())
    }

    async fn alerts_open(&self, alert_type: &str) -> i64 {
        let open = format!(
            "SELECT count(*) FROM alerts WHERE closed_at IS NULL AND alert_type = '{alert_type}'"
        );
        self.gateway.count(&open).await
    }
}

/// Evaluates the alarms as the gateway does every few seconds, and returns the metrics.
async fn evaluate(gateway: &Gateway) -> String {
    gateway.flush_stats().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let guard = metrics::set_default_local_recorder(&recorder);
    gateway.monitoring().raise_alarms().await.unwrap();
    drop(guard);
    handle.render()
}

async fn overview(gateway: &Gateway) -> Value {
    let answer = gateway.operator("/api/v1/overview").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

/// The gauge of open alarms of this kind and severity.
fn gauge(metrics: &str, kind: &str, severity: &str) -> f64 {
    let name = format!("sealpost_alarms{{kind=\"{kind}\",severity=\"{severity}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name}in:\n{metrics}")).parse().unwrap()
}

#[tokio::test]
async fn every_problem_is_shown_everywhere_until_it_is_resolved() {
    let mut scene = Scene::start().await;
    for Problem { what, alarm, alert, severity } in MATRIX {
        let metrics = scene.evaluate().await;
        let (worst, alarms) = scene.api().await;
        assert_eq!((worst, &alarms[..]), (Value::Null, &[][..]), "before: {what}");
        assert!(gauge(&metrics, alarm, severity) < 0.5, "before: {what}");

        scene.cause(what).await;
        let metrics = scene.evaluate().await;
        assert!(gauge(&metrics, alarm, severity) > 0.5, "{what}: {metrics}");
        let (worst, alarms) = scene.api().await;
        assert_eq!(worst, *severity, "{what}: {alarms:?}");
        let expected = ((*alarm).to_owned(), (*severity).to_owned());
        assert!(alarms.contains(&expected), "{what}: {alarms:?}");
        assert_eq!(scene.alerts_open(alert).await, 1, "{what}");
        let page = scene.gateway.operator("/").await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(!page.text.contains("No problems"), "{what}");
        let class = if *severity == "critical" { "note bad" } else { "note warn" };
        assert!(page.text.contains(class) && page.text.contains("Details"), "{what}");
        let run = scene.program.run(&["overview", "--exit-code"]);
        assert_eq!(run.code, 1, "{what}: {}", run.all());
        assert!(run.stdout.starts_with(&format!("{severity}: ")), "{what}: {}", run.all());
        assert_eq!(scene.program.run(&["overview"]).code, 0, "{what}");

        scene.resolve(what).await;
        let metrics = scene.evaluate().await;
        assert!(gauge(&metrics, alarm, severity) < 0.5, "after: {what}");
        let (worst, alarms) = scene.api().await;
        assert_eq!((worst, &alarms[..]), (Value::Null, &[][..]), "after: {what}");
        assert_eq!(scene.alerts_open(alert).await, 0, "after: {what}");
        let page = scene.gateway.operator("/").await;
        assert!(page.text.contains("No problems"), "after: {what}");
        let run = scene.program.run(&["overview", "--exit-code"]);
        assert_eq!(run.code, 0, "after: {what}: {}", run.all());
        assert!(run.stdout.starts_with("no open alarms"), "after: {what}: {}", run.all());
    }
}

#[tokio::test]
async fn overview_has_the_highest_severity_and_every_alarm() {
    let mut scene = Scene::start().await;
    for what in ["a quarantined request", "a destination fails for long", "a source is paused"] {
        scene.cause(what).await;
    }
    scene.evaluate().await;
    let (worst, alarms) = scene.api().await;
    assert_eq!(worst, "critical");
    let kinds: Vec<&str> = alarms.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["destination_failing", "dead_letters", "paused"]);
    let page = scene.gateway.operator("/").await.text;
    for part in ["critical", "failing", "paused", "3 problems need"] {
        assert!(page.contains(part), "{part}");
    }
    let row = scene.gateway.operator("/api/v1/overview").await.json;
    let billing = row["sources"].as_array().unwrap().iter().find(|row| row["name"] == "billing");
    let hour = &billing.unwrap()["hour"];
    assert_eq!((&hour["quarantined"], &hour["dead"]), (&json!(1), &json!(1)), "counted as dead");
}

#[tokio::test]
async fn tenant_sees_only_alarms_of_its_sources_and_destinations() {
    let mut scene = Scene::start().await;
    for what in
        ["a quarantined request", "a destination fails", "a signed request to an unknown path"]
    {
        scene.cause(what).await;
    }
    scene.evaluate().await;
    let of = |tenant: &str| {
        let scopes = [sealpost::admin::Scope::EventsRead].into_iter().collect();
        Caller::new("bo", Some(tenant.to_owned()), scopes)
    };
    let alarms = async |tenant| {
        let overview = scene.gateway.monitoring().overview(&of(tenant)).await.unwrap();
        overview.alarms.iter().map(|alarm| alarm.kind.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(alarms("default").await, ["destination_failing", "dead_letters"]);
    assert_eq!(alarms("other").await, [""; 0]);
}
