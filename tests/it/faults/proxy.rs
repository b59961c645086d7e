//! A proxy before PostgreSQL. It parses the protocol, and can pause, cut or drop a connection at a
//! chosen statement.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealpost::store::Target;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::wire::{COMPLETE, FLUSH, READY, SYNC, Statements, read_message, read_startup};
use crate::harness::sql;

/// Timeout of waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// When a connection is paused, relative to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Before the server receives it.
    Before,
    /// After the server has run it, before it is told to commit.
    Uncommitted,
    /// After the server has responded, before the client receives it.
    Answered,
}

/// A proxy in front of one database.
pub(super) struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

/// Pauses the first connection that reaches it.
pub(crate) struct Pause(Arc<watch::Sender<Stage>>);

struct Shared {
    server: PathBuf,
    rules: Mutex<Vec<Rule>>,
    traffic: watch::Sender<Traffic>,
}

struct Rule {
    sql: String,
    after: Option<String>,
    point: Point,
    stage: Arc<watch::Sender<Stage>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Reached,
    Released,
    Cut,
}

/// State of the connections, which are numbered in order.
#[derive(Default)]
struct Traffic {
    next: u64,
    frozen: bool,
    refused: bool,
    lost_below: u64,
    reset_below: u64,
}

impl Proxy {
    pub(super) async fn before(direct: &Target) -> Self {
        let query = "SELECT unnest(ARRAY[current_database(), current_user, \
                     current_setting('unix_socket_directories'), current_setting('port')]::text[])";
        let [database, user, folder, port] = sql::texts(direct, query).await.try_into().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: PathBuf::from(folder).join(format!(".s.PGSQL.{port}")),
            rules: Mutex::default(),
            traffic: watch::Sender::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { url: format!("postgres://{user}@{address}/{database}?sslmode=disable"), shared }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn target(&self) -> Target {
        Target::from_url(&self.url).unwrap()
    }

    /// Pauses the next connection that reaches a statement containing `sql`.
    pub(super) fn hold(&self, point: Point, sql: &str) -> Pause {
        self.rule(point, sql, None)
    }

    /// As [`Proxy::hold`], in a transaction that has already run `after`.
    pub(super) fn hold_after(&self, after: &str, point: Point, sql: &str) -> Pause {
        self.rule(point, sql, Some(after.to_owned()))
    }

    /// Stops all traffic without closing connections.
    pub(super) fn freeze(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.frozen = true);
    }

    /// Resumes all traffic.
    pub(super) fn thaw(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.frozen = false);
    }

    /// Drops all traffic of the present connections without closing them, as if the server machine
    /// were gone. New connections work.
    pub(super) fn lose(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.lost_below = traffic.next);
    }

    /// Resets the present connections. New connections work.
    pub(super) fn reset(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.reset_below = traffic.next);
    }

    /// Sets whether new connections are reset.
    pub(super) fn refuse(&self, refused: bool) {
        self.shared.traffic.send_modify(|traffic| traffic.refused = refused);
    }

    fn rule(&self, point: Point, sql: &str, after: Option<String>) -> Pause {
        let stage = Arc::new(watch::Sender::new(Stage::Waiting));
        let rule = Rule { sql: sql.to_owned(), after, point, stage: Arc::clone(&stage) };
        self.shared.rules.lock().unwrap().push(rule);
        Pause(stage)
    }
}

impl Pause {
    /// Waits until a connection is paused here.
    pub(crate) async fn reached(&self) {
        let mut stage = self.0.subscribe();
        let reached = stage.wait_for(|stage| *stage != Stage::Waiting);
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        drop(reached.expect("a connection reaches the pause").unwrap());
    }

    /// Resumes the connection.
    pub(crate) fn release(&self) {
        self.0.send_replace(Stage::Released);
    }

    /// Closes the connection on both sides.
    pub(super) fn cut(&self) {
        self.0.send_replace(Stage::Cut);
    }
}

