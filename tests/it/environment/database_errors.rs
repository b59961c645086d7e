//! Errors of the database are reported at the start and in the log.

use super::{cut_sessions, name_of};
use crate::cli::Program;
use crate::faults::driver::{Server, payment, wait_for};
use crate::harness::{database, sql};

/// Creates a role with access to the tables; returns its name and URL.
async fn role(target: &sealpost::store::Target) -> (String, String) {
    let role = format!("role_of_{}", name_of(target).await);
    for statement in [
        &format!("CREATE ROLE {role} LOGIN"),
        // It may not create tables.
        &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"),
        &format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"),
    ] {
        sql::execute(target, statement).await;
    }
    let url = database::url(target).await;
    let (_, rest) = url.split_once('@').unwrap();
    (role.clone(), format!("postgres://{role}:canary-password@{rest}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn login_error_is_logged() {
    let target = database::fresh().await;
    let (role, url) = role(&target).await;
    let server = Server::start_with(Some(&url), "").await;
    assert_eq!(server.remote.send("billing", &payment(1)).await.unwrap().0, 202);
    sql::execute(&target, &format!("ALTER ROLE {role} NOLOGIN")).await;
    cut_sessions(&target).await;
    let log = wait_for("both errors are logged", async || {
        // A commit on a terminated connection does not report the login error; the next one does.
        assert_eq!(server.remote.send("billing", &payment(2)).await.unwrap().0, 503);
        let log = server.process.log();
        let logged = |what: &str| {
            log.lines().any(|line| {
                line.contains(what)
                    && line.contains("is not permitted to log in")
                    && line.contains(r#""kind":"login""#)
            })
        };
        (logged("cannot commit events") && logged("database unusable")).then(|| log.clone())
    });
    assert!(!log.await.contains("canary"));
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn login_error_at_start_has_a_hint() {
    let target = database::fresh().await;
    let (role, url) = role(&target).await;
    let mut program = Program::new("");
    sql::execute(&target, &format!("ALTER ROLE {role} NOLOGIN")).await;
    program.set("DATABASE_URL", &url);
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69);
    for part in ["is not permitted to log in", "hint: check the role"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    sql::execute(&target, &format!("ALTER ROLE {role} LOGIN CONNECTION LIMIT 0")).await;
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69);
    for part in ["too many connections", "hint: lower the connections"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_schema_is_reported() {
    let target = database::fresh().await;
    sql::execute(
        &target,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (20991231000001, 'of a newer version', true, '\\x00', 1)",
    )
    .await;
    let mut program = Program::new("");
    program.set("DATABASE_URL", &database::url(&target).await);
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69);
    for part in ["newer than this program", "20991231000001", "serve --no-migrate"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}
