//! What has to be there: each writer has keys of its own, makes one change after the other, and remembers what was
//! acknowledged and what was under way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Tally;
use super::client::Client;

/// Keys that a writer has at most, so that a state stays small over many cycles.
const MOST_KEYS: usize = 12;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A workspace is declared.
    Create(String),
    /// A workspace is forgotten.
    Remove(String),
    /// A pipeline is saved with this number in it.
    Save(String, u64),
}

/// What one writer has declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Workspaces, by label.
    pub workspaces: BTreeSet<String>,
    /// Saved pipelines, by name.
    pub saved: BTreeMap<String, u64>,
}

impl Model {
    /// Makes a change.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(label) => {
                self.workspaces.insert(label.clone());
            }
            Op::Remove(label) => {
                self.workspaces.remove(label);
            }
            Op::Save(name, number) => {
                self.saved.insert(name.clone(), *number);
            }
        }
    }
}

/// A writer.
#[derive(Debug, Default)]
pub struct Writer {
    /// Which one.
    pub number: usize,
    /// What was acknowledged.
    pub acknowledged: Model,
    /// The change that was asked for and not answered.
    pub under_way: Option<Op>,
    /// Changes made so far.
    pub count: u64,
}

impl Writer {
    fn next(&mut self) -> Op {
        self.count += 1;
        let (number, count) = (self.number, self.count);
        if count.is_multiple_of(5) {
            return Op::Save(format!("p{number}-{}", count % 3), count);
        }
        if self.acknowledged.workspaces.len() >= MOST_KEYS || count.is_multiple_of(3) {
            let pick = usize::try_from(count).unwrap() % self.acknowledged.workspaces.len().max(1);
            if let Some(label) = self.acknowledged.workspaces.iter().nth(pick) {
                return Op::Remove(label.clone());
            }
        }
        Op::Create(format!("w{number}-{count}"))
    }

    /// Makes changes until the connection breaks, or `over` is set: an answer that comes after that is not counted, and
    /// its change stays under way. Returns how many were acknowledged.
    pub fn work(&mut self, socket: &Path, over: &AtomicBool) -> u64 {
        let Ok(mut client) = Client::connect(socket) else { return 0 };
        let mut acknowledged = 0;
        loop {
            let op = self.next();
            self.under_way = Some(op.clone());
            let answer = match &op {
                Op::Create(label) => {
                    client.ask("POST", "/v1/workspaces", &format!("{{\"label\":\"{label}\"}}"))
                }
                Op::Remove(label) => client.ask("DELETE", &format!("/v1/workspaces/{label}"), ""),
                Op::Save(name, number) => {
                    client.ask("PUT", &format!("/v1/saved/{name}"), &pipeline(name, *number))
                }
            };
            match answer {
                Ok((status, _)) if status < 300 => {
                    if over.load(Ordering::SeqCst) {
                        return acknowledged;
                    }
                    self.acknowledged.apply(&op);
                    self.under_way = None;
                    acknowledged += 1;
                }
                // An ending daemon, or a disk that failed: whether it was made is not said.
                Ok((status, body)) => {
                    if status != 503 && status != 500 {
                        panic!("{op:?}: {status} {body}");
                    }
                    return acknowledged;
                }
                Err(_) => return acknowledged,
            }
        }
    }

    /// Compares with what was found, takes it over, and tells what is wrong.
    pub fn check(&mut self, found: &Model, what: &str, tally: &mut Tally) {
        let own = |label: &String| {
            label[1..].split('-').next().and_then(|number| number.parse().ok()) == Some(self.number)
        };
        let found = Model {
            workspaces: found.workspaces.iter().filter(|label| own(label)).cloned().collect(),
            saved: found.saved.iter().filter(|(name, _)| own(name)).map(|(k, v)| (k.clone(), *v)).collect(),
        };
        let mut with = self.acknowledged.clone();
        if let Some(op) = &self.under_way {
            with.apply(op);
        }
        if found != self.acknowledged && found != with {
            let acknowledged = &self.acknowledged;
            let lost = acknowledged
                .workspaces
                .difference(&found.workspaces)
                .filter(|label| with.workspaces.contains(*label))
                .count()
                + acknowledged
                    .saved
                    .iter()
                    .filter(|(name, number)| found.saved.get(*name).is_none_or(|there| there < number))
                    .count();
            let back = found
                .workspaces
                .difference(&with.workspaces)
                .filter(|label| !acknowledged.workspaces.contains(*label))
                .count();
            // A workspace that is back is a removal that was lost.
            tally.lost += (lost + back).max(1) as u64;
            tally.find(format!(
                "{what}: writer {}: {found:?}, acknowledged {acknowledged:?}, under way {:?}",
                self.number, self.under_way
            ));
        }
        self.acknowledged = found;
        self.under_way = None;
    }
}

/// Returns the body of a pipeline that carries a number.
pub fn pipeline(label: &str, number: u64) -> String {
    let node = |script: &str| {
        format!(
            r#"{{"label":"n{script}","payload":{{"native":{{"exec":"/bin/echo","argv":["{number}"],"envp":[]}}}}}}"#
        )
    };
    format!(r#"{{"label":"{label}","workspace":"","nodes":[{}],"edges":[]}}"#, node("a"))
}
