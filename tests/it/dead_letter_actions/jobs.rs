//! Jobs whose row has invalid content.

use sealpost::admin::{AdminError, DeadLetterAction, JobState};
use sealpost::store::StoreError;
use serde_json::json;

use crate::dead_letters::{Fragile, ada, bulk_request, gateway, ids, make_dead_letter, open};

/// Whether the error reports this column as unreadable.
fn is_about(error: &StoreError, expected: &str) -> bool {
    matches!(error, StoreError::Inconsistent { table: "jobs", column, .. } if *column == expected)
}

#[tokio::test]
async fn unreadable_job_column_fails_the_job_unchanged() {
    for (column, text) in [
        ("skipped_items", "invalid"),
        ("skipped_items", "[[1]]"),
        ("selection", "invalid"),
        ("selection", ""),
    ] {
        let gateway = gateway(&Fragile::default()).await;
        make_dead_letter(&gateway, "evt_1").await;
        let jobs = gateway.jobs();
        let plan = jobs
            .plan(&ada(), &bulk_request(DeadLetterAction::Discard, &open(), false))
            .await
            .unwrap()
            .job
            .id;
        jobs.start(&ada(), plan).await.unwrap();
        gateway.execute(&format!("UPDATE jobs SET {column} = '{text}'")).await;

        let error = jobs.worker().step().await.unwrap_err();
        assert!(is_about(&error, column), "{column} {text}: {error:?}");
        let row = &gateway.rows("jobs").await[0];
        assert_eq!((&row["state"], &row[column]), (&json!("failed"), &json!(text)), "unchanged");
        let failure = row["failure"].as_str().unwrap();
        assert!(failure.contains(&format!("jobs.{column}")), "{failure}");
        assert_eq!((&row["resolved"], &row["skipped"]), (&json!(0), &json!(0)));
        assert_eq!(ids(gateway.dead_letter_service(), &open()).await.len(), 1, "nothing was done");

        let shown = jobs.show(&ada(), plan).await;
        if column == "skipped_items" {
            let Err(AdminError::Store(error)) = shown else { panic!("{shown:?}") };
            assert!(is_about(&error, column), "{error:?}");
        } else {
            assert_eq!(shown.unwrap().job.state, JobState::Failed);
        }
    }
}
