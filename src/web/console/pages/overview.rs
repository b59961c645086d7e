//! The overview: whether anything is wrong, in five seconds.

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
    /// How much what is wrong matters, at most: a word and its tone. None where nothing is wrong.
    pub(in crate::web::console) worst: Option<(&'static str, BadgeTone)>,
    /// Whether anybody is told of alerts: there is a channel.
    pub(in crate::web::console) alerts_are_told: bool,
    /// What is wrong, the worst first.
    pub(in crate::web::console) banners: Vec<Banner>,
    /// A row for each source.
    pub(in crate::web::console) sources: Vec<Source>,
    /// Groups of open dead letters, those with most of them first.
    pub(in crate::web::console) groups: Vec<Group>,
    /// How many dead letters are open.
    pub(in crate::web::console) open_in_all: u64,
    /// When the last hour and the last day begin, as they are counted.
    pub(in crate::web::console) began: Began,
    /// Events received, hour by hour.
    pub(in crate::web::console) received: Vec<Bar>,
    /// Time to acknowledge hour by hour, in milliseconds: the median and the 95th of a hundred.
    pub(in crate::web::console) median: Vec<Option<f64>>,
    /// The slowest but five of a hundred.
    pub(in crate::web::console) slow: Vec<Option<f64>>,
}

/// When what is counted begins: at a multiple of five minutes, and at a full hour.
#[derive(Debug, Clone, Copy)]
pub(in crate::web::console) struct Began {
    /// The last hour.
    pub(in crate::web::console) hour: OffsetDateTime,
    /// The last day.
    pub(in crate::web::console) day: OffsetDateTime,
}

/// Something that is wrong.
pub(in crate::web::console) struct Banner {
    /// In a word, such as `silent`.
    pub(in crate::web::console) word: String,
    /// How much it matters.
    pub(in crate::web::console) tone: BadgeTone,
    /// What it is.
    pub(in crate::web::console) text: String,
    /// Where to look.
    pub(in crate::web::console) href: String,
}

/// A number of the last hour, and of the last day.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::web::console) struct HourDay {
    /// Of the last hour.
    pub(in crate::web::console) hour: u64,
    /// Of the last day.
    pub(in crate::web::console) day: u64,
}

/// How a source does.
pub(in crate::web::console) struct Source {
    /// Its name.
    pub(in crate::web::console) name: String,
    /// What kind of sender it is.
    pub(in crate::web::console) provider: String,
    /// How it stands, in a word.
    pub(in crate::web::console) state: String,
    /// Requests.
    pub(in crate::web::console) received: HourDay,
    /// Those that proved who sent them.
    pub(in crate::web::console) verified: HourDay,
    /// Those that did not.
    pub(in crate::web::console) refused: HourDay,
    /// Deliveries that ended well.
    pub(in crate::web::console) handled: HourDay,
    /// Deliveries that died.
    pub(in crate::web::console) dead: HourDay,
    /// Verified requests hour by hour, of the last day.
    pub(in crate::web::console) course: Vec<u64>,
    /// Since when the oldest delivery waits.
    pub(in crate::web::console) oldest_waiting: Option<OffsetDateTime>,
    /// How long the slowest but five of a hundred waited for their answer.
    pub(in crate::web::console) slow: Option<Duration>,
    /// When the last event was received.
    pub(in crate::web::console) last_event: Option<OffsetDateTime>,
    /// The fingerprint of the secret that verified last.
    pub(in crate::web::console) secret: Option<String>,
}

