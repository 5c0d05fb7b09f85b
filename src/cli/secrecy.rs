//! What every verb does first, because nearly each of them reads names, templates or keys: nothing of
//! it is left where others find it.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// A limit of one byte, by which the kernel starts no program that collects core dumps either; of
/// zero bytes it would start one.
const NO_CORE: u64 = 1;

/// No core dumps, and new files for their owner alone, whatever the umask was.
pub(super) fn keep() {
    umask(Mode::from_bits_truncate(0o077));
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    // A limit of zero, which nobody but root can raise again, is as good.
    if setrlimit(Resource::Core, limit(NO_CORE)).is_err() {
        let _ = setrlimit(Resource::Core, limit(0));
    }
}
