//! One managed cluster for all tests of this process, and a fresh database for each of them,
//! cloned from a template that was migrated once.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealpost::postgres::{self, Cluster, ClusterError, Settings};
use sealpost::store::Target;
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

use super::programs::skip;
use super::{API_KEY, sql};

const TEMPLATE: &str = "template_of_tests";

/// Creates a migrated database.
pub(crate) async fn fresh() -> Target {
    let name = create().await;
    server().1.with_database(&name)
}

/// Creates a migrated database and returns its URL, for another process.
pub(crate) async fn fresh_url() -> String {
    let name = create().await;
    let endpoint = server().0.endpoint();
    let folder = endpoint.socket_dir.display().to_string().replace('/', "%2F");
    format!("postgres://{}@{folder}:{}/{name}", endpoint.user, endpoint.port)
}

/// Creates a database without tables, like an application's.
pub(crate) async fn empty() -> Target {
    let name = create_from("template1").await;
    server().1.with_database(&name)
}

async fn create() -> String {
    create_from(TEMPLATE).await
}

async fn create_from(template: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sql::execute(&server().1.with_database("postgres"), &create).await;
    name
}

/// URL of a database, for another process.
pub(crate) async fn url(target: &Target) -> String {
    let query = "SELECT format('postgres://%s@localhost:%s/%s?host=%s', current_user,
                               current_setting('port'), current_database(),
                               current_setting('unix_socket_directories'))";
    sql::texts(target, query).await.remove(0)
}

/// Settings of the test cluster, for tests that start another one.
pub(crate) fn settings(data_dir: PathBuf) -> Settings {
    Settings {
        data_dir,
        bin_dir: None,
        search: postgres::installed(std::env::var_os("PATH").as_deref()),
        fetch: true,
        launcher: PathBuf::from(env!("CARGO_BIN_EXE_sealpost")),
    }
}

fn server() -> &'static (Cluster, Target) {
    static SERVER: OnceLock<(Cluster, Target)> = OnceLock::new();
    // The first test starts it, outside of its own runtime.
    SERVER.get_or_init(|| std::thread::spawn(start).join().expect("the tests' PostgreSQL starts"))
}

fn start() -> (Cluster, Target) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("it");
    std::fs::create_dir_all(&folder).expect("a folder for the cluster");
    // The account of the server needs access.
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).expect("its mode");
    let settings = settings(folder.join("postgres"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut cluster = match Cluster::start(&settings) {
        Err(error @ ClusterError::NotInstalled { .. }) => without_postgres(&error),
        started => started.expect("a cluster"),
    };
    let admin = Target::in_cluster(cluster.endpoint()).with_database("postgres");
    let left_over =
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'te%' AND NOT datistemplate";
    if runtime.block_on(sql::number(&admin, left_over)) > 0 {
        // Databases of an earlier run. Dropping one waits for the disk, and there are hundreds: a
        // new cluster is faster.
        let data_dir = cluster.data_dir().to_owned();
        cluster.stop();
        std::fs::remove_dir_all(data_dir).expect("an old cluster to remove");
        cluster = Cluster::start(&settings).expect("a new cluster");
    }
    let target = Target::in_cluster(cluster.endpoint());
    runtime.block_on(async {
        let template = target.with_database(TEMPLATE);
        template.create_if_missing().await.expect("the template");
        template.migrate().await.expect("the migrations");
        let digest = hex::encode(Sha256::digest(API_KEY));
        let id = &API_KEY[4..20];
        let key = format!(
            "INSERT INTO api_keys (id, digest, name, scopes, created_at, created_by)
             VALUES ('{id}', '\\x{digest}', 'test', '{{admin}}', '2026-11-20Z', 'harness')"
        );
        sql::execute(&template, &key).await;
    });
    (cluster, target)
}

/// Ends the run: hardly any test works without a database.
#[expect(clippy::exit, reason = "no test can run, and skipping them is not a failure")]
fn without_postgres(error: &ClusterError) -> ! {
    skip(
        "every test that needs PostgreSQL",
        "neither PostgreSQL nor npm, which installs it, found",
    );
    // Bypasses the capture of test output.
    drop(writeln!(std::io::stderr(), "\nno test that needs PostgreSQL was run: {error}"));
    std::process::exit(0);
}

/// Marks SQL of a test as safe.
pub(crate) fn trusted(text: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.to_owned())
}
