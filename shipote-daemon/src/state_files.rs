//! The files of one state: `state.json` with its journals, of a directory or as they are named.
//!
//! A state directory is read without its daemon's lock. A fold may go on meanwhile, so a set of files that does not fit
//! together is read again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use shipote_snapshot::{Input, Loaded, Refusal, ShipoteSnapshot, gather, load_named};

use crate::exit::{self, Code, Failure, SourceText};

/// Longest state file that is read.
const STATE_MAX: u64 = 4 << 30;
/// How often a set of files that does not fit together is read again.
const AGAIN: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);
/// The names in a state directory, as `docs/state-format.md` has them.
const CHECKPOINT: &str = "state.json";
const JOURNALS: [&str; 2] = ["state.journal.old", "state.journal"];
const SAMPLES: &str = "stats.journal";
const GENERATIONS: [&str; 3] = ["state.json.1", "state.json.2", "state.json.3"];

/// A file and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Where it was read.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The files of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFiles {
    /// What the state is called in messages: the directory's `state.json`, or the first file that was named.
    pub path: PathBuf,
    /// The file that it begins with.
    pub checkpoint: Option<Content>,
    /// Its journals, the oldest first.
    pub journals: Vec<Content>,
    /// Files of samples that were named, or [read](Self::read_samples) beside it.
    pub samples: Vec<Content>,
    /// The state directory, where the whole of one was read.
    directory: Option<PathBuf>,
}

impl StateFiles {
    /// Reads what is named: a state directory, or `state.json` and journals in any order; where nothing is, `own`.
    ///
    /// # Errors
    ///
    /// Fails where a file can't be read, and where two of them are no one state.
    pub fn read(named: &[PathBuf], own: &Path) -> Result<Self, Failure> {
        match named {
            [] => Self::of_directory(own),
            [one] if one.is_dir() => Self::of_directory(one),
            several => Self::of_files(several),
        }
    }

    /// Reads a state directory; one without files has an empty state.
    ///
    /// # Errors
    ///
    /// Fails where a file can't be read.
    pub fn of_directory(dir: &Path) -> Result<Self, Failure> {
        let mut found = Self::of_directory_once(dir)?;
        for _ in 0..AGAIN {
            if found.load().refusal.is_none_or(|refusal| refusal == Refusal::Newer) {
                break;
            }
            // A fold under way looks like damage for a moment; damage stays as it is.
            sleep(PAUSE);
            let again = Self::of_directory_once(dir)?;
            if again == found {
                break;
            }
            found = again;
        }
        Ok(found)
    }

    fn of_directory_once(dir: &Path) -> Result<Self, Failure> {
        // Folding moves records from later files to earlier ones, so the later ones are read first: a record may be
        // found in both, but not in neither.
        let mut journals = Vec::new();
        for name in JOURNALS.into_iter().rev() {
            journals.extend(read_if_there(&dir.join(name))?);
        }
        journals.reverse();
        let path = dir.join(CHECKPOINT);
        let checkpoint = read_if_there(&path)?;
        Ok(Self { path, checkpoint, journals, samples: Vec::new(), directory: Some(dir.to_owned()) })
    }

    /// Reads the samples of a state directory too, which may be many and are no part of the state.
    ///
    /// # Errors
    ///
    /// Fails where they can't be read.
    pub fn read_samples(&mut self) -> Result<(), Failure> {
        if let Some(dir) = &self.directory {
            self.samples.extend(read_if_there(&dir.join(SAMPLES))?);
        }
        Ok(())
    }

