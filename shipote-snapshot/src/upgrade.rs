//! The upgrade chain, oldest to newest: each version knows only the one before it.
//!
//! Ids that an upgrade makes are derived and not random, so that the page, the daemon and a second run agree: a ULID
//! of the document's `timestamp_ms` and the first 80 bits of SHA-256 over the bytes of the file followed by the JSON
//! pointer of what is named.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use sha2::{Digest, Sha256};
use shipote_card::PipelineId;

use crate::domain::Lineage;
use crate::{source, v1, v2, v3, v4, v5};

/// One thing that an upgrade changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UpgradeNote {
    /// The version that brought the change.
    pub version: u16,
    /// JSON pointer of what changed.
    pub pointer: String,
    /// What changed, as a sentence fragment.
    pub message: String,
}

/// The changes of one upgrade, in order.
#[derive(Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<UpgradeNote>);

impl Notes {
    pub(crate) fn push(&mut self, version: u16, pointer: &str, message: &str) {
        self.0.push(UpgradeNote { version, pointer: pointer.into(), message: message.into() });
    }
}

/// Where a state comes from; the source of derived ids.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    file: &'a [u8],
    digest: OnceCell<Sha256>,
    timestamp_ms: u64,
    /// Positions of the live pipelines in the file, where some of its entities are held back.
    live_positions: Option<Vec<usize>>,
}

impl<'a> Origin<'a> {
    pub(crate) const fn new(file: &'a [u8], timestamp_ms: u64, live_positions: Option<Vec<usize>>) -> Self {
        Self { file, digest: OnceCell::new(), timestamp_ms, live_positions }
    }

    /// Returns the pointer of the live pipeline that is now at `index`.
    pub(crate) fn live_pipeline(&self, index: usize) -> String {
        let position = self.live_positions.as_ref().and_then(|all| all.get(index)).copied().unwrap_or(index);
        format!("/live_pipelines/{position}")
    }

    pub(crate) fn pipeline_id(&self, pointer: &str) -> PipelineId {
        PipelineId::from_parts(self.timestamp_ms, self.random(pointer))
    }

    pub(crate) fn lineage(&self) -> Lineage {
        Lineage::from_parts(self.timestamp_ms, self.random("/lineage"))
    }

    fn random(&self, pointer: &str) -> u128 {
        // Most files need no derived id, and hashing takes longer than reading.
        let file = self.digest.get_or_init(|| Sha256::new_with_prefix(self.file));
        let digest = file.clone().chain_update(pointer).finalize();
        digest.iter().take(10).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }
}

/// A state in the version that it was written in.
#[derive(Debug)]
pub(crate) enum AnyState {
    V1(v1::State),
    V2(v2::State),
    V3(v3::State),
    V4(v4::State),
    V5(v5::State),
}

impl AnyState {
    /// Reads `text` as `version`, which must be a known one.
    pub(crate) fn parse(version: u64, text: &str) -> Option<Self> {
        match version {
            1 => source::read(text).map(Self::V1),
            2 => source::read(text).map(Self::V2),
            3 => source::read(text).map(Self::V3),
            4 => source::read(text).map(Self::V4),
            5 => source::read(text).map(Self::V5),
            _ => None,
        }
    }

    const fn timestamp_ms(&self) -> u64 {
        match self {
            Self::V1(state) => state.timestamp_ms,
            Self::V2(state) => state.timestamp_ms,
            Self::V3(state) => state.timestamp_ms,
            Self::V4(state) => state.timestamp_ms,
            Self::V5(state) => state.timestamp_ms,
        }
    }

    /// Returns the state one version further; the newest stays as it is.
    pub(crate) fn step(self, origin: &Origin<'_>, notes: &mut Notes) -> Self {
        match self {
            Self::V1(old) => Self::V2(v2::from_v1(old, notes)),
            Self::V2(old) => Self::V3(v3::from_v2(old, notes)),
            Self::V3(old) => Self::V4(v4::from_v3(old, notes)),
            Self::V4(old) => Self::V5(v5::from_v4(old, origin, notes)),
            Self::V5(newest) => Self::V5(newest),
        }
    }

    /// Returns the state in the newest version and what that changed. `file` are the bytes that it was read from.
    pub(crate) fn newest(self, file: &[u8], live_positions: Option<Vec<usize>>) -> Upgraded {
        let origin = Origin::new(file, self.timestamp_ms(), live_positions);
        let mut notes = Notes::default();
        let mut state = self;
        loop {
            match state {
                Self::V5(mut newest) => {
                    let lineage = newest.lineage.take().unwrap_or_else(|| origin.lineage());
                    return Upgraded { state: newest, lineage, notes: notes.0 };
                }
                older => state = older.step(&origin, &mut notes),
            }
        }
    }
}

/// A state in the newest version.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) state: v5::State,
    pub(crate) lineage: Lineage,
    pub(crate) notes: Vec<UpgradeNote>,
}

impl core::fmt::Display for UpgradeNote {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { version, pointer, message } = self;
        write!(f, "v{version} {pointer}: {message}")
    }
}
