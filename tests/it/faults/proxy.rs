//! Stands between a gateway and PostgreSQL, knows which statement is under way, and can stop, cut
//! or lose the connection at exactly that one.

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

/// How long a test waits for something that must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Where in the life of a statement its connection is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// The server has not seen it.
    Before,
    /// The server has run it, and waits to hear that it shall commit.
    Uncommitted,
    /// The server has answered, and the client does not know.
    Answered,
}

/// A proxy in front of one database.
pub(super) struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

/// A place at which one connection, the first to get there, is held.
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
    Backlog,
    Reached,
    Released,
    Cut,
}

/// What becomes of connections, which are numbered as they come.
#[derive(Default)]
struct Traffic {
    next: u64,
    frozen: bool,
    refused: bool,
    lost_below: u64,
    reset_below: u64,
}

impl Proxy {
    /// A proxy before the database that `direct` leads to.
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

    /// Holds the next connection that comes to a statement which contains `sql`.
    pub(super) fn hold(&self, point: Point, sql: &str) -> Pause {
        self.rule(point, sql, None)
    }

    /// As [`Proxy::hold`], in a transaction that has run `after` already.
    pub(super) fn hold_after(&self, after: &str, point: Point, sql: &str) -> Pause {
        self.rule(point, sql, Some(after.to_owned()))
    }

    /// Nothing goes through any more, and nobody is told.
    pub(super) fn freeze(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.frozen = true);
    }

    /// Everything that was frozen goes on.
    pub(super) fn thaw(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.frozen = false);
    }

    /// The present connections stay open and will never carry anything again, as when the server's
    /// machine is gone. New ones work.
    pub(super) fn lose(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.lost_below = traffic.next);
    }

    /// Resets the present connections. New ones work.
    pub(super) fn reset(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.reset_below = traffic.next);
    }

    /// Whether new connections are reset at once.
    pub(super) fn refuse(&self, refused: bool) {
        self.shared.traffic.send_modify(|traffic| traffic.refused = refused);
    }

    fn rule(&self, point: Point, sql: &str, after: Option<String>) -> Pause {
        let stage = Arc::new(watch::Sender::new(Stage::Backlog));
        let rule = Rule { sql: sql.to_owned(), after, point, stage: Arc::clone(&stage) };
        self.shared.rules.lock().unwrap().push(rule);
        Pause(stage)
    }
}

impl Pause {
    /// Waits until a connection is held here.
    pub(crate) async fn reached(&self) {
        let mut stage = self.0.subscribe();
        let reached = stage.wait_for(|stage| *stage != Stage::Backlog);
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        drop(reached.expect("a connection comes to the hold").unwrap());
    }

    /// Lets the connection go on as if nothing had been.
    pub(crate) fn release(&self) {
        self.0.send_replace(Stage::Released);
    }

    /// Breaks the connection off, on both sides.
    pub(super) fn cut(&self) {
        self.0.send_replace(Stage::Cut);
    }
}

impl Shared {
    fn take_rule(&self, sql: &str, statements: &Statements) -> Option<Rule> {
        let mut rules = self.rules.lock().unwrap();
        let matching = |rule: &Rule| {
            sql.contains(&rule.sql)
                && rule.after.as_ref().is_none_or(|after| statements.has_run(after))
        };
        let index = rules.iter().position(matching)?;
        Some(rules.remove(index))
    }

    /// Waits until the traffic of connection `number` flows.
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

/// Ends with either side, dropping both.
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

/// Holds back the answers up to one of this type.
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
        let rule = statements.see(&message).and_then(|sql| shared.take_rule(&sql, &statements));
        let mut flush = false;
        if let Some(Rule { point, stage, .. }) = rule {
            match point {
                Point::Before => pass(&stage).await?,
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
            decided(&stage).await?;
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
    let mut held = Vec::new();
    loop {
        let message = read_message(&mut server).await?;
        held.extend_from_slice(&message.bytes);
        let holding = answers.borrow().clone();
        if let Some((kind, stage)) = holding {
            if message.kind != kind {
                continue;
            }
            pass(&stage).await?;
            answers.send_replace(None);
        }
        shared.open(number).await;
        client.write_all(&held).await?;
        held.clear();
    }
}

/// Says that the place is reached, and waits there.
async fn pass(stage: &watch::Sender<Stage>) -> io::Result<()> {
    stage.send_if_modified(|stage| {
        let waiting = *stage == Stage::Backlog;
        if waiting {
            *stage = Stage::Reached;
        }
        waiting
    });
    decided(stage).await
}

async fn decided(stage: &watch::Sender<Stage>) -> io::Result<()> {
    let mut stage = stage.subscribe();
    let decided = stage.wait_for(|stage| matches!(stage, Stage::Released | Stage::Cut)).await;
    match *decided.unwrap() {
        Stage::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
        _ => Ok(()),
    }
}
