//! Verbs about this host and this program: doctor, discern, completions, schema.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use clap::CommandFactory;
use serde::Serialize;
use shipote_runtime::decide::discern::{Discerned, WINDOW, discern as recognise};
use shipote_runtime::host::doctor::{self as examination, Health};

use super::{Context, Done};
use crate::cli::{Cli, Discern, SchemaOf};
use crate::exit::{Code, Failure};
use crate::place::private_directory;
use crate::render::table::Table;

/// Tells what this host can enforce.
pub fn doctor(context: &Context) -> Done {
    let out = &context.out;
    let state_dir = &context.place().state_dir;
    private_directory(state_dir)?;
    let rows = examination::examine(Path::new("/proc/self/exe"), state_dir);
    out.result(&rows, || {
        let mut table = Table::new(&["CHECK", "STATUS", "DETAIL"]);
        for row in &rows {
            let status = match row.status {
                Health::Ok => out.paint.green("ok"),
                Health::Degraded => out.paint.yellow("degraded"),
                Health::Missing => out.paint.red("missing"),
            };
            table.row([row.name.clone(), status, row.detail.clone()]);
            if !row.hint.is_empty() {
                table.row([String::new(), String::new(), out.paint.dim(&format!("→ {}", row.hint))]);
            }
        }
        table.render(out.paint)
    })?;
    let is_whole = rows.iter().all(|row| matches!(row.status, Health::Ok));
    Ok(if is_whole { 0 } else { Code::Degraded.exit() })
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
