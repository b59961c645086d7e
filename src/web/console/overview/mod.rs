//! The overview: current problems and key figures.

mod alarms;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use self::alarms::{details, label, tone};
use super::alerts::no_channel;
use super::layout::{Head, PageContext, Section, note};
use super::page_context::sentence;
use super::parts::{
    BadgeTone, Bar, Curve, NUMBER, TEXT, WIDE, age, badge, bars, count, curves, empty, link_path,
    name, number, panel, short, sparkline, table, took, typed, visible, when,
};
use crate::admin::{AdminError, Caller, Counts, Group, GroupSelection, Overview, Point, SourceRow};
use crate::web::admin::AdminState;

const GROUPS: u32 = 8;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(show));
}

/// The overview with the largest groups of open dead letters.
pub(super) struct View {
    pub(super) overview: Overview,
    /// Groups of open dead letters, largest first.
    pub(super) groups: Vec<Group>,
    /// Open dead letters in total.
    pub(super) open: u64,
}

async fn show(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    cx.show(load(&admin, &cx.viewer.caller), page).await
}

async fn load(admin: &AdminState, caller: &Caller) -> Result<View, AdminError> {
    let overview = admin.monitoring.overview(caller).await?;
    let groups = admin.groups.list(caller, &GroupSelection::default(), None, GROUPS).await?;
    let by_class = admin.groups.by_class(caller).await?;
    let open = by_class.iter().map(|(_, open)| open).sum();
    Ok(View { overview, groups: groups.items, open })
}

pub(super) fn page(cx: &PageContext, view: &View) -> Markup {
    let overview = &view.overview;
    let head = Head {
        title: "Overview",
        section: Some(Section::Overview),
        refresh: Some(30),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #now .stack data-live="10" {
            div .notes {
                @match overview.severity {
                    None => (note("ok", BadgeTone::Good, &html! {
                        "No problems: nothing is overdue, paused, failing or dead-lettered."
                    })),
                    Some(severity) => (note(severity.as_str(), tone(severity), &html! {
                        (count(overview.alarms.len() as u64, "problem needs", "problems need"))
                        " attention."
                    })),
                }
                @for alarm in &overview.alarms {
                    (note(label(alarm.kind), tone(alarm.severity), &html! {
                        (visible(&sentence(&alarm.text))) " " a href=(details(alarm)) { "Details" }
                    }))
                }
                @if !overview.alerts_are_sent { (no_channel()) }
            }
            (figures(view))
            (panel("Sources", &html! { "Last hour; last 24 hours below" }, &sources(cx, overview)))
            (panel("Dead letters by impact", &html! {
                a href="/dead-letters" { "All " (number(view.open)) " open" }
            }, &groups(cx, &view.groups)))
        }
        div .two {
            (panel("Received", &html! { "Requests per hour" },
                   &bars("Requests", "", &received(&overview.day.points))))
            (panel("Response time", &html! { "From the request to the response" },
                   &latency(&overview.day.points)))
        }
    })
}

