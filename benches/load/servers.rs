//! The servers that are measured.

use std::path::PathBuf;
use std::process::Command;

use crate::baselines::ROLE;
use crate::database::Database;
use crate::requests::SECRET;
use crate::running::{Running, accepts, answers, folder_with, free_port, project};

/// Threads of every server, and processes of those that have one thread.
pub(crate) const WORKERS: usize = 2;
/// Names another build of the gateway, such as this program linked with symbols, for a profiler.
const PROGRAM: &str = "SEALPOST_BENCH_PROGRAM";
/// Connections to the database of a peer, for all of its processes.
const PEER_CONNECTIONS: usize = 20;

/// This program in another role.
pub(crate) fn baseline(kind: &str) -> Running {
    let port = free_port();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([ROLE, kind, &port.to_string()]);
    let (folder, _) = folder_with("none", "");
    Running::start(command, folder, port, || accepts(port))
}

/// The configuration of a gateway with one source. It writes no line for each request, as its peers
/// do not.
pub(crate) fn config(ingest: u16, operator: u16, dispatch: bool) -> String {
    config_with_log(ingest, operator, dispatch, "warn")
}

fn config_with_log(ingest: u16, operator: u16, dispatch: bool, filter: &str) -> String {
    format!(
        "[ingest]\nlisten = '127.0.0.1:{ingest}'\nworkers = {WORKERS}\n\
         [operator]\nlisten = '127.0.0.1:{operator}'\n\
         [dispatch]\nenabled = {dispatch}\n\
         [log]\nfilter = '{filter}'\n\
         [[source]]\nname = 'billing'\nprovider = 'stripe'\nsecrets = [{{ env = 'SECRET' }}]\n\
         limit = {{ per_second = 1000000, burst = 1000000 }}\noptions = {{ livemode = false }}\n"
    )
}

/// The program itself, whose deliveries are written but not dispatched. `more` is appended to its
/// configuration, with these secrets.
pub(crate) fn gateway(database: &Database, more: &str, secrets: &[(String, String)]) -> Running {
    let text = |ingest, operator| config(ingest, operator, false) + more;
    start_gateway(database, text, secrets)
}

/// With a line in the log for each request, as it is by default.
pub(crate) fn logging_gateway(database: &Database) -> Running {
    let text = |ingest, operator| config_with_log(ingest, operator, false, "info");
    start_gateway(database, text, &[])
}

/// With everything that it runs by default.
pub(crate) fn whole_gateway(database: &Database) -> Running {
    start_gateway(database, |ingest, operator| config(ingest, operator, true), &[])
}

fn start_gateway(
    database: &Database,
    config: impl Fn(u16, u16) -> String,
    secrets: &[(String, String)],
) -> Running {
    let (ingest, operator) = (free_port(), free_port());
    let (folder, path) = folder_with("config.toml", &config(ingest, operator));
    let program = std::env::var_os(PROGRAM);
    let program = program.map_or_else(|| env!("CARGO_BIN_EXE_sealpost").into(), PathBuf::from);
    let mut command = Command::new(program);
    command.args(["serve", "--config"]).arg(path).current_dir(folder.path());
    command.env("DATABASE_URL", &database.url).env("SECRET", SECRET);
    command.envs(secrets.iter().map(|(name, value)| (name, value)));
    Running::start(command, folder, ingest, || answers(operator, "/readyz"))
}

/// A peer that runs on Node; none if it is not installed.
pub(crate) fn node(name: &str, database: &Database) -> Option<Running> {
    let mut command = node_script(name, database)?;
    let port = free_port();
    command.env("PORT", port.to_string()).env("SECRET", SECRET);
    let (folder, _) = folder_with("none", "");
    Some(Running::start(command, folder, port, || accepts(port)))
}

/// `node NAME.mjs`; none if the packages are not installed.
pub(crate) fn node_script(name: &str, database: &Database) -> Option<Command> {
    let peers = project().join("benches/peers");
    let packages = peers.join("node_modules");
    if !packages.exists() {
        return None;
    }
    let bundled = ["x64", "arm64"].map(|arch| packages.join(format!("node-linux-{arch}/bin/node")));
    let program = bundled.into_iter().find(|path| path.exists());
    let mut command = Command::new(program.unwrap_or_else(|| "node".into()));
    command.arg(peers.join(format!("{name}.mjs")));
    command.env("DATABASE_URL", &database.url).env("NODE_ENV", "production");
    Some(command)
}

/// A program that `benches/peers/install` has built.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = target.parent()?.join("bench-peers/bin").join(name);
    path.exists().then_some(path)
}

/// qhook with a queue that nobody reads, so that its deliveries too are written but not dispatched.
pub(crate) fn qhook(database: &Database) -> Option<Running> {
    let program = installed("qhook")?;
    let port = free_port();
    let url = &database.url;
    let config = format!(
        "database:\n  driver: postgres\n  url: \"{url}\"\n  max_connections: {PEER_CONNECTIONS}\n\
         server:\n  port: {port}\n\
         sources:\n  billing:\n    type: webhook\n    verify: stripe\n    secret: {SECRET}\n\
         queues:\n  events:\n    source: billing\n    idempotency_key: \"$.id\"\n"
    );
    let (folder, path) = folder_with("qhook.yaml", &config);
    let mut command = Command::new(program);
    command.args(["start", "--config"]).arg(path).current_dir(folder.path());
    // A line for each event is not what is measured.
    command.env("RUST_LOG", "warn");
    let mut server = Running::start(command, folder, port, || answers(port, "/health"));
    server.path = "/webhooks/billing";
    Some(server)
}
