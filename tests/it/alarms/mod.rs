//! Everything that can be wrong, broken in turn: the page, the alerts, the metrics, the command
//! line and the API must say so, and stop saying so once it is mended.

mod addresses;
mod dispatch;
mod telling;

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

/// A destination that nothing is ever sent to in these tests: dispatch runs only where a handler is
/// to die, and then it is paused.
const SHOP: &str = "[[destination]]\nname = \"shop\"\nurl = \"https://shop.example/in\"\n\
                    sources = [\"billing\"]\ntypes = [\"account.external_account.*\"]\n\
                    secret = { env = \"APP_SECRET\" }\n";

/// Dies where the event says so.
struct Mortal;

#[async_trait]
impl Handler for Mortal {
    fn name(&self) -> &'static str {
        "mortal"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        if String::from_utf8_lossy(&event.body).contains("dies") {
            return Err(Failure::permanent(DeathReason::Permanent, "it is told to die"));
        }
        Ok(Effects::unchanged())
    }
}

/// Something that is broken: by name, the kind of alarm, the kind of its alert, and its severity.
struct Broken {
    what: &'static str,
    alarm: &'static str,
    alert: &'static str,
    severity: &'static str,
}

const fn broken(
    what: &'static str,
    alarm: &'static str,
    alert: &'static str,
    severity: &'static str,
) -> Broken {
    Broken { what, alarm, alert, severity }
}

/// All that is broken in turn.
const MATRIX: &[Broken] = &[
    broken("a handler's dead letter", "dead_letters", "dead_letter", "warning"),
    broken("a quarantined request", "dead_letters", "dead_letter", "warning"),
    broken("a source is paused", "paused", "paused", "warning"),
    broken("a handler is paused", "paused", "paused", "warning"),
    broken("a destination is paused", "paused", "paused", "warning"),
    broken("a destination fails", "destination_failing", "destination_failing", "warning"),
    broken(
        "a destination fails for long",
        "destination_failing",
        "destination_failing",
        "critical",
    ),
    broken(
        "a destination asks us to wait",
        "destination_failing",
        "destination_failing",
        "warning",
    ),
    broken("a destination rejects", "destination_rejecting", "destination_rejecting", "warning"),
    broken("a destination is gone", "destination_disabled", "destination_disabled", "warning"),
    broken(
        "a destination is not configured",
        "destination_unconfigured",
        "destination_unconfigured",
        "warning",
    ),
    broken("deliveries are overdue", "stuck", "stuck", "warning"),
    broken("deliveries are overdue for long", "stuck", "stuck", "critical"),
    broken("an authentic request is too large", "oversize", "oversize", "warning"),
    broken("a request is too large to be heard out", "oversize", "oversize", "warning"),
    broken("a signed request to no path", "wrong_path", "wrong_path", "warning"),
    broken("a signed request to no source", "wrong_path", "wrong_path", "warning"),
    broken("most requests are refused", "refusals", "refusals", "warning"),
    broken("a transaction stays open", "transaction", "transaction", "warning"),
    broken("an alert of a provider", "alert", "sync_failed", "warning"),
    broken("another gateway's clock", "alert", "clock", "critical"),
];

/// A gateway, the way to its metrics, and the program beside it.
struct Scene {
    gateway: Gateway,
    program: Program,
    ada: Caller,
    /// A transaction that is left open.
    open: Option<sqlx::PgConnection>,
}

impl Scene {
    async fn start() -> Self {
        let config = format!("{}\n{SHOP}", include_str!("../harness/config.toml"));
        let gateway = Gateway::builder()
            .begin(SystemClock.now())
            .handler(Mortal)
            .more_config(SHOP)
            .leaves_work()
            .start()
            .await;
        let program = Program::beside_with(&gateway, &config).await;
        Self { gateway, program, ada: Caller::local("ada"), open: None }
    }

    async fn send(&self, id: &str) {
        let answer = self.gateway.send("billing", None, &event_of("acct_a", id)).await;
        assert_eq!(answer.what(), "accepted", "{}", answer.text);
    }

    /// Sets the destination back, the first time so long ago.
    async fn record_failure(
        &self,
        fault: FailureScope,
        times: u32,
        ago: Duration,
        retry: Option<Duration>,
    ) {
        let now = self.gateway.clock().now();
        for time in 0..times {
            let began = if time == 0 { now - ago } else { now };
            let error = "destination responded 500";
            let setback =
                DestinationFailure { fault, retry_after: retry, began, now: began, error };
            self.gateway.store().record_failure("to:shop", &setback).await.unwrap();
        }
    }

