//! Jobs whose row has content that no gateway has written.

use sealpost::admin::{Action, AdminError, JobState};
use sealpost::store::StoreError;
use serde_json::json;

use crate::dead_letters::{Fragile, ada, bury, gateway, ids, open, wish};

/// Whether it is said of this column that nobody can read it.
fn is_about(error: &StoreError, wanted: &str) -> bool {
    matches!(error, StoreError::Inconsistent { table: "jobs", column, .. } if *column == wanted)
}

#[tokio::test]
async fn what_cannot_be_read_of_a_job_ends_it_and_stays_as_it_is() {
    for (column, text) in [
        ("skipped_items", "nobody wrote this"),
        ("skipped_items", "[[1]]"),
        ("selection", "nobody wrote this"),
        ("selection", ""),
    ] {
        let gateway = gateway(&Fragile::default()).await;
        bury(&gateway, "evt_1").await;
        let jobs = gateway.jobs();
        let plan = jobs.plan(&ada(), &wish(Action::Discard, &open(), false)).await.unwrap().job.id;
        jobs.start(&ada(), plan).await.unwrap();
        gateway.execute(&format!("UPDATE jobs SET {column} = '{text}'")).await;

        let error = jobs.worker().step().await.unwrap_err();
        assert!(is_about(&error, column), "{column} {text}: {error:?}");
        let row = &gateway.rows("jobs").await[0];
        assert_eq!((&row["state"], &row[column]), (&json!("failed"), &json!(text)), "as it is");
        let failure = row["failure"].as_str().unwrap();
        assert!(failure.contains(&format!("jobs.{column}")), "{failure}");
        assert_eq!((&row["resolved"], &row["skipped"]), (&json!(0), &json!(0)));
        assert_eq!(ids(gateway.desk(), &open()).await.len(), 1, "nothing was done");

        let shown = jobs.show(&ada(), plan).await;
        if column == "skipped_items" {
            let Err(AdminError::Store(error)) = shown else { panic!("{shown:?}") };
            assert!(is_about(&error, column), "{error:?}");
        } else {
            assert_eq!(shown.unwrap().job.state, JobState::Failed);
        }
    }
}
