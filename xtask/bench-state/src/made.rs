//! States to measure with: the same ones in every run, of the size that real workspaces have.

use std::sync::Arc;

use shipote_card::unit::{ByteSize, Span};
use shipote_card::workspace::{FilePermissions, FlowMode};
use shipote_card::{FlowDir, NetPolicy, WorkspaceId, WorkspaceSpec};
use shipote_runtime::host::store::frozen::Frozen;
use shipote_snapshot::{Lineage, PersistedStats, ShipoteSnapshot, WorkspaceEntry};

/// 2026-01-02T03:04:05Z, in milliseconds.
const BEGIN_MS: u64 = 1_767_323_045_000;

/// Numbers that look random: the same for the same seed.
#[derive(Debug)]
pub struct Mix(u64);

impl Mix {
    /// Begins with a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next one, below `below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// Returns the workspace of a number; `round` makes it another one of the same length.
pub fn workspace(number: u64, round: u64, samples: u64) -> WorkspaceEntry {
    let mut mix = Mix::new(number.wrapping_mul(31).wrapping_add(round));
    let id = WorkspaceId::from_parts(BEGIN_MS + number, u128::from(number) << 17 | 5);
    let mut spec = WorkspaceSpec::labelled(format!("workspace-{number:06}"));
    spec.ttl = Some(Span::from_secs(7200));
    spec.soma.hostname = Some(format!("host-{number:06}"));
    spec.soma.cwd = Some("/srv/data".to_owned());
    spec.soma.env = [("LANG", "C.UTF-8"), ("STAGE", "production")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    spec.soma.memory_max = Some(ByteSize((1 << 30) + mix.below(1 << 29)));
    spec.soma.pids_max = Some(256 + mix.below(512));
    spec.permissions.net = Some(NetPolicy::None);
    spec.permissions.files = Some(FilePermissions {
        read: ["/usr", "/lib", "/etc/ssl"].map(str::to_owned).into(),
        write: vec![format!("/var/lib/ws/{number:06}/out")],
        execute: vec!["/usr/bin".to_owned()],
    });
    spec.flow_dirs = vec![FlowDir {
        name: "results".to_owned(),
        path: format!("/var/lib/ws/{number:06}/results"),
        mode: FlowMode::Out,
    }];
    let mut entry = WorkspaceEntry::new(id, spec);
    entry.expires_at_ms = Some(BEGIN_MS + 7_200_000 + mix.below(1_000_000));
    entry.stats_history = (0..samples).map(|at| sample(&mut mix, at)).collect();
    entry
}

fn sample(mix: &mut Mix, at: u64) -> PersistedStats {
    let rss = 4_000_000 + mix.below(900_000_000);
    PersistedStats {
        at_ms: Some(BEGIN_MS + at * 1000),
        commands_alive: u32::try_from(mix.below(9)).unwrap_or(0),
        commands_total: 10,
        rss_bytes: Some(rss),
        rss_peak_bytes: Some(rss + 2_000_000),
        cpu_usec: Some(at * 1_000_000 + mix.below(1_000_000)),
        #[expect(clippy::cast_precision_loss, reason = "below 20 000")]
        cpu_percent: Some(mix.below(20_000) as f64 / 100.0),
        cpu_cores: 8,
        uptime_ms: at * 1000 + mix.below(1000),
    }
}

/// Returns a state of `count` workspaces.
pub fn state(count: u64, samples: u64) -> ShipoteSnapshot {
    let lineage = Lineage::from_parts(BEGIN_MS, 7);
    let mut state = ShipoteSnapshot::empty(lineage, BEGIN_MS, shipote_runtime::host::store::producer());
    state.serial = 1;
    state.workspaces = (0..count).map(|number| workspace(number, 0, samples)).collect();
    state
}

/// Returns the same state as the daemon hands it to its writer.
pub fn frozen(state: &ShipoteSnapshot) -> Frozen {
    let mut frozen = Frozen::default();
    for entry in &state.workspaces {
        frozen.samples.insert(entry.id, entry.stats_history.clone());
        frozen.workspaces.push(Arc::new(entry.clone()));
    }
    frozen
}
