//! A disk in memory that remembers what is durable, fails where it is told to, and can be cut off.
//!
//! After a cut, each file has its synced content and any part of what was appended since (whole, cut short, with a
//! zeroed tail, or not at all), and each directory operation since the last sync of the directory has happened or not:
//! any subset of them, which is more than a journalling file system can leave.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, FileMark};

/// A file by its number: the same one under two names is one file.
type Inode = u64;

/// Names to files.
type Names = BTreeMap<String, Inode>;

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    /// What a power cut leaves at least; `content` may be shorter, after a truncation that is not synced.
    durable: Vec<u8>,
    changed: u64,
}

#[derive(Debug, Clone)]
enum NameOp {
    Set(String, Inode),
    Rename(String, String, Inode),
    Remove(String),
}

/// What a disk holds at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    files: BTreeMap<Inode, File>,
    names: Names,
    durable_names: Names,
    /// Operations on names since the directory was synced.
    waiting: Vec<NameOp>,
    dirs: Vec<String>,
    next: Inode,
    clock: u64,
}

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The operation of this number, from 0, fails with this error; a write has written half before.
    Fail(usize, i32),
    /// Every operation from this number on fails with this error.
    FailFrom(usize, i32),
}

#[derive(Debug, Default)]
struct Inner {
    image: Image,
    operations: usize,
    fault: Option<Fault>,
    /// The image before each operation.
    trace: Vec<Image>,
    is_tracing: bool,
}

/// A handle of the disk; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<Inner>>);

impl SimDisk {
    pub(super) fn of(image: Image) -> Self {
        Self(Arc::new(Mutex::new(Inner { image, ..Inner::default() })))
    }

    pub(super) fn with_fault(self, fault: Fault) -> Self {
        self.lock().fault = Some(fault);
        self
    }

    pub(super) fn tracing(self) -> Self {
        self.lock().is_tracing = true;
        self
    }

    pub(super) fn heal(&self) {
        self.lock().fault = None;
    }

    /// Returns how many operations that change something were asked for.
    pub(super) fn operations(&self) -> usize {
        self.lock().operations
    }

    pub(super) fn image(&self) -> Image {
        self.lock().image.clone()
    }

    /// Returns the disk before each operation, and at the end.
    pub(super) fn trace(&self) -> Vec<Image> {
        let mut inner = self.lock();
        let mut trace = std::mem::take(&mut inner.trace);
        trace.push(inner.image.clone());
        trace
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Counts an operation. Returns the error that it is to have.
    fn begin(&self) -> Result<(), io::Error> {
        let mut inner = self.lock();
        if inner.is_tracing {
            let image = inner.image.clone();
            inner.trace.push(image);
        }
        let number = inner.operations;
        inner.operations += 1;
        match inner.fault {
            Some(Fault::Fail(at, errno)) if at == number => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::FailFrom(at, errno)) if number >= at => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }
}

impl Image {
    /// Returns the disk after `kill -9`: all that was done is there.
    pub(super) fn killed(&self) -> Self {
        self.clone()
    }

    /// Returns every disk that a power cut may leave.
    pub(super) fn cut(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for names in self.names_after_cut() {
            for tail in [Tail::Lost, Tail::Short(1), Tail::Half, Tail::AllButOne, Tail::Zeroed, Tail::Whole] {
                let mut image = self.clone();
                image.names.clone_from(&names);
                image.durable_names.clone_from(&names);
                image.waiting.clear();
                for file in image.files.values_mut() {
                    file.content = tail.of(file);
                    file.durable.clone_from(&file.content);
                }
                found.push(image);
            }
        }
        found
    }

    /// Returns the disk of a store that never synced a file, after a power cut: names are there, contents are not.
    pub(super) fn unsynced(&self) -> Option<Self> {
        let mut image = self.clone();
        for file in image.files.values_mut() {
            file.content.clear();
        }
        (!image.files.is_empty()).then_some(image)
    }

    /// Returns every state of the names: any subset of what was not synced, in its order.
    fn names_after_cut(&self) -> Vec<Names> {
        let waiting = &self.waiting;
        // The subsets of more than these are sampled: all, none, each alone, all but each, each prefix.
        let all = (1_u64 << waiting.len().min(16)) - 1;
        let mut masks: Vec<u64> = if waiting.len() <= 6 { (0..=all).collect() } else { vec![0, all] };
        for bit in 0..waiting.len().min(16) {
            masks.extend([1 << bit, all & !(1 << bit), (1 << bit) - 1]);
        }
        masks.sort_unstable();
        masks.dedup();
        let mut found: Vec<Names> = masks.into_iter().map(|mask| self.names_of(mask)).collect();
        found.sort();
        found.dedup();
        found
    }

