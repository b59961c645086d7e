//! `sealpost events`: search events and follow them live.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::header;
use serde::Serialize;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::interrupt::a_signal;
use super::output::{self, Format};
use super::sse::{Message, Reader};
use super::{Exit, UsageError, block_on, search, talk};
use crate::admin::Change;
use crate::config::{Config, Environment};

/// Environment variable with the API key.
const KEY: &str = "SEALPOST_API_KEY";
/// Connect timeout.
const CONNECT: Duration = Duration::from_secs(5);
/// Read timeout of the stream, which sends heartbeats.
const SILENCE: Duration = Duration::from_secs(90);
/// Delay before reconnecting; it doubles up to the maximum.
const WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Follow events and their deliveries live.
    ///
    /// Reconnects and resumes where it stopped, until it is interrupted. The API key, which
    /// requires the scope `events:read`, is read from --key-file or the variable
    /// `SEALPOST_API_KEY`. `--format json` prints one JSON object per line; pass its `id` to
    /// --after to resume there.
    Tail(Tail),
    /// Search events, newest first; `--format json` prints one JSON object per line.
    List(search::List),
    /// Show an event, without its body.
    Show(search::Show),
    /// Write the body of an event to standard output, as it was received.
    Body(search::Body),
}

#[derive(Debug, clap::Args)]
pub(super) struct Tail {
    /// Only these sources.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    source: Vec<String>,
    /// Only these event types; a trailing `*` matches any suffix.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    r#type: Vec<String>,
    /// Only these changes, such as `dead`.
    #[arg(long, value_name = "CHANGE", value_delimiter = ',')]
    change: Vec<String>,
    /// Start after this ID, or at the oldest stored event: `start`. Defaults to new events only.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// URL of the operator listener; defaults to the configured address.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// File with the API key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// How a connection ended.
enum Ended {
    /// Standard output was closed.
    Unread,
    /// The connection failed and is to be retried. Holds the reason.
    Broken(String),
    /// The events after the position may have been deleted.
    Gone,
}

pub(super) fn run(
    path: &Path,
    environment: &Environment,
    command: &Command,
) -> anyhow::Result<Exit> {
    let args = match command {
        Command::Tail(args) => args,
        Command::List(list) => return list.run(path),
        Command::Show(show) => return show.run(path),
        Command::Body(body) => return body.run(path),
    };
    let config = Config::load_without_sources(path, environment)?;
    let key = key(args, environment)?;
    let url = url(args, &config)?;
    let client = crate::tls::client()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .build()?;
    let mut watch = Watch { args, client, url, key, position: args.after.clone(), seen: false };
    block_on(async {
        tokio::select! {
            ended = watch.run() => ended,
            signal = a_signal() => {
                signal?;
                Ok(Exit::Ok)
            }
        }
    })
}

struct Watch<'a> {
    args: &'a Tail,
    client: reqwest::Client,
    url: Url,
    key: Zeroizing<String>,
    /// Resume after this position.
    position: Option<String>,
    /// Whether a connection was established before.
    seen: bool,
}

