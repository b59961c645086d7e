//! Pages in a browser.

use sealpost::admin::Scope;
use serde_json::json;
use time::OffsetDateTime;

use super::browser::{is_missing, with_browser};
use super::busy::{busy, documented, pages};
use super::{FailingHandler, QUIET, gateway};
use crate::harness::Gateway;

#[tokio::test]
async fn pages_fit_both_screens_and_run_no_untrusted_script() {
    if is_missing() {
        return;
    }
    let busy = busy().await;
    let pages = pages(&busy).await;
    let blind = busy.gateway.key("blind", &[Scope::EventsRead], None).await;
    with_browser(&busy.gateway, async |browser| {
        browser.show_token().await;
        for (name, path) in &pages {
            browser.keep(name, path).await;
            let title = browser.ask("return document.title").await;
            let title = title.as_str().expect("a title");
            assert!(title.ends_with("Sealpost"), "{path}: {title}");
        }
        for (name, path) in documented(&busy).await {
            browser.document(name, &path).await;
        }
        browser.show_key(&blind).await;
        let (_, delivery) = pages.iter().find(|(name, _)| *name == "delivery").unwrap();
        browser.keep("delivery-blind", delivery).await;
        browser.keep("forbidden", "/audit").await;
    })
    .await;
}

#[tokio::test]
async fn empty_states_are_shown() {
    if is_missing() {
        return;
    }
    let gateway = Gateway::builder().start_at(OffsetDateTime::now_utc()).start().await;
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        for (name, path) in QUIET {
            browser.keep(name, path).await;
        }
    })
    .await;
}

#[tokio::test]
async fn dead_letter_is_replayed_in_a_browser() {
    if is_missing() {
        return;
    }
    let handler = FailingHandler::default();
    let gateway = gateway(&handler).await;
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.open("/").await;
        // Five share one message: the first row has the most impact.
        browser.click("#now tbody a[href^='/dead-letters/groups/']").await;
        browser.click("tbody a[href='/deliveries/1']").await;
        browser.wait_for_path("/deliveries/1").await;
        browser.wait_for_text("account acct_1 is not known").await;
        browser.wait_for_text("Received and verified").await;

        browser.write("#replay-reason", "the ledger is fixed").await;
        browser.click("form[action='/deliveries/1/replay'] button").await;
        browser.wait_for_text("Replayed: a new delivery was created").await;
        let here = browser.path().await;
        assert!(here.starts_with("/deliveries/1?did=dead-letters-replay&made="), "{here}");

        handler.repair();
        gateway.run_until_idle().await;
        browser.open("/deliveries/1").await;
        browser.wait_for_text("key:test resolved it").await;
    })
    .await;
    let [audit] = &gateway.audited_changes().await[..] else { panic!("one line") };
    assert_eq!(audit["reason"], "the ledger is fixed");
}

#[tokio::test]
async fn keyboard_navigation_works_and_the_theme_is_remembered() {
    if is_missing() {
        return;
    }
    let gateway = gateway(&FailingHandler::default()).await;
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.look("light", 1280).await;
        browser.open("/dead-letters/all").await;
        let focus = "return document.activeElement.getAttribute('href')";
        let keys = async |keys: &str| browser.write("body", keys).await;
        keys("jj").await;
        assert_eq!(browser.ask(focus).await, "/deliveries/5", "the newest first");
        browser.write(":focus", "k").await;
        assert_eq!(browser.ask(focus).await, "/deliveries/6");
        browser.write(":focus", "/").await;
        assert_eq!(browser.ask("return document.activeElement.id").await, "source");
        browser.write(":focus", "\u{e00c}").await;
        keys("?").await;
        assert_eq!(browser.ask("return document.getElementById('keys').open").await, json!(true));
        browser.picture("keyboard-light-1280").await;
        browser.click("#keys button").await;
        keys("gl").await;
        browser.wait_for_path("/alerts").await;

        let ground = "return getComputedStyle(document.body).backgroundColor";
        let before = browser.ask(ground).await;
        browser.click(".side > .who button[data-does=theme]").await;
        let after = browser.ask(ground).await;
        assert_ne!(before, after);
        browser.open("/dead-letters").await;
        assert_eq!(browser.ask(ground).await, after, "it is remembered");
    })
    .await;
}

#[tokio::test]
async fn destination_is_paused_and_resumed() {
    if is_missing() {
        return;
    }
    let gateway = Gateway::builder().more_config(DESTINATION).start().await;
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.open("/destinations").await;
        browser.keep("destinations-some", "/destinations").await;
        browser.open("/destinations").await;
        browser.click("a[href='/destinations/app']").await;
        for (verb, state) in [("pause", "paused"), ("resume", "ok")] {
            browser
                .click(&format!("details:has(form[action='/destinations/app/{verb}']) summary"))
                .await;
            browser.write(&format!("#{verb}-reason"), "a release").await;
            browser.click(&format!("form[action='/destinations/app/{verb}'] button")).await;
            browser.wait_for_path(&format!("/destinations/app?did=destinations-{verb}")).await;
            assert_eq!(browser.driver.text("main .word").await, state);
        }
    })
    .await;
    assert_eq!(gateway.audited_changes().await.len(), 2);
}

const DESTINATION: &str = r#"
[[destination]]
name = "app"
url = "https://app.example/hooks"
secret = { env = "APP_SECRET" }
sources = ["billing"]
"#;
