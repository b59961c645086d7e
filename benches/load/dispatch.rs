//! From the stored event to its handler, which does nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sealpost::app::{App, TestOverrides};
use sealpost::config::{Config, Environment};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::lifecycle::Shutdown;
use sealpost::store::{Effects, StoredEvent};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Suite;
use crate::database::Database;
use crate::generator::{Pace, Sender as _, generate};
use crate::http::Connection;
use crate::ingest::{CONNECTIONS, FIXED, load};
use crate::processor::Meter;
use crate::requests::{self, PATH, SECRET};
use crate::results::Row;
use crate::running::folder_with;
use crate::servers::config;

/// Subjects of a backlog whose deliveries are in order.
const SUBJECTS: usize = 1_000;
const UNFINISHED: &str = "SELECT count(*) FROM deliveries WHERE state IN ('ready', 'leased')";
/// By the partial indexes: a scan of the table would be most of what is measured.
const IS_FINISHED: &str = "SELECT (
        NOT EXISTS (SELECT FROM deliveries WHERE state = 'ready' AND parked IS NULL)
    AND NOT EXISTS (SELECT FROM deliveries WHERE state = 'leased')
    AND NOT EXISTS (SELECT FROM deliveries WHERE state = 'ready' AND parked IS NOT NULL)
    )::int::bigint";
/// Requests of which each is delivered before the next is sent.
const SINGLE_REQUESTS: usize = 200;
/// What requests to a destination are signed with.
const APP_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Half of what the gateway may receive, where that was not measured.
const USUAL_HALF: f64 = 4_000.0;

pub(crate) async fn run(suite: &mut Suite) {
    for round in 1..=suite.options.rounds {
        for (scenario, subjects) in [("drain", usize::MAX), ("drain of lanes", SUBJECTS)] {
            let database = suite.databases.migrated().await;
            fill(suite, &database, subjects, &Delivers::ToNothing(None), "").await;
            let row = Row::new(scenario, "backlog", round);
            drain(suite, &database, &Delivers::ToNothing(None), "", row).await;
            database.remove().await;
        }
        delay(suite, round).await;
    }
    keep_up(suite).await;
    for (scenario, is_open) in [("no open transaction", false), ("open transaction", true)] {
        open_transaction(suite, scenario, is_open).await;
    }
}

/// What the deliveries of the source are for.
pub(crate) enum Delivers {
    /// A handler that only says when it has started.
    ToNothing(Option<mpsc::UnboundedSender<Instant>>),
    /// What the configuration says.
    ToDestinations,
}

struct Nothing(Option<mpsc::UnboundedSender<Instant>>);

#[async_trait]
impl Handler for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        if let Some(started) = &self.0 {
            started.send(Instant::now()).unwrap();
        }
        Ok(Effects::unchanged())
    }
}

/// A gateway in this process.
pub(crate) struct Gateway {
    pub(crate) address: std::net::SocketAddr,
    shutdown: Shutdown,
    running: JoinHandle<bool>,
}

impl Gateway {
    pub(crate) fn start(database: &Database, dispatch: bool, to: &Delivers, more: &str) -> Self {
        let (_folder, path) = folder_with("config.toml", &(config(0, 0, dispatch) + more));
        let variables = [("SECRET", SECRET), ("APP_SECRET", APP_SECRET)];
        let environment: Environment = variables.into_iter().collect();
        let config = Config::load(&path, &environment).unwrap();
        let own: Vec<Arc<dyn Handler>> = match to {
            Delivers::ToNothing(started) => vec![Arc::new(Nothing(started.clone()))],
            Delivers::ToDestinations => Vec::new(),
        };
        let parts =
            TestOverrides { handlers: Arc::new(move |_, _| own.clone()), ..Default::default() };
        let app = App::build(&config, database.target.clone(), &parts).unwrap();
        let (address, shutdown) = (app.addresses().0, Shutdown::default());
        let running = tokio::spawn(app.run(shutdown.clone()));
        Self { address, shutdown, running }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.soft().cancel();
        self.running.await.unwrap();
    }
}

/// Receives a backlog that nothing dispatches.
pub(crate) async fn fill(
    suite: &Suite,
    database: &Database,
    subjects: usize,
    to: &Delivers,
    more: &str,
) {
    let gateway = Gateway::start(database, false, to, more);
    let requests = requests::events(PATH, suite.options.backlog, subjects);
    let all = load(Pace::Closed, CONNECTIONS, 3_600.0, requests.len());
    generate(all, &meter(suite), || Connection::open(gateway.address, requests.clone()));
    gateway.stop().await;
    // As a database is that has run for a while.
    database.execute("VACUUM ANALYZE").await;
    database.checkpoint().await;
}

