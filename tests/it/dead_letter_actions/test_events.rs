//! Test events are recorded, and cause no deliveries.

use sealpost::clock::Clock as _;
use sealpost::fixtures::{Sender, send_test};
use serde_json::json;

use crate::destinations::receiver::Receiver;
use crate::harness::Gateway;

#[tokio::test(flavor = "multi_thread")]
async fn test_event_of_every_provider_is_recorded_without_deliveries() {
    let receiver = Receiver::accepting().await;
    let gateway = Gateway::builder()
        .more_config("\n[outbound]\nallow = [\"127.0.0.0/8\"]\n")
        .more_config(&format!(
            "\n[[destination]]\nname = \"app\"\nurl = \"{}\"\nsecret = {{ env = \"APP_SECRET\" }}\n",
            receiver.url("/hooks")
        ))
        .start()
        .await;
    let topology = sealpost::app::topology(gateway.config()).unwrap();
    let sender = Sender::new(&gateway.url("")).unwrap();
    let mut sources = 0;
    for source in gateway.config().sources.iter().filter(|source| source.entry.enabled) {
        let name = &source.entry.name;
        let facts = topology.sources.iter().find(|facts| &facts.name == name).unwrap();
        let action = facts.actions.first().map(String::as_str);
        let now = gateway.clock().now();
        let scheme = sealpost::app::source_scheme(gateway.config(), source);
        let answer = send_test(source, &scheme, action, &sender, now).await.unwrap();
        assert_eq!((answer.status, answer.word()), (202, "accepted"), "{name}: {:?}", answer.body);
        sources += 1;
    }
    assert!(sources >= 4, "a source of every provider");
    gateway.run_until_idle().await;
    let kinds = gateway.query("SELECT DISTINCT event_type FROM events").await;
    assert_eq!(kinds, [json!({ "event_type": "sealpost.test" })]);
    assert_eq!(gateway.count("SELECT count(*) FROM deliveries").await, 0);
    assert_eq!(gateway.count("SELECT count(*) FROM alerts").await, 0);
    assert!(receiver.seen().is_empty());
}
