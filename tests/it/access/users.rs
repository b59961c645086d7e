//! Users, passwords, two-factor codes and set-up links.

use std::net::IpAddr;
use std::time::Duration;

use sealpost::admin::{
    AdminError, BegunSession, Caller, Client, Credentials, NewUser, Scope, Session, ShownSession,
    SignInError,
};
use sealpost::clock::Clock;
use serde_json::json;
use totp_rs::Builder;

use crate::harness::{Gateway, because};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(super) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

pub(super) fn root() -> Caller {
    Caller::local("grace")
}

pub(super) async fn add(
    gateway: &Gateway,
    name: &str,
    scope: Scope,
    tenant: Option<&str>,
) -> String {
    let new = NewUser {
        name: name.to_owned(),
        scopes: [scope].into_iter().collect(),
        tenant: tenant.map(str::to_owned),
    };
    let invitation = gateway.access().add_user(&root(), &new).await.unwrap();
    invitation.token().to_owned()
}

/// Adds a user with [`PASSWORD`] and signs them in.
pub(crate) async fn signed_in(gateway: &Gateway, name: &str, scope: Scope) -> String {
    let link = add(gateway, name, scope, None).await;
    let begun = gateway.access().set_up(&link, None, PASSWORD, &Client::at(PEER)).await.unwrap();
    begun.expect("a session").token.to_string()
}

pub(super) async fn try_from(
    gateway: &Gateway,
    name: &str,
    (password, code): (&str, Option<&str>),
    peer: IpAddr,
) -> Result<BegunSession, SignInError> {
    let given = Credentials { name, password, code, from: Client::at(peer) };
    gateway.access().sign_in(&given, None).await
}

async fn try_in(
    gateway: &Gateway,
    name: &str,
    password: &str,
) -> Result<BegunSession, SignInError> {
    try_from(gateway, name, (password, None), PEER).await
}

pub(super) async fn session(gateway: &Gateway, token: &str) -> Option<Session> {
    let shown = ShownSession::read(token).expect("the shape of a session");
    gateway.access().session(&shown, true).await.unwrap()
}

/// The code that an authenticator app shows now.
pub(super) fn code(gateway: &Gateway, base32: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(base32).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    totp.generate(gateway.clock().now().unix_timestamp().try_into().unwrap()).to_string()
}

#[tokio::test]
async fn first_link_creates_one_administrator() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    let first = access.first_invitation().await.unwrap().expect("a link");
    assert!(
        access.first_invitation().await.unwrap().is_none(),
        "only one of several gateways creates it"
    );
    assert!(access.awaits_first_user().await.unwrap());
    for (name, password) in [
        (None, PASSWORD),
        (Some("ada"), "short"),
        (Some(PASSWORD), PASSWORD),
        (Some("a:b"), PASSWORD),
    ] {
        let refused = access.set_up(first.token(), name, password, &Client::at(PEER)).await;
        assert!(matches!(refused, Err(AdminError::Invalid(_))), "{name:?} {password}");
    }
    let begun = access
        .set_up(first.token(), Some("ada"), PASSWORD, &Client::at(PEER))
        .await
        .unwrap()
        .unwrap();
    let ada = session(&gateway, &begun.token).await.unwrap();
    assert!(ada.caller.may(Scope::Admin) && ada.caller.tenant().is_none());
    let again = access.set_up(first.token(), Some("eve"), PASSWORD, &Client::at(PEER)).await;
    assert!(matches!(again, Err(AdminError::NotFound(_))), "{again:?}");
    assert!(access.first_invitation().await.unwrap().is_none());
    assert!(!access.awaits_first_user().await.unwrap());
    let rows = gateway.rows("setup_links").await;
    assert!(!format!("{rows:?}").contains(first.token()));
}

#[tokio::test]
async fn links_expire_and_are_replaced() {
    let gateway = Gateway::start().await;
    let first = gateway.access().first_invitation().await.unwrap().expect("a link");
    gateway.clock().advance(Duration::from_hours(24));
    let late = gateway.access().setup_link(first.token()).await;
    assert!(matches!(late, Err(AdminError::NotFound(_))), "{late:?}");
    assert!(gateway.access().first_invitation().await.unwrap().is_some());

    let old = add(&gateway, "ada", Scope::EventsRead, None).await;
    assert_eq!(
        gateway.access().setup_link(&old).await.unwrap().name.as_deref(),
        Some("ada"),
        "it names its user"
    );
    let new = gateway.access().reset_user(&root(), "ADA", false, &because("lost")).await.unwrap();
    assert!(
        gateway.access().set_up(&old, None, PASSWORD, &Client::at(PEER)).await.is_err(),
        "the older link is invalid"
    );
    assert!(
        gateway
            .access()
            .set_up(new.token(), None, PASSWORD, &Client::at(PEER))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn sign_in_errors_are_identical_and_rate_limited() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "ada", Scope::Admin).await;
    add(&gateway, "invited", Scope::Admin, None).await;
    let error = |tried: Result<BegunSession, SignInError>| tried.unwrap_err().to_string();
    let wrong = error(try_in(&gateway, "ada", "wrong horse battery").await);
    assert_eq!(error(try_in(&gateway, "nobody", PASSWORD).await), wrong);
    assert_eq!(error(try_in(&gateway, "invited", PASSWORD).await), wrong);
    try_in(&gateway, "Ada", PASSWORD).await.expect("names are case-insensitive");
    for _ in 0..5 {
        assert_eq!(error(try_in(&gateway, "ada", "wrong horse battery").await), wrong);
    }
    let many = try_in(&gateway, "ADA ", PASSWORD).await;
    let Err(SignInError::TooMany { after }) = many else { panic!("{many:?}") };
    assert_eq!(after, 900, "five attempts per name and network");
    let elsewhere = "192.0.2.2".parse().unwrap();
    try_from(&gateway, "ada", (PASSWORD, None), elsewhere).await.expect("another network");
    gateway.clock().advance(Duration::from_mins(15));
    try_in(&gateway, "ada", PASSWORD).await.expect("after a while");
}

