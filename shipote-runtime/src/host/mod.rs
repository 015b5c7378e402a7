//! Linux: everything that asks the kernel for something, and the only place of the project with `unsafe`.

pub mod cgroup;
pub mod clock;
pub mod counters;
pub mod doctor;
pub mod init;
pub mod launch;
pub mod logs;
pub mod numbering;
pub mod peer;
pub mod probe;
pub mod relay;
pub mod samples;
pub mod starts;
pub mod store;
pub mod sys;
