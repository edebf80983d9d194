//! The limit of the connections of one thread. When it is reached, a new connection takes the place of the one that is
//! given up most easily: who has no token cannot keep anybody out by holding connections, not even a health check.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::limits::ConnectionLimits;
use super::state::ConnectionState;

/// The open connections of one thread, the oldest first.
pub(crate) struct Connections {
    /// Of this thread.
    limits: ConnectionLimits,
    open: RefCell<BTreeMap<u64, Rc<ConnectionState>>>,
    next: Cell<u64>,
}

impl Connections {
    /// None yet.
    pub(crate) fn new(limits: ConnectionLimits) -> Rc<Self> {
        Rc::new(Self { limits, open: RefCell::default(), next: Cell::new(0) })
    }

    pub(super) fn limits(&self) -> ConnectionLimits {
        self.limits
    }

    /// Gives a connection a place, if need be that of another; `None` if all of them are at work for somebody with a
    /// token.
    pub(super) fn take_in(self: &Rc<Self>, state: &Rc<ConnectionState>) -> Option<Place> {
        let mut open = self.open.borrow_mut();
        if open.len() >= self.limits.connections {
            let ranks = open.iter().filter_map(|(number, state)| Some((state.eviction_rank()?, *number)));
            let (_, number) = ranks.min()?;
            if let Some(given_up) = open.remove(&number) {
                given_up.evict();
            }
        }
        let number = self.next.replace(self.next.get().wrapping_add(1));
        open.insert(number, Rc::clone(state));
        Some(Place { connections: Rc::clone(self), number })
    }
}

/// A connection's place, which is free when this is dropped.
pub(super) struct Place {
    connections: Rc<Connections>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Exchange;

    fn state() -> Rc<ConnectionState> {
        Rc::new(ConnectionState::new(([127, 0, 0, 1], 80).into(), ConnectionLimits::new(1)))
    }

    #[test]
    fn strangers_go_first_and_the_oldest_of_them() {
        let connections = Connections::new(ConnectionLimits::new(4));
        let states: Vec<_> = (0..7).map(|_| state()).collect();
        let [busy, idle, answered, waiting, fifth, sixth, seventh] = states.as_slice() else { panic!() };
        busy.set_known();
        idle.set_known();
        let _requests = [busy, answered].map(|state| Exchange::begin(Rc::clone(state)));
        let mut places: Vec<_> =
            [busy, idle, answered, waiting].map(|state| connections.take_in(state).unwrap()).into();
        for (new, given_up) in [(fifth, waiting), (sixth, fifth), (seventh, sixth)] {
            places.push(connections.take_in(new).unwrap());
            assert!(given_up.is_evicted());
            assert!(![busy, idle, answered, new].iter().any(|state| state.is_evicted()));
        }
    }

    #[test]
    fn who_is_at_work_for_a_token_stays() {
        let connections = Connections::new(ConnectionLimits::new(1));
        let (busy, other) = (state(), state());
        busy.set_known();
        let request = Exchange::begin(Rc::clone(&busy));
        let place = connections.take_in(&busy).unwrap();
        assert!(connections.take_in(&other).is_none());
        drop(request);
        let _other = connections.take_in(&other).unwrap();
        assert!(busy.is_evicted());
        drop(place);
        assert_eq!(connections.open.borrow().len(), 1);
    }
}
