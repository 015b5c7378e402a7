//! XML, the formats built on it, and HTML, by the tags they begin with.

use alloc::vec::Vec;

use super::Guess;
use super::text::Sample;

/// Root elements of formats with a name of their own.
const ROOTS: &[(&str, &str)] = &[
    ("svg", "image/svg+xml"),
    ("html", "application/xhtml+xml"),
    ("rss", "application/rss+xml"),
    ("feed", "application/atom+xml"),
    ("gpx", "application/gpx+xml"),
    ("kml", "application/vnd.google-earth.kml+xml"),
    ("xsl:stylesheet", "application/xslt+xml"),
];

/// Elements that a page may begin with although it says nothing else about itself.
const PAGE: &[&str] = &[
    "html", "head", "body", "script", "style", "title", "meta", "link", "div", "table", "iframe", "h1", "h2",
    "p", "br", "font", "a", "b", "center", "span", "ul", "ol", "nav", "main",
];

/// Names XML, HTML, SVG and other formats of that family.
pub(super) fn recognise(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let text = sample.text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('<') {
        return;
    }
    if text.starts_with("<?php") {
        guesses.push(Guess::new("text/x-php", 970, "opening tag of PHP"));
        return;
    }
    let declared = text.starts_with("<?xml") && text[5..].starts_with(|next: char| next.is_whitespace());
    let (rest, doctype) = prolog(text);
    if doctype.is_some_and(|name| name.eq_ignore_ascii_case("html")) && !declared {
        guesses.push(Guess::new("text/html", 980, "document type html"));
        return;
    }
    let Some(tag) = Tag::at(rest) else {
        if declared {
            guesses.push(Guess::new("application/xml", 970, "XML declaration"));
        }
        return;
    };
    let root = ROOTS.iter().find(|(root, _)| *root == tag.name).map(|(_, mime)| *mime);
    if declared || doctype.is_some() {
        if root == Some("application/xhtml+xml") {
            guesses.push(Guess::new("text/html", 800, "root element html"));
        }
        guesses.push(Guess::new(root.unwrap_or("application/xml"), 980, "XML declaration and root element"));
        return;
    }
    match (tag.name, tag.attributes.contains("xmlns")) {
        ("svg", _) => guesses.push(Guess::new("image/svg+xml", 970, "root element svg")),
        ("html", true) => {
            guesses.push(Guess::new("text/html", 900, "root element html"));
            guesses.push(Guess::new("application/xhtml+xml", 700, "namespace on its root element"));
        }
        (_, true) => {
            guesses.push(Guess::new(root.unwrap_or("application/xml"), 970, "root element with a namespace"));
        }
        (name, false) => plain(sample, &tag, name, root, guesses),
    }
}

/// Tags without any declaration: HTML by the name of the first, XML when they nest.
fn plain(
    sample: &Sample<'_>,
    tag: &Tag<'_>,
    name: &str,
    root: Option<&'static str>,
    guesses: &mut Vec<Guess>,
) {
    let page = PAGE.iter().position(|known| name.eq_ignore_ascii_case(known));
    match page {
        Some(0..7) => guesses.push(Guess::new("text/html", 950, "an element that pages begin with")),
        Some(_) => guesses.push(Guess::new("text/html", 800, "an element of HTML")),
        None if tag.closed || closes(sample, name) => {
            guesses.push(Guess::new(root.unwrap_or("application/xml"), 900, "elements that nest"));
        }
        None => {}
    }
}

/// Whether the first element is closed where it should be, or holds elements that are.
fn closes(sample: &Sample<'_>, root: &str) -> bool {
    let text = sample.text;
    let mut closing = text.match_indices("</").filter_map(|(at, _)| text[at + 2..].split(['>', ' ']).next());
    match sample.complete {
        true => closing.last() == Some(root),
        false => closing.next().is_some_and(|first| {
            first == root
                || text
                    .split('<')
                    .any(|part| part.strip_prefix(first).is_some_and(|rest| rest.starts_with(['>', ' '])))
        }),
    }
}

/// Skips declarations, comments and the document type, whose name it returns.
fn prolog(mut text: &str) -> (&str, Option<&str>) {
    let mut doctype = None;
    loop {
        text = text.trim_start();
        let end = if let Some(rest) = text.strip_prefix("<!--") {
            rest.find("-->").map(|end| end + 7)
        } else if text.starts_with("<?") {
            text.find("?>").map(|end| end + 2)
        } else if text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype")) {
            let rest = text[9..].trim_start();
            doctype = rest.split(|next: char| next.is_whitespace() || next == '>' || next == '[').next();
            // An internal subset holds declarations of its own.
            let subset = rest.find('[').filter(|at| !rest[..*at].contains('>'));
            subset.map_or_else(|| text.find('>').map(|end| end + 1), |_| text.find("]>").map(|end| end + 2))
        } else {
            return (text, doctype);
        };
        match end {
            Some(end) => text = &text[end..],
            None => return ("", doctype),
        }
    }
}

/// An opening tag.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
    /// Whether it closes itself.
    closed: bool,
}

impl<'a> Tag<'a> {
    fn at(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('<')?;
        let named = |next: char| next.is_alphanumeric() || matches!(next, '_' | '-' | '.' | ':');
        let end = rest.find(|next| !named(next)).unwrap_or(rest.len());
        let name = &rest[..end];
        let inner = &rest[end..rest.find('>').unwrap_or(rest.len()).max(end)];
        let spaced = inner.is_empty() || inner == "/" || inner.starts_with(char::is_whitespace);
        // Attributes have values; an address between angle brackets does not.
        let attributes = inner.trim_end_matches('/').trim();
        let valued = attributes.is_empty() || attributes.contains('=');
        let begins = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        (begins && spaced && valued && !name.ends_with(':')).then(|| Self {
            name,
            attributes,
            closed: inner.ends_with('/'),
        })
    }
}
