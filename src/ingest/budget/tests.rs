use super::*;

const MIB: usize = 1024 * 1024;

#[expect(clippy::unnecessary_wraps, reason = "the type that `open` expects")]
fn peer(last: u8) -> Option<Peer> {
    Some(std::net::IpAddr::from([192, 0, 2, last]).into())
}

/// 16 MiB: 2 for small bodies, 8 for large ones, of which one peer can use 4.
fn budget() -> ByteBudget {
    ByteBudget::new(16 * MIB)
}

#[tokio::test(start_paused = true)]
async fn small_bodies_fit_at_once_beside_large_ones() {
    let budget = budget();
    let mut held = Vec::new();
    for last in 0..4 {
        let mut large = budget.open(peer(last));
        large.grow(2 * MIB).await.unwrap();
        held.push(large);
    }
    let began = Instant::now();
    for _ in 0..32 {
        let mut small = budget.open(peer(0));
        small.grow(SMALL).await.unwrap();
        held.push(small);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn stalled_body_is_evicted_and_a_progressing_one_is_not() {
    let budget = budget();
    let (mut stalled, mut moving) = (budget.open(peer(1)), budget.open(peer(2)));
    stalled.grow(4 * MIB).await.unwrap();
    moving.grow(3 * MIB).await.unwrap();
    let mut next = budget.open(peer(3));
    let began = Instant::now();
    let (progressing, evicted, grown) = tokio::join!(
        async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                moving.grow(MIN_PROGRESS).await.unwrap();
            }
            tokio::time::timeout(Duration::from_millis(1), moving.evicted()).await
        },
        async {
            stalled.evicted().await;
            drop(stalled);
            began.elapsed()
        },
        next.grow(2 * MIB),
    );
    assert!(progressing.is_err(), "a progressing body was evicted");
    assert!((STALLED_AFTER..LARGE_TIMEOUT).contains(&evicted), "{evicted:?}");
    assert_eq!(grown, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn trickling_body_is_evicted_and_a_complete_one_is_not() {
    let budget = budget();
    let (mut trickle, mut whole) = (budget.open(peer(1)), budget.open(peer(2)));
    trickle.grow(4 * MIB).await.unwrap();
    whole.grow(4 * MIB).await.unwrap();
    whole.complete();
    let mut next = budget.open(peer(3));
    let (evicted, grown, ()) = tokio::join!(
        async {
            let trickling = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    // The bytes are read before there is memory for them.
                    let _full = trickle.try_grow(1);
                }
            };
            tokio::select! {
                () = trickling => unreachable!(),
                () = trickle.evicted() => drop(trickle),
            }
        },
        next.grow(MIB),
        async {
            let evicted = tokio::time::timeout(2 * LARGE_TIMEOUT, whole.evicted()).await;
            assert!(evicted.is_err(), "a complete body was evicted");
        },
    );
    assert_eq!((evicted, grown), ((), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn one_peer_can_use_all_memory_until_another_waits() {
    let budget = budget();
    let (mut first, mut other) = (budget.open(peer(1)), budget.open(peer(2)));
    first.grow(5 * MIB).await.unwrap();
    first.complete();
    let mut second = budget.open(peer(1));
    second.grow(MIB).await.unwrap();
    let (grown, ()) = tokio::join!(other.grow(4 * MIB), async {
        tokio::task::yield_now().await;
        assert!(matches!(second.try_grow(MIB), Err(Exhausted::Share)), "the rest is for others");
        drop(first);
        second.grow(MIB).await.unwrap();
    });
    assert_eq!(grown, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn peer_beyond_its_share_is_evicted_even_if_it_came_first() {
    let budget = budget();
    let (mut first, mut other) = (budget.open(peer(1)), budget.open(peer(2)));
    first.grow(7 * MIB).await.unwrap();
    let (refused, grown) = tokio::join!(
        async {
            let refused = first.grow(2 * MIB).await;
            drop(first);
            refused
        },
        other.grow(2 * MIB),
    );
    assert_eq!((refused, grown), (Err(BudgetExhausted), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn body_waits_and_one_that_never_fits_is_rejected() {
    let budget = budget();
    let mut whole = budget.open(peer(1));
    whole.grow(8 * MIB).await.unwrap();
    whole.complete();
    let began = Instant::now();
    assert_eq!(budget.open(peer(2)).grow(MIB).await, Err(BudgetExhausted));
    assert_eq!(began.elapsed(), LARGE_TIMEOUT);
    drop(whole);
    assert_eq!(budget.open(peer(1)).grow(8 * MIB).await, Ok(()));
    assert_eq!(budget.open(peer(1)).grow(9 * MIB).await, Err(BudgetExhausted));
}

#[tokio::test(start_paused = true)]
async fn stalled_small_bodies_are_evicted_for_others_of_their_peer() {
    let budget = budget();
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let body = budget.open(peer(1));
        if body.try_grow(SMALL).is_err() {
            break;
        }
        stalled.push(body);
    }
    let mut good = budget.open(peer(1));
    let first = stalled.swap_remove(0);
    let (grown, ()) = tokio::join!(good.grow(3_000), async {
        first.evicted().await;
        drop(first);
    });
    assert_eq!(grown, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn earlier_of_two_mutually_waiting_bodies_wins() {
    let budget = budget();
    let (mut first, mut second) = (budget.open(peer(1)), budget.open(peer(2)));
    first.grow(4 * MIB).await.unwrap();
    second.grow(4 * MIB).await.unwrap();
    let (grown, refused) = tokio::join!(first.grow(3 * MIB), async {
        let refused = second.grow(3 * MIB).await;
        drop(second);
        refused
    });
    assert_eq!((grown, refused), (Ok(()), Err(BudgetExhausted)));
}

#[tokio::test(start_paused = true)]
async fn all_memory_is_released() {
    let budget = budget();
    for size in [0, 1, SMALL, SMALL + 1, 5 * MIB] {
        let mut body = budget.open(peer(1));
        body.grow(size).await.unwrap();
        body.grow(size.min(10)).await.unwrap();
    }
    let mut refused = budget.open(peer(1));
    assert!(refused.grow(20 * MIB).await.is_err());
    drop(refused);
    let state = budget.state();
    assert_eq!((state.small, state.large, state.bodies.len()), (0, 0, 0));
    assert!(state.peers.is_empty(), "{:?}", state.peers);
}

#[tokio::test(start_paused = true)]
async fn copies_of_large_bodies_wait_for_each_other() {
    // 6 MiB are for copies.
    let budget = budget();
    let body = budget.open(peer(1));
    let first = body.copies(2 * MIB).await.unwrap();
    let began = Instant::now();
    assert_eq!(body.copies(2 * MIB).await.err(), Some(BudgetExhausted));
    assert_eq!(began.elapsed(), COPY_TIMEOUT);
    drop(first);
    assert!(body.copies(100 * MIB).await.is_ok(), "an oversized one proceeds alone");
}
