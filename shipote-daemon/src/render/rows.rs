//! The tables of the listing verbs: one row per object, with the names that other verbs take.

use shipote_runtime::WorkspaceStats;
use shipote_runtime::view::{
    CommandView, PipelineVerdict, PipelineView, SavedPipelineView, WorkspaceDetail, WorkspacePhase,
    WorkspaceView,
};

use super::dag::{self, exit_text, phase_text};
use super::paint::Paint;
use super::quantity::{NONE, age, counted, cpu, moment, short_id, size, size_or_none, span};
use super::table::Table;
use crate::exit::launch_text;

/// Returns the phase of a workspace in one word.
#[must_use]
pub const fn workspace_phase(phase: WorkspacePhase) -> &'static str {
    match phase {
        WorkspacePhase::Declared => "declared",
        WorkspacePhase::Starting => "starting",
        WorkspacePhase::Running => "running",
        WorkspacePhase::Stopping => "stopping",
        WorkspacePhase::Expired => "expired",
    }
}

/// Returns the table of `ws ls`.
#[must_use]
pub fn workspaces(views: &[WorkspaceView], now_ms: u64, paint: Paint) -> String {
    let mut table = Table::new(&[
        "LABEL",
        "ID",
        "PHASE",
        ">PROCS",
        ">COMMANDS",
        ">PIPELINES",
        ">MEMORY",
        ">CPU",
        ">AGE",
        ">TTL",
    ]);
    for view in views {
        let phase = workspace_phase(view.phase);
        let stats = view.stats.as_ref();
        let ttl = match (view.expires_at_ms, view.spec.ttl) {
            (Some(end), _) => span(end.saturating_sub(now_ms)),
            (None, Some(ttl)) => ttl.to_string(),
            (None, None) => NONE.to_owned(),
        };
        table.row([
            view.label.clone(),
            short_id(&view.id.to_string()).to_owned(),
            if view.phase == WorkspacePhase::Running { paint.green(phase) } else { phase.to_owned() },
            view.processes_alive.to_string(),
            view.commands.to_string(),
            view.pipelines.to_string(),
            size_or_none(stats.and_then(|stats| stats.rss_bytes)),
            stats
                .and_then(|stats| stats.cpu_percent)
                .map_or_else(|| NONE.to_owned(), |cpu| format!("{cpu:.1} %")),
            age(view.started_at_ms, now_ms),
            ttl,
        ]);
    }
    table.render(paint)
}

/// Returns the table of `ps`.
#[must_use]
pub fn commands(views: &[CommandView], now_ms: u64, paint: Paint) -> String {
    let mut table =
        Table::new(&["NAME", "ID", "PHASE", ">PID", ">RESTARTS", ">CPU", ">MEMORY", ">AGE", "COMMAND"]);
    for view in views {
        let phase = phase_text(view.phase);
        let phase = match (&view.failure, view.exit) {
            (Some(failure), _) => paint.red(&format!("{phase} ({})", launch_text(failure))),
            (None, Some(exit)) if view.phase.is_settled() => format!("{phase} ({})", exit_text(exit)),
            _ => phase.to_owned(),
        };
        table.row([
            format!("{}/{}", view.workspace, view.label),
            short_id(&view.id).to_owned(),
            phase,
            view.pid.map_or_else(|| NONE.to_owned(), |pid| pid.to_string()),
            view.restarts.to_string(),
            cpu(view.cpu_usec),
            size_or_none(view.rss_bytes),
            age(view.started_at_ms, now_ms),
            argv(&view.argv),
        ]);
    }
    table.render(paint)
}

/// Longest command line that a table shows, in characters.
const ARGV_MAX: usize = 48;

/// Returns a command line that can be pasted into a shell, cut where it is long.
#[must_use]
pub fn argv(argv: &[String]) -> String {
    let plain = |word: &String| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c))
    };
    let words: Vec<String> = argv
        .iter()
        .map(|word| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) })
        .collect();
    let line = words.join(" ").replace(|c: char| c.is_control(), " ");
    if line.chars().count() > ARGV_MAX {
        format!("{}…", line.chars().take(ARGV_MAX - 1).collect::<String>())
    } else {
        line
    }
}

/// Returns the table of `pipeline ls`.
#[must_use]
pub fn pipelines(views: &[PipelineView], now_ms: u64, paint: Paint) -> String {
    let mut table = Table::new(&["NAME", "ID", "PHASE", "VERDICT", ">RUN", ">NODES", ">EDGES", ">AGE"]);
    for view in views {
        let verdict = match view.verdict {
            Some(PipelineVerdict::Ok) => paint.green("ok"),
            Some(PipelineVerdict::Failed) => paint.red("failed"),
            Some(PipelineVerdict::Cancelled) => "cancelled".to_owned(),
            None => NONE.to_owned(),
        };
        table.row([
            format!("{}/{}", view.workspace, view.label),
            short_id(&view.id.to_string()).to_owned(),
            phase_text(view.phase).to_owned(),
            verdict,
            view.epoch.to_string(),
            view.nodes.len().to_string(),
            view.edges.len().to_string(),
            age(view.started_at_ms, now_ms),
        ]);
    }
    table.render(paint)
}

