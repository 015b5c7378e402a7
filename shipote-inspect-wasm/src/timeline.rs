//! What workspaces have cost over time, over all files that are open: a lane for each, with its pauses and restarts, and
//! the changes of the journals on the same axis.

use shipote_snapshot::diff::{EntityName, FieldChange};
use shipote_snapshot::log::{self, What, log};
use shipote_snapshot::ordered::sort_by_key;
use shipote_snapshot::samples::{Begin, Episode, PERIOD_MS, episodes};
use shipote_snapshot::{Collection, Point, ShipoteSnapshot, WorkspaceEntry};

use crate::chart::{Frame, Point as Drawn, Range, Tenths, curve, usual_step};
use crate::compare::{difference, kind, parted};
use crate::overview::LAST_MOMENT;
use crate::question::{Metric, Question};
use crate::session::{File, Session, State, in_order, points_of};
use crate::tell::{Object, error};
use crate::visible::visible;
use crate::wording::{bytes, percent, span};

/// The space of a lane; a page stretches it to its width.
const LANE: Frame = Frame { width: 1000.0, height: 64.0, margin: 2.0 };

/// Most changes that are marked.
const MOST: usize = 400;

/// A workspace and everything that is known of its past.
struct Lane<'a> {
    entry: &'a WorkspaceEntry,
    points: Vec<Point>,
}

/// Returns all lanes, in the order of their ids, or the one that is wanted. Where files overlap, a moment counts once; the
/// state that was written last has the last word on what is declared.
fn lanes<'a>(session: &'a Session, wanted: Option<&str>) -> Vec<Lane<'a>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for (state, snapshot) in by_time(session) {
        for entry in &snapshot.workspaces {
            if wanted.is_some_and(|wanted| entry.id.to_string() != wanted) {
                continue;
            }
            let at = lanes.partition_point(|lane| lane.entry.id < entry.id);
            if lanes.get(at).is_none_or(|lane| lane.entry.id != entry.id) {
                lanes.insert(at, Lane { entry, points: Vec::new() });
            }
            let lane = &mut lanes[at];
            lane.entry = entry;
            let samples = entry.stats_history.iter();
            lane.points.extend(samples.filter_map(|sample| Point::single(entry.id, *sample)));
            // Samples beside several states are the same ones, and are sorted out below.
            lane.points.extend_from_slice(points_of(&state.points, entry.id));
        }
    }
    for lane in &mut lanes {
        in_order(&mut lane.points);
        lane.points.dedup_by_key(|point| point.at_ms);
    }
    lanes
}

/// Returns all states that could be read, the earliest first.
fn by_time(session: &Session) -> Vec<(&State, &ShipoteSnapshot)> {
    let states = session.states.iter().filter_map(|state| Some((state, state.snapshot.as_ref()?)));
    let mut states: Vec<_> = states.collect();
    sort_by_key(&mut states, |(_, snapshot)| snapshot.timestamp_ms.into());
    states
}

/// Returns the lanes that have any sample with a time, or that of the workspace `question.filter`, between two moments; 0 for all that there is.
pub(crate) fn history(session: &Session, question: &Question) -> String {
    let wanted = Some(question.filter.as_str()).filter(|wanted| !wanted.is_empty());
    let lanes = lanes(session, wanted);
    let drawn: Vec<&Lane<'_>> = lanes.iter().filter(|lane| !lane.points.is_empty()).collect();
    let first = drawn.iter().filter_map(|lane| lane.points.first()).map(Point::from_ms).min().unwrap_or(0);
    let last = drawn.iter().filter_map(|lane| lane.points.last()).map(|point| point.at_ms).max().unwrap_or(0);
    let from = if question.from_ms == 0 { first } else { question.from_ms.max(first) };
    let to = if question.to_ms == 0 { last } else { question.to_ms.min(last) }.max(from + 1);
    let untimed =
        lanes.iter().filter(|lane| lane.points.is_empty() && !lane.entry.stats_history.is_empty()).count();
    let told: Vec<String> = drawn
        .iter()
        .skip(question.from)
        .take(if question.count == 0 { 50 } else { question.count })
        .map(|lane| lane_told(lane, from, to, question.metric))
        .collect();
    let moments = |at: u64| at.min(LAST_MOMENT);
    Object::new()
        .number("first_ms", moments(first))
        .number("last_ms", moments(last))
        .number("from_ms", moments(from))
        .number("to_ms", moments(to))
        .text("span", &span(to - from))
        .number("total", drawn.len() as u64)
        .number("untimed", untimed as u64)
        .list("lanes", &told)
        .list("changes", &changes(session, from, to))
        .end()
}

