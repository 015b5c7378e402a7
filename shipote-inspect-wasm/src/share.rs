//! What is made to be given away: a table for a spreadsheet, and a state without its secrets.

use shipote_card::{CommandRef, Payload, ReadyProbe, RootFs, Soma};
use shipote_snapshot::{ShipoteSnapshot, export, render};

use crate::question::Question;
use crate::session::State;
use crate::tell::{self, Object};
use crate::upgrade::is_whole;
use crate::visible::visible;
use crate::wording;
use crate::workspaces::samples_of;

/// Returns the table of workspaces as comma-separated values.
pub(crate) fn csv(state: &State) -> String {
    let head = [
        "label",
        "id",
        "created_ms",
        "ttl_ms",
        "expires_at_ms",
        "memory_bytes",
        "memory_peak_bytes",
        "memory_max",
        "cpu_percent",
        "commands_alive",
        "commands_total",
        "permissions",
    ];
    let mut text = row(&head.map(str::to_owned));
    for entry in state.snapshot.iter().flat_map(|snapshot| &snapshot.workspaces) {
        let samples = samples_of(entry, &state.points);
        let last = samples.last();
        let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        text.push_str(&row(&[
            entry.spec.label.clone(),
            entry.id.to_string(),
            entry.id.timestamp_ms().to_string(),
            number(entry.spec.ttl.map(|ttl| ttl.as_millis())),
            number(entry.expires_at_ms),
            number(last.and_then(|sample| sample.rss_bytes)),
            number(last.and_then(|sample| sample.rss_peak_bytes)),
            number(entry.spec.soma.memory_max.map(|size| size.0)),
            // A double as JSON writes it.
            last.and_then(|sample| sample.cpu_percent)
                .and_then(|value| serde_json::to_string(&value).ok())
                .unwrap_or_default(),
            number(last.map(|sample| u64::from(sample.commands_alive))),
            number(last.map(|sample| u64::from(sample.commands_total))),
            wording::permissions(&entry.spec.permissions),
        ]));
    }
    text
}

/// Returns a line of cells. One that a spreadsheet would take for a formula begins with an apostrophe.
fn row(cells: &[String]) -> String {
    let cell = |text: &String| {
        let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = if risky { format!("'{text}") } else { text.clone() };
        match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        }
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n"
}

/// Returns the state with environment values, arguments, scripts, paths and names of hosts replaced: equal texts by equal
/// tokens, so that what belongs together can still be seen. Labels and ids stay. What is held back is left out.
pub(crate) fn redacted(state: &State) -> Option<String> {
    let mut snapshot: ShipoteSnapshot = state.snapshot.clone()?;
    let mut tokens = Tokens::default();
    snapshot.held.clear();
    for entry in &mut snapshot.workspaces {
        let spec = &mut entry.spec;
        tokens.soma(&mut spec.soma);
        for dir in &mut spec.flow_dirs {
            tokens.path(&mut dir.path);
        }
        if let Some(files) = &mut spec.permissions.files {
            files
                .read
                .iter_mut()
                .chain(&mut files.write)
                .chain(&mut files.execute)
                .for_each(|path| tokens.path(path));
        }
    }
    let saved = snapshot.saved_pipelines.iter_mut().map(|entry| &mut entry.spec);
    let live = snapshot.live_pipelines.iter_mut().map(|entry| &mut entry.spec);
    let nodes = saved.chain(live).flat_map(|spec| &mut spec.nodes);
    let commands = snapshot.commands.iter_mut().map(|entry| &mut entry.spec);
    nodes.chain(commands).for_each(|command| tokens.command(command));
    Some(render(&snapshot))
}

/// Returns the state as version `question.count` wrote it, and what that can't say; none where not all of it is understood.
pub(crate) fn exported(state: &State, question: &Question) -> Option<String> {
    let snapshot = state.snapshot.as_ref().filter(|_| is_whole(state))?;
    let export = export(snapshot, u16::try_from(question.count).ok()?)?;
    let unsaid: Vec<String> =
        export.unsaid.iter().take(20).map(|unsaid| tell::text(&visible(&unsaid.message))).collect();
    let more = export.unsaid.len() - unsaid.len();
    Some(Object::new().text("text", &export.text).list("unsaid", &unsaid).number("more", more as u64).end())
}

