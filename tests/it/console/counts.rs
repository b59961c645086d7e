//! The counts of the overview link to the matching lists.

use std::collections::BTreeSet;
use std::time::Duration;

use sealpost::admin::Scope;

use super::dead_letters::as_other;
use super::{FailingHandler, HOSTILE};
use crate::harness::Gateway;
use crate::monitoring::event_of;
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected, wait_for_rejected};

/// The start of the last hour at seven minutes past twelve, as a query parameter.
const SINCE: &str = "since=2026-11-20T11%3A10";

async fn accepted(gateway: &Gateway, number: usize) {
    let event = event_of(&format!("acct_{number}"), &format!("evt_{number}"));
    assert_eq!(gateway.send("billing", None, &event).await.body_status(), "accepted");
}

/// A source with three dead letters, one quarantined event, two handled events, one waiting event,
/// and twenty rejected requests.
async fn busy_source() -> Gateway {
    let handler = FailingHandler::default();
    let builder = Gateway::builder().config(PLAIN, KEEP_REJECTED).handler(handler.clone());
    let gateway = builder.allow_unfinished().start().await;
    for number in 0..3 {
        accepted(&gateway, number).await;
    }
    let answer = gateway.send("billing", None, HOSTILE.as_bytes()).await;
    assert_eq!(answer.body_status(), "quarantined");
    gateway.run_until_idle().await;
    handler.repair();
    for number in 3..5 {
        accepted(&gateway, number).await;
    }
    gateway.run_until_idle().await;
    accepted(&gateway, 5).await;
    for number in 0..20 {
        assert_eq!(send_rejected(&gateway, &format!("{{\"id\":{number}}}")).await.status, 401);
    }
    wait_for_rejected(&gateway, 1).await;
    gateway.clock().advance(Duration::from_mins(7));
    gateway.flush_stats().await;
    while gateway.groups().step().await.unwrap() > 0 {}
    gateway
}

/// The links in the main part of a page.
fn links(page: &str) -> BTreeSet<String> {
    let (_, main) = page.split_once("<main ").expect("a main element");
    let (main, _) = main.split_once("</main>").expect("its end");
    let links = main.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.map(|link| link.replace("&amp;", "&")).collect()
}

/// Follows a link of the overview, and returns its page.
async fn follow(gateway: &Gateway, link: &str) -> String {
    let (path, place) = link.split_once('#').unwrap_or((link, ""));
    let answer = gateway.operator(if path.is_empty() { "/" } else { path }).await;
    assert_eq!(answer.status, 200, "{link}: {}", answer.text);
    let place = format!("id=\"{place}\"");
    assert!(!link.contains('#') || answer.text.contains(&place), "{link}: {}", answer.text);
    answer.text
}

#[tokio::test]
async fn overview_counts_link_to_matching_lists() {
    let gateway = busy_source().await;
    let page = gateway.operator("/").await.text;
    let links = links(&page);
    for link in &links {
        follow(&gateway, link).await;
    }
    for (link, rows) in [
        (format!("/events?{SINCE}"), 7),
        (format!("/events?source=billing&{SINCE}"), 7),
        (format!("/events?source=billing&state=done&{SINCE}"), 2),
        ("/events?source=billing&state=ready".to_owned(), 1),
        ("/dead-letters/all?source=billing&which=all".to_owned(), 4),
        ("/dead-letters/all?source=billing".to_owned(), 4),
    ] {
        assert!(links.contains(&link), "{link} of {links:?}");
        let list = follow(&gateway, &link).await;
        assert_eq!(list.matches("data-row").count(), rows, "{link}: {list}");
    }
    for link in ["/dead-letters", "#panel-sources", "/sources/billing#panel-traffic"] {
        assert!(links.contains(link), "{link} of {links:?}");
    }
    let number = |href: &str, number: u32| {
        let of = format!("href=\"{href}\"><strong class=\"bad\">{number}</strong>");
        assert!(page.contains(&of), "{of}: {page}");
    };
    number("/sources/billing#panel-traffic", 20);
    number("/dead-letters/all?source=billing&amp;which=all", 4);
}

#[tokio::test]
async fn source_page_shows_rejection_reasons_and_links_rejected_requests() {
    let gateway = busy_source().await;
    let page = gateway.operator("/sources/billing").await.text;
    for part in [
        "Rejected: sig_mismatch",
        "<a href=\"/rejected-requests?source=billing\">20</a>",
        "<a href=\"/dead-letters/all?source=billing&amp;which=all\">1</a>",
        "<a href=\"/events?source=billing&amp;state=done\">2</a>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for link in links(&page) {
        follow(&gateway, &link).await;
    }
    let (status, page) = as_other(&gateway, &[Scope::EventsRead], "/sources/billing").await;
    assert!(status == 200 && page.contains("Rejected: sig_mismatch"), "{page}");
    assert!(!page.contains("/rejected-requests?"), "no link to what they may not see: {page}");
}
