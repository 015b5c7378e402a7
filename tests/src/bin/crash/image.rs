//! A file system in a file whose power can be taken away: it is shut down without a flush of its log (FS_IOC_SHUTDOWN
//! with NOLOGFLUSH, as `xfs_io -x -c shutdown` does it on every file system that knows it), and mounted again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Size of the image: the smallest that mkfs.xfs takes.
const IMAGE_BYTES: u64 = 320 << 20;

/// A file system in a file, unmounted when this is dropped.
#[derive(Debug)]
pub struct Image {
    file: PathBuf,
    /// Where it is mounted.
    pub at: PathBuf,
}

impl Image {
    /// Makes one in a directory, and mounts it.
    pub fn make(dir: &Path, file_system: &str) -> Self {
        keep_mounts_to_oneself();
        let image = Self { file: dir.join("image"), at: dir.join("mounted") };
        fs::create_dir_all(&image.at).unwrap();
        File::create(&image.file).unwrap().set_len(IMAGE_BYTES).unwrap();
        let quiet: &[&str] = if file_system == "xfs" { &["-q", "-f"] } else { &["-q", "-F"] };
        must(Command::new(format!("mkfs.{file_system}")).args(quiet).arg(&image.file));
        image.mount();
        image
    }

    fn mount(&self) {
        must(Command::new("mount").args(["-o", "loop"]).arg(&self.file).arg(&self.at));
    }

    /// Unmounts it. Whoever had a file open may need a moment to be gone.
    fn unmount(&self) -> bool {
        let begin = Instant::now();
        let mut umount = Command::new("umount");
        umount.arg(&self.at).stderr(Stdio::null());
        while !umount.status().is_ok_and(|status| status.success()) {
            if begin.elapsed() > Duration::from_secs(20) {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Takes the power away: nothing that was not synced is written any more.
    pub fn cut(&self) {
        must(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.at));
    }

    /// Gives the power back.
    pub fn restore(&self) {
        assert!(self.unmount(), "{} can't be unmounted", self.at.display());
        self.mount();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.unmount();
        let _ = fs::remove_file(&self.file);
    }
}

/// Gives this thread, and those that it starts, a mount namespace of their own. A program elsewhere that copies its
/// namespace would otherwise copy the mount of the image, and with it keep a file system alive that has lost its power.
fn keep_mounts_to_oneself() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let (all, nothing) = (MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>);
    mount(nothing, "/", nothing, all, nothing).unwrap();
}

fn must(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
