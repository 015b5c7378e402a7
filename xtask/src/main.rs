//! The project's own tasks, `cargo xtask TASK`. It holds nothing of the product and depends on no crate of it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a task has to say goes to the terminal")]

mod bench;
mod crash;
mod dist;
mod generate;
mod inspector;
mod program;
mod test;
mod tidy;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

/// What a task ends with: a sentence on what went wrong.
type Outcome<T = ()> = Result<T, String>;

const HELP: &str = "\
cargo xtask TASK

  test [--quick]       everything that must hold: format, lints, tidy, unit tests, release build,
                       integration tests, generated files; installs what is missing, or names it
                       (--quick leaves out the release build and the integration tests)
  tidy                 the rules that no compiler keeps: arrows between crates, purity, unsafe, names in docs
  crash [PART]         the crash matrix at full counts: kill, power, control, sweep; goes on where it stopped, in
                       parts of at most 8 minutes (crash report: the tables so far)
  crash --peers        pueue, PM2 and supervisord in the same harness, installed below target/peers
  bench state [PART]   what a durable change and a load cost, beside plain files, redb and SQLite, as ratios within one
                       run: change, group, load, daemon (--output json: one document; --quick: rough figures)
  bench inspector      what opening a large file costs in the inspector page, beside what a browser does with JSON by
                       itself (--rounds N, --output json, --quick)
  inspector [test]     builds the inspector page, target/inspector/shipote-inspect.html, and holds its size to the gate;
                       `test` looks at it in a browser, and compares its reports with those of the program
  dist [TARGET]        what is handed on: the program with the page in it, licences, completions and sums, as
                       target/dist/shipote-VERSION-TARGET.tar.gz, the same to the byte wherever it is packed
  generate [--check]   writes docs/schema/*.json and docs/cli.md from the program; --check only compares
  help                 this page
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match words[..] {
        ["test"] => test::run(&root, test::Extent::Full),
        ["test", "--quick"] => test::run(&root, test::Extent::Quick),
        ["tidy"] => tidy::run(&root),
        ["crash"] => crash::run(&root, None),
        ["crash", "--peers"] => crash::peers(&root),
        ["crash", "report"] => crash::report(&root),
        ["crash", part @ ("kill" | "power" | "control" | "sweep")] => crash::run(&root, Some(part)),
        ["bench", "state", ref words @ ..] => bench::state(&root, words),
        ["bench", "inspector", ref words @ ..] => bench::page(&root, words),
        ["inspector"] => inspector::run(&root),
        ["inspector", "test"] => inspector::test_alone(&root),
        ["dist"] => dist::run(&root, None),
        ["dist", target] if !target.starts_with('-') => dist::run(&root, Some(target)),
        ["generate"] => generate::run(&root, generate::Mode::Write),
        ["generate", "--check"] => generate::run(&root, generate::Mode::Check),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("xtask: `{}` is no task\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the directory of the workspace. Cargo says where this crate is; started by hand, it is the current one.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .and_then(|manifest| PathBuf::from(manifest).parent().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("."))
}
