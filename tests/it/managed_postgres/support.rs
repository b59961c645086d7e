//! Folders, processes and questions for the tests of the managed cluster.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, geteuid, setgid, setgroups, setuid};
use sealpost::postgres::{Cluster, Endpoint, Settings, installed};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, Row as _};
use tempfile::TempDir;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_sealpost");

/// A folder that every account may pass through, and settings for a cluster in it.
pub(super) struct Folder {
    pub(super) dir: TempDir,
    pub(super) settings: Settings,
}

impl Folder {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let settings = settings(&dir.path().join("data/postgres"));
        Self { dir, settings }
    }

    pub(super) fn start(&self) -> Cluster {
        Cluster::start(&self.settings).unwrap()
    }

    pub(super) fn data(&self) -> &Path {
        &self.settings.data_dir
    }

    /// What stands next to the data directory and is named after it.
    pub(super) fn beside(&self, extension: &str) -> PathBuf {
        self.data().with_extension(extension)
    }
}

pub(super) fn settings(data_dir: &Path) -> Settings {
    Settings {
        data_dir: data_dir.to_owned(),
        bin_dir: None,
        search: installed(variable("PATH").as_deref()),
        fetch: false,
        launcher: LAUNCHER.into(),
    }
}

pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// Runs one statement over a connection of its own, and gives back its only value.
pub(super) fn ask(endpoint: &Endpoint, sql: &'static str) -> String {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&endpoint.socket_dir)
        .port(endpoint.port)
        .username(&endpoint.user)
        .database("postgres");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        let row = connection.fetch_optional(sql).await.unwrap();
        row.map(|row| row.get(0)).unwrap_or_default()
    })
}

/// Commits something that must outlive what the test does next.
pub(super) fn write_row(endpoint: &Endpoint) {
    ask(endpoint, "create table kept as select 'still here' as word");
}

pub(super) fn read_row(endpoint: &Endpoint) -> String {
    ask(endpoint, "select word from kept")
}

/// The postmaster that runs on that data directory.
pub(super) fn server_pid(data: &Path) -> Pid {
    let content = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    Pid::from_raw(content.lines().next().unwrap().parse().unwrap())
}

pub(super) fn is_alive(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A child that is killed when the test is done with it.
pub(super) struct Stranger(pub(super) Child);

impl Stranger {
    pub(super) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A server on the cluster that no gateway of ours knows of.
pub(super) fn server_by_hand(data: &Path, socket_dir: &Path, options: &[&str]) -> Stranger {
    let owner = fs::metadata(data).unwrap();
    std::os::unix::fs::chown(socket_dir, Some(owner.uid()), Some(owner.gid())).unwrap();
    let mut folders = installed(variable("PATH").as_deref()).into_iter();
    let postgres = folders.find_map(|dir| fs::canonicalize(dir.join("postgres")).ok()).unwrap();
    let server = Stranger::start(
        hidden_command(account_of(data))
            .arg(postgres)
            .args(["-c", "listen_addresses=", "-D"])
            .arg(data)
            .arg("-k")
            .arg(socket_dir)
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/"),
    );
    wait_until("the server by hand is ready", || {
        fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|pid| pid.contains("ready"))
    });
    server
}

/// The account to change to, to be the one that runs the server on that data directory.
pub(super) fn account_of(data: &Path) -> Option<String> {
    let owner = fs::metadata(data).unwrap();
    is_root().then(|| format!("{}:{}", owner.uid(), owner.gid()))
}

/// The program's hidden last step, as started by this process.
pub(super) fn hidden_command(account: Option<String>) -> Command {
    let mut command = Command::new(LAUNCHER);
    command
        .arg(sealpost::postgres::exec::COMMAND)
        .arg(std::process::id().to_string())
        .arg(account.unwrap_or_else(|| "-".to_owned()));
    command
}

/// A gateway in a process of its own, which can be killed.
pub(super) struct OtherGateway(pub(super) Child);

const DATA_DIR: &str = "SEALPOST_TEST_DATA_DIR";
const OTHER_LAUNCHER: &str = "SEALPOST_TEST_LAUNCHER";
const ACCOUNT: &str = "SEALPOST_TEST_ACCOUNT";
const READY: &str = "the other gateway is ready";

impl OtherGateway {
    /// This test program again, which then runs [`be_other_gateway`] and nothing else.
    fn command(settings: &Settings) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "managed_postgres::a_gateway_that_other_tests_start"])
            .args(["--ignored", "--nocapture"])
            .env(DATA_DIR, &settings.data_dir)
            .env(OTHER_LAUNCHER, &settings.launcher)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    /// Does not wait for anything.
    pub(super) fn begin(settings: &Settings) -> Self {
        Self(Self::command(settings).spawn().unwrap())
    }

    pub(super) fn start(settings: &Settings) -> Self {
        Self::begin(settings).until_ready()
    }

    /// One that runs under an ordinary account, whoever runs the tests.
    pub(super) fn start_as_nobody(settings: &Settings) -> Self {
        let mut command = Self::command(settings);
        if is_root() {
            command.env(ACCOUNT, "nobody");
        }
        Self(command.spawn().unwrap()).until_ready()
    }

    fn until_ready(mut self) -> Self {
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains(READY) {
            assert_ne!(output.read_line(&mut said).unwrap(), 0, "the gateway ended: {said}");
        }
        // Left open: a closed pipe would kill it when it says more.
        self.0.stdout = Some(output.into_inner());
        self
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Lets it stop in order.
    pub(super) fn finish(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

/// The other side of [`OtherGateway`].
#[expect(clippy::print_stdout, reason = "the parent waits for this line")]
pub(super) fn be_other_gateway() {
    let Some(data_dir) = variable(DATA_DIR) else { return };
    if let Some(name) = variable(ACCOUNT) {
        let user = User::from_name(name.to_str().unwrap()).unwrap().unwrap();
        become_user(user.uid, user.gid);
    }
    let launcher = variable(OTHER_LAUNCHER).unwrap().into();
    let cluster = Cluster::start(&Settings { launcher, ..settings(Path::new(&data_dir)) }).unwrap();
    println!("\n{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    cluster.stop();
}

fn become_user(uid: Uid, gid: Gid) {
    setgroups(&[gid]).unwrap();
    setgid(gid).unwrap();
    setuid(uid).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its parent what to be")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

pub(super) fn send(pid: Pid, signal: Signal) {
    kill(pid, signal).unwrap();
}
