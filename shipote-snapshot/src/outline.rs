//! The outline of a state: what the rules between entities need to know of it, from a state that was read or from
//! raw values of which some are damaged.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::domain::{Collection, ShipoteSnapshot};
use crate::walk::{canonical_id, elements, members, text};
use shipote_card::json;

/// What the rules need to know of a state. A part that can't be read is none, and breaks no rule.
#[derive(Debug, Default)]
pub(crate) struct Outline<'a> {
    pub(crate) workspaces: Vec<WorkspaceOutline<'a>>,
    pub(crate) saved: Vec<SavedOutline<'a>>,
    pub(crate) live: Vec<RunOutline<'a>>,
    pub(crate) commands: Vec<RunOutline<'a>>,
}

#[derive(Debug, Default)]
pub(crate) struct WorkspaceOutline<'a> {
    /// Whether it has errors of its own.
    pub(crate) bad: bool,
    pub(crate) id: Option<String>,
    pub(crate) label: Option<Cow<'a, str>>,
    /// Samples with a counter below that of the sample before, where a time is missing: position, counter.
    pub(crate) falls: Vec<(usize, &'static str)>,
}

#[derive(Debug, Default)]
pub(crate) struct SavedOutline<'a> {
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) pipeline: PipelineOutline<'a>,
}

/// A live pipeline or a command.
#[derive(Debug, Default)]
pub(crate) struct RunOutline<'a> {
    pub(crate) id: Option<String>,
    pub(crate) workspace: Option<String>,
    pub(crate) pipeline: PipelineOutline<'a>,
}

/// A pipeline, or the one node that a command is.
#[derive(Debug, Default)]
pub(crate) struct PipelineOutline<'a> {
    pub(crate) label: Option<Cow<'a, str>>,
    pub(crate) workspace: Option<Cow<'a, str>>,
    /// Labels of the nodes; none where one of them can't be read, since edges can't be judged then.
    pub(crate) nodes: Option<Vec<Cow<'a, str>>>,
    /// Both ends of each edge.
    pub(crate) edges: Vec<Ends<'a>>,
}

/// Where an edge comes from and where it leads to.
pub(crate) type Ends<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

/// The counters of one sample.
#[derive(Debug, Clone, Copy)]
struct Counted {
    position: usize,
    timed: bool,
    cpu_usec: Option<u64>,
    uptime_ms: Option<u64>,
}

fn falls(samples: impl Iterator<Item = Counted>) -> Vec<(usize, &'static str)> {
    let mut before: Option<Counted> = None;
    let mut falls = Vec::new();
    for now in samples {
        if let Some(before) = before.replace(now)
            && !(before.timed && now.timed)
        {
            if now.uptime_ms < before.uptime_ms && now.uptime_ms.is_some() {
                falls.push((now.position, "uptime_ms"));
            } else if now.cpu_usec < before.cpu_usec && now.cpu_usec.is_some() {
                falls.push((now.position, "cpu_usec"));
            }
        }
    }
    falls
}

