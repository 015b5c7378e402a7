//! The verdict on a state in one sentence, what is known of it, and every problem with its place.

use shipote_card::{Place, Severity};
use shipote_snapshot::report::FileProblem;
use shipote_snapshot::{SNAPSHOT_VERSION, Verdict};

use crate::excerpt::excerpt;
use crate::kind::{by_magic, looks_like};
use crate::session::{File, State};
use crate::tell::Object;
use crate::visible::{visible, visible_to};
use crate::wording::{bytes, counted, grouped, listed};

/// How a verdict is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warn,
    Bad,
    Newer,
}

/// The verdict, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    tone: Tone,
    headline: String,
    detail: String,
}

impl Sentence {
    fn told(&self) -> String {
        let tone = match self.tone {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Newer => "newer",
        };
        Object::new().text("tone", tone).text("headline", &self.headline).text("detail", &self.detail).end()
    }
}

/// Returns what a page shows first of a state.
pub(crate) fn overview(state: &State, files: &[File]) -> String {
    let report = &state.report;
    let problems: Vec<String> = report.problems.iter().map(|found| problem(found, state, files)).collect();
    let of_state: Vec<String> = state.files.iter().map(|at| file(*at, &files[*at])).collect();
    let counts = Object::new()
        .number("workspaces", report.counts.workspaces)
        .number("saved_pipelines", report.counts.saved_pipelines)
        .number("live_pipelines", report.counts.live_pipelines)
        .number("commands", report.counts.commands)
        .number("held", report.counts.held)
        .end();
    Object::new()
        .text("title", &visible(&report.file))
        .text("verdict", report.verdict.as_str())
        .maybe("version", report.version.as_deref().map(|version| visible_to(version, 24)).as_deref())
        .json("sentence", &sentence(state, files).told())
        .list("files", &of_state)
        .json("counts", &counts)
        .json("tally", &tally(state))
        .list("facts", &facts(state))
        .list("problems", &problems)
        .number("more", report.more)
        .flag("readable", state.snapshot.is_some())
        .number("notes", state.notes.len() as u64)
        .number("samples", samples(state) as u64)
        .flag("secrets", state.secrets(files))
        .end()
}

fn file(at: usize, file: &File) -> String {
    Object::new()
        .number("at", at as u64)
        .text("name", &visible(&file.name))
        .text("size", &bytes(file.bytes.len() as u64))
        .text("exact", &counted(file.bytes.len() as u64, "byte"))
        .text("kind", file_kind(&file.bytes))
        .end()
}

fn file_kind(bytes: &[u8]) -> &'static str {
    if shipote_snapshot::samples::is_samples(bytes) {
        "Samples"
    } else if shipote_snapshot::gather::is_journal(bytes) {
        "Journal"
    } else {
        "File"
    }
}