fn lane_told(lane: &Lane<'_>, from: u64, to: u64, metric: Metric) -> String {
    let value = |point: &Point| match metric {
        Metric::Memory => point.high.rss_bytes.map(|bytes| bytes as f64),
        Metric::Processor => point.high.cpu_percent,
        Metric::Running => Some(f64::from(point.high.commands_alive)),
    };
    let soma = &lane.entry.spec.soma;
    let limit = match metric {
        Metric::Memory => soma.memory_max.map(|size| size.0 as f64),
        Metric::Processor => soma.cpu_max.map(|cpus| f64::from(cpus.milli) / 10.0),
        Metric::Running => None,
    };
    let episodes = joined(&lane.points);
    let mut points: Vec<Drawn> = Vec::with_capacity(lane.points.len() + episodes.len());
    for episode in &episodes {
        points.push((episode.from_ms as f64, None));
        points.extend(
            lane.points[episode.points.clone()].iter().map(|point| (point.at_ms as f64, value(point))),
        );
    }
    let inside = lane.points.iter().filter(|point| (from..=to).contains(&point.at_ms));
    let highest = inside.filter_map(value).fold(0.0, f64::max);
    let near = limit.filter(|limit| *limit <= highest * 4.0);
    let range = Range {
        from: from as f64,
        to: to as f64,
        top: near.map_or(highest, |limit| limit.max(highest)),
        bridge: f64::MAX,
    };
    let drawn = curve(&points, LANE, range);
    let x = |at: u64| Tenths::of(LANE.x(at as f64, range)).to_string();
    let restarts: Vec<String> = episodes
        .iter()
        .filter(|episode| episode.begin == Begin::Restart && (from..=to).contains(&episode.from_ms))
        .map(|episode| x(episode.from_ms))
        .collect();
    let pauses: Vec<String> = episodes
        .windows(2)
        .filter(|pair| {
            pair[1].from_ms > from && pair[0].to_ms < to && pair[1].from_ms > pair[0].to_ms + PERIOD_MS
        })
        .map(|pair| {
            let (begin, end) = (pair[0].to_ms.max(from), pair[1].from_ms.min(to));
            Object::new()
                .json("x", &x(begin))
                .json("end", &x(end))
                .text("text", &span(pair[1].from_ms - pair[0].to_ms))
                .end()
        })
        .collect();
    let text = |value: f64| match metric {
        Metric::Memory => bytes(value as u64),
        Metric::Processor => percent(value),
        Metric::Running => format!("{} running", value as u64),
    };
    Object::new()
        .text("id", &lane.entry.id.to_string())
        .text("label", &visible(&lane.entry.spec.label))
        .text("line", &drawn.line)
        .text("area", &drawn.area)
        .json(
            "limit_y",
            &near.map_or_else(|| "null".to_owned(), |limit| Tenths::of(LANE.y(limit, range)).to_string()),
        )
        .maybe("limit", limit.map(text).as_deref())
        .text("top", &text(highest))
        .number("points", lane.points.len() as u64)
        .list("restarts", &restarts)
        .list("pauses", &pauses)
        .end()
}

