//! Problems with their source line underlined, and failures with their hint.

use std::fmt::Write as _;

use serde_json::{Value, json};
use shipote_card::{Problem, Severity};

use super::paint::Paint;
use super::printable::lines;
use super::quantity::counted;
use crate::exit::{Failure, SourceText};

/// Longest piece of a source line that is shown, in characters.
const LINE_MAX: usize = 100;

/// Returns a failure for people: its sentence, its problems, its candidates and its hint.
#[must_use]
pub fn failure(failure: &Failure, paint: Paint) -> String {
    let mut text = String::new();
    for problem in &failure.problems {
        text.push_str(&report(problem, failure.source.as_deref(), paint));
        text.push('\n');
    }
    let _ = writeln!(text, "{} {}", paint.red("error:"), lines(&failure.message));
    for candidate in &failure.candidates {
        let _ = writeln!(text, "  {}", lines(candidate));
    }
    if !failure.hint.is_empty() {
        let _ = writeln!(text, "{} {}", paint.cyan("hint:"), lines(&failure.hint));
    }
    text
}

/// Returns the problems of a failure as documents, each with its file.
#[must_use]
pub fn documents(failure: &Failure) -> Vec<Value> {
    let file = failure.source.as_ref().map(|source| source.file.as_str());
    failure.problems.iter().map(|problem| document(problem, file)).collect()
}

/// Returns one problem as a document.
#[must_use]
pub fn document(problem: &Problem, file: Option<&str>) -> Value {
    let mut value = json!(problem);
    if let (Some(object), Some(file)) = (value.as_object_mut(), file) {
        object.insert("file".to_owned(), json!(file));
    }
    value
}

/// Returns one problem with its source line underlined.
#[must_use]
pub fn report(problem: &Problem, source: Option<&SourceText>, paint: Paint) -> String {
    let severity = match problem.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    };
    let head = format!("{severity}[{}]", problem.code);
    let head = match problem.severity {
        Severity::Note => paint.cyan(&head),
        Severity::Warning => paint.yellow(&head),
        Severity::Error | Severity::Fatal => paint.red(&head),
    };
    let mut text = format!("{head}: {}\n", lines(&problem.message));
    // The arrow stands a column before the bar, whatever the width of the line's number.
    let gutter = " ".repeat(problem.place.line.max(1).to_string().len() + 1);
    let Some(source) = source else {
        if problem.place.line > 0 {
            let _ = writeln!(text, "{gutter}--> {}:{}", problem.place.line, problem.place.column);
        } else if !problem.place.pointer.is_empty() {
            let _ = writeln!(text, "{gutter}--> {}", problem.place.pointer);
        }
        if !problem.hint.is_empty() {
            let _ = writeln!(text, "{gutter} = {}", problem.hint);
        }
        return text;
    };
    if problem.place.line == 0 {
        let _ = writeln!(text, "{gutter}--> {}", source.file);
        if !problem.hint.is_empty() {
            let _ = writeln!(text, "{gutter} = {}", problem.hint);
        }
        return text;
    }
    let _ = writeln!(text, "{gutter}--> {}:{}:{}", source.file, problem.place.line, problem.place.column);
    text.push_str(&excerpt(problem, &source.text, paint));
    for related in &problem.related {
        let _ = writeln!(text, "{gutter} = see also {}:{}:{}", source.file, related.line, related.column);
    }
    text
}

