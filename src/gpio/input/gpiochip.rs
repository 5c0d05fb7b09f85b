//! The kernel's GPIO character device: edges wake the reader, and no other process can take the line.

use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, Offset, Value};

use super::{InputLine, POLL, is_active};
use crate::config::{InputWiring, Pull};
use crate::gpio::GpioError;

/// Edges taken at once. A line that never rests must not keep its reader from reading the level.
const MOST_EDGES: usize = 64;

/// A line held for as long as this lives.
#[derive(Debug)]
pub(super) struct GpiochipInput {
    request: Request,
    has_edges: bool,
    wiring: InputWiring,
    what: String,
}

impl GpiochipInput {
    /// Takes the line as an input, with edges where the chip has them.
    pub(super) fn open(wiring: &InputWiring, what: &str) -> Result<Self, GpioError> {
        // Emulated and some expander chips have no interrupts: then the line is polled. Any other
        // cause fails the second request in the same way, and is reported by it.
        let (request, has_edges) = match request(wiring, EdgeDetection::BothEdges) {
            Ok(request) => (request, true),
            Err(cause) => {
                let request = request(wiring, None).map_err(|e| fault(wiring, what, &e))?;
                tracing::info!(input = what, %cause, "no edges on this line: it is polled");
                (request, false)
            }
        };
        Ok(Self {
            request,
            has_edges,
            wiring: wiring.clone(),
            what: what.to_owned(),
        })
    }

    fn drain(&self) -> gpiocdev::Result<()> {
        for _ in 0..MOST_EDGES {
            if !self.request.has_edge_event()? {
                break;
            }
            self.request.read_edge_event()?;
        }
        Ok(())
    }
}

impl InputLine for GpiochipInput {
    fn read(&mut self) -> Result<bool, GpioError> {
        let value = self
            .request
            .value(self.wiring.pin as Offset)
            .map_err(|error| fault(&self.wiring, &self.what, &error))?;
        Ok(is_active(self.wiring.active, value == Value::Active))
    }

    fn wait(&mut self, timeout: Duration) -> Result<(), GpioError> {
        if !self.has_edges {
            std::thread::sleep(timeout.min(POLL));
            return Ok(());
        }
        self.request
            .wait_edge_event(timeout)
            .and_then(|_| self.drain())
            .map_err(|error| fault(&self.wiring, &self.what, &error))
    }
}

fn request(
    wiring: &InputWiring,
    edges: impl Into<Option<EdgeDetection>>,
) -> gpiocdev::Result<Request> {
    Request::builder()
        .on_chip(&wiring.chip)
        .with_consumer("doorward")
        .with_line(wiring.pin as Offset)
        .as_input()
        .with_bias(match wiring.pull {
            Pull::Up => Bias::PullUp,
            Pull::Down => Bias::PullDown,
            Pull::None => Bias::Disabled,
        })
        .with_edge_detection(edges)
        .request()
}

fn fault(wiring: &InputWiring, what: &str, error: &gpiocdev::Error) -> GpioError {
    GpioError::Line {
        what: what.to_owned(),
        device: wiring.chip.display().to_string(),
        pin: wiring.pin,
        message: format!(
            "{error}; check [{what}] chip and pin, that no other program (the running service, too) holds the pin, and that this user is in the group gpio"
        ),
    }
}
