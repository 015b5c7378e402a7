//! `state verify`: whether files are a state, and everything that is wrong with them.

use std::path::PathBuf;

use shipote_snapshot::{Input, Report, SNAPSHOT_VERSION, Tail, Verdict};

use super::{Context, Done, counted_u64, files_of};
use crate::exit::{Code, Failure};
use crate::render::paint::Paint;
use crate::render::problem;
use crate::render::quantity::moment;
use crate::state_files::StateFiles;

/// Judges files: together as one state, or each by itself.
pub(super) fn verify(context: &Context, named: &[PathBuf], each: bool) -> Done {
    let out = &context.out;
    let mut states = if each && !named.is_empty() {
        named.iter().map(|path| files_of(context, std::slice::from_ref(path))).collect::<Result<_, _>>()?
    } else {
        vec![files_of(context, named)?]
    };
    let mut reports: Vec<Report> = Vec::new();
    let mut text = String::new();
    for files in &mut states {
        files.read_samples()?;
        if files.is_empty() && files.samples.is_empty() {
            // Its own words for a file that is not there.
            let error = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Failure::file("read", &files.path, &error));
        }
        let mut report = match (&files.checkpoint, files.journals.as_slice()) {
            (Some(only), []) => shipote_snapshot::verify(&only.bytes, &only.path.display().to_string()),
            _ => files.load().report,
        };
        for samples in &files.samples {
            let name = samples.path.display().to_string();
            report = report.with_samples(Input { name: &name, bytes: &samples.bytes });
        }
        text.push_str(&verdict_text(files, &report, out.paint));
        reports.push(report);
    }
    if each {
        out.result(&reports, || text)?;
    } else {
        out.result(&reports[0], || text)?;
    }
    let is_readable =
        reports.iter().all(|report| matches!(report.verdict, Verdict::Valid | Verdict::Upgradable));
    Ok(if is_readable { 0 } else { Code::StateDamaged.exit() })
}

fn verdict_text(files: &StateFiles, report: &Report, paint: Paint) -> String {
    let path = files.path.display();
    let mut text = String::new();
    for found in &report.problems {
        let source = files.source(&found.file);
        text.push_str(&problem::report(&found.problem, source.as_ref(), paint));
        text.push('\n');
    }
    if report.more > 0 {
        text.push_str(&format!("… and {} more problems\n\n", report.more));
    }
    let verdict = report.verdict.as_str();
    let verdict = match report.verdict {
        Verdict::Valid | Verdict::Upgradable => paint.green(verdict),
        Verdict::Invalid => paint.red(verdict),
        Verdict::Newer => paint.yellow(verdict),
    };
    let version = report.version.as_deref().unwrap_or("unknown");
    let problems: Vec<_> = report.problems.iter().map(|found| found.problem.clone()).collect();
    let tally = problem::tally(&problems);
    let tally = if tally.is_empty() { String::new() } else { format!(", {tally}") };
    text.push_str(&format!("{path}: {verdict} — version {version}{tally}\n"));
    match report.verdict {
        Verdict::Newer => text.push_str(&format!(
            "hint: this shipote knows versions up to {SNAPSHOT_VERSION}; use the one that wrote it\n"
        )),
        Verdict::Upgradable => text.push_str(&format!(
            "hint: shipote state upgrade {path} writes version {SNAPSHOT_VERSION} to stdout\n"
        )),
        Verdict::Valid | Verdict::Invalid => {
            let counts = &report.counts;
            text.push_str(&format!(
                "  {}, {}, {}, {}, {} held\n",
                counted_u64(counts.workspaces, "workspace"),
                counted_u64(counts.commands, "command"),
                counted_u64(counts.saved_pipelines, "saved pipeline"),
                counted_u64(counts.live_pipelines, "live pipeline"),
                counts.held
            ));
        }
    }
    if let Some(journal) = &report.journal {
        let records = match (journal.from_seq, journal.to_seq) {
            (Some(from), Some(to)) => format!("{} ({from} to {to})", counted_u64(journal.records, "record")),
            _ => "no record that it does not hold".to_owned(),
        };
        let tail = match journal.tail {
            Tail::Clean => String::new(),
            Tail::Torn { len, .. } => format!(", and {} that nobody was promised", counted_u64(len, "byte")),
        };
        text.push_str(&format!("  its journal adds {records}{tail}\n"));
        if let Some(loss) = &journal.loss {
            text.push_str(&format!(
                "hint: {} can't be read; shipote state recover shows every way on, and what each loses\n",
                counted_u64(loss.changes, "acknowledged change")
            ));
        }
    }
    if let Some(samples) = report.samples.filter(|samples| samples.points > 0) {
        let when = match (samples.from_ms, samples.to_ms) {
            (Some(from), Some(to)) => format!(", {} to {}", moment(from), moment(to)),
            _ => String::new(),
        };
        let of = counted_u64(samples.workspaces, "workspace");
        text.push_str(&format!("  {} of {of}{when}\n", counted_u64(samples.points, "sample")));
    }
    text
}
