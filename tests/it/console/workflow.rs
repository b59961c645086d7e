//! A complete operator workflow in a browser: set up an account, find, edit and replay dead letters,
//! sign out.

use sealpost::admin::Step;

use super::browser::{Browser, is_missing, with_browser};
use super::{FailingHandler, gateway};
use crate::harness::Gateway;

const PASSWORD: &str = "correct horse battery";
const REPAIRED: &str = "const text = document.getElementById('body');
                        text.value = text.value.replace('in_1', 'in_mended')";

/// The steps of the workflow.
struct Workflow<'a> {
    browser: &'a Browser,
    gateway: &'a Gateway,
    handler: FailingHandler,
}

impl Workflow<'_> {
    /// Submits the form that posts to this path, and waits for the next page.
    async fn send(&self, form: &str, to: &str) {
        self.browser.click(&format!("form[action='{form}'] button:not(.plain)")).await;
        self.browser.wait_for_path(to).await;
    }

    /// Follows a link.
    async fn follow(&self, link: &str) {
        self.browser.click(link).await;
    }

    /// Waits for a text, and saves a picture of the page.
    async fn sees(&self, step: &str, text: &str) {
        self.browser.wait_for_text(text).await;
        self.browser.picture(&format!("workflow-{step}")).await;
    }

    async fn signs_in(&self) {
        let invited = self.gateway.access().first_invitation().await.unwrap().expect("a link");
        self.browser.open(&invited.path).await;
        self.sees("01-set-up", "Set up your account").await;
        self.browser.write("#name", "ada").await;
        self.browser.write("#password", PASSWORD).await;
        self.send("/setup", "/").await;
        self.sees("02-overview", "Dead letters by impact").await;
        self.signs_out().await;
        self.browser.write("#name", "ada").await;
        self.browser.write("#password", PASSWORD).await;
        self.sees("03-sign-in", "Password").await;
        self.send("/sign-in", "/").await;
        self.sees("04-signed-in", "Signed in as").await;
    }

    async fn signs_out(&self) {
        self.browser.click(".side > .who form[action='/sign-out'] button").await;
        self.browser.wait_for_path("/sign-in").await;
    }

    /// Finds a dead letter by its group and in the list, and reads its error.
    async fn reads_the_error(&self) {
        self.follow("#now tbody a[href^='/dead-letters/groups/']").await;
        self.sees("05-group", "Recommended action").await;
        self.follow("tbody a[href='/deliveries/1']").await;
        self.browser.wait_for_path("/deliveries/1").await;
        self.sees("06-why", "account acct_1 is not known").await;

        self.follow(".side > .nav a[href='/dead-letters']").await;
        self.follow("a[href='/dead-letters/all']").await;
        self.browser.wait_for_path("/dead-letters/all").await;
        self.browser.write("#source", "billing").await;
        self.browser.click("form[action='/dead-letters/all'] button").await;
        self.sees("07-list", "acct_1 is not known").await;
        self.follow("tbody a[href='/deliveries/1']").await;
        self.browser.wait_for_path("/deliveries/1").await;
    }

    /// Edits the event, replays it, and sees it done.
    async fn repairs(&self) {
        self.follow("a[href='/deliveries/1/edit']").await;
        self.browser.wait_for_path("/deliveries/1/edit").await;
        self.sees("08-edit", "Edited body").await;
        self.browser.ask(REPAIRED).await;
        self.send("/deliveries/1/edit", "/deliveries/1/edit").await;
        self.sees("09-difference", "Nothing has been changed yet").await;
        self.browser.write("#reason", "the sender said so").await;
        self.browser.click("form[action='/deliveries/1/edit/replay'] button:not(.plain)").await;
        self.sees("10-edited", "a new event was created").await;
        let here = self.browser.path().await;
        assert!(here.starts_with("/deliveries/1?did=edited&made="), "{here}");
        self.handler.repair();
        self.gateway.run_until_idle().await;
        let done = self.gateway.query("SELECT id FROM deliveries WHERE state = 'done'").await;
        let [done] = &done[..] else { panic!("one is done") };
        self.browser.open(&format!("/deliveries/{}", done["id"])).await;
        self.sees("11-done", "No action needed").await;
    }

    /// Plans a replay of a group: at most three, ten per second. Returns the path of the plan.
    async fn plans(&self, job: u32) -> String {
        self.follow(".side > .nav a[href='/dead-letters']").await;
        self.follow("tbody a[href^='/dead-letters/groups/']").await;
        self.follow("a[href^='/jobs/new?action=replay']").await;
        self.browser.write("#cap", "3").await;
        self.browser.write("#rate", "10").await;
        self.browser.write("#reason", "the ledger is fixed").await;
        self.browser.picture(&format!("workflow-12-new-job-{job}")).await;
        let here = format!("/jobs/{job}");
        self.send("/jobs", &here).await;
        self.sees(&format!("13-dry-run-{job}"), "4 dead letters match").await;
        self.browser.wait_for_text("the oldest 3 would be processed").await;
        self.browser.wait_for_text("account acct_1 is not known").await;
        here
    }

    /// Starts and cancels a replay of a group, and then runs another.
    async fn replays_many(&self) {
        let here = self.plans(1).await;
        self.send(&format!("{here}/start"), &format!("{here}?did=jobs-start")).await;
        self.sees("14-begun", "0 of 3").await;
        self.follow(&format!("a[href='{here}/cancel']")).await;
        self.browser.wait_for_path(&format!("{here}/cancel")).await;
        self.browser.write("#cancel-reason", "not yet").await;
        self.send(&format!("{here}/cancel"), &format!("{here}?did=jobs-cancel")).await;
        self.sees("15-cancelled", "Completed work is not undone").await;

        let here = self.plans(2).await;
        self.send(&format!("{here}/start"), &format!("{here}?did=jobs-start")).await;
        let mut worker = self.gateway.jobs().worker();
        while matches!(worker.step().await.unwrap(), Step::Did { .. }) {}
        self.gateway.clock().advance(std::time::Duration::from_secs(1));
        while matches!(worker.step().await.unwrap(), Step::Did { .. } | Step::Ended) {}
        self.gateway.run_until_idle().await;
        self.sees("16-result", "3 of 3").await;
        self.browser.wait_for_text("Dead-lettered again").await;
    }
}

