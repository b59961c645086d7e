//! Rules about the source: dependencies between modules, and what each module may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::Gateway;

/// The modules that each module may use. The modules above them are not listed.
const MODULES: &[(&str, &[&str])] = &[
    ("byte_permits", &[]),
    ("clock", &[]),
    ("near_names", &[]),
    ("lifecycle", &[]),
    ("telemetry", &["clock"]),
    ("tls", &[]),
    ("text", &[]),
    ("verify", &[]),
    ("provider_endpoint", &["verify", "store"]),
    ("objects", &["tls"]),
    ("outbound", &["tls"]),
    ("sender_client", &["verify", "outbound"]),
    ("vault", &[]),
    ("postgres", &[]),
    ("store", &["verify", "postgres", "vault"]),
    ("stored_secrets", &["verify", "store", "vault"]),
    ("alerts", &["verify", "outbound", "store"]),
    (
        "ingest",
        &["byte_permits", "verify", "lifecycle", "sender_client", "store", "stored_secrets"],
    ),
    ("dispatch", &["byte_permits", "clock", "verify", "store"]),
    (
        "admin",
        &[
            "clock",
            "near_names",
            "dispatch",
            "verify",
            "lifecycle",
            "outbound",
            "store",
            "stored_secrets",
            "vault",
        ],
    ),
    (
        "providers",
        &[
            "near_names",
            "provider_endpoint",
            "verify",
            "dispatch",
            "objects",
            "outbound",
            "sender_client",
            "store",
            "vault",
        ],
    ),
    ("config", &["near_names", "alerts", "verify", "objects", "postgres", "telemetry", "vault"]),
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
pub(crate) struct Source {
    /// Below `src`.
    pub(crate) path: String,
    pub(crate) code: String,
    lines: usize,
}

impl Source {
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the code contains this as a whole word.
    fn mentions(&self, what: &str) -> bool {
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

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

pub(crate) fn sources() -> Vec<Source> {
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
    .filter(|source| !source.path.ends_with("tests.rs") && !source.path.contains("tests/"))
    .collect()
}

/// Fails with every file where `is_wrong`.
fn assert_no_file(rule: &str, is_wrong: impl Fn(&Source) -> bool) {
    let sources = sources();
    assert!(sources.len() > 50, "too few sources");
    let wrong: Vec<&str> =
        sources.iter().filter(|source| is_wrong(source)).map(|s| s.path.as_str()).collect();
    assert!(wrong.is_empty(), "{rule}, but: {wrong:?}");
}

fn is_tables(path: &str) -> bool {
    path.starts_with("providers/") && (path.ends_with("/tables.rs") || path.contains("/tables/"))
}

#[test]
fn modules_depend_only_on_lower_modules() {
    let may: BTreeMap<&str, &[&str]> = MODULES.iter().copied().collect();
    assert_no_file("imports are spelled out: `crate::{` hides dependencies", |source| {
        source.code.contains("crate::{")
    });
    assert_no_file(
        "a module uses only itself and the modules that `MODULES` lists for it",
        |source| {
            let Some(below) = may.get(source.module()) else { return false };
            let named = source.words_after("crate::");
            named.iter().any(|name| *name != source.module() && !below.contains(name))
        },
    );
    assert_no_file("only `cli` and `main.rs` use the command line", |source| {
        !matches!(source.module(), "cli" | "main")
            && (source.words_after("crate::").contains(&"cli") || source.code.contains("post::cli"))
    });
    assert_no_file("`cli` uses `web` only through `app`", |source| {
        source.module() == "cli" && source.words_after("crate::").contains(&"web")
    });
}

#[test]
fn list_of_modules_is_complete() {
    let above = ["lib", "main", "app", "cli", "fixtures"];
    assert_no_file("every module is in `MODULES` or above them", |source| {
        let module = source.module();
        !above.contains(&module) && !MODULES.iter().any(|(name, _)| *name == module)
    });
}

#[test]
fn verification_is_pure() {
    for outside in ["actix_web", "actix_http", "sqlx", "tokio", "SystemTime", "Instant", "now_utc"]
    {
        assert_no_file(&format!("`verify` does not use {outside}"), |source| {
            source.module() == "verify" && source.mentions(outside)
        });
    }
}

#[test]
fn only_the_store_and_provider_tables_use_sql() {
    assert_no_file("only `store` and `providers/*/tables.rs` use sqlx", |source| {
        source.mentions("sqlx") && source.module() != "store" && !is_tables(&source.path)
            // The one conversion that `?` needs where writes are applied.
            && !source.code.contains("From<sqlx::Error>")
    });
}

#[test]
fn only_config_reads_the_environment() {
    assert_no_file("only `config` reads the environment", |source| {
        let allowed: &[&str] = match source.path.as_str() {
            "main.rs" => &["args_os", "consts", "split_paths"],
            _ => &["consts", "split_paths"],
        };
        source.module() != "config"
            && source.words_after("env::").iter().any(|word| !allowed.contains(word))
    });
}

#[test]
fn only_web_uses_the_web_framework() {
    assert_no_file("only `web` uses actix", |source| {
        source.module() != "web" && (source.mentions("actix_web") || source.mentions("actix_http"))
    });
}

#[test]
fn only_the_command_line_prints() {
    assert_no_file("only `cli` writes to standard output", |source| {
        let prints = ["println!", "print!"]
            .iter()
            .any(|what| source.code.contains(what) && source.mentions(what.trim_end_matches('!')));
        source.module() != "cli" && (prints || source.mentions("io::stdout"))
    });
}

#[test]
fn ingest_dispatch_and_store_name_no_provider() {
    for provider in sealpost::providers::CATALOGUE {
        assert_no_file(&format!("they do not name `{}`", provider.name), |source| {
            matches!(source.module(), "ingest" | "dispatch" | "store" | "admin" | "web")
                && source.mentions(provider.name)
        });
    }
}

#[test]
fn providers_do_not_depend_on_each_other() {
    for provider in sealpost::providers::CATALOGUE {
        assert_no_file(&format!("no other provider names `{}`", provider.name), |source| {
            let mut parts = source.path.split('/');
            let (module, own) = (parts.next(), parts.next().unwrap_or_default());
            let own = own.trim_end_matches(".rs");
            let named = |prefix| source.words_after(prefix).contains(&provider.name);
            module == Some("providers")
                && own != "mod"
                && own != provider.name
                && (named("providers::") || named("super::"))
        });
    }
}

#[test]
fn only_the_clock_reads_the_time() {
    assert_no_file("only `clock.rs` asks for the time", |source| {
        source.path != "clock.rs" && (source.mentions("SystemTime") || source.mentions("now_utc"))
    });
}

#[test]
fn tasks_are_spawned_only_on_trackers() {
    assert_no_file("tasks are spawned on a tracker", |source| {
        ["tokio::spawn", "task::spawn", "rt::spawn"].iter().any(|spawn| source.mentions(spawn))
    });
}

#[test]
fn files_have_at_most_400_lines() {
    assert_no_file("no file has more than 400 lines", |source| source.lines > 400);
}

#[tokio::test]
async fn every_table_and_column_has_a_comment() {
    let gateway = Gateway::start().await;
    let undocumented = gateway
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
    assert!(undocumented.is_empty(), "without a comment: {undocumented:?}");
    assert!(gateway.count("SELECT count(*) FROM pg_description WHERE objsubid > 0").await > 50);
}

#[test]
fn documents_name_existing_files() {
    let mut documents: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
            .iter()
            .map(|name| root().join(name))
            .collect();
    files_below(&root().join("docs"), &mut documents);
    documents.retain(|path| path.extension().is_some_and(|end| end == "md"));
    let mut missing = Vec::new();
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
            if !path_exists(&path) {
                missing.push(format!("{}: {}", document.display(), path.display()));
            }
        }
    }
    assert!(seen > 20, "too few paths");
    assert!(missing.is_empty(), "{missing:#?}");
}

fn is_path(word: &str) -> bool {
    let below = ["src/", "tests/", "docs/", "migrations/", "fixtures/", "benches/", ".ci/"];
    below.iter().any(|folder| word.starts_with(folder))
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._*-".contains(&b))
}

/// A file or folder; `src/a/b` may be `src/a/b.rs`, and `*` is any one name.
fn path_exists(path: &Path) -> bool {
    let text = path.to_str().unwrap();
    if let Some((before, after)) = text.split_once("/*") {
        let entries = std::fs::read_dir(before).into_iter().flatten().flatten();
        return entries
            .into_iter()
            .any(|entry| path_exists(Path::new(&format!("{}{after}", entry.path().display()))));
    }
    path.exists() || path.with_extension("rs").exists()
}
