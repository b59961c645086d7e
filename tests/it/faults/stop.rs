//! Stopping the real program: by signals while it works, and together with its own PostgreSQL.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sealpost::postgres;
use sealpost::store::Target;
use tempfile::TempDir;

use super::driver::{Server, payment, wait_for};
use super::ledger::{assert_events, assert_payments, expire_leases, settled, watch_payments};
use super::proxy::{Point, Proxy};
use crate::harness::database;

/// Stopping in order ends well before it is forced.
const IN_ORDER: Duration = Duration::from_secs(15);
/// Being told twice is not waiting for what is held.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_answers_what_it_has_received_and_ends_well() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let direct = database::fresh().await;
        let proxy = Proxy::before(&direct).await;
        let mut server = Server::start(proxy.url()).await;
        let hold = proxy.hold(Point::Before, "INSERT INTO events");
        let in_flight = server.remote.begin("billing", &payment(1));
        hold.reached().await;
        server.process.signal(signal);
        let stopping = async || (server.remote.readyz().await == 503).then_some(());
        wait_for("it is not ready any more", stopping).await;
        hold.release();
        assert_eq!(in_flight.await.unwrap().unwrap().0, 202);
        let status = server.process.ended(IN_ORDER).await;
        assert_eq!(status.code(), Some(0), "{}", server.process.log());
        expire_leases(&direct).await;
        let _next = Server::start(proxy.url()).await;
        settled(&direct).await;
        assert_events(&direct, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_settles_what_it_works_on() {
    let direct = database::fresh().await;
    watch_payments(&direct).await;
    let proxy = Proxy::before(&direct).await;
    let mut server = Server::start(proxy.url()).await;
    let hold = proxy.hold(Point::Before, "INSERT INTO stripe_payments");
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    hold.reached().await;
    server.process.signal(Signal::SIGTERM);
    let stopping = async || (server.remote.readyz().await == 503).then_some(());
    wait_for("it is not ready any more", stopping).await;
    hold.release();
    let status = server.process.ended(IN_ORDER).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_twice_it_drops_what_it_works_on_and_says_so_by_its_exit_code() {
    let direct = database::fresh().await;
    watch_payments(&direct).await;
    let proxy = Proxy::before(&direct).await;
    let mut server = Server::start(proxy.url()).await;
    let hold = proxy.hold(Point::Before, "INSERT INTO stripe_payments");
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    hold.reached().await;
    server.process.signal(Signal::SIGTERM);
    let stopping = async || (server.remote.readyz().await == 503).then_some(());
    wait_for("it is not ready any more", stopping).await;
    server.process.signal(Signal::SIGTERM);
    let status = server.process.ended(AT_ONCE).await;
    assert_eq!(status.code(), Some(1), "{}", server.process.log());
    hold.cut();

    expire_leases(&direct).await;
    let _next = Server::start(proxy.url()).await;
    settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

/// A folder for a cluster of the gateway's own.
struct Own {
    folder: TempDir,
    config: String,
}

impl Own {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server's account must be able to get there.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let config =
            format!("[postgres.managed]\ndata_dir = '{}/postgres'\n", folder.path().display());
        Self { folder, config }
    }

    async fn serve(&self) -> Server {
        Server::start_with(None, &self.config).await
    }

    /// The database, while a gateway runs it.
    fn target(&self) -> Target {
        let settings = database::settings(self.folder.path().join("postgres"));
        Target::in_cluster(&postgres::running(&settings).unwrap().expect("a gateway runs it"))
    }

    fn postmaster(&self) -> Pid {
        find_postmaster(self.folder.path()).expect("a pid file")
    }
}

fn find_postmaster(folder: &Path) -> Option<Pid> {
    let file = std::fs::read_to_string(folder.join("postgres/postmaster.pid")).ok()?;
    Some(Pid::from_raw(file.lines().next()?.parse().ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_database_survives_every_way_to_end() {
    let own = Own::new();
    let mut server = own.serve().await;
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    let postmaster = own.postmaster();
    settled(&own.target()).await;

    // In order: the database stops with its gateway.
    server.process.signal(Signal::SIGTERM);
    let status = server.process.ended(IN_ORDER).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert_eq!(kill(postmaster, None), Err(Errno::ESRCH));

    // By force: the next gateway finds what was acknowledged.
    let server = own.serve().await;
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 200);
    assert_eq!(server.remote.send("billing", &payment(2)).await.unwrap().0, 202);
    server.kill().await;
    let server = own.serve().await;
    let target = own.target();
    expire_leases(&target).await;
    assert_eq!(server.remote.send("billing", &payment(2)).await.unwrap().0, 200);

    // The server alone: its gateway starts it again, and goes on.
    assert_eq!(server.remote.send("billing", &payment(3)).await.unwrap().0, 202);
    let postmaster = own.postmaster();
    kill(postmaster, Signal::SIGKILL).unwrap();
    let another = async || {
        let present = find_postmaster(own.folder.path())?;
        (present != postmaster).then_some(())
    };
    wait_for("another server is started", another).await;
    let again = async || {
        let (status, _) = server.remote.send("billing", &payment(3)).await?;
        assert!(matches!(status, 200 | 503), "{status}");
        (status == 200).then_some(())
    };
    wait_for("the database is back", again).await;
    let ready = async || (server.remote.readyz().await == 200).then_some(());
    wait_for("it is ready", ready).await;
    expire_leases(&target).await;
    settled(&target).await;
    assert_events(&target, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_killed_takes_the_sessions_with_it_and_nothing_else() {
    let own = Own::new();
    let server = own.serve().await;
    let target = own.target();
    watch_payments(&target).await;
    for number in 0..30 {
        let acknowledged = async || {
            let (status, _) = server.remote.send("billing", &payment(number)).await?;
            assert!(matches!(status, 200 | 202 | 503), "{status}");
            (status != 503).then_some(())
        };
        wait_for("the event is acknowledged", acknowledged).await;
        if number == 10 {
            let backend = "SELECT pid::text FROM pg_stat_activity \
                           WHERE application_name = 'sealpost ingest' LIMIT 1";
            let pid = crate::harness::sql::texts(&target, backend).await.remove(0);
            kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
        }
    }
    settle_again(&target).await;
    assert_events(&target, 30).await;
    assert_payments(&target, 30).await;
}

/// The server may still recover when it is asked first.
async fn settle_again(target: &Target) {
    wait_for("the database takes connections", async || target.connect().await.ok()).await;
    expire_leases(target).await;
    settled(target).await;
}