/// Returns the episodes of a lane. What was sampled more slowly than a daemon of today does has no pause after each sample.
fn joined(points: &[Point]) -> Vec<Episode> {
    let usual: Vec<Drawn> = points.iter().map(|point| (point.at_ms as f64, None)).collect();
    let bridge = usual_step(&usual) * 3.0;
    let mut joined: Vec<Episode> = Vec::new();
    for episode in episodes(points) {
        match joined.last_mut() {
            Some(last)
                if episode.begin == Begin::Pause
                    && (episode.from_ms.saturating_sub(last.to_ms) as f64) < bridge =>
            {
                last.to_ms = episode.to_ms;
                last.points.end = episode.points.end;
            }
            _ => joined.push(episode),
        }
    }
    joined
}

/// Something that was declared, changed or taken away.
#[derive(Debug)]
pub(crate) struct Event {
    at_ms: u64,
    text: String,
}

/// Returns what happened between two moments.
fn changes(session: &Session, from: u64, to: u64) -> Vec<String> {
    let events = session.events.get_or_init(|| events(session));
    let inside = events.iter().filter(|event| (from..=to).contains(&event.at_ms)).take(MOST);
    inside
        .map(|event| {
            let share = (event.at_ms - from) as f64 / (to - from) as f64;
            Object::new()
                .json("x", &Tenths::of(share * LANE.width).to_string())
                .number("at_ms", event.at_ms.min(LAST_MOMENT))
                .text("text", &event.text)
                .end()
        })
        .collect()
}

/// Returns everything that the journals tell of, and what differs from each state to the next one where no journal tells.
fn events(session: &Session) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    let mut known: Vec<(Collection, String)> = Vec::new();
    let fields = |fields: &[FieldChange]| {
        let names: Vec<String> = fields.iter().take(3).map(|field| field.pointer.clone()).collect();
        format!("changed {}", names.join(", "))
    };
    for state in &session.states {
        let is_journal = |file: &&File| {
            shipote_snapshot::gather::is_journal(&file.bytes)
                && !shipote_snapshot::samples::is_samples(&file.bytes)
        };
        let journals = state.files.iter().map(|at| &session.files[*at]).filter(is_journal);
        let journals: Vec<&[u8]> = journals.map(|file| file.bytes.as_slice()).collect();
        if journals.is_empty() {
            continue;
        }
        // The state that is shown holds the records already, so that changes are told field by field from what stands in them.
        for entry in log(None, &journals) {
            let log::Event::Entity { collection, label, what, id } = entry.event else { continue };
            let verb = match &what {
                What::Created => "created".to_owned(),
                What::Written => "written".to_owned(),
                What::Removed => "removed".to_owned(),
                What::Changed { fields: changed } => fields(changed),
            };
            let name = if label.is_empty() { &id } else { &label };
            told.push(event(entry.at_ms, collection, name, &verb));
            known.push((collection, id));
        }
    }
    for pair in by_time(session).windows(2) {
        let (old, new) = (pair[0], pair[1]);
        let diff = difference(old, new);
        let mut add = |name: &EntityName, verb: &str| {
            let is_known = known.iter().any(|known| (known.0, &known.1) == (name.collection, &name.id));
            if !is_known {
                told.push(event(new.1.timestamp_ms, name.collection, &name.label, verb));
            }
        };
        let (_, gone) = parted(&diff.removed, new.1);
        let (_, come) = parted(&diff.added, old.1);
        gone.into_iter().for_each(|name| add(name, "gone by then"));
        come.into_iter().for_each(|name| add(name, "there by then"));
        diff.changed.iter().for_each(|change| add(&change.entity, &fields(&change.fields)));
    }
    told
}

fn event(at_ms: u64, collection: Collection, name: &str, verb: &str) -> Event {
    Event { at_ms, text: format!("{} {}: {}", kind(collection), visible(name), visible(verb)) }
}

