//! The effective settings, read-only.

use maud::{Markup, html};

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{panel, said, terms};

/// The settings.
pub(in crate::web::console) struct View {
    /// By section: its title, and each setting with its value. Secrets are omitted.
    pub(in crate::web::console) sections: Vec<(String, Vec<(String, String)>)>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Settings",
        lead: "The effective configuration of this gateway. Secrets are omitted.",
        section: Some(Section::Settings),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            @for (title, settings) in &view.sections {
                @let settings: Vec<(&str, Markup)> = settings.iter()
                    .map(|(name, value)| (&**name, html! {
                        @if value.is_empty() { span .muted { "none" } } @else { code { (said(value)) } }
                    })).collect();
                (panel(title, &html! {}, &terms(&settings)))
            }
        },
    )
}