/// Returns the table of `pipeline saved`.
#[must_use]
pub fn saved(views: &[SavedPipelineView], paint: Paint) -> String {
    let mut table = Table::new(&["NAME", "LABEL", "WORKSPACE", ">NODES", ">EDGES"]);
    for view in views {
        let workspace =
            if view.spec.workspace.is_empty() { NONE.to_owned() } else { view.spec.workspace.clone() };
        table.row([
            view.name.clone(),
            view.spec.label.clone(),
            workspace,
            view.spec.nodes.len().to_string(),
            view.spec.edges.len().to_string(),
        ]);
    }
    table.render(paint)
}

/// Returns what `ws show` tells.
#[must_use]
pub fn workspace(detail: &WorkspaceDetail, now_ms: u64, paint: Paint) -> String {
    let view = &detail.workspace;
    let mut text = format!("{}  {}  {}\n", paint.bold(&view.label), view.id, workspace_phase(view.phase));
    let mut facts = Table::new(&["", ""]);
    let mut fact = |name: &str, value: String| facts.row([format!("  {name}"), value]);
    if let Some(started) = view.started_at_ms {
        fact("started", format!("{} ({} ago)", moment(started), age(Some(started), now_ms)));
    }
    if let Some(expires) = view.expires_at_ms {
        fact("expires", moment(expires));
    } else if let Some(ttl) = view.spec.ttl {
        fact("ttl", format!("{ttl} from its first start"));
    }
    if let Some(stats) = &view.stats {
        fact("memory", memory(stats));
        fact("cpu", cpu(stats.cpu_usec));
    }
    fact(
        "holds",
        format!(
            "{}, {}",
            counted(detail.commands.iter().filter(|command| command.kind == "command").count(), "command"),
            counted(detail.pipelines.len(), "pipeline"),
        ),
    );
    text.push_str(&facts.render(paint));
    let lines = dag::frame(detail, &dag::Rates::default(), now_ms, paint);
    if !lines.is_empty() {
        text.push('\n');
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    if !view.effective.is_empty() {
        let mut table = Table::new(&["LAYER", "REQUESTED", "ENFORCED", "REASON"]);
        for layer in &view.effective {
            let differs = layer.requested != layer.enforced;
            let enforced = if differs { paint.yellow(&layer.enforced) } else { layer.enforced.clone() };
            table.row([layer.layer.clone(), layer.requested.clone(), enforced, layer.reason.clone()]);
        }
        text.push('\n');
        text.push_str(&table.render(paint));
    }
    text
}

fn memory(stats: &WorkspaceStats) -> String {
    match (stats.rss_bytes, stats.rss_peak_bytes) {
        (Some(now), Some(peak)) => format!("{} (peak {})", size(now), size(peak)),
        (now, _) => size_or_none(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample;

    #[test]
    fn ps_shows_names_that_other_verbs_take() {
        insta::assert_snapshot!(commands(&sample().commands, 62_000, Paint::PLAIN), @r"
        NAME            ID      PHASE    PID  RESTARTS    CPU    MEMORY  AGE  COMMAND
        access-log/web  T1V2W4  running   42         2  120ms  10.0 MiB   1m  python3 -m http.server
        ");
    }

    #[test]
    fn workspaces_and_pipelines_are_rows() {
        let detail = sample();
        insta::assert_snapshot!(workspaces(std::slice::from_ref(&detail.workspace), 62_000, Paint::PLAIN), @r"
        LABEL       ID      PHASE    PROCS  COMMANDS  PIPELINES  MEMORY  CPU  AGE  TTL
        access-log  T1V2W3  running      2         1          1       -    -   1m    -
        ");
        insta::assert_snapshot!(pipelines(&detail.pipelines, 62_000, Paint::PLAIN), @r"
        NAME                  ID      PHASE    VERDICT  RUN  NODES  EDGES  AGE
        access-log/top-paths  T1V2W5  running  -          1      3      2   1m
        ");
    }

    #[test]
    fn a_workspace_tells_what_is_enforced_and_why_not() {
        let mut detail = sample();
        detail.workspace.effective = vec![shipote_runtime::view::Effective {
            layer: "memory".to_owned(),
            requested: "512.0 MiB".to_owned(),
            enforced: "sampled".to_owned(),
            reason: "this host has no memory controller in cgroup v2".to_owned(),
        }];
        insta::assert_snapshot!(workspace(&detail, 62_000, Paint::PLAIN), @r"
        access-log  01J9Z3K4M5N6P7Q8R9S0T1V2W3  running
          started  1970-01-01T00:00:01.000Z (1m ago)
          holds    1 command, 1 pipeline

        ● access-log/top-paths                               running  1m01s
          ✓ unzip                                            exit 0  cpu 1.2s  peak 3.3 MiB
            └ → sort               1 234 567 B               text/plain
          ● sort                                             running
            └ → top                    ≈ 512 B               text/csv (declared)
          ○ top                                              starting
        ● access-log/web                                     running  1m00s  restarts 2  10.0 MiB

        LAYER   REQUESTED  ENFORCED  REASON
        memory  512.0 MiB  sampled   this host has no memory controller in cgroup v2
        ");
    }

    #[test]
    fn a_command_line_is_quoted_and_cut() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(argv(&words(&["sh", "-c", "echo it's"])), r"sh -c 'echo it'\''s'");
        assert_eq!(argv(&words(&["a".repeat(60).as_str()])).chars().count(), 48);
    }
}
