//! Every fixture has its expected result, and every provider has the required fixtures and vectors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sealpost::fixtures::{self, Application, Played, Shows, Vector, Verdict};
use sealpost::providers::{self, CATALOGUE, Entry};

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::harness::{self, database};
use crate::migrating::blocks;

/// Default maximum of a signature time in the future.
const MAX_FUTURE: Duration = Duration::from_mins(5);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn vectors(entry: &Entry) -> Vec<Vector> {
    Vector::load(&root().join(entry.name).join("vectors.json")).expect("vectors")
}

async fn run_fixtures(folder: &Path) -> Vec<Played> {
    let fixtures = fixtures::load(&[folder.to_owned()]).expect("fixtures");
    assert!(!fixtures.is_empty(), "{} has no fixtures", folder.display());
    fixtures::run(database::fresh().await, &fixtures, |_| {}).await.expect("a gateway")
}

async fn passes(provider: &str) {
    let played = run_fixtures(&root().join(provider)).await;
    assert!(played.iter().all(Played::is_as_expected), "\n{}", fixtures::diff(&played));
    assert!(played.iter().all(|one| one.skipped.is_none() && one.provider == provider));
    let outcomes: BTreeSet<&str> = played.iter().map(Played::outcome).collect();
    for outcome in ["handled", "quarantined", "refused", "duplicate"] {
        assert!(outcomes.contains(outcome), "no fixture of {provider} is {outcome}");
    }
}

