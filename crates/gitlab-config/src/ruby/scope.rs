//! Local variables.

use std::cell::RefCell;
use std::rc::Rc;

use super::object::{Object, Scope, Variables};

impl Scope {
    /// That of a block inside this one.
    pub(super) fn inside(&self) -> Self {
        Self(Rc::new(Variables { own: RefCell::default(), around: Some(self.clone()) }))
    }

    /// The value of a variable; `nil` for one to which nothing was assigned yet.
    pub(super) fn get(&self, name: &str) -> Object {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(value) = here.0.own.borrow().get(name) {
                return value.clone();
            }
            scope = here.0.around.as_ref();
        }
        Object::Nil
    }

    /// Assigns to a variable, the one around this scope if there is such a one.
    pub(super) fn set(&self, name: &str, value: Object) {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(known) = here.0.own.borrow_mut().get_mut(name) {
                *known = value;
                return;
            }
            scope = here.0.around.as_ref();
        }
        self.define(name, value);
    }

    /// Assigns to a variable of this scope, whatever is around it.
    pub(super) fn define(&self, name: &str, value: Object) {
        self.0.own.borrow_mut().insert(name.to_owned(), value);
    }
}
