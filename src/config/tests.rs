use super::*;

fn resolve(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment: Environment = variables.iter().copied().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path, &environment)
}

#[test]
fn every_invalid_value_is_listed() {
    let text = r#"
        [dispatch]
        lease = "10s"
        [operator]
        listen = "0.0.0.0:8081"
        [[source]]
        name = "Billing"
        provider = "stripe"
        secrets = [{ env = "WEAK" }, { env = "ABSENT" }]
        aliases = ["hooks", "/hooks/x"]
    "#;
    let error = resolve(text, &[("WEAK", "short")]).unwrap_err().to_string();
    for part in [
        "invalid name",
        "`WEAK` is shorter than 16 bytes",
        "`ABSENT` is not set",
        "alias `hooks`",
        "alias `/hooks/x`",
        "dispatch.lease",
        "operator.listen",
    ] {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
}

#[test]
fn unknown_key_is_an_error_with_its_line() {
    let error = resolve("[ingest]\nlisten_on = \"x\"\n", &[]).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("listen_on"), "{error}");
}

#[test]
fn secrets_must_be_references() {
    for secrets in ["[\"literal\"]", "[{ value = \"literal\" }]", "[]", "[{}]"] {
        let text =
            format!("[[source]]\nname = \"a\"\nprovider = \"stripe\"\nsecrets = {secrets}\n");
        assert!(resolve(&text, &[]).is_err(), "{secrets} was accepted");
    }
}

#[test]
fn variable_overrides_the_file() {
    let config = resolve(
        "[ingest]\nlisten = \"127.0.0.1:1\"\n",
        &[("SEALPOST_INGEST__LISTEN", "127.0.0.1:2"), ("SEALPOST_DISPATCH__CONCURRENCY", "3")],
    )
    .unwrap();
    assert_eq!(config.file.ingest.listen.port(), 2);
    assert_eq!(config.file.dispatch.concurrency, 3);
}

#[test]
fn commands_without_sources_need_no_secrets() {
    let text = "[alerts]\ndiscord = { env = \"ABSENT\" }\n[[source]]\nname = \"a\"\n\
                provider = \"stripe\"\nsecrets = [{ env = \"ABSENT\" }]\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let error = Config::load(&path, &Environment::default()).unwrap_err().to_string();
    assert_eq!(error.matches("`ABSENT` is not set").count(), 2, "{error}");
    Config::load_without_sources(&path, &Environment::default()).unwrap();
}

#[test]
fn retention_is_bounded_and_a_source_can_have_its_own() {
    let source = "[[source]]\nname = \"a\"\nprovider = \"stripe\"\nsecrets = [{ env = \"A\" }]\n";
    let secret = [("A", "whsec_0123456789abcdef0123456789abcdef")];
    let config = format!("[retention]\ndone = \"59m\"\n{source}retention = {{ dead = \"11y\" }}");
    let error = resolve(&config, &secret).unwrap_err().to_string();
    for part in
        ["retention.done must be at least 1h", "source `a`: retention.dead must not be longer than"]
    {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
    let config = format!("[retention]\ndead = \"80d\"\n{source}retention = {{ done = \"2d\" }}");
    let file = resolve(&config, &secret).unwrap().file;
    let retention = file.retention.with(file.source[0].retention);
    let days =
        [retention.done, retention.dead, retention.quarantined].map(|age| age.as_secs() / 86_400);
    assert_eq!(days, [2, 80, 90]);
}

#[test]
fn disk_limits_are_percentages_and_the_alarm_is_first() {
    for (warn, stop, is_valid) in [
        ("15", "5", true),
        ("0", "0", true),
        ("100.0", "99.9", true),
        ("5", "15", false),
        ("101", "5", false),
        ("15", "-1", false),
        ("nan", "5", false),
    ] {
        let text = format!("[database]\ndisk_warn_percent = {warn}\ndisk_stop_percent = {stop}\n");
        let wrong = resolve(&text, &[]).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(wrong.contains("disk_stop_percent"), !is_valid, "{warn} {stop}: {wrong}");
    }
}
