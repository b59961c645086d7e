//! Panels, filters, pagination, definition lists and timelines.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::{BadgeTone, number, stamp, visible};

/// A panel with a heading; `parked` is shown beside it.
pub(in crate::web::console) fn panel(title: &str, parked: &Markup, body: &Markup) -> Markup {
    let letters = title.chars().filter(char::is_ascii_alphanumeric);
    let id = format!("panel-{}", letters.collect::<String>().to_lowercase());
    html! {
        section .panel aria-labelledby=(id) {
            header { h2 id=(id) { (visible(title)) } @if !parked.0.is_empty() { p { (parked) } } }
            (body)
        }
    }
}

/// The empty state of a list.
pub(in crate::web::console) fn empty(what: &str, more: &str) -> Markup {
    html! { div .empty { strong { (what) } @if !more.is_empty() { p { (more) } } } }
}

pub(in crate::web::console) struct Facet {
    pub(in crate::web::console) label: &'static str,
    pub(in crate::web::console) values: Vec<FacetValue>,
}

pub(in crate::web::console) struct FacetValue {
    pub(in crate::web::console) label: String,
    /// The number of matches; `None` if not counted.
    pub(in crate::web::console) count: Option<u64>,
    /// The list with this value, or without it if it is selected.
    pub(in crate::web::console) href: String,
    pub(in crate::web::console) chosen: bool,
}

/// The number of values shown before the rest collapses.
const SHOWN: usize = 8;

/// The filters. A long one shows its first values and the selected one; a click expands the rest.
pub(in crate::web::console) fn facets(facets: &[Facet]) -> Markup {
    if facets.iter().all(|facet| facet.values.is_empty()) {
        return html! {};
    }
    html! {
        nav .facets aria-label="Filter" {
            @for facet in facets.iter().filter(|facet| !facet.values.is_empty()) {
                div {
                    h3 { (facet.label) }
                    @let (shown, rest) = split(&facet.values);
                    @for value in shown { (facet_value(value)) }
                    @if !rest.is_empty() {
                        details .more {
                            summary { (number(rest.len() as u64)) " more" }
                            div { @for value in rest { (facet_value(value)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Splits the values into the visible and the collapsed ones.
fn split(values: &[FacetValue]) -> (Vec<&FacetValue>, Vec<&FacetValue>) {
    let placed = values.iter().enumerate();
    let (shown, rest): (Vec<_>, Vec<_>) =
        placed.partition(|(place, value)| *place <= SHOWN || value.chosen);
    let bare = |placed: Vec<(usize, _)>| placed.into_iter().map(|(_, value)| value).collect();
    (bare(shown), bare(rest))
}

fn facet_value(value: &FacetValue) -> Markup {
    html! {
        a href=(value.href) aria-current=[value.chosen.then_some("true")] {
            (visible(&value.label))
            @if let Some(count) = value.count { " " span .count { (number(count)) } }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(in crate::web::console) struct Pager {
    /// A summary of the rows shown; it states when the list is truncated.
    pub(in crate::web::console) shown: String,
    /// The first page, unless this is it.
    pub(in crate::web::console) first: Option<String>,
    pub(in crate::web::console) next: Option<String>,
}

/// The footer of a list.
pub(in crate::web::console) fn pager(pager: &Pager) -> Markup {
    html! {
        div .pager {
            p { (visible(&pager.shown)) }
            nav aria-label="Pagination" {
                @if let Some(first) = &pager.first {
                    a .button .small-button rel="first" href=(first) { "First page" }
                }
                @if let Some(next) = &pager.next {
                    a .button .small-button rel="next" href=(next) { "Next page" }
                }
            }
        }
    }
}

/// A definition list; empty values are left out.
pub(in crate::web::console) fn terms(terms: &[(&str, Markup)]) -> Markup {
    html! {
        dl .terms {
            @for (term, what) in terms.iter().filter(|(_, what)| !what.0.is_empty()) {
                dt { (visible(term)) }
                dd { (what) }
            }
        }
    }
}

pub(in crate::web::console) struct Step {
    pub(in crate::web::console) at: OffsetDateTime,
    pub(in crate::web::console) what: Markup,
    /// Details; untrusted text.
    pub(in crate::web::console) detail: Option<String>,
    pub(in crate::web::console) tone: BadgeTone,
}

/// A timeline, oldest first.
pub(in crate::web::console) fn timeline(steps: &[Step], now: OffsetDateTime) -> Markup {
    html! {
        ol .line-up {
            @for step in steps {
                li class=(step.tone.class()) {
                    div .what { (step.what) span .muted .small { (stamp(step.at, now)) } }
                    @if let Some(detail) = &step.detail { p .detail { (visible(detail)) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_facets_show_the_first_values_and_the_selected_one() {
        let values = (0..40).map(|number| FacetValue {
            label: format!("type-{number}"),
            count: None,
            href: "/events".to_owned(),
            chosen: number == 30,
        });
        let page = facets(&[Facet { label: "Type", values: values.collect() }]).into_string();
        let (shown, rest) = page.split_once("<details").expect("the rest is behind a click");
        let count = |part: &str| part.matches("<a ").count();
        assert_eq!((count(shown), count(rest)), (10, 30));
        assert!(shown.contains(">type-30<") && rest.contains(">30 more<"), "{page}");
        let few = Facet { label: "Type", values: Vec::new() };
        assert!(!facets(&[few]).into_string().contains("<details"));
    }
}
