//! The queries and the configuration in `docs/migrating/tracking-bot.md` work.

use serde_json::{Value, json};

use super::stub::{ALLOW, Stub};
use super::{GUILD, send_webhook, start};
use crate::harness::Gateway;

const PAGE: &str = include_str!("../../../docs/migrating/tracking-bot.md");

/// The code blocks in a language.
fn blocks(language: &str) -> Vec<&str> {
    let fence = format!("```{language}\n");
    let starts = PAGE.split(&fence).skip(1);
    starts.map(|rest| rest.split("```").next().unwrap().trim().trim_end_matches(';')).collect()
}

#[tokio::test]
async fn documented_queries_return_rows() {
    let post = json!([{
        "id": "7312345678901234567", "playCount": 4500, "diggCount": 120, "commentCount": 0,
        "webVideoUrl": "https://www.tiktok.com/@ada/video/7312345678901234567",
    }]);
    let profile = json!([{ "username": "ada", "biography": "SP-7K2M9QXA" }]);
    let stub = Stub::start(move |target, _| {
        let items = if target.contains("/profiles/") { &profile } else { &post };
        (200, String::new(), items.to_string())
    })
    .await;
    let fetching = |purpose: &str| {
        format!(
            "token = {{ env = \"BOT_TOKEN\" }}\noptions = {{ purpose = \"{purpose}\", api_url = \"{}\" }}",
            stub.url
        )
    };
    let gateway = Gateway::builder()
        .config(r#"options = { purpose = "run" }"#, &fetching("run"))
        .config(r#"options = { purpose = "verify" }"#, &fetching("verify"))
        .more_config(ALLOW)
        .start()
        .await;

    let run = json!({ "source": "apify-runs", "guild_id": GUILD, "platform": "tiktok", "posts": ["post-1"] });
    let verification = json!({
        "source": "apify-verify", "guild_id": GUILD, "platform": "instagram", "handle": "ada",
        "code": "SP-7K2M9QXA",
    });
    for (number, (request, dataset)) in
        [(run, "posts"), (verification, "profiles")].iter().enumerate()
    {
        let started = start(&gateway, request).await;
        let id = format!("run{number}");
        let webhook = json!({
            "eventType": "ACTOR.RUN.SUCCEEDED", "eventData": { "actorRunId": id },
            "resource": { "id": id, "defaultDatasetId": dataset },
        });
        assert_eq!(
            send_webhook(&gateway, &started, webhook.to_string().as_bytes()).await.status,
            202
        );
    }
    for body in [
        json!({ "event": "command.used", "command": "stats" }),
        json!({ "event": "bot.heartbeat", "status": "online", "shardCount": 1 }),
    ] {
        let body = body.to_string();
        let guild = [("x-guild-id".to_owned(), GUILD.to_owned())];
        let headers = gateway.sign("bot", body.as_bytes(), &guild);
        let answer = gateway.post("/api/callbacks", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    gateway.run_until_idle().await;

    let queries = blocks("sql");
    assert_eq!(queries.len(), 7);
    let mut answers = Vec::new();
    for query in queries {
        let rows = gateway.query(query).await;
        assert!(!rows.is_empty(), "no rows: {query}");
        answers.push(rows[0].clone());
    }
    assert_eq!((&answers[0]["views"], &answers[0]["shares"]), (&json!(4500), &Value::Null));
    assert_eq!(answers[1]["status"], "collected");
    assert!(answers[2]["items"] == 1 && answers[2]["late"] == false);
    assert_eq!(answers[3]["runs_left"], 99);
    assert_eq!(
        (&answers[4]["handle"], &answers[4]["result"]),
        (&json!("ada"), &json!("confirmed"))
    );
    assert_eq!(answers[5]["service"], "api");
    assert_eq!(
        (&answers[6]["status"], &answers[6]["missing_since"]),
        (&json!("online"), &Value::Null)
    );
}

#[test]
fn documented_configuration_is_valid() {
    let [toml] = blocks("toml")[..] else { panic!("one block") };
    let table: toml::Table = toml.parse().unwrap();
    let sources = table["source"].as_array().unwrap();
    let file: sealpost::config::File = toml::from_str(toml).unwrap();
    assert_eq!((sources.len(), file.source.len()), (3, 3));
    for source in &file.source {
        let entry = sealpost::providers::find(&source.provider).unwrap();
        let built = (entry.build)(&sealpost::providers::SourceSpec {
            name: source.name.clone(),
            tenant: "default".into(),
            scheme: sealpost::providers::SourceScheme::default(),
            options: source.options.clone(),
            token: None,
            transfer_limits: sealpost::verify::TransferLimits { chunks: 1, bytes: 1 },
            services: sealpost::providers::Services::bare().unwrap(),
        });
        assert!(built.is_ok(), "{}", source.name);
    }
}
