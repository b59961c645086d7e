//! The senders' own packages sign and verify, and the gateway agrees with them: README.md says how.
//! Each has a module in `providers/` (npm) or `python/` (`PyPI`). What a package signs, a gateway
//! accepts over HTTP; what the engine signs, the package accepts; what is changed, both refuse.
//!
//! Not a part of `cargo test`: it needs the packages, which `.ci/conformance` installs. Names of
//! providers as arguments select them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test program"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::default_trait_access,
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::large_futures,
    clippy::redundant_closure_for_method_calls,
    clippy::similar_names,
    clippy::unchecked_time_subtraction,
    clippy::unnecessary_debug_formatting,
    reason = "what these ask for makes a test longer and not clearer"
)]
#![allow(dead_code, reason = "the harness offers more than this test takes")]

mod changes;
mod check;
mod claims;
mod examples;
#[path = "../it/harness/mod.rs"]
mod harness;
mod packages;
mod spoil;
mod subject;

use std::process::ExitCode;

use harness::Gateway;
use packages::{Program, Registry};
use subject::{PUBLIC_URL, Subject};
use time::OffsetDateTime;
use url::Url;

/// The source that receives GitHub's examples.
const EXAMPLES: &str = "github-examples";

/// The programs of a registry. The second has other key pairs.
struct Programs {
    one: Program,
    other: Program,
}

impl Programs {
    fn start(registry: Registry) -> Result<Self, String> {
        Ok(Self { one: Program::start(registry)?, other: Program::start(registry)? })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> =
        arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let wrong = runtime.block_on(run(&wanted)).unwrap_or_else(|error| vec![error]);
    runtime.shutdown_background();
    if wrong.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\n{} problems:", wrong.len());
    for problem in wrong {
        println!("- {problem}");
    }
    println!("What the packages wrote: {}", packages::log().display());
    ExitCode::FAILURE
}

/// Checks the providers with these names, or all; returns what is wrong.
async fn run(wanted: &[String]) -> Result<Vec<String>, String> {
    drop(std::fs::remove_file(packages::log()));
    let mut npm = Programs::start(Registry::Npm)?;
    let mut pypi = Programs::start(Registry::Pypi)?;
    let mut wrong = Vec::new();
    let mut subjects = Vec::new();
    for programs in [&mut npm, &mut pypi] {
        let registry = programs.one.registry();
        for name in programs.one.list()? {
            if !wanted.is_empty() && !wanted.contains(&name) {
                continue;
            }
            let source = match registry {
                Registry::Npm => name.clone(),
                Registry::Pypi => format!("{name}-pypi"),
            };
            let built = programs.one.describe(&name);
            match built.and_then(|module| Subject::new(registry, &name, &source, module)) {
                Ok(subject) => subjects.push(subject),
                Err(error) => wrong.push(format!("{registry}, {name}: {error}")),
            }
        }
    }
    if subjects.is_empty() {
        wrong.push("no provider has this name".to_owned());
        return Ok(wrong);
    }
    let examples = match subjects.iter().find(|subject| subject.name == "github") {
        Some(github) => {
            let module = github.module.clone();
            Some(Subject::new(Registry::Npm, "github", EXAMPLES, module)?)
        }
        None => None,
    };
    let gateway = start(subjects.iter().chain(&examples)).await?;

    let mut shown = Vec::new();
    for subject in &subjects {
        let programs = match subject.registry {
            Registry::Npm => &mut npm,
            Registry::Pypi => &mut pypi,
        };
        let outcome = check::check(&gateway, programs, subject).await;
        let package = subject.package();
        println!("{:<22} {:<48} {}", subject.source, package, outcome.summary);
        wrong.extend(outcome.wrong.iter().map(|what| format!("{}: {what}", subject.source)));
        shown.extend(outcome.shown);
    }
    if let Some(examples) = &examples {
        match examples::check(&gateway, &mut npm.one, examples).await {
            Ok(summary) => println!("{:<22} {summary}", examples.source),
            Err(error) => wrong.push(format!("{}: {error}", examples.source)),
        }
    }
    if wanted.is_empty() {
        let (proven, missing) = claims::compare(&shown);
        wrong.extend(missing);
        println!("\nproven by packages: {proven}");
    }
    Ok(wrong)
}

/// A gateway with a source for each subject, on the present time.
async fn start(subjects: impl Iterator<Item = &Subject>) -> Result<Gateway, String> {
    let ingest = format!("workers = 1\npublic_url = \"{PUBLIC_URL}\"");
    let mut builder = Gateway::builder()
        .config("workers = 1", &ingest)
        .start_at(OffsetDateTime::now_utc())
        // Some built-in providers have handlers, which nobody runs here.
        .allow_unfinished();
    let mut sources = Vec::new();
    for (number, subject) in subjects.enumerate() {
        let variable = format!("CONFORMANCE_{number}");
        sources.push(toml::Value::Table(subject.entry(&variable)));
        if let Some(secret) = subject.secret() {
            builder = builder.variable(&variable, secret);
        }
        for (url, text) in &subject.module.keys {
            let url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
            builder = builder.published_key(url, text);
        }
    }
    let sources = toml::Table::from_iter([("source".to_owned(), toml::Value::Array(sources))]);
    let text = toml::to_string(&sources).map_err(|error| error.to_string())?;
    Ok(builder.more_config(&format!("\n{text}")).start().await)
}
