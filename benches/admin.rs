//! Measures the response times of the admin core, with ten million events and a million dead
//! letters in the database.
//!
//! The database is filled by statements, not by requests: events with small bodies, one delivery
//! each, every tenth of them dead, and counters of forty days for twenty sources. The dead letters
//! are grouped by the gateway's own code. Each query of console, API and command line is measured
//! after one warm-up run. The machine is shared with PostgreSQL, which has the settings of the
//! managed cluster.
//!
//! `cargo bench --bench admin [-- EVENTS]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking and measures with the real clock"
)]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost::admin::{
    BulkRequest, Caller, DeadLetterAction, DeadLetters, Filter, GroupSelection, Groups, Jobs,
    Monitoring, Paging, Routing, Search, Selection, SourceFacts, Topology,
};
use sealpost::clock::SystemClock;
use sealpost::postgres::{self, Cluster, Settings};
use sealpost::store::{DeliveryState, DiskLimits, EventId, PoolSettings, Store, Target};
use sealpost::verify::{SignedTime, Window};
use sqlx::AssertSqlSafe;

/// Runs per query.
const RUNS: usize = 40;
/// The maximum median response time.
const MAX_MEDIAN: Duration = Duration::from_millis(150);
const SOURCES: usize = 20;
const POOLS: PoolSettings = PoolSettings {
    ingest: 1,
    dispatch: 1,
    admin: 3,
    acquire: Duration::from_secs(1),
    statement: Duration::from_secs(2),
    disk: DiskLimits { warn_percent: 0.0, stop_percent: 0.0, stop_bytes: 0 },
};
/// Rows inserted by one statement.
const BATCH: u64 = 500_000;

fn main() {
    let events = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(10_000_000);
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let cluster = Cluster::start(&Settings {
        data_dir: folder.path().join("postgres"),
        bin_dir: None,
        search: postgres::installed(std::env::var_os("PATH").as_deref()),
        fetch: true,
        launcher: env!("CARGO_BIN_EXE_sealpost").into(),
    })
    .expect("PostgreSQL");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let slow = runtime.block_on(async {
        let target = Target::in_cluster(cluster.endpoint());
        target.create_if_missing().await.unwrap();
        target.migrate().await.unwrap();
        fill(&target, events).await;
        let store = Store::open(target, POOLS, Duration::from_hours(30 * 24));
        group(&store).await;
        let slow = measure(&store, events).await;
        store.close().await;
        slow
    });
    drop(cluster);
    assert!(slow.is_empty(), "slower than {MAX_MEDIAN:?} at the median: {}", slow.join(", "));
}

/// Fills the database; events are spread evenly over the last thirty days.
async fn fill(target: &Target, events: u64) {
    let began = Instant::now();
    let mut connection = target.connect().await.unwrap();
    let mut run = async |statement: String| {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    };
    run("SET synchronous_commit = off".to_owned()).await;
    for from in (0..events).step_by(usize::try_from(BATCH).unwrap()) {
        let to = (from + BATCH).min(events) - 1;
        run(format!(
            "CREATE TEMPORARY TABLE batch AS
             SELECT n, now() - interval '30 days' * (1 - n / {events}::float8) AS at,
                    'source-' || lpad((n * 7919 % {SOURCES})::text, 2, '0') AS source
               FROM generate_series({from}::bigint, {to}) AS n;
             INSERT INTO events (id, tenant, source, provider, event_type, strength, late, secret,
                                 skew_seconds, received_at, key, headers, body)
             SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                     || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
                    'default', source, 'stripe', 'kind.' || n % 50, 'signed', false,
                    '0123456789ab', 0, at, md5(n::text)::uuid, '{{\"content-type\":\"x\"}}',
                    convert_to('{{\"id\":\"evt_' || n || '\",\"type\":\"kind\"}}', 'UTF8')
               FROM batch ORDER BY n;
             INSERT INTO event_keys (key, event_id, last_seen_at, expires_at)
             SELECT md5(n::text)::uuid,
                    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                     || '70008' || lpad(to_hex(n), 15, '0'))::uuid, at, at + interval '30 days'
               FROM batch ORDER BY n;
             INSERT INTO deliveries (event_id, source, handler, triggered_by, lane, lane_blocks,
                                     state, attempts, created_at, due_at, finished_at, outcome,
                                     death_reason, last_error)
             SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                     || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
                    source, 'handler', 'arrival', 'lane-' || n % 1000, false,
                    CASE WHEN n % 10 = 0 THEN 'dead' ELSE 'done' END, 1, at, at, at,
                    CASE WHEN n % 10 <> 0 THEN 'handled' END,
                    CASE WHEN n % 10 = 0 THEN 'permanent' END,
                    CASE WHEN n % 10 = 0 THEN 'the shop answered 500 to order ' || n END
               FROM batch ORDER BY n;
             DROP TABLE batch;"
        ))
        .await;
    }
    run(format!(
        "INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
         SELECT id, 1, created_at, created_at, 'dead', last_error
           FROM deliveries WHERE state = 'dead';
         INSERT INTO counters (minutes, bucket, source, what, detail, count)
         SELECT s.minutes, b, 'source-' || lpad(n::text, 2, '0'), w.what, w.detail, 100
           FROM (VALUES (5, interval '3 days'), (60, interval '40 days')) AS s (minutes, kept),
                generate_series(1, {SOURCES}) AS n,
                (VALUES ('accepted', ''), ('duplicate', ''), ('handled', ''), ('dead', ''),
                        ('refused', 'ts_stale'), ('refused', 'sig_mismatch'),
                        ('acknowledged', '1'), ('acknowledged', '2'), ('acknowledged', '5'),
                        ('acknowledged', '10'), ('acknowledged', '20'), ('acknowledged', '50'))
                    AS w (what, detail),
                LATERAL generate_series(
                    to_timestamp(floor(extract(epoch FROM now() - s.kept) / 60 / s.minutes)
                                 * 60 * s.minutes),
                    now(), make_interval(mins => s.minutes)) AS b;"
    ))
    .await;
    run("VACUUM ANALYZE".to_owned()).await;
    println!("{events} events in {:.0} s", began.elapsed().as_secs_f64());
}