/// Returns the exact values of the sample of the workspace `question.filter` that is nearest to `question.from_ms`.
pub(crate) fn sample(session: &Session, question: &Question) -> String {
    let lanes = lanes(session, Some(&question.filter));
    let at = question.from_ms;
    let nearest =
        lanes.first().and_then(|lane| lane.points.iter().min_by_key(|point| point.at_ms.abs_diff(at)));
    let Some(point) = nearest else { return error("there is no sample") };
    let stats = &point.stats;
    let mut words: Vec<String> = Vec::new();
    words.extend(stats.rss_bytes.map(|amount| format!("{} of memory", bytes(amount))));
    words.extend(stats.rss_peak_bytes.map(|amount| format!("peak {}", bytes(amount))));
    words.extend(stats.cpu_percent.map(|value| format!("{} of a processor", percent(value))));
    words.push(format!("{} of {} commands", stats.commands_alive, stats.commands_total));
    words.push(format!("up for {}", span(stats.uptime_ms)));
    if point.samples > 1 {
        words.push(format!("mean of {} samples", point.samples));
    }
    Object::new().number("at_ms", point.at_ms.min(LAST_MOMENT)).text("text", &words.join(" · ")).end()
}

#[cfg(test)]
mod tests {
    use crate::session::Session;
    use serde_json::Value;

    fn state(samples: &[(u64, u64, u64)]) -> String {
        let samples: Vec<String> = samples
            .iter()
            .map(|(at, rss, uptime)| {
                format!(r#"{{"at_ms":{at},"commands_alive":1,"commands_total":1,"rss_bytes":{rss},"cpu_cores":2,"uptime_ms":{uptime}}}"#)
            })
            .collect();
        format!(
            r#"{{"version":5,"timestamp_ms":1,"workspaces":[{{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{{"label":"a"}},"stats_history":[{}]}}]}}"#,
            samples.join(",")
        )
    }

    fn session(texts: &[String]) -> Session {
        let mut session = Session::default();
        for text in texts {
            session.begin("state.json", text.len());
            session.take(text.as_bytes());
            session.end();
        }
        session.judge();
        session
    }

    #[test]
    fn files_of_one_past_are_one_lane() {
        let early = state(&[(1_000_000, 10, 1_000), (1_001_000, 20, 2_000), (1_002_000, 30, 3_000)]);
        let late = state(&[(1_002_000, 30, 3_000), (1_060_000, 5, 1_000), (1_061_000, 40, 2_000)]);
        let session = session(&[late, early]);
        let told: Value = serde_json::from_str(&session.ask(r#"{"ask":"history"}"#)).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&told).unwrap(), @r#"
        {
          "changes": [],
          "first_ms": 999000,
          "from_ms": 999000,
          "lanes": [
            {
              "area": "M18.1 62L18.1 47L34.1 32L50.2 17L50.2 62ZM981.9 62L981.9 54.5L998 2L998 62Z",
              "id": "01J9Z3NDEKTSV4RRFFQ69G5FAV",
              "label": "a",
              "limit": null,
              "limit_y": null,
              "line": "M18.1 47L34.1 32L50.2 17M981.9 54.5L998 2",
              "pauses": [
                {
                  "end": 965.9,
                  "text": "57 s",
                  "x": 50.2
                }
              ],
              "points": 5,
              "restarts": [
                965.9
              ],
              "top": "40 bytes"
            }
          ],
          "last_ms": 1061000,
          "span": "1 min 2 s",
          "to_ms": 1061000,
          "total": 1,
          "untimed": 0
        }
        "#);
        let told = session.ask(r#"{"ask":"sample","filter":"01J9Z3NDEKTSV4RRFFQ69G5FAV","from_ms":1001400}"#);
        insta::assert_snapshot!(told, @r#"{"at_ms":1001000,"text":"20 bytes of memory · 1 of 1 commands · up for 2 s"}"#);
        let part: Value =
            serde_json::from_str(&session.ask(r#"{"ask":"history","from_ms":1060000,"to_ms":1061000}"#))
                .unwrap();
        assert_eq!(
            (part["lanes"][0]["top"].as_str(), part["from_ms"].as_u64()),
            (Some("40 bytes"), Some(1_060_000))
        );
    }

    #[test]
    fn nothing_to_draw_is_no_trouble() {
        let told: Value = serde_json::from_str(&session(&[state(&[])]).ask(r#"{"ask":"history"}"#)).unwrap();
        assert_eq!(told["total"], 0);
    }
}
