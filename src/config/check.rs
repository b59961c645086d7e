//! Checks that involve several values.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::listeners::MAX_HEADER_LINES;
use super::{File, SourceConfig, spans};
use crate::vault::Vault;
use crate::verify::Secret;

/// The HTTP library reads up to 128 KiB of headers, including separators.
const MAX_HEAD: u64 = 120 * 1024;
/// Bounds of the retention of deduplication keys.
const MIN_RETENTION: Duration = Duration::from_hours(24);
const MAX_RETENTION: Duration = Duration::from_hours(24 * 3653);
const MAX_AGE: Duration = Duration::from_hours(24);
const MAX_FUTURE: Duration = Duration::from_hours(1);

/// Collects invalid values.
pub(super) fn check(file: &File, wrong: &mut Vec<String>) {
    spans::check(file, wrong);
    let mut require = |holds: bool, sentence: &str| {
        if !holds {
            wrong.push(sentence.to_owned());
        }
    };
    require(
        file.operator.listen.ip().is_loopback() || file.operator.allow_remote,
        "operator.listen is reachable from other machines; set operator.allow_remote = true to \
         allow that",
    );
    require(
        !collide(file.ingest.listen, file.operator.listen),
        "operator.listen must differ from ingest.listen",
    );
    require(
        file.ingest.public_url.as_deref().is_none_or(is_base),
        "ingest.public_url must be an http or https URL without user, query and fragment",
    );
    require(file.operator.stream_clients > 0, "operator.stream_clients must be at least 1");
    require(
        file.operator.heartbeat >= Duration::from_secs(1),
        "operator.heartbeat must be at least 1s",
    );
    require(
        file.dispatch.lease > file.dispatch.handler_deadline,
        "dispatch.lease must be longer than dispatch.handler_deadline",
    );
    require(file.dispatch.concurrency > 0, "dispatch.concurrency must be at least 1");
    require(file.dispatch.max_attempts > 0, "dispatch.max_attempts must be at least 1");
    require(!file.alerts.every.is_zero(), "alerts.every must be longer than 0s");
    require(
        file.dispatch.backoff <= file.dispatch.max_backoff,
        "dispatch.backoff must not be longer than dispatch.max_backoff",
    );
    require(
        [
            file.database.ingest_connections,
            file.database.dispatch_connections,
            file.database.operator_connections,
        ]
        .iter()
        .all(|connections| *connections > 0),
        "database: every pool needs at least 1 connection",
    );
    let percents = [0.0, file.database.disk_stop_percent, file.database.disk_warn_percent, 100.0];
    require(
        percents.is_sorted(),
        "database.disk_stop_percent must be from 0 to database.disk_warn_percent, and that at most \
         100",
    );
    connections(file, &mut require);
    require(
        (MIN_RETENTION..=MAX_RETENTION).contains(&file.keys.retention),
        "keys.retention must be from 24h to 10 years",
    );
    for source in &file.source {
        let name = &source.name;
        if source.max_age.is_some_and(|age| age > MAX_AGE) {
            wrong.push(format!(
                "source `{name}`: max_age must be at most 24h: a recorded request can be replayed \
                 for that long"
            ));
        }
        if source.max_future.is_some_and(|ahead| ahead > MAX_FUTURE) {
            wrong.push(format!("source `{name}`: max_future must be at most 1h"));
        }
    }
}

/// Rejects secrets that two tenants share: a request of one would be accepted for the other.
pub(super) fn shared_secrets(sources: &[SourceConfig], wrong: &mut Vec<String>) {
    for (place, source) in sources.iter().enumerate() {
        for other in sources.iter().take(place) {
            let same = |secret: &Secret| {
                other.secrets.iter().any(|theirs| theirs.matches(secret.expose()))
            };
            if source.entry.tenant != other.entry.tenant && source.secrets.iter().any(same) {
                wrong.push(format!(
                    "source `{}` of tenant `{}` and source `{}` of tenant `{}` have the same \
                     secret: each tenant needs its own",
                    other.entry.name, other.entry.tenant, source.entry.name, source.entry.tenant,
                ));
            }
        }
    }
}

/// Checks the connection limits of both listeners.
fn connections(file: &File, require: &mut impl FnMut(bool, &str)) {
    let (ingest, operator) = (&file.ingest, &file.operator);
    ingest.limits().check("ingest", require);
    operator.limits().check("operator", require);
    require(
        (1..=MAX_HEADER_LINES).contains(&ingest.max_header_lines),
        "ingest.max_header_lines must be from 1 to 96, the limit of the HTTP library",
    );
    require(
        (1024..=MAX_HEAD).contains(&ingest.max_head.as_u64()),
        "ingest.max_head must be from 1 KiB to 120 KiB",
    );
}

/// Whether two listeners cannot use both addresses.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}

/// Whether this is a URL to which paths can be appended.
fn is_base(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Requires a master key if two-factor codes are required.
pub(super) fn second_factor(file: &File, vault: &Vault, wrong: &mut Vec<String>) {
    if file.operator.require_second_factor
        && let Err(error) = vault.newest()
    {
        wrong.push(format!("operator.require_second_factor: {error}"));
    }
}

/// Requires a master key and a valid span for sources that keep rejected requests.
pub(super) fn keep_rejected(file: &File, vault: &Vault, wrong: &mut Vec<String>) {
    for source in &file.source {
        let Some(span) = source.keep_rejected else { continue };
        let name = &source.name;
        if let Err(error) = vault.newest() {
            wrong.push(format!("source `{name}`: keep_rejected: {error}"));
        }
        if span.is_zero() || span > file.dispatch.max_age {
            wrong.push(format!(
                "source `{name}`: keep_rejected must be longer than 0s and at most \
                 dispatch.max_age: requests reprocessed later could not be delivered"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_is_a_base_url() {
        for url in ["https://hooks.example", "http://10.0.0.7:8080/", "https://example.org/in"] {
            assert!(is_base(url), "{url}");
        }
        for url in [
            "hooks.example",
            "ftp://hooks.example",
            "https://me@hooks.example",
            "https://hooks.example?x",
            "https://hooks.example#x",
            "https://",
        ] {
            assert!(!is_base(url), "{url}");
        }
    }
}
