//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. It is no claim about speed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a process may outlive its workspace: a promise, and the only time that is asserted.
pub const ORPHAN_LIMIT: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(10);

/// Looks until there is something, and returns it; none when `limit` is over.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let late = Instant::now() >= end;
        if let Some(found) = look() {
            return Some(found);
        }
        if late {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

/// Looks until there is something, and returns it.
///
/// # Panics
///
/// Panics when there is nothing within [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let found = within(PATIENCE, look);
    assert!(found.is_some(), "waited {PATIENCE:?} for: {what}");
    found.unwrap_or_else(|| unreachable!())
}
