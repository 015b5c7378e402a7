//! Small file systems for tests that want a full disk. Only as root; gone with their handle.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A tmpfs that is unmounted when this is dropped.
#[derive(Debug)]
pub struct Tmpfs(PathBuf);

/// Mounts a tmpfs of at most `bytes` over a directory, readable by its owner only.
///
/// # Panics
///
/// Panics where it can't be mounted.
#[track_caller]
pub fn tmpfs(over: &Path, bytes: u64) -> Tmpfs {
    let options = format!("size={bytes},mode=0700");
    mount(Some("shipote-test"), over, Some("tmpfs"), MsFlags::MS_NOSUID, Some(options.as_str()))
        .expect("mount a tmpfs");
    Tmpfs(over.to_owned())
}

impl Tmpfs {
    /// Gives it another size.
    ///
    /// # Panics
    ///
    /// Panics where the kernel refuses.
    #[track_caller]
    pub fn resize(&self, bytes: u64) {
        let options = format!("size={bytes}");
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID;
        mount(None::<&str>, &self.0, None::<&str>, flags, Some(options.as_str())).expect("resize the tmpfs");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Whatever still looks at it keeps it until it ends.
        if let Err(error) = umount2(&self.0, MntFlags::MNT_DETACH) {
            assert!(std::thread::panicking(), "unmount {}: {error}", self.0.display());
        }
    }
}