impl Watch<'_> {
    async fn run(&mut self) -> anyhow::Result<Exit> {
        let mut wait = WAIT;
        loop {
            let before = self.position.clone();
            match self.connect().await? {
                Ended::Unread => return Ok(Exit::Ok),
                Ended::Gone => {
                    talk(
                        "events after this position may have been deleted; continuing with the \
                         oldest stored event",
                    );
                    self.position = Some("start".to_owned());
                }
                Ended::Broken(why) if self.seen => {
                    if self.position != before {
                        wait = WAIT;
                    }
                    talk(&format!("{why}; retrying"));
                }
                Ended::Broken(why) => anyhow::bail!("{why}"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Follows the stream until the connection ends.
    async fn connect(&mut self) -> anyhow::Result<Ended> {
        let mut request = self
            .client
            .get(self.url.clone())
            .header(header::ACCEPT, "text/event-stream")
            .bearer_auth(&*self.key);
        if let Some(position) = &self.position {
            request = request.header("last-event-id", position);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Ok(Ended::Broken(format!(
                    "no response from {}: {}",
                    self.url,
                    cause(&error)
                )));
            }
        };
        match response.status() {
            StatusCode::OK => self.seen = true,
            StatusCode::GONE => return Ok(Ended::Gone),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Ok(Ended::Broken(described(status, response).await));
            }
            status => anyhow::bail!("{}", described(status, response).await),
        }
        let mut reader = Reader::default();
        loop {
            let piece = match response.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(Ended::Broken("stream ended".to_owned())),
                Err(error) => {
                    return Ok(Ended::Broken(format!("stream interrupted: {}", cause(&error))));
                }
            };
            // Print what arrived together at once.
            let mut text = String::new();
            let mut data = None;
            for message in reader.take(&piece)? {
                match message {
                    Message::Data(json) => data = Some(json),
                    Message::Position(id) => {
                        if let Some(json) = data.take() {
                            text.push_str(&self.show(&json, &id)?);
                        }
                        self.position = Some(id);
                    }
                    Message::Comment(comment) if comment == "alive" => {}
                    Message::Comment(comment) => talk(&output::line(&comment)),
                }
            }
            if !text.is_empty() && !output::print_on(&text)? {
                return Ok(Ended::Unread);
            }
        }
    }

    fn show(&self, json: &str, id: &str) -> anyhow::Result<String> {
        let change: Change = serde_json::from_str(json).context("invalid change in the stream")?;
        Ok(match self.args.format {
            Format::Json => output::json(&WithId { id, change: &change }),
            Format::Text => line(&change),
        })
    }
}

/// A change with its id in the stream.
#[derive(Serialize)]
struct WithId<'a> {
    id: &'a str,
    #[serde(flatten)]
    change: &'a Change,
}

/// One change as a line of text.
fn line(change: &Change) -> String {
    let mut more: Vec<String> = Vec::new();
    more.extend(change.delivery.map(|delivery| format!("delivery {delivery}")));
    more.extend(change.attempt.map(|attempt| format!("attempt {attempt}")));
    more.extend(change.replay.map(|replay| format!("as {replay}")));
    more.extend(change.edited_from.map(|original| format!("from {original}")));
    more.extend(change.handler.clone());
    more.extend(change.outcome.map(|outcome| outcome.to_string()));
    more.extend(change.reason.map(|reason| reason.to_string()));
    more.extend(change.actor.as_ref().map(|actor| format!("by {actor}")));
    let mut more = more.join(", ");
    if let Some(error) = &change.error {
        more = format!("{more}: {error}");
    }
    let line = format!(
        "{}  {:11}  {:12}  {:32}  {}  {more}",
        output::time(change.at),
        change.change.as_str(),
        change.source,
        change.event_type.as_deref().unwrap_or_default(),
        change.event,
    );
    format!("{}\n", output::line(line.trim_end()))
}

/// Describes an error response.
async fn described(status: StatusCode, response: reqwest::Response) -> String {
    let body = response.bytes().await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let title = body.get("title").and_then(Value::as_str).unwrap_or_default();
    format!("the operator listener responded with {}: {}", status.as_u16(), output::line(title))
}

/// The innermost cause, which is the most specific.
fn cause(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn key(args: &Tail, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
    if let Some(path) = &args.key_file {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    let key = environment.get(KEY).ok_or(UsageError(
        "no API key; set SEALPOST_API_KEY or pass --key-file \
         (create one with `sealpost api-keys create`)",
    ))?;
    Ok(Zeroizing::new(key.to_owned()))
}

/// The URL of the stream with its filters.
fn url(args: &Tail, config: &Config) -> anyhow::Result<Url> {
    let mut url = if let Some(url) = &args.url {
        url.clone()
    } else {
        let mut listen = config.file.operator.listen;
        // An unspecified address is reachable through loopback.
        match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Url::parse(&format!("http://{listen}"))?
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UsageError("--url must begin with http:// or https://").into());
    }
    url.set_path("/api/v1/stream");
    url.set_query(None);
    for (name, list) in [("source", &args.source), ("type", &args.r#type), ("change", &args.change)]
    {
        if !list.is_empty() {
            url.query_pairs_mut().append_pair(name, &list.join(","));
        }
    }
    Ok(url)
}
