//! The counts of the overview link to the matching lists.

use std::collections::BTreeSet;
use std::time::Duration;

use sealpost::admin::Scope;

use super::dealing::as_other;
use super::{Fragile, HOSTILE};
use crate::harness::Gateway;
use crate::monitoring::event_of;
use crate::rejected_requests::{HOLDS, PLAIN, held, send_refused};

/// When the last hour begins at seven minutes past twelve, as the address of a list says it.
const SINCE: &str = "since=2026-11-20T11%3A10";

async fn accepted(gateway: &Gateway, number: usize) {
    let event = event_of(&format!("acct_{number}"), &format!("evt_{number}"));
    assert_eq!(gateway.send("billing", None, &event).await.what(), "accepted");
}

/// A source with three that died and one that was quarantined, two that were handled, one that
/// nobody works on, and twenty that were refused.
async fn eventful() -> Gateway {
    let handler = Fragile::default();
    let builder = Gateway::builder().config(PLAIN, HOLDS).handler(handler.clone());
    let gateway = builder.leaves_work().start().await;
    for number in 0..3 {
        accepted(&gateway, number).await;
    }
    let answer = gateway.send("billing", None, HOSTILE.as_bytes()).await;
    assert_eq!(answer.what(), "quarantined");
    gateway.run_until_idle().await;
    handler.mend();
    for number in 3..5 {
        accepted(&gateway, number).await;
    }
    gateway.run_until_idle().await;
    accepted(&gateway, 5).await;
    for number in 0..20 {
        assert_eq!(send_refused(&gateway, &format!("{{\"id\":{number}}}")).await.status, 401);
    }
    held(&gateway, 1).await;
    gateway.clock().advance(Duration::from_mins(7));
    gateway.count_up().await;
    while gateway.groups().step().await.unwrap() > 0 {}
    gateway
}

/// The addresses that a page leads to, but those of its frame.
fn links(page: &str) -> BTreeSet<String> {
    let (_, main) = page.split_once("<main ").expect("what the page is about");
    let (main, _) = main.split_once("</main>").expect("its end");
    let links = main.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.map(|link| link.replace("&amp;", "&")).collect()
}

/// Follows a link of the overview; gives the page behind it.
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
    let gateway = eventful().await;
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
    let gateway = eventful().await;
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