#[tokio::test]
async fn concurrent_attempts_are_all_counted() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "ada", Scope::Admin).await;
    let tries = (0..12).map(|_| try_in(&gateway, "ada", "wrong horse battery"));
    let tried = futures_util::future::join_all(tries).await;
    let wrong = tried.iter().filter(|tried| matches!(tried, Err(SignInError::Wrong))).count();
    assert!(wrong <= 5, "{wrong}: {tried:?}");
}

#[tokio::test]
async fn sessions_end_by_idleness_age_and_sign_out() {
    let gateway = Gateway::start().await;
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    gateway.clock().advance(Duration::from_mins(29));
    assert!(session(&gateway, &token).await.is_some());
    gateway.clock().advance(Duration::from_mins(29));
    assert!(session(&gateway, &token).await.is_some(), "the session was used");
    gateway.clock().advance(Duration::from_mins(30));
    assert!(session(&gateway, &token).await.is_none(), "the session was idle");

    let token = try_in(&gateway, "ada", PASSWORD).await.unwrap().token;
    for _ in 0..35 {
        gateway.clock().advance(Duration::from_mins(20));
        assert!(session(&gateway, &token).await.is_some());
    }
    gateway.clock().advance(Duration::from_mins(20));
    assert!(session(&gateway, &token).await.is_none(), "12 hours are over");

    let token = try_in(&gateway, "ada", PASSWORD).await.unwrap().token;
    let ada = session(&gateway, &token).await.unwrap();
    gateway.access().sign_out(&ada).await.unwrap();
    assert!(session(&gateway, &token).await.is_none(), "signed out");
    gateway.access().remove_inactive().await;
    assert_eq!(gateway.count("SELECT count(*) FROM sessions").await, 0, "all are removed");
}

#[tokio::test]
async fn sign_in_password_change_and_disabling_end_sessions() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    let first = signed_in(&gateway, "ada", Scope::EventsRead).await;
    let shown = ShownSession::read(&first).unwrap();
    let from = Client::at(PEER);
    let given = Credentials { name: "ada", password: PASSWORD, code: None, from };
    let second = access.sign_in(&given, Some(&shown)).await.unwrap().token;
    assert!(session(&gateway, &first).await.is_none(), "sign-in replaces the session");

    let other = try_in(&gateway, "ada", PASSWORD).await.unwrap().token;
    let ada = session(&gateway, &second).await.unwrap();
    let new = "a staple and a horse";
    let wrong = access.change_password(&ada, "wrong", new, &Client::at(PEER)).await;
    assert!(matches!(wrong, Err(SignInError::Wrong)), "{wrong:?}");
    let third = access.change_password(&ada, PASSWORD, new, &Client::at(PEER)).await.unwrap().token;
    for gone in [&second, &other] {
        assert!(session(&gateway, gone).await.is_none());
    }
    assert!(session(&gateway, &third).await.is_some());
    assert!(matches!(try_in(&gateway, "ada", PASSWORD).await, Err(SignInError::Wrong)));

    access.disable_user(&root(), "ada", &because("left")).await.unwrap();
    assert!(session(&gateway, &third).await.is_none());
    assert!(matches!(try_in(&gateway, "ada", new).await, Err(SignInError::Wrong)));
    access.enable_user(&root(), "ada", &because("is back")).await.unwrap();
    try_in(&gateway, "ada", new).await.expect("enabled again");
}