    fn of_files(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut contents = Vec::new();
        for path in paths {
            contents.push(Content { path: path.clone(), bytes: bytes_of(path)? });
        }
        let names: Vec<String> = (0..contents.len()).map(|index| index.to_string()).collect();
        let inputs: Vec<Input<'_>> = (names.iter().zip(&contents))
            .map(|(name, content)| Input { name, bytes: &content.bytes })
            .collect();
        // By their numbers, since two paths may end in the same name.
        let of = |input: &Input<'_>| contents[input.name.parse::<usize>().unwrap_or(0)].clone();
        let gathered = gather(&inputs).map_err(|(one, other)| {
            let text =
                format!("{} and {} are two states", of(&one).path.display(), of(&other).path.display());
            Failure::usage(text)
                .hint("--each judges each file by itself; shipote state diff A B compares two")
        })?;
        let checkpoint = gathered.checkpoint.as_ref().map(of);
        let journals: Vec<Content> = gathered.journals.iter().map(of).collect();
        let samples: Vec<Content> = gathered.samples.iter().map(of).collect();
        let first = checkpoint.as_ref().or(journals.first()).or(samples.first());
        let path = first.map(|content| content.path.clone()).unwrap_or_default();
        Ok(Self { path, checkpoint, journals, samples, directory: None })
    }

    /// Loads them as a daemon would.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let names: Vec<String> =
            self.journals.iter().map(|content| content.path.display().to_string()).collect();
        let journals: Vec<Input<'_>> = (names.iter().zip(&self.journals))
            .map(|(name, content)| Input { name, bytes: &content.bytes })
            .collect();
        let name = self.path.display().to_string();
        let checkpoint = self.checkpoint.as_ref().map(|content| Input { name: &name, bytes: &content.bytes });
        load_named(checkpoint, &journals)
    }

    /// Returns whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checkpoint.is_none() && self.journals.is_empty()
    }

    /// Loads a state that something is to be done with.
    ///
    /// # Errors
    ///
    /// Refuses one that a daemon would refuse.
    pub fn state(&self) -> Result<(ShipoteSnapshot, Loaded), Failure> {
        let mut loaded = self.load();
        match (loaded.refusal, loaded.snapshot.take()) {
            (Some(Refusal::Newer), _) => {
                Err(exit::newer(&self.path, loaded.report.version.as_deref().unwrap_or_default()))
            }
            (Some(_), _) => {
                let first = loaded.report.problems.first().map(|told| told.file.clone());
                let path = first.and_then(|name| self.content(&name)).map_or(&self.path, |content| &content.path);
                let of_file = loaded.report.problems.iter().filter(|told| path.ends_with(&told.file));
                Err(exit::damaged(path, None, of_file.map(|told| told.problem.clone()).collect()))
            }
            (None, Some(snapshot)) => Ok((snapshot, loaded)),
            (None, None) => Err(Failure::new(Code::NotFound, format!("{} holds no state", self.path.display()))
                .hint("a daemon writes one with the first thing that is declared; --state-dir DIR names another place")),
        }
    }

    /// Returns the file whose base name is `name`.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<&Content> {
        self.checkpoint
            .iter()
            .chain(&self.journals)
            .chain(&self.samples)
            .find(|content| content.path.ends_with(name))
    }

    /// Returns the text of the file whose base name is `name`, to show places in it.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<SourceText> {
        let content = self.content(name)?;
        let text = String::from_utf8_lossy(&content.bytes).into_owned();
        Some(SourceText { file: content.path.display().to_string(), text })
    }
}

/// Reads the previous generations of a state directory, the newest first.
///
/// # Errors
///
/// Fails where one can't be read.
pub fn generations(dir: &Path) -> Result<Vec<Content>, Failure> {
    let mut found = Vec::new();
    for name in GENERATIONS {
        found.extend(read_if_there(&dir.join(name))?);
    }
    Ok(found)
}

/// Reads a file; `-` is stdin.
///
/// # Errors
///
/// Fails where it can't be read.
pub fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::stdin().lock().take(STATE_MAX).read_to_end(&mut bytes)?;
        } else {
            File::open(path)?.take(STATE_MAX).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    read().map_err(|error| Failure::file("read", path, &error))
}

fn read_if_there(path: &Path) -> Result<Option<Content>, Failure> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        // Gone in between: a fold renames and removes.
        _ => match File::open(path).map(|file| file.take(STATE_MAX)) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                let read = file.read_to_end(&mut bytes);
                read.map_err(|error| Failure::file("read", path, &error))?;
                Ok(Some(Content { path: path.to_owned(), bytes }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("read", path, &error)),
        },
    }
}
