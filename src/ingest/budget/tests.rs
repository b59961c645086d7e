//! Tests of the file above.

use super::*;

const MIB: usize = 1024 * 1024;

#[expect(clippy::unnecessary_wraps, reason = "as the budget takes it")]
fn peer(last: u8) -> Option<Peer> {
    Some(std::net::IpAddr::from([192, 0, 2, last]).into())
}

/// 16 MiB: 2 for small bodies, 8 for large ones, of which a peer has 4.
fn budget() -> ByteBudget {
    ByteBudget::new(16 * MIB)
}

#[tokio::test(start_paused = true)]
async fn whatever_large_bodies_hold_a_small_one_has_room_at_once() {
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
async fn a_body_that_stands_still_gives_way_and_one_that_moves_does_not() {
    let budget = budget();
    let (mut still, mut moving) = (budget.open(peer(1)), budget.open(peer(2)));
    still.grow(4 * MIB).await.unwrap();
    moving.grow(3 * MIB).await.unwrap();
    let mut next = budget.open(peer(3));
    let began = Instant::now();
    let (moved, asked, grown) = tokio::join!(
        async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                moving.grow(STEP).await.unwrap();
            }
            tokio::time::timeout(Duration::from_millis(1), moving.give_way()).await
        },
        async {
            still.give_way().await;
            drop(still);
            began.elapsed()
        },
        next.grow(2 * MIB),
    );
    assert!(moved.is_err(), "one that moves was asked");
    assert!((STILL..LARGE_PATIENCE).contains(&asked), "{asked:?}");
    assert_eq!(grown, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_no_movement_and_a_whole_body_needs_none() {
    let budget = budget();
    let (mut trickle, mut whole) = (budget.open(peer(1)), budget.open(peer(2)));
    trickle.grow(4 * MIB).await.unwrap();
    whole.grow(4 * MIB).await.unwrap();
    whole.whole();
    let mut next = budget.open(peer(3));
    let (asked, grown, ()) = tokio::join!(
        async {
            let trickling = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    // What comes of it is read before there is room for it.
                    let _full = trickle.try_grow(1);
                }
            };
            tokio::select! {
                () = trickling => unreachable!(),
                () = trickle.give_way() => drop(trickle),
            }
        },
        next.grow(MIB),
        async {
            let asked = tokio::time::timeout(2 * LARGE_PATIENCE, whole.give_way()).await;
            assert!(asked.is_err(), "a whole body was asked");
        },
    );
    assert_eq!((asked, grown), ((), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn one_peer_may_have_all_of_the_room_until_another_waits() {
    let budget = budget();
    let (mut first, mut other) = (budget.open(peer(1)), budget.open(peer(2)));
    first.grow(5 * MIB).await.unwrap();
    first.whole();
    let mut second = budget.open(peer(1));
    second.grow(MIB).await.unwrap();
    let (grown, ()) = tokio::join!(other.grow(4 * MIB), async {
        tokio::task::yield_now().await;
        assert!(matches!(second.try_grow(MIB), Err(Full::Share)), "there is room, for others");
        drop(first);
        second.grow(MIB).await.unwrap();
    });
    assert_eq!(grown, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_has_more_than_its_share_gives_way_also_where_it_came_first() {
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
    assert_eq!((refused, grown), (Err(NoRoom), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_for_a_while_and_one_that_never_fits_is_refused() {
    let budget = budget();
    let mut whole = budget.open(peer(1));
    whole.grow(8 * MIB).await.unwrap();
    whole.whole();
    let began = Instant::now();
    assert_eq!(budget.open(peer(2)).grow(MIB).await, Err(NoRoom));
    assert_eq!(began.elapsed(), LARGE_PATIENCE);
    drop(whole);
    assert_eq!(budget.open(peer(1)).grow(8 * MIB).await, Ok(()));
    assert_eq!(budget.open(peer(1)).grow(9 * MIB).await, Err(NoRoom));
}

#[tokio::test(start_paused = true)]
async fn small_bodies_that_stand_still_give_way_to_others_of_the_same_peer() {
    let budget = budget();
    let mut still = Vec::new();
    for _ in 0..300 {
        let body = budget.open(peer(1));
        if body.try_grow(SMALL).is_err() {
            break;
        }
        still.push(body);
    }
    let mut good = budget.open(peer(1));
    let first = still.swap_remove(0);
    let (grown, ()) = tokio::join!(good.grow(3_000), async {
        first.give_way().await;
        drop(first);
    });
    assert_eq!(grown, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_wait_for_each_other_the_earlier_one_is_taken() {
    let budget = budget();
    let (mut first, mut second) = (budget.open(peer(1)), budget.open(peer(2)));
    first.grow(4 * MIB).await.unwrap();
    second.grow(4 * MIB).await.unwrap();
    let (grown, refused) = tokio::join!(first.grow(3 * MIB), async {
        let refused = second.grow(3 * MIB).await;
        drop(second);
        refused
    });
    assert_eq!((grown, refused), (Ok(()), Err(NoRoom)));
}

#[tokio::test(start_paused = true)]
async fn everything_is_given_back() {
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
async fn copies_of_large_bodies_wait_for_one_another() {
    // Six MiB are left for copies.
    let budget = budget();
    let body = budget.open(peer(1));
    let first = body.work(2 * MIB).await.unwrap();
    let began = Instant::now();
    assert_eq!(body.work(2 * MIB).await.err(), Some(NoRoom));
    assert_eq!(began.elapsed(), WORK_PATIENCE);
    drop(first);
    assert!(body.work(100 * MIB).await.is_ok(), "one that is too large goes alone");
}
