#![allow(warnings, clippy::all, clippy::pedantic)]
use sealpost::gate::*;
use sealpost::store::*;
use std::time::*;
#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).unwrap();
    let target = Target::from_url(&url).unwrap();
    target.migrate().await.unwrap();
    let store = Store::open(target, PoolSettings::default(), Duration::from_secs(86400));
    for size in [1usize, 8, 32, 64, 128] {
        let mut n = 0u64;
        let began = Instant::now();
        let mut enc = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(2) {
            let events: Vec<NewEvent> = (0..size)
                .map(|i| {
                    let now = time::OffsetDateTime::now_utc();
                    let event = StoredEvent {
                        id: EventId::new(now),
                        tenant: "default".into(),
                        source: "billing".into(),
                        provider: "stripe".into(),
                        kind: "charge.succeeded".into(),
                        action: None,
                        strength: Strength::Signed,
                        late: false,
                        secret: "abcdef".into(),
                        skew_seconds: Some(1),
                        received_at: now,
                        occurred_at: Some(now),
                        headers: vec![],
                        claims: None,
                        envelope: None,
                        body: bytes::Bytes::from(vec![b'x'; 1024]),
                    };
                    let key = KeyDigest::of(
                        "default",
                        "billing",
                        &EventKey::Signed(event.id.to_string().into_bytes()),
                    );
                    NewEvent {
                        event,
                        key,
                        lane: Some(Lane::of(&["", &format!("ch_{n}_{i}")])),
                        plan: Plan::Deliver { handlers: vec!["stripe"], lane_blocks: false },
                    }
                })
                .collect();
            let refs: Vec<&NewEvent> = events.iter().collect();
            store.record(&refs).await.unwrap();
            n += size as u64;
        }
        println!(
            "group {size}: {:.0}/s, {:.3} ms per group",
            n as f64 / began.elapsed().as_secs_f64(),
            began.elapsed().as_secs_f64() * 1e3 / (n as f64 / size as f64)
        );
    }
}
