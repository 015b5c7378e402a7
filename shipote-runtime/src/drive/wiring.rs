//! Wiring a run: which stream of which process is joined to what, and the request to ws-init.
//!
//! An edge that nobody looks at is a kernel pipe that only its processes hold. An edge that is tapped, recognised,
//! or one of several from the same output goes through the relay.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use shipote_card::{CommandRef, DiscernPolicy, PipelineSpec, TapMode, WorkspaceId, WorkspaceSpec};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::environment::{self, Missing};
use super::message::Internal;
use super::output::{self, Sink};
use super::session::Frame;
use super::unit::{Kind, LiveEdge, Process, Run, Unit, edge_tap};
use crate::decide::verdict::PIPELINE_PORTS;
use crate::host::init::protocol::{FD_LIMIT, ProcessSpec, SpawnGroup, StepFailure, ToInit, Wire};
use crate::host::launch::{Body, nonblocking};
use crate::host::logs::{LogStream, Logs};
use crate::host::relay::{EdgeMeter, Relay, RelayEdge, RelayEvent};
use crate::host::{clock, sys};

/// What a launch needs to know of the workspace around it.
pub(super) struct Launch<'a> {
    pub(super) workspace: &'a WorkspaceSpec,
    pub(super) workspace_id: WorkspaceId,
    pub(super) logs: &'a Logs,
    pub(super) internal: &'a mpsc::UnboundedSender<Internal>,
    pub(super) body: &'a Body,
    pub(super) group: u64,
    pub(super) generation: u64,
}

/// Why a run could not even be asked for.
pub(super) enum LaunchError {
    NeedsEnv(Vec<String>),
    Step(StepFailure),
}

impl From<Missing> for LaunchError {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Variables(names) => Self::NeedsEnv(names),
            Missing::Step(failure) => Self::Step(failure),
        }
    }
}

fn step(name: &'static str) -> impl Fn(io::Error) -> LaunchError {
    move |error| LaunchError::Step(StepFailure::new(name, "", &error))
}

/// The descriptors that go with a request, and the wires that count them.
#[derive(Default)]
struct Board {
    stdio: Vec<[Wire; 3]>,
    fds: Vec<OwnedFd>,
    pipes: u16,
    edges: Vec<LiveEdge>,
    relay_edges: Vec<RelayEdge>,
    carriers: Vec<JoinHandle<()>>,
}

impl Board {
    fn pass(&mut self, fd: OwnedFd) -> Wire {
        self.fds.push(fd);
        Wire::Fd((self.fds.len() - 1) as u16)
    }
}

/// Asks ws-init for a run of `unit`.
pub(super) async fn launch(unit: &mut Unit, launch: &Launch<'_>) -> Result<Run, LaunchError> {
    let mut processes = Vec::new();
    for command in unit.commands() {
        let found = environment::surroundings(launch.workspace, command, &unit.caller)?;
        let soma = &launch.workspace.soma;
        processes.push(ProcessSpec {
            argv: found.argv,
            env: found.env,
            cwd: found.cwd,
            stdio: [Wire::Null; 3],
            uid: command.soma.uid.or(soma.uid),
            gid: command.soma.gid.or(soma.gid),
        });
    }
    let mut board = Board { stdio: vec![[Wire::Null; 3]; processes.len()], ..Board::default() };
    if let Kind::Pipeline { spec, tap, .. } = &unit.kind {
        wire_edges(&mut board, spec, *tap).map_err(step("pipe"))?;
    }
    if let Some(bytes) = unit.stdin.take() {
        let wire = output::feed(bytes).map(|fd| board.pass(fd)).map_err(step("stdin"))?;
        board.stdio[0][0] = wire;
    }
    wire_outputs(&mut board, unit, launch).map_err(step("output"))?;
    for (process, stdio) in processes.iter_mut().zip(&board.stdio) {
        process.stdio = *stdio;
    }
    let relay = start_relay(&mut board, unit, launch).map_err(step("relay"))?;

    let leaf = launch.body.cgroup.as_ref().map(|cgroup| cgroup.leaf(&unit.id)).transpose();
    let leaf = leaf.map_err(step("cgroup"))?;
    let leaf_fd = leaf.as_ref().map(crate::host::cgroup::Leaf::open).transpose().map_err(step("cgroup"))?;
    let mut raw: Vec<RawFd> = leaf_fd.iter().map(AsRawFd::as_raw_fd).collect();
    raw.extend(board.fds.iter().map(AsRawFd::as_raw_fd));
    if raw.len() > FD_LIMIT {
        return Err(step("descriptors")(io::Error::from_raw_os_error(libc::E2BIG)));
    }
    let count = processes.len();
    let request = SpawnGroup {
        group: launch.group,
        leaf: leaf_fd.is_some(),
        nested: launch.body.nest_groups,
        pipes: board.pipes,
        processes,
    };
    launch.body.link.send(&ToInit::Spawn(request), &raw).await.map_err(step("ws_init"))?;
    // From here on only the children hold what was passed.
    Ok(Run {
        generation: launch.generation,
        group: launch.group,
        leaf,
        nest: None,
        processes: std::iter::repeat_with(Process::default).take(count).collect(),
        edges: board.edges,
        relay,
        carriers: board.carriers,
        started_at_ms: clock::wall_ms(),
        ended_count: 0,
        spawned: false,
        closing: false,
        cancelled: false,
        failure: None,
    })
}

