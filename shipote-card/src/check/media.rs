//! Media types of ports: their form, and whether what one end writes can be what the other reads.

use alloc::string::String;

/// Returns whether `text` has the form `type/subtype`, with parameters or without.
pub(super) fn is_media_type(text: &str) -> bool {
    let essence = essence(text);
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&b))
    };
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Returns whether one of two declared types may be a case of the other. Only what can't be right is a mismatch.
pub(super) fn go_together(written: &str, read: &str) -> bool {
    let (written, read) = (essence(written), essence(read));
    is_a(&written, &read) || is_a(&read, &written)
}

/// Returns the type without parameters, in lower case.
fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Exact below structured suffix below `text/*` below anything. NDJSON is no JSON; CSV is text.
fn is_a(narrow: &str, wide: &str) -> bool {
    let text_like = narrow.starts_with("text/")
        || narrow.ends_with("+json")
        || narrow.ends_with("+xml")
        || ["application/json", "application/xml", "application/x-ndjson", "application/ndjson"]
            .contains(&narrow);
    match wide {
        "application/octet-stream" | "*/*" => true,
        "text/plain" | "text/*" => text_like,
        "application/json" => narrow == wide || narrow.ends_with("+json"),
        "application/xml" | "text/xml" => {
            narrow.ends_with("+xml") || ["application/xml", "text/xml"].contains(&narrow)
        }
        wide => {
            narrow == wide
                || wide.strip_suffix("/*").is_some_and(|kind| narrow.split('/').next() == Some(kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_together_where_one_is_a_case_of_the_other() {
        for (written, read) in [
            ("text/csv", "text/csv; charset=utf-8"),
            ("text/csv", "text/plain"),
            ("text/plain", "text/csv"),
            ("application/geo+json", "application/json"),
            ("image/png", "application/octet-stream"),
            ("image/png", "image/*"),
        ] {
            assert!(go_together(written, read), "{written} {read}");
        }
        for (written, read) in [
            ("text/csv", "application/json"),
            ("application/x-ndjson", "application/json"),
            ("image/png", "text/plain"),
        ] {
            assert!(!go_together(written, read), "{written} {read}");
        }
        assert!(!is_media_type("csv") && !is_media_type("text/") && is_media_type("text/csv;header=present"));
    }
}
