//! Reading: bytes to a verdict, a state, and every problem with its place.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use shipote_card::Problem;
use shipote_card::json::{self, Unfit};

use crate::domain::{SNAPSHOT_VERSION, ShipoteSnapshot};
use crate::examine::{Examination, examine};
use crate::outline::Outline;
use crate::place::Stretch;
use crate::upgrade::{AnyState, UpgradeNote, Upgraded};
use crate::{bridge, code, rules};

/// What a file is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Of the newest version, and all of it is understood.
    Valid,
    /// Of an older version, and all of it is understood.
    Upgradable,
    /// Not all of it is understood.
    Invalid,
    /// Of a version that this program does not know yet; never loaded and never overwritten.
    Newer,
}

impl Verdict {
    /// Returns its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Upgradable => "upgradable",
            Self::Invalid => "invalid",
            Self::Newer => "newer",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What the file is worth.
    pub verdict: Verdict,
    /// The number that stands as its version, as it is written there; none where no number does.
    pub version: Option<String>,
    /// The state in the newest version. None for a newer file, and where the document as a whole is unreadable.
    pub snapshot: Option<ShipoteSnapshot>,
    /// What is wrong, by place; at most 1 000.
    pub problems: Vec<Problem>,
    /// Further problems that are not listed.
    pub more: u64,
    /// What the upgrade to the newest version changed.
    pub notes: Vec<UpgradeNote>,
    /// Parts that were ignored.
    pub beside: Vec<Beside>,
}

/// A part of the file that was ignored: an unknown field, or a sample that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Beside {
    /// Where it stood, as a JSON pointer.
    pub pointer: String,
    /// Its JSON, byte for byte.
    pub raw: String,
}

/// Returns what `bytes` say, with every problem in them.
///
/// A file without any problem is read in one pass. Otherwise all of them are found, and the entities with errors are
/// held back in the state that is read.
#[must_use]
pub fn read(bytes: &[u8]) -> Reading {
    read_clean(bytes).unwrap_or_else(|| read_thoroughly(bytes))
}

/// Reads a file without any problem; returns none where there is one.
pub(crate) fn read_clean(bytes: &[u8]) -> Option<Reading> {
    // Once for the whole is a tenth of what it costs text by text.
    let text = core::str::from_utf8(bytes).ok()?;
    let version = probe(text)?;
    let Upgraded { state, lineage, notes } = AnyState::parse(version, text)?.newest(bytes, None);
    let snapshot = bridge::snapshot(state, lineage);
    let mut clean = true;
    rules::check(&mut Outline::of_snapshot(&snapshot), &mut |_| clean = false);
    clean.then(|| Reading {
        verdict: if version == u64::from(SNAPSHOT_VERSION) { Verdict::Valid } else { Verdict::Upgradable },
        version: Some(version.to_string()),
        snapshot: Some(snapshot),
        problems: Vec::new(),
        more: 0,
        notes,
        beside: Vec::new(),
    })
}

pub(crate) fn read_thoroughly(bytes: &[u8]) -> Reading {
    let Examination { mut verdict, version, mut findings, beside, body } = examine(bytes);
    let state = body.as_ref().and_then(|body| AnyState::parse(body.version, &body.good_part()));
    if body.is_some() && state.is_none() {
        findings.fatal(code::UNREADABLE, Stretch::default(), "the document could not be read", "");
        verdict = Verdict::Invalid;
    }
    let (snapshot, notes) = match (body, state) {
        (Some(body), Some(state)) => {
            let Upgraded { state, lineage, notes } = state.newest(bytes, Some(body.live_positions()));
            let snapshot = ShipoteSnapshot { held: body.held(), ..bridge::snapshot(state, lineage) };
            (Some(snapshot), notes)
        }
        _ => (None, Vec::new()),
    };
    let (problems, more) = findings.told(bytes);
    Reading { verdict, version, snapshot, problems, more, notes, beside }
}

/// Returns the version of the document, reading no further than to it.
fn probe(text: &str) -> Option<u64> {
    let mut version = None;
    json::read(text, &mut |document| {
        document.object(&mut |key, value| {
            if key == "version" {
                version = value.unsigned().ok();
                // What follows is for others to read.
                return Err(Unfit);
            }
            value.raw().map(drop)
        })
    });
    version
}
