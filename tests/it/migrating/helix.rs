//! The page for Helix: a schema for Sealpost in the database of Helix, registered repositories,
//! Docora events at the old path, and statements that fill the tables of Helix.

use sealpost::admin::Scope;
use sealpost::clock::{Clock, SystemClock};
use sealpost::store::Target;
use serde_json::{Value, json};

use super::{HELIX, LOOPBACK, blocks, configuration, payload, send, sha, text_file};
use crate::cli::Program;
use crate::harness::web::{Reply, Web};
use crate::harness::{Gateway, database, sql};
use crate::receive::unique;

const CARDS: &str = "repo_000000000000000000000001";
const PRIVATE: &str = "repo_000000000000000000000002";
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PATH: &str = "/functions/v1/docora-webhook";

/// The tables of Helix that the statements use.
const TABLES: &str = "
    CREATE TABLE lumio_repositories (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL,
        docora_repository_id text UNIQUE, sync_status text NOT NULL DEFAULT 'pending',
        sync_error_message text, sync_failed_at timestamptz, last_sync_at timestamptz,
        cards_count integer NOT NULL DEFAULT 0
    );
    CREATE TABLE lumio_cards (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        repository_id uuid NOT NULL REFERENCES lumio_repositories, user_id uuid NOT NULL,
        file_path text NOT NULL, title text, content text NOT NULL, raw_content text NOT NULL,
        content_hash text, frontmatter jsonb, source_available boolean NOT NULL DEFAULT true
    );
    CREATE UNIQUE INDEX ON lumio_cards (repository_id, file_path);
";

/// The database of Helix, as the role of Sealpost and as the owner of the tables.
struct Helix {
    sealpost_url: String,
    sealpost: Target,
    owner: Target,
}

impl Helix {
    async fn start() -> Self {
        let database = database::empty().await;
        let number = unique();
        let [role, owner] = ["sealpost", "owner"].map(|name| format!("{name}_of_helix_{number}"));
        // The names of the page, except that the test server already has such a role.
        let create = blocks(HELIX, "sql")[0]
            .replace("ROLE sealpost", &format!("ROLE {role}"))
            .replace("AUTHORIZATION sealpost", &format!("AUTHORIZATION {role}"));
        assert_eq!(create.matches(&role).count(), 2, "{create}");
        let owns = format!("CREATE ROLE {owner} LOGIN; GRANT CREATE ON SCHEMA public TO {owner};");
        sql::script(&database, &format!("{create}{owns}")).await;

        let url = database::url(&database).await;
        let url_of = |name: &str| url.replace("//sealpost@", &format!("//{name}@"));
        let search_path = HELIX.split("/postgres?").nth(1).unwrap().split('\'').next().unwrap();
        let sealpost_url = format!("{}&{search_path}", url_of(&role));
        let sealpost = Target::from_url(&sealpost_url).unwrap();
        let owner_target = Target::from_url(&url_of(&owner)).unwrap();
        let helix = Self { sealpost_url, sealpost, owner: owner_target };

        sql::script(&helix.owner, TABLES).await;
        let run = helix.program("https://docora.example.com").run(&["migrate"]);
        assert_eq!(run.code, 0, "{}", run.all());
        let elsewhere = "SELECT count(*) FROM pg_tables
            WHERE schemaname = 'public' AND tablename NOT LIKE 'lumio_%'";
        assert_eq!(sql::number(&database, elsewhere).await, 0, "all tables are in the schema");
        let grants = format!(
            "GRANT USAGE ON SCHEMA sealpost TO {owner};
             DO $$ DECLARE t text; BEGIN
                 FOR t IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'docora\\_%' LOOP
                     EXECUTE format('GRANT SELECT ON sealpost.%I TO {owner}', t);
                 END LOOP;
             END $$"
        );
        sql::script(&helix.sealpost, &grants).await;
        helix
    }

    /// The program with the configuration of the page, and the Docora API at `api`.
    fn program(&self, api: &str) -> Program {
        let mut program = Program::new(&sources(api));
        program.set("DATABASE_URL", &self.sealpost_url);
        program.set("SEALPOST_MASTER_KEY", KEY);
        program.set("USER", "grace");
        program
    }

