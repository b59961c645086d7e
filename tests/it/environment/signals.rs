//! Reload signals, and `check` for errors that would prevent a start.

use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cli::Program;
use crate::faults::driver::{Server, payment, wait_for};
use crate::faults::proxy_before;
use crate::harness::{database, sql};

#[tokio::test(flavor = "multi_thread")]
async fn reload_signals_are_ignored_and_logged() {
    let direct = database::fresh().await;
    let (url, pause) = proxy_before(&direct, "INSERT INTO events").await;
    let mut server = Server::start(&url).await;
    let in_flight = server.remote.start_send("billing", &payment(1));
    pause.reached().await;
    for (signal, name) in
        [(Signal::SIGHUP, "SIGHUP"), (Signal::SIGUSR1, "SIGUSR1"), (Signal::SIGUSR2, "SIGUSR2")]
    {
        server.process.signal(signal);
        wait_for("the signal is logged", async || {
            let log = server.process.log();
            log.lines()
                .any(|line| line.contains(name) && line.contains("reload is not supported yet"))
                .then_some(())
        })
        .await;
    }
    pause.release();
    assert_eq!(in_flight.await.unwrap().unwrap().0, 202);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    server.process.signal(Signal::SIGTERM);
    assert_eq!(server.process.ended(Duration::from_secs(15)).await.code(), Some(0));
}

#[test]
fn check_reports_what_would_prevent_a_start() {
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
fn check_warns_of_an_address_in_use() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config =
        format!("[ingest]\nlisten = \"{address}\"\n[operator]\nlisten = \"127.0.0.1:0\"\n");
    let mut program = Program::new(&config);
    program.set("DATABASE_URL", "postgres://u@127.0.0.1:1/x");
    let run = program.run(&["check"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains(&format!("{address} is in use")), "{}", run.stdout);
}