#[tokio::test]
async fn operator_workflow_in_a_browser() {
    if is_missing() {
        return;
    }
    let handler = FailingHandler::default();
    let gateway = gateway(&handler).await;
    with_browser(&gateway, async |browser| {
        browser.look("light", 1280).await;
        let workflow = Workflow { browser, gateway: &gateway, handler: handler.clone() };
        workflow.signs_in().await;
        workflow.reads_the_error().await;
        workflow.repairs().await;
        workflow.replays_many().await;
        workflow.signs_out().await;
        browser.open("/dead-letters").await;
        browser.wait_for_path("/sign-in?next=%2Fdead-letters").await;
        workflow.sees("17-closed", "Sign in").await;
    })
    .await;
    let outcomes = "SELECT (SELECT count(*) FROM jobs WHERE state = 'cancelled' AND resolved = 0)
                         * (SELECT count(*) FROM jobs WHERE state = 'done' AND resolved = 3)";
    assert_eq!(gateway.count(outcomes).await, 1, "the first did nothing, the second its cap");
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    assert_eq!(gateway.count(done).await, 4, "the edited one, and three by the job");
    let log = gateway.query("SELECT actor, action, reason FROM audit_log ORDER BY id").await;
    let by_ada = log.iter().filter(|line| line["actor"] == "ada");
    let reasons: Vec<&str> = by_ada.filter_map(|line| line["reason"].as_str()).collect();
    for reason in ["the sender said so", "not yet", "the ledger is fixed"] {
        assert!(reasons.contains(&reason), "{reason} of {reasons:?}");
    }
}
