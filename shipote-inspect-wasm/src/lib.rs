//! The inspector: the bytes of state files in, what a page shows of them out, as JSON.
//!
//! Files are judged by the same code that the daemon and `shipote state verify` use. Everything here is a plain
//! function of its arguments, so that it is tested natively; `bindings` hands it to a browser. What is shown is worked
//! out here: a page places it and draws it.
//!
//! Invariant: nothing in here talks to the network, and a file that is looked at never leaves the machine.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod bindings;
mod brackets;
mod chart;
mod compare;
mod dag;
mod detail;
mod excerpt;
mod kind;
mod lean;
mod overview;
mod pipelines;
mod plan;
mod question;
mod raw;
mod secret;
mod session;
mod share;
mod tell;
mod timeline;
mod together;
mod upgrade;
mod visible;
mod wording;
mod words;
mod workspaces;

pub use session::Session;
