//! Texts that announce themselves on a line of their own: scripts, patches, armoured keys and messages.

use alloc::vec::Vec;

use super::Guess;
use super::text::Sample;

/// Names scripts by their interpreter, patches, and PEM.
pub(super) fn recognise(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let first = sample.text.lines().next().unwrap_or_default();
    if let Some(interpreter) = first.strip_prefix("#!") {
        guesses.extend(script(interpreter));
    } else if let Some(label) = sample.text.trim_start().strip_prefix("-----BEGIN ") {
        guesses.extend(armour(label));
    }
    guesses.extend(patch(sample));
}

fn script(interpreter: &str) -> Option<Guess> {
    let mut words = interpreter.split_whitespace();
    let path = words.next().filter(|path| path.starts_with('/'))?;
    let mut program = path.rsplit('/').next()?;
    if program == "env" {
        program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    }
    let name = program.trim_end_matches(|last: char| last.is_ascii_digit() || last == '.');
    let mime = match name {
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" | "fish" | "busybox" => "text/x-shellscript",
        "python" | "pypy" => "text/x-python",
        "perl" => "text/x-perl",
        "ruby" => "text/x-ruby",
        "awk" | "gawk" | "mawk" => "text/x-awk",
        "node" | "nodejs" | "deno" | "bun" => "text/javascript",
        "lua" | "luajit" => "text/x-lua",
        "tclsh" | "wish" => "text/x-tcl",
        "php" => "text/x-php",
        "make" => "text/x-makefile",
        _ => return Some(Guess::new("text/x-script", 900, "names an interpreter on its first line")),
    };
    Some(Guess::new(mime, 980, "names its interpreter on its first line"))
}

fn armour(label: &str) -> Option<Guess> {
    let (label, _) = label.lines().next()?.split_once("-----")?;
    let mime = match label {
        "PGP MESSAGE" => "application/pgp-encrypted",
        "PGP SIGNATURE" => "application/pgp-signature",
        "PGP PUBLIC KEY BLOCK" | "PGP PRIVATE KEY BLOCK" => "application/pgp-keys",
        "PGP SIGNED MESSAGE" => return None,
        _ => "application/x-pem-file",
    };
    let proper = label.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    proper.then(|| Guess::new(mime, 980, "armour header"))
}

fn patch(sample: &Sample<'_>) -> Option<Guess> {
    let lines = || sample.lines.iter().take(200);
    let head = sample.lines.first()?;
    let three = || sample.lines.windows(3).take(200);
    let unified =
        three().any(|at| at[0].starts_with("--- ") && at[1].starts_with("+++ ") && at[2].starts_with("@@ -"));
    let context = || {
        three().any(|at| at[0].starts_with("*** ") && at[1].starts_with("--- ") && at[2].starts_with("*****"))
    };
    let git = head.starts_with("diff --git a/") || head.starts_with("diff --git \"a/");
    // A mail or a commit may stand before the patch, a manual that quotes one begins otherwise.
    let mail = head.starts_with("From ") || head.starts_with("commit ") || head.starts_with("Index: ");
    let begins = lines().take(30).any(|line| line.starts_with("diff ") || line.starts_with("--- "));
    let early =
        git || mail || head.starts_with("diff ") || head.starts_with("--- ") || head.starts_with("*** ");
    match (unified || context(), early) {
        (true, true) => Some(Guess::new("text/x-diff", 980, "file headers and a hunk")),
        (true, false) if begins => Some(Guess::new("text/x-diff", 700, "a hunk behind other text")),
        _ if git => Some(Guess::new("text/x-diff", 950, "header of a git diff")),
        _ => None,
    }
}
