//! The outbox: events committed but not yet acknowledged by the broker.
