//! Problems of dispatch itself, which are in no table.

use std::time::Duration;

use sealpost::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{evaluate, gauge, overview};
use crate::cli::Program;
use crate::harness::{Gateway, sql};
use crate::isolation::{ScriptedHandler, send_script, until};

const OPEN: &str = "SELECT count(*) FROM alerts WHERE closed_at IS NULL AND alert_type = 'stuck'";

/// The `stuck` alarms. On a slow machine there may be one about the gateway's clock as well.
async fn stuck(gateway: &Gateway) -> Vec<Value> {
    let shown = overview(gateway).await;
    let alarms = shown["alarms"].as_array().unwrap();
    alarms.iter().filter(|alarm| alarm["type"] == "stuck").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn unrecorded_results_raise_an_alarm_until_they_are_recorded() {
    let told = ScriptedHandler::new();
    let gateway =
        Gateway::builder().start_at(SystemClock.now()).handler(told.clone()).start().await;
    let program = Program::beside_with(&gateway, include_str!("../harness/config.toml")).await;
    gateway.execute("CREATE TABLE written (number int)").await;
    send_script(&gateway, "write").await;
    let mut locker = sql::connect(gateway.target()).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, "LOCK TABLE written IN ACCESS EXCLUSIVE MODE").await;
    let meanwhile = async {
        until(async || !gateway.dispatcher().problems().is_empty()).await;
        evaluate(&gateway).await;
        assert_eq!(stuck(&gateway).await, [json!(null); 0], "it may be transient");

        gateway.clock().advance(Duration::from_secs(50));
        let metrics = evaluate(&gateway).await;
        assert!(gauge(&metrics, "stuck", "warning") > 0.5, "{metrics}");
        let shown = stuck(&gateway).await;
        let [alarm] = &shown[..] else { panic!("not one alarm: {shown:?}") };
        assert_eq!((&alarm["type"], &alarm["severity"]), (&json!("stuck"), &json!("warning")));
        assert_eq!((&alarm["source"], &alarm["name"]), (&Value::Null, &json!("told")));
        let what = "cannot record the results of told";
        assert!(alarm["text"].as_str().unwrap().starts_with(what), "{alarm}");
        let alert =
            gateway.query("SELECT source, key FROM alerts WHERE alert_type = 'stuck'").await;
        assert_eq!(alert, [json!({ "source": "", "key": "told" })]);
        // A process without dispatch knows it from the alert.
        let run = program.run(&["overview", "--exit-code"]);
        assert_eq!(run.code, 1, "{}", run.all());
        assert!(run.stdout.contains(what), "{}", run.all());
        sql::run(&mut locker, "ROLLBACK").await;
    };
    let (worked, ()) = tokio::join!(gateway.run_until_idle(), meanwhile);
    assert_eq!((worked, gateway.dispatcher().problems()), (1, Vec::new()));

    evaluate(&gateway).await;
    assert_eq!(gateway.count(OPEN).await, 1, "another gateway may have raised it");
    gateway.execute("UPDATE alerts SET last_at = last_at - interval '2 minutes'").await;
    let metrics = evaluate(&gateway).await;
    assert!(gauge(&metrics, "stuck", "warning") < 0.5, "{metrics}");
    assert_eq!(stuck(&gateway).await, [json!(null); 0]);
    assert_eq!(gateway.count(OPEN).await, 0);
    let resolved =
        gateway.query("SELECT text FROM alerts WHERE resolution AND alert_type = 'stuck'").await;
    assert_eq!(resolved, [json!({ "text": "results of told can be recorded again" })]);
    let run = program.run(&["overview"]);
    assert!(!run.stdout.contains("cannot record the results"), "{}", run.all());
}
