//! The overview: current problems and key figures.

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, Bar, Curve, NUMBER, TEXT, WIDE, age, bars, count, curves, empty, link_path, name,
    number, panel, said, short, sparkline, table, took, typed, when, word,
};
use super::alerts::nobody_is_told;

/// The overview.
pub(in crate::web::console) struct View {
    /// The highest severity among the problems: label and tone. `None` without problems.
    pub(in crate::web::console) worst: Option<(&'static str, BadgeTone)>,
    /// Whether an alert channel is configured.
    pub(in crate::web::console) alerts_are_told: bool,
    /// Current problems, most severe first.
    pub(in crate::web::console) banners: Vec<Banner>,
    /// A row for each source.
    pub(in crate::web::console) sources: Vec<Source>,
    /// Groups of open dead letters, largest first.
    pub(in crate::web::console) groups: Vec<Group>,
    /// Open dead letters in total.
    pub(in crate::web::console) open_in_all: u64,
    /// When the counted last hour and last 24 hours begin.
    pub(in crate::web::console) began: Began,
    /// Requests received per hour.
    pub(in crate::web::console) received: Vec<Bar>,
    /// Response time per hour, in milliseconds: the median and the 95th percentile.
    pub(in crate::web::console) median: Vec<Option<f64>>,
    /// The 95th percentile response time of the last hour.
    pub(in crate::web::console) slow: Vec<Option<f64>>,
}

/// Where the counting periods begin: at a multiple of five minutes, and at a full hour.
#[derive(Debug, Clone, Copy)]
pub(in crate::web::console) struct Began {
    /// The last hour.
    pub(in crate::web::console) hour: OffsetDateTime,
    /// The last 24 hours.
    pub(in crate::web::console) day: OffsetDateTime,
}

/// A problem.
pub(in crate::web::console) struct Banner {
    /// Its kind, such as `silent`.
    pub(in crate::web::console) word: String,
    /// Its severity.
    pub(in crate::web::console) tone: BadgeTone,
    /// A description.
    pub(in crate::web::console) text: String,
    /// The page with details.
    pub(in crate::web::console) href: String,
}

/// A count of the last hour and of the last 24 hours.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::web::console) struct HourDay {
    /// The last hour.
    pub(in crate::web::console) hour: u64,
    /// The last 24 hours.
    pub(in crate::web::console) day: u64,
}

/// The figures of a source.
pub(in crate::web::console) struct Source {
    /// Its name.
    pub(in crate::web::console) name: String,
    /// Its provider.
    pub(in crate::web::console) provider: String,
    /// Its state.
    pub(in crate::web::console) state: String,
    /// Requests.
    pub(in crate::web::console) received: HourDay,
    /// Verified requests.
    pub(in crate::web::console) verified: HourDay,
    /// Rejected requests.
    pub(in crate::web::console) refused: HourDay,
    /// Completed deliveries.
    pub(in crate::web::console) handled: HourDay,
    /// Deliveries that became dead letters.
    pub(in crate::web::console) dead: HourDay,
    /// Verified requests per hour in the last 24 hours.
    pub(in crate::web::console) course: Vec<u64>,
    /// When the oldest waiting delivery was created.
    pub(in crate::web::console) oldest_waiting: Option<OffsetDateTime>,
    /// The 95th percentile response time.
    pub(in crate::web::console) slow: Option<Duration>,
    /// When the last event was received.
    pub(in crate::web::console) last_event: Option<OffsetDateTime>,
    /// The fingerprint of the secret that last verified a request.
    pub(in crate::web::console) secret: Option<String>,
}