    async fn gateway(&self) -> Gateway {
        let builder = Gateway::builder().start_at(SystemClock.now()).on(self.sealpost.clone());
        builder.more_config(&sources("https://docora.example.com")).start().await
    }

    /// Registers the repositories of the page, and stores the listed ids.
    async fn register(&self) -> Vec<String> {
        let docora = Web::start(|request| async move {
            let url = request.json()["github_url"].as_str().unwrap().to_owned();
            let private = url.contains("private");
            assert_eq!(request.json()["github_token"].is_string(), private);
            let id = if private { PRIVATE } else { CARDS };
            Reply::json(
                201,
                &json!({
                    "repository_id": id, "github_url": url, "owner": "owner",
                    "name": url.rsplit('/').next(), "is_private": private,
                    "created_at": "2026-11-20T10:00:00.000Z",
                }),
            )
        })
        .await;
        let program = self.program(&docora.url(""));
        program.file("token.txt", "ghp_0123456789abcdef\n");
        let lines = blocks(HELIX, "sh").into_iter().flat_map(str::lines);
        let commands = lines.filter_map(|line| line.strip_prefix("sealpost docora "));
        let mut stdout = String::new();
        for command in commands {
            let arguments: Vec<&str> = ["docora"].into_iter().chain(command.split(' ')).collect();
            let run = program.run(&arguments);
            assert_eq!(run.code, 0, "{command}: {}", run.all());
            stdout = run.stdout;
        }
        let mut ids = Vec::new();
        for listed in stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let id = listed["repository_id"].as_str().unwrap().to_owned();
            let owned = format!(
                "INSERT INTO lumio_repositories (user_id, docora_repository_id)
                 VALUES (gen_random_uuid(), '{id}')"
            );
            sql::execute(&self.owner, &owned).await;
            ids.push(id);
        }
        ids.sort();
        ids
    }

    /// Runs the statement of the page with this prefix; returns the number of rows.
    async fn run(&self, prefix: &str) -> u64 {
        sql::execute(&self.owner, statement(prefix)).await
    }

    async fn card(&self, path: &str) -> Value {
        let query = format!("SELECT * FROM lumio_cards WHERE file_path = '{path}'");
        sql::rows(&self.owner, &query).await.remove(0)
    }

    async fn repository(&self) -> Value {
        let query =
            format!("SELECT * FROM lumio_repositories WHERE docora_repository_id = '{CARDS}'");
        sql::rows(&self.owner, &query).await.remove(0)
    }
}

fn statement(prefix: &str) -> &'static str {
    let found = blocks(HELIX, "sql").into_iter().find(|sql| sql.starts_with(prefix));
    found.expect("a statement of the page").trim().trim_end_matches(';')
}

/// The configuration of the page, with the Docora API at `api`.
fn sources(api: &str) -> String {
    let page = configuration(HELIX);
    assert!(page.contains("https://api.docora.toto-castaldi.com"));
    let page = page
        .replace("https://api.docora.toto-castaldi.com", api)
        .replace("DOCORA_AUTH_KEY", "CARDS_SECRET")
        .replace("DOCORA_TOKEN", "BOT_TOKEN")
        .replace("STORAGE_ACCESS_KEY", "BOT_TOKEN")
        .replace("STORAGE_SECRET_KEY", "BOT_TOKEN");
    format!("{page}{LOOPBACK}")
}