fn excerpt(problem: &Problem, source: &str, paint: Paint) -> String {
    let number = problem.place.line.to_string();
    let margin = " ".repeat(number.len());
    let at = usize::try_from(problem.place.line).unwrap_or(usize::MAX);
    let Some(line) = source.split('\n').nth(at - 1).map(|line| line.trim_end_matches('\r')) else {
        return hint_line(&margin, problem);
    };
    let column = usize::try_from(problem.place.column.max(1)).unwrap_or(usize::MAX) - 1;
    let len = usize::try_from(problem.len).unwrap_or(usize::MAX);
    let chars: Vec<char> = line.chars().collect();
    let before: String = chars.iter().take(column).collect();
    // The mark is given in bytes and drawn in characters; it ends with the line.
    let rest: String = chars.iter().skip(column).collect();
    let mut marked = 0;
    let mut bytes = 0;
    for c in rest.chars() {
        if bytes >= len {
            break;
        }
        bytes += c.len_utf8();
        marked += 1;
    }
    // A very long line (JSON of one line) is shown around the mark.
    let (shown, start) = window(&chars, column);
    let lead: String = before.chars().skip(start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let cut = if start > 0 { "…" } else { "" };
    let pad = if start > 0 { " " } else { "" };
    let room = LINE_MAX.saturating_sub(column - start).max(1);
    let underline = "^".repeat(marked.clamp(1, room));
    let hint = if problem.hint.is_empty() { String::new() } else { format!(" {}", problem.hint) };
    let bar = paint.cyan("|");
    let mut text = format!("{margin}  {bar}\n");
    let _ = writeln!(text, " {number} {bar} {cut}{shown}");
    let _ = writeln!(text, "{margin}  {bar} {pad}{lead}{}", paint.red(&format!("{underline}{hint}")));
    text
}

fn hint_line(margin: &str, problem: &Problem) -> String {
    if problem.hint.is_empty() { String::new() } else { format!("{margin}  = {}\n", problem.hint) }
}

/// Returns the piece of a line around a column, and where it starts.
fn window(chars: &[char], column: usize) -> (String, usize) {
    if chars.len() <= LINE_MAX {
        return (chars.iter().collect(), 0);
    }
    let start = column.saturating_sub(LINE_MAX / 3);
    let end = (start + LINE_MAX).min(chars.len());
    let tail = if end < chars.len() { "…" } else { "" };
    (format!("{}{tail}", chars[start.min(end)..end].iter().collect::<String>()), start)
}

/// Returns what is to be said after the problems of a file: `3 errors, 1 warning`.
#[must_use]
pub fn tally(problems: &[Problem]) -> String {
    let count = |wanted: &[Severity]| problems.iter().filter(|p| wanted.contains(&p.severity)).count();
    let errors = count(&[Severity::Error, Severity::Fatal]);
    let warnings = count(&[Severity::Warning]);
    let notes = count(&[Severity::Note]);
    let mut parts = Vec::new();
    for (number, noun) in [(errors, "error"), (warnings, "warning"), (notes, "note")] {
        if number > 0 {
            parts.push(counted(number, noun));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Code;
    use shipote_card::Place;

    fn problem(line: u64, column: u64, len: u64, hint: &str) -> Problem {
        Problem {
            severity: Severity::Error,
            code: "unknown_key".to_owned(),
            place: Place { pointer: "/workspace/memroy_max".to_owned(), line, column, offset: 0 },
            len,
            message: "unknown key `memroy_max`".to_owned(),
            hint: hint.to_owned(),
            related: Vec::new(),
        }
    }

    fn source(text: &str) -> SourceText {
        SourceText { file: "card.toml".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_problem_underlines_what_it_is_about() {
        let source = source("[workspace]\nlabel = \"a\"\nttl = \"2h\"\nmemroy_max = \"512MiB\"\n");
        let shown = report(&problem(4, 1, 10, "did you mean `memory_max`?"), Some(&source), Paint::PLAIN);
        insta::assert_snapshot!(shown, @r#"
        error[unknown_key]: unknown key `memroy_max`
          --> card.toml:4:1
           |
         4 | memroy_max = "512MiB"
           | ^^^^^^^^^^ did you mean `memory_max`?
        "#);
    }

    #[test]
    fn columns_count_characters_and_the_mark_ends_with_the_line() {
        let source = source("é = { memroy_max = \"ü\" }");
        let mut wide = problem(1, 7, 500, "");
        wide.related = vec![Place { pointer: String::new(), line: 1, column: 1, offset: 0 }];
        insta::assert_snapshot!(report(&wide, Some(&source), Paint::PLAIN), @r#"
        error[unknown_key]: unknown key `memroy_max`
          --> card.toml:1:7
           |
         1 | é = { memroy_max = "ü" }
           |       ^^^^^^^^^^^^^^^^^^
           = see also card.toml:1:1
        "#);
    }

    #[test]
    fn a_very_long_line_is_shown_around_the_mark() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = report(&problem(1, 501, 1, "here"), Some(&source(&text)), Paint::PLAIN);
        insta::assert_snapshot!(shown, @r"
        error[unknown_key]: unknown key `memroy_max`
          --> card.toml:1:501
           |
         1 | …aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaXbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…
           |                                   ^ here
        ");
    }

    #[test]
    fn a_place_beyond_the_text_still_says_where() {
        let shown = report(&problem(9, 1, 1, "add it"), Some(&source("one line")), Paint::PLAIN);
        insta::assert_snapshot!(shown, @r"
        error[unknown_key]: unknown key `memroy_max`
          --> card.toml:9:1
           = add it
        ");
    }

    #[test]
    fn a_failure_names_the_cause_the_candidates_and_the_next_command() {
        let mut ambiguous =
            Failure::new(Code::Ambiguous, "QT7A stands for two workspaces").hint("use more of the id");
        ambiguous.candidates = vec!["web (3GQT7A)".to_owned(), "db (99QT7A)".to_owned()];
        insta::assert_snapshot!(failure(&ambiguous, Paint::PLAIN), @r"
        error: QT7A stands for two workspaces
          web (3GQT7A)
          db (99QT7A)
        hint: use more of the id
        ");
    }

    #[test]
    fn a_tally_leaves_out_what_is_not_there() {
        let mut warning = problem(1, 1, 1, "");
        warning.severity = Severity::Warning;
        assert_eq!(tally(&[problem(1, 1, 1, ""), problem(2, 1, 1, ""), warning]), "2 errors, 1 warning");
        assert_eq!(tally(&[]), "");
    }
}