/// A group of dead letters.
pub(in crate::web::console) struct Group {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// What they have in common: the message.
    pub(in crate::web::console) message: Option<String>,
    /// The source.
    pub(in crate::web::console) source: String,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The reason: a stored word.
    pub(in crate::web::console) reason: String,
    /// How many are open.
    pub(in crate::web::console) open: u64,
    /// When the last of them died.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// Deaths hour by hour, of the last day.
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
                    None => (note("all well", BadgeTone::Good, &html! {
                        "No alarm goes on: nothing is overdue, paused, failing or dead."
                    })),
                    Some((word, tone)) => (note(word, tone, &html! {
                        (count(view.banners.len() as u64, "thing needs", "things need"))
                        " attention."
                    })),
                }
                @for banner in &view.banners {
                    (note(&banner.word, banner.tone, &html! {
                        (said(&banner.text)) " " a href=(banner.href) { "Look at it" }
                    }))
                }
                @if !view.alerts_are_told { (nobody_is_told()) }
            }
            (figures(cx, view))
            (panel("Sources", &html! { "The last hour, and below it the last day" }, &sources(cx, view)))
            (panel("Dead letters by impact", &html! {
                a href="/dead-letters" { "All " (number(view.open_in_all)) " that are open" }
            }, &groups(cx, &view.groups)))
        }
        div .two {
            (panel("Received", &html! { "Requests in each hour" }, &bars("Requests", "", &view.received)))
            (panel("Time to acknowledge", &html! { "From the request to the answer" }, &latency(view)))
        }
    })
}

/// What the whole gateway comes to.
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
            span .under { a href=(places.day) { (number(numbers.day)) " in the last day" } }
        }
    };
    let (received, refused) = (sum(|source| source.received), sum(|source| source.refused));
    let waiting = view.sources.iter().filter_map(|one| Some((one.oldest_waiting?, &one.name)));
    let oldest = waiting.min();
    html! {
        section .panel aria-label="In all" {
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
                    dt { "Oldest delivery waits" }
                    dd {
                        @match oldest {
                            Some((at, source)) => {
                                a href=(events_of(source, "ready")) { (age(cx.now - at)) }
                                span .under.said { "of " (said(source)) }
                            },
                            None => { "none" span .under { "no delivery waits" } },
                        }
                    }
                }
                div {
                    dt { "Received in the last hour" }
                    dd { (both(received, &Places::of_events(view.began, None, ""))) }
                }
                div {
                    dt { "Refused in the last hour" }
                    dd class=(if refused.hour > 0 { "warn" } else { "" }) {
                        // What was refused is kept by few sources: it is counted in the table.
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
        "Time to acknowledge",
        "ms",
        &times,
        &[
            Curve { label: "p50", values: view.median.clone() },
            Curve { label: "p95", values: view.slow.clone() },
        ],
    )
}

/// Where that is listed which was counted in the last hour, and in the last day.
struct Places {
    hour: String,
    day: String,
}

impl Places {
    fn one(place: &str) -> Self {
        Self { hour: place.to_owned(), day: place.to_owned() }
    }

    /// The events since then; of one source, and with such a delivery, where these are given.
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

/// The numbers of the hour and the day, as links to what was counted.
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
        return empty("No sources", "The configuration names none.");
    }
    let columns = [
        ("Source", TEXT),
        ("Received", NUMBER),
        ("Verified", NUMBER),
        ("Refused", NUMBER),
        ("Handled", NUMBER),
        ("Dead", NUMBER),
        ("Day", TEXT),
        ("Oldest waits", NUMBER),
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
        sparkline("Verified in a day", &source.course),
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

/// Requests by what became of them, and why they were refused.
fn of_source(name: &str) -> Places {
    Places::one(&format!("/sources/{}#panel-traffic", link_path(name)))
}

/// Dead letters, those that were dealt with too: they are counted when they die.
fn dead_of(name: &str) -> Places {
    Places::one(&format!("/dead-letters/all?source={}&which=all", link_path(name)))
}

fn groups(cx: &PageContext, groups: &[Group]) -> Markup {
    if groups.is_empty() {
        return empty("No dead letters", "Nothing waits for an operator.");
    }
    let columns = [
        ("What they have in common", WIDE),
        ("Source", TEXT),
        ("Open", NUMBER),
        ("Day", TEXT),
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
        sparkline("Died in a day", &group.course),
        when(group.last_at, cx.now),
    ]).collect();
    table("Dead letters by impact", &columns, &rows)
}