async fn send_file(
    gateway: &Gateway,
    action: &str,
    repository_id: &str,
    file: &Value,
    minute: u32,
) {
    let body = payload(repository_id, file, minute);
    send(gateway, "helix", &format!("{PATH}/{action}"), &body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_statements_read_cards_and_counts() {
    let helix = Helix::start().await;
    let gateway = helix.gateway().await;
    assert_eq!(helix.register().await, [CARDS, PRIVATE]);
    assert_eq!(helix.run("UPDATE lumio_repositories").await, 0, "no event yet");

    let squat = "---\ntitle: Squat\ntags: [legs]\n---\nDown, and up: $m g h$\n";
    for (repository, path, content) in [
        (CARDS, "cards/squat.md", squat),
        (CARDS, "cards/deadlift.md", "---\n---\nFrom the floor\n"),
        (CARDS, "README.md", "# Cards"),
        (PRIVATE, "cards/secret.md", "Mine"),
    ] {
        send_file(&gateway, "create", repository, &text_file(path, content), 0).await;
    }
    gateway.run_until_idle().await;
    assert_eq!(helix.run("INSERT INTO lumio_cards").await, 3);
    assert_eq!(helix.run("INSERT INTO lumio_cards").await, 0, "only changes are written");
    let card = helix.card("cards/squat.md").await;
    assert_eq!(card["frontmatter"], json!({ "title": "Squat", "tags": ["legs"] }));
    assert_eq!((&card["title"], &card["raw_content"]), (&json!("Squat"), &json!(squat)));
    assert_eq!(card["content_hash"], sha(squat));
    assert_eq!(helix.card("cards/deadlift.md").await["frontmatter"], json!({}));
    assert_eq!(helix.run("UPDATE lumio_repositories").await, 2);
    assert_eq!(helix.run("UPDATE lumio_repositories").await, 0);
    let repository = helix.repository().await;
    let state = (&repository["sync_status"], &repository["cards_count"]);
    assert_eq!(state, (&json!("synced"), &json!(2)));
    assert_eq!(card["user_id"], repository["user_id"]);

    // An edit and a deletion; a card keeps its id.
    send_file(&gateway, "update", CARDS, &text_file("cards/squat.md", "# Squat"), 1).await;
    let deleted = json!({ "path": "cards/deadlift.md", "sha": sha("") });
    send_file(&gateway, "delete", CARDS, &deleted, 1).await;
    gateway.run_until_idle().await;
    assert_eq!(helix.run("INSERT INTO lumio_cards").await, 2);
    let changed = helix.card("cards/squat.md").await;
    assert_eq!((&changed["id"], &changed["content"]), (&card["id"], &json!("# Squat")));
    let available = HELIX.split("compare: `").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(sql::number(&helix.owner, available).await, 2);
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_statements_read_images_and_sync_errors() {
    let helix = Helix::start().await;
    let gateway = helix.gateway().await;
    helix.register().await;
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"30\"/>";
    let card = "![Front](../img/squat.svg) ![](gone.png)";
    send_file(&gateway, "create", CARDS, &text_file("cards/squat.md", card), 0).await;
    send_file(&gateway, "create", CARDS, &text_file("img/squat.svg", svg), 0).await;
    gateway.run_until_idle().await;
    helix.run("UPDATE lumio_repositories").await;
    let images = statement("SELECT i.reference")
        .replace("$1", &format!("'{CARDS}'"))
        .replace("$2", "'cards/squat.md'");
    let images = sql::rows(&helix.owner, &images).await;
    let digest = sha(svg);
    let expected = [
        json!({
            "reference": "../img/squat.svg", "media_type": "image/svg+xml", "width": 40,
            "height": 30, "object_key": format!("default/{CARDS}/img/squat.svg@{digest}"),
            "rendition_key": null,
        }),
        json!({
            "reference": "gone.png", "media_type": null, "width": null, "height": null,
            "object_key": null, "rendition_key": null,
        }),
    ];
    assert_eq!(images, expected);

    let failed = json!({
        "event": "sync_failed", "repository": payload(CARDS, &Value::Null, 0)["repository"],
        "error": { "type": "git_failure", "message": "fatal: Authentication failed" },
        "circuit_breaker": { "status": "open", "consecutive_failures": 5, "threshold": 5 },
        "retry_count": 4, "timestamp": "2026-11-20T10:30:00.000Z",
    });
    send(&gateway, "helix", &format!("{PATH}/sync_failed"), &failed).await;
    gateway.run_until_idle().await;
    assert_eq!(helix.run("UPDATE lumio_repositories").await, 1);
    let repository = helix.repository().await;
    assert_eq!(repository["sync_status"], "sync_failed");
    assert_eq!(repository["sync_error_message"], "fatal: Authentication failed");

    let stream = HELIX.split("watches `GET ").nth(1).unwrap().split('`').next().unwrap();
    let key = gateway.key("helix", &[Scope::EventsRead], None).await;
    let request = gateway.client().get(gateway.operator_url(stream)).bearer_auth(key);
    assert_eq!(request.send().await.unwrap().status(), 200, "{stream}");
}
