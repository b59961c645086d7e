//! The walls: read from the source, so that breaking one fails here and not in a review.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::Gateway;

/// What each room may name of ours, besides itself. What stands above them is not listed.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("lifecycle", &[]),
    ("telemetry", &["clock"]),
    ("tls", &[]),
    ("text", &[]),
    ("verify", &[]),
    ("provider_endpoint", &["verify", "store"]),
    ("objects", &["tls"]),
    ("outbound", &["tls"]),
    ("vault", &[]),
    ("postgres", &[]),
    ("store", &["verify", "postgres", "vault"]),
    ("alerts", &["verify", "outbound", "store"]),
    ("ingest", &["verify", "lifecycle", "store"]),
    ("dispatch", &["clock", "verify", "store"]),
    ("admin", &["clock", "dispatch", "verify", "lifecycle", "outbound", "store", "vault"]),
    (
        "providers",
        &["provider_endpoint", "verify", "dispatch", "objects", "outbound", "store", "vault"],
    ),
    ("config", &["alerts", "verify", "objects", "postgres", "telemetry", "vault"]),
    (
        "web",
        &[
            "provider_endpoint",
            "clock",
            "verify",
            "ingest",
            "lifecycle",
            "admin",
            "store",
            "telemetry",
            "text",
        ],
    ),
    ("destinations", &["dispatch", "verify", "outbound", "providers", "store"]),
];

/// A file of `src`, without comments and tests.
struct Source {
    /// Below `src`.
    path: String,
    code: String,
    lines: usize,
}

impl Source {
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the code holds this, at the boundary of a word on either side.
    fn names(&self, what: &str) -> bool {
        self.code.match_indices(what).any(|(at, _)| {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let before = self.code[..at].chars().next_back().is_some_and(is_word);
            let after = self.code[at + what.len()..].chars().next().is_some_and(is_word);
            !before && !after
        })
    }

    /// The words that follow `prefix` in the code.
    fn words_after(&self, prefix: &str) -> Vec<&str> {
        let places = self.code.match_indices(prefix);
        let rest = places.map(|(at, _)| &self.code[at + prefix.len()..]);
        rest.map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        })
        .collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    files_below(&root().join("src"), &mut found);
    found.sort();
    let rust = found.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: Vec<&str> =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        Source {
            path: path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned(),
            code: code.join("\n"),
            lines: text.lines().count(),
        }
    })
    .filter(|source| !source.path.ends_with("tests.rs"))
    .collect()
}

/// Fails with every place where `is_wrong`.
fn nowhere(rule: &str, is_wrong: impl Fn(&Source) -> bool) {
    let sources = sources();
    assert!(sources.len() > 50, "the sources are read");
    let wrong: Vec<&str> =
        sources.iter().filter(|source| is_wrong(source)).map(|s| s.path.as_str()).collect();
    assert!(wrong.is_empty(), "{rule}, but: {wrong:?}");
}

fn is_tables(path: &str) -> bool {
    path.starts_with("providers/") && (path.ends_with("/tables.rs") || path.contains("/tables/"))
}

#[test]
fn every_room_names_only_what_lies_below_it() {
    let may: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    nowhere("each import is spelt out: `crate::{` hides what is named", |source| {
        source.code.contains("crate::{")
    });
    nowhere("a room names only itself and the rooms that `ROOMS` lists for it", |source| {
        let Some(below) = may.get(source.room()) else { return false };
        let named = source.words_after("crate::");
        named.iter().any(|name| *name != source.room() && !below.contains(name))
    });
    nowhere("nothing but `cli` and `main.rs` names the command line", |source| {
        !matches!(source.room(), "cli" | "main")
            && (source.words_after("crate::").contains(&"cli") || source.code.contains("post::cli"))
    });
    nowhere("`cli` does not reach behind `app` to `web`", |source| {
        source.room() == "cli" && source.words_after("crate::").contains(&"web")
    });
}

#[test]
fn the_list_of_rooms_is_the_list_of_modules() {
    let above = ["lib", "main", "app", "cli", "fixtures"];
    nowhere("every module is in `ROOMS` or above them", |source| {
        let room = source.room();
        !above.contains(&room) && !ROOMS.iter().any(|(name, _)| *name == room)
    });
}

#[test]
fn verification_is_pure() {
    for outside in ["actix_web", "actix_http", "sqlx", "tokio", "SystemTime", "Instant", "now_utc"]
    {
        nowhere(&format!("`verify` does not name {outside}"), |source| {
            source.room() == "verify" && source.names(outside)
        });
    }
}

#[test]
fn sql_stands_in_the_store_and_in_the_providers_tables() {
    nowhere("only `store` and `providers/*/tables.rs` name sqlx", |source| {
        source.names("sqlx") && source.room() != "store" && !is_tables(&source.path)
            // The one conversion that `?` needs where writes are applied.
            && !source.code.contains("From<sqlx::Error>")
    });
}