/// Texts that were replaced; their positions name their tokens.
#[derive(Default)]
struct Tokens(Vec<String>);

impl Tokens {
    fn token(&mut self, text: &mut String, kind: &str) {
        let at = self.0.iter().position(|known| known == text).unwrap_or_else(|| {
            self.0.push(text.clone());
            self.0.len() - 1
        });
        *text = format!("{kind}{}", at + 1);
    }

    fn path(&mut self, path: &mut String) {
        self.token(path, "/path-");
    }

    fn soma(&mut self, soma: &mut Soma) {
        soma.env.values_mut().for_each(|value| self.token(value, "value-"));
        soma.env_file.iter_mut().for_each(|path| self.path(path));
        soma.devices.iter_mut().for_each(|path| self.path(path));
        soma.cwd.iter_mut().for_each(|path| self.path(path));
        soma.hostname.iter_mut().for_each(|name| self.token(name, "host-"));
        for mount in &mut soma.mounts {
            if mount.source != "tmpfs" {
                self.path(&mut mount.source);
            }
            self.path(&mut mount.target);
        }
        if let RootFs::Directory(path) = &mut soma.root {
            self.path(path);
        }
    }

    fn command(&mut self, command: &mut CommandRef) {
        self.soma(&mut command.soma);
        match &mut command.payload {
            Payload::Native { exec, argv, envp } => {
                self.token(exec, "program-");
                argv.iter_mut().for_each(|word| self.token(word, "word-"));
                for pair in envp {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let (name, mut value) = (name.to_owned(), value.to_owned());
                    self.token(&mut value, "value-");
                    *pair = format!("{name}={value}");
                }
            }
            Payload::Shell { script } => self.token(script, "script-"),
        }
        match command.ready.as_mut().map(|ready| &mut ready.probe) {
            Some(ReadyProbe::Tcp(text) | ReadyProbe::Http(text) | ReadyProbe::Log(text)) => {
                self.token(text, "word-");
            }
            Some(ReadyProbe::Exec(argv)) => argv.iter_mut().for_each(|word| self.token(word, "word-")),
            Some(ReadyProbe::Notify(_)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::open;

    #[test]
    fn nothing_that_may_be_secret_is_left() {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/v5-full.json"));
        let text = session.ask(r#"{"ask":"redacted","state":0}"#);
        for secret in ["/srv", "/usr", "C.UTF-8", "/bin/echo", "wc -l", "\"box\",\"root", "localhost"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert!(text.contains("\"LANG\":\"value-"), "{text}");
        let report = shipote_snapshot::verify(text.as_bytes(), "redacted.json");
        assert_eq!((report.verdict, report.problems.len()), (shipote_snapshot::Verdict::Valid, 0));
    }

    #[test]
    fn a_spreadsheet_is_given_no_formula() {
        assert_eq!(
            row(&["=1+1".into(), "a,\"b\"".into(), "-x".into(), String::new()]),
            "'=1+1,\"a,\"\"b\"\"\",'-x,\r\n"
        );
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/v5-full.json"));
        insta::assert_snapshot!(session.ask(r#"{"ask":"csv","state":0}"#), @r#"
        label,id,created_ms,ttl_ms,expires_at_ms,memory_bytes,memory_peak_bytes,memory_max,cpu_percent,commands_alive,commands_total,permissions
        access-log,01J9Z3NDEKTSV4RRFFQ69G5FAV,1728694629843,7200000,1760007200000,3145728,,536870912,1.5,1,2,"TCP to 443, on 8080 · read 1 path, write 1 path, execute 1 path · system calls: default · 1 capability · no taps"
        b,01J9Z3NDEKTSV4RRFFQ69G5FAW,1728694629843,,,,,,,,,network of the host
        "#);
    }
}
