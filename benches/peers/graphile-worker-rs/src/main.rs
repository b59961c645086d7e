//! Graphile Worker RS: fills a queue, drains it by a task that does nothing, and prints how long that
//! took. `bench-graphile-worker-rs JOBS`, with `DATABASE_URL`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use graphile_worker::{
    IntoTaskHandlerResult, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

/// Makes a payload as large as an event.
const NOTE_BYTES: i32 = 960;

#[derive(Deserialize, Serialize)]
struct Nothing {
    id: i32,
    note: String,
}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() {
    let jobs: i32 = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).expect("JOBS");
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL");
    let pool = PgPoolOptions::new().max_connections(12).connect(&url).await.unwrap();
    // As its documentation recommends for throughput.
    let worker = WorkerOptions::default()
        .pg_pool(pool.clone())
        .schema("graphile_worker")
        .concurrency(32)
        .local_queue(LocalQueueConfig::default().with_size(500))
        .complete_job_batch_delay(Duration::from_millis(1))
        .listen_os_shutdown_signals(false)
        .define_job::<Nothing>()
        .init()
        .await
        .unwrap();
    // Into its tables: `add_job` looks for a key, which takes longer with every job of a transaction.
    let fill = "WITH task AS (
                    INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('nothing')
                    ON CONFLICT (identifier) DO UPDATE SET identifier = EXCLUDED.identifier
                    RETURNING id)
                INSERT INTO graphile_worker._private_jobs (task_id, payload)
                SELECT task.id, json_build_object('id', n, 'note', repeat('x', $2))
                  FROM task, generate_series(1, $1) AS n";
    sqlx::query(fill).bind(jobs).bind(NOTE_BYTES).execute(&pool).await.unwrap();
    sqlx::query("VACUUM ANALYZE").execute(&pool).await.unwrap();
    let began = Instant::now();
    let worker = Arc::new(worker);
    let running = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.run().await }
    });
    let is_done = "SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs)";
    while !sqlx::query_scalar::<_, bool>(is_done).fetch_one(&pool).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{{\"seconds\":{},\"jobs\":{jobs}}}", began.elapsed().as_secs_f64());
    worker.request_shutdown();
    drop(running.await);
}