/// The figures of the whole gateway.
fn figures(view: &View) -> Markup {
    let overview = &view.overview;
    let sum = |part: fn(&Counts) -> u64| {
        let of = |counts: fn(&SourceRow) -> &Counts| {
            overview.sources.iter().map(|row| part(counts(row))).sum::<u64>()
        };
        HourDay { hour: of(|row| &row.hour), day: of(|row| &row.day) }
    };
    let both = |numbers: HourDay, places: &Places| {
        html! {
            a href=(places.hour) { (number(numbers.hour)) }
            span .under { a href=(places.day) { (number(numbers.day)) " in the last 24 hours" } }
        }
    };
    let (received, refused) = (sum(|counts| counts.received), sum(|counts| counts.refused));
    let waiting = overview.sources.iter().filter_map(|row| Some((row.waiting_seconds?, &row.name)));
    let oldest = waiting.max_by(|a, b| a.0.total_cmp(&b.0));
    html! {
        section .panel aria-label="Totals" {
            dl .figures {
                div {
                    dt { "Open dead letters" }
                    dd class=(if view.open > 0 { "bad" } else { "good" }) {
                        a href="/dead-letters" { (number(view.open)) }
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
                            Some((seconds, source)) => {
                                a href=(events_of(source, "ready")) {
                                    (age(Duration::seconds_f64(seconds)))
                                }
                                span .under.said { "source " (visible(source)) }
                            },
                            None => { "none" span .under { "no delivery waiting" } },
                        }
                    }
                }
                div {
                    dt { "Received in the last hour" }
                    dd { (both(received, &Places::of_events(Began::of(overview), None, ""))) }
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

fn received(day: &[Point]) -> Vec<Bar> {
    let bar = |point: &Point| Bar { label: hour(point), value: point.verified + point.refused };
    day.iter().map(bar).collect()
}

fn hour(point: &Point) -> String {
    format!("{:02}:{:02}", point.begin.hour(), point.begin.minute())
}

fn latency(day: &[Point]) -> Markup {
    let times: Vec<String> = day.iter().map(hour).collect();
    let milliseconds = |seconds: fn(&Point) -> Option<f64>| {
        day.iter().map(|point| seconds(point).map(|seconds| seconds * 1e3)).collect()
    };
    curves(
        "Response time",
        "ms",
        &times,
        &[
            Curve { label: "p50", values: milliseconds(|point| point.p50_seconds) },
            Curve { label: "p95", values: milliseconds(|point| point.p95_seconds) },
        ],
    )
}

/// A count of the last hour and of the last 24 hours.
#[derive(Debug, Clone, Copy)]
struct HourDay {
    hour: u64,
    day: u64,
}

/// Where the counting periods begin: at a multiple of five minutes, and at a full hour.
#[derive(Debug, Clone, Copy)]
struct Began {
    hour: OffsetDateTime,
    day: OffsetDateTime,
}

impl Began {
    fn of(overview: &Overview) -> Self {
        let first = |points: &[Point]| points.first().map_or(overview.at, |point| point.begin);
        Self { hour: first(&overview.hour.points), day: first(&overview.day.points) }
    }
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

fn sources(cx: &PageContext, overview: &Overview) -> Markup {
    let (sources, began) = (&overview.sources, Began::of(overview));
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
    let of = |row: &SourceRow, part: fn(&Counts) -> u64| HourDay {
        hour: part(&row.hour),
        day: part(&row.day),
    };
    let rows: Vec<Vec<Markup>> = sources.iter().map(|source| vec![
        html! {
            (cx.link(Section::Sources, &format!("/sources/{}", link_path(&source.name)), &source.name))
            @if let Some(state) = off(source) { " " (badge(state, BadgeTone::Plain)) }
            span .under { (visible(&source.provider)) }
        },
        both(of(source, |counts| counts.received), false, &of_source(&source.name)),
        both(of(source, |counts| counts.verified), false, &Places::of_events(began, Some(&source.name), "")),
        both(of(source, |counts| counts.refused), true, &of_source(&source.name)),
        both(of(source, |counts| counts.handled), false, &Places::of_events(began, Some(&source.name), "done")),
        both(of(source, |counts| counts.dead), true, &dead_of(&source.name)),
        sparkline("Verified in 24 hours", &source.day_line),
        html! { @match source.waiting_seconds {
            Some(seconds) => a href=(events_of(&source.name, "ready")) {
                (age(Duration::seconds_f64(seconds)))
            },
            None => span .muted { "none" },
        } },
        html! { @match source.p95_seconds {
            Some(seconds) => (took(Duration::seconds_f64(seconds))),
            None => span .muted { "none" },
        } },
        html! { @match source.last_event_at {
            Some(at) => a href=(format!("/events?source={}", link_path(&source.name))) {
                (when(at, cx.now))
            },
            None => span .muted { "never" },
        } },
        html! { @if let Some(secret) = &source.secret {
            code .nowrap title=(visible(secret)) { (short(secret, 12)) }
        } },
    ]).collect();
    table("Sources", &columns, &rows)
}

/// Why no events of a source are processed, if so.
fn off(source: &SourceRow) -> Option<&'static str> {
    match (source.enabled, source.paused_at) {
        (false, _) => Some("disabled"),
        (true, Some(_)) => Some("paused"),
        (true, None) => None,
    }
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
    let rows: Vec<Vec<Markup>> = groups
        .iter()
        .map(|group| {
            vec![
                html! {
                    a href={ "/dead-letters/groups/" (group.id) } {
                        (short(&group.title, 120))
                    }
                    span .under { (badge(group.death_reason.as_str(), BadgeTone::Bad)) }
                },
                html! { (name(&group.source)) span .under { (name(&group.handler)) } },
                html! {
                    a href={ "/dead-letters/groups/" (group.id) } { (number(group.open)) }
                },
                sparkline("Dead-lettered in 24 hours", &group.trend),
                when(group.last_at, cx.now),
            ]
        })
        .collect();
    table("Dead letters by impact", &columns, &rows)
}
