//! Actors: tokio tasks that carry decisions out. Each owns what it acts on, and talks by messages.

mod actor;
mod declared;
mod durable;
mod environment;
mod follow;
pub mod manager;
mod message;
mod output;
pub mod session;
mod unit;
pub mod verbs;
mod wiring;