/// Returns which edges go through the relay.
fn relayed_edges(spec: &PipelineSpec, tap: bool) -> Vec<bool> {
    let ends: Vec<_> = spec.edges.iter().map(|edge| (edge.source(), edge.target())).collect();
    let mut relayed: Vec<bool> = spec
        .edges
        .iter()
        .zip(&ends)
        .map(|(edge, (source, _))| {
            let looked_at =
                edge_tap(spec, edge, tap) != TapMode::Off || spec.discern_of(edge) != DiscernPolicy::Off;
            looked_at || ends.iter().filter(|(other, _)| other == source).count() > 1
        })
        .collect();
    // A pipe that several producers share can't be half the relay's: O_NONBLOCK would reach the processes too.
    let mut settled = false;
    while !settled {
        settled = true;
        for index in 0..relayed.len() {
            let joins_relayed =
                (0..relayed.len()).any(|other| relayed[other] && ends[other].1 == ends[index].1);
            if !relayed[index] && joins_relayed {
                relayed[index] = true;
                settled = false;
            }
        }
    }
    relayed
}

fn wire_edges(board: &mut Board, spec: &PipelineSpec, tap: bool) -> io::Result<()> {
    let relayed = relayed_edges(spec, tap);
    let port = |name: &str| PIPELINE_PORTS.iter().position(|port| *port == name).unwrap_or(0);
    let position =
        |node: &str| spec.node_index(node).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL));
    // One pipe per consuming end, and one relay line per producing end that is relayed.
    let mut consumer_pipes: BTreeMap<usize, u16> = BTreeMap::new();
    let mut consumer_fds: BTreeMap<usize, OwnedFd> = BTreeMap::new();
    let mut lines: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (edge, relayed) in spec.edges.iter().zip(relayed) {
        let (source, target) = (edge.source(), edge.target());
        let (producer, consumer) = (position(&source.node)?, position(&target.node)?);
        let source_port = port(&source.port);
        if !relayed {
            let pipe = *consumer_pipes.entry(consumer).or_insert_with(|| {
                board.pipes += 1;
                board.pipes - 1
            });
            board.stdio[producer][source_port] = Wire::Pipe(pipe);
            board.stdio[consumer][0] = Wire::Pipe(pipe);
            board.edges.push(LiveEdge { producer, meter: None, relay_index: None, discerned: None });
            continue;
        }
        let output = if let Some(shared) = consumer_fds.get(&consumer) {
            shared.try_clone()?
        } else {
            let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
            enlarge(&write_end);
            nonblocking(&write_end)?;
            board.stdio[consumer][0] = board.pass(read_end);
            consumer_fds.insert(consumer, write_end.try_clone()?);
            write_end
        };
        let meter = Arc::new(EdgeMeter::default());
        let line = match lines.get(&(producer, source_port)) {
            Some(line) => *line,
            None => {
                let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
                enlarge(&write_end);
                nonblocking(&read_end)?;
                board.stdio[producer][source_port] = board.pass(write_end);
                board.relay_edges.push(RelayEdge { input: read_end, outputs: Vec::new(), recognise: false });
                lines.insert((producer, source_port), board.relay_edges.len() - 1);
                board.relay_edges.len() - 1
            }
        };
        let relay_edge = &mut board.relay_edges[line];
        relay_edge.outputs.push((output, Arc::clone(&meter)));
        relay_edge.recognise |= spec.discern_of(edge) != DiscernPolicy::Off;
        board.edges.push(LiveEdge { producer, meter: Some(meter), relay_index: Some(line), discerned: None });
    }
    Ok(())
}

/// Gives a relayed pipe more room, where the user's budget of pipe pages allows it (pipe(7)).
fn enlarge(pipe: &OwnedFd) {
    // The default size works too.
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(1 << 20));
}

/// Joins what no edge reads to the client or to the log.
fn wire_outputs(board: &mut Board, unit: &Unit, launch: &Launch<'_>) -> io::Result<()> {
    let workspace = launch.workspace_id.to_string();
    for process in 0..board.stdio.len() {
        for (port, stream) in [(1, LogStream::Stdout), (2, LogStream::Stderr)] {
            if board.stdio[process][port] != Wire::Null {
                continue;
            }
            let label = unit.process_label(process);
            let sink = match &unit.attachment {
                Some(attachment) => {
                    let channel = attachment.channels.fetch_add(1, Ordering::Relaxed);
                    let announcement = Frame::Channel {
                        channel,
                        label,
                        stream: if port == 1 { "stdout" } else { "stderr" },
                        result: port == 1 && !unit.is_service(),
                    };
                    let frames = attachment.frames.clone();
                    Sink::Session { frames, channel, announcement: Some(announcement) }
                }
                None => Sink::Log(launch.logs.writer(&workspace, &label)),
            };
            let (fd, carrier) = output::capture(stream, sink)?;
            board.carriers.push(carrier);
            board.stdio[process][port] = board.pass(fd);
        }
    }
    Ok(())
}