    fn names_of(&self, mask: u64) -> Names {
        let mut names = self.durable_names.clone();
        for (_, op) in self.waiting.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0) {
            match op {
                NameOp::Set(name, inode) => {
                    names.insert(name.clone(), *inode);
                }
                NameOp::Rename(from, to, inode) => {
                    names.remove(from);
                    names.insert(to.clone(), *inode);
                }
                NameOp::Remove(name) => {
                    names.remove(name);
                }
            }
        }
        names
    }

    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.names.get(name).map(|inode| self.files[inode].content.clone())
    }

    /// Puts a durable file into place.
    pub(super) fn plant(&mut self, name: &str, content: &[u8]) {
        let inode = self.next;
        self.next += 1;
        let file = File { content: content.to_vec(), durable: content.to_vec(), changed: self.clock };
        self.files.insert(inode, file);
        self.names.insert(name.to_owned(), inode);
        self.durable_names.insert(name.to_owned(), inode);
    }

    fn set(&mut self, name: &str, inode: Inode) {
        self.names.insert(name.to_owned(), inode);
        self.waiting.push(NameOp::Set(name.to_owned(), inode));
    }

    fn inode(&self, name: &str) -> io::Result<Inode> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }
}

/// What a power cut leaves of bytes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Tail {
    Lost,
    Short(usize),
    Half,
    AllButOne,
    /// The length is there, the content is not.
    Zeroed,
    Whole,
}

impl Tail {
    fn of(self, file: &File) -> Vec<u8> {
        let (content, durable) = (&file.content, &file.durable);
        let kept = content.iter().zip(durable).take_while(|(a, b)| a == b).count();
        if kept < durable.len() {
            // Cut and written over without a sync: either is there.
            return if matches!(self, Self::Lost) { durable.clone() } else { content.clone() };
        }
        let waiting = content.len() - kept;
        let more = match self {
            Self::Lost => 0,
            Self::Short(bytes) => bytes.min(waiting),
            Self::Half => waiting / 2,
            Self::AllButOne => waiting.saturating_sub(1),
            Self::Zeroed | Self::Whole => waiting,
        };
        let mut left = content[..kept + more].to_vec();
        if matches!(self, Self::Zeroed) {
            left[kept..].fill(0);
        }
        left
    }
}

impl Disk for SimDisk {
    type File = Inode;

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let inner = self.lock();
        let inode = inner.image.inode(name)?;
        Ok(inner.image.files[&inode].content.clone())
    }

    fn mark(&self, name: &str) -> io::Result<Option<FileMark>> {
        let inner = self.lock();
        let Some(ino) = inner.image.names.get(name).copied() else { return Ok(None) };
        let file = &inner.image.files[&ino];
        Ok(Some(FileMark { ino, size: file.content.len() as u64, mtime_ns: i128::from(file.changed) }))
    }

    fn create(&mut self, name: &str) -> io::Result<Inode> {
        self.begin()?;
        let mut inner = self.lock();
        let image = &mut inner.image;
        if image.names.contains_key(name) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        let inode = image.next;
        image.next += 1;
        image.files.insert(inode, File::default());
        image.set(name, inode);
        Ok(inode)
    }

    fn open_append(&mut self, name: &str) -> io::Result<Inode> {
        self.lock().image.inode(name)
    }

    fn append(&mut self, file: &mut Inode, bytes: &[u8]) -> io::Result<()> {
        let fault = self.begin();
        let mut inner = self.lock();
        let image = &mut inner.image;
        image.clock += 1;
        let clock = image.clock;
        let file = image.files.get_mut(file).unwrap();
        file.changed = clock;
        let written = if fault.is_err() { bytes.len() / 2 } else { bytes.len() };
        file.content.extend_from_slice(&bytes[..written]);
        fault
    }

    fn truncate(&mut self, file: &mut Inode, len: u64) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        let len = usize::try_from(len).unwrap();
        inner.image.files.get_mut(file).unwrap().content.truncate(len);
        Ok(())
    }

    fn sync(&mut self, file: &mut Inode) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        let file = inner.image.files.get_mut(file).unwrap();
        file.durable = file.content.clone();
        Ok(())
    }

    fn is_linked(&self, file: &Inode) -> bool {
        self.lock().image.names.values().any(|inode| inode == file)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        let image = &mut inner.image;
        let inode = image.inode(from)?;
        if image.names.get(to) == Some(&inode) {
            return Ok(());
        }
        image.names.remove(from);
        image.names.insert(to.to_owned(), inode);
        image.waiting.push(NameOp::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        let image = &mut inner.image;
        let inode = image.inode(from)?;
        if image.names.contains_key(to) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        image.set(to, inode);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        let image = &mut inner.image;
        image.inode(name)?;
        image.names.remove(name);
        image.waiting.push(NameOp::Remove(name.to_owned()));
        Ok(())
    }

    fn make_dir(&mut self, name: &str) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        if !inner.image.dirs.iter().any(|dir| dir == name) {
            inner.image.dirs.push(name.to_owned());
        }
        Ok(())
    }

    fn sync_dir(&mut self, _name: &str) -> io::Result<()> {
        self.begin()?;
        let mut inner = self.lock();
        // One directory for all: that a sync of one confirms the other's names, too, hides nothing that is looked for.
        let image = &mut inner.image;
        image.durable_names.clone_from(&image.names);
        image.waiting.clear();
        Ok(())
    }
}
