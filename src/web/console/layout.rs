//! The layout of every page: head, navigation, user, flash message.

use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;

use super::assets::{ICON, SCRIPT, STYLE};
use super::parts::{BadgeTone, badge, visible};
use crate::admin::{Caller, Scope};

#[derive(Debug, Clone)]
pub(super) struct Viewer {
    pub(super) caller: Caller,
    /// The CSRF token of their session, which every form contains; `None` without a session.
    pub(super) csrf: Option<String>,
}

/// The context a page is rendered in.
#[derive(Debug, Clone)]
pub(super) struct PageContext {
    pub(super) viewer: Viewer,
    pub(super) now: OffsetDateTime,
    /// The sections in the navigation.
    pub(super) sections: &'static [&'static [Section]],
    pub(super) flash: Option<Flash>,
}

/// A flash message, optionally with a link to what was created.
#[derive(Debug, Clone)]
pub(super) struct Flash {
    pub(super) text: String,
    /// An address and its label.
    pub(super) link: Option<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) title: &'a str,
    pub(super) lead: &'a str,
    pub(super) section: Option<Section>,
    /// Whether it is a subpage of its section.
    pub(super) below: bool,
    /// The parent page within the section: address and label.
    pub(super) within: Option<&'a (String, String)>,
    /// After how many seconds it is reloaded without scripts.
    pub(super) refresh: Option<u32>,
    /// The path of the console to redirect to.
    pub(super) onward: Option<&'a str>,
    /// Actions, beside the title.
    pub(super) actions: Option<Markup>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Events,
    DeadLetters,
    Jobs,
    Transfers,
    RejectedRequests,
    Explain,
    Sources,
    Providers,
    Pauses,
    Destinations,
    Alerts,
    Audit,
    Keys,
    Users,
    Settings,
    Account,
}

impl Section {
    /// Its address, its label, and its shortcut key after `g`.
    pub(super) fn row(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Overview => ("/", "Overview", Some("o")),
            Self::Events => ("/events", "Events", Some("e")),
            Self::DeadLetters => ("/dead-letters", "Dead letters", Some("d")),
            Self::Jobs => ("/jobs", "Jobs", Some("j")),
            Self::Transfers => ("/transfers", "Transfers", Some("t")),
            Self::RejectedRequests => ("/rejected-requests", "Rejected requests", Some("h")),
            Self::Explain => ("/explain", "Explain a request", Some("x")),
            Self::Sources => ("/sources", "Sources", Some("s")),
            Self::Providers => ("/providers", "Providers", Some("r")),
            Self::Pauses => ("/pauses", "Pauses", Some("u")),
            Self::Destinations => ("/destinations", "Destinations", Some("n")),
            Self::Alerts => ("/alerts", "Alerts", Some("l")),
            Self::Audit => ("/audit", "Audit log", Some("a")),
            Self::Keys => ("/keys", "API keys", Some("k")),
            Self::Users => ("/users", "Users", Some("p")),
            Self::Settings => ("/settings", "Settings", None),
            Self::Account => ("/account", "Account", Some("y")),
        }
    }

    /// The scope required for this section.
    fn needs(self) -> Option<Scope> {
        match self {
            Self::RejectedRequests | Self::Explain => Some(Scope::SecretsWrite),
            Self::Audit | Self::Keys | Self::Users => Some(Scope::Admin),
            Self::Account => None,
            _ => Some(Scope::EventsRead),
        }
    }
}