#[tokio::test]
async fn two_factor_codes_are_required_and_single_use() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    let ada = session(&gateway, &token).await.unwrap();
    assert_eq!(access.why_no_codes(), None);
    let wrong = access.begin_codes(&ada, "wrong horse battery", &Client::at(PEER)).await;
    assert!(matches!(wrong, Err(SignInError::Wrong)), "{wrong:?}");
    let secret = access.begin_codes(&ada, PASSWORD, &Client::at(PEER)).await.unwrap();
    assert!(secret.url.starts_with("otpauth://totp/Sealpost:ada?"), "{}", *secret.url);
    try_in(&gateway, "ada", PASSWORD).await.expect("no code is required yet");
    let refused = access.confirm_codes(&ada, "000000").await;
    assert!(matches!(refused, Err(AdminError::Invalid(_))), "{refused:?}");
    access.confirm_codes(&ada, &code(&gateway, &secret.base32)).await.unwrap();

    let tried = async |password, code: Option<&str>| {
        gateway.execute("DELETE FROM sign_in_attempts").await;
        try_from(&gateway, "ada", (password, code), PEER).await.is_ok()
    };
    assert!(!tried(PASSWORD, None).await);
    let used = code(&gateway, &secret.base32);
    assert!(!tried(PASSWORD, Some(&used)).await, "the code was used before");
    gateway.clock().advance(Duration::from_secs(60));
    let fresh = code(&gateway, &secret.base32);
    assert!(!tried("wrong horse battery", Some(&fresh)).await);
    assert!(tried(PASSWORD, Some(&fresh)).await, "a wrong password does not use up the code");
    assert!(!tried(PASSWORD, Some(&fresh)).await);

    let ada = session(&gateway, &token).await.unwrap();
    assert!(ada.codes);
    let sealed = gateway.query("SELECT source, name FROM credentials").await;
    assert_eq!(sealed[0]["source"], json!("users"), "it is sealed in the vault");
    let wrong = access.turn_codes_off(&ada, "wrong horse battery", &Client::at(PEER)).await;
    assert!(matches!(wrong, Err(SignInError::Wrong)), "{wrong:?}");
    access.turn_codes_off(&ada, PASSWORD, &Client::at(PEER)).await.unwrap();
    assert!(tried(PASSWORD, None).await);
    assert_eq!(gateway.count("SELECT count(*) FROM credentials").await, 0);
}

#[tokio::test]
async fn two_factor_requires_a_master_key() {
    let gateway = Gateway::builder().variable("SEALPOST_MASTER_KEY", "").start().await;
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    let ada = session(&gateway, &token).await.unwrap();
    assert!(gateway.access().why_no_codes().unwrap().contains("SEALPOST_MASTER_KEY"));
    let refused = gateway.access().begin_codes(&ada, PASSWORD, &Client::at(PEER)).await;
    let vault = matches!(refused, Err(SignInError::Admin(AdminError::Vault(_))));
    assert!(vault, "{refused:?}");
}

#[tokio::test]
async fn reset_keeps_two_factor_unless_requested() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    let ada = session(&gateway, &token).await.unwrap();
    let secret = access.begin_codes(&ada, PASSWORD, &Client::at(PEER)).await.unwrap();
    access.confirm_codes(&ada, &code(&gateway, &secret.base32)).await.unwrap();
    let link = access.reset_user(&root(), "ada", false, &because("forgot it")).await.unwrap();
    assert!(session(&gateway, &token).await.is_none());
    let begun = access.set_up(link.token(), None, PASSWORD, &Client::at(PEER)).await.unwrap();
    assert!(begun.is_none(), "a link does not replace the code");
    assert!(matches!(try_in(&gateway, "ada", PASSWORD).await, Err(SignInError::Wrong)));
    let link = access.reset_user(&root(), "ada", true, &because("lost the phone")).await.unwrap();
    assert!(
        access.set_up(link.token(), None, PASSWORD, &Client::at(PEER)).await.unwrap().is_some()
    );
}

#[tokio::test]
async fn tenant_administrators_manage_only_their_users() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    add(&gateway, "ada", Scope::Admin, None).await;
    add(&gateway, "bob", Scope::Admin, Some("others")).await;
    let theirs =
        Caller::new("bob", Some("others".to_owned()), [Scope::Admin].into_iter().collect());
    let users = access.users(&theirs).await.unwrap();
    assert_eq!(users.iter().map(|user| &*user.name).collect::<Vec<_>>(), ["bob"]);
    let refused = access.disable_user(&theirs, "ada", &because("x")).await;
    assert!(matches!(refused, Err(AdminError::NotFound(_))), "{refused:?}");
    let refused = access.reset_user(&theirs, "ada", true, &because("x")).await;
    assert!(matches!(refused, Err(AdminError::NotFound(_))), "{refused:?}");
    let reader = Caller::new("eve", None, [Scope::SecretsWrite].into_iter().collect());
    assert_eq!(access.users(&reader).await.unwrap_err().missing(), Some(Scope::Admin));
    let refused = access.reset_user(&reader, "ada", true, &because("x")).await;
    assert_eq!(refused.unwrap_err().missing(), Some(Scope::Admin));
    let refused = access.disable_user(&reader, "ada", &because("x")).await;
    assert_eq!(refused.unwrap_err().missing(), Some(Scope::Admin));
}
