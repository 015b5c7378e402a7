//! Findings and their places: offsets while a file is read, lines and columns once it is known what is told.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ordered::sort_by_key;
use serde_json::value::RawValue;
use shipote_card::label::nearest;
use shipote_card::{Place, Problem, Severity};

/// Problems that are told in full; further ones are counted.
pub(crate) const MOST_PROBLEMS: usize = 1_000;

/// The byte order mark, which some editors put before a text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A stretch of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl Stretch {
    pub(crate) const fn end(self) -> usize {
        self.offset + self.len
    }
}

/// The text of the document, in which raw values are places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'t> {
    text: &'t str,
    /// Bytes of the file before the text.
    skipped: usize,
}

impl<'t> Text<'t> {
    pub(crate) const fn new(text: &'t str, skipped: usize) -> Self {
        Self { text, skipped }
    }

    pub(crate) const fn whole(self) -> &'t str {
        self.text
    }

    /// Returns where `raw`, a part of this text, stands in the file.
    pub(crate) fn stretch(self, raw: &'t RawValue) -> Stretch {
        let part = raw.get();
        Stretch { offset: self.skipped + (part.as_ptr().addr() - self.text.as_ptr().addr()), len: part.len() }
    }

    /// Returns the text of a stretch of the file.
    pub(crate) fn slice(self, from: usize, to: usize) -> &'t str {
        &self.text[from - self.skipped..to - self.skipped]
    }
}

/// One step from a value to a part of it.
#[derive(Debug, Clone)]
pub(crate) enum Step<'t> {
    Key(Cow<'t, str>),
    Index(usize),
}

/// Returns the JSON pointer (RFC 6901) of these steps.
pub(crate) fn pointer(steps: &[Step<'_>]) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        match step {
            Step::Key(key) if key.contains(['~', '/']) => {
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Step::Key(key) => pointer.push_str(key),
            Step::Index(index) => pointer.push_str(&index.to_string()),
        }
    }
    pointer
}

/// One problem, before its line is known.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) pointer: String,
    pub(crate) at: Stretch,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) related: Option<(String, Stretch)>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    more: u64,
    /// Whether anything was fatal.
    pub(crate) fatal: bool,
    /// Errors so far that cost an entity or the document.
    pub(crate) errors: u64,
    /// Errors that cost less than an entity.
    absorbed: u64,
}

impl Findings {
    /// Adds one problem; `finding` is not even made once there are too many to be told.
    pub(crate) fn add(&mut self, severity: Severity, finding: impl FnOnce() -> Finding) {
        match severity {
            Severity::Fatal => self.fatal = true,
            Severity::Error => self.errors += 1,
            Severity::Warning | Severity::Note => {}
        }
        if self.list.len() < MOST_PROBLEMS {
            self.list.push(finding());
        } else {
            self.more += 1;
        }
    }

    /// Adds what was found elsewhere in the same file.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.list.append(&mut other.list);
        let surplus = self.list.len().saturating_sub(MOST_PROBLEMS);
        self.list.truncate(MOST_PROBLEMS);
        self.more += other.more + surplus as u64;
        self.fatal |= other.fatal;
        self.errors += other.errors;
        self.absorbed += other.absorbed;
    }

    /// Takes back that the errors since there were `errors` cost the entity that holds them.
    pub(crate) const fn absorb(&mut self, errors: u64) {
        self.absorbed += self.errors - errors;
        self.errors = errors;
    }

    /// Returns whether anything is fatal or an error.
    pub(crate) const fn refuse(&self) -> bool {
        self.fatal || self.errors > 0 || self.absorbed > 0
    }

    /// Adds what makes the whole document unreadable.
    pub(crate) fn fatal(&mut self, code: &'static str, at: Stretch, message: impl Into<String>, hint: &str) {
        self.add(Severity::Fatal, || Finding {
            severity: Severity::Fatal,
            code,
            pointer: String::new(),
            at,
            message: message.into(),
            hint: hint.into(),
            related: None,
        });
    }

    /// Returns the problems by place, and how many more there are. `file` are the bytes that the offsets count.
    pub(crate) fn told(mut self, file: &[u8]) -> (Vec<Problem>, u64) {
        sort_by_key(&mut self.list, |finding| finding.at.offset as u128);
        let mut offsets: Vec<usize> = self
            .list
            .iter()
            .flat_map(|f| [Some(f.at), f.related.as_ref().map(|r| r.1)])
            .flatten()
            .map(|s| s.offset)
            .collect();
        sort_by_key(&mut offsets, |offset| *offset as u128);
        offsets.dedup();
        let lines = line_and_column(file, &offsets);
        let place = |pointer: String, at: Stretch| {
            let (line, column) = offsets.binary_search(&at.offset).map_or((1, 1), |index| lines[index]);
            Place { pointer, line, column, offset: at.offset as u64 }
        };
        let problem = |finding: Finding| Problem {
            severity: finding.severity,
            code: finding.code.into(),
            place: place(finding.pointer, finding.at),
            len: finding.at.len as u64,
            message: finding.message,
            hint: finding.hint,
            related: finding.related.into_iter().map(|(pointer, at)| place(pointer, at)).collect(),
        };
        (self.list.into_iter().map(problem).collect(), self.more)
    }
}

/// Returns line and column of each of the ascending `offsets`, in one pass over the file.
///
/// A column counts Unicode scalars, which are the bytes that continue none; a byte order mark does not count.
fn line_and_column(file: &[u8], offsets: &[usize]) -> Vec<(u64, u64)> {
    let mut at = if file.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let (mut line, mut column) = (1, 1);
    let mut found = Vec::with_capacity(offsets.len());
    for &offset in offsets {
        let stretch = file.get(at..offset.min(file.len())).unwrap_or_default();
        for byte in stretch {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                0x80..=0xBF => {}
                _ => column += 1,
            }
        }
        at = at.max(offset);
        found.push((line, column));
    }
    found
}

/// Returns a hint that names the nearest of `known`, or an empty text.
pub(crate) fn nearest_hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!("did you mean `{known}`?"))
}
