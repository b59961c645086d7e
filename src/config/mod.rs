//! The configuration: one file, overlaid with `SEALPOST_…` variables, checked as a whole before
//! anything starts. Errors name the file, the line or key, and what to do.

mod check;
mod destinations;
mod env;
mod exposed;
mod file;
mod listeners;
mod memory;
mod objects;
mod oidc;
mod outbound;
mod parse;
mod reference;
mod retention;
mod schema;
mod settings;
mod source;
mod spans;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use destinations::{DestinationConfig, DestinationEntry, HeaderPrefix, SignForm};
pub use env::Environment;
pub use file::{
    Alerts, Database, Dispatch, File, Keys, Log, Managed, Objects, Postgres,
    RejectedRequestsSection, S3Entry, Transfers,
};
pub use listeners::{ConnectionLimits, Ingest, Operator};
pub use oidc::{OidcConfig, OidcEntry};
pub use outbound::Outbound;
pub use retention::{Retention, SourceRetention};
pub use schema::schema;
pub use source::{DeadHead, LimitEntry, SecretRef, SourceEntry};

use bytesize::ByteSize;
use url::Url;
use zeroize::Zeroizing;

use self::reference::KEY_FILE as MASTER_KEY_FILE;

use crate::alerts::Webhook;
use crate::objects::Place;
use crate::postgres;
use crate::vault::Vault;
use crate::verify::{KeyRing, Secret, WeakSecret};

/// The resolved configuration: all references have been read.
#[derive(Debug, Clone)]
pub struct Config {
    pub file: File,
    /// Warnings, which do not prevent the start.
    pub warnings: Vec<String>,
    pub sources: Vec<SourceConfig>,
    pub destinations: Vec<DestinationConfig>,
    /// The single sign-on issuer (OIDC).
    pub oidc: Option<OidcConfig>,
    /// Public URL of the admin listener, if configured.
    pub operator_url: Option<Url>,
    pub discord: Option<Webhook>,
    /// The master keys of sealed data in the database.
    pub vault: Vault,
    /// Database URL; `None` for the managed cluster.
    pub database_url: Option<String>,
    /// The managed cluster.
    pub managed: postgres::Settings,
    /// Storage of objects that are too large for a database row.
    pub objects: Place,
    /// Maximum number of bytes of bodies in flight, configured or derived from the memory.
    pub in_flight: ByteSize,
    /// The memory that this process may use, if it can be detected.
    pub memory: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub entry: SourceEntry,
    /// Its secrets, in configured order.
    pub secrets: Vec<Secret>,
    /// Retired secrets, used for diagnosis only.
    pub retired: Vec<Secret>,
    /// Its additional secret.
    pub token: Option<Secret>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML, or a key is unknown, missing or of the wrong type. The parser's text shows
    /// the line.
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    /// Invalid values; all of them.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Lists all invalid values, not only the first.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::resolve(read(path, &text, environment)?, environment)
    }

    /// Reads the file, and returns what could be resolved together with everything that is invalid.
    /// It must not be run if anything is.
    ///
    /// # Errors
    /// [`ConfigError::Read`] only.
    pub fn inspect(
        path: &Path,
        environment: &Environment,
    ) -> Result<(Option<Self>, Vec<String>), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let (file, mut wrong) = parse::parse(&text, environment);
        let config = file.map(|file| Self::resolve_parts(file, environment, &mut wrong));
        Ok((config, wrong))
    }

    /// Reads the file like [`Config::load`], for a command that verifies, signs and sends nothing:
    /// secrets may be missing. Sources and destinations are then known by their entries in
    /// [`Config::file`] only.
    pub fn load_without_secrets(
        path: &Path,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let file = read(path, &text, environment)?;
        let config = Self::without_secrets(file.clone(), environment)?;
        Ok(Self { file, ..config })
    }

    /// Reads the file like [`Config::load`], for a command that needs no source: secrets may be
    /// missing, and so may the file.
    pub fn load_without_sources(
        path: &Path,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        Self::without_secrets(read(path, &text, environment)?, environment)
    }

    fn without_secrets(file: File, environment: &Environment) -> Result<Self, ConfigError> {
        let mut file = File { source: Vec::new(), destination: Vec::new(), ..file };
        file.objects = Objects::default();
        file.alerts.discord = None;
        file.operator.oidc = None;
        file.operator.require_second_factor = false;
        Self::resolve(file, environment)
    }

    /// The base URL of the admin listener: as configured, or its listen address.
    pub fn operator_base(&self, listen: SocketAddr) -> String {
        if let Some(url) = &self.operator_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let mut listen = listen;
        // An unspecified address is reachable through loopback.
        match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{listen}")
    }

    /// Checks a configuration and resolves its references.
    ///
    /// # Errors
    /// Lists all invalid values, not only the first.
    pub fn resolve(file: File, environment: &Environment) -> Result<Self, ConfigError> {
        let mut wrong = Vec::new();
        let config = Self::resolve_parts(file, environment, &mut wrong);
        if wrong.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(wrong)) }
    }

    /// Resolves what can be resolved, and adds what is invalid to `wrong`.
    fn resolve_parts(file: File, environment: &Environment, wrong: &mut Vec<String>) -> Self {
        let mut sources = Vec::new();
        let mut names = HashSet::new();
        for entry in &file.source {
            let name = &entry.name;
            if !is_source_name(name) {
                wrong.push(format!(
                    "source `{name}`: invalid name; use 1 to 64 of a-z, 0-9, `_` and `-`"
                ));
            }
            if !names.insert(name.clone()) {
                wrong.push(format!("source `{name}`: duplicate name"));
            }
            for alias in entry.aliases.iter().filter(|alias| !is_alias(alias)) {
                wrong.push(format!(
                    "source `{name}`: alias `{alias}` must begin with one `/`, and must not be \
                     under /hooks/ or contain `//`, `%`, `?` or `#`"
                ));
            }
            let mut secret = |reference: &SecretRef, what: &str| {
                reference
                    .resolve(environment)
                    .map_err(|why| wrong.push(format!("source `{name}`: {what} {why}")))
                    .ok()
            };
            let secrets: Vec<Secret> =
                entry.secrets.iter().filter_map(|reference| secret(reference, "secret")).collect();
            let retired = entry.retired.iter();
            let retired =
                retired.filter_map(|reference| secret(reference, "retired secret")).collect();
            let token = entry.token.as_ref().and_then(|reference| secret(reference, "token"));
            if secrets.len() == entry.secrets.len()
                && !secrets.is_empty()
                && let Err(error) = KeyRing::new(secrets.clone())
            {
                wrong.push(format!("source `{name}`: secrets {error}"));
            }
            sources.push(SourceConfig { entry: entry.clone(), secrets, retired, token });
        }
        let discord = file.alerts.discord.as_ref().and_then(|discord| {
            reference::discord(discord, environment).map_err(|why| wrong.push(why)).ok()
        });
        let issuer = file.operator.oidc.as_ref();
        let public = file.operator.public_url.as_deref();
        let oidc = issuer.and_then(|entry| oidc::resolve(entry, public, environment, wrong));
        let operator_url = public.and_then(|text| {
            let wrong = |why| wrong.push(format!("operator.public_url {why}"));
            oidc::public(text).map_err(wrong).ok()
        });
        let vault = reference::vault(environment, wrong);
        let destinations = destinations::resolve(&file, environment, wrong);
        let objects = objects::place(&file.objects, environment, wrong);
        check::check(&file, wrong);
        check::keep_rejected(&file, &vault, wrong);
        check::second_factor(&file, &vault, wrong);
        check::shared_secrets(&sources, wrong);
        let managed = postgres::Settings {
            data_dir: file.postgres.managed.data_dir.clone(),
            bin_dir: file.postgres.managed.bin_dir.clone(),
            search: postgres::installed(environment.path()),
            fetch: file.postgres.managed.fetch,
            launcher: PathBuf::from("/proc/self/exe"),
        };
        let database_url = file
            .database
            .url
            .clone()
            .or_else(|| environment.get("DATABASE_URL").map(str::to_owned));
        let warnings = exposed::exposed(&file, environment);
        let memory = memory::memory();
        let in_flight = file.ingest.in_flight.unwrap_or_else(|| memory::in_flight(memory));
        Self {
            file,
            warnings,
            sources,
            destinations,
            oidc,
            operator_url,
            discord,
            vault,
            database_url,
            managed,
            objects,
            in_flight,
            memory,
        }
    }
}