impl<'a> Outline<'a> {
    /// Returns the outline of a state that was read.
    pub(crate) fn of_snapshot(snapshot: &'a ShipoteSnapshot) -> Self {
        let workspace = |entry: &'a crate::WorkspaceEntry| WorkspaceOutline {
            bad: false,
            id: Some(entry.id.to_string()),
            label: Some(Cow::Borrowed(entry.spec.label.as_str())),
            falls: falls(entry.stats_history.iter().enumerate().map(|(position, sample)| Counted {
                position,
                timed: sample.at_ms.is_some(),
                cpu_usec: sample.cpu_usec,
                uptime_ms: Some(sample.uptime_ms),
            })),
        };
        let saved = |entry: &'a crate::PipelineEntry| SavedOutline {
            name: Some(Cow::Borrowed(entry.name.as_str())),
            pipeline: PipelineOutline::of_spec(&entry.spec),
        };
        let live = |entry: &'a crate::LivePipelineEntry| RunOutline {
            id: Some(entry.id.to_string()),
            workspace: Some(entry.workspace.to_string()),
            pipeline: PipelineOutline::of_spec(&entry.spec),
        };
        let command = |entry: &'a crate::CommandEntry| RunOutline {
            id: Some(entry.id.to_string()),
            workspace: Some(entry.workspace.to_string()),
            pipeline: PipelineOutline {
                label: Some(Cow::Borrowed(entry.spec.label.as_str())),
                ..PipelineOutline::default()
            },
        };
        Self {
            workspaces: snapshot.workspaces.iter().map(workspace).collect(),
            saved: snapshot.saved_pipelines.iter().map(saved).collect(),
            live: snapshot.live_pipelines.iter().map(live).collect(),
            commands: snapshot.commands.iter().map(command).collect(),
        }
    }

    /// Adds the outline of one raw entity.
    pub(crate) fn add_raw(&mut self, collection: Collection, raw: &'a RawValue, version: u64, bad: bool) {
        let entity = Fields::of(raw);
        let spec = entity.get("spec").map(Fields::of).unwrap_or_default();
        match collection {
            Collection::Workspaces => self.workspaces.push(WorkspaceOutline {
                bad,
                id: entity.id("id"),
                label: spec.text("label"),
                falls: falls(raw_samples(entity.get("stats_history")).into_iter()),
            }),
            Collection::SavedPipelines => self
                .saved
                .push(SavedOutline { name: entity.text("name"), pipeline: PipelineOutline::of_raw(&spec) }),
            Collection::LivePipelines => self.live.push(RunOutline {
                // Earlier versions have no id here, and ignore one that is given.
                id: if version < 5 { None } else { entity.id("id") },
                workspace: entity.id("workspace"),
                pipeline: PipelineOutline::of_raw(&spec),
            }),
            Collection::Commands => self.commands.push(RunOutline {
                id: entity.id("id"),
                workspace: entity.id("workspace"),
                pipeline: PipelineOutline { label: spec.text("label"), ..PipelineOutline::default() },
            }),
        }
    }
}

/// Returns the counters of the samples in a raw list, up to where it can't be read.
fn raw_samples(list: Option<&RawValue>) -> Vec<Counted> {
    let mut samples = Vec::new();
    let mut position = 0;
    json::read(list.map_or("", RawValue::get), &mut |list| {
        list.list(&mut |sample| {
            let (mut at_ms, mut cpu_usec, mut uptime_ms): (Option<Option<u64>>, _, _) = (None, None, None);
            let sample = sample.raw()?;
            json::read(sample, &mut |sample| {
                sample.object(&mut |key, value| {
                    let value = value.raw()?;
                    let slot = match key {
                        "at_ms" => &mut at_ms,
                        "cpu_usec" => &mut cpu_usec,
                        "uptime_ms" => &mut uptime_ms,
                        _ => return Ok(()),
                    };
                    // The first of equal keys counts.
                    slot.get_or_insert(value.parse().ok());
                    Ok(())
                })
            });
            let timed = at_ms.flatten().is_some();
            let (cpu_usec, uptime_ms) = (cpu_usec.flatten(), uptime_ms.flatten());
            samples.extend(uptime_ms.map(|_| Counted { position, timed, cpu_usec, uptime_ms }));
            position += 1;
            Ok(())
        })
    });
    samples
}

impl<'a> PipelineOutline<'a> {
    fn of_spec(spec: &'a shipote_card::PipelineSpec) -> Self {
        let borrowed = |text: &'a String| Cow::Borrowed(text.as_str());
        Self {
            label: Some(borrowed(&spec.label)),
            workspace: Some(borrowed(&spec.workspace)),
            nodes: Some(spec.nodes.iter().map(|node| borrowed(&node.label)).collect()),
            edges: (spec.edges.iter())
                .map(|edge| (Some(borrowed(&edge.from)), Some(borrowed(&edge.to))))
                .collect(),
        }
    }

    fn of_raw(spec: &Fields<'a>) -> Self {
        let edge = |raw| {
            let edge = Fields::of(raw);
            (edge.text("from"), edge.text("to"))
        };
        Self {
            label: spec.text("label"),
            workspace: spec.text("workspace"),
            nodes: spec.list("nodes").into_iter().map(|raw| Fields::of(raw).text("label")).collect(),
            edges: spec.list("edges").into_iter().map(edge).collect(),
        }
    }
}

/// The members of a raw object, by name; the first of equal keys counts.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(crate) fn of(raw: &'a RawValue) -> Self {
        let Some(members) = members(raw) else { return Self::default() };
        Self(members.into_iter().filter_map(|(key, value)| Some((text(key)?, value))).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    pub(crate) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key).and_then(text)
    }

    fn id(&self, key: &str) -> Option<String> {
        canonical_id(&self.text(key)?).map(|(id, _)| id)
    }

    fn list(&self, key: &str) -> Vec<&'a RawValue> {
        self.get(key).and_then(elements).unwrap_or_default()
    }
}