/// A group of dead letters.
pub(in crate::web::console) struct Group {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// The message they share.
    pub(in crate::web::console) message: Option<String>,
    /// The source.
    pub(in crate::web::console) source: String,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The reason: a stored value.
    pub(in crate::web::console) reason: String,
    /// Open dead letters.
    pub(in crate::web::console) open: u64,
    /// When the last one was dead-lettered.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// Dead letters per hour in the last 24 hours.
    pub(in crate::web::console) course: Vec<u64>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Overview",
        section: Some(Section::Overview),
        refresh: Some(30),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #now .stack data-live="10" {
            div .notes {
                @match view.worst {
                    None => (note("ok", BadgeTone::Good, &html! {
                        "No problems: nothing is overdue, paused, failing or dead-lettered."
                    })),
                    Some((word, tone)) => (note(word, tone, &html! {
                        (count(view.banners.len() as u64, "problem needs", "problems need"))
                        " attention."
                    })),
                }
                @for banner in &view.banners {
                    (note(&banner.word, banner.tone, &html! {
                        (said(&banner.text)) " " a href=(banner.href) { "Details" }
                    }))
                }
                @if !view.alerts_are_told { (nobody_is_told()) }
            }
            (figures(cx, view))
            (panel("Sources", &html! { "Last hour; last 24 hours below" }, &sources(cx, view)))
            (panel("Dead letters by impact", &html! {
                a href="/dead-letters" { "All " (number(view.open_in_all)) " open" }
            }, &groups(cx, &view.groups)))
        }
        div .two {
            (panel("Received", &html! { "Requests per hour" }, &bars("Requests", "", &view.received)))
            (panel("Response time", &html! { "From the request to the response" }, &latency(view)))
        }
    })
}

/// The figures of the whole gateway.
fn figures(cx: &PageContext, view: &View) -> Markup {
    let sum = |part: fn(&Source) -> HourDay| {
        let parts = view.sources.iter().map(part);
        parts.fold(HourDay::default(), |sum, one| HourDay {
            hour: sum.hour + one.hour,
            day: sum.day + one.day,
        })
    };
    let both = |numbers: HourDay, places: &Places| {
        html! {
            a href=(places.hour) { (number(numbers.hour)) }
            span .under { a href=(places.day) { (number(numbers.day)) " in the last 24 hours" } }
        }
    };
    let (received, refused) = (sum(|source| source.received), sum(|source| source.refused));
    let waiting = view.sources.iter().filter_map(|one| Some((one.oldest_waiting?, &one.name)));
    let oldest = waiting.min();
    html! {
        section .panel aria-label="Totals" {
            dl .figures {
                div {
                    dt { "Open dead letters" }
                    dd class=(if view.open_in_all > 0 { "bad" } else { "good" }) {
                        a href="/dead-letters" { (number(view.open_in_all)) }
                        span .under {
                            a href="#panel-deadlettersbyimpact" {
                                (count(view.groups.len() as u64, "group", "groups")) " below"
                            }
                        }
                    }
                }
                div {
                    dt { "Oldest waiting delivery" }
                    dd {
                        @match oldest {
                            Some((at, source)) => {
                                a href=(events_of(source, "ready")) { (age(cx.now - at)) }
                                span .under.said { "source " (said(source)) }
                            },
                            None => { "none" span .under { "no delivery waiting" } },
                        }
                    }
                }
                div {
                    dt { "Received in the last hour" }
                    dd { (both(received, &Places::of_events(view.began, None, ""))) }
                }
                div {
                    dt { "Rejected in the last hour" }
                    dd class=(if refused.hour > 0 { "warn" } else { "" }) {
                        // Few sources keep rejected requests, so the link leads to the counts in
                        // the table.
                        (both(refused, &Places::one("#panel-sources")))
                    }
                }
            }
        }
    }
}

fn latency(view: &View) -> Markup {
    let times: Vec<String> = view.received.iter().map(|bar| bar.label.clone()).collect();
    curves(
        "Response time",
        "ms",
        &times,
        &[
            Curve { label: "p50", values: view.median.clone() },
            Curve { label: "p95", values: view.slow.clone() },
        ],
    )
}

/// Links to the lists behind the counts of the last hour and the last 24 hours.
struct Places {
    hour: String,
    day: String,
}

impl Places {
    fn one(place: &str) -> Self {
        Self { hour: place.to_owned(), day: place.to_owned() }
    }

    /// The events since then; optionally of one source and with a delivery in this state.
    fn of_events(began: Began, source: Option<&str>, state: &str) -> Self {
        let since = |at| {
            let at = typed(at);
            let parts = [("source", source.unwrap_or_default()), ("state", state), ("since", &at)];
            let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
            let parts: Vec<String> =
                parts.map(|(name, value)| format!("{name}={}", link_path(value))).collect();
            format!("/events?{}", parts.join("&"))
        };
        Self { hour: since(began.hour), day: since(began.day) }
    }
}

