//! The supervisor: decides when a unit (a command, or a whole pipeline) starts, stops and starts again.
//!
//! It is told what happens and when, and answers with what to do. Every start has a generation number; news of an
//! older generation changes nothing.

use alloc::vec;
use alloc::vec::Vec;

use crate::decide::backoff::Backoff;
use crate::view::UnitPhase;

/// When a unit is started again. Without a policy it runs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Start again after success too.
    pub always: bool,
    /// Delays between starts.
    pub backoff: Backoff,
    /// Restarts in a row before giving up; 0 means without limit.
    pub max: u32,
    /// A run of this many milliseconds resets the count; 0 leaves it to the delay.
    pub stable_ms: u64,
}

/// How a run ended, in the eyes of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Success.
    Success,
    /// Failure that another attempt may mend.
    Failure,
    /// Failure that no attempt will mend, such as a program that does not exist.
    Permanent,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The user or a restore wants it running.
    Start,
    /// It ran in an earlier life of the daemon and goes on at this time, its counts as they were.
    Resume {
        /// When the next start is due, in milliseconds.
        at_ms: u64,
    },
    /// The user wants it to end. `kill` leaves no grace.
    Stop {
        /// End it at once.
        kill: bool,
    },
    /// The user wants a new run, whatever there is now.
    Restart,
    /// The processes of this generation run.
    Spawned {
        /// Generation that runs.
        generation: u64,
    },
    /// This generation ended, and nothing of it is alive any more.
    Ended {
        /// Generation that ended.
        generation: u64,
        /// How.
        outcome: Outcome,
    },
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Start the unit's processes.
    Spawn {
        /// Generation of this start.
        generation: u64,
    },
    /// Ask the processes to end.
    Ask {
        /// Generation that is asked.
        generation: u64,
    },
    /// End everything of the unit.
    Kill {
        /// Generation that is ended.
        generation: u64,
    },
    /// Nothing more happens by itself.
    Settled,
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Starting,
    Running { since_ms: u64 },
    Stopping { kill_at_ms: u64, asked_kill: bool, then_start: bool },
    Backoff { until_ms: u64 },
    Settled(UnitPhase),
}

/// The supervisor of one unit. Times are milliseconds of a clock that never goes back.
#[derive(Debug, Clone)]
pub struct Supervisor {
    policy: Option<Policy>,
    grace_ms: u64,
    state: State,
    generation: u64,
    attempt: u32,
    restarts: u32,
}

impl Supervisor {
    /// Makes the supervisor of a unit that has not been started.
    ///
    /// `grace_ms` is the time between asking and killing; `restarts` counts on from an earlier life.
    #[must_use]
    pub const fn new(policy: Option<Policy>, grace_ms: u64, restarts: u32) -> Self {
        Self { policy, grace_ms, state: State::Idle, generation: 0, attempt: restarts, restarts }
    }

    /// Returns where the unit is.
    #[must_use]
    pub const fn phase(&self) -> UnitPhase {
        match self.state {
            State::Idle => UnitPhase::Declared,
            State::Starting => UnitPhase::Starting,
            State::Running { .. } => UnitPhase::Running,
            State::Stopping { .. } => UnitPhase::Stopping,
            State::Backoff { .. } => UnitPhase::Backoff,
            State::Settled(phase) => phase,
        }
    }

    /// Returns the number of the present or last start, from 1; 0 before the first.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the restarts in a row since the last start on request or the last stable run.
    #[must_use]
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Returns when [`Input::Tick`] is next due.
    #[must_use]
    pub const fn due_ms(&self) -> Option<u64> {
        match self.state {
            State::Backoff { until_ms } => Some(until_ms),
            State::Stopping { kill_at_ms, asked_kill: false, .. } => Some(kill_at_ms),
            _ => None,
        }
    }

    /// Returns when the next restart is due, while one is waited for.
    #[must_use]
    pub const fn next_start_ms(&self) -> Option<u64> {
        match self.state {
            State::Backoff { until_ms } => Some(until_ms),
            _ => None,
        }
    }

