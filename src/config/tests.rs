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