#[test]
fn the_environment_is_read_by_config() {
    nowhere("only `config` reads the environment", |source| {
        let allowed: &[&str] = match source.path.as_str() {
            "main.rs" => &["args_os", "consts", "split_paths"],
            _ => &["consts", "split_paths"],
        };
        source.room() != "config"
            && source.words_after("env::").iter().any(|word| !allowed.contains(word))
    });
}

#[test]
fn only_web_knows_the_web_framework() {
    nowhere("only `web` names actix", |source| {
        source.room() != "web" && (source.names("actix_web") || source.names("actix_http"))
    });
}

#[test]
fn only_the_command_line_prints() {
    nowhere("only `cli` writes to standard output", |source| {
        let prints = ["println!", "print!"]
            .iter()
            .any(|what| source.code.contains(what) && source.names(what.trim_end_matches('!')));
        source.room() != "cli" && (prints || source.names("io::stdout"))
    });
}

#[test]
fn intake_dispatch_and_store_know_no_provider() {
    for provider in sealpost::providers::CATALOGUE {
        nowhere(&format!("they do not name `{}`", provider.name), |source| {
            matches!(source.room(), "ingest" | "dispatch" | "store" | "admin" | "web")
                && source.names(provider.name)
        });
    }
}

#[test]
fn providers_do_not_know_each_other() {
    for provider in sealpost::providers::CATALOGUE {
        nowhere(&format!("no other provider names `{}`", provider.name), |source| {
            let mut parts = source.path.split('/');
            let (room, own) = (parts.next(), parts.next().unwrap_or_default());
            let own = own.trim_end_matches(".rs");
            let named = |prefix| source.words_after(prefix).contains(&provider.name);
            room == Some("providers")
                && own != "mod"
                && own != provider.name
                && (named("providers::") || named("super::"))
        });
    }
}

#[test]
fn time_is_read_by_the_clock() {
    nowhere("only `clock.rs` asks for the time", |source| {
        source.path != "clock.rs" && (source.names("SystemTime") || source.names("now_utc"))
    });
}

#[test]
fn no_task_is_spawned_where_nobody_waits_for_it() {
    nowhere("tasks are spawned on a tracker", |source| {
        ["tokio::spawn", "task::spawn", "rt::spawn"].iter().any(|spawn| source.names(spawn))
    });
}

#[test]
fn files_stay_readable() {
    nowhere("no file has more than 400 lines", |source| source.lines > 400);
}

#[tokio::test]
async fn every_table_and_column_says_what_it_is() {
    let gateway = Gateway::start().await;
    let silent = gateway
        .query(
            "SELECT c.relname || COALESCE('.' || a.attname, '') AS name
               FROM pg_class c
               LEFT JOIN LATERAL (
                    SELECT attname, attnum FROM pg_attribute
                     WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                     UNION ALL SELECT NULL, 0) a ON true
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                AND c.relname <> '_sqlx_migrations'
                AND CASE WHEN a.attnum = 0 THEN obj_description(c.oid, 'pg_class')
                         ELSE col_description(c.oid, a.attnum) END IS NULL",
        )
        .await;
    assert!(silent.is_empty(), "without a comment: {silent:?}");
    assert!(gateway.count("SELECT count(*) FROM pg_description WHERE objsubid > 0").await > 50);
}

#[test]
fn documents_name_files_that_are_there() {
    let mut documents: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
            .iter()
            .map(|name| root().join(name))
            .collect();
    files_below(&root().join("docs"), &mut documents);
    documents.retain(|path| path.extension().is_some_and(|end| end == "md"));
    let mut absent = Vec::new();
    let mut seen = 0;
    for document in documents {
        let text = std::fs::read_to_string(&document)
            .unwrap_or_else(|error| panic!("{}: {error}", document.display()));
        let folder = document.parent().unwrap();
        let quoted = text.split('`').skip(1).step_by(2).filter(|word| is_path(word));
        let linked = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
            .filter(|link| !link.is_empty() && !link.contains(':'));
        let quoted = quoted.map(|word| root().join(word));
        for path in quoted.chain(linked.map(|link| folder.join(link))) {
            seen += 1;
            if !is_there(&path) {
                absent.push(format!("{}: {}", document.display(), path.display()));
            }
        }
    }
    assert!(seen > 20, "the documents are read");
    assert!(absent.is_empty(), "{absent:#?}");
}

fn is_path(word: &str) -> bool {
    let below = ["src/", "tests/", "docs/", "migrations/", "fixtures/", "benches/", ".ci/"];
    below.iter().any(|folder| word.starts_with(folder))
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._*-".contains(&b))
}

/// A file or folder; `src/a/b` may be `src/a/b.rs`, and `*` is any one name.
fn is_there(path: &Path) -> bool {
    let text = path.to_str().unwrap();
    if let Some((before, after)) = text.split_once("/*") {
        let entries = std::fs::read_dir(before).into_iter().flatten().flatten();
        return entries
            .into_iter()
            .any(|entry| is_there(Path::new(&format!("{}{after}", entry.path().display()))));
    }
    path.exists() || path.with_extension("rs").exists()
}
