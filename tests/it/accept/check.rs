//! `check` and `serve` validate secrets and the retention of deduplication keys.

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
    for expected in ["quotes", "NAME=value", "must begin with"] {
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
