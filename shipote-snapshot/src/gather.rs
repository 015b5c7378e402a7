//! Putting files together that belong to one state, whatever they are called: `state.json`, its journals, and the
//! samples beside them.

use alloc::vec::Vec;

use crate::journal::{Line, decode};
use crate::load::Input;
use crate::ordered::sort_by_key;
use crate::samples::is_samples;

/// Files of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered<'a> {
    /// The file that it begins with.
    pub checkpoint: Option<Input<'a>>,
    /// Its journals, the oldest first.
    pub journals: Vec<Input<'a>>,
    /// Files of samples, in the order in which they were given.
    pub samples: Vec<Input<'a>>,
}

/// Puts files together in any order.
///
/// # Errors
///
/// Returns the first two files that are a state each.
pub fn gather<'a>(files: &[Input<'a>]) -> Result<Gathered<'a>, (Input<'a>, Input<'a>)> {
    let mut gathered = Gathered { checkpoint: None, journals: Vec::new(), samples: Vec::new() };
    for file in files {
        if is_samples(file.bytes) {
            gathered.samples.push(*file);
        } else if is_journal(file.bytes) {
            gathered.journals.push(*file);
        } else if let Some(first) = gathered.checkpoint {
            return Err((first, *file));
        } else {
            gathered.checkpoint = Some(*file);
        }
    }
    sort_by_key(&mut gathered.journals, |file| base_seq(file.bytes).into());
    Ok(gathered)
}

/// Tells a journal, of changes or of samples, by how it begins: the eight digits of a checksum before a JSON object.
#[must_use]
pub fn is_journal(bytes: &[u8]) -> bool {
    let begin = bytes.get(..10).unwrap_or_default();
    begin.len() == 10 && begin[..8].iter().all(u8::is_ascii_hexdigit) && begin[8..] == *b" {"
}

/// Returns the number behind which a journal begins; the largest where its beginning can't be read.
fn base_seq(bytes: &[u8]) -> u64 {
    let first = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    match decode(first) {
        Some(Line::Header(header)) => header.base_seq,
        Some(Line::Record(record)) => record.seq.saturating_sub(1),
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Lineage, encode_header};

    #[test]
    fn files_are_told_by_what_they_hold_and_put_in_order() {
        let lineage = Lineage::from_parts(1, 1);
        let header = |base_seq| {
            encode_header(&Header {
                lineage: lineage.clone(),
                base_serial: 1,
                base_seq,
                base_digest: None,
                at_ms: 0,
            })
        };
        let (late, early) = (header(9), header(2));
        let file = |name, text: &'static str| Input { name, bytes: text.as_bytes() };
        let journal = |name, text| Input { name, bytes: text };
        let samples = crate::samples::header(0);
        let files = [
            journal("b", late.as_bytes()),
            journal("samples", samples.as_bytes()),
            file("state", "{\"version\":5}"),
            journal("a", early.as_bytes()),
        ];
        let gathered = gather(&files).unwrap();
        assert_eq!(gathered.checkpoint.unwrap().name, "state");
        let names: Vec<&str> = gathered.journals.iter().map(|file| file.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(gathered.samples[0].name, "samples");
        let two = [file("one", "{}"), file("other", "not even JSON")];
        assert_eq!(gather(&two).unwrap_err().1.name, "other");
    }
}
