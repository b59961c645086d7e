//! The cluster that this process owns, and the thread that keeps its server running.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::layout::{Layout, Place};
use super::lock::Lock;
use super::server::{self, Server, Started};
use super::{ClusterError, Endpoint, Settings, binaries, leftovers};

/// How often the keeper checks that the server is running.
const WATCH: Duration = Duration::from_millis(50);
const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(10);
/// A server that ran for this long is not in a crash loop.
const HEALTHY: Duration = Duration::from_mins(1);

/// A managed cluster with a running server. Dropping it stops the server and waits for that.
#[derive(Debug)]
pub struct Cluster {
    endpoint: Endpoint,
    major: u16,
    data_dir: PathBuf,
    up: Arc<AtomicBool>,
    /// Before the lock: fields are dropped in order, so the server has stopped by then.
    _keeper: Keeper,
    _lock: Lock,
}

/// Dropping it stops the server.
#[derive(Debug)]
struct Keeper {
    thread: Option<JoinHandle<()>>,
    /// Nothing is ever sent: a closed channel stops the server.
    stop: Option<Sender<Infallible>>,
}

impl Cluster {
    /// Takes ownership of the cluster, creates it if necessary, and starts its server. Blocks until
    /// the server accepts connections. May be called from any thread.
    pub fn start(settings: &Settings) -> Result<Self, ClusterError> {
        let wanted = Place::prepared(&settings.data_dir)?;
        let lock = Lock::acquire(&wanted.sibling("lock"))?;
        let layout = Layout::choose(&wanted)?;
        leftovers::clear(&layout)?;
        let present = layout.major()?;
        let binaries = binaries::find(settings, &layout, present)?;
        let server = Server { launcher: settings.launcher.clone(), binaries, layout };
        if present.is_none() {
            server.initdb()?;
        }
        let endpoint = server.endpoint();
        let major = server.binaries.major;
        let data_dir = server.layout.data.clone();
        let up = Arc::new(AtomicBool::new(false));
        let keeper = Keeper::start(server, Arc::clone(&up))?;
        lock.publish(&endpoint)?;
        tracing::info!(
            data_dir = %data_dir.display(),
            major,
            created = present.is_none(),
            "the managed PostgreSQL server is ready"
        );
        Ok(Self { endpoint, major, data_dir, up, _keeper: keeper, _lock: lock })
    }

    /// The endpoint; it stays the same when the server is restarted.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub fn major(&self) -> u16 {
        self.major
    }

    /// The actual data directory, which for root may differ from the configured one.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// False from a crash of the server until it is ready again.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Stops the server as dropping does: gracefully, by force after 20 s, and waits for its end.
    pub fn stop(self) {
        drop(self);
    }
}

impl Keeper {
    /// Returns once the server is ready for the first time.
    ///
    /// The keeper has a thread of its own, because the kernel ends the server with the *thread*
    /// that started it, and the caller's may belong to a pool.
    fn start(server: Server, up: Arc<AtomicBool>) -> Result<Self, ClusterError> {
        let (stop, stopped) = mpsc::channel();
        let (ready, first) = mpsc::sync_channel(1);
        let data_dir = server.layout.data.clone();
        let thread = thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || match server.start(|pause| wait(&stopped, pause)) {
                Ok(Started::Ready(child)) => {
                    up.store(true, Ordering::Release);
                    ready.send(Ok(())).ok();
                    keep(&server, child, &up, &stopped);
                }
                Ok(Started::Abandoned) => {}
                Err(error) => {
                    ready.send(Err(error)).ok();
                }
            })
            .map_err(ClusterError::io("start a thread for", &data_dir))?;
        first.recv().unwrap_or_else(|_| {
            Err(ClusterError::io("start a server on", &data_dir)(io::ErrorKind::Interrupted.into()))
        })?;
        Ok(Self { thread: Some(thread), stop: Some(stop) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that kept the PostgreSQL server panicked");
        }
    }
}

/// Restarts the server until it is to be stopped, then stops it.
fn keep(server: &Server, mut child: Child, up: &AtomicBool, stop: &Receiver<Infallible>) {
    let mut delay = FIRST_DELAY;
    loop {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = server::ended(&mut child) {
                break status;
            }
            if wait(stop, WATCH) {
                up.store(false, Ordering::Release);
                server::stop(&mut child);
                leave(server);
                return;
            }
        };
        up.store(false, Ordering::Release);
        tracing::error!(status, log = %server.layout.log.display(), "the PostgreSQL server died");
        if since.elapsed() >= HEALTHY {
            delay = FIRST_DELAY;
        }
        child = loop {
            if wait(stop, delay) {
                return;
            }
            delay = (delay * 2).min(MAX_DELAY);
            let started = leftovers::clear(&server.layout)
                .and_then(|()| server.start(|pause| wait(stop, pause)));
            match started {
                Ok(Started::Ready(child)) => break child,
                Ok(Started::Abandoned) => return,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "cannot restart the PostgreSQL server");
                }
            }
        };
        up.store(true, Ordering::Release);
        tracing::info!("the PostgreSQL server is running again");
    }
}

/// The folder of the socket may be in `/tmp`, where nothing else would remove it.
fn leave(server: &Server) {
    // Not empty if the server had to be killed; the next start cleans that up.
    std::fs::remove_dir(&server.layout.socket_dir).ok();
}

/// Waits for this long; true as soon as the server is to be stopped.
fn wait(stop: &Receiver<Infallible>, pause: Duration) -> bool {
    match stop.recv_timeout(pause) {
        Ok(never) => match never {},
        Err(RecvTimeoutError::Timeout) => false,
        Err(RecvTimeoutError::Disconnected) => true,
    }
}
