//! One PostgreSQL server for the run, and a new database for each measurement.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealpost::postgres::{self, Cluster, Settings};
use sealpost::store::Target;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

pub(crate) struct Databases {
    // Before the folder: fields are dropped in order.
    cluster: Cluster,
    _folder: TempDir,
    next: AtomicUsize,
}

pub(crate) struct Database {
    pub(crate) target: Target,
    pub(crate) url: String,
}

impl Databases {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The account of the server needs access.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let cluster = Cluster::start(&Settings {
            data_dir: folder.path().join("postgres"),
            bin_dir: None,
            search: postgres::installed(std::env::var_os("PATH").as_deref()),
            fetch: true,
            launcher: env!("CARGO_BIN_EXE_sealpost").into(),
        })
        .expect("PostgreSQL");
        Self { cluster, _folder: folder, next: AtomicUsize::new(0) }
    }

    pub(crate) fn major(&self) -> u16 {
        self.cluster.major()
    }

    /// The first process of the server.
    pub(crate) fn postmaster(&self) -> u32 {
        let path = self.cluster.data_dir().join("postmaster.pid");
        let text = std::fs::read_to_string(path).expect("the server's process id");
        text.lines().next().unwrap().parse().unwrap()
    }

    /// An empty database.
    pub(crate) async fn fresh(&self) -> Database {
        let name = format!("load_{}", self.next.fetch_add(1, Ordering::Relaxed));
        let endpoint = self.cluster.endpoint();
        let target = Target::in_cluster(endpoint).with_database(&name);
        target.create_if_missing().await.unwrap();
        let url = format!(
            "postgres://{}@localhost:{}/{name}?host={}",
            endpoint.user,
            endpoint.port,
            endpoint.socket_dir.display()
        );
        Database { target, url }
    }

    /// A database with the tables of the gateway.
    pub(crate) async fn migrated(&self) -> Database {
        let database = self.fresh().await;
        database.target.migrate().await.unwrap();
        database
    }
}

impl Database {
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        let number = query.fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }

    /// Afterwards the files of the write-ahead log are recycled instead of created.
    pub(crate) async fn checkpoint(&self) {
        self.execute("CHECKPOINT").await;
    }

    /// Transactions that were committed in it. PostgreSQL counts them with a delay.
    pub(crate) async fn commits(&self) -> i64 {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        self.number("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
            .await
    }

    pub(crate) async fn remove(self) {
        self.target.drop_if_exists().await.unwrap();
    }
}
