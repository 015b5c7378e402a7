//! The actor of one live workspace: owns its ws-init and every unit that runs in it.
//!
//! It takes one message at a time and never waits inside one for something slow: what takes long comes back as a
//! message of its own.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use shipote_snapshot::Desired;
use tokio::sync::{mpsc, oneshot, watch};

use super::environment;
use super::message::{Action, Ask, Begin, Internal, Origin, Report, StartFailure, WorkspaceHandle};
use super::unit::{Kind, Unit};
use super::wiring::{self, Launch, LaunchError};
use crate::decide::discern::{Discerned, discern};
use crate::decide::stats::Meter;
use crate::decide::supervisor::{Effect, Input, Outcome};
use crate::host::counters::{self, CounterSource};
use crate::host::init::protocol::FromInit;
use crate::host::launch::{Body, ended};
use crate::host::relay::{Observer, Relay};
use crate::host::{clock, sys};
use crate::view::{
    Effective, Exit, UnitPhase, WorkspaceDetail, WorkspacePhase, WorkspaceStats, WorkspaceView,
};

/// Time between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Ended commands of `exec` that are still shown.
const ENDED_EXECS_SHOWN: usize = 16;

/// When a waiting request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Started,
    Stopped,
}

struct Waiter {
    unit: String,
    until: Until,
    reply: oneshot::Sender<Result<(), StartFailure>>,
}

struct Actor {
    origin: Origin,
    asks: mpsc::Receiver<Ask>,
    changed: watch::Sender<u64>,
    stillborn: watch::Sender<Option<StartFailure>>,
    internal: mpsc::UnboundedSender<Internal>,
    units: BTreeMap<String, Unit>,
    waiters: Vec<Waiter>,
    /// Whether something has changed since the last look of those who follow.
    dirty: bool,
    next_group: u64,
    effective: Vec<Effective>,
    started_at_ms: Option<u64>,
    started_boot_ms: u64,
    phase: WorkspacePhase,
    meter: Meter,
    stats: Option<WorkspaceStats>,
}

/// Starts the actor of a workspace.
pub(super) fn start(origin: Origin) -> WorkspaceHandle {
    let (asks_sender, asks) = mpsc::channel(64);
    let (changed, changed_receiver) = watch::channel(0);
    let (last_sender, last) = watch::channel(None);
    let (stillborn_sender, stillborn) = watch::channel(None);
    tokio::spawn(async move {
        let (internal, inbox) = mpsc::unbounded_channel();
        let mut actor = Actor {
            origin,
            asks,
            changed,
            stillborn: stillborn_sender,
            internal,
            units: BTreeMap::new(),
            waiters: Vec::new(),
            dirty: true,
            next_group: 1,
            effective: Vec::new(),
            started_at_ms: None,
            started_boot_ms: 0,
            phase: WorkspacePhase::Starting,
            meter: Meter::default(),
            stats: None,
        };
        let unexpected = actor.live(inbox).await;
        let detail = Box::new(actor.detail());
        let workspace = actor.origin.id;
        // The manager is gone only when the whole daemon is.
        let _ = actor.origin.reports.send(Report::Ended { workspace, detail: detail.clone(), unexpected });
        last_sender.send_replace(Some(detail));
    });
    WorkspaceHandle { asks: asks_sender, changed: changed_receiver, last, stillborn }
}

