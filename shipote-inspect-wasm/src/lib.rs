//! The inspector: the bytes of a `state.json` in, what a page shows of them out, as JSON.
//!
//! A file is judged by the same code that the daemon and `shipote state verify` use. Everything here is a plain
//! function of its arguments, so that it is tested natively; `bindings` hands it to a browser.
//!
//! Invariant: nothing in here talks to the network, and a file that is looked at never leaves the machine.

#[cfg(target_arch = "wasm32")]
mod bindings;
mod history;
mod inspect;
mod verify;

pub use history::history;
pub use inspect::inspect;
pub use verify::verify;
