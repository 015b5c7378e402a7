//! One record on each line: access logs, system logs, `key=value` pairs, and tables with a delimiter.

use alloc::format;
use alloc::vec::Vec;

use super::Guess;
use super::text::Sample;

/// Tells whether a line has a form.
type Holds = fn(&str) -> bool;

/// Names logs of known forms, logfmt, CSV and TSV.
pub(super) fn recognise(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let logs: [(Holds, &str, &str); 3] = [
        (is_access, "text/x-common-log", "each line is a request with its status"),
        (is_syslog, "text/x-syslog", "each line has a time, a host and a program"),
        (is_logfmt, "text/x-logfmt", "each line is made of key=value pairs"),
    ];
    for (holds, mime, why) in logs {
        let (lines, good) = sample.share(holds);
        if good > 0 && good * 10 >= lines * 9 {
            let permille = if good > 1 { 960 } else { 850 };
            guesses.push(Guess::new(mime, permille, why));
            return;
        }
    }
    guesses.extend(table(sample));
}

/// `host ident user [day/Mon/year:time zone] "request" status bytes`.
fn is_access(line: &str) -> bool {
    let Some((who, rest)) = line.split_once(" [") else { return false };
    let Some((when, rest)) = rest.split_once("] \"") else { return false };
    let dated = when.len() >= 20
        && when.as_bytes()[2] == b'/'
        && when.bytes().filter(|byte| *byte == b':').count() >= 3;
    let status = rest.find("\" ").map(|end| &rest.as_bytes()[end + 2..]);
    let fits = |status: &[u8]| {
        status.len() >= 3
            && status[..3].iter().all(u8::is_ascii_digit)
            && status.get(3).is_none_or(|next| *next == b' ')
    };
    dated && status.is_some_and(fits) && (2..=4).contains(&who.split_whitespace().count())
}

/// RFC 5424, RFC 3164 with or without its priority, and the same with a time of ISO 8601.
fn is_syslog(line: &str) -> bool {
    let priority = line.strip_prefix('<').and_then(|rest| {
        let (number, rest) = rest.split_once('>')?;
        (number.len() <= 3 && number.parse::<u16>().is_ok_and(|number| number < 192)).then_some(rest)
    });
    if let Some(rest) = priority.and_then(|rest| rest.strip_prefix("1 ")) {
        let mut words = rest.split(' ');
        return words.next().is_some_and(|time| time == "-" || is_iso_time(time)) && words.count() >= 4;
    }
    let rest = priority.unwrap_or(line);
    let Some(rest) = after_bsd_time(rest).or_else(|| {
        let (time, rest) = rest.split_once(' ')?;
        is_iso_time(time).then_some(rest)
    }) else {
        return false;
    };
    // A host, then a program with a colon.
    let mut words = rest.trim_start().splitn(3, ' ');
    let host = words.next().is_some_and(is_host);
    host && words.next().is_some_and(|tag| tag.ends_with(':') && tag.len() > 1)
}

/// Whether a word may be a host: not a level, which other logs have in its place.
fn is_host(word: &str) -> bool {
    const LEVELS: &[&str] = &["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL"];
    !word.is_empty() && !word.ends_with(':') && !word.starts_with('[') && !LEVELS.contains(&word)
}

/// Returns what follows `Mmm dd hh:mm:ss `.
fn after_bsd_time(line: &str) -> Option<&str> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let raw = line.as_bytes();
    let month = line.get(..3)?;
    let fits = MONTHS.match_indices(month).any(|(at, _)| at % 3 == 0)
        && raw.get(3) == Some(&b' ')
        && raw.get(6) == Some(&b' ')
        && raw.get(9) == Some(&b':')
        && raw.get(12) == Some(&b':');
    if fits { line.get(16..) } else { None }
}

fn is_iso_time(word: &str) -> bool {
    let raw = word.as_bytes();
    raw.len() >= 19
        && raw[4] == b'-'
        && raw[7] == b'-'
        && raw[10] == b'T'
        && raw[13] == b':'
        && raw[..4].iter().all(u8::is_ascii_digit)
}

/// Whether `key=value` pairs make up nearly all of a line.
fn is_logfmt(line: &str) -> bool {
    let (mut pairs, mut paired) = (0, 0);
    let mut rest = line.trim();
    let length = rest.len();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let key = &rest[..end];
        let Some(value) = rest[end..].strip_prefix('=') else {
            rest = rest[end..].trim_start();
            continue;
        };
        let size = match value.strip_prefix('"') {
            Some(text) => quoted(text).map_or(value.len(), |end| end + 2),
            None => value.find(' ').unwrap_or(value.len()),
        };
        let named = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/@".contains(&byte));
        if named && !key.is_empty() {
            pairs += 1;
            paired += end + 1 + size + 1;
        }
        rest = value[size..].trim_start();
    }
    pairs >= 2 && paired * 10 >= length * 8
}

/// Returns where a text in double quotes ends.
fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Lets each delimiter divide the text, and takes the one that makes a table of it.
fn table(sample: &Sample<'_>) -> Option<Guess> {
    const DELIMITERS: [(u8, &str); 4] =
        [(b'\t', "tabs"), (b',', "commas"), (b';', "semicolons"), (b'|', "bars")];
    let mut best: Option<(u16, usize, u8, &str)> = None;
    for (delimiter, name) in DELIMITERS {
        let Some((permille, width)) = Table::of(sample, delimiter).and_then(|table| table.weigh(sample))
        else {
            continue;
        };
        if best.is_none_or(|(other, most, ..)| (permille, width) > (other, most)) {
            best = Some((permille, width, delimiter, name));
        }
    }
    let (permille, width, delimiter, name) = best?;
    let mime = if delimiter == b'\t' { "text/tab-separated-values" } else { "text/csv" };
    Some(Guess::new(mime, permille, format!("rows of {width} fields between {name}")))
}

