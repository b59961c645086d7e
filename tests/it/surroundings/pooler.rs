//! A connection pooler between the gateway and PostgreSQL: it works, or it is refused by name.

use std::process::{Child, Command, Stdio};

use sealpost::store::Target;

use super::sessions::{assert_settings, note_settings};
use super::{name_of, pay};
use crate::cli::Program;
use crate::faults::driver::wait_for;
use crate::harness::programs::lacks;
use crate::harness::{Gateway, database, sql};

/// `pgbouncer`, running; it ends with this.
struct Pooler {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// One before the database, with these lines more in its configuration.
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
        // It does not run as root, and the way to the server is open to the server's account.
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
async fn behind_a_pooler_that_keeps_sessions_every_setting_holds() {
    if lacks("a pooler", &["pgbouncer"]) {
        return;
    }
    for more in [
        "pool_mode = session",
        "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
    ] {
        let target = database::fresh().await;
        note_settings(&target).await;
        let (elsewhere, name) = (target.with_database("postgres"), name_of(&target).await);
        let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
        sql::execute(&elsewhere, &off).await;
        let pooler = Pooler::before(&target, more).await;
        let mut migrate = Program::new("");
        migrate.set("DATABASE_URL", &pooler.url);
        let run = migrate.run(&["migrate"]);
        assert_eq!(run.code, 0, "{more}: {}", run.stderr);
        let through = Target::from_url(&pooler.url).unwrap();
        let gateway = Gateway::builder().on(through).leaves_work().start().await;
        for number in 0..20 {
            assert_eq!(pay(&gateway, number).await, 202, "{more}");
        }
        assert_eq!(gateway.operator("/readyz").await.status, 200);
        assert_eq!(gateway.run_until_idle().await, 20);
        assert_settings(&target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_shares_sessions_is_refused_by_name() {
    if lacks("a pooler", &["pgbouncer"]) {
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
        // The second time there are idle sessions of the first.
        for _ in 0..2 {
            let run = program.run(&["migrate"]);
            assert_eq!(run.code, 69, "{more}: {}", run.stderr);
            assert!(run.stderr.contains("pooler"), "{more}: {}", run.stderr);
            assert!(run.stderr.contains("session mode"), "{more}: {}", run.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_a_pooler_does_not_pass_on_is_told_with_what_to_do() {
    if lacks("a pooler", &["pgbouncer"]) {
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
