//! The list of alerts.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Head, PageContext, Section, note};
use super::parts::{
    BadgeTone, Facet, FacetValue, NUMBER, Pager, TEXT, WIDE, badge, count, empty, facets, name,
    number, pager, table, visible, when,
};
use crate::admin::{AdminError, AlertRow, Caller, Notification};
use crate::web::admin::AdminState;

/// The maximum number of alerts shown.
const ALERTS: u32 = 200;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/alerts", web::get().to(list));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    which: String,
}

pub(super) struct Page {
    /// Whether closed alerts are included.
    pub(super) all: bool,
    pub(super) has_channel: bool,
    pub(super) alerts: Vec<AlertRow>,
    pub(super) pager: Pager,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    cx.show(Page::load(&admin, &cx.viewer.caller, query.which == "all"), page).await
}

impl Page {
    async fn load(admin: &AdminState, caller: &Caller, all: bool) -> Result<Self, AdminError> {
        let alerts = admin.alerts.list(caller, all, None, ALERTS).await?;
        let number = count(alerts.len() as u64, "alert", "alerts");
        let shown = if alerts.len() < ALERTS as usize {
            format!("{number}, newest first")
        } else {
            format!("The newest {ALERTS}; older alerts are not shown")
        };
        let pager = Pager { shown, ..Pager::default() };
        Ok(Self { all, has_channel: admin.alerts.has_channel(), alerts, pager })
    }
}

pub(super) fn page(cx: &PageContext, view: &Page) -> Markup {
    let head = Head {
        title: "Alerts",
        lead: "Alerts that were sent or are waiting to be sent. Repeats are counted while the alert is open.",
        section: Some(Section::Alerts),
        ..Head::default()
    };
    let which = |label: &str, href: &str, chosen| FacetValue {
        label: label.into(),
        count: None,
        href: href.into(),
        chosen,
    };
    let values = vec![
        which("open or not yet sent", "/alerts", !view.all),
        which("all", "/alerts?which=all", view.all),
    ];
    cx.page(
        &head,
        &html! {
            @if !view.has_channel { (no_channel()) }
            section .panel aria-label="Alerts" {
                (facets(&[Facet { label: "Show", values }]))
                div #list data-live="15" {
                    @if view.alerts.is_empty() {
                        (empty("No alerts", "No alert is open."))
                    } @else {
                        (rows(cx, &view.alerts))
                        (pager(&view.pager))
                    }
                }
            }
        },
    )
}

/// The warning shown while no alert channel is configured.
pub(super) fn no_channel() -> Markup {
    note(
        "no channel",
        BadgeTone::Calm,
        &html! {
            "No alert channel is configured, so alerts appear only on this page. Set " code { "discord" }
            " in the section " code { "[alerts]" } " of the configuration."
        },
    )
}

fn rows(cx: &PageContext, alerts: &[AlertRow]) -> Markup {
    let columns = [
        ("Alert", TEXT),
        ("Severity", TEXT),
        ("Source", TEXT),
        ("Text", WIDE),
        ("Count", NUMBER),
        ("Last", TEXT),
        ("State", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = alerts
        .iter()
        .map(|alert| {
            let severity = alert.severity.as_str();
            let state: &str = alert.state.into();
            vec![
                html! { (name(&alert.alert_type)) span .under { "alert " (alert.id) } },
                badge(severity, BadgeTone::of(severity)),
                name(&alert.source),
                html! {
                    @match &alert.text {
                        Some(text) => { (visible(text)) }
                        None => { span .muted { "requires scope payload:read" } }
                    }
                },
                html! { (number(alert.count.unsigned_abs())) },
                when(alert.last_at, cx.now),
                html! { (badge(state, BadgeTone::of(state))) span .under { (notified(alert.notification)) } },
            ]
        })
        .collect();
    table("Alerts", &columns, &rows)
}

fn notified(notification: Notification) -> &'static str {
    match notification {
        Notification::Pending => "not yet sent",
        Notification::Sent => "sent",
        Notification::NotSent => "not sent",
    }
}
