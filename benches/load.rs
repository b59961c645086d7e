//! Measures how fast requests are answered, in one run on one machine: by a handler that only reads
//! the body, by the same with verification, and by the whole durable path.
//!
//! All share the cores of the machine: the load generator (one thread, 64 connections, requests
//! signed beforehand), the gateway, and PostgreSQL with `fsync` on. Deliveries are written but not
//! dispatched: only the way to the response is measured. Compare the ratios, not the rates.
//!
//! `cargo bench --bench load [-- SECONDS]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark fails by panicking and measures with the real clock"
)]

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use sealpost::app::{App as Gateway, TestOverrides};
use sealpost::config::{Config, Environment};
use sealpost::lifecycle::Shutdown;
use sealpost::postgres::{self, Cluster, Settings};
use sealpost::providers::{self, Draft};
use sealpost::store::Target;
use sealpost::verify::{KeyRing, RawRequest, RequestHead, Secret, Verifier, Window};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
const BODY_BYTES: usize = 1024;
const SECRET: &str = "whsec_benchmark_0123456789abcdef";
const WORKERS: usize = 2;

const CONFIG: &str = r#"
[ingest]
listen = "127.0.0.1:0"
workers = 2
[operator]
listen = "127.0.0.1:0"
[[source]]
name = "billing"
provider = "stripe"
secrets = [{ env = "SECRET" }]
limit = { per_second = 1000000, burst = 1000000 }
options = { livemode = false }
"#;

fn main() {
    let seconds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(5.0);
    let duration = Duration::from_secs_f64(seconds);
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let cluster = Cluster::start(&Settings {
        data_dir: folder.path().join("postgres"),
        bin_dir: None,
        search: postgres::installed(std::env::var_os("PATH").as_deref()),
        fetch: true,
        launcher: env!("CARGO_BIN_EXE_sealpost").into(),
    })
    .expect("PostgreSQL");
    let each = (seconds * 60_000.0) as usize;
    let (warm_up, requests) = (Arc::new(requests(0..each)), Arc::new(requests(each..2 * each)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!(
            "{CONNECTIONS} connections, {BODY_BYTES}-byte Stripe events, {seconds} s each, \
             {} cores",
            std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
        );
        let read = measure("read the body", serve_reading(None), &requests, duration);
        let verified = measure("and verify", serve_reading(Some(gate())), &requests, duration);
        let (gateway, shutdown) = start_gateway(&cluster).await;
        warm(gateway, &warm_up, duration, &cluster).await;
        let durable = measure("and commit", gateway, &requests, duration);
        shutdown.soft().cancel();
        println!("verified / read  {:.2}", verified / read);
        println!("durable  / read  {:.2}", durable / read);
    });
    drop(cluster);
}

/// Warms up a new database: afterwards its statements are planned, and the files of its write-ahead
/// log are recycled instead of created.
async fn warm(
    gateway: SocketAddr,
    requests: &Arc<Vec<Bytes>>,
    duration: Duration,
    cluster: &Cluster,
) {
    generate(gateway, requests, duration);
    let target = Target::in_cluster(cluster.endpoint());
    let mut connection = target.connect().await.unwrap();
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await.unwrap();
}

/// A server that reads the body and responds, with or without verification.
fn serve_reading(gate: Option<Verifier>) -> SocketAddr {
    async fn answer(
        request: HttpRequest,
        mut payload: web::Payload,
        gate: web::Data<Option<Verifier>>,
    ) -> HttpResponse {
        let mut body = BytesMut::new();
        while let Some(piece) = payload.next().await {
            body.extend_from_slice(&piece.unwrap());
        }
        if let Some(gate) = gate.get_ref() {
            let mut head = RequestHead::default();
            let value = request.headers().get("stripe-signature").unwrap();
            head.headers.push("stripe-signature", Bytes::copy_from_slice(value.as_bytes()));
            RawRequest::new(head, body.freeze()).verify(gate, now()).expect("authentic");
        }
        HttpResponse::Accepted().body("{\"status\":\"accepted\"}")
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gate = web::Data::new(gate);
    let server =
        HttpServer::new(move || App::new().app_data(gate.clone()).default_service(web::to(answer)))
            .workers(WORKERS)
            .disable_signals()
            .listen(listener)
            .unwrap();
    tokio::spawn(server.run());
    address
}

fn gate() -> Verifier {
    let entry = providers::find("stripe").unwrap();
    let options = toml::from_str("livemode = false").unwrap();
    let spec = providers::SourceSpec {
        name: "billing".into(),
        tenant: "default".to_owned(),
        scheme: providers::SourceScheme::default(),
        options,
        token: None,
        transfer_limits: sealpost::verify::TransferLimits { chunks: 1, bytes: 1 },
        services: providers::Services::bare().unwrap(),
    };
    Verifier {
        provider: (entry.build)(&spec).unwrap().provider,
        keys: KeyRing::new(vec![Secret::new(SECRET).unwrap()]).unwrap(),
        published: None,
        window: Window { max_age: 3_600, max_future: 3_600 },
    }
}

async fn start_gateway(cluster: &Cluster) -> (SocketAddr, Shutdown) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, CONFIG).unwrap();
    let environment: Environment = [("SECRET", SECRET)].into_iter().collect();
    let config = Config::load(&path, &environment).unwrap();
    let target = Target::in_cluster(cluster.endpoint());
    target.create_if_missing().await.unwrap();
    target.migrate().await.unwrap();
    let app = Gateway::build(&config, target, &TestOverrides::default()).unwrap();
    let address = app.addresses().0;
    let shutdown = Shutdown::default();
    tokio::spawn(app.serve(shutdown.clone()));
    (address, shutdown)
}

