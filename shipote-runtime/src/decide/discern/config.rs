//! Files of settings: TOML, INI and YAML. Prose with colons is none of them.

use alloc::vec::Vec;

use super::text::Sample;
use super::{Guess, toml};

/// Names TOML, INI and YAML.
pub(super) fn recognise(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let toml = toml(sample);
    let sure = toml.is_some();
    guesses.extend(toml);
    if !sure {
        guesses.extend(ini(sample));
    }
    guesses.extend(yaml(sample));
}

fn toml(sample: &Sample<'_>) -> Option<Guess> {
    let scan = toml::scan(sample.text, sample.complete);
    if !scan.good || scan.pairs == 0 {
        return None;
    }
    let most_spaced = scan.spaced * 2 >= scan.pairs;
    let permille = match (scan.headers, scan.pairs, scan.typed) {
        (1.., 1.., 1..) => 970,
        (1.., 2.., 0) => 800,
        (1.., _, _) => 700,
        (0, 3.., typed) if most_spaced && typed * 2 >= scan.pairs => 950,
        (0, 2.., 1..) if most_spaced => 850,
        (0, 1, 1) if most_spaced => 700,
        (0, 3.., 0) if most_spaced => 650,
        // NAME="value" is as much a file for a shell.
        _ => 400,
    };
    Some(Guess::new("application/toml", permille, "keys with values as TOML writes them"))
}

fn ini(sample: &Sample<'_>) -> Option<Guess> {
    let (mut sections, mut pairs, mut lines, mut odd) = (0usize, 0usize, 0usize, 0usize);
    for line in sample.filled() {
        let (line, indented) = (line.trim(), line.starts_with([' ', '\t']));
        lines += 1;
        if line.starts_with([';', '#']) {
            continue;
        }
        let section = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        match section {
            Some((name, "")) if !name.is_empty() && !name.contains('[') => sections += 1,
            Some(_) => odd += 1,
            None if sections == 0 && pairs == 0 && !line.contains('=') => return None,
            None => match line.split_once(['=', ':']) {
                Some((key, _)) if is_ini_key(key) => pairs += 1,
                _ if indented && pairs > 0 => {}
                _ => odd += 1,
            },
        }
    }
    if sections == 0 || pairs == 0 || odd * 20 > lines {
        return None;
    }
    Some(Guess::new("text/x-ini", if pairs >= 2 { 900 } else { 750 }, "sections and keys with bare values"))
}

fn is_ini_key(key: &str) -> bool {
    let key = key.trim();
    !key.is_empty()
        && key.len() <= 80
        && key.split_whitespace().count() <= 3
        && !key.contains(['{', '(', '<', '"', ';'])
}

/// What was counted in a text read as YAML.
#[derive(Debug, Default)]
struct Evidence {
    /// A line of dashes at the start.
    marked: bool,
    /// Keys without indentation.
    top_keys: usize,
    /// Items without indentation, and those of them that hold a key.
    items: usize,
    mappings: usize,
    /// Keys with what belongs to them on deeper lines.
    nested: usize,
    /// Values of a type: numbers, names, quotes, flow collections, block scalars.
    typed: usize,
    /// Keys that look like identifiers rather than headlines.
    plain_keys: usize,
    /// Lines that only continue a value.
    continued: usize,
    /// Values that read like sentences.
    prose: usize,
    lines: usize,
}

fn yaml(sample: &Sample<'_>) -> Option<Guess> {
    let seen = evidence(sample)?;
    if seen.continued * 4 > seen.lines || seen.prose * 4 > seen.lines {
        return None;
    }
    let keys = seen.top_keys;
    let structured = seen.nested > 0 || seen.mappings >= 2;
    let identifiers = seen.plain_keys * 10 >= keys * 9;
    let permille = match () {
        () if seen.marked && (structured || keys >= 2) => 950,
        () if seen.mappings >= 2 && seen.typed + seen.nested > 0 => 900,
        () if structured && keys >= 2 && identifiers => 930,
        () if structured && keys >= 2 => 750,
        () if structured && identifiers && keys + seen.mappings >= 1 => 800,
        () if seen.marked && keys + seen.items >= 1 => 750,
        () if keys >= 3 && identifiers && seen.typed > 0 => 800,
        () if keys >= 2 && identifiers && seen.prose == 0 => 700,
        () if keys >= 2 || seen.items >= 2 => 400,
        () => return None,
    };
    Some(Guess::new("application/yaml", permille, "keys, items and indentation as YAML has them"))
}

