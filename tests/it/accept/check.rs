//! `check` and `serve` validate secrets and the retention of deduplication keys.

use serde_json::Value;

use crate::cli::Program;

/// One source with a secret in a file.
fn source(name: &str, more: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nsecrets = [{{ file = \"secret-{name}\" }}]\n{more}\n")
}

const STRIPE: &str = "provider = \"stripe\"\noptions = { livemode = false }";
const SECRET: &str = "whsec_0123456789abcdef0123";

#[test]
fn check_warns_of_malformed_secrets() {
    for (written, expected) in [
        (format!("\"{SECRET}\""), "quotes"),
        (format!("'{SECRET}'\n"), "quotes"),
        (format!("STRIPE_SECRET={SECRET}\n"), "NAME=value"),
        (format!("export STRIPE_SECRET={SECRET}"), "NAME=value"),
        ("0123456789abcdef0123".to_owned(), "whsec_"),
        ("sk_test_0123456789abcdef0123".to_owned(), "whsec_"),
    ] {
        let program = Program::new(&source("billing", STRIPE));
        program.file("secret-billing", &written);
        let run = program.run(&["check"]);
        assert_eq!(run.code, 0, "{}", run.all());
        assert!(run.stdout.contains("warning") && run.stdout.contains(expected), "{}", run.all());
        assert!(!run.all().contains("0123456789abcdef"), "{}", run.all());
    }
    let program = Program::new(&source("billing", STRIPE));
    program.file("secret-billing", &format!("{SECRET}\n"));
    let run = program.run(&["check"]);
    assert_eq!(run.code, 0, "{}", run.all());
    for expected in ["quotes", "NAME=value", "does not begin with"] {
        assert!(!run.stdout.contains(expected), "{}", run.all());
    }
}

#[test]
fn byte_order_mark_in_a_secret_is_rejected() {
    let program = Program::new(&source("billing", STRIPE));
    program.file("secret-billing", &format!("\u{feff}{SECRET}\n"));
    let run = program.run(&["check"]);
    assert_eq!(run.code, 64, "{}", run.all());
    assert!(run.stderr.contains("byte order mark"), "{}", run.all());
}

#[test]
fn shared_secret_is_an_error_across_tenants_and_a_warning_within_one() {
    let two = |tenant: &str| {
        let more = format!("tenant = \"{tenant}\"\n{STRIPE}");
        let program = Program::new(&(source("one", STRIPE) + &source("two", &more)));
        program.file("secret-one", SECRET);
        program.file("secret-two", &format!("{SECRET}\n"));
        program.run(&["check"])
    };
    let run = two("other");
    assert_eq!(run.code, 64, "{}", run.all());
    assert!(run.stderr.contains("`one`") && run.stderr.contains("`two`"), "{}", run.all());
    let run = two("default");
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(run.stdout.contains("is also the secret of `two`"), "{}", run.all());
}

#[test]
fn check_reports_every_error_at_once() {
    let config = "[ingest]\nlisten_on = \"x\"\n[log]\nfilter = \"a=b=c\"\n\
                  [dispatch]\nconcurrency = 0\n[objects]\ndir = \"config.toml/objects\"\n\
                  [operator]\nstream_clients = \"many\"\n\
                  [[source]]\nname = \"A\"\nprovider = \"stripe\"\nsecrets = [{ env = \"NONE\" }]\n\
                  [[source]]\nname = \"code\"\nprovider = \"gihtub\"\nsecrets = [{ file = \"secret\" }]\n\
                  [[source]]\nname = \"pay\"\nprovider = \"stripe\"\nsecrets = [{ file = \"secret\" }]\n\
                  [[source]]\nname = \"mail\"\nprovider = \"sendgrid\"\nsecrets = [{ file = \"secret\" }]\n\
                  [[destination]]\nname = \"app\"\nurl = \"nowhere\"\nsources = [\"cod\"]\n\
                  secret = { file = \"secret\" }\n";
    let mut program = Program::new(config);
    program.file("secret", SECRET);
    program.set("DATABASE_URL", "mysql://u@127.0.0.1/x");
    let expected = [
        "unknown field `listen_on`",
        "stream_clients = \"many\"",
        "dispatch.concurrency must be at least 1",
        "source `A`: invalid name",
        "source `A`: secret in variable `NONE` is not set",
        "source `code`: unknown provider `gihtub` (similar: github",
        "source `pay`: options: ",
        "source `mail`: secrets ",
        "destination `app`: unknown source `cod` (similar: code)",
        "destination `app`: invalid URL",
        "log.filter",
        "DATABASE_URL: invalid database URL",
        "objects.dir",
    ];
    let run = program.run(&["check"]);
    assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{}", run.all());
    let is_of_the_file = |line: &&str| line.starts_with("error: config.toml: ");
    let errors = run.stderr.lines().filter(is_of_the_file).count();
    assert_eq!(errors, expected.len(), "{}", run.stderr);
    for part in expected {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let run = program.run(&["check", "--format", "json"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["errors"].as_array().unwrap().len(), errors, "{document}");
}

#[test]
fn check_warns_of_placeholders_and_of_sources_without_a_receiver() {
    let own = "[[source]]\nname = \"calls\"\nprovider = \"twilio\"\nsecrets = [{ file = \"secret\" }]\n\
               options = { url = \"https://hooks.example.com/hooks/calls\" }\n";
    let app = "[[destination]]\nname = \"app\"\nurl = \"https://app.acme.io/\"\nsources = [\"calls\"]\n\
               secret = { file = \"app\" }\n";
    let check = |config: &str, secret: &str| {
        let program = Program::new(config);
        program.file("secret", secret);
        program.file("app", "a-changeme-secret-0123456789");
        program.run(&["check"])
    };
    let run = check(own, "changeme-0123456789");
    assert_eq!(run.code, 64, "{}", run.all());
    assert!(run.stderr.contains("is a placeholder"), "{}", run.all());
    let run = check(own, "my-replace-me-secret");
    assert_eq!(run.code, 0, "{}", run.all());
    for warning in [
        "source calls: it has neither a handler nor a destination",
        "is a placeholder: use the one of the sender",
        "options.url = \"https://hooks.example.com/hooks/calls\" is the value of an example",
    ] {
        assert!(run.stdout.contains(warning), "{warning}: {}", run.all());
    }
    let run = check(&format!("{own}{app}"), "0123456789abcdef0123456789");
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(!run.stdout.contains("neither a handler"), "{}", run.all());
    assert!(run.stdout.contains("destination `app`: secret "), "{}", run.all());
}

#[test]
fn key_retention_must_cover_the_replay_window() {
    const WEEK: &str = "provider = \"apify\"\noptions = { purpose = \"run\", token_ttl = 604800, dispatch_ttl = 604800 }";
    const TOKEN: &str = "provider = \"apify\"\noptions = { purpose = \"run\", mode = \"token\" }";
    for (retention, more, code) in [
        ("30d", STRIPE, 0),
        ("24h", STRIPE, 0),
        ("61m", STRIPE, 64),
        ("9000y", STRIPE, 64),
        ("30d", WEEK, 0),
        ("6d", WEEK, 64),
        ("30d", TOKEN, 0),
        ("29d", TOKEN, 64),
        ("30d", "provider = \"stripe\"\nmax_age = \"29d\"\noptions = { livemode = false }", 64),
        ("30d", "provider = \"stripe\"\nmax_future = \"2h\"\noptions = { livemode = false }", 64),
        (
            "30d",
            "provider = \"apify\"\noptions = { purpose = \"run\", token_ttl = 9999999, dispatch_ttl = 9999999 }",
            64,
        ),
    ] {
        let text = format!("[keys]\nretention = \"{retention}\"\n{}", source("a", more));
        let program = Program::new(&text);
        program.file("secret-a", SECRET);
        let run = program.run(&["check"]);
        assert_eq!(run.code, code, "{retention} {more}: {}", run.all());
    }
}
