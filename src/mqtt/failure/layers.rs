//! Finds a typed error in the layers that libraries wrap around it.

use std::error::Error;
use std::io;

/// The first error of type `T` in the layers of `error`.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut layer = Some(error);
    while let Some(error) = layer {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        layer = inner(error);
    }
    None
}

/// The kind of the innermost `io::Error`.
pub(super) fn find_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut kind = None;
    let mut layer = Some(error);
    while let Some(error) = layer {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        layer = inner(error);
    }
    kind
}

/// One layer down, also where `source()` would skip one.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|custom| custom as &(dyn Error + 'static));
    }
    error.source()
}
