//! From the request to its response: the gateway, what bounds it, and its peers, in turns.

use std::time::Duration;

use crate::Suite;
use crate::baselines::{READ, VERIFY};
use crate::database::Database;
use crate::generator::{Load, Pace, Sample, generate};
use crate::http::Connection;
use crate::operation::many_sources;
use crate::processor::Meter;
use crate::requests;
use crate::results::Row;
use crate::rows::{Groups, create_table};
use crate::running::Running;
use crate::servers::{self, WORKERS};

pub(crate) const CONNECTIONS: usize = 64;
/// A rate that everything can do.
pub(crate) const FIXED: f64 = 1_000.0;
/// More than anything can do, in requests a second.
const HIGHEST: f64 = 60_000.0;
const HIGHEST_DURABLE: f64 = 25_000.0;
const HIGHEST_PEER: f64 = 12_000.0;
const WARM_UP: f64 = 2.0;

pub(crate) async fn run(suite: &mut Suite) {
    warm_cluster(suite).await;
    let sources = if suite.options.all { Some(many_sources()) } else { None };
    for round in 1..=suite.options.rounds {
        for (scenario, kind) in [("read", READ), ("verified", VERIFY)] {
            let server = servers::baseline(kind);
            let sample = closed(suite, &server, suite.options.seconds, HIGHEST);
            suite.results.push(Row::new(scenario, "closed", round).sample(&sample, 1));
        }
        let group = durable(suite, round).await;
        ceiling(suite, round, group).await;
        single_rows(suite, round).await;
        if let Some((config, secrets)) = &sources {
            let start = |database: &Database| servers::gateway(database, config, secrets);
            variant(suite, "many sources", round, start).await;
            variant(suite, "logged", round, servers::logging_gateway).await;
        }
        if suite.options.all {
            for name in PEERS {
                peer(suite, name, round).await;
            }
        }
    }
}

const PEERS: [&str; 3] = ["fastify", "express", "qhook"];

fn start_peer(name: &str, database: &Database) -> Option<Running> {
    if name == "qhook" { servers::qhook(database) } else { servers::node(name, database) }
}

/// Lets the server write as much log as it keeps, so that no scenario is the first.
async fn warm_cluster(suite: &Suite) {
    let database = suite.databases.migrated().await;
    let server = servers::gateway(&database, "", &[]);
    closed(suite, &server, suite.options.seconds, HIGHEST_DURABLE);
    database.checkpoint().await;
    drop(server);
    database.remove().await;
}

async fn warm(suite: &Suite, server: &Running, database: &Database) {
    closed(suite, server, WARM_UP, HIGHEST_DURABLE);
    database.checkpoint().await;
}

/// The gateway. Returns how many events were in a group.
pub(crate) async fn durable(suite: &mut Suite, round: usize) -> usize {
    let database = suite.databases.migrated().await;
    let server = servers::gateway(&database, "", &[]);
    warm(suite, &server, &database).await;
    let before = database.commits().await;
    let sample = closed(suite, &server, suite.options.seconds, HIGHEST_DURABLE);
    let commits = (database.commits().await - before).max(1);
    let group = sample.times.len() as f64 / commits as f64;
    let row = Row::new("durable", "closed", round).sample(&sample, 1).with("group", group);
    suite.results.push(row);
    if suite.options.all {
        open_loops(suite, "durable", round, &server, &sample);
    }
    drop(server);
    database.remove().await;
    group.round().max(1.0) as usize
}

/// The gateway with another configuration.
async fn variant(
    suite: &mut Suite,
    scenario: &str,
    round: usize,
    start: impl Fn(&Database) -> Running,
) {
    let database = suite.databases.migrated().await;
    let server = start(&database);
    warm(suite, &server, &database).await;
    let sample = closed(suite, &server, suite.options.seconds, HIGHEST_DURABLE);
    suite.results.push(Row::new(scenario, "closed", round).sample(&sample, 1));
    drop(server);
    database.remove().await;
}

async fn peer(suite: &mut Suite, name: &'static str, round: usize) {
    let database = suite.databases.fresh().await;
    let Some(server) = start_peer(name, &database) else {
        println!("{name} is not installed: benches/peers/install");
        return;
    };
    warm(suite, &server, &database).await;
    let sample = closed(suite, &server, suite.options.seconds, HIGHEST_PEER);
    suite.results.push(Row::new(name, "closed", round).sample(&sample, 1));
    open_loops(suite, name, round, &server, &sample);
    drop(server);
    database.remove().await;
}

