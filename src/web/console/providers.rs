//! Providers: the list, one provider, and a source for a sender that none describes.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use strum::VariantArray as _;

use super::layout::{Head, PageContext, Section};
use super::parts::{
    BadgeTone, Facet, FacetValue, TEXT, badge, command, empty, facets, link_path, panel, search,
    table, visible,
};
use crate::admin::{
    AdminError, FactGroup, Provider, ProviderFilter, ProviderLevel, ProviderSummary, Providers,
    ReplayProtection,
};
use crate::verify::Strength;
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    // A source may name the provider `custom`, which is not in the list.
    app.route("/providers", web::get().to(list))
        .route("/providers/custom", web::get().to(show_template))
        .route("/providers/{name}", web::get().to(show));
}

/// The query of the list; an empty field does not filter.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct ProviderQuery {
    pub(super) q: String,
    pub(super) level: String,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ProviderQuery>,
) -> HttpResponse {
    let listed = query.filter().map(|filter| admin.providers.list(&filter));
    cx.answer(listed.map(|listed| page(&cx, &query, &listed)))
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.answer(admin.providers.show(&name).map(|provider| one(&cx, provider)))
}

async fn show_template(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    cx.answer(Ok(template(&cx, admin.providers.template())))
}

impl ProviderQuery {
    fn filter(&self) -> Result<ProviderFilter, AdminError> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let level = |level: String| {
            let unknown = |_| AdminError::Invalid(format!("unknown proof `{level}`"));
            level.parse::<ProviderLevel>().map_err(unknown)
        };
        Ok(ProviderFilter {
            level: given(&self.level).map(level).transpose()?,
            search: given(&self.q),
        })
    }

    /// The list with another level.
    fn with_level(&self, level: &str) -> String {
        format!("/providers?q={}&level={level}", link_path(&self.q))
    }
}

pub(super) fn page(cx: &PageContext, query: &ProviderQuery, listed: &[ProviderSummary]) -> Markup {
    let head = Head {
        title: "Providers",
        lead: "Kinds of senders, how they sign, and how well that is proven.",
        section: Some(Section::Providers),
        actions: Some(html! { a .button href="/providers/custom" { "Another sender" } }),
        ..Head::default()
    };
    let hidden = html! {
        @if !query.level.is_empty() { input type="hidden" name="level" value=(query.level); }
    };
    let columns = [
        ("Provider", TEXT),
        ("Sender", TEXT),
        ("Proof", TEXT),
        ("Algorithm", TEXT),
        ("Strength", TEXT),
        ("Replay protection", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = listed.iter().map(row).collect();
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Providers" {
                (search("/providers", "Search", "a name", &query.q, &hidden))
                (facets(&[levels(query)]))
                div #list {
                    @if rows.is_empty() {
                        (empty("No providers", "No provider matches the filter."))
                    } @else {
                        (table("Providers", &columns, &rows))
                        div .pager { p { (visible(&Providers::count(listed))) } }
                    }
                }
            }
        },
    )
}

fn levels(query: &ProviderQuery) -> Facet {
    let all = ProviderLevel::VARIANTS.iter().map(|level| (in_words(*level), level.as_str()));
    let value = |(label, level): (&str, &str)| FacetValue {
        label: label.to_owned(),
        count: None,
        href: query.with_level(level),
        chosen: query.level == level,
    };
    Facet { label: "Proof", values: [("any", "")].into_iter().chain(all).map(value).collect() }
}

fn row(one: &ProviderSummary) -> Vec<Markup> {
    vec![
        html! { a href={ "/providers/" (link_path(&one.name)) } { (visible(&one.name)) } },
        html! { (visible(&one.title)) },
        html! {
            @if one.proven { (badge("proven", BadgeTone::Good)) " " }
            @if one.level != ProviderLevel::Proven { (in_words(one.level)) }
        },
        html! { code .nowrap { (visible(&one.algorithm)) } },
        strength(one.strength),
        html! {
            @match one.replay_protection {
                ReplayProtection::None => (badge("none", BadgeTone::Warn)),
                protection => (protection.in_words()),
            }
        },
    ]
}

fn in_words(level: ProviderLevel) -> &'static str {
    match level {
        ProviderLevel::BuiltIn => "built in",
        level => level.as_str(),
    }
}

fn strength(strength: Strength) -> Markup {
    match strength {
        Strength::Signed => html! { (strength.as_str()) },
        _ => badge(strength.as_str(), BadgeTone::Warn),
    }
}

pub(super) fn one(cx: &PageContext, provider: &Provider) -> Markup {
    let lead = format!("{}, in the configuration of a source.", provider.name);
    let head = Head {
        title: &provider.title,
        lead: &lead,
        section: Some(Section::Providers),
        below: true,
        actions: provider.docs.as_ref().map(|docs| {
            html! { a .button href=(docs) rel="noreferrer" { "The sender's documentation" } }
        }),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            @for group in provider.facts() { (panel(group.title, &html! {}, &facts(&group))) }
            (panel("Configuration", &html! { "A source to fill in" }, &html! {
                div .pad { (command("example", "Source", &provider.example)) }
            }))
        },
    )
}

fn facts(group: &FactGroup) -> Markup {
    let rows: Vec<(&str, Markup)> = group
        .facts
        .iter()
        .map(|fact| {
            let texts = html! {
                @for (place, text) in fact.texts.iter().enumerate() {
                    @if place > 0 { br; }
                    (coded(text))
                }
            };
            (fact.label, texts)
        })
        .collect();
    html! {
        dl .terms { @for (label, texts) in &rows { dt { (coded(label)) } dd { (texts) } } }
    }
}

/// A text with code between backticks.
fn coded(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code .said { (visible(part)) } } @else { (visible(part)) }
        }
    }
}

fn template(cx: &PageContext, source: &str) -> Markup {
    let head = Head {
        title: "Another sender",
        lead: "A sender that no provider describes: how it signs is part of the configuration.",
        section: Some(Section::Providers),
        below: true,
        ..Head::default()
    };
    cx.page(
        &head,
        &panel(
            "Configuration",
            &html! { "A source to fill in" },
            &html! { div .pad { (command("example", "Source", source)) } },
        ),
    )
}
