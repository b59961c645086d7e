//! `sealpost events`: search events and follow them live.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::header;
use serde::Serialize;

use super::globals::GlobalArgs;
use super::interrupt::a_signal;
use super::output::{self, Format};
use super::remote::{ApiClient, Problem, Query, cause};
use super::sse::{Message, Reader};
use super::{Exit, actions, block_on, print_message, search};
use crate::admin::Change;
use crate::config::{Config, Environment};

/// Delay before reconnecting; it doubles up to the maximum.
const WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Follow events and their deliveries live.
    ///
    /// Reconnects and resumes where it stopped, until it is interrupted. It always works over the
    /// API: of the given gateway, or of one on this machine. The API key, which requires the scope
    /// `events:read`, is read from --key-file or the variable `SEALPOST_API_KEY`. `--format json`
    /// prints one JSON object per line; pass its `id` to --after to resume there.
    Tail(Tail),
    /// Search events, newest first; `--format json` prints one JSON object per line.
    List(search::List),
    /// Show an event, without its body.
    Show(search::Show),
    /// Write the body of an event to standard output, as it was received.
    Body(search::Body),
    #[command(flatten)]
    Act(actions::Perform<actions::OnEvent>),
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
    globals: &GlobalArgs,
    environment: &Environment,
    command: &Command,
) -> anyhow::Result<Exit> {
    let args = match command {
        Command::Tail(args) => args,
        Command::List(list) => return list.run(globals),
        Command::Show(show) => return show.run(globals),
        Command::Body(body) => return body.run(globals),
        Command::Act(action) => return action.run(globals),
    };
    let api = match globals.chosen_api()? {
        Some(api) => api,
        None => here(globals, environment)?,
    };
    let mut watch = Watch { args, api, position: args.after.clone(), seen: false };
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
    api: ApiClient,
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
                    print_message(
                        "events after this position may have been deleted; continuing with the \
                         oldest stored event",
                    );
                    self.position = Some("start".to_owned());
                }
                Ended::Broken(why) if self.seen => {
                    if self.position != before {
                        wait = WAIT;
                    }
                    print_message(&format!("{why}; retrying"));
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
            .api
            .request_to(&["stream"], &self.args.query())
            .header(header::ACCEPT, "text/event-stream");
        if let Some(position) = &self.position {
            request = request.header("last-event-id", position);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let url = self.api.base();
                return Ok(Ended::Broken(format!("no response from {url}: {}", cause(&error))));
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
                    Message::Comment(comment) => print_message(&output::line(&comment)),
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
    let problem = Problem::read(status.as_u16(), &body);
    let text = problem.to_string();
    format!("the admin listener responded with {}: {}", status.as_u16(), output::line(&text))
}

/// The API of a gateway on this machine, at the configured address.
fn here(globals: &GlobalArgs, environment: &Environment) -> anyhow::Result<ApiClient> {
    let config = Config::load_without_sources(&globals.config, environment)?;
    let key = globals.key(environment)?;
    let mut listen = config.file.operator.listen;
    // An unspecified address is reachable through loopback.
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(ApiClient::new(&format!("http://{listen}"), key)?)
}

impl Tail {
    /// The filters.
    fn query(&self) -> Query {
        let given = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
        Query::default()
            .with("source", given(&self.source))
            .with("type", given(&self.r#type))
            .with("change", given(&self.change))
    }
}