    async fn switch(&self, switch: DestinationSwitch) {
        let mut tx = self.gateway.store().begin().await.unwrap();
        let now = self.gateway.clock().now();
        assert!(tx.switch_destination("to:shop", switch, "a test", now).await.unwrap());
        tx.commit(()).await.unwrap();
    }

    /// Lets the destination take so many events.
    async fn takes(&self, times: u32) {
        for _ in 0..times {
            let mut tx = self.gateway.store().begin().await.unwrap();
            tx.record_response("to:shop").await.unwrap();
            tx.commit(()).await.unwrap();
        }
    }

    async fn discard_all(&self) {
        let desk = self.gateway.desk();
        let open = self
            .gateway
            .query("SELECT id FROM deliveries WHERE state = 'dead' AND resolution IS NULL")
            .await;
        for row in open {
            let id = row["id"].as_i64().unwrap();
            let action = sealpost::admin::Action::Discard;
            desk.act(&self.ada, action, id, &because("it was a test"), false).await.unwrap();
        }
    }

    /// What was counted in the last hour is counted long ago.
    async fn an_hour_passes(&self) {
        self.gateway.execute("DELETE FROM counters").await;
    }

    async fn break_it(&mut self, what: &str) {
        let gateway = &self.gateway;
        let minute = Duration::from_mins(1);
        match what {
            "a handler's dead letter" => {
                self.send("evt_dies").await;
                gateway.run_until_idle().await;
            }
            "a quarantined request" => {
                assert_eq!(gateway.send("billing", None, b"no JSON").await.what(), "quarantined");
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
                    .pause(&self.ada, PauseTarget::Handler, "mortal", &because("a test"))
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
                    .execute("UPDATE deliveries SET handler = 'to:old' WHERE state = 'ready'")
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
                assert_eq!((answer.status, answer.what()), (202, "quarantined"), "{}", answer.text);
            }
            "a request is too large to be heard out" => {
                let headers = gateway.sign("billing", b"{}", &[]);
                let mut wire = Wire::open(gateway.address()).await;
                wire.write(&head("/hooks/billing", &headers, "Content-Length: 536870913")).await;
                assert_eq!(wire.answer().await.expect("an answer").status, 413);
            }
            "a signed request to no path" | "a signed request to no source" => {
                let body = event_of("acct_a", "evt_lost");
                let headers = gateway.sign("billing", &body, &[]);
                let path = if what.ends_with("path") { "/nowhere" } else { "/hooks/biling" };
                let status = gateway.post(path, &headers, &body).await.status;
                assert!(matches!(status, 401 | 404), "{status}");
            }
            "most requests are refused" => {
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
                // Its session's start cannot be put back, but what waits for it can.
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
                    kind: "clock",
                    key: "",
                    severity: Severity::Critical,
                    source: "",
                    text: "this machine's clock is 2m ahead of the database's",
                    passing: false,
                };
                tx.alert(&alert).await.unwrap();
                tx.commit(()).await.unwrap();
            }
            other => panic!("nobody knows how to break this: {other}"),
        }
    }

    fn alert(key: &str) -> Alert<'_> {
        let text = "ada/cards cannot be read";
        let severity = Severity::Warning;
        Alert { kind: "sync_failed", key, severity, source: "cards", text, passing: false }
    }

    async fn mend(&mut self, what: &str) {
        let gateway = &self.gateway;
        // What was resumed a moment ago is not overdue.
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
                    .resume(&self.ada, PauseTarget::Handler, "mortal", &because("done"))
                    .await
                    .unwrap();
            }
            "a destination is paused" => self.switch(DestinationSwitch::Resume).await,
            "a destination is gone" => self.switch(DestinationSwitch::Enable).await,
            "a destination asks us to wait" => {
                self.takes(1).await;
                self.switch(DestinationSwitch::Resume).await;
            }
            "a destination fails" | "a destination fails for long" => self.takes(1).await,
            "a destination rejects" => self.takes(10).await,
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
            "a request is too large to be heard out"
            | "a signed request to no path"
            | "a signed request to no source"
            | "most requests are refused" => self.an_hour_passes().await,
            "a transaction stays open" => {
                self.open.take().unwrap().close().await.unwrap();
                self.gateway
                    .execute("UPDATE events SET received_at = received_at + interval '1 minute'")
                    .await;
            }
            "an alert of a provider" => {
                let mut tx = gateway.store().begin().await.unwrap();
                let recovery = AlertResolution {
                    kind: "sync_failed",
                    key: "repository 1",
                    source: "cards",
                    text: "it can be read again",
                };
                assert!(tx.close_alert(&recovery).await.unwrap());
                tx.commit(()).await.unwrap();
            }
            "another gateway's clock" => {
                let quiet = "UPDATE alerts SET last_at = last_at - interval '2 minutes'";
                gateway.execute(quiet).await;
            }
            other => panic!("nobody knows how to mend this: {other}"),
        }
    }

    /// Looks; where the machine is slow the clock is brought up to the database's first.
    async fn look(&self) -> String {
        let behind = SystemClock.now() - self.gateway.clock().now();
        if behind > Duration::from_secs(20) {
            self.gateway.clock().advance(behind.unsigned_abs());
        }
        look(&self.gateway).await
    }

    /// The alarms of the API: kind and severity.
    async fn api(&self) -> (Value, Vec<(String, String)>) {
        let overview = overview(&self.gateway).await;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alarms = overview["alarms"].as_array().unwrap();
        let alarms = alarms.iter().map(|alarm| (word(&alarm["type"]), word(&alarm["severity"])));
        (overview["severity"].clone(), alarms.collect())
    }

    async fn alerts_open(&self, kind: &str) -> i64 {
        let open =
            format!("SELECT count(*) FROM alerts WHERE closed_at IS NULL AND kind = '{kind}'");
        self.gateway.count(&open).await
    }
}