/// Groups every dead letter, as gateways do in the background.
async fn group(store: &Store) {
    let (groups, began) = (Groups::new(store.clone(), Arc::new(SystemClock)), Instant::now());
    let mut count = 0;
    loop {
        match groups.step().await.unwrap() {
            0 => break,
            more => count += more,
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} dead letters grouped in {seconds:.0} s, {:.0}/s", count as f64 / seconds);
    let mut connection = store.begin().await.unwrap();
    sqlx::query("ANALYZE deliveries, dead_letter_groups")
        .execute(connection.connection())
        .await
        .unwrap();
    connection.commit(()).await.unwrap();
}

async fn measure(store: &Store, events: u64) -> Vec<&'static str> {
    let monitoring = Monitoring::new(store.clone(), Arc::new(SystemClock), topology());
    let dead_letters = DeadLetters::new(store.clone(), Arc::new(SystemClock), Routing::default());
    let caller = Caller::local("benchmark");
    let search = |change: fn(&mut Search)| {
        let mut search = Search::default();
        change(&mut search);
        search
    };
    let all = Search::default();
    let first = monitoring.events(&caller, &all, None, 50).await.unwrap();
    let some: Vec<EventId> = first.events.iter().map(|event| event.id).collect();
    // From the middle, so that the row is not cached by chance.
    let middle = monitoring
        .events(
            &caller,
            &Search {
                to: Some(time::OffsetDateTime::now_utc() - time::Duration::days(15)),
                ..all.clone()
            },
            None,
            50,
        )
        .await
        .unwrap();
    let open = Selection::Matching(Filter::default());

    let mut watch = Stopwatch::default();
    macro_rules! ask {
        ($name:literal, |$run:pat_param| $query:expr) => {
            watch
                .ask($name, async |$run: usize| {
                    $query.await.unwrap();
                })
                .await
        };
    }
    ask!("overview", |_| monitoring.overview(&caller));
    ask!("raise alarms", |_| monitoring.raise_alarms());
    ask!("sources", |_| monitoring.sources(&caller));
    ask!("events, first page", |_| monitoring.events(&caller, &all, None, 50));
    ask!("events, next page", |_| monitoring.events(&caller, &all, first.next, 50));
    ask!("events, a page far back", |_| monitoring.events(&caller, &all, middle.next, 50));
    let by = search(|search| search.source = Some("source-07".to_owned()));
    ask!("events of a source", |_| monitoring.events(&caller, &by, None, 50));
    let by = search(|search| search.event_type = Some("kind.7".to_owned()));
    ask!("events of a type", |_| monitoring.events(&caller, &by, None, 50));
    let by = search(|search| search.event_type = Some("absent".to_owned()));
    ask!("events of an absent type", |_| monitoring.events(&caller, &by, None, 50));
    let by = search(|search| search.state = Some(DeliveryState::Dead));
    ask!("events with a dead letter", |_| monitoring.events(&caller, &by, None, 50));
    let by = search(|search| search.state = Some(DeliveryState::Leased));
    ask!("events in an absent state", |_| monitoring.events(&caller, &by, None, 50));
    let by = search(|search| search.text = Some("absent".to_owned()));
    ask!("events with an absent text", |_| monitoring.events(&caller, &by, None, 50));
    let key = Search { key: Some("evt_1".to_owned()), ..all.clone() };
    ask!("events by key", |_| monitoring.events(&caller, &key, None, 50));
    ask!("facets", |_| monitoring.facets(&caller));
    ask!("event detail", |run| monitoring.event(&caller, some[run % some.len()]));
    let far: Vec<EventId> = middle.events.iter().map(|event| event.id).collect();
    ask!("event detail far back", |run| monitoring.event(&caller, far[run % far.len()]));
    ask!("transfers", |_| monitoring.transfers(&caller, None, 50));
    ask!("dead letters, first page", |_| dead_letters.list(&caller, &open, Paging::first(50)));
    let half = i64::try_from(events / 2).unwrap();
    ask!("dead letters, next page", |_| dead_letters.list(
        &caller,
        &open,
        Paging { before: Some(half), ..Paging::first(50) }
    ));
    let groups = Groups::new(store.clone(), Arc::new(SystemClock));
    let page = groups.list(&caller, &GroupSelection::default(), None, 2).await.unwrap();
    let any = GroupSelection::default();
    let (group, next) = (page.items[0].id, page.next);
    ask!("groups, first page", |_| groups.list(&caller, &any, None, 50));
    ask!("groups, next page", |_| groups.list(&caller, &any, next, 50));
    ask!("groups by class", |_| groups.by_class(&caller));
    ask!("group detail", |_| groups.show(&caller, group));
    let of = |group| Selection::Matching(Filter { group: Some(group), ..Filter::default() });
    ask!("dead letters of a group", |_| dead_letters.list(&caller, &of(group), Paging::first(50)));
    let dead = dead_letters.list(&caller, &of(group), Paging::first(50)).await.unwrap().items;
    ask!("dead letter detail", |run| dead_letters.show(&caller, dead[run % dead.len()].id));
    let jobs = Jobs::new(dead_letters.clone());
    let request = BulkRequest {
        action: DeadLetterAction::Discard,
        selection: open.clone(),
        force: false,
        cap: None,
        rate: None,
        reason: "a benchmark".to_owned(),
    };
    ask!("plan for a million", |_| jobs.plan(&caller, &request));
    watch.slow
}

