//! `sealpost resend` and `sealpost retry-now`, on the database and over the API.

use sealpost::clock::{Clock, SystemClock};
use serde_json::json;

use crate::cli::remote::{Both, gateway};

#[tokio::test(flavor = "multi_thread")]
async fn resend_is_previewed_planned_and_run() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    let because = ["--reason", "it lost them"];
    let resend = [&["resend", "--source", "billing"][..], &because].concat();
    let preview = both.same_in_both_formats(&resend);
    assert!(
        preview.stdout.starts_with("would resend 3: events of source billing\n"),
        "{}",
        preview.all()
    );
    assert!(preview.stderr.contains("pass --yes to apply"), "{}", preview.all());
    assert_eq!(gateway.count("SELECT count(*) FROM jobs").await, 0, "a preview records nothing");
    let none = both.same(&[&resend[..], &["--state", "done"]].concat());
    assert_eq!(none.code, 2, "{}", none.all());
    let unknown = both.same(&[&["resend", "--to", "nowhere"][..], &because].concat());
    assert_eq!(unknown.code, 64, "{}", unknown.all());
    assert!(
        unknown.stderr.contains("destination `nowhere` (known: app) is not configured"),
        "{}",
        unknown.all()
    );
    let waiting = both.same(&[&["retry-now", "--all"][..], &because].concat());
    assert_eq!(waiting.code, 2, "nothing waits: {}", waiting.all());
    let until = SystemClock.now() - time::Duration::hours(1);
    let until = until.format(&time::format_description::well_known::Rfc3339).unwrap();
    let old = both.same(&[&resend[..], &["--until", &until]].concat());
    assert_eq!(old.code, 2, "nothing is that old: {}", old.all());

    let planned = both.remote.run(&[&resend[..], &["--plan"]].concat());
    assert!(planned.stdout.contains("matched      3"), "{}", planned.all());
    assert!(planned.stderr.contains("sealpost jobs start 1"), "{}", planned.all());
    let done = both.local.run(&[&resend[..], &["--cap", "2", "--yes"]].concat());
    assert_eq!((done.code, done.stdout.as_str()), (0, "resent 2\n"), "{}", done.all());
    let made = gateway.query("SELECT DISTINCT triggered_by FROM deliveries ORDER BY 1").await;
    assert_eq!(made, [json!({"triggered_by": "arrival"}), json!({"triggered_by": "resend"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resend_needs_a_selection_and_a_reason() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    for arguments in [
        &["resend", "--reason", "r"][..],
        &["resend", "--source", "billing"],
        &["resend", "--all", "--source", "billing", "--reason", "r"],
        &["resend", "--to", "app", "--handler", "ledger", "--reason", "r"],
        &["resend", "--all", "--reason", "r", "--yes", "--plan"],
        &["retry-now", "--all", "--state", "dead", "--reason", "r"],
    ] {
        assert_eq!(both.local.run(arguments).code, 64, "{arguments:?}");
    }
    let missing = both.same(&["resend", "--all", "--state", "missing", "--reason", "r"]);
    assert_eq!(missing.code, 64, "{}", missing.all());
}