/// Returns the name of a weight.
const fn weight(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal => "fatal",
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Returns how many problems of each weight are told.
fn tally(state: &State) -> String {
    let count = |severity| {
        state.report.problems.iter().filter(|found| found.problem.severity == severity).count() as u64
    };
    [Severity::Fatal, Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .fold(Object::new(), |told, severity| told.number(weight(severity), count(severity)))
        .end()
}

fn samples(state: &State) -> usize {
    let workspaces = state.snapshot.iter().flat_map(|snapshot| &snapshot.workspaces);
    state.points.len() + workspaces.map(|entry| entry.stats_history.len()).sum::<usize>()
}

fn sentence(state: &State, files: &[File]) -> Sentence {
    let report = &state.report;
    let version = report.version.as_deref().map_or_else(String::new, |version| visible_to(version, 24));
    let count =
        |severity| report.problems.iter().filter(|found| found.problem.severity == severity).count() as u64;
    let (errors, warnings) = (count(Severity::Fatal) + count(Severity::Error), count(Severity::Warning));
    let warned = match warnings {
        0 => String::new(),
        _ => format!(", with {}", counted(warnings, "warning")),
    };
    match report.verdict {
        Verdict::Newer => Sentence {
            tone: Tone::Newer,
            headline: format!("Written by a newer Shipote, in version {version}."),
            detail: format!(
                "This page knows versions 1 to {SNAPSHOT_VERSION}. A newer file is shown as text, never loaded and never overwritten."
            ),
        },
        Verdict::Valid => Sentence {
            tone: if warnings > 0 { Tone::Warn } else { Tone::Good },
            headline: format!("A valid state{warned}."),
            detail: match report.counts.workspaces {
                0 if nothing(state) => "Version 5, the newest. Nothing is declared in it yet.".to_owned(),
                _ => format!("Version {SNAPSHOT_VERSION}, the newest. All of it is understood."),
            },
        },
        Verdict::Upgradable => Sentence {
            tone: if warnings > 0 { Tone::Warn } else { Tone::Good },
            headline: format!("A valid state of version {version}{warned}."),
            detail: format!(
                "All of it is understood. Shipote upgrades it to version {SNAPSHOT_VERSION} by itself, and keeps the old file beside it."
            ),
        },
        Verdict::Invalid if state.snapshot.is_none() => unreadable(state, files),
        Verdict::Invalid => {
            let mut parts = vec![counted(errors, "error")];
            parts.extend((warnings > 0).then(|| counted(warnings, "warning")));
            let held = report.counts.held;
            let detail = match (held, state.loss()) {
                (_, Some(changes)) => format!(
                    "{} can't be read. Shipote would not start from this; what is shown is the state before.",
                    counted(changes, "acknowledged change")
                ),
                (0, None) => {
                    "What is understood is shown. Shipote tells of these problems when it starts.".to_owned()
                }
                (1, None) => {
                    "1 entity would be held back, and written back as it was found. The rest is restored."
                        .to_owned()
                }
                (held, None) => format!(
                    "{} entities would be held back, and written back as they were found. The rest is restored.",
                    grouped(held)
                ),
            };
            Sentence { tone: Tone::Bad, headline: format!("{} in this state.", listed(&parts)), detail }
        }
    }
}

/// Returns whether nothing at all is declared.
fn nothing(state: &State) -> bool {
    let counts = &state.report.counts;
    counts.workspaces + counts.commands + counts.saved_pipelines + counts.live_pipelines == 0
}

/// Returns what is said of what can't be read as a document.
fn unreadable(state: &State, files: &[File]) -> Sentence {
    let first = state.files.first().map(|at| &files[*at]);
    let problem = state.report.problems.iter().map(|found| &found.problem).find(|problem| problem.is_error());
    let code = problem.map_or("", |problem| problem.code.as_str());
    let alike = first.and_then(|file| match code {
        "not_json" | "not_utf8" | "not_an_object" => looks_like(&file.bytes),
        // An archive holds NUL bytes too, and was never a state.
        "nul_bytes" => by_magic(&file.bytes),
        _ => None,
    });
    let headline = match code {
        "empty" => "This file is empty.",
        "nul_bytes" if alike.is_none() => "Lost in a power cut: the file holds NUL bytes.",
        "truncated" => "Cut off: the document does not end.",
        "trailing_data" => "Something follows the document.",
        "checkpoint_missing" => "A journal without its state.",
        "not_json" | "not_utf8" | "not_an_object" | "nul_bytes" => "Not a Shipote state.",
        code if code.starts_with("version_") => "Not a Shipote state: it has no version.",
        _ => "A state that can't be read.",
    };
    let detail = match (code, alike) {
        (_, Some(what)) => format!("It looks like {what}."),
        ("empty" | "truncated" | "nul_bytes", None) => {
            "An unfinished write or a partial copy. An earlier generation may stand beside it: state.json.1 to state.json.3."
                .to_owned()
        }
        ("checkpoint_missing", None) => "Drop the state.json that it continues, too.".to_owned(),
        _ => "Nothing of it can be restored. The daemon would refuse it, and would not overwrite it.".to_owned(),
    };
    Sentence { tone: Tone::Bad, headline: headline.to_owned(), detail }
}

/// Returns names and values, for a list of facts. A number of milliseconds is a moment.
fn facts(state: &State) -> Vec<String> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: &str| {
        facts.push(Object::new().text("name", name).text("value", value).end());
    };
    let report = &state.report;
    let counts = &report.counts;
    if let Some(version) = &report.version {
        add("Version", &visible_to(version, 24));
    }
    if let Some(snapshot) = &state.snapshot {
        for (name, count) in [
            ("Workspaces", counts.workspaces),
            ("Commands", counts.commands),
            ("Saved pipelines", counts.saved_pipelines),
            ("Live pipelines", counts.live_pipelines),
            ("Samples", samples(state) as u64),
            ("Held back", counts.held),
        ] {
            if count > 0 || name == "Workspaces" {
                add(name, &grouped(count));
            }
        }
        if !snapshot.producer.is_empty() {
            add("Written by", &visible(&snapshot.producer));
        }
        // What an upgrade makes up is no fact of the file.
        if report.version.as_deref() == Some("5") {
            add("Serial", &grouped(snapshot.serial));
            add("Last change in it", &grouped(snapshot.journal_seq));
            add("Lineage", snapshot.lineage.as_str());
        }
    }
    if let Some(journal) = &report.journal {
        let told = match (journal.from_seq, journal.to_seq) {
            (Some(from), Some(to)) => format!("{} ({from} to {to})", counted(journal.records, "record")),
            _ => "nothing that the state does not hold".to_owned(),
        };
        add("Its journals add", &told);
    }
    let times = state.snapshot.iter().flat_map(|snapshot| &snapshot.workspaces);
    let times = times.flat_map(|entry| &entry.stats_history).filter_map(|sample| sample.at_ms);
    let times = times.chain(state.points.iter().map(|point| point.at_ms));
    let mut moment = |name: &str, at: Option<u64>| {
        let at = at.filter(|at| *at <= LAST_MOMENT);
        facts.push(Object::new().text("name", name).maybe_number("at_ms", at).end());
    };
    if let Some(snapshot) = &state.snapshot {
        moment("Written at", Some(snapshot.timestamp_ms));
    }
    if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
        moment("First sample", Some(first));
        moment("Last sample", Some(last));
    }
    facts
}

/// The last millisecond that a browser has a date for.
pub(crate) const LAST_MOMENT: u64 = 8_640_000_000_000_000;

fn place(place: &Place) -> String {
    Object::new()
        .text("pointer", &visible(&place.pointer))
        .number("line", place.line)
        .number("column", place.column)
        .number("offset", place.offset)
        .end()
}

fn problem(found: &FileProblem, state: &State, files: &[File]) -> String {
    let problem = &found.problem;
    let file = state.file_named(files, &found.file);
    let around = file.map(|at| {
        let file = &files[at];
        excerpt(&file.bytes, file.environments(), problem.place.offset, problem.len).told()
    });
    let related: Vec<String> = problem.related.iter().map(place).collect();
    Object::new()
        .text("severity", weight(problem.severity))
        .text("code", &problem.code)
        .text("message", &visible_to(&problem.message, 400))
        .text("hint", &visible_to(&problem.hint, 400))
        .text("file", &visible(&found.file))
        .maybe_number("at", file.map(|at| at as u64))
        .json("place", &place(&problem.place))
        .number("len", problem.len)
        .list("related", &related)
        .json("excerpt", around.as_deref().unwrap_or("null"))
        .end()
}