/// Measures response times.
#[derive(Default)]
struct Stopwatch {
    slow: Vec<&'static str>,
}

impl Stopwatch {
    async fn ask(&mut self, name: &'static str, query: impl AsyncFn(usize)) {
        // A warm-up run.
        query(0).await;
        let mut times = Vec::new();
        for run in 0..RUNS {
            let began = Instant::now();
            query(run).await;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{name:<30} median {:>7.1} ms   p99 {:>7.1} ms", ms(median), ms(p99));
        if median > MAX_MEDIAN {
            self.slow.push(name);
        }
    }
}

fn topology() -> Topology {
    let source = |number| SourceFacts {
        name: format!("source-{number:02}"),
        provider: "stripe".to_owned(),
        tenant: "default".to_owned(),
        enabled: true,
        paths: Vec::new(),
        actions: Vec::new(),
        headers: Vec::new(),
        max_body: 1 << 20,
        signed_time: SignedTime::Timestamp,
        window: Some(Window { max_age: 300, max_future: 300 }),
        per_second: 100,
        burst: 1000,
        keep_rejected: None,
        dead_retention: time::Duration::days(90),
        quarantine_retention: time::Duration::days(90),
        lane_blocks: false,
        secrets: vec!["0123456789ab".to_owned()],
        stores_secrets: false,
        handlers: vec!["handler".to_owned()],
    };
    Topology {
        sources: (0..SOURCES).map(source).collect(),
        base_url: "http://localhost:8080".to_owned(),
        is_public: false,
        destinations: Vec::new(),
        alerts_are_sent: false,
        transfer_idle: time::Duration::minutes(15),
        transfer_total: time::Duration::hours(1),
        settings: Vec::new(),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
