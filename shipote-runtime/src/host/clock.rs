//! Time and chance: the only file that asks the kernel for either.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::sys;

/// Returns the wall clock in milliseconds since the Unix epoch; for display and for the state file.
#[must_use]
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Returns milliseconds since boot, suspend included (`CLOCK_BOOTTIME`); for every decision.
#[must_use]
pub fn now_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |time| time.tv_sec() as u64 * 1000 + time.tv_nsec() as u64 / 1_000_000)
}

/// Returns 64 random bits.
#[must_use]
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    sys::random_bytes(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Returns 80 random bits, as a ULID wants them.
#[must_use]
pub fn random_u80() -> u128 {
    let mut bytes = [0; 16];
    sys::random_bytes(&mut bytes[..10]);
    u128::from_le_bytes(bytes)
}