/// Counts, or returns nothing at the first line that no YAML has.
fn evidence(sample: &Sample<'_>) -> Option<Evidence> {
    let mut seen = Evidence::default();
    // Indentation of the last key whose value is to come, and whether that is a block scalar.
    let mut pending: Option<(usize, bool)> = None;
    for line in sample.filled() {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        if let Some((parent, true)) = pending {
            if indent > parent {
                continue;
            }
            pending = None;
        }
        if body.starts_with('\t') {
            return None;
        }
        if body.starts_with('#') || (seen.lines == 0 && line.starts_with("%YAML")) {
            continue;
        }
        if line.trim_end() == "---" || line.starts_with("--- ") || line == "..." {
            seen.marked |= seen.lines == 0;
            continue;
        }
        seen.lines += 1;
        let owned = pending
            .take()
            .is_some_and(|(parent, _)| indent > parent || (indent == parent && body.starts_with('-')));
        let (mut body, mut column, mut items) = (body.trim_end(), indent, 0);
        while let Some(rest) = body.strip_prefix("- ").or_else(|| (body == "-").then_some("")) {
            column += body.len() - rest.trim_start().len();
            body = rest.trim_start();
            items += 1;
        }
        if indent == 0 && items > 0 {
            seen.items += 1;
        }
        match split_key(body) {
            Some((key, value)) => {
                seen.nested += usize::from(owned);
                seen.mappings += usize::from(indent == 0 && items > 0);
                if column == 0 {
                    seen.top_keys += 1;
                    seen.plain_keys += usize::from(is_identifier(key));
                }
                pending = seen.value(value, column);
            }
            None if items > 0 => {
                seen.nested += usize::from(owned);
                pending = seen.value(body, column).filter(|(_, block)| *block);
            }
            None if indent > 0 && seen.top_keys + seen.items > 0 => seen.continued += 1,
            None => return None,
        }
    }
    Some(seen)
}

impl Evidence {
    /// Weighs a value, and returns what to expect on the next lines when they hold it.
    fn value(&mut self, value: &str, column: usize) -> Option<(usize, bool)> {
        let value = value.split(" #").next().unwrap_or_default().trim();
        if value.is_empty() || value.starts_with(['&', '!']) {
            return Some((column, false));
        }
        let block = value.starts_with(['|', '>']) && value.len() <= 3;
        let quoted = |quote: char| value.starts_with(quote) && value.ends_with(quote) && value.len() > 1;
        let flow = value.starts_with(['[', '{']) || value.starts_with('*');
        let name = matches!(value, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "~");
        let number = value.parse::<f64>().is_ok();
        if block || quoted('"') || quoted('\'') || flow || name || number {
            self.typed += 1;
        } else if value.split_whitespace().count() > 8
            || value.ends_with(['.', ',', ';'])
            || value.contains(": ")
        {
            self.prose += 1;
        }
        block.then_some((column, true))
    }
}

/// Splits `key: value`; a key holds no space unless it is quoted.
fn split_key(body: &str) -> Option<(&str, &str)> {
    let quote = body.chars().next().filter(|first| matches!(first, '"' | '\''));
    let mut colon = match quote {
        Some(quote) => body[1..].find(quote)? + 2,
        None => body.find(|next: char| next == ':' || next.is_whitespace()).filter(|end| *end > 0)?,
    };
    // A colon inside of a key is part of it unless a space follows.
    let value = loop {
        let rest = body.get(colon..)?.strip_prefix(':')?;
        if rest.is_empty() || rest.starts_with(' ') {
            break rest.trim();
        }
        if quote.is_some() {
            return None;
        }
        colon += 1 + rest.find(|next: char| next == ':' || next.is_whitespace())?;
    };
    let key = &body[..colon];
    let fits = quote.is_some() || !key.contains(['{', '}', '(', ')', ',', '=', ';', '`', '"']);
    (fits && key.len() <= 128).then_some((key, value))
}

/// Whether a key is written as programs write them: `Package` and `Content-Type` head mails and licences.
fn is_identifier(key: &str) -> bool {
    let inner = key.trim_matches(['"', '\'']);
    !inner.starts_with(|first: char| first.is_ascii_uppercase())
        || !inner.contains(|letter: char| letter.is_ascii_lowercase())
}
