//! A destination that answers in ten milliseconds, kept busy by 64 requests in flight.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::Suite;
use crate::dispatch::{Delivers, drain, fill};
use crate::results::Row;

const IN_FLIGHT: u32 = 64;
const ANSWERS_AFTER: Duration = Duration::from_millis(10);

/// What the destination has answered.
#[derive(Default)]
struct Answered {
    first: Option<Instant>,
    last: Option<Instant>,
    /// The sum of the times that it took.
    busy: Duration,
}

pub(crate) async fn run(suite: &mut Suite) {
    let answered = Arc::new(Mutex::new(Answered::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let data = web::Data::from(Arc::clone(&answered));
    let server =
        HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(answer)))
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
    let handle = server.handle();
    tokio::spawn(server);
    let more = format!(
        "[[destination]]\nname = 'app'\nurl = 'http://127.0.0.1:{port}/'\nsources = ['billing']\n\
         secret = {{ env = 'APP_SECRET' }}\nconcurrency = {IN_FLIGHT}\n\
         [outbound]\nallow = ['127.0.0.1/32']\n"
    );
    for round in 1..=suite.options.rounds {
        let database = suite.databases.migrated().await;
        fill(suite, &database, usize::MAX, &Delivers::ToDestinations, &more).await;
        *answered.lock().unwrap() = Answered::default();
        let row = Row::new("destination", "backlog", round);
        drain(suite, &database, &Delivers::ToDestinations, &more, row).await;
        let share = {
            let answered = answered.lock().unwrap();
            let span = answered.last.unwrap() - answered.first.unwrap();
            answered.busy.as_secs_f64() / (span.as_secs_f64() * f64::from(IN_FLIGHT))
        };
        suite.results.push(Row::new("destination", "busy", round).with("share", share));
        database.remove().await;
    }
    handle.stop(false).await;
}

async fn answer(_: web::Bytes, answered: web::Data<Mutex<Answered>>) -> HttpResponse {
    let began = Instant::now();
    tokio::time::sleep(ANSWERS_AFTER).await;
    let mut answered = answered.lock().unwrap();
    answered.first.get_or_insert(began);
    answered.last = Some(Instant::now());
    answered.busy += began.elapsed();
    HttpResponse::NoContent().finish()
}
