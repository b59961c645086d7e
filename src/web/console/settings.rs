//! The effective settings, read-only.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::layout::{Head, PageContext, Section};
use super::parts::{panel, terms, visible};
use crate::admin::Setting;
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/settings", web::get().to(show));
}

async fn show(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    let settings = admin.monitoring.settings(&cx.viewer.caller);
    cx.answer(settings.map(|settings| page(&cx, settings)))
}

pub(super) fn page(cx: &PageContext, settings: &[Setting]) -> Markup {
    let head = Head {
        title: "Settings",
        lead: "The effective configuration of this gateway. Secrets are omitted.",
        section: Some(Section::Settings),
        ..Head::default()
    };
    let sections = settings.chunk_by(|a, b| split(a).0 == split(b).0);
    cx.page(
        &head,
        &html! {
            @for settings in sections {
                @let title = settings.first().map_or("", |first| split(first).0);
                @let settings: Vec<(&str, Markup)> = settings.iter()
                    .map(|setting| (split(setting).1, html! {
                        @if setting.value.is_empty() { span .muted { "none" } }
                        @else { code { (visible(&setting.value)) } }
                    })).collect();
                (panel(title, &html! {}, &terms(&settings)))
            }
        },
    )
}

/// The section and the key within it.
fn split(setting: &Setting) -> (&str, &str) {
    setting.key.split_once('.').unwrap_or(("", &setting.key))
}