/// Requests as bytes on the wire, each with another event.
fn requests(numbers: Range<usize>) -> Vec<Bytes> {
    let entry = providers::find("stripe").unwrap();
    let secret = Secret::new(SECRET).unwrap();
    let options = toml::Table::new();
    let at = now();
    let make = |number: usize| {
        let head = format!(
            "{{\"id\":\"evt_{number:012}\",\"object\":\"event\",\"type\":\"charge.succeeded\",\
             \"created\":{at},\"livemode\":false,\"data\":{{\"object\":{{\"id\":\"ch_{number:012}\",\
             \"note\":\""
        );
        let filling = "x".repeat(BODY_BYTES.saturating_sub(head.len() + 5));
        let body = format!("{head}{filling}\"}}}}}}");
        let draft = Draft {
            options: &options,
            secret: &secret,
            token: None,
            at,
            headers: &[],
            body: body.as_bytes(),
        };
        let sign = entry.sign.expect("a provider with handlers");
        let headers: String = sign(&draft)
            .into_iter()
            .flat_map(|(name, value)| [name, ": ".to_owned(), value, "\r\n".to_owned()])
            .collect();
        Bytes::from(format!(
            "POST /hooks/billing HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             user-agent: Stripe/1.0\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    numbers.map(make).collect()
}

/// Sends requests for a while; prints and returns the rate of 2xx responses.
fn measure(name: &str, address: SocketAddr, requests: &Arc<Vec<Bytes>>, duration: Duration) -> f64 {
    let before = processor_time();
    let (mut times, took) = generate(address, requests, duration);
    let after = processor_time();
    times.sort_unstable();
    let rate = times.len() as f64 / took.as_secs_f64();
    let quantile = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<16} {rate:>8.0}/s   p50 {:>6.2} ms   p99 {:>6.2} ms",
        quantile(0.50),
        quantile(0.99)
    );
    let each = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / times.len() as f64
    };
    println!(
        "{:<16} processor time a request: gateway and generator {:.1} \u{b5}s, PostgreSQL {:.1} \u{b5}s",
        "",
        each(before.0, after.0),
        each(before.1, after.1)
    );
    rate
}

/// The processor time used by this process and by all PostgreSQL processes so far: steadier than a
/// rate where other machines share the processor.
fn processor_time() -> (Duration, Duration) {
    let own = of_process(Path::new("/proc/self/stat")).map_or(Duration::ZERO, |(_, time)| time);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = processes.filter_map(|process| of_process(&process.path().join("stat")));
    let postgres = all.filter(|(name, _)| name == "postgres").map(|(_, time)| time).sum();
    (own, postgres)
}

/// The name and the processor time of a process, from Linux's `/proc`.
fn of_process(stat: &Path) -> Option<(String, Duration)> {
    /// The unit of the kernel's counters.
    const TICK: Duration = Duration::from_millis(10);
    let text = std::fs::read_to_string(stat).ok()?;
    let (head, fields) = text.rsplit_once(") ")?;
    let ticks: u32 =
        fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    Some((head.split_once('(')?.1.to_owned(), TICK * ticks))
}

/// Sends requests for a while; returns the time of each response, and the total time.
fn generate(
    address: SocketAddr,
    requests: &Arc<Vec<Bytes>>,
    duration: Duration,
) -> (Vec<Duration>, Duration) {
    let requests = Arc::clone(requests);
    let generator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let next = Arc::new(AtomicUsize::new(0));
            let until = Instant::now() + duration;
            let began = Instant::now();
            let connections: Vec<_> = (0..CONNECTIONS)
                .map(|_| tokio::spawn(send(address, requests.clone(), next.clone(), until)))
                .collect();
            let mut times = Vec::new();
            for connection in connections {
                times.extend(connection.await.unwrap());
            }
            (times, began.elapsed())
        })
    });
    tokio::task::block_in_place(|| generator.join().unwrap())
}

async fn send(
    address: SocketAddr,
    requests: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    until: Instant,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::new();
    let mut answer = vec![0; 4096];
    while Instant::now() < until {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let request = &requests[number % requests.len()];
        let began = Instant::now();
        stream.write_all(request).await.unwrap();
        // A response is small, so it arrives in one piece.
        let length = stream.read(&mut answer).await.unwrap();
        assert!(
            answer[..length].starts_with(b"HTTP/1.1 2"),
            "{:?}",
            std::str::from_utf8(&answer[..length])
        );
        times.push(began.elapsed());
    }
    times
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
