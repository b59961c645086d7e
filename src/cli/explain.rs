//! `sealpost explain`: why a recorded request is refused.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::output::{self, Format};
use super::{Exit, actor};
use crate::admin::{Caller, Explained, RecordedRequest, explain};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment, SecretRef};

/// The largest recording that is read, in bytes.
const MAX_RECORDING: u64 = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request: HTTP as it is on the wire, or a JSON document with `path`, `headers` and `body`
    /// or `body_b64`; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The source that refuses it.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// When it arrived, as a date such as 2026-11-20T12:00:00Z or in seconds since 1970; by default
    /// what the recording says, else now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<OffsetDateTime>,
    /// A secret to try besides the source's, as `env:NAME` or `file:PATH`; may be repeated.
    #[arg(long, value_name = "PLACE")]
    secret: Vec<SecretRef>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Ends with 0 where the request holds, and with 1 where it is refused.
pub(super) fn run(config: &Config, environment: &Environment, args: &Args) -> anyhow::Result<Exit> {
    let offered = args
        .secret
        .iter()
        .map(|place| place.resolve(environment).map_err(|why| anyhow::anyhow!("the secret {why}")));
    let offered = offered.collect::<Result<Vec<_>, _>>()?;
    let mut request = RecordedRequest::read(&recording(args)?)?;
    request.received_at = args.at.or(request.received_at);
    let caller = Caller::local(actor(None)?);
    let (gates, now) = (app::gates(config)?, SystemClock.now());
    let explained = explain(&caller, &gates, &args.source, &request, now, &offered)?;
    match args.format {
        Format::Text => output::print(&text(&explained))?,
        Format::Json => output::print(&output::json(&json!(explained)))?,
    }
    Ok(if explained.verifies { Exit::Ok } else { Exit::Failed })
}

/// For people: the verdict, why, and what to do.
pub(super) fn text(explained: &Explained) -> String {
    let verdict = match explained.reason {
        None => "let in".to_owned(),
        Some(reason) => format!("refused as {reason}"),
    };
    let mut text = format!("{verdict}: {}\n", output::line(&explained.text));
    if let Some(hint) = &explained.hint {
        text.push_str("hint: ");
        text.push_str(&output::line(hint));
        text.push('\n');
    }
    text
}

fn recording(args: &Args) -> anyhow::Result<Vec<u8>> {
    let mut recording = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_RECORDING).read_to_end(&mut recording)?;
    } else {
        let path = args.file.display();
        let file =
            std::fs::File::open(&args.file).with_context(|| format!("cannot read {path}"))?;
        file.take(MAX_RECORDING).read_to_end(&mut recording)?;
    }
    Ok(recording)
}

fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(seconds) = text.parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string());
    }
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| error.to_string())
}