impl Shared {
    fn take_matching_rule(&self, sql: &str, statements: &Statements) -> Option<Rule> {
        let mut rules = self.rules.lock().unwrap();
        let matching = |rule: &Rule| {
            sql.contains(&rule.sql)
                && rule.after.as_ref().is_none_or(|after| statements.has_run(after))
        };
        let index = rules.iter().position(matching)?;
        Some(rules.remove(index))
    }

    /// Waits until connection `number` has traffic.
    async fn open(&self, number: u64) {
        let mut traffic = self.traffic.subscribe();
        let flows = |traffic: &Traffic| !traffic.frozen && number >= traffic.lost_below;
        drop(traffic.wait_for(flows).await);
    }

    async fn reset(&self, number: u64) {
        let mut traffic = self.traffic.subscribe();
        drop(traffic.wait_for(|traffic| number < traffic.reset_below).await);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let mut number = 0;
        let mut refused = false;
        shared.traffic.send_modify(|traffic| {
            number = traffic.next;
            traffic.next += 1;
            refused = traffic.refused;
        });
        if refused {
            client.set_zero_linger().unwrap();
        } else {
            tokio::spawn(relay(client, Arc::clone(&shared), number));
        }
    }
}

/// Ends with either side, and closes both.
async fn relay(mut client: TcpStream, shared: Arc<Shared>, number: u64) {
    client.set_nodelay(true).unwrap();
    let Ok(mut server) = UnixStream::connect(&shared.server).await else { return };
    let answers = watch::Sender::new(None);
    let reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            _ = upstream(from_client, to_server, &shared, number, &answers) => false,
            _ = downstream(from_server, to_client, &shared, number, &answers) => false,
            () = shared.reset(number) => true,
        }
    };
    if reset {
        client.set_zero_linger().unwrap();
    }
}

/// Delays responses up to one of this message type.
type Answers = watch::Sender<Option<(u8, Arc<watch::Sender<Stage>>)>>;

async fn upstream(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    shared: &Shared,
    number: u64,
    answers: &Answers,
) -> io::Result<()> {
    let startup = read_startup(&mut client).await?;
    shared.open(number).await;
    server.write_all(&startup).await?;
    let mut statements = Statements::default();
    let mut at_sync = None;
    loop {
        let message = read_message(&mut client).await?;
        let rule =
            statements.read(&message).and_then(|sql| shared.take_matching_rule(&sql, &statements));
        let mut flush = false;
        if let Some(Rule { point, stage, .. }) = rule {
            match point {
                Point::Before => pause_here(&stage).await?,
                Point::Uncommitted => {
                    answers.send_replace(Some((COMPLETE, Arc::clone(&stage))));
                    at_sync = Some(stage);
                    flush = true;
                }
                Point::Answered => drop(answers.send_replace(Some((READY, stage)))),
            }
        }
        if message.kind == SYNC
            && let Some(stage) = at_sync.take()
        {
            wait_for_decision(&stage).await?;
        }
        shared.open(number).await;
        server.write_all(&message.bytes).await?;
        if flush {
            server.write_all(FLUSH).await?;
        }
    }
}

async fn downstream(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    shared: &Shared,
    number: u64,
    answers: &Answers,
) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        let message = read_message(&mut server).await?;
        pending.extend_from_slice(&message.bytes);
        let paused_at = answers.borrow().clone();
        if let Some((kind, stage)) = paused_at {
            if message.kind != kind {
                continue;
            }
            pause_here(&stage).await?;
            answers.send_replace(None);
        }
        shared.open(number).await;
        client.write_all(&pending).await?;
        pending.clear();
    }
}

/// Reports that the pause is reached, and waits for a decision.
async fn pause_here(stage: &watch::Sender<Stage>) -> io::Result<()> {
    stage.send_if_modified(|stage| {
        let waiting = *stage == Stage::Waiting;
        if waiting {
            *stage = Stage::Reached;
        }
        waiting
    });
    wait_for_decision(stage).await
}

async fn wait_for_decision(stage: &watch::Sender<Stage>) -> io::Result<()> {
    let mut stage = stage.subscribe();
    let decision = stage.wait_for(|stage| matches!(stage, Stage::Released | Stage::Cut)).await;
    match *decision.unwrap() {
        Stage::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
        _ => Ok(()),
    }
}