    /// Takes `input` at `now_ms` and returns what to do, in order. `random` feeds the jitter.
    pub fn step(&mut self, input: Input, now_ms: u64, random: u64) -> Vec<Effect> {
        match input {
            Input::Start => self.start(),
            Input::Resume { at_ms } if self.state == State::Idle => {
                self.state = State::Backoff { until_ms: at_ms };
                self.tick(now_ms)
            }
            Input::Resume { .. } => vec![],
            Input::Restart => self.restart(now_ms),
            Input::Stop { kill } => self.stop(kill, now_ms),
            Input::Spawned { generation } => {
                match self.state {
                    State::Starting if generation == self.generation => {
                        self.state = State::Running { since_ms: now_ms };
                        vec![]
                    }
                    // What was asked of it before it was there reached nobody.
                    State::Stopping { asked_kill: true, .. } if generation == self.generation => {
                        vec![Effect::Kill { generation }]
                    }
                    State::Stopping { .. } if generation == self.generation => {
                        vec![Effect::Ask { generation }]
                    }
                    _ => vec![],
                }
            }
            Input::Ended { generation, outcome } if generation == self.generation => {
                self.ended(outcome, now_ms, random)
            }
            Input::Ended { .. } => vec![],
            Input::Tick => self.tick(now_ms),
        }
    }

    fn start(&mut self) -> Vec<Effect> {
        match &mut self.state {
            State::Idle | State::Backoff { .. } | State::Settled(_) => {
                self.attempt = 0;
                self.restarts = 0;
                self.spawn()
            }
            State::Starting | State::Running { .. } => vec![],
            State::Stopping { then_start, .. } => {
                *then_start = true;
                vec![]
            }
        }
    }

    fn restart(&mut self, now_ms: u64) -> Vec<Effect> {
        let effects = self.stop(false, now_ms);
        if let State::Stopping { then_start, .. } = &mut self.state {
            *then_start = true;
            return effects;
        }
        self.start()
    }

    fn stop(&mut self, kill: bool, now_ms: u64) -> Vec<Effect> {
        let generation = self.generation;
        match &mut self.state {
            State::Idle | State::Backoff { .. } => {
                self.state = State::Settled(UnitPhase::Stopped);
                vec![Effect::Settled]
            }
            State::Settled(_) => vec![],
            State::Starting | State::Running { .. } => {
                let kill_at_ms = now_ms.saturating_add(self.grace_ms);
                self.state = State::Stopping { kill_at_ms, asked_kill: kill, then_start: false };
                vec![if kill { Effect::Kill { generation } } else { Effect::Ask { generation } }]
            }
            State::Stopping { asked_kill, then_start, .. } => {
                *then_start = false;
                if kill && !*asked_kill {
                    *asked_kill = true;
                    return vec![Effect::Kill { generation }];
                }
                vec![]
            }
        }
    }

    fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        let generation = self.generation;
        match &mut self.state {
            State::Backoff { until_ms } if now_ms >= *until_ms => self.spawn(),
            State::Stopping { kill_at_ms, asked_kill, .. } if !*asked_kill && now_ms >= *kill_at_ms => {
                *asked_kill = true;
                vec![Effect::Kill { generation }]
            }
            _ => vec![],
        }
    }

    fn ended(&mut self, outcome: Outcome, now_ms: u64, random: u64) -> Vec<Effect> {
        let ran_ms = match self.state {
            State::Running { since_ms } => now_ms.saturating_sub(since_ms),
            State::Starting => 0,
            State::Stopping { then_start: true, .. } => {
                self.attempt = 0;
                self.restarts = 0;
                return self.spawn();
            }
            State::Stopping { .. } => {
                self.state = State::Settled(UnitPhase::Stopped);
                return vec![Effect::Settled];
            }
            State::Idle | State::Backoff { .. } | State::Settled(_) => return vec![],
        };
        let phase = if outcome == Outcome::Success { UnitPhase::Done } else { UnitPhase::Failed };
        let wants_restart = match (self.policy, outcome) {
            (None, _) | (_, Outcome::Permanent) => None,
            (Some(policy), Outcome::Success) if !policy.always => None,
            (Some(policy), _) => Some(policy),
        };
        let Some(policy) = wants_restart else {
            self.state = State::Settled(phase);
            return vec![Effect::Settled];
        };
        if ran_ms >= policy.backoff.stable_after_ms(self.attempt, policy.stable_ms) {
            self.attempt = 0;
            self.restarts = 0;
        }
        if policy.max > 0 && self.attempt >= policy.max {
            self.state = State::Settled(UnitPhase::Failed);
            return vec![Effect::Settled];
        }
        let delay_ms = policy.backoff.delay_ms(self.attempt, random);
        self.attempt = self.attempt.saturating_add(1);
        self.restarts = self.restarts.saturating_add(1);
        self.state = State::Backoff { until_ms: now_ms.saturating_add(delay_ms) };
        if delay_ms == 0 { self.spawn() } else { vec![] }
    }

    fn spawn(&mut self) -> Vec<Effect> {
        self.generation += 1;
        self.state = State::Starting;
        vec![Effect::Spawn { generation: self.generation }]
    }

    /// Counts generations on from an earlier supervisor of the same unit, whose late news must not be taken for ours.
    pub const fn succeed(&mut self, earlier: &Self) {
        if earlier.generation > self.generation {
            self.generation = earlier.generation;
        }
    }

    /// Takes on another policy and grace; the present run goes on.
    pub const fn adjust(&mut self, policy: Option<Policy>, grace_ms: u64) {
        self.policy = policy;
        self.grace_ms = grace_ms;
    }

    /// Returns policy and grace, for [`Self::adjust`] of another supervisor.
    #[must_use]
    pub const fn terms(&self) -> (Option<Policy>, u64) {
        (self.policy, self.grace_ms)
    }

    /// Settles a unit that is not running into a phase that only a request leaves again.
    pub fn settle(&mut self, phase: UnitPhase) {
        if matches!(self.state, State::Idle | State::Backoff { .. } | State::Settled(_)) {
            self.state = State::Settled(phase);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    fn policy(always: bool, max: u32) -> Policy {
        Policy { always, backoff: Backoff { base_ms: 100, cap_ms: 1000, jitter: false }, max, stable_ms: 0 }
    }

    /// Runs a script of (time, input) and writes what happens, one line each.
    fn transcript(policy: Option<Policy>, script: &[(u64, Input)]) -> String {
        let mut supervisor = Supervisor::new(policy, 5_000, 0);
        let mut out = String::new();
        for (now, input) in script {
            let effects = supervisor.step(*input, *now, 0);
            out += &format!("{now:>6} {input:?} -> {effects:?} {:?}", supervisor.phase());
            if let Some(due) = supervisor.due_ms() {
                out += &format!(" due {due}");
            }
            out.push('\n');
        }
        out
    }

    fn ended(generation: u64, outcome: Outcome) -> Input {
        Input::Ended { generation, outcome }
    }

    #[test]
    fn failures_back_off_and_give_up_at_the_limit() {
        let script = [
            (0, Input::Start),
            (1, Input::Spawned { generation: 1 }),
            (10, ended(1, Outcome::Failure)),
            (50, Input::Tick),
            (110, Input::Tick),
            (111, Input::Spawned { generation: 2 }),
            (120, ended(2, Outcome::Failure)),
            (320, Input::Tick),
            (330, ended(3, Outcome::Failure)),
        ];
        insta::assert_snapshot!(transcript(Some(policy(false, 2)), &script), @r"
             0 Start -> [Spawn { generation: 1 }] Starting
             1 Spawned { generation: 1 } -> [] Running
            10 Ended { generation: 1, outcome: Failure } -> [] Backoff due 110
            50 Tick -> [] Backoff due 110
           110 Tick -> [Spawn { generation: 2 }] Starting
           111 Spawned { generation: 2 } -> [] Running
           120 Ended { generation: 2, outcome: Failure } -> [] Backoff due 320
           320 Tick -> [Spawn { generation: 3 }] Starting
           330 Ended { generation: 3, outcome: Failure } -> [Settled] Failed
        ");
    }

    #[test]
    fn a_stable_run_makes_the_next_failure_a_first_one() {
        let mut supervisor = Supervisor::new(Some(policy(false, 0)), 0, 0);
        let _ = supervisor.step(Input::Start, 0, 0);
        let mut now = 0;
        for generation in 1..=4 {
            let _ = supervisor.step(Input::Spawned { generation }, now, 0);
            let _ = supervisor.step(ended(generation, Outcome::Failure), now + 5, 0);
            now = supervisor.due_ms().unwrap();
            let _ = supervisor.step(Input::Tick, now, 0);
        }
        assert_eq!(supervisor.restarts(), 4);
        let _ = supervisor.step(Input::Spawned { generation: 5 }, now, 0);
        let _ = supervisor.step(ended(5, Outcome::Failure), now + 20_000, 0);
        assert_eq!(supervisor.due_ms(), Some(now + 20_100));
        assert_eq!(supervisor.restarts(), 1);
    }

    #[test]
    fn stop_asks_then_kills_and_a_start_meanwhile_waits_for_the_end() {
        let script = [
            (0, Input::Start),
            (1, Input::Spawned { generation: 1 }),
            (10, Input::Stop { kill: false }),
            (20, Input::Start),
            (5_010, Input::Tick),
            (5_011, Input::Tick),
            (5_020, ended(1, Outcome::Failure)),
        ];
        insta::assert_snapshot!(transcript(None, &script), @r"
             0 Start -> [Spawn { generation: 1 }] Starting
             1 Spawned { generation: 1 } -> [] Running
            10 Stop { kill: false } -> [Ask { generation: 1 }] Stopping due 5010
            20 Start -> [] Stopping due 5010
          5010 Tick -> [Kill { generation: 1 }] Stopping
          5011 Tick -> [] Stopping
          5020 Ended { generation: 1, outcome: Failure } -> [Spawn { generation: 2 }] Starting
        ");
    }

    #[test]
    fn a_crash_loop_goes_on_where_it_was_after_a_restart_of_the_daemon() {
        let mut supervisor = Supervisor::new(Some(policy(false, 0)), 0, 3);
        assert_eq!(supervisor.step(Input::Resume { at_ms: 500 }, 0, 0), []);
        assert_eq!((supervisor.phase(), supervisor.restarts()), (UnitPhase::Backoff, 3));
        assert_eq!(supervisor.step(Input::Tick, 500, 0), [Effect::Spawn { generation: 1 }]);
        let _ = supervisor.step(ended(1, Outcome::Failure), 510, 0);
        assert_eq!(supervisor.due_ms(), Some(510 + 800));
    }

    #[test]
    fn a_stop_before_the_processes_are_there_is_said_again_when_they_are() {
        let script = [
            (0, Input::Start),
            (1, Input::Stop { kill: false }),
            (2, Input::Spawned { generation: 1 }),
            (3, Input::Stop { kill: true }),
            (4, Input::Spawned { generation: 1 }),
        ];
        insta::assert_snapshot!(transcript(None, &script), @r"
             0 Start -> [Spawn { generation: 1 }] Starting
             1 Stop { kill: false } -> [Ask { generation: 1 }] Stopping due 5001
             2 Spawned { generation: 1 } -> [Ask { generation: 1 }] Stopping due 5001
             3 Stop { kill: true } -> [Kill { generation: 1 }] Stopping
             4 Spawned { generation: 1 } -> [Kill { generation: 1 }] Stopping
        ");
    }

    #[test]
    fn a_missing_program_is_not_tried_again() {
        let mut supervisor = Supervisor::new(Some(policy(true, 0)), 0, 0);
        let _ = supervisor.step(Input::Start, 0, 0);
        assert_eq!(supervisor.step(ended(1, Outcome::Permanent), 1, 0), [Effect::Settled]);
        assert_eq!(supervisor.phase(), UnitPhase::Failed);
    }

    #[test]
    fn news_of_an_older_generation_changes_nothing() {
        let mut supervisor = Supervisor::new(Some(policy(true, 0)), 0, 0);
        let _ = supervisor.step(Input::Start, 0, 0);
        let _ = supervisor.step(Input::Spawned { generation: 1 }, 1, 0);
        let _ = supervisor.step(Input::Restart, 2, 0);
        let _ = supervisor.step(ended(1, Outcome::Failure), 3, 0);
        assert_eq!(supervisor.generation(), 2);
        assert_eq!(supervisor.step(ended(1, Outcome::Failure), 4, 0), []);
        assert_eq!(supervisor.phase(), UnitPhase::Starting);
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Start),
            Just(Input::Restart),
            any::<bool>().prop_map(|kill| Input::Stop { kill }),
            Just(Input::Tick),
            (0_u64..6).prop_map(|generation| Input::Spawned { generation }),
            (0_u64..6, 0..3).prop_map(|(generation, which)| Input::Ended {
                generation,
                outcome: [Outcome::Success, Outcome::Failure, Outcome::Permanent][which as usize],
            }),
        ]
    }

    proptest! {
        #[test]
        fn never_two_runs_at_once(inputs in proptest::collection::vec((any_input(), 0_u64..4_000), 0..60)) {
            let mut supervisor = Supervisor::new(Some(policy(true, 3)), 1_000, 0);
            let (mut now, mut alive) = (0, None);
            for (input, pause) in inputs {
                now += pause;
                if let Input::Ended { generation, .. } = input {
                    if alive != Some(generation) {
                        continue;
                    }
                    alive = None;
                }
                for effect in supervisor.step(input, now, now) {
                    match effect {
                        Effect::Spawn { generation } => {
                            prop_assert_eq!(alive, None);
                            alive = Some(generation);
                        }
                        Effect::Ask { generation } | Effect::Kill { generation } => {
                            prop_assert_eq!(alive, Some(generation));
                        }
                        Effect::Settled => prop_assert_eq!(alive, None),
                    }
                }
                prop_assert_eq!(alive.is_none(), matches!(supervisor.phase(),
                    UnitPhase::Declared | UnitPhase::Backoff | UnitPhase::Done | UnitPhase::Failed | UnitPhase::Stopped));
            }
        }
    }
}