/// Delivers everything that is waiting.
pub(crate) async fn drain(
    suite: &mut Suite,
    database: &Database,
    to: &Delivers,
    more: &str,
    row: Row,
) {
    let count = database.number(UNFINISHED).await as f64;
    let mut connection = database.connect().await;
    let before = meter(suite).read();
    let began = Instant::now();
    let gateway = Gateway::start(database, true, to, more);
    loop {
        let asked = Instant::now();
        if is_finished(&mut connection).await {
            break;
        }
        // The question must not be a part of the load: while a transaction is open it takes long.
        tokio::time::sleep(Duration::from_millis(50).max(asked.elapsed() * 20)).await;
    }
    let took = began.elapsed().as_secs_f64();
    let used = meter(suite).read().since(before);
    gateway.stop().await;
    let row = row
        .with("count", count)
        .with("seconds", took)
        .with("rate", count / took)
        .with("own_us", used.own.as_secs_f64() * 1e6 / count)
        .with("postgres_us", used.postgres.as_secs_f64() * 1e6 / count);
    suite.results.push(row);
    connection.close().await.unwrap();
}

async fn is_finished(connection: &mut PgConnection) -> bool {
    let finished: i64 = sqlx::query_scalar(IS_FINISHED).fetch_one(connection).await.unwrap();
    finished == 1
}

fn meter(suite: &Suite) -> Meter {
    Meter { server: None, postgres: suite.databases.postmaster() }
}

/// From the response to the start of the handler, one event after the other.
async fn delay(suite: &mut Suite, round: usize) {
    let database = suite.databases.migrated().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let gateway = Gateway::start(&database, true, &Delivers::ToNothing(Some(started)), "");
    let requests = requests::of_stripe(SINGLE_REQUESTS);
    let mut connection = Connection::open(gateway.address, requests.clone()).await;
    let mut delays = Vec::new();
    for number in 0..requests.len() {
        connection.send(number).await;
        let answered = Instant::now();
        let start = starts.recv().await.unwrap();
        delays.push(start.saturating_duration_since(answered).as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    delays.sort_by(f64::total_cmp);
    let row = Row::new("delay", "idle", round)
        .with("p50", delays[delays.len() / 2])
        .with("p99", delays[delays.len() * 99 / 100]);
    suite.results.push(row);
    gateway.stop().await;
    database.remove().await;
}

/// Half of the rate at which the gateway receives at most.
fn half(suite: &Suite) -> f64 {
    suite.results.median("durable", "closed", "rate").map_or(USUAL_HALF, |rate| rate / 2.0)
}

/// What is unfinished while events arrive at half the highest rate.
async fn keep_up(suite: &mut Suite) {
    let database = suite.databases.migrated().await;
    let gateway = Gateway::start(&database, true, &Delivers::ToNothing(None), "");
    let rate = half(suite);
    let third = suite.options.seconds.max(4.0);
    receive(suite, &gateway, rate, third);
    let mut row = Row::new("keep up", "half", 1);
    for name in ["unfinished_before", "unfinished_after"] {
        receive(suite, &gateway, rate, third);
        row = row.with(name, database.number(UNFINISHED).await as f64);
    }
    suite.results.push(row.with("rate", rate));
    gateway.stop().await;
    database.remove().await;
}

fn receive(suite: &Suite, gateway: &Gateway, rate: f64, seconds: f64) {
    let requests = requests::of_stripe((rate * seconds) as usize);
    let load = load(Pace::Open(rate), CONNECTIONS, seconds, requests.len());
    generate(load, &meter(suite), || Connection::open(gateway.address, requests.clone()));
}

/// A drain after a time of receiving and delivering, during which a transaction was open or not.
async fn open_transaction(suite: &mut Suite, scenario: &str, is_open: bool) {
    let database = suite.databases.migrated().await;
    let mut holder = database.connect().await;
    if is_open {
        let open = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()";
        sqlx::raw_sql(open).execute(&mut holder).await.unwrap();
    }
    let gateway = Gateway::start(&database, true, &Delivers::ToNothing(None), "");
    let mut left = suite.options.open_transaction;
    while left > 0.0 {
        receive(suite, &gateway, FIXED, left.min(10.0));
        left -= 10.0;
    }
    gateway.stop().await;
    fill(suite, &database, usize::MAX, &Delivers::ToNothing(None), "").await;
    let row = Row::new(scenario, "backlog", 1);
    drain(suite, &database, &Delivers::ToNothing(None), "", row).await;
    holder.close().await.unwrap();
    database.remove().await;
}