/// Looks as the gateway does every few seconds; gives what the gauges say then.
async fn look(gateway: &Gateway) -> String {
    gateway.count_up().await;
    let group_writer = PrometheusBuilder::new().build_recorder();
    let handle = group_writer.handle();
    let guard = metrics::set_default_local_recorder(&group_writer);
    gateway.monitoring().raise_alarms().await.unwrap();
    drop(guard);
    handle.render()
}

/// What the API says of whether anything is wrong.
async fn overview(gateway: &Gateway) -> Value {
    let answer = gateway.operator("/api/v1/overview").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

/// The gauge of what goes on, of a kind and severity.
fn gauge(metrics: &str, kind: &str, severity: &str) -> f64 {
    let name = format!("sealpost_alarms{{kind=\"{kind}\",severity=\"{severity}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name}in:\n{metrics}")).parse().unwrap()
}

#[tokio::test]
async fn everything_that_breaks_is_told_everywhere_until_it_is_mended() {
    let mut scene = Scene::start().await;
    for Broken { what, alarm, alert, severity } in MATRIX {
        let metrics = scene.look().await;
        let (worst, alarms) = scene.api().await;
        assert_eq!((worst, &alarms[..]), (Value::Null, &[][..]), "before: {what}");
        assert!(gauge(&metrics, alarm, severity) < 0.5, "before: {what}");

        scene.break_it(what).await;
        let metrics = scene.look().await;
        assert!(gauge(&metrics, alarm, severity) > 0.5, "{what}: {metrics}");
        let (worst, alarms) = scene.api().await;
        assert_eq!(worst, *severity, "{what}: {alarms:?}");
        let expected = ((*alarm).to_owned(), (*severity).to_owned());
        assert!(alarms.contains(&expected), "{what}: {alarms:?}");
        assert_eq!(scene.alerts_open(alert).await, 1, "{what}");
        let page = scene.gateway.operator("/").await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(!page.text.contains("No problems"), "{what}");
        let tone = if *severity == "critical" { "note bad" } else { "note warn" };
        assert!(page.text.contains(tone) && page.text.contains("Details"), "{what}");
        let run = scene.program.run(&["overview", "--exit-code"]);
        assert_eq!(run.code, 1, "{what}: {}", run.all());
        assert!(run.stdout.starts_with(&format!("{severity}: ")), "{what}: {}", run.all());
        assert_eq!(scene.program.run(&["overview"]).code, 0, "{what}");

        scene.mend(what).await;
        let metrics = scene.look().await;
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
async fn of_several_things_the_worst_counts_and_each_is_named() {
    let mut scene = Scene::start().await;
    for what in ["a quarantined request", "a destination fails for long", "a source is paused"] {
        scene.break_it(what).await;
    }
    scene.look().await;
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
async fn somebody_of_one_tenant_is_told_of_their_sources_and_destinations_only() {
    let mut scene = Scene::start().await;
    for what in ["a quarantined request", "a destination fails", "a signed request to no path"] {
        scene.break_it(what).await;
    }
    scene.look().await;
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