fn read(path: &Path, text: &str, environment: &Environment) -> Result<File, ConfigError> {
    match parse::parse(text, environment) {
        (Some(file), errors) if errors.is_empty() => Ok(file),
        (_, errors) => {
            Err(ConfigError::Parse { path: path.to_owned(), message: errors.join("\n") })
        }
    }
}

impl std::str::FromStr for SecretRef {
    type Err = String;

    /// Parses `env:NAME` or `file:PATH`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) => Ok(Self { env: Some(name.to_owned()), file: None }),
            Some(("file", path)) => Ok(Self { env: None, file: Some(path.into()) }),
            _ => Err("expected `env:NAME` or `file:PATH`".to_owned()),
        }
    }
}

impl SourceConfig {
    /// Whether all its secrets could be read.
    pub fn is_resolved(&self) -> bool {
        self.secrets.len() == self.entry.secrets.len()
            && self.token.is_some() == self.entry.token.is_some()
    }
}

impl SecretRef {
    /// Reads the referenced secret.
    ///
    /// # Errors
    /// The location, and why its content is not a valid secret.
    pub fn resolve(&self, environment: &Environment) -> Result<Secret, String> {
        let (bytes, place) = self.read(environment)?;
        Secret::new(bytes.as_slice()).map_err(|error: WeakSecret| format!("in {place} {error}"))
    }

    /// Reads it as text of any length, for secrets issued by others.
    fn resolve_text(&self, environment: &Environment) -> Result<Zeroizing<String>, String> {
        let (bytes, place) = self.read(environment)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.trim().is_empty() => Ok(Zeroizing::new(text.trim().to_owned())),
            _ => Err(format!("in {place} is empty or not text")),
        }
    }

    /// The content and the location.
    fn read(&self, environment: &Environment) -> Result<(Zeroizing<Vec<u8>>, String), String> {
        match (&self.env, &self.file) {
            (Some(variable), None) => {
                let place = format!("variable `{variable}`");
                let text =
                    environment.get(variable).ok_or_else(|| format!("in {place} is not set"))?;
                Ok((Zeroizing::new(text.as_bytes().to_vec()), place))
            }
            (None, Some(path)) => {
                let place = format!("file `{}`", path.display());
                let mut bytes =
                    std::fs::read(path).map_err(|error| format!("in {place}: {error}"))?;
                if bytes.ends_with(b"\n") {
                    bytes.pop();
                }
                Ok((Zeroizing::new(bytes), place))
            }
            _ => Err("must have either `env` or `file`".to_owned()),
        }
    }
}

fn is_source_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

fn is_alias(alias: &str) -> bool {
    alias.starts_with('/')
        && !alias.starts_with("/hooks/")
        && !alias.contains("//")
        && !alias.contains(['%', '?', '#', ' '])
}

#[cfg(test)]
mod tests;