/// The counts of the hour and of the 24 hours, as links to the lists.
fn both(numbers: HourDay, alarming: bool, places: &Places) -> Markup {
    html! {
        @if numbers.hour == 0 { span .muted { "0" } }
        @else if alarming { a href=(places.hour) { strong .bad { (number(numbers.hour)) } } }
        @else { a href=(places.hour) { (number(numbers.hour)) } }
        span .under {
            @if numbers.day == 0 { "0" } @else { a href=(places.day) { (number(numbers.day)) } }
        }
    }
}

/// The events of a source that have a delivery in this state.
fn events_of(source: &str, state: &str) -> String {
    format!("/events?source={}&state={state}", link_path(source))
}

fn sources(cx: &PageContext, view: &View) -> Markup {
    let (sources, began) = (&view.sources, view.began);
    if sources.is_empty() {
        return empty("No sources", "The configuration contains no sources.");
    }
    let columns = [
        ("Source", TEXT),
        ("Received", NUMBER),
        ("Verified", NUMBER),
        ("Rejected", NUMBER),
        ("Handled", NUMBER),
        ("Dead letters", NUMBER),
        ("Last 24 h", TEXT),
        ("Oldest waiting", NUMBER),
        ("p95", NUMBER),
        ("Last event", NUMBER),
        ("Secret", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = sources.iter().map(|source| vec![
        html! {
            (cx.link(Section::Sources, &format!("/sources/{}", link_path(&source.name)), &source.name))
            @if source.state != "ok" { " " (word(&source.state, BadgeTone::Plain)) }
            span .under { (said(&source.provider)) }
        },
        both(source.received, false, &of_source(&source.name)),
        both(source.verified, false, &Places::of_events(began, Some(&source.name), "")),
        both(source.refused, true, &of_source(&source.name)),
        both(source.handled, false, &Places::of_events(began, Some(&source.name), "done")),
        both(source.dead, true, &dead_of(&source.name)),
        sparkline("Verified in 24 hours", &source.course),
        html! { @match source.oldest_waiting {
            Some(at) => a href=(events_of(&source.name, "ready")) { (age(cx.now - at)) },
            None => span .muted { "none" },
        } },
        html! { @if let Some(slow) = source.slow { (took(slow)) } @else { span .muted { "none" } } },
        html! { @match source.last_event {
            Some(at) => a href=(format!("/events?source={}", link_path(&source.name))) {
                (when(at, cx.now))
            },
            None => span .muted { "never" },
        } },
        html! { @if let Some(secret) = &source.secret {
            code .nowrap title=(said(secret)) { (short(secret, 12)) }
        } },
    ]).collect();
    table("Sources", &columns, &rows)
}

/// The link to a source's outcomes and rejection reasons.
fn of_source(name: &str) -> Places {
    Places::one(&format!("/sources/{}#panel-traffic", link_path(name)))
}

/// Dead letters including resolved ones: the count is taken when a delivery is dead-lettered.
fn dead_of(name: &str) -> Places {
    Places::one(&format!("/dead-letters/all?source={}&which=all", link_path(name)))
}

fn groups(cx: &PageContext, groups: &[Group]) -> Markup {
    if groups.is_empty() {
        return empty("No dead letters", "No open dead letters.");
    }
    let columns = [
        ("Error", WIDE),
        ("Source", TEXT),
        ("Open", NUMBER),
        ("Last 24 h", TEXT),
        ("Last", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = groups.iter().map(|group| vec![
        html! {
            a href={ "/dead-letters/groups/" (link_path(&group.id)) } {
                (short(group.message.as_deref().unwrap_or(&group.reason), 120))
            }
            span .under { (word(&group.reason, BadgeTone::Bad)) }
        },
        html! { (name(&group.source)) span .under { (name(&group.handler)) } },
        html! {
            a href={ "/dead-letters/groups/" (link_path(&group.id)) } { (number(group.open)) }
        },
        sparkline("Dead-lettered in 24 hours", &group.course),
        when(group.last_at, cx.now),
    ]).collect();
    table("Dead letters by impact", &columns, &rows)
}
