//! What systemd is told: ready, stopping, the line of `systemctl status`, and food for its watchdog.
//!
//! Outside systemd there is nobody to be told, and that is fine.

use std::sync::{Arc, Mutex, PoisonError};

use sd_notify::NotifyState;

use super::watchdog::Unwell;

/// Tells it.
pub(super) fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}

/// The line of `systemctl status`, made of what several threads know.
#[derive(Debug, Clone, Default)]
pub(super) struct Status(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    broker: Option<String>,
    unwell: Option<Unwell>,
}

impl Status {
    /// How it stands with the broker.
    pub(super) fn broker(&self, words: String) {
        self.change(|known| known.broker = Some(words));
    }

    /// Why the watchdog is not fed, where it is not.
    pub(super) fn unwell(&self, unwell: Option<Unwell>) {
        self.change(|known| known.unwell = unwell);
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let line = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut known);
            known.line()
        };
        notify(NotifyState::Status(&line));
    }
}

impl Known {
    fn line(&self) -> String {
        let unwell = self
            .unwell
            .map(|unwell| format!("not well: {}", unwell.reason()));
        match (unwell, self.broker.as_deref()) {
            (Some(unwell), Some(broker)) => format!("{unwell}; {broker}"),
            (Some(unwell), None) => unwell,
            (None, broker) => broker.unwrap_or("well again").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_wrong_before_anything_else() {
        let mut known = Known {
            broker: Some("connected to the broker".into()),
            unwell: Some(Unwell::Latch),
        };
        let line = known.line();
        assert!(line.starts_with("not well: the latch"), "{line}");
        assert!(line.ends_with("; connected to the broker"), "{line}");
        known.unwell = None;
        assert_eq!(known.line(), "connected to the broker");
        known.broker = None;
        assert_eq!(known.line(), "well again");
    }
}
