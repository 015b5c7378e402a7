//! Verbs about this host and this program: doctor, discern, completions, schema.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use clap::CommandFactory;
use serde::Serialize;
use shipote_runtime::decide::discern::{Discerned, WINDOW, discern as recognise};
use shipote_runtime::host::doctor::{self as examination, Health, Row};

use super::{Context, Done};
use crate::cli::{Cli, Discern, SchemaOf};
use crate::exit::{Code, Failure};
use crate::place::private_directory;
use crate::render::paint::Paint;

/// Tells what this host can enforce.
pub fn doctor(context: &Context) -> Done {
    let out = &context.out;
    let state_dir = &context.place().state_dir;
    private_directory(state_dir)?;
    let rows = examination::examine(Path::new("/proc/self/exe"), state_dir);
    out.result(&rows, || examined(&rows, out.width, out.paint))?;
    let is_whole = rows.iter().all(|row| matches!(row.status, Health::Ok));
    Ok(if is_whole { 0 } else { Code::Degraded.exit() })
}

/// Returns the rows as a table, each with what to do about it below, and what it comes to.
fn examined(rows: &[Row], width: usize, paint: Paint) -> String {
    let name_width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    let status_width = "degraded".len();
    let mut text = String::new();
    let mut counts = [0_usize; 3];
    for row in rows {
        let (mark, status, rank) = match row.status {
            Health::Ok => (paint.green("✓"), "ok", 0),
            Health::Degraded => (paint.yellow("~"), "degraded", 1),
            Health::Missing => (paint.red("✗"), "missing", 2),
        };
        counts[rank] += 1;
        let line = format!("{mark} {:<name_width$}  {status:<status_width$}  {}", row.name, row.detail);
        text.push_str(line.trim_end());
        text.push('\n');
        if !row.hint.is_empty() {
            let indent = name_width + status_width + 6;
            for (at, line) in wrapped(&row.hint, width.saturating_sub(indent + 2)).iter().enumerate() {
                let lead = if at == 0 { "→" } else { " " };
                text.push_str(&format!("{:indent$}{}\n", "", paint.dim(&format!("{lead} {line}"))));
            }
        }
    }
    let verdict = match counts {
        [_, 0, 0] => paint.green("nothing is missing here"),
        [_, _, 0] => "workspaces run, with what is told above in its place".to_owned(),
        _ => "a card that names what is missing is refused".to_owned(),
    };
    text.push_str(&format!("{} ok, {} degraded, {} missing: {verdict}\n", counts[0], counts[1], counts[2]));
    text
}

/// Breaks a text between words into lines of at most `width` characters, unless a word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// One file, and what it would be taken for.
#[derive(Debug, Serialize)]
struct Judged {
    file: String,
    #[serde(flatten)]
    discerned: Discerned,
}

/// Tells what streams of these bytes would be taken for.
pub fn discern(context: &Context, args: &Discern) -> Done {
    let out = &context.out;
    let stdin = [std::path::PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let mut judged = Vec::new();
    for path in files {
        let (window, complete) = first_window(path).map_err(|error| Failure::file("read", path, &error))?;
        judged.push(Judged { file: path.display().to_string(), discerned: recognise(&window, complete) });
    }
    out.result(&judged, || {
        let mut text = String::new();
        for Judged { file, discerned } in &judged {
            let mut layers = discerned.container.clone();
            layers.push(discerned.mime.clone());
            let sure = f64::from(discerned.confidence.permille()) / 1000.0;
            text.push_str(&format!("{file}: {} ({sure:.2})\n", out.paint.bold(&layers.join(" › "))));
            for reason in &discerned.reasons {
                text.push_str(&format!("  {reason}\n"));
            }
            for other in &discerned.alternatives {
                let sure = f64::from(other.confidence.permille()) / 1000.0;
                text.push_str(&out.paint.dim(&format!("  or {} ({sure:.2})\n", other.mime)));
            }
        }
        text
    })?;
    Ok(0)
}

/// Returns the bytes that an edge would look at, and whether the stream ends with them.
fn first_window(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let limit = WINDOW as u64 + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    let complete = bytes.len() <= WINDOW;
    bytes.truncate(WINDOW);
    Ok((bytes, complete))
}

/// Prints a completion script.
pub fn completions(context: &Context, shell: clap_complete::Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "shipote", &mut script);
    context.out.bytes(&script)?;
    Ok(0)
}

/// Prints a JSON Schema.
pub fn schema(context: &Context, of: SchemaOf) -> Done {
    let schema = match of {
        SchemaOf::Card => crate::schema::card(),
        SchemaOf::State => crate::schema::state()?,
    };
    context.out.document(&schema)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_says_what_takes_its_place() {
        let row = |name: &str, status, detail: &str, hint: &str| Row {
            name: name.to_owned(),
            status,
            detail: detail.to_owned(),
            hint: hint.to_owned(),
        };
        let rows = [
            row("kernel", Health::Ok, "6.12.0", ""),
            row(
                "cgroup v2",
                Health::Degraded,
                "EACCES",
                "processes are held together by pid namespaces alone",
            ),
            row("user namespace", Health::Missing, "EPERM", "see user.max_user_namespaces"),
        ];
        insta::assert_snapshot!(examined(&rows, 60, Paint::PLAIN), @r"
        ✓ kernel          ok        6.12.0
        ~ cgroup v2       degraded  EACCES
                                    → processes are held together by
                                      pid namespaces alone
        ✗ user namespace  missing   EPERM
                                    → see user.max_user_namespaces
        1 ok, 1 degraded, 1 missing: a card that names what is missing is refused
        ");
        insta::assert_snapshot!(examined(&rows[..1], 60, Paint::PLAIN), @r"
        ✓ kernel  ok        6.12.0
        1 ok, 0 degraded, 0 missing: nothing is missing here
        ");
    }
}