// One test per provider, so that they run concurrently.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apify_fixtures_pass() {
    passes("apify").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bot_fixtures_pass() {
    passes("bot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docora_fixtures_pass() {
    passes("docora").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_fixtures_pass() {
    passes("stripe").await;
}

/// The folders of providers that are data.
fn folders_of_data() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let has_handlers = |path: &PathBuf| CATALOGUE.iter().any(|entry| path.ends_with(entry.name));
    let mut folders: Vec<PathBuf> =
        entries.filter(|path| path.is_dir() && !has_handlers(path)).collect();
    folders.sort();
    folders
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixtures_of_providers_that_are_data_pass() {
    let folders = folders_of_data();
    let fixtures = fixtures::load(&folders).expect("fixtures");
    let gateway = database::fresh().await;
    let played = fixtures::run(gateway, &fixtures, |_| {}).await.expect("a gateway");
    assert!(played.iter().all(Played::is_as_expected), "\n{}", fixtures::diff(&played));
    assert!(played.iter().all(|one| one.skipped.is_none() && one.source == one.provider));
    let outcomes: BTreeSet<&str> = played.iter().map(Played::outcome).collect();
    assert_eq!(outcomes, BTreeSet::from(["accepted", "duplicate", "refused"]));
    for folder in folders {
        let mut own = played.iter().filter(|one| folder.ends_with(one.provider));
        let is_accepted = |one: &Played| matches!(one.outcome(), "accepted" | "duplicate");
        assert!(own.any(is_accepted), "no fixture of {} is accepted", folder.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixture_that_nobody_else_can_sign_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    for (provider, name) in [("discord", "a"), ("aws-sns", "b"), ("custom", "c")] {
        let fixture = json!({
            "name": name, "about": "A.", "provider": provider, "body": { "a": 1 },
            "expect": [{ "status": 202 }],
        });
        let path = folder.path().join(format!("{name}.json"));
        std::fs::write(path, fixture.to_string()).unwrap();
    }
    let played = run_fixtures(folder.path()).await;
    let skipped: Vec<(&str, &str)> = played
        .iter()
        .map(|one| (one.provider, one.skipped.as_deref().unwrap_or("played")))
        .collect();
    let sender_only = "only the sender can sign: it keeps the private key";
    let unknown = "its scheme is in the configuration of its source: use `fixtures send`";
    assert_eq!(skipped, [("aws-sns", sender_only), ("custom", unknown), ("discord", sender_only)]);
    assert!(played.iter().all(Played::is_as_expected), "\n{}", fixtures::diff(&played));
}

#[test]
fn fixture_of_the_documentation_is_one() {
    let [shown]: [&str; 1] =
        blocks(include_str!("../../docs/fixtures.md"), "json").try_into().unwrap();
    assert_eq!(shown, include_str!("../../fixtures/linear/issue-created.json"));
}

#[test]
fn every_provider_has_a_fixture_test() {
    let source = include_str!("fixtures.rs");
    for entry in CATALOGUE {
        let call = format!("passes(\"{}\")", entry.name);
        assert!(source.contains(&call), "no test has `{call}`");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_fixture_reports_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let stored = root().join("stripe/checkout-completed.json");
    let text = std::fs::read_to_string(stored).unwrap();
    for (name, from, to) in [
        ("wrong-answer", "\"status\": 202", "\"status\": 200"),
        ("wrong-count", "\"object_id\": \"inv_", "\"object_id\": \"other_"),
        ("wrong-outcome", "\"outcome\": \"handled\"", "\"outcome\": \"ignored\""),
        ("wrong-row", "\"amount\": 12100,", "\"amount\": 1,"),
    ] {
        assert!(text.contains(from), "{from}");
        // Each has its own event and invoice.
        let text = text
            .replace("\"checkout-completed\"", &format!("\"{name}\""))
            .replace("checkout_completed", name)
            .replace("inv_checkout", &format!("inv_{name}"))
            .replace(from, to);
        std::fs::write(folder.path().join(format!("{name}.json")), text).unwrap();
    }
    let played = run_fixtures(folder.path()).await;
    let found = played.iter().map(|one| match one.differences.as_slice() {
        [only] => (only.what.as_str(), only.expected.as_str(), only.got.as_str()),
        several => panic!("{}: {several:?}", one.fixture),
    });
    let found: Vec<_> = found.collect();
    assert_eq!((found[0].0, found[0].1), ("answer 1, status", "200"));
    assert!(found[0].2.starts_with("202 {"), "{}", found[0].2);
    let count = "stripe_objects where {\"object_id\":\"other_wrong-count\"}";
    assert_eq!(found[1], (count, "1 row", "no row"));
    assert_eq!(found[2], ("delivery to stripe, outcome", "ignored", "handled"));
    let row = "stripe_payments where {\"invoice_id\":\"inv_wrong-row\"}, row 1, amount";
    assert_eq!(found[3], (row, "1", "12100"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixtures_send_checks_responses() {
    let config = include_str!("harness/config.toml");
    let (url, shutdown) = harness::gateway_with_real_clock().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let send = |what: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.arg("--config").arg(folder.path().join("config.toml"));
        command.args(["fixtures", "send", "--to", &url]).arg(what).args(more);
        command.envs(harness::SECRETS.iter().copied());
        let output = command.output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let stripe = root().join("stripe");
    let (exit, table, error) = send(&stripe, &["--format", "json"]);
    assert_eq!(exit, Some(0), "{table}{error}");
    let rows: Vec<Value> = serde_json::from_str(&table).expect("JSON");
    assert_eq!(rows.len(), fixtures::load(std::slice::from_ref(&stripe)).unwrap().len());
    assert!(rows.iter().all(|one| one["source"] == "billing" && one["as_expected"] == true));

    let (exit, table, _) = send(&stripe, &[]);
    assert_eq!(exit, Some(1), "known events are duplicates: {table}");
    assert!(table.contains("answer 1, status\n    - 202\n    + 200"), "{table}");
    let (exit, table, _) = send(&stripe, &["--again"]);
    assert_eq!(exit, Some(0), "{table}");

    let docora = root().join("docora");
    let (exit, _, error) = send(&docora, &[]);
    assert_eq!(exit, Some(64));
    assert!(
        error.contains("several sources (`cards`, `cards-too`): choose one with --source"),
        "{error}"
    );
    let one = docora.join("create-markdown.json");
    assert_eq!(send(&one, &["--source", "cards"]).0, Some(0));
    assert_eq!(send(&one, &["--source", "billing"]).0, Some(64));

    let empty = tempfile::tempdir().unwrap();
    assert_eq!(send(empty.path(), &[]).0, Some(2));
    shutdown.soft().cancel();
}

#[test]
fn demo_plays_every_fixture_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    // The account of the server needs access.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    let output = demo.arg("demo").env("TMPDIR", folder.path()).output().expect("it starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    for fixture in fixtures::embedded().unwrap() {
        let line = format!("{} ", fixture.label());
        assert!(
            stdout.lines().any(|stdout| stdout.starts_with(&line)),
            "{line} is not in\n{stdout}"
        );
    }
    assert!(stdout.contains("; all passed\n"), "{stdout}");
    let last = stdout.lines().last().unwrap();
    let delivered: usize = last.split(' ').next().unwrap().parse().unwrap();
    assert!(delivered > 100, "{last}");
    assert!(last.ends_with("; all signatures verified there"), "{last}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn demo_application_rejects_unsigned_requests() {
    let application = Application::start(&TaskTracker::new()).unwrap();
    let client = sealpost::tls::client().no_proxy().build().unwrap();
    let url = format!("http://{}/", application.address);
    assert!(application.believes_everything());
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let signed = client.post(&url).body("{}").header("webhook-id", "1");
    let signed = signed.header("webhook-timestamp", "1763600000");
    let answer = signed.header("webhook-signature", "v1,AAAA").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(!application.believes_everything());
    assert!(application.summary().starts_with("0 events"), "{}", application.summary());
}

#[test]
fn vectors_pass() {
    for entry in CATALOGUE {
        let vectors = vectors(entry);
        assert!(!vectors.is_empty(), "{} has no vectors", entry.name);
        let mut names = BTreeSet::new();
        for vector in &vectors {
            let which = format!("{}: {}", entry.name, vector.name);
            assert!(names.insert(&vector.name), "{which} occurs twice");
            let verdict =
                vector.judge(entry, MAX_FUTURE).unwrap_or_else(|e| panic!("{which}: {e}"));
            match vector.verdict {
                Verdict::Accepted => assert_eq!(verdict, None, "{which}: {}", vector.why),
                Verdict::Refused => {
                    assert!(vector.reason.is_some(), "{which} has no reason");
                    assert_eq!(verdict, vector.reason.as_deref(), "{which}: {}", vector.why);
                }
            }
        }
    }
}

#[test]
fn every_provider_has_vectors_for_every_result() {
    for entry in CATALOGUE {
        let vectors = vectors(entry);
        let accepted = vectors.iter().any(|vector| vector.verdict == Verdict::Accepted);
        assert!(accepted, "{} has no accepted vector", entry.name);
        for kind in Shows::ALL {
            let shows = vectors.iter().find(|vector| vector.shows == Some(kind));
            let vector = shows.unwrap_or_else(|| panic!("{} has no {kind:?} vector", entry.name));
            assert_eq!(vector.verdict, Verdict::Refused, "{}: {}", entry.name, vector.name);
            assert_eq!(vector.reason.as_deref(), Some(kind.reason()), "{}", vector.name);
        }
    }
}

#[test]
fn every_provider_has_fixtures_and_a_readme_row() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    for entry in CATALOGUE {
        let folder = root().join(entry.name);
        let fixtures = fixtures::load(std::slice::from_ref(&folder)).expect("fixtures");
        assert!(!fixtures.is_empty(), "{} has no fixtures", entry.name);
        for fixture in &fixtures {
            assert_eq!(fixture.provider.name, entry.name, "{}", fixture.name);
        }
        let row = format!("| `{}` |", entry.name);
        assert!(
            readme.lines().any(|line| line.starts_with(&row)),
            "README.md has no row `{row}` in its table of providers"
        );
    }
}

#[test]
fn every_fixture_directory_belongs_to_a_provider() {
    for entry in std::fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        let known = providers::find(name).is_some() || (path.is_file() && name == "README.md");
        assert!(known, "fixtures/{name} has no provider");
    }
}

#[test]
fn embedded_fixtures_match_the_source_tree() {
    let stored = fixtures::load(&[root()]).expect("fixtures");
    let embedded = fixtures::embedded().expect("fixtures");
    let labels = |fixtures: &[fixtures::Fixture]| {
        fixtures.iter().map(fixtures::Fixture::label).collect::<Vec<_>>()
    };
    assert_eq!(labels(&stored), labels(&embedded));
    for file in fixtures::EMBEDDED.dirs().flat_map(include_dir::Dir::files) {
        let path = root().join(file.path());
        assert_eq!(std::fs::read(&path).unwrap(), file.contents(), "{}", path.display());
    }
}
