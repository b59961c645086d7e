//! The pages in `docs/providers`: their configuration passes `check`, their commands exist, and the
//! sources of `custom.md` accept what is signed as they say. `adding.md` has a test of its own.

use sealpost::clock::{Clock as _, SystemClock};
use sealpost::config::File;
use sealpost::providers::data::{ProviderFile, example_secret};
use sealpost::providers::{self, Draft, Signed, SourceScheme};
use sealpost::verify::{EventMethod, Secret};
use url::Url;

use crate::cli::Program;
use crate::harness::{Answer, Gateway, MASTER_KEY};
use crate::migrating::{PUBLIC_KEYS, assert_commands_exist, blocks};

const README: &str = include_str!("../../docs/providers/README.md");
const CUSTOM: &str = include_str!("../../docs/providers/custom.md");
const ADDING: &str = include_str!("../../docs/providers/adding.md");
const PAGES: [&str; 6] = [
    README,
    CUSTOM,
    include_str!("../../docs/providers/apify.md"),
    include_str!("../../docs/providers/bot.md"),
    include_str!("../../docs/providers/docora.md"),
    include_str!("../../docs/providers/stripe.md"),
];
/// An event of every sender in `custom.md`.
const BODY: &[u8] =
    br#"{"type":"a.b","id":"1","event_id":"1","depot":"d","parcel":"p","door":"e"}"#;

/// An event of the sender that calls by GET.
const QUERY: &[u8] = b"event=a.b&order=1";

/// The variables that a text names, with values: base64, which is a text too, or a public key.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut names: Vec<&str> =
        text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    names.sort_unstable();
    names.dedup();
    let value = |number: usize, name: &str| {
        let public = PUBLIC_KEYS.iter().find(|(variable, _)| *variable == name);
        let shared = format!("MDEyMzQ1Njc4OWFiY2RlZjAx{number:04}");
        public.map_or(shared, |(_, key)| (*key).to_owned())
    };
    let numbered = names.iter().enumerate();
    numbered.map(|(number, name)| ((*name).to_owned(), value(number, name))).collect()
}

#[test]
fn configuration_on_every_page_passes_check() {
    for page in PAGES {
        let text = blocks(page, "toml").concat();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(!file.source.is_empty(), "{page}");
        let mut program = Program::new(&text);
        for (name, value) in variables(&text) {
            program.set(&name, &value);
        }
        program.set("SEALPOST_MASTER_KEY", MASTER_KEY);
        let run = program.run(&["check"]);
        assert_eq!(run.code, 0, "{text}\n{}", run.all());
    }
}

#[test]
fn every_command_on_every_page_exists() {
    for page in [README, CUSTOM, ADDING] {
        assert_commands_exist(page);
    }
}