impl PageContext {
    /// Whether the viewer has a scope.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.viewer.caller.may(scope)
    }

    /// A link into a section, or plain text if the viewer lacks the scope.
    pub(super) fn link(&self, section: Section, href: &str, label: &str) -> Markup {
        let reachable = self.reachable().flatten().any(|one| one == section);
        html! {
            @if reachable { a href=(href) { (visible(label)) } } @else { (visible(label)) }
        }
    }

    pub(super) fn page(&self, head: &Head<'_>, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (of_head(head))
                body {
                    a .skip href="#content" { "Skip to content" }
                    div .frame {
                        header .side {
                            div .side-top {
                                (brand())
                                details .menu {
                                    summary { "Menu" }
                                    (self.navigation(head.section, "Menu"))
                                    (self.who())
                                }
                            }
                            (self.navigation(head.section, "Main"))
                            (self.who())
                        }
                        main #content .main tabindex="-1" {
                            (crumbs(head))
                            @if let Some(flash) = &self.flash {
                                div .note.good role="status" { p {
                                    (visible(&flash.text))
                                    @if let Some((href, label)) = &flash.link {
                                        " " a href=(href) { (visible(label)) }
                                    }
                                } }
                            }
                            div .head {
                                div {
                                    h1 { (visible(head.title)) }
                                    @if !head.lead.is_empty() { p .lead { (visible(head.lead)) } }
                                }
                                @if let Some(actions) = &head.actions { div .actions { (actions) } }
                            }
                            (body)
                        }
                        footer .foot {
                            span { "All times are in UTC." }
                            button .plain.small-button.scripted-only type="button" data-does="keys" {
                                "Keyboard: ?"
                            }
                        }
                    }
                    (self.keys())
                }
            }
        }
    }

    fn reachable(&self) -> impl Iterator<Item = Vec<Section>> {
        self.sections.iter().map(|group| {
            // API keys have no account page.
            let may = |section: &&Section| match section.needs() {
                Some(scope) => self.may(scope),
                None => self.viewer.csrf.is_some(),
            };
            group.iter().filter(may).copied().collect::<Vec<_>>()
        })
    }

    fn navigation(&self, here: Option<Section>, label: &str) -> Markup {
        html! {
            nav .nav aria-label=(label) {
                @for group in self.reachable().filter(|group| !group.is_empty()) {
                    ul {
                        @for section in group {
                            @let (href, name, key) = section.row();
                            li {
                                a href=(href) data-go=[key]
                                  aria-current=[(here == Some(section)).then_some("page")] { (name) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn who(&self) -> Markup {
        html! {
            div .who {
                @if self.viewer.csrf.is_some() {
                    div .who-name {
                        span .muted .small { "Signed in as" }
                        br;
                        (visible(self.viewer.caller.actor()))
                        @if let Some(tenant) = self.viewer.caller.tenant() {
                            br;
                            span .muted .small { "tenant " (visible(tenant)) }
                        }
                    }
                }
                div .who-row {
                    button .small-button.scripted-only type="button" data-does="theme" { "Theme" }
                    @if let Some(csrf) = &self.viewer.csrf {
                        form method="post" action="/sign-out" {
                            input type="hidden" name="csrf" value=(csrf);
                            button .small-button { "Sign out" }
                        }
                    }
                }
            }
        }
    }

    fn keys(&self) -> Markup {
        html! {
            dialog #keys aria-labelledby="keys-title" {
                h2 #keys-title { "Keyboard" }
                dl .terms {
                    dt { kbd { "j" } " " kbd { "k" } } dd { "next, previous row" }
                    dt { kbd { "Enter" } } dd { "open" }
                    dt { kbd { "n" } } dd { "next page of a list" }
                    dt { kbd { "/" } } dd { "search" }
                    @for section in self.reachable().flatten() {
                        @if let (_, name, Some(key)) = section.row() {
                            dt { kbd { "g" } " " kbd { (key) } } dd { (name) }
                        }
                    }
                    dt { kbd { "?" } } dd { "show this help" }
                }
                form method="dialog" { button .first { "Close" } }
            }
        }
    }
}

/// A page for users who are not signed in.
pub(super) fn signed_out_page(title: &str, body: &Markup) -> Markup {
    alone(&Head { title, ..Head::default() }, body)
}

/// A page that redirects to a path of the console.
pub(super) fn redirect_page(title: &str, onward: &str, body: &Markup) -> Markup {
    alone(&Head { title, onward: Some(onward), ..Head::default() }, body)
}

fn alone(head: &Head<'_>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (of_head(head))
            body .bare {
                main #content {
                    (brand())
                    (body)
                }
            }
        }
    }
}

fn of_head(head: &Head<'_>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (visible(head.title)) " \u{b7} Sealpost" }
            link rel="icon" type="image/svg+xml" href=(ICON.href());
            link rel="stylesheet" href=(STYLE.href());
            script src=(SCRIPT.href()) {}
            @if let Some(seconds) = head.refresh {
                noscript { meta http-equiv="refresh" content=(seconds); }
            }
            @if let Some(to) = head.onward {
                meta http-equiv="refresh" content={ "0; url=" (to) };
            }
        }
    }
}

fn brand() -> Markup {
    html! {
        a .brand href="/" {
            svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.75" aria-hidden="true" {
                circle cx="10" cy="10" r="8.1" {}
                path d="M6.4 10.2l2.5 2.5 4.8-5.3" stroke-linecap="round" stroke-linejoin="round" {}
            }
            "Sealpost"
        }
    }
}

fn crumbs(head: &Head<'_>) -> Markup {
    let Some(section) = head.section.filter(|_| head.below || head.within.is_some()) else {
        return html! {};
    };
    let (href, name, _) = section.row();
    html! {
        nav .crumbs aria-label="Breadcrumbs" {
            ol {
                li { a href=(href) { (name) } }
                @if let Some((href, name)) = head.within {
                    li { a href=(href) { (visible(name)) } }
                }
                li aria-current="page" { (visible(head.title)) }
            }
        }
    }
}

/// A highlighted message.
pub(super) fn note(label: &str, tone: BadgeTone, text: &Markup) -> Markup {
    html! {
        div class={ "note " (tone.class()) } { (badge(label, tone)) p { (text) } }
    }
}
