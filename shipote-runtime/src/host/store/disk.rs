//! The few things that the store asks of a disk, so that tests can hand it one that fails and crashes.
//!
//! Names are relative to the state directory. Nothing is buffered: what [`Disk::sync`] and [`Disk::sync_dir`] have not
//! confirmed may be gone after a power cut, in any subset.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

/// Tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMark {
    /// Number of the inode.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of its content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
}

/// A directory of files that outlives the process.
pub trait Disk {
    /// A file that is open for appending.
    type File;

    /// Returns what a regular file holds. Links are not followed, and a FIFO is not waited for.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error, and `InvalidInput` for what is no regular file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Returns the mark of a file; none where there is nothing of that name.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn mark(&self, name: &str) -> io::Result<Option<FileMark>>;

    /// Makes a file that was not there, readable by its owner only.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Opens a regular file that is there.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn open_append(&mut self, name: &str) -> io::Result<Self::File>;

    /// Appends all of `bytes`. After an error some of them may be there.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file to `len` bytes.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn truncate(&mut self, file: &mut Self::File, len: u64) -> io::Result<()>;

    /// Makes the content of a file durable. After an error nobody knows what of it is (fsync(2)).
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    /// Tells whether an open file still has a name.
    fn is_linked(&self, file: &Self::File) -> bool;

    /// Gives a file another name, in place of what had it.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Gives a file a second name, which must be free.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn link(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a name away.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes a directory of the owner's, or finds it.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error, and `InvalidInput` for what is no directory of the owner's.
    fn make_dir(&mut self, name: &str) -> io::Result<()>;

    /// Makes the names in a directory durable; the empty name is the state directory.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    fn sync_dir(&mut self, name: &str) -> io::Result<()>;
}

/// A real directory, held open: what is put in place of it later is not looked at.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory that belongs to this user and that nobody else can write.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error, and what is wrong with the directory as `PermissionDenied`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty())?;
        if let Some(reason) = distrust(&fstat(&fd)?) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open_file(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let always = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = openat(self.fd.as_fd(), name, flags | always, Mode::S_IRUSR | Mode::S_IWUSR)?;
        if !is_kind(&fstat(&fd)?, SFlag::S_IFREG) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
        }
        Ok(File::from(fd))
    }
}

/// Returns why a directory can't be trusted: what others can write in it is somebody else's code.
fn distrust(stat: &FileStat) -> Option<&'static str> {
    match () {
        () if stat.st_uid != nix::unistd::geteuid().as_raw() => Some("belongs to another user"),
        () if stat.st_mode & 0o022 != 0 => Some("can be written by others; `chmod 700` it if it is yours"),
        () => None,
    }
}

fn is_kind(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind
}

impl Disk for Directory {
    type File = File;

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(name, OFlag::O_RDONLY)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn mark(&self, name: &str) -> io::Result<Option<FileMark>> {
        match fstatat(self.fd.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileMark {
                ino: stat.st_ino,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                mtime_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            })),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn create(&mut self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_EXCL)
    }

    fn open_append(&mut self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlag::O_WRONLY | OFlag::O_APPEND)
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn truncate(&mut self, file: &mut File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn is_linked(&self, file: &File) -> bool {
        fstat(file).is_ok_and(|stat| stat.st_nlink > 0)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(self.fd.as_fd(), from, self.fd.as_fd(), to)?)
    }

    fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(linkat(self.fd.as_fd(), from, self.fd.as_fd(), to, AtFlags::empty())?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(unlinkat(self.fd.as_fd(), name, UnlinkatFlags::NoRemoveDir)?)
    }

    fn make_dir(&mut self, name: &str) -> io::Result<()> {
        match mkdirat(self.fd.as_fd(), name, Mode::S_IRWXU) {
            Ok(()) => return self.sync_dir(""),
            Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let stat = fstatat(self.fd.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if is_kind(&stat, SFlag::S_IFDIR) && distrust(&stat).is_none() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a directory of this user's alone"))
    }

    fn sync_dir(&mut self, name: &str) -> io::Result<()> {
        let name = if name.is_empty() { "." } else { name };
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = openat(self.fd.as_fd(), name, flags, Mode::empty())?;
        File::from(dir).sync_all()
    }
}