/// The steps of `README.md`, for senders that sign in different ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn source_of_a_provider_is_made_tested_and_receiving() {
    const PROVIDERS: [&str; 5] = ["slack", "github", "shopify", "aws-sns", "supabase-auth-hook"];
    let bare = Program::new("");
    let own: String =
        PROVIDERS.iter().map(|&name| bare.run(&["providers", "new", name]).stdout + "\n").collect();
    let own = own.replace("replace-me", "arn:aws:sns:eu-west-1:123456789012:orders");
    let config = format!("{}\n{own}", include_str!("harness/config.toml"));
    let mut builder = Gateway::builder().more_config(&format!("\n{own}"));
    let secrets: Vec<(String, String)> = PROVIDERS
        .iter()
        .filter(|&&name| name != "aws-sns")
        .map(|&name| {
            let scheme = &ProviderFile::find(name).unwrap().scheme;
            let variable = format!("{}_SECRET", name.replace('-', "_").to_uppercase());
            (variable, example_secret(scheme, &format!("a-secret-of-{name}-0123")))
        })
        .collect();
    for (name, value) in &secrets {
        assert!(own.contains(&format!("env = \"{name}\"")), "{name}: {own}");
        builder = builder.variable(name, value);
    }
    // The command signs with the time of this machine.
    let gateway = builder.start_at(SystemClock.now()).start().await;
    let mut program = Program::beside_with(&gateway, &config).await;
    for (name, value) in &secrets {
        program.set(name, value);
    }
    let checked = program.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.all());
    for name in PROVIDERS {
        let warning = format!("warning: source {name}: ");
        let warnings = checked.stdout.lines().filter(|line| line.starts_with(&warning));
        let only: Vec<&str> = warnings.collect();
        let is_expected = |line: &&str| line.contains("neither a handler nor a destination");
        assert!(only.len() == 1 && only.iter().all(is_expected), "{only:?}");
    }
    for name in PROVIDERS {
        let url = gateway.url("");
        let run = program.run(&["sources", "test", name, "--to", url.trim_end_matches('/')]);
        if name == "aws-sns" {
            assert!(
                run.code == 1 && run.stderr.contains("providers show aws-sns"),
                "{}",
                run.all()
            );
        } else {
            assert!(run.code == 0 && run.stdout.starts_with("202 accepted "), "{}", run.all());
        }
    }
    gateway.flush_stats().await;
    for name in PROVIDERS {
        let state = if name == "aws-sns" { "waiting" } else { "receiving" };
        let shown = program.run(&["sources", "show", name]).stdout;
        assert!(shown.contains(&format!("state        {state}\n")), "{shown}");
    }
    let shown = program.run(&["sources", "show", "aws-sns"]).stdout;
    assert!(shown.contains("none: the sender publishes its keys"), "{shown}");
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn custom_source_accepts_what_is_signed_as_it_says() {
    let text = blocks(CUSTOM, "toml").concat();
    let variables = variables(&text);
    let keys = Url::parse("https://keys.example.com/jwks.json").unwrap();
    assert!(text.contains(keys.as_str()));
    let mut builder =
        Gateway::builder().more_config(&format!("\n{text}")).published_key(keys, "{\"keys\":[]}");
    for (name, value) in &variables {
        builder = builder.variable(name, value);
    }
    let gateway = builder.start().await;

    let file: File = toml::from_str(&text).unwrap();
    let mut signed = Vec::new();
    for source in &file.source {
        // Only the sender can sign where keys are published.
        let Some(reference) = source.secrets.first() else { continue };
        let mut known = variables.iter();
        let (_, value) = known.find(|(name, _)| Some(name) == reference.env.as_ref()).unwrap();
        let scheme = SourceScheme {
            provider: source.provider.clone(),
            definition: source.scheme.clone(),
            public_url: None,
        };
        let draft = Draft {
            options: &source.options,
            secret: &Secret::new(value.as_str()).unwrap(),
            token: None,
            at: gateway.clock_seconds(),
            headers: &[],
            body: if source.name == "callbacks" { QUERY } else { BODY },
        };
        let entry = providers::find(&source.provider).unwrap();
        let request = entry.sign_request(&draft, &scheme).unwrap();
        let path = request.path(&format!("/hooks/{}", source.name));
        let answer = send(&gateway, &path, &request).await;
        assert!(matches!(answer.status, 200 | 202), "{}: {}", source.name, answer.text);
        let changed = match request.method {
            EventMethod::Post => {
                let body = [&request.body[..], b" "].concat().into();
                send(&gateway, &path, &Signed { body, ..request }).await
            }
            EventMethod::Get => send(&gateway, &format!("{path}&more=1"), &request).await,
        };
        let is_token = source.name == "doors";
        assert_eq!(changed.status == 401, !is_token, "{}: {}", source.name, changed.text);
        signed.push(source.name.as_str());
    }
    assert_eq!(signed, ["parcels", "doors", "forms", "orders", "callbacks", "readings"]);
    let strengths = "SELECT count(*) FROM events WHERE strength = 'signed' AND source <> 'doors'";
    assert_eq!(gateway.count(strengths).await, 5);
}

async fn send(gateway: &Gateway, path: &str, request: &Signed) -> Answer {
    if request.method == EventMethod::Post {
        return gateway.post(path, &request.headers, &request.body).await;
    }
    let mut call = gateway.client().get(gateway.url(path));
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    Answer::of(call.send().await.unwrap()).await
}