fn start_relay(board: &mut Board, unit: &Unit, launch: &Launch<'_>) -> io::Result<Option<Arc<Relay>>> {
    if board.relay_edges.is_empty() {
        return Ok(None);
    }
    let (internal, generation, id) = (launch.internal.clone(), launch.generation, unit.id.clone());
    let report = move |event| {
        if let RelayEvent::Window { edge, bytes, complete } = event {
            // An actor that is gone needs no window.
            let _ = internal.send(Internal::Window {
                unit: id.clone(),
                generation,
                relay_edge: edge,
                bytes,
                complete,
            });
        }
    };
    Relay::start(std::mem::take(&mut board.relay_edges), report).map(Arc::new).map(Some)
}

/// Ends every process of a run at once.
pub(super) fn kill_run(run: &Run) {
    if let Some(nest) = &run.nest {
        // Gone already is as good.
        let _ = sys::pidfd_send_signal(nest.get_ref().as_fd(), libc::SIGKILL);
    }
    if let Some(leaf) = &run.leaf
        && let Err(error) = leaf.kill()
    {
        tracing::error!(%error, "a leaf could not be killed");
    }
    for pidfd in run.processes.iter().filter_map(|process| process.pidfd.as_ref()) {
        let _ = sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
    }
}

/// Longest wait for the last bytes of a run that nobody is bound to read.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Waits until the relay has let go of every edge, so that the counts are final.
pub(super) async fn await_meters(meters: &[Arc<EdgeMeter>]) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline && !meters.iter().all(|meter| meter.has_ended()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until everything that was written has been carried: to a client for as long as there is one.
///
/// A run that was stopped waits for nobody longer than [`LAST_BYTES`]: a client that does not read must not hold up
/// whoever stops it.
pub(super) async fn await_carriers(
    mut carriers: Vec<JoinHandle<()>>,
    client: Option<mpsc::Sender<Frame>>,
    stopped: bool,
) {
    let all = async {
        for carrier in &mut carriers {
            // A carrier that panicked has nothing left to carry.
            let _ = carrier.await;
        }
    };
    let give_up = async {
        match client {
            Some(frames) if !stopped => frames.closed().await,
            // Without a client, whoever still holds the pipe escaped its containment; its log is not waited for.
            _ => tokio::time::sleep(LAST_BYTES).await,
        }
    };
    tokio::select! {
        () = all => return,
        () = give_up => {}
    }
    for carrier in carriers {
        carrier.abort();
    }
}

/// Returns the number of the signal that asks a command to stop.
pub(super) fn stop_signal(command: &CommandRef) -> i32 {
    let name = command.stop_signal.as_deref().unwrap_or("TERM");
    let name = if name.starts_with("SIG") { name.to_owned() } else { format!("SIG{name}") };
    name.parse::<nix::sys::signal::Signal>().map_or(libc::SIGTERM, |signal| signal as i32)
}

impl Unit {
    /// Tells whether its output is a stream of messages rather than a result: a command that is started again.
    fn is_service(&self) -> bool {
        matches!(&self.kind, Kind::Command { spec, .. } if spec.restart().is_some())
    }

    /// Records a run that failed before ws-init was asked.
    pub(super) fn fail_before_launch(&mut self, generation: u64, failure: StepFailure) {
        let count = self.commands().len();
        self.run = Some(Run {
            generation,
            group: 0,
            leaf: None,
            nest: None,
            processes: std::iter::repeat_with(Process::default).take(count).collect(),
            edges: Vec::new(),
            relay: None,
            carriers: Vec::new(),
            started_at_ms: clock::wall_ms(),
            ended_count: count,
            spawned: true,
            closing: true,
            cancelled: false,
            failure: Some((0, failure)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipote_card::Edge;

    fn pipeline(edges: Vec<Edge>) -> PipelineSpec {
        let node = |label: &str| CommandRef::from_argv(label, &[label.to_owned()]).unwrap();
        PipelineSpec {
            label: "p".into(),
            workspace: String::new(),
            nodes: ["a", "b", "c", "d"].map(node).into(),
            edges,
            discern: DiscernPolicy::Off,
            tap: TapMode::Off,
            restart_on_failure: false,
            restart_backoff_ms: 0,
            restart_max_backoff_ms: 0,
            restart_max: 0,
        }
    }

    #[test]
    fn only_edges_that_somebody_looks_at_are_relayed() {
        let chain = vec![Edge::between("a", "b"), Edge::between("b", "c"), Edge::between("c", "d")];
        assert_eq!(relayed_edges(&pipeline(chain.clone()), false), [false; 3]);
        assert_eq!(relayed_edges(&pipeline(chain), true), [true; 3]);
    }

    #[test]
    fn a_fan_out_is_relayed_and_so_is_what_joins_it() {
        let edges = vec![Edge::between("a", "b"), Edge::between("a", "c"), Edge::between("d", "c")];
        assert_eq!(relayed_edges(&pipeline(edges), false), [true, true, true]);
    }
}