/// A text divided into rows and fields as RFC 4180 has it.
#[derive(Debug, Default)]
struct Table {
    delimiter: u8,
    /// Fields of each row.
    widths: Vec<usize>,
    /// Rows with a quote where none may be.
    broken: usize,
    /// Delimiters followed by a space, or by a line's end.
    spaced: usize,
    trailing: usize,
    /// Rows that begin with a delimiter.
    leading: usize,
    /// Commas within a time of day, as some logs write milliseconds.
    clocks: usize,
    /// Words in fields without quotes.
    words: usize,
    quoted: usize,
}

impl Table {
    fn of(sample: &Sample<'_>, delimiter: u8) -> Option<Self> {
        let bytes = sample.text.as_bytes();
        if !bytes.contains(&delimiter) {
            return None;
        }
        let mut table = Self { delimiter, ..Self::default() };
        let (mut at, mut fields, mut broken) = (0, 1, false);
        let mut row_starts = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            let starts = at == row_starts || bytes[at - 1] == delimiter;
            if byte == b'"' && starts {
                match quoted_field(bytes, at) {
                    Some(end) => {
                        let next = bytes.get(end).copied();
                        broken |= !(next.is_none()
                            || next == Some(delimiter)
                            || matches!(next, Some(b'\r' | b'\n')));
                        table.quoted += 1;
                        at = end;
                        continue;
                    }
                    None if sample.complete => broken = true,
                    // The window ends within this field.
                    None => break,
                }
            }
            if byte == delimiter {
                fields += 1;
                table.spaced += usize::from(bytes.get(at + 1) == Some(&b' '));
                table.trailing += usize::from(matches!(bytes.get(at + 1), None | Some(b'\n' | b'\r')));
                let clock = at >= 3
                    && bytes[at - 3] == b':'
                    && bytes.get(at + 1..at + 4).is_some_and(|ms| ms.iter().all(u8::is_ascii_digit));
                table.clocks += usize::from(clock);
            } else if byte == b'\n' {
                table.row(&bytes[row_starts..at], fields, broken);
                (fields, broken, row_starts) = (1, false, at + 1);
            } else if byte == b' ' {
                table.words += 1;
            }
            at += 1;
        }
        if sample.complete && row_starts < bytes.len() {
            table.row(&bytes[row_starts..], fields, broken);
        }
        (!table.widths.is_empty()).then_some(table)
    }

    fn row(&mut self, raw: &[u8], fields: usize, broken: bool) {
        if raw.iter().all(u8::is_ascii_whitespace) && fields == 1 {
            return;
        }
        self.widths.push(fields);
        self.broken += usize::from(broken);
        self.leading += usize::from(raw.first() == Some(&self.delimiter));
    }

    /// Returns how sure it is that this is a table, and its width.
    fn weigh(&self, sample: &Sample<'_>) -> Option<(u16, usize)> {
        let rows = self.widths.len();
        let enough = rows >= 3 || (rows == 2 && sample.complete);
        let first = *self.widths.first()?;
        let mut sorted = self.widths.clone();
        sorted.sort_unstable();
        let width = sorted[rows / 2];
        let same = self.widths.iter().filter(|fields| **fields == width).count();
        let even = same * 10 >= rows * 9;
        // Some writers leave out empty fields at the end of a row, but never in the header.
        let ragged = !even && rows >= 5 && first >= 4 && sorted[0] * 2 >= first && sorted[rows - 1] == first;
        let indented = self.delimiter == b'\t' && self.leading * 2 > rows;
        if !enough || width < 2 || !(even || ragged) || self.broken * 10 > rows || indented {
            return None;
        }
        let delimiters: usize = self.widths.iter().map(|fields| fields - 1).sum();
        let fields = delimiters + rows;
        let wordy = self.delimiter != b'\t' && self.words > fields * 3;
        let spaced = self.delimiter == b',' && self.spaced * 10 >= delimiters * 8;
        let prose = spaced && (self.words >= fields * 2 || has_sentences(sample));
        let clocks = self.delimiter == b',' && self.clocks * 2 >= rows;
        let trailing = width == 2 && self.trailing * 2 > rows && self.delimiter != b'\t';
        if prose || clocks || trailing || (wordy && width == 2) || is_code(sample, self.delimiter) {
            return None;
        }
        let mut permille: u16 = match (rows, width) {
            (10.., 3..) => 970,
            (10.., _) | (5.., 3..) => 920,
            (3.., 3..) => 880,
            (3.., _) => 800,
            _ => 750,
        };
        if same < rows || wordy {
            permille -= 70;
        }
        if ragged {
            permille -= 180;
        }
        if self.delimiter == b'|' && self.quoted == 0 {
            permille -= 100;
        }
        Some((permille, if ragged { first } else { width }))
    }
}

/// Returns the place behind the closing quote of the field that starts at `start`.
fn quoted_field(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Whether half of the lines end as sentences do.
fn has_sentences(sample: &Sample<'_>) -> bool {
    let (lines, ended) = sample.share(|line| line.trim_end().ends_with(['.', '!', '?', ':']));
    ended * 2 >= lines
}

/// Whether lines end and begin as those of programs do, or as the tables of Markdown.
fn is_code(sample: &Sample<'_>, delimiter: u8) -> bool {
    let (lines, code) = sample.share(|line| {
        let line = line.trim();
        line.ends_with(['{', '}', '(', ')'])
            || (delimiter != b';' && line.ends_with(';'))
            || line.starts_with(['|', '{', '}', '#', '<'])
    });
    code * 5 > lines
}