/// At a fixed rate, and at half of what the closed loop has shown to be the highest.
fn open_loops(suite: &mut Suite, name: &str, round: usize, server: &Running, closed: &Sample) {
    let highest = closed.times.len() as f64 / closed.took.as_secs_f64();
    for (load, rate) in [("1000/s", FIXED), ("half", highest / 2.0)] {
        let sample = http(suite, server, Pace::Open(rate), suite.options.seconds, rate);
        suite.results.push(Row::new(name, load, round).sample(&sample, 1));
    }
}

/// Groups as large as the gateway's, over as many connections as it records with.
async fn ceiling(suite: &mut Suite, round: usize, group: usize) {
    let (database, meter) = rows_database(suite).await;
    let (url, body) = (&database.url, requests::body(&requests::of_stripe(1)[0]));
    let run = |seconds| {
        let load = load(Pace::Closed, WORKERS, seconds, usize::MAX);
        generate(load, &meter, || Groups::open(url, group, body.clone()))
    };
    run(WARM_UP);
    database.checkpoint().await;
    let sample = run(suite.options.seconds);
    let row = Row::new("ceiling", "closed", round).sample(&sample, group);
    suite.results.push(row.with("group", group as f64));
    database.remove().await;
}

/// A commit for each row, over as many connections as there are senders.
async fn single_rows(suite: &mut Suite, round: usize) {
    let (database, meter) = rows_database(suite).await;
    let (url, body) = (&database.url, requests::body(&requests::of_stripe(1)[0]));
    let run = |pace, seconds| {
        let load = load(pace, CONNECTIONS, seconds, usize::MAX);
        generate(load, &meter, || Groups::open(url, 1, body.clone()))
    };
    run(Pace::Closed, WARM_UP);
    database.checkpoint().await;
    let sample = run(Pace::Closed, suite.options.seconds);
    suite.results.push(Row::new("single rows", "closed", round).sample(&sample, 1));
    if suite.options.all {
        let sample = run(Pace::Open(FIXED), suite.options.seconds);
        suite.results.push(Row::new("single rows", "1000/s", round).sample(&sample, 1));
    }
    database.remove().await;
}

async fn rows_database(suite: &Suite) -> (Database, Meter) {
    let database = suite.databases.fresh().await;
    create_table(&database).await;
    (database, Meter { server: None, postgres: suite.databases.postmaster() })
}

/// Full load on a new database, without a warm-up.
pub(crate) async fn first_minutes(suite: &mut Suite) {
    let seconds = suite.options.first;
    for name in ["durable", PEERS[0], PEERS[1], PEERS[2]] {
        let (database, server, highest) = if name == "durable" {
            let database = suite.databases.migrated().await;
            let server = servers::gateway(&database, "", &[]);
            (database, Some(server), HIGHEST_DURABLE)
        } else {
            let database = suite.databases.fresh().await;
            let server = start_peer(name, &database);
            (database, server, HIGHEST_PEER)
        };
        if let Some(server) = server {
            let sample = closed(suite, &server, seconds, highest);
            suite.results.push(Row::new(name, "first", 1).sample(&sample, 1));
        }
        database.remove().await;
    }
}

pub(crate) fn closed(suite: &Suite, server: &Running, seconds: f64, highest: f64) -> Sample {
    http(suite, server, Pace::Closed, seconds, highest)
}

fn http(suite: &Suite, server: &Running, pace: Pace, seconds: f64, highest: f64) -> Sample {
    let count = (seconds * highest) as usize + 1;
    let requests = requests::events(server.path, count, usize::MAX);
    let meter = Meter { server: Some(server.pid()), postgres: suite.databases.postmaster() };
    let address = server.address;
    generate(load(pace, CONNECTIONS, seconds, requests.len()), &meter, || {
        Connection::open(address, requests.clone())
    })
}

pub(crate) fn load(pace: Pace, connections: usize, seconds: f64, most: usize) -> Load {
    Load { pace, connections, duration: Duration::from_secs_f64(seconds), most }
}
