//! Signals that other programs send to be read anew, and a check that finds what a start would.

use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cli::Program;
use crate::faults::driver::{Server, payment, wait_for};
use crate::faults::proxy_before;
use crate::harness::{database, sql};

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_ends_nothing_and_is_told() {
    let direct = database::fresh().await;
    let (url, hold) = proxy_before(&direct, "INSERT INTO events").await;
    let mut server = Server::start(&url).await;
    let under_way = server.remote.begin("billing", &payment(1));
    hold.reached().await;
    for (signal, name) in
        [(Signal::SIGHUP, "SIGHUP"), (Signal::SIGUSR1, "SIGUSR1"), (Signal::SIGUSR2, "SIGUSR2")]
    {
        server.process.signal(signal);
        wait_for("the log says so", async || {
            let log = server.process.log();
            log.lines()
                .any(|line| line.contains(name) && line.contains("reload is not supported yet"))
                .then_some(())
        })
        .await;
    }
    hold.release();
    assert_eq!(under_way.await.unwrap().unwrap().0, 202);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    server.process.signal(Signal::SIGTERM);
    assert_eq!(server.process.ended(Duration::from_secs(15)).await.code(), Some(0));
}

#[test]
fn a_check_finds_what_a_start_would_refuse() {
    const URL: &str = "postgres://u@127.0.0.1:1/x";
    for (config, url, part) in [
        ("", "postgres://u@127.0.0.1:1,127.0.0.1:2/x", "invalid database URL"),
        ("", "mysql://u@127.0.0.1/x", "invalid database URL"),
        ("[log]\nfilter = \"a=b=c\"", URL, "log.filter"),
        ("[ingest]\nlisten = \"192.0.2.1:8080\"", URL, "cannot listen on 192.0.2.1"),
        ("[ingest]\nlisten = \"127.0.0.1:8081\"", URL, "must differ from ingest.listen"),
        ("[ingest]\nlisten = \"0.0.0.0:8081\"", URL, "must differ from ingest.listen"),
        ("[objects]\ndir = \"config.toml/objects\"", URL, "objects.dir"),
        ("[keys]\nretention = \"9000y\"", URL, "keys.retention must be from"),
        ("[dispatch]\nmax_age = \"9000y\"", URL, "dispatch.max_age must not be longer"),
        ("[dispatch]\npoll = \"0s\"", URL, "dispatch.poll must be at least"),
        ("[database]\nstatement_timeout = \"0s\"", URL, "database.statement_timeout"),
        ("[transfers]\nidle = \"9000y\"", URL, "transfers.idle must not be longer"),
    ] {
        let mut program = Program::new(config);
        program.set("DATABASE_URL", url);
        let run = program.run(&["check"]);
        assert_eq!(run.code, 64, "{config} {url}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn a_check_beside_a_gateway_that_runs_says_that_its_address_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config =
        format!("[ingest]\nlisten = \"{address}\"\n[operator]\nlisten = \"127.0.0.1:0\"\n");
    let mut program = Program::new(&config);
    program.set("DATABASE_URL", "postgres://u@127.0.0.1:1/x");
    let run = program.run(&["check"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains(&format!("{address} is in use")), "{}", run.stdout);
}
