//! Which files are one state: each `state.json`, with the journals that continue it.

use shipote_snapshot::gather::is_journal;
use shipote_snapshot::samples::is_samples;
use shipote_snapshot::{Digest, Header, Input};

/// Positions of the files of one state: its `state.json`, if it is there, and its journals.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) checkpoint: Option<usize>,
    pub(crate) journals: Vec<usize>,
    /// Files of samples.
    pub(crate) samples: Vec<usize>,
}

impl Group {
    /// Returns the positions of all its files.
    pub(crate) fn files(&self) -> impl Iterator<Item = usize> {
        self.checkpoint.into_iter().chain(self.journals.iter().chain(&self.samples).copied())
    }
}

/// Puts files together.
///
/// A single `state.json` gets every journal, as on the command line, where a stranger among them is then told of. Of
/// several, a journal goes to the one that it names by digest, else to the last one of its lineage that is no earlier
/// generation; journals of none
/// of them are a state of their own. Samples name workspaces by id, and belong to every state.
pub(crate) fn group(files: &[Input<'_>]) -> Vec<Group> {
    let (samples, others): (Vec<usize>, Vec<usize>) =
        (0..files.len()).partition(|at| is_samples(files[*at].bytes));
    let (journals, states): (Vec<usize>, Vec<usize>) =
        others.into_iter().partition(|at| is_journal(files[*at].bytes));
    let mut groups: Vec<Group> =
        states.iter().map(|at| Group { checkpoint: Some(*at), ..Group::default() }).collect();
    let mut orphans = Group::default();
    for at in journals {
        let owner = match states.as_slice() {
            [] => None,
            [_] => Some(0),
            _ => owner(files, &states, files[at].bytes),
        };
        match owner {
            Some(owner) => groups[owner].journals.push(at),
            None => orphans.journals.push(at),
        }
    }
    if !orphans.journals.is_empty() || groups.is_empty() && !samples.is_empty() {
        groups.push(orphans);
    }
    for group in &mut groups {
        group.samples.clone_from(&samples);
    }
    groups
}

/// Returns which of the states a journal continues.
fn owner(files: &[Input<'_>], states: &[usize], journal: &[u8]) -> Option<usize> {
    let header = header(journal)?;
    let base = header.base_digest;
    let named = states.iter().position(|at| base == Some(Digest::of(files[*at].bytes)));
    let lineage = format!("\"{}\"", header.lineage);
    // The lineage stands in the head of the document; the head of a large file is enough.
    let of_lineage = |at: &usize| {
        let head = files[*at].bytes;
        let head = &head[..head.len().min(4096)];
        head.windows(lineage.len()).any(|part| part == lineage.as_bytes())
    };
    // The journals of a directory continue its state.json, and no generation that is kept beside it.
    let is_current = |at: &usize| !is_generation(files[*at].name);
    let current = states.iter().rposition(|at| is_current(at) && of_lineage(at));
    named.or(current).or_else(|| states.iter().rposition(of_lineage))
}

/// Tells an earlier generation by its name, such as `state.json.2`.
pub(crate) fn is_generation(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, number)| number.parse::<u8>().is_ok())
}

fn header(journal: &[u8]) -> Option<Header> {
    let first = journal.split_inclusive(|byte| *byte == b'\n').next()?;
    match shipote_snapshot::journal::decode(first)? {
        shipote_snapshot::journal::Line::Header(header) => Some(header),
        shipote_snapshot::journal::Line::Record(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipote_snapshot::{Lineage, ShipoteSnapshot, encode_header, render};

    fn journal(lineage: &Lineage, base_digest: Option<Digest>) -> String {
        encode_header(&Header {
            lineage: lineage.clone(),
            base_serial: 0,
            base_seq: 0,
            base_digest,
            at_ms: 0,
        })
    }

    #[test]
    fn journals_follow_the_state_that_they_continue() {
        let (one, other, none) =
            (Lineage::from_parts(1, 1), Lineage::from_parts(1, 2), Lineage::from_parts(1, 3));
        let state = |lineage: &Lineage, at_ms| render(&ShipoteSnapshot::empty(lineage.clone(), at_ms, ""));
        let (first, second, third) = (state(&one, 1), state(&one, 2), state(&other, 3));
        let texts = [
            journal(&one, Some(Digest::of(first.as_bytes()))),
            first,
            second,
            third,
            journal(&one, None),
            journal(&other, None),
            journal(&none, None),
        ];
        let files: Vec<Input<'_>> =
            texts.iter().map(|text| Input { name: "", bytes: text.as_bytes() }).collect();
        let groups = group(&files);
        let of =
            |checkpoint, journals: &[usize]| Group { checkpoint, journals: journals.into(), samples: vec![] };
        assert_eq!(groups, [of(Some(1), &[0]), of(Some(2), &[4]), of(Some(3), &[5]), of(None, &[6])]);
        let mut kept = files.clone();
        (kept[1].name, kept[2].name) = ("state.json", "state.json.1");
        assert_eq!(group(&kept[..5])[0], of(Some(1), &[0, 4]), "not the generation beside it");
        assert_eq!(group(&files[5..6]), [of(None, &[0])]);
        assert_eq!(group(&[files[1], files[6]]), [of(Some(0), &[1])], "as the command line does");
        let text = shipote_snapshot::samples::header(0);
        let samples = Input { name: "stats.journal", bytes: text.as_bytes() };
        assert_eq!(group(&[samples, files[1]])[0].samples, [0]);
        assert_eq!(group(&[samples]).len(), 1);
    }
}
