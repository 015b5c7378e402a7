//! What a page asks, and who answers.

use serde_json::Value;
use shipote_snapshot::Digest;

use crate::compare::compare;
use crate::session::Session;
use crate::workspaces::{Column, workspaces};
use crate::{detail, pipelines, plan, raw, share, tell, timeline, upgrade};

/// A question of a page; what a kind of question does not need is left out. One plain structure rather than one for each
/// kind, and read by hand: a page has to carry the code that reads it.
#[derive(Debug, Default)]
pub(crate) struct Question {
    ask: Kind,
    /// Position of a state among those that were told by the verdict.
    pub(crate) state: usize,
    /// Position of a file.
    pub(crate) file: usize,
    pub(crate) sort: Column,
    pub(crate) descending: bool,
    /// A part of what is looked for, or its name.
    pub(crate) filter: String,
    pub(crate) from: usize,
    /// Most items; 0 for all.
    pub(crate) count: usize,
    /// Position of the state that another one is compared with.
    pub(crate) other: usize,
    /// Moments in milliseconds since the Unix epoch; 0 for the first or the last that is known.
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) metric: Metric,
    /// Show values of environment variables.
    pub(crate) show: bool,
    /// Show long lines whole.
    pub(crate) whole: bool,
}

impl Question {
    /// Reads a question; what it does not say, or says in another form, is as if it were left out.
    pub(crate) fn read(json: &str) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(json)?;
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let long = |key: &str| value[key].as_u64().unwrap_or_default();
        let number = |key: &str| long(key) as usize;
        let flag = |key: &str| value[key].as_bool().unwrap_or_default();
        Ok(Self {
            ask: Kind::named(text("ask")),
            state: number("state"),
            file: number("file"),
            sort: Column::named(text("sort")),
            descending: flag("descending"),
            filter: text("filter").to_owned(),
            from: number("from"),
            count: number("count"),
            other: number("other"),
            from_ms: long("from_ms"),
            to_ms: long("to_ms"),
            metric: Metric::named(text("metric")),
            show: flag("show"),
            whole: flag("whole"),
        })
    }
}

/// What of a sample is drawn.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) enum Metric {
    #[default]
    Memory,
    Processor,
    Running,
}

impl Metric {
    fn named(name: &str) -> Self {
        match name {
            "processor" => Self::Processor,
            "running" => Self::Running,
            _ => Self::Memory,
        }
    }
}

/// What is asked for.
#[derive(Debug, Default)]
enum Kind {
    #[default]
    Nothing,
    /// What `shipote state verify --output json` prints.
    Report,
    /// The SHA-256 of a file.
    Digest,
    /// Some rows of the table of workspaces.
    Workspaces,
    /// One workspace.
    Workspace,
    /// Pipelines, with their drawings.
    Pipelines,
    /// What a start at some moment would do.
    Plan,
    /// Some lines of a file.
    Lines,
    /// Where something stands in a file.
    Locate,
    /// The past of all workspaces.
    History,
    /// One sample.
    Sample,
    /// How two states differ.
    Diff,
    /// The steps of an upgrade.
    Upgrade,
    /// An entity before and after its upgrade.
    BeforeAndAfter,
    /// The text of the upgraded state.
    Upgraded,
    /// The text of the state without what may be secret.
    Redacted,
    /// The state as an older version wrote it, and what that can't say.
    Exported,
    /// The table of workspaces for a spreadsheet.
    Csv,
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "report" => Self::Report,
            "digest" => Self::Digest,
            "workspaces" => Self::Workspaces,
            "workspace" => Self::Workspace,
            "pipelines" => Self::Pipelines,
            "plan" => Self::Plan,
            "lines" => Self::Lines,
            "locate" => Self::Locate,
            "history" => Self::History,
            "sample" => Self::Sample,
            "diff" => Self::Diff,
            "upgrade" => Self::Upgrade,
            "before_and_after" => Self::BeforeAndAfter,
            "upgraded" => Self::Upgraded,
            "redacted" => Self::Redacted,
            "exported" => Self::Exported,
            "csv" => Self::Csv,
            _ => Self::Nothing,
        }
    }
}

/// Returns the answer: JSON, or the text of a file.
pub(crate) fn answer(session: &Session, question: &Question) -> String {
    let answer = match (&question.ask, session.states.get(question.state)) {
        (Kind::Lines, _) => session.files.get(question.file).map(|file| raw::lines(file, question)),
        (Kind::Locate, _) => session.files.get(question.file).map(|file| raw::locate(file, question)),
        (Kind::History, _) => Some(timeline::history(session, question)),
        (Kind::Sample, _) => Some(timeline::sample(session, question)),
        (Kind::Diff, _) => Some(compare(session, question)),
        (Kind::Digest, _) => session
            .files
            .get(question.file)
            .filter(|file| !file.lean)
            .map(|file| tell::text(&Digest::of(&file.bytes).to_string())),
        (Kind::Report, Some(state)) => {
            // A report holds nothing that JSON could refuse: its keys are texts.
            Some(serde_json::to_string_pretty(&state.report).unwrap_or_default() + "\n")
        }
        (Kind::Workspaces, Some(state)) => Some(workspaces(state, question)),
        (Kind::Workspace, Some(state)) => Some(detail::workspace(state, &session.files, question)),
        (Kind::Pipelines, Some(state)) => Some(pipelines::pipelines(state, question)),
        (Kind::Plan, Some(state)) => Some(plan::plan(session, state, question)),
        (Kind::Upgrade, Some(state)) => Some(upgrade::upgrade(state)),
        (Kind::BeforeAndAfter, Some(state)) => {
            Some(upgrade::before_and_after(state, &session.files, question))
        }
        (Kind::Upgraded, Some(state)) => upgrade::upgraded(state),
        (Kind::Redacted, Some(state)) => share::redacted(state),
        (Kind::Exported, Some(state)) => share::exported(state, question),
        (Kind::Csv, Some(state)) => Some(share::csv(state)),
        (Kind::Nothing, _) | (_, None) => None,
    };
    answer.unwrap_or_else(|| tell::error("there is nothing to answer with"))
}
