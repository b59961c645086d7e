//! The example configuration is complete and correct.

use sealpost::app;
use sealpost::config::{Config, Environment, File};
use sealpost::providers;

const EXAMPLE: &str = include_str!("../../config.toml");

fn parse(text: &str) -> File {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The example with its commented-out settings enabled.
fn with_examples() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if is_setting(rest) || rest.starts_with("[[") => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_setting(text: &str) -> bool {
    let key = text.split('=').next().unwrap_or_default().trim_end();
    text.contains('=')
        && !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The names of the fields in a value's debug text.
fn fields(debug: &str) -> impl Iterator<Item = &str> {
    debug.lines().filter_map(|line| {
        let (name, _) = line.trim_start().split_once(": ")?;
        name.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            .then_some(name)
    })
}

/// An environment that sets every variable in a text.
fn environment(text: &str) -> Environment {
    let names = text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let value = |name: &str| match name {
        "DISCORD_WEBHOOK_URL" => "https://discord.com/api/webhooks/1234567890/a-token",
        _ if name.ends_with("_URL") => "https://example.test/0123456789",
        _ => "0123456789abcdef0123",
    };
    let key = ("SEALPOST_MASTER_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    names.map(|name| (name, value(name))).chain([key]).collect()
}

#[test]
fn example_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");
    let config = Config::load(path.as_ref(), &environment(EXAMPLE)).expect("the example");
    let checked = app::check(&config);
    assert!(checked.errors.is_empty(), "{:?}", checked.errors);
}

#[test]
fn example_has_a_valid_source_of_every_provider() {
    let text = with_examples();
    let config = Config::resolve(parse(&text), &environment(&text)).expect("the examples");
    let checked = app::check(&config);
    assert!(checked.errors.is_empty(), "{:?}", checked.errors);
    let shown: Vec<&str> =
        config.sources.iter().map(|source| source.entry.provider.as_str()).collect();
    for provider in providers::CATALOGUE {
        assert!(shown.contains(&provider.name), "no source shows `{}`", provider.name);
    }
}

#[test]
fn example_values_are_the_defaults() {
    let mut file = parse(EXAMPLE);
    file.source.clear();
    assert_eq!(format!("{file:#?}"), format!("{:#?}", File::default()));
    for source in parse(&with_examples()).source {
        let entry = providers::find(&source.provider).expect("a provider");
        let max_body = source.max_body.map_or(entry.max_body as u64, |size| size.as_u64());
        assert_eq!(max_body, entry.max_body as u64, "{}", source.name);
        assert_eq!(source.max_age.unwrap_or(entry.max_age), entry.max_age, "{}", source.name);
        let bare = format!(
            "[[source]]\nname = \"x\"\nprovider = \"{}\"\nsecrets = [{{ env = \"X\" }}]",
            source.provider
        );
        let bare = parse(&bare).source.remove(0);
        if let Some(limit) = source.limit {
            let shown = (limit.per_second, limit.burst);
            assert_eq!(shown, (entry.pace.per_second, entry.pace.burst), "{}", source.name);
        }
        assert_eq!(source.dead_head, bare.dead_head, "{}", source.name);
    }
    for destination in parse(&with_examples()).destination {
        let bare = "[[destination]]\nname = \"x\"\nurl = \"x\"\nsecret = { env = \"X\" }";
        let bare = parse(bare).destination.remove(0);
        assert_eq!(destination.timeout, bare.timeout, "{}", destination.name);
        assert_eq!(destination.concurrency, bare.concurrency, "{}", destination.name);
    }
}

#[test]
fn example_lists_every_setting() {
    let file = parse(&with_examples());
    let text = format!("{file:#?}");
    let known: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| is_setting(line))
        .filter_map(|line| line.split('=').next())
        .map(str::trim_end)
        .collect();
    let inside = [
        "alerts",
        "ingest",
        "operator",
        "database",
        "postgres",
        "managed",
        "dispatch",
        "rejected_requests",
        "transfers",
        "outbound",
        "keys",
        "log",
        "objects",
        "source",
        "destination",
    ];
    for field in fields(&text).filter(|field| !inside.contains(field)) {
        let is_listed = known.contains(&field)
            || EXAMPLE.contains(&format!("{{ {field} = "))
            || EXAMPLE.contains(&format!(", {field} = "));
        assert!(is_listed, "config.toml does not show `{field}`");
    }
}
