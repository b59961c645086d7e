//! The test harness: a real gateway on free ports, with a database of its own, a stopped clock, and
//! dispatch that runs only when a test calls it. Dropping it fails the test if a delivery is left
//! that is neither done nor dead.

pub(crate) mod database;
pub(crate) mod programs;
pub(crate) mod sql;
pub(crate) mod web;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sealpost::admin::{
    Access, Admin, Caller, DeadLetters, Expiry, Groups, Jobs, Monitoring, NewApiKey, Pauses,
    Reason, RejectedRequests, Scope,
};
use sealpost::alerts::Notifier;
use sealpost::app::{App, StatsFlusher, TestOverrides};
use sealpost::clock::{Clock, ManualClock};
use sealpost::config::{Config, Environment};
use sealpost::dispatch::{Dispatcher, Handler, Maintenance};
use sealpost::lifecycle::Shutdown;
use sealpost::objects::{Objects, Place};
use sealpost::providers::{self, Draft};
use sealpost::store::{Change, Lease, Position, Store, Target};
use sealpost::verify::Secret;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use url::Url;

/// Time at which the clock of every test starts.
pub(crate) const START: OffsetDateTime = datetime!(2026-11-20 12:00:00 UTC);

/// API key with the scope `admin`. It is in the database of every test.
pub(crate) const API_KEY: &str = "slp_0123456789abcdef_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Secrets of the sources in `config.toml` in this directory.
pub(crate) const SECRETS: &[(&str, &str)] = &[
    ("CARDS_SECRET", "cards-secret-0123456789abcdef"),
    ("CARDS_TOO_SECRET", "cards-too-secret-0123456789abc"),
    ("BILLING_SECRET", "whsec_billing_0123456789abcdef"),
    ("BILLING_SECRET_OLD", "whsec_billing_old_0123456789ab"),
    ("APIFY_SECRET", "apify-secret-0123456789abcdef"),
    ("BOT_SECRET", "bot-secret-0123456789abcdefgh"),
    ("BOT_TOKEN", "bot-token-0123456789abcdefghi"),
    ("APP_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("RETIRED_SECRET", RETIRED_SECRET),
];

pub(crate) const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A secret that no source is configured with any more.
pub(crate) const RETIRED_SECRET: &str = "retired-secret-0123456789abcd";

/// Settings of a gateway under test.
pub(crate) struct Builder {
    config: String,
    target: Option<Target>,
    handler: Option<Arc<dyn Handler>>,
    objects: Place,
    jitter: f64,
    start_at: OffsetDateTime,
    allow_unfinished: bool,
    running: bool,
    variables: Vec<(String, String)>,
    database_clock: Option<Arc<ManualClock>>,
    published_keys: Vec<(Url, String)>,
}

/// A gateway under test.
pub(crate) struct Gateway {
    config: Config,
    target: Target,
    clock: Arc<ManualClock>,
    ingest: SocketAddr,
    operator: SocketAddr,
    store: Store,
    objects: Objects,
    dispatcher: Dispatcher,
    maintenance: Maintenance,
    notifier: Notifier,
    stats: StatsFlusher,
    admin: Admin,
    shutdown: Shutdown,
    client: reqwest::Client,
    allow_unfinished: bool,
}

/// A response of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Builder {
    /// Replaces a part of the configuration text.
    pub(crate) fn config(mut self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "{from:?} is not in the configuration");
        self.config = self.config.replace(from, to);
        self
    }

    /// Appends to the configuration text.
    pub(crate) fn more_config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses the database of another gateway.
    pub(crate) fn sharing_database(mut self, other: &Gateway) -> Self {
        self.target = Some(other.target.clone());
        self
    }

    pub(crate) fn on(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// A key that a sender publishes, which is not fetched.
    pub(crate) fn published_key(mut self, url: Url, text: &str) -> Self {
        self.published_keys.push((url, text.to_owned()));
        self
    }

    /// Replaces the handlers of every source.
    pub(crate) fn handler(mut self, handler: impl Handler) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }

    /// Starts the background tasks: dispatch, and listening for notifications of other gateways.
    pub(crate) fn running(mut self) -> Self {
        self.running = true;
        self
    }

    /// Stores objects here instead of in memory.
    pub(crate) fn objects(mut self, place: Place) -> Self {
        self.objects = place;
        self
    }

    /// Does not fail on drop if deliveries are left unfinished.
    pub(crate) fn allow_unfinished(mut self) -> Self {
        self.allow_unfinished = true;
        self
    }

    /// Clock of the database; by default the gateway's.
    pub(crate) fn database_clock(mut self, clock: Arc<ManualClock>) -> Self {
        self.database_clock = Some(clock);
        self
    }

    /// Starts the clock at this time instead of [`START`].
    pub(crate) fn start_at(mut self, at: OffsetDateTime) -> Self {
        self.start_at = at;
        self
    }

    /// The error of a gateway that cannot be built.
    pub(crate) fn build_error(self) -> String {
        let target = Target::from_url("postgres://nobody@127.0.0.1:1/nothing").expect("a target");
        let built = App::build(
            &load_with(&self.config, &self.variables),
            target,
            &TestOverrides::default(),
        );
        let Err(error) = built else { panic!("the gateway was built") };
        format!("{:#}", anyhow::Error::from(error))
    }

    pub(crate) async fn start(self) -> Gateway {
        let target = match self.target {
            Some(target) => target,
            None => database::fresh().await,
        };
        let mut config = load_with(&self.config, &self.variables);
        config.objects = self.objects;
        let clock = Arc::new(ManualClock::at(self.start_at));
        let (handler, jitter) = (self.handler, self.jitter);
        let database_clock = self.database_clock.unwrap_or_else(|| clock.clone());
        let parts = TestOverrides {
            clock: clock.clone(),
            database_clock: Some(database_clock),
            jitter: Arc::new(move || jitter),
            handlers: Arc::new(move |_, own| match &handler {
                Some(handler) => vec![Arc::clone(handler)],
                None => own,
            }),
            published_keys: self.published_keys,
        };
        let app = App::build(&config, target.clone(), &parts).expect("a gateway");
        let (ingest, operator) = app.addresses();
        let (store, maintenance) = (app.store().clone(), app.maintenance().clone());
        let objects = app.objects().clone();
        let (admin, notifier) = (app.admin().clone(), app.notifier().clone());
        let stats = app.counting().clone();
        let dispatcher = app.dispatcher().expect("dispatch is on").clone();
        let shutdown = Shutdown::default();
        if self.running {
            tokio::task::spawn(app.run(shutdown.clone()));
        } else {
            tokio::task::spawn(app.serve(shutdown.clone()));
        }
        let client = sealpost::tls::client()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        let allow_unfinished = self.allow_unfinished;
        Gateway {
            config,
            target,
            clock,
            ingest,
            operator,
            store,
            objects,
            dispatcher,
            maintenance,
            notifier,
            stats,
            admin,
            shutdown,
            client,
            allow_unfinished,
        }
    }
}

