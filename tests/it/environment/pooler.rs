//! A connection pooler before PostgreSQL: it works in session mode, and is rejected otherwise.

use std::process::{Child, Command, Stdio};

use sealpost::store::Target;

use super::sessions::{assert_settings, record_settings};
use super::{name_of, pay};
use crate::cli::Program;
use crate::faults::driver::wait_for;
use crate::harness::programs::skip_without;
use crate::harness::{Gateway, database, sql};

/// A running `pgbouncer`; it stops when dropped.
struct Pooler {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// Starts a pooler before a database, with more configuration.
    async fn before(target: &Target, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let query = "SELECT unnest(ARRAY[current_user, current_setting('unix_socket_directories'),
                     current_setting('port')]::text[])";
        let [user, sockets, port] = sql::texts(target, query).await.try_into().unwrap();
        let name = name_of(target).await;
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listen.local_addr().unwrap().port();
        drop(listen);
        let users = folder.path().join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"\"\n")).unwrap();
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{name} = host={sockets} port={port} dbname={name} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nauth_type = trust\n\
             auth_file = {}\nunix_socket_dir =\nlogfile = {}\npidfile = {}\n{more}\n",
            users.display(),
            folder.path().join("log").display(),
            folder.path().join("pid").display(),
        );
        std::fs::write(&config, text).unwrap();
        let account = std::fs::metadata(sockets).map(|found| {
            use std::os::unix::fs::MetadataExt as _;
            (found.uid(), found.gid())
        });
        let mut command = Command::new("pgbouncer");
        // It refuses to run as root, and only the account of the server may use its socket.
        if nix::unistd::getuid().is_root() {
            use std::os::unix::process::CommandExt as _;
            let (uid, gid) = account.unwrap();
            for path in [folder.path(), &users, &config] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
            }
            command.uid(uid).gid(gid);
        }
        command.arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        wait_for("the pooler listens", async || {
            std::net::TcpStream::connect(("127.0.0.1", own)).ok().map(drop)
        })
        .await;
        let url = format!("postgres://{user}@127.0.0.1:{own}/{name}?sslmode=disable");
        Self { child, url, _folder: folder }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_pooler_keeps_every_setting() {
    if skip_without("a pooler", &["pgbouncer"]) {
        return;
    }
    for more in [
        "pool_mode = session",
        "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
    ] {
        let target = database::fresh().await;
        record_settings(&target).await;
        let (elsewhere, name) = (target.with_database("postgres"), name_of(&target).await);
        let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
        sql::execute(&elsewhere, &off).await;
        let pooler = Pooler::before(&target, more).await;
        let mut migrate = Program::new("");
        migrate.set("DATABASE_URL", &pooler.url);
        let run = migrate.run(&["migrate"]);
        assert_eq!(run.code, 0, "{more}: {}", run.stderr);
        let pooled_target = Target::from_url(&pooler.url).unwrap();
        let gateway = Gateway::builder().on(pooled_target).allow_unfinished().start().await;
        for number in 0..20 {
            assert_eq!(pay(&gateway, number).await, 202, "{more}");
        }
        assert_eq!(gateway.operator("/readyz").await.status, 200);
        assert_eq!(gateway.run_until_idle().await, 20);
        assert_settings(&target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_pooler_is_rejected() {
    if skip_without("a pooler", &["pgbouncer"]) {
        return;
    }
    for more in [
        "pool_mode = transaction",
        "pool_mode = transaction\ndefault_pool_size = 1",
        "pool_mode = statement",
    ] {
        let target = database::fresh().await;
        let pooler = Pooler::before(&target, more).await;
        let mut program = Program::new("");
        program.set("DATABASE_URL", &pooler.url);
        // The second time, the pool has idle sessions of the first.
        for _ in 0..2 {
            let run = program.run(&["migrate"]);
            assert_eq!(run.code, 69, "{more}: {}", run.stderr);
            assert!(run.stderr.contains("pooler"), "{more}: {}", run.stderr);
            assert!(run.stderr.contains("session mode"), "{more}: {}", run.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_pooler_parameter_error_has_a_hint() {
    if skip_without("a pooler", &["pgbouncer"]) {
        return;
    }
    let target = database::fresh().await;
    let pooler = Pooler::before(&target, "pool_mode = session").await;
    let mut program = Program::new("");
    program.set("DATABASE_URL", &format!("{}&options=-c%20geqo=off", pooler.url));
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    assert!(run.stderr.contains("unsupported startup parameter"), "{}", run.stderr);
    assert!(run.stderr.contains("pooler"), "{}", run.stderr);
}
