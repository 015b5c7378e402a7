//! ws-init: the first process of a workspace. It holds the namespaces, starts the commands, and collects them.
//!
//! The same binary, executed again, single-threaded and without a runtime. It ends when the daemon does: the end
//! of the control socket is its signal, and the kernel ends the whole pid namespace with it.

pub mod protocol;

mod group;
mod mounts;
mod serve;
mod stage;

pub use stage::main;