impl Gateway {
    /// A gateway with the default settings.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    pub(crate) fn builder() -> Builder {
        let config = include_str!("config.toml").to_owned();
        Builder {
            config,
            target: None,
            handler: None,
            objects: Place::Memory,
            jitter: 0.5,
            start_at: START,
            allow_unfinished: false,
            running: false,
            variables: Vec::new(),
            database_clock: None,
            published_keys: Vec::new(),
        }
    }

    /// Sends a body with a valid signature of the present time.
    pub(crate) async fn send(&self, source: &str, action: Option<&str>, body: &[u8]) -> Answer {
        let headers = self.sign(source, body, &[]);
        self.send_raw(source, action, &headers, body).await
    }

    /// Headers of a valid request of the present time.
    pub(crate) fn sign(
        &self,
        source: &str,
        body: &[u8],
        headers: &[(String, String)],
    ) -> Vec<(String, String)> {
        self.sign_at(source, body, headers, self.clock.now().unix_timestamp())
    }

    /// As [`Gateway::sign`], at another time.
    pub(crate) fn sign_at(
        &self,
        source: &str,
        body: &[u8],
        headers: &[(String, String)],
        at: i64,
    ) -> Vec<(String, String)> {
        let source = self.source(source);
        let secret = source.secrets.first().expect("a secret");
        self.sign_with(&source.entry.name, body, headers, at, secret)
    }

    /// As [`Gateway::sign_at`], with another secret.
    pub(crate) fn sign_with(
        &self,
        source: &str,
        body: &[u8],
        headers: &[(String, String)],
        at: i64,
        secret: &Secret,
    ) -> Vec<(String, String)> {
        let source = self.source(source);
        let entry = providers::find(&source.entry.provider).expect("a provider");
        entry.sign.expect("a provider with handlers")(&Draft {
            options: &source.entry.options,
            secret,
            token: source.token.as_ref(),
            at,
            headers,
            body,
        })
    }

    /// Sends a body with exactly these headers.
    pub(crate) async fn send_raw(
        &self,
        source: &str,
        action: Option<&str>,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Answer {
        let path = match action {
            Some(action) => format!("/hooks/{source}/{action}"),
            None => format!("/hooks/{source}"),
        };
        self.post(&path, headers, body).await
    }

    /// Posts to a path of the ingest listener.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Answer {
        let mut request = self.client.post(self.url(path)).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Sends a GET request to the admin listener, with [`API_KEY`].
    pub(crate) async fn operator(&self, path: &str) -> Answer {
        let request = self.client.get(self.operator_url(path)).bearer_auth(API_KEY);
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub(crate) fn operator_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.operator)
    }

    /// Sends a POST request to the admin listener, with [`API_KEY`].
    pub(crate) async fn call(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = self.client.post(self.operator_url(path)).bearer_auth(API_KEY);
        let mut request = request.body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ingest)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.ingest
    }

    pub(crate) fn operator_address(&self) -> SocketAddr {
        self.operator
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The time of the gateway, in seconds since 1970.
    pub(crate) fn clock_seconds(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }

    pub(crate) fn clock_now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.clock
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    pub(crate) fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    pub(crate) fn monitoring(&self) -> &Monitoring {
        &self.admin.monitoring
    }

    pub(crate) fn dead_letter_service(&self) -> &DeadLetters {
        &self.admin.dead_letters
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.admin.groups
    }

    pub(crate) fn pauses(&self) -> &Pauses {
        &self.admin.pauses
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.admin.jobs
    }

    pub(crate) fn rejected_requests(&self) -> &RejectedRequests {
        &self.admin.rejected_requests
    }

    pub(crate) fn access(&self) -> &Access {
        &self.admin.access
    }

    /// Creates an API key.
    pub(crate) async fn key(&self, name: &str, scopes: &[Scope], tenant: Option<&str>) -> String {
        let new = NewApiKey {
            name: name.to_owned(),
            scopes: scopes.iter().copied().collect(),
            tenant: tenant.map(str::to_owned),
            expiry: Expiry::default(),
        };
        let created = self.admin.access.create_key(&Caller::local("harness"), &new).await;
        created.expect("a key").key.to_string()
    }

    /// Claims up to `most` deliveries of each handler of a source, like a gateway that then
    /// crashes.
    pub(crate) async fn claim(&self, source: &str, most: i64, lease: Duration) -> Vec<Lease> {
        let now = self.clock.now();
        let mut leases = Vec::new();
        for queue in self.store.queues(&[source.to_owned()]).await.expect("the queues") {
            let oldest = self.store.oldest_due(&[(&queue, None)], now).await.expect("a look");
            if let [Some(oldest)] = oldest[..] {
                let claimed = self.store.claim(&queue, oldest, now, (most, 1000), lease).await;
                leases.extend(claimed.expect("a claim").leases);
            }
        }
        leases
    }

    /// Runs deliveries until none is due.
    pub(crate) async fn run_until_idle(&self) -> usize {
        self.dispatcher.run_until_idle().await.expect("the database is there")
    }

    /// Runs deliveries until none is ready, moving the clock past the retries.
    pub(crate) async fn run_to_the_end(&self) {
        for _ in 0..64 {
            self.run_until_idle().await;
            if self.count("SELECT count(*) FROM deliveries WHERE state = 'ready'").await == 0 {
                return;
            }
            self.clock.advance(Duration::from_hours(1));
        }
        panic!("deliveries are still ready after 64 hours");
    }

    /// Starts a graceful shutdown.
    pub(crate) fn stop(&self) {
        self.shutdown.soft().cancel();
    }

    pub(crate) async fn run_maintenance(&self) {
        self.maintenance.step().await.expect("the database is there");
        self.maintenance.run_provider_maintenance().await;
    }

    pub(crate) async fn raise_alarms(&self) {
        self.admin.monitoring.raise_alarms().await.expect("the database is there");
    }

    /// Writes the counters to the database.
    pub(crate) async fn flush_stats(&self) {
        self.stats.step().await;
    }

    pub(crate) async fn rows(&self, table: &str) -> Vec<Value> {
        sql::rows(&self.target, &format!("SELECT * FROM {table}")).await
    }

    /// The audit log in order, without reads and denied requests.
    pub(crate) async fn audited_changes(&self) -> Vec<Value> {
        self.query(
            "SELECT * FROM audit_log
              WHERE action NOT LIKE '% payload' AND action NOT IN ('denied', 'sign-in rejected')
              ORDER BY id",
        )
        .await
    }

    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        sql::rows(&self.target, query).await
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        sql::number(&self.target, query).await
    }

    /// Every change in the stream so far. Open transactions of other tests, in other databases of
    /// the same server, block the stream, so this waits for their end.
    pub(crate) async fn changes(&self) -> Vec<Change> {
        let next = self.count("SELECT pg_current_xact_id()::text::bigint").await;
        let open = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        let caught_up = async {
            while self.count(open).await <= next {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, caught_up).await.expect("an open transaction ends");
        self.store.changes(Position::START, 1000).await.unwrap().changes
    }

    pub(crate) async fn execute(&self, statement: &str) -> u64 {
        sql::execute(&self.target, statement).await
    }

    /// The dead letters: reason and last error, in order.
    pub(crate) async fn dead_letters(&self) -> Vec<(String, String)> {
        let query =
            "SELECT death_reason, last_error FROM deliveries WHERE state = 'dead' ORDER BY id";
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = self.query(query).await;
        rows.iter().map(|row| (text(&row["death_reason"]), text(&row["last_error"]))).collect()
    }

    fn source(&self, name: &str) -> &sealpost::config::SourceConfig {
        let found = self.config.sources.iter().find(|source| source.entry.name == name);
        found.unwrap_or_else(|| panic!("no source `{name}`"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.soft().cancel();
        self.shutdown.hard().cancel();
        if self.allow_unfinished || std::thread::panicking() {
            return;
        }
        let target = self.target.clone();
        let left = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let unfinished = "SELECT count(*) FROM deliveries WHERE state NOT IN ('done', 'dead')";
            let invalid = "SELECT count(*) FROM invalid_rows";
            let left = runtime.block_on(sql::number(&target, unfinished));
            (left, runtime.block_on(sql::number(&target, invalid)))
        });
        let (unfinished, invalid) = left.join().expect("two counts");
        assert_eq!(unfinished, 0, "deliveries are left unfinished");
        assert_eq!(
            invalid, 0,
            "rows violate the rules of their tables: see the view `invalid_rows`"
        );
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.expect("a body");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    /// The field `status` of the body.
    pub(crate) fn body_status(&self) -> &str {
        self.json["status"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.json["id"].as_str().unwrap_or_default()
    }
}

/// URL of a gateway with the system clock, for clients that sign by it. It runs no deliveries.
pub(crate) async fn gateway_with_real_clock() -> (String, Shutdown) {
    let config = load(include_str!("config.toml"));
    let app =
        App::build(&config, database::fresh().await, &TestOverrides::default()).expect("a gateway");
    let url = format!("http://{}", app.addresses().0);
    let shutdown = Shutdown::default();
    tokio::task::spawn(app.serve(shutdown.clone()));
    (url, shutdown)
}

/// A reason for the audit log, for calls that need one.
pub(crate) fn because(reason: &str) -> Reason {
    Reason::new(reason).expect("a reason")
}

/// A configuration with the secrets of [`SECRETS`].
pub(crate) fn load(text: &str) -> Config {
    load_with(text, &[])
}

fn load_with(text: &str, variables: &[(String, String)]) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).expect("a file");
    let own = variables.iter().map(|(name, value)| (&**name, &**value));
    let key = [("SEALPOST_MASTER_KEY", MASTER_KEY)];
    let environment: Environment = SECRETS.iter().copied().chain(key).chain(own).collect();
    let mut config = Config::load(&path, &environment).expect("a configuration");
    config.objects = Place::Memory;
    config
}
