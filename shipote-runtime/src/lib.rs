//! What makes a workspace live.

#![cfg_attr(not(feature = "host"), no_std)]

extern crate alloc;

pub mod decide;
