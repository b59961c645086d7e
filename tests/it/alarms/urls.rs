//! URLs are checked when the configuration is loaded, by the same rules as requests: a URL that is
//! blocked only when it is needed fails at the worst time.

use crate::cli::Program;

/// A source without a URL.
const SOURCE: &str = "[[source]]\nname = \"billing\"\nprovider = \"stripe\"\n\
                      secrets = [{ env = \"BILLING_SECRET\" }]\noptions = { livemode = false }\n";

/// Every setting with a URL: its name in the error, and a configuration with it.
fn places(url: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            "destination `app`",
            format!(
                "{SOURCE}[[destination]]\nname = \"app\"\nurl = \"{url}\"\n\
                 secret = {{ env = \"APP_SECRET\" }}\n"
            ),
        ),
        ("alerts.discord", format!("[alerts]\ndiscord = {{ env = \"CHANNEL\" }}\n{SOURCE}")),
        (
            "operator.oidc",
            format!(
                "[operator.oidc]\nissuer = \"{url}\"\nclient_id = \"sealpost\"\n\
                 public_url = \"https://sealpost.example.org\"\n{SOURCE}"
            ),
        ),
        (
            "api_base",
            SOURCE.replace(
                "options = { livemode = false }",
                &format!(
                    "options = {{ livemode = false, api_base = \"{url}\" }}\n\
                     token = {{ env = \"STRIPE_KEY\" }}"
                ),
            ),
        ),
        (
            "api_url",
            format!(
                "[[source]]\nname = \"cards\"\nprovider = \"docora\"\n\
                 secrets = [{{ env = \"CARDS_SECRET\" }}]\n\
                 options = {{ app_id = \"app_0000000000000000000000aa\", api_url = \"{url}\" }}\n"
            ),
        ),
        (
            "api_url",
            format!(
                "[[source]]\nname = \"runs\"\nprovider = \"apify\"\n\
                 secrets = [{{ env = \"APIFY_SECRET\" }}]\n\
                 options = {{ purpose = \"run\", api_url = \"{url}\" }}\n"
            ),
        ),
    ]
}

fn check(config: &str, url: &str) -> crate::cli::Run {
    let mut program = Program::new(config);
    program.set("CHANNEL", url);
    program.set("STRIPE_KEY", "sk_test_0123456789abcdef");
    program.run(&["check"])
}

#[test]
fn blocked_url_is_rejected_in_every_setting() {
    for url in [
        "https://ada:s3cret-word@hooks.example.org/api/webhooks/1/s3cret-word",
        "http://hooks.example.org/api/webhooks/1/s3cret-word",
        "ftp://hooks.example.org/api/webhooks/1/s3cret-word",
        "https://hooks.example.org:8444/api/webhooks/1/s3cret-word",
        "https://127.0.0.1/api/webhooks/1/s3cret-word",
        "https://10.1.2.3/api/webhooks/1/s3cret-word",
        "https://169.254.169.254/api/webhooks/1/s3cret-word",
        "https://[::ffff:10.0.0.1]/api/webhooks/1/s3cret-word",
        "https://localhost/api/webhooks/1/s3cret-word",
        "https://printer.local/api/webhooks/1/s3cret-word",
        "https://relay/api/webhooks/1/s3cret-word",
        "not an address, and s3cret-word",
    ] {
        for (place, config) in places(url) {
            let run = check(&config, url);
            assert_eq!(run.code, 64, "{place} {url}: {}", run.all());
            assert!(run.stderr.contains(place), "{place} {url}: {}", run.stderr);
            let secret = place == "alerts.discord" && run.stderr.contains("s3cret");
            assert!(!secret, "the channel's URL is a secret: {}", run.stderr);
        }
    }
}

#[test]
fn allowed_url_is_accepted_in_every_setting() {
    let url = "https://hooks.example.org/api/";
    for (place, config) in places(url) {
        let channel = "https://discord.com/api/webhooks/1/token-0123456789";
        let run = check(&config, channel);
        assert_eq!(run.code, 0, "{place}: {}", run.all());
    }
    for host in ["discord.com.evil.example", "evil-discord.com", "xn--dscord-jua.com"] {
        let (place, config) = places(url).remove(1);
        let run = check(&config, &format!("https://{host}/api/webhooks/1/token-0123456789"));
        assert_eq!(run.code, 64, "{host}: {}", run.all());
        assert!(run.stderr.contains(place) && run.stderr.contains("Discord"), "{}", run.stderr);
    }
}

#[test]
fn check_lists_sources_warnings_and_failed_probes() {
    let example = "app_0123456789abcdef01234567";
    let config = format!(
        "[outbound]\nallow = [\"127.0.0.0/8\"]\n{SOURCE}[[source]]\nname = \"cards\"\n\
         provider = \"docora\"\nsecrets = [{{ env = \"CARDS_SECRET\" }}]\n\
         options = {{ app_id = \"{example}\" }}\n[[destination]]\nname = \"app\"\n\
         url = \"http://127.0.0.1:1/hooks\"\nsecret = {{ env = \"APP_SECRET\" }}\n"
    );
    let mut program = Program::new(&config);
    program.set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    let run = program.run(&["check"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("SOURCE   PROVIDER"), "{}", run.stdout);
    assert!(run.stdout.contains("warning: source cards: `app_id` is the placeholder"));
    assert!(run.stdout.contains("warning: no alert channel is configured"), "{}", run.stdout);
    let arguments = ["check", "--format", "json", "--database", "--destinations"];
    let run = program.run(&arguments);
    assert_eq!(run.code, 1, "{}", run.all());
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let probes = document["probes"].as_array().unwrap();
    let names: Vec<&str> = probes.iter().map(|probe| probe["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["database", "destination app"]);
    assert!(probes.iter().all(|probe| probe["ok"] == false && probe["error"].is_string()));
    assert_eq!(document["sources"][1]["name"], "cards");
    assert_eq!(document["warnings"].as_array().unwrap().len(), 2);
}