impl Actor {
    /// Lives until the workspace is ended. Returns whether its ws-init ended by itself.
    async fn live(&mut self, mut inbox: mpsc::UnboundedReceiver<Internal>) -> bool {
        let mut body = match self.incarnate().await {
            Ok(body) => body,
            Err(failure) => {
                self.refuse_everything(&failure).await;
                return false;
            }
        };
        self.effective = std::mem::take(&mut body.effective);
        self.started_at_ms = Some(clock::wall_ms());
        self.started_boot_ms = clock::now_ms();
        self.phase = WorkspacePhase::Running;
        self.event("workspace.started", "", serde_json::Value::Null);
        let mut sampling = tokio::time::interval(SAMPLE_EVERY);
        sampling.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut unexpected = false;
        loop {
            self.answer_waiters();
            if std::mem::take(&mut self.dirty) {
                self.changed.send_modify(|count| *count += 1);
            }
            if self.phase == WorkspacePhase::Stopping && self.units.values().all(|unit| unit.run.is_none()) {
                break;
            }
            let due = self.next_due();
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.handle(ask, &body).await,
                    // Nobody holds a handle: the daemon ends.
                    None => self.begin_end(true, &body).await,
                },
                message = body.link.receive() => match message {
                    Ok(Some((message, fds))) => self.on_init(message, fds, &body).await,
                    Ok(None) | Err(_) => {
                        unexpected = true;
                        self.init_is_gone();
                        break;
                    }
                },
                Some(message) = inbox.recv() => self.on_internal(message, &body).await,
                () = sleep_until(due) => self.on_time(&body).await,
                _ = sampling.tick() => {
                    self.sample(&body);
                    if body.kill_stopped_init() {
                        tracing::error!(workspace = %self.origin.id, "ws-init was stopped by a signal, and is killed");
                    }
                }
            }
        }
        self.sample(&body);
        self.phase = WorkspacePhase::Declared;
        body.end().await;
        self.event("workspace.ended", "", serde_json::json!({ "unexpected": unexpected }));
        self.answer_waiters();
        unexpected
    }

    async fn incarnate(&mut self) -> Result<Body, StartFailure> {
        let read_only = environment::prepare_flow_dirs(&self.origin.spec)
            .map_err(|failure| StartFailure::Launch(failure.into()))?;
        let incarnator = Arc::clone(&self.origin.incarnator);
        Ok(incarnator.incarnate(self.origin.id, &self.origin.spec.soma, read_only).await?)
    }

    /// Answers what was asked of a workspace that could not be made.
    async fn refuse_everything(&mut self, failure: &StartFailure) {
        self.phase = WorkspacePhase::Declared;
        self.stillborn.send_replace(Some(failure.clone()));
        self.asks.close();
        while let Some(ask) = self.asks.recv().await {
            match ask {
                // Whoever asked may be gone; there is nothing to undo.
                Ask::Start { mut unit, reply, .. } => {
                    unit.supervisor.settle(UnitPhase::Failed);
                    self.units.insert(unit.id.clone(), *unit);
                    let _ = reply.send(Err(failure.clone()));
                }
                Ask::Act { reply, .. } => drop(reply.send(Err(failure.clone()))),
                Ask::View { reply } => drop(reply.send(self.detail())),
                Ask::Observe { .. } | Ask::End { .. } => {}
            }
        }
    }

    async fn handle(&mut self, ask: Ask, body: &Body) {
        self.dirty |= !matches!(ask, Ask::View { .. } | Ask::Observe { .. });
        match ask {
            Ask::Start { reply, .. } if self.phase != WorkspacePhase::Running => {
                // A client that went away needs no refusal.
                let _ = reply.send(Err(StartFailure::Ending));
            }
            Ask::Start { unit, begin, reply } => {
                let id = self.adopt(*unit);
                self.waiters.push(Waiter { unit: id.clone(), until: Until::Started, reply });
                let input = match begin {
                    Begin::Start => Input::Start,
                    Begin::Restart => Input::Restart,
                    Begin::Resume(delay_ms) => Input::Resume { at_ms: clock::now_ms() + delay_ms },
                };
                self.step(&id, input, body).await;
            }
            Ask::Act { unit, action, reply } => self.act(unit, action, reply, body).await,
            // As above: an answer that nobody waits for is not missed.
            Ask::View { reply } => {
                for unit in self.units.values_mut() {
                    unit.remember_counters();
                }
                drop(reply.send(self.detail()));
            }
            Ask::Observe { unit, edge, reply } => drop(reply.send(self.observe(&unit, edge))),
            Ask::End { kill } => self.begin_end(kill, body).await,
        }
    }

    /// Takes a unit in. One that runs goes on, and its next run is by what was declared now.
    fn adopt(&mut self, mut unit: Unit) -> String {
        let id = unit.id.clone();
        // A pipeline that is run again is a new unit, and takes the place of the run that has ended.
        self.units.retain(|_, old| old.id == id || old.run.is_some() || !old.is_replaced_by(&unit));
        match self.units.get_mut(&id) {
            Some(old) if old.run.is_some() => {
                let (policy, grace_ms) = unit.supervisor.terms();
                old.supervisor.adjust(policy, grace_ms);
                (old.kind, old.caller, old.desired) = (unit.kind, unit.caller, unit.desired);
                if unit.attachment.is_some() {
                    (old.attachment, old.stdin) = (unit.attachment, unit.stdin);
                }
            }
            Some(old) => {
                unit.last = old.last.take();
                unit.supervisor.succeed(&old.supervisor);
                *old = unit;
            }
            None => drop(self.units.insert(id.clone(), unit)),
        }
        id
    }

    async fn act(
        &mut self,
        id: String,
        action: Action,
        reply: oneshot::Sender<Result<(), StartFailure>>,
        body: &Body,
    ) {
        let Some(unit) = self.units.get_mut(&id) else {
            let _ = reply.send(Err(StartFailure::Ending));
            return;
        };
        let (input, until) = match action {
            Action::Signal { signal, node } => {
                signal_processes(unit, signal, node.as_deref());
                let _ = reply.send(Ok(()));
                return;
            }
            Action::Stop { kill } => {
                unit.desired = Desired::Stopped;
                (Input::Stop { kill }, Until::Stopped)
            }
        };
        self.waiters.push(Waiter { unit: id.clone(), until, reply });
        self.step(&id, input, body).await;
    }

    async fn begin_end(&mut self, kill: bool, body: &Body) {
        self.phase = WorkspacePhase::Stopping;
        let ids: Vec<String> = self.units.keys().cloned().collect();
        for id in ids {
            self.step(&id, Input::Stop { kill }, body).await;
        }
    }

    /// Gives `input` to a unit's supervisor and carries out what it says.
    async fn step(&mut self, id: &str, input: Input, body: &Body) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(unit) = self.units.get_mut(id) else { return };
            let before = (unit.supervisor.restarts(), unit.supervisor.phase());
            let effects = unit.supervisor.step(input, clock::now_ms(), clock::random_u64());
            for effect in effects {
                match effect {
                    Effect::Spawn { generation } => {
                        if let Err(outcome) = self.spawn(id, generation, body).await {
                            inputs.push(Input::Ended { generation, outcome });
                        }
                    }
                    Effect::Ask { .. } => self.ask_to_end(id),
                    Effect::Kill { .. } => self.kill(id),
                    Effect::Settled => self.settled(id),
                }
            }
            let Some(unit) = self.units.get(id) else { return };
            if before != (unit.supervisor.restarts(), unit.supervisor.phase()) {
                self.unit_changed(id);
            }
        }
    }

    /// Tells the manager and the event stream where a unit is now.
    fn unit_changed(&self, id: &str) {
        let Some(unit) = self.units.get(id) else { return };
        let phase = unit.supervisor.phase();
        let kind = match unit.kind {
            Kind::Command { .. } => "command.phase",
            Kind::Pipeline { .. } => "pipeline.phase",
        };
        let exit = unit.last.as_ref().and_then(|last| last.nodes.iter().find_map(|node| node.exit));
        let data = serde_json::json!({
            "phase": phase,
            "restarts": unit.supervisor.restarts(),
            "exit": exit.filter(|_| phase.is_settled() || phase == UnitPhase::Backoff),
        });
        self.event(kind, &unit.label, data);
        if unit.is_declared() && (phase.is_settled() || phase == UnitPhase::Backoff) {
            let counters = unit.counters(clock::now_ms());
            // What waits for a caller's variables is still wanted.
            let settled = phase.is_settled() && phase != UnitPhase::NeedsEnv;
            let (workspace, id) = (self.origin.id, id.to_owned());
            // Only a daemon that ends has no manager.
            let _ = self.origin.reports.send(Report::Unit { workspace, id, counters, settled });
        }
    }

    fn settled(&mut self, id: &str) {
        let Some(unit) = self.units.get_mut(id) else { return };
        unit.attachment = None;
        unit.stdin = None;
        let mut ended_execs: Vec<(u64, String)> = self
            .units
            .values()
            .filter(|unit| !unit.is_declared() && unit.run.is_none() && unit.supervisor.phase().is_settled())
            .map(|unit| (unit.last.as_ref().map_or(0, |last| last.ended_at_ms), unit.id.clone()))
            .collect();
        // The longest ended go first; whoever follows the newest has yet to see how it ended.
        ended_execs.sort();
        let surplus = ended_execs.len().saturating_sub(ENDED_EXECS_SHOWN);
        for (_, old) in ended_execs.into_iter().take(surplus).filter(|(_, old)| old != id) {
            self.units.remove(&old);
        }
    }

    async fn spawn(&mut self, id: &str, generation: u64, body: &Body) -> Result<(), Outcome> {
        let group = self.next_group;
        self.next_group += 1;
        let Some(unit) = self.units.get_mut(id) else { return Err(Outcome::Permanent) };
        let launch = Launch {
            workspace: &self.origin.spec,
            workspace_id: self.origin.id,
            logs: &self.origin.logs,
            internal: &self.internal,
            body,
            group,
            generation,
        };
        match wiring::launch(unit, &launch).await {
            Ok(run) => {
                unit.run = Some(run);
                Ok(())
            }
            Err(LaunchError::NeedsEnv(names)) => {
                self.fail_waiters(id, &StartFailure::NeedsEnv(names));
                if let Some(unit) = self.units.get_mut(id) {
                    // Ended first, since only a unit that is not starting can be settled elsewhere.
                    let ended = Input::Ended { generation, outcome: Outcome::Permanent };
                    let _ = unit.supervisor.step(ended, clock::now_ms(), 0);
                    unit.supervisor.settle(UnitPhase::NeedsEnv);
                }
                self.settled(id);
                Ok(())
            }
            Err(LaunchError::Step(failure)) => {
                self.fail_waiters(id, &StartFailure::Launch(failure.clone().into()));
                if let Some(unit) = self.units.get_mut(id) {
                    unit.fail_before_launch(generation, failure);
                    if let Some((_, outcome)) = unit.conclude() {
                        return Err(outcome);
                    }
                }
                Err(Outcome::Permanent)
            }
        }
    }

    fn fail_waiters(&mut self, id: &str, failure: &StartFailure) {
        let (failed, kept) =
            std::mem::take(&mut self.waiters).into_iter().partition(|waiter| waiter.unit == id);
        self.waiters = kept;
        let failed: Vec<Waiter> = failed;
        for waiter in failed {
            // A client that went away needs no answer.
            let _ = waiter.reply.send(Err(failure.clone()));
        }
    }

    fn answer_waiters(&mut self) {
        let ending = matches!(self.phase, WorkspacePhase::Stopping | WorkspacePhase::Declared);
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            let Some(unit) = self.units.get(&waiter.unit) else { continue };
            let phase = unit.supervisor.phase();
            let reached = match waiter.until {
                Until::Started => !matches!(phase, UnitPhase::Starting | UnitPhase::Stopping),
                Until::Stopped => unit.run.is_none() && phase.is_settled(),
            };
            let abandoned = ending && unit.run.is_none();
            if !reached && !abandoned {
                self.waiters.push(waiter);
                continue;
            }
            let failure =
                unit.last.as_ref().filter(|_| unit.run.is_none()).and_then(|last| last.failure.clone());
            let answer = match failure {
                Some(failure) if waiter.until == Until::Started => Err(StartFailure::Launch(failure.into())),
                _ => Ok(()),
            };
            let _ = waiter.reply.send(answer);
        }
    }

    fn ask_to_end(&mut self, id: &str) {
        let Some(unit) = self.units.get_mut(id) else { return };
        let signals: Vec<i32> = unit.commands().iter().map(wiring::stop_signal).collect();
        let Some(run) = &mut unit.run else { return };
        run.cancelled = true;
        let same = signals.windows(2).all(|pair| pair[0] == pair[1]);
        match (&run.leaf, signals.first()) {
            (Some(leaf), Some(signal)) if same => {
                leaf.signal_all(*signal);
                // What was stopped by a signal can't act on another one before it goes on.
                leaf.signal_all(libc::SIGCONT);
            }
            _ => {
                for (process, signal) in run.processes.iter().zip(signals) {
                    signal_process(process, signal);
                    signal_process(process, libc::SIGCONT);
                }
            }
        }
    }

    fn kill(&mut self, id: &str) {
        let Some(run) = self.units.get_mut(id).and_then(|unit| unit.run.as_mut()) else { return };
        run.cancelled = true;
        wiring::kill_run(run);
    }

    async fn on_init(&mut self, message: FromInit, fds: Vec<std::os::fd::OwnedFd>, body: &Body) {
        self.dirty = true;
        match message {
            FromInit::Spawned { group, nested } => {
                let Some((id, generation)) = self.spawned(group, nested, fds) else { return };
                self.step(&id, Input::Spawned { generation }, body).await;
                self.close_if_ended(&id);
            }
            FromInit::SpawnFailed { group, process, failure } => {
                let Some(unit) = self.unit_of_group(group) else { return };
                let id = unit.id.clone();
                if let Some(run) = &mut unit.run {
                    run.failure = Some((process, failure));
                    run.ended_count = run.processes.len();
                    run.spawned = true;
                }
                self.close_if_ended(&id);
            }
            FromInit::Exited { group, process, status, cpu_usec, max_rss_bytes } => {
                let Some(unit) = self.unit_of_group(group) else { return };
                let id = unit.id.clone();
                unit.process_ended(process, exit_of(status), cpu_usec, max_rss_bytes);
                if unit.must_cancel_rest() {
                    self.ask_rest_to_end(&id);
                }
                self.close_if_ended(&id);
            }
            FromInit::Stage | FromInit::Born | FromInit::Ready { .. } | FromInit::Failed(_) => {
                tracing::warn!(workspace = %self.origin.id, "ws-init repeats its start");
            }
        }
    }

    /// A supervised pipeline with a failed node is not left half alive: the rest is asked to end, and the whole
    /// starts again.
    fn ask_rest_to_end(&mut self, id: &str) {
        let Some(unit) = self.units.get_mut(id) else { return };
        let grace = Duration::from_millis(unit.supervisor.terms().1);
        let Some(run) = &mut unit.run else { return };
        let mut asked = false;
        for process in run.processes.iter_mut().filter(|process| process.end.is_none() && !process.asked) {
            process.asked = true;
            asked = true;
            signal_process(process, libc::SIGTERM);
        }
        if asked {
            let (internal, unit, generation) = (self.internal.clone(), id.to_owned(), run.generation);
            tokio::spawn(async move {
                tokio::time::sleep(grace).await;
                // The actor outlives its runs.
                let _ = internal.send(Internal::RestOverdue { unit, generation });
            });
        }
    }

    fn unit_of_group(&mut self, group: u64) -> Option<&mut Unit> {
        self.units.values_mut().find(|unit| unit.run.as_ref().is_some_and(|run| run.group == group))
    }

    fn spawned(&mut self, group: u64, nested: bool, fds: Vec<std::os::fd::OwnedFd>) -> Option<(String, u64)> {
        let internal = self.internal.clone();
        let unit = self.unit_of_group(group)?;
        let id = unit.id.clone();
        let run = unit.run.as_mut()?;
        run.spawned = true;
        let mut fds = fds.into_iter();
        if nested {
            let watched = crate::host::launch::watched(fds.next()?, tokio::io::Interest::READABLE);
            run.nest = watched
                .map_err(|error| tracing::error!(%error, "a nested init can't be watched"))
                .ok()
                .map(Arc::new);
            if let Some(nest) = run.nest.clone() {
                let (internal, unit, generation) = (internal.clone(), id.clone(), run.generation);
                tokio::spawn(async move {
                    ended(&nest).await;
                    // The actor outlives its runs.
                    let _ = internal.send(Internal::NestGone { unit, generation });
                });
            }
        }
        for (process, pidfd) in run.processes.iter_mut().zip(fds) {
            process.pid = sys::pid_of(pidfd.as_fd());
            process.pidfd = Some(pidfd);
        }
        Some((id, run.generation))
    }

    /// Once every process of a run has ended: ends what they left behind and collects what they wrote.
    fn close_if_ended(&mut self, id: &str) {
        let Some(unit) = self.units.get_mut(id) else { return };
        let Some(run) = &mut unit.run else { return };
        if run.closing || !run.spawned || run.ended_count < run.processes.len() {
            return;
        }
        run.closing = true;
        let attached = unit.attachment.as_ref().map(|attachment| attachment.frames.clone());
        let (leaf, nest, generation) = (run.leaf.clone(), run.nest.clone(), run.generation);
        let carriers = std::mem::take(&mut run.carriers);
        let meters: Vec<_> = run.edges.iter().filter_map(|edge| edge.meter.clone()).collect();
        let (failed_to_start, stopped) = (run.failure.is_some(), run.cancelled);
        let (internal, unit) = (self.internal.clone(), id.to_owned());
        if failed_to_start {
            run.relay = None;
        }
        tokio::spawn(async move {
            if let Some(nest) = nest {
                // Gone already is as good.
                let _ = sys::pidfd_send_signal(nest.get_ref().as_fd(), libc::SIGKILL);
                ended(&nest).await;
            }
            if let Some(leaf) = leaf {
                let emptied = tokio::task::spawn_blocking(move || leaf.end()).await;
                if let Ok(Err(error)) = emptied {
                    tracing::error!(%error, "a leaf could not be emptied");
                }
            }
            if !failed_to_start {
                wiring::await_meters(&meters).await;
            }
            wiring::await_carriers(carriers, attached, stopped).await;
            // The actor outlives its runs.
            let _ = internal.send(Internal::RunGone { unit, generation });
        });
    }

    async fn on_internal(&mut self, message: Internal, body: &Body) {
        self.dirty = true;
        match message {
            Internal::NestGone { unit: id, generation } => {
                // What the nest said before it ended waits in the socket, and is the truth.
                loop {
                    let waiting = tokio::select! {
                        biased;
                        message = body.link.receive() => message,
                        () = std::future::ready(()) => break,
                    };
                    let Ok(Some((message, fds))) = waiting else { break };
                    self.on_init(message, fds, body).await;
                }
                let Some(unit) = self.units.get_mut(&id) else { return };
                if unit.run.as_ref().is_some_and(|run| run.generation == generation) {
                    unit.all_processes_lost();
                    self.close_if_ended(&id);
                }
            }
            Internal::RestOverdue { unit: id, generation } => {
                let run = self.units.get(&id).and_then(|unit| unit.run.as_ref());
                if let Some(run) = run.filter(|run| run.generation == generation && !run.closing) {
                    wiring::kill_run(run);
                }
            }
            Internal::RunGone { unit: id, generation } => {
                let Some(unit) = self.units.get_mut(&id) else { return };
                if unit.run.as_ref().is_none_or(|run| run.generation != generation) {
                    return;
                }
                let Some((generation, outcome)) = unit.conclude() else { return };
                self.step(&id, Input::Ended { generation, outcome }, body).await;
            }
            Internal::Window { unit, generation, relay_edge, bytes, complete } => {
                let found = discern(&bytes, complete);
                self.discerned(&unit, generation, relay_edge, found);
            }
        }
    }

    fn discerned(&mut self, id: &str, generation: u64, relay_edge: usize, found: Discerned) {
        let Some(unit) = self.units.get_mut(id) else { return };
        let Some(edges) = unit.set_discerned(generation, relay_edge, &found) else { return };
        let object = format!("{}/{}", unit.label, edges.join(","));
        self.event("edge.discerned", &object, serde_json::json!(found));
    }

    async fn on_time(&mut self, body: &Body) {
        self.dirty = true;
        let now_ms = clock::now_ms();
        let due: Vec<String> = self
            .units
            .values()
            .filter(|unit| unit.supervisor.due_ms().is_some_and(|due| due <= now_ms))
            .map(|unit| unit.id.clone())
            .collect();
        for id in due {
            self.step(&id, Input::Tick, body).await;
        }
        if self.phase == WorkspacePhase::Running && self.is_expired() {
            self.event("workspace.expired", "", serde_json::Value::Null);
            self.begin_end(false, body).await;
        }
    }

    fn is_expired(&self) -> bool {
        self.origin.expires_at_ms.is_some_and(|at| clock::wall_ms() >= at)
    }

    /// Returns when something is to be done without a message.
    fn next_due(&self) -> Option<Duration> {
        let now_ms = clock::now_ms();
        let units = self.units.values().filter_map(|unit| unit.supervisor.due_ms());
        let unit_due = units.min().map(|due| due.saturating_sub(now_ms));
        let running = self.phase == WorkspacePhase::Running;
        let expiry =
            self.origin.expires_at_ms.filter(|_| running).map(|at| at.saturating_sub(clock::wall_ms()));
        unit_due.into_iter().chain(expiry).min().map(Duration::from_millis)
    }

    /// ws-init ended by itself, and the kernel ended everything with it.
    fn init_is_gone(&mut self) {
        tracing::error!(workspace = %self.origin.id, "ws-init ended by itself");
        for unit in self.units.values_mut() {
            if unit.run.is_some() {
                unit.all_processes_lost();
                if let Some((generation, outcome)) = unit.conclude() {
                    let ended = Input::Ended { generation, outcome };
                    // Its effects need a workspace; the manager makes a new one where that is wanted.
                    let _ = unit.supervisor.step(ended, clock::now_ms(), clock::random_u64());
                }
            }
        }
    }

    fn observe(&self, unit: &str, edge: usize) -> std::io::Result<Observer> {
        let not_connected = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        let run = self.units.get(unit).and_then(|unit| unit.run.as_ref()).ok_or_else(not_connected)?;
        let index = run.edges.get(edge).and_then(|edge| edge.relay_index).ok_or_else(not_connected)?;
        let relay: &Relay = run.relay.as_ref().ok_or_else(not_connected)?;
        relay.observe(index)
    }

    fn sample(&mut self, body: &Body) {
        let source = CounterSource {
            cgroup: body.cgroup.as_ref().map(crate::host::cgroup::WorkspaceCgroup::commands_dir),
            roots: body.init_pid().into_iter().collect(),
            ended_cpu_usec: 0,
        };
        let now_ms = clock::now_ms();
        let (reading, source) = counters::read(&source, now_ms);
        let rates = self.meter.take(reading);
        let (alive, total) = self.process_counts();
        let stats = WorkspaceStats {
            at_ms: Some(clock::wall_ms()),
            commands_alive: alive,
            commands_total: total,
            rss_bytes: rates.rss_bytes,
            rss_peak_bytes: rates.rss_peak_bytes,
            cpu_usec: rates.cpu_usec,
            cpu_percent: rates.cpu_percent,
            cpu_cores: counters::cpu_cores(),
            uptime_ms: now_ms.saturating_sub(self.started_boot_ms),
            source,
            stretch: None,
        };
        self.stats = Some(stats);
        for unit in self.units.values_mut() {
            unit.remember_counters();
        }
        let _ = self.origin.reports.send(Report::Sample { workspace: self.origin.id, stats });
    }

    fn process_counts(&self) -> (u32, u32) {
        let (mut alive, mut total) = (0, 0);
        for unit in self.units.values() {
            total += unit.commands().len() as u32;
            let processes = unit.run.iter().flat_map(|run| &run.processes);
            alive +=
                processes.filter(|process| process.pid.is_some() && process.end.is_none()).count() as u32;
        }
        (alive, total)
    }

    fn detail(&self) -> WorkspaceDetail {
        let now_ms = clock::now_ms();
        let (alive, _) = self.process_counts();
        let (label, id) = (&self.origin.spec.label, self.origin.id);
        let pipelines: Vec<_> =
            self.units.values().filter_map(|unit| unit.pipeline_view(label, id, now_ms)).collect();
        let declared = self.units.values().filter(|unit| unit.is_declared()).count();
        WorkspaceDetail {
            workspace: WorkspaceView {
                id,
                label: label.clone(),
                phase: if self.phase == WorkspacePhase::Declared && self.is_expired() {
                    WorkspacePhase::Expired
                } else {
                    self.phase
                },
                spec: self.origin.spec.clone(),
                ephemeral: self.origin.ephemeral,
                started_at_ms: self.started_at_ms,
                expires_at_ms: self.origin.expires_at_ms,
                processes_alive: alive,
                commands: (declared - pipelines.len()) as u32,
                pipelines: pipelines.len() as u32,
                stats: self.stats,
                effective: self.effective.clone(),
            },
            commands: self.units.values().flat_map(|unit| unit.command_views(label, id, now_ms)).collect(),
            pipelines,
        }
    }

    fn event(&self, kind: &'static str, label: &str, data: serde_json::Value) {
        let workspace = &self.origin.spec.label;
        let object = if label.is_empty() { workspace.clone() } else { format!("{workspace}/{label}") };
        // Only a daemon that ends has no manager.
        let _ = self.origin.reports.send(Report::Event { workspace: self.origin.id, kind, object, data });
    }
}

/// Sleeps for `duration`, or for ever.
async fn sleep_until(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Reads a wait status (wait(2)).
fn exit_of(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit { code: None, signal: Some(libc::WTERMSIG(status)) }
    } else {
        Exit { code: Some(libc::WEXITSTATUS(status)), signal: None }
    }
}

fn signal_process(process: &super::unit::Process, signal: i32) {
    if let (Some(pidfd), None) = (&process.pidfd, &process.end) {
        // It may have ended since, which is not yet known here.
        let _ = sys::pidfd_send_signal(pidfd.as_fd(), signal);
    }
}

/// Signals the main processes of a unit, or the one of a node; SIGKILL to all of them ends everything of it.
fn signal_processes(unit: &mut Unit, signal: i32, node: Option<&str>) {
    let labels: Vec<String> = unit.commands().iter().map(|command| command.label.clone()).collect();
    let Some(run) = &mut unit.run else { return };
    if signal == libc::SIGKILL && node.is_none() {
        wiring::kill_run(run);
        return;
    }
    for (process, label) in run.processes.iter().zip(&labels) {
        if node.is_none_or(|node| node == label) {
            signal_process(process, signal);
        }
    }
}
