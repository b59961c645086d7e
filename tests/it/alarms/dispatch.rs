//! What dispatch itself cannot do, which stands in no table.

use std::time::Duration;

use sealpost::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{gauge, look, overview};
use crate::cli::Program;
use crate::harness::{Gateway, sql};
use crate::isolation::{Told, tell, until};

const OPEN: &str = "SELECT count(*) FROM alerts WHERE closed_at IS NULL AND kind = 'stuck'";

/// The alarms about what is stuck. Where the test is slow, the gateway's clock is behind as well.
async fn stuck(gateway: &Gateway) -> Vec<Value> {
    let shown = overview(gateway).await;
    let alarms = shown["alarms"].as_array().unwrap();
    alarms.iter().filter(|alarm| alarm["type"] == "stuck").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_told_everywhere_until_they_can() {
    let told = Told::new();
    let gateway = Gateway::builder().begin(SystemClock.now()).handler(told.clone()).start().await;
    let program = Program::beside_with(&gateway, include_str!("../harness/config.toml")).await;
    gateway.execute("CREATE TABLE written (number int)").await;
    tell(&gateway, "write").await;
    let mut locker = sql::connect(gateway.target()).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, "LOCK TABLE written IN ACCESS EXCLUSIVE MODE").await;
    let meanwhile = async {
        until(async || !gateway.dispatcher().troubles().is_empty()).await;
        look(&gateway).await;
        assert_eq!(stuck(&gateway).await, [json!(null); 0], "it may pass by itself");

        gateway.clock().advance(Duration::from_secs(50));
        let metrics = look(&gateway).await;
        assert!(gauge(&metrics, "stuck", "warning") > 0.5, "{metrics}");
        let shown = stuck(&gateway).await;
        let [alarm] = &shown[..] else { panic!("one: {shown:?}") };
        assert_eq!((&alarm["type"], &alarm["severity"]), (&json!("stuck"), &json!("warning")));
        assert_eq!((&alarm["source"], &alarm["name"]), (&Value::Null, &json!("told")));
        let what = "cannot record the results of told";
        assert!(alarm["text"].as_str().unwrap().starts_with(what), "{alarm}");
        let alert =
            gateway.query("SELECT kind, source, key FROM alerts WHERE kind = 'stuck'").await;
        assert_eq!(alert, [json!({ "kind": "stuck", "source": "", "key": "told" })]);
        // A process that does not dispatch hears of it by the alert.
        let run = program.run(&["overview", "--exit-code"]);
        assert_eq!(run.code, 1, "{}", run.all());
        assert!(run.stdout.contains(what), "{}", run.all());
        sql::run(&mut locker, "ROLLBACK").await;
    };
    let (worked, ()) = tokio::join!(gateway.run_until_idle(), meanwhile);
    assert_eq!((worked, gateway.dispatcher().troubles()), (1, Vec::new()));

    look(&gateway).await;
    assert_eq!(gateway.count(OPEN).await, 1, "another gateway may be the one that said so");
    gateway.execute("UPDATE alerts SET last_at = last_at - interval '2 minutes'").await;
    let metrics = look(&gateway).await;
    assert!(gauge(&metrics, "stuck", "warning") < 0.5, "{metrics}");
    assert_eq!(stuck(&gateway).await, [json!(null); 0]);
    assert_eq!(gateway.count(OPEN).await, 0);
    let over = gateway.query("SELECT text FROM alerts WHERE resolution AND kind = 'stuck'").await;
    assert_eq!(over, [json!({ "text": "results of told can be recorded again" })]);
    let run = program.run(&["overview"]);
    assert!(!run.stdout.contains("cannot record the results"), "{}", run.all());
}
