//! Logs and metrics.
//!
//! Logs go to standard error, as text or one JSON object per line, through a writer that never
//! blocks: if standard error is not read, lines are dropped and counted.

mod json;

use std::io::{BufWriter, IsTerminal};
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The most that is written to standard error at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Text.
    Text,
}

/// Starts logging. The guard flushes what is left when it is dropped.
///
/// # Errors
/// When `filter` is not a list of `target=level`.
pub fn start(
    format: LogFormat,
    filter: &str,
) -> Result<WorkerGuard, tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    // Its thread writes what has accumulated at once, and then waits for more.
    let (writer, guard) = NonBlocking::new(BufWriter::with_capacity(BUFFER, std::io::stderr()));
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process (tests) keeps the first.
    let is_text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let started = if is_text {
        let layer = tracing_subscriber::fmt::layer().with_writer(writer);
        registry.with(layer.with_target(false)).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_writer(writer).event_format(json::Flat);
        registry.with(json::KeepFields).with(layer).try_init()
    };
    drop(started);
    log_panics();
    Ok(guard)
}

/// Logs and counts every panic. Its message is omitted, because it can contain received data.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        metrics::counter!("sealpost_panics_total").increment(1);
        let at = panic.location().map(tracing::field::display);
        let thread = std::thread::current();
        tracing::error!(at, thread = thread.name(), "panic");
    }));
}

/// Checks a log filter.
///
/// # Errors
/// When it is not a list of `target=level`.
pub fn check(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(filter).map(drop)
}

/// The metrics of this process.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The recorder of this process, installed at the first call.
    pub fn of_process() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            drop(metrics::set_global_recorder(recorder));
            handle
        });
        Self(handle.clone())
    }

    /// Every metric as text.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Moves recorded samples into their summaries. Must be called regularly.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}
