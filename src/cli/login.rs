//! `sealpost login`, `logout` and `contexts`: gateways with their API keys, by name.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use serde::Serialize;
use zeroize::Zeroizing;

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::remote::contexts::{self, Context, Contexts};
use super::remote::{ApiClient, ApiError};
use super::{Exit, block_on};
use crate::admin::{Identity, Scope};
use crate::config::Environment;

/// Longer than any valid key, in bytes.
const MAX_KEY: u64 = 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Login {
    /// Name of the context.
    #[arg(value_parser = name)]
    name: String,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Logout {
    /// Name of the context.
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A context and whose key it has.
#[derive(Serialize)]
struct LoggedIn<'a> {
    context: &'a str,
    url: &'a str,
    #[serde(flatten)]
    caller: &'a Identity,
}

/// A context, without its key.
#[derive(Serialize)]
struct Listed<'a> {
    context: &'a str,
    url: &'a str,
}

impl Login {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let environment = Environment::of_process();
        let url = globals.given_url(&environment);
        let url = url.ok_or_else(|| ApiError::usage("pass the URL of the gateway with --url"))?;
        // Before the key is asked for.
        ApiClient::new(url, Zeroizing::default())?;
        let path = contexts::path(&environment)?;
        let mut contexts = Contexts::load(&path)?;
        let key = match globals.given_key(&environment)? {
            Some(key) => key,
            None => ask()?,
        };
        if key.is_empty() {
            return Err(ApiError::usage("no API key given").into());
        }
        let api = ApiClient::new(url, key.clone())?;
        let caller: Identity = block_on(async { Ok(api.me().await?) })?;
        let url = api.base();
        contexts.set(self.name.clone(), Context { url: url.to_owned(), key });
        contexts.save(&path)?;
        let logged_in = LoggedIn { context: &self.name, url, caller: &caller };
        output::print_as(self.format, &text(&logged_in), &logged_in)?;
        let name = &self.name;
        super::print_message(&format!("use it with --context {name} or SEALPOST_CONTEXT={name}"));
        Ok(Exit::Ok)
    }
}

impl Logout {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        let path = contexts::path(&Environment::of_process())?;
        let mut contexts = Contexts::load(&path)?;
        if !contexts.remove(&self.name) {
            return Err(ApiError::NoContext(contexts.unknown(&self.name)).into());
        }
        contexts.save(&path)?;
        super::print_message("the key is deleted here; `sealpost api-keys revoke` revokes it");
        Ok(Exit::Ok)
    }
}

impl List {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        let contexts = Contexts::load(&contexts::path(&Environment::of_process())?)?;
        let listed: Vec<Listed<'_>> =
            contexts.list().map(|(context, url)| Listed { context, url }).collect();
        let row = |one: &Listed<'_>| vec![one.context.to_owned(), one.url.to_owned()];
        Ok(output::list(self.format, &listed, |listed| {
            output::table(&["CONTEXT", "URL"], &listed.iter().map(row).collect::<Vec<_>>())
        })?)
    }
}

fn text(logged_in: &LoggedIn<'_>) -> String {
    let caller = logged_in.caller;
    let scopes: Vec<&str> = caller.scopes.iter().map(Scope::as_str).collect();
    let tenant = caller.tenant.as_deref().map_or(String::new(), |name| format!(", tenant {name}"));
    let text = format!(
        "{}: {} at {}{tenant}, scopes: {}",
        logged_in.context,
        caller.actor,
        logged_in.url,
        scopes.join(" ")
    );
    format!("{}\n", output::line(&text))
}

/// Reads the key from standard input, without showing it on a terminal.
fn ask() -> anyhow::Result<Zeroizing<String>> {
    let stdin = std::io::stdin();
    let silence = if stdin.is_terminal() {
        super::print_message("API key (not shown):");
        Some(Silence::begin()?)
    } else {
        None
    };
    let mut key = Zeroizing::new(String::new());
    stdin.lock().take(MAX_KEY).read_line(&mut key)?;
    drop(silence);
    Ok(Zeroizing::new(key.trim().to_owned()))
}

/// A terminal that does not show what is typed, until it is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0).ok();
    }
}

/// A name that needs no quotes in a shell.
fn name(text: &str) -> Result<String, String> {
    let shaped = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if shaped && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits and `._-`".to_owned())
    }
}
