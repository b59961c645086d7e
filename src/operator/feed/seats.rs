//! The seats of those who watch: so many in all, and for one caller a share of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::operator::Caller;

/// Of how many seats one caller may have one.
const SHARE: usize = 4;

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSeat {
    /// Every seat is taken.
    #[error("every seat is taken")]
    Full,
    /// The caller has as many as one may have.
    #[error("this caller has as many seats as one may have")]
    Share,
}

/// Callers of two tenants are told apart.
type Who = (String, Option<String>);

/// All seats.
#[derive(Debug)]
pub(super) struct Seats {
    all: usize,
    taken: Mutex<HashMap<Who, usize>>,
}

/// One that is taken, as long as this lives.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    who: Who,
}

impl Seats {
    pub(super) fn new(all: usize) -> Self {
        Self { all, taken: Mutex::default() }
    }

    /// Takes a seat for a caller.
    pub(super) fn take(seats: &Arc<Self>, caller: &Caller) -> Result<Seat, NoSeat> {
        let who = (caller.actor().to_owned(), caller.tenant().map(str::to_owned));
        let mut taken = seats.taken();
        if taken.values().sum::<usize>() >= seats.all {
            return Err(NoSeat::Full);
        }
        let own = taken.entry(who.clone()).or_default();
        if *own >= seats.all.div_ceil(SHARE) {
            return Err(NoSeat::Share);
        }
        *own += 1;
        drop(taken);
        Ok(Seat { seats: Arc::clone(seats), who })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.who) {
            *own = own.saturating_sub(1);
        }
        taken.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_a_quarter_of_the_seats_and_gives_them_back() {
        let seats = Arc::new(Seats::new(32));
        let who = |number: usize| Caller::local(format!("actor {number}"));
        let mut held: Vec<Seat> = (0..8).map(|_| Seats::take(&seats, &who(0)).unwrap()).collect();
        assert_eq!(Seats::take(&seats, &who(0)).err(), Some(NoSeat::Share));
        for number in 1..4 {
            held.extend((0..8).map(|_| Seats::take(&seats, &who(number)).unwrap()));
        }
        assert_eq!(Seats::take(&seats, &who(4)).err(), Some(NoSeat::Full));
        drop(held.remove(0));
        assert!(Seats::take(&seats, &who(4)).is_ok(), "a seat that was given back");
        assert!(Seats::take(&seats, &who(0)).is_ok(), "its share is not spent either");
        drop(held);
        assert!(seats.taken().is_empty());
        assert!(Seats::take(&Arc::new(Seats::new(1)), &who(0)).is_ok(), "there is always one");
    }
}
