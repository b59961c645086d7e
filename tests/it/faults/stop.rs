//! Stopping the program: by signals, and together with its managed PostgreSQL.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sealpost::postgres;
use sealpost::store::Target;
use tempfile::TempDir;

use super::assertions::{
    assert_events, assert_payments, expire_leases, record_payment_writes, wait_until_settled,
};
use super::driver::{Server, payment, wait_for};
use super::proxy::{Point, Proxy};
use crate::harness::database;

/// A graceful stop ends well before it is forced.
const GRACEFUL_DEADLINE: Duration = Duration::from_secs(15);
/// A second signal does not wait for deliveries in flight.
const ABORT_DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn graceful_stop_responds_to_in_flight_requests() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let direct = database::fresh().await;
        let proxy = Proxy::before(&direct).await;
        let mut server = Server::start(proxy.url()).await;
        let pause = proxy.hold(Point::Before, "INSERT INTO events");
        let in_flight = server.remote.start_send("billing", &payment(1));
        pause.reached().await;
        server.process.signal(signal);
        let stopping = async || (server.remote.readyz().await == 503).then_some(());
        wait_for("it is no longer ready", stopping).await;
        pause.release();
        assert_eq!(in_flight.await.unwrap().unwrap().0, 202);
        let status = server.process.ended(GRACEFUL_DEADLINE).await;
        assert_eq!(status.code(), Some(0), "{}", server.process.log());
        expire_leases(&direct).await;
        let _next = Server::start(proxy.url()).await;
        wait_until_settled(&direct).await;
        assert_events(&direct, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn graceful_stop_settles_in_flight_deliveries() {
    let direct = database::fresh().await;
    record_payment_writes(&direct).await;
    let proxy = Proxy::before(&direct).await;
    let mut server = Server::start(proxy.url()).await;
    let pause = proxy.hold(Point::Before, "INSERT INTO stripe_payments");
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    pause.reached().await;
    server.process.signal(Signal::SIGTERM);
    let stopping = async || (server.remote.readyz().await == 503).then_some(());
    wait_for("it is no longer ready", stopping).await;
    pause.release();
    let status = server.process.ended(GRACEFUL_DEADLINE).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_aborts_with_exit_code_1() {
    let direct = database::fresh().await;
    record_payment_writes(&direct).await;
    let proxy = Proxy::before(&direct).await;
    let mut server = Server::start(proxy.url()).await;
    let pause = proxy.hold(Point::Before, "INSERT INTO stripe_payments");
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    pause.reached().await;
    server.process.signal(Signal::SIGTERM);
    let stopping = async || (server.remote.readyz().await == 503).then_some(());
    wait_for("it is no longer ready", stopping).await;
    server.process.signal(Signal::SIGTERM);
    let status = server.process.ended(ABORT_DEADLINE).await;
    assert_eq!(status.code(), Some(1), "{}", server.process.log());
    pause.cut();

    expire_leases(&direct).await;
    let _next = Server::start(proxy.url()).await;
    wait_until_settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

/// A folder for a managed cluster.
struct ManagedDatabase {
    folder: TempDir,
    config: String,
}

impl ManagedDatabase {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The account of the server needs access.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let config =
            format!("[postgres.managed]\ndata_dir = '{}/postgres'\n", folder.path().display());
        Self { folder, config }
    }

    async fn serve(&self) -> Server {
        Server::start_with(None, &self.config).await
    }

    /// The database of a running gateway.
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
async fn managed_database_survives_every_kind_of_stop() {
    let managed = ManagedDatabase::new();
    let mut server = managed.serve().await;
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    let postmaster = managed.postmaster();
    wait_until_settled(&managed.target()).await;

    // A graceful stop also stops the database.
    server.process.signal(Signal::SIGTERM);
    let status = server.process.ended(GRACEFUL_DEADLINE).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert_eq!(kill(postmaster, None), Err(Errno::ESRCH));

    // After SIGKILL, the next gateway finds the acknowledged events.
    let server = managed.serve().await;
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 200);
    assert_eq!(server.remote.send("billing", &payment(2)).await.unwrap().0, 202);
    server.kill().await;
    let server = managed.serve().await;
    let target = managed.target();
    expire_leases(&target).await;
    assert_eq!(server.remote.send("billing", &payment(2)).await.unwrap().0, 200);

    // If only the server is killed, the gateway restarts it.
    assert_eq!(server.remote.send("billing", &payment(3)).await.unwrap().0, 202);
    let postmaster = managed.postmaster();
    kill(postmaster, Signal::SIGKILL).unwrap();
    let another = async || {
        let present = find_postmaster(managed.folder.path())?;
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
    wait_until_settled(&target).await;
    assert_events(&target, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_database_backend_loses_no_event() {
    let managed = ManagedDatabase::new();
    let server = managed.serve().await;
    let target = managed.target();
    record_payment_writes(&target).await;
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
    wait_for_recovery(&target).await;
    assert_events(&target, 30).await;
    assert_payments(&target, 30).await;
}

/// Waits until the server has recovered and the deliveries are settled.
async fn wait_for_recovery(target: &Target) {
    wait_for("the database takes connections", async || target.connect().await.ok()).await;
    expire_leases(target).await;
    wait_until_settled(target).await;
}
