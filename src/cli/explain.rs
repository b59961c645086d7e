//! `sealpost explain`: diagnose why a recorded request is rejected.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend};
use crate::admin::{Explanation, RecordedRequest};
use crate::config::{Environment, SecretRef};

/// The largest recording that is read, in bytes.
const MAX_RECORDING: u64 = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recorded request: raw HTTP, or a JSON document with `path`, `headers` and `body` or
    /// `body_b64`; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Source that rejects the request.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// Time of arrival, such as 2026-11-20T12:00:00Z or seconds since 1970; defaults to the time in
    /// the recording, or to now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<OffsetDateTime>,
    /// Additional secret to try, as `env:NAME` or `file:PATH`; may be repeated.
    #[arg(long, value_name = "REFERENCE")]
    secret: Vec<SecretRef>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Exits with 0 if the request verifies, with 1 if it is rejected.
pub(super) fn run(
    globals: &GlobalArgs,
    environment: &Environment,
    args: &Args,
) -> anyhow::Result<Exit> {
    let offered = args
        .secret
        .iter()
        .map(|place| place.resolve(environment).map_err(|why| anyhow::anyhow!("the secret {why}")));
    let offered = offered.collect::<Result<Vec<_>, _>>()?;
    let mut request = RecordedRequest::read(&recording(args)?)?;
    request.received_at = args.at.or(request.received_at);
    let explanation = backend::explain(globals, &args.source, &request, &offered)?;
    output::print_as(args.format, &text(&explanation), &explanation)?;
    Ok(if explanation.verifies { Exit::Ok } else { Exit::Failed })
}

/// The result, the reason and a hint, as text.
pub(super) fn text(explanation: &Explanation) -> String {
    let verdict = match explanation.reason {
        None => "accepted".to_owned(),
        Some(reason) => format!("rejected as {reason}"),
    };
    let mut text = format!("{verdict}: {}\n", output::line(&explanation.text));
    if let Some(hint) = &explanation.hint {
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
