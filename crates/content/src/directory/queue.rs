//! The orders that wait for a store's readers, which take turns among them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::order::Order;
use crate::sync::lock;

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    orders: VecDeque<Arc<Order>>,
    closed: bool,
}

impl Queue {
    pub(super) fn push(&self, order: Arc<Order>) {
        let pieces = order.len();
        lock(&self.state).orders.push_back(order);
        if pieces == 1 {
            self.ready.notify_one();
        } else {
            self.ready.notify_all();
        }
    }

    /// An order with pieces to claim, as soon as there is one; `None` once the queue is closed.
    pub(super) fn next(&self) -> Option<Arc<Order>> {
        let mut state = lock(&self.state);
        while !state.closed {
            match state.orders.pop_front() {
                Some(order) if order.has_unclaimed() => {
                    state.orders.push_back(Arc::clone(&order));
                    return Some(order);
                }
                Some(_) => {}
                None => state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        None
    }

    /// Ends the readers; what they have claimed they still finish.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_all();
    }
}
