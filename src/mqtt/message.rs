//! What a message says about itself beside its payload.

/// User property of a message that may arrive twice, because the broker forgot its session
/// (or the packet id) while the message was under way. Consumers compare the event's `id`.
/// MQTT 5 only: 3.1.1 has no user properties, there the `id` is all there is.
pub const MAYBE_DUP: &str = "maybe-dup";
