//! Declaring: workspaces and saved pipelines.

use std::time::Duration;

use shipote_card::{Card, PipelineSpec, Problem, WorkspaceId, WorkspaceSpec};
use shipote_snapshot::{Change, Collection, Desired, PipelineEntry, WorkspaceEntry};

use crate::decide::names::{Named, resolve};
use crate::drive::declared::Draft;
use crate::drive::manager::{Core, ManagerError, WorkspaceManager, unresolved};
use crate::drive::message::WorkspaceHandle;
use crate::host::clock;
use crate::view::{SavedPipelineView, WorkspaceView};

/// Time between asking and killing the processes of a workspace that is removed.
const REMOVE_GRACE: Duration = Duration::from_millis(500);

/// Refuses a card with mistakes, and one that names what this release does not do.
pub(super) fn judge(card: &Card) -> Result<(), ManagerError> {
    let mut problems = shipote_card::check(card);
    problems.extend(shipote_card::unsupported(card));
    refuse(problems)
}

fn refuse(problems: Vec<Problem>) -> Result<(), ManagerError> {
    if problems.iter().any(Problem::is_error) { Err(ManagerError::Invalid { problems }) } else { Ok(()) }
}

/// Makes a new identifier.
pub(super) fn new_workspace_id() -> WorkspaceId {
    WorkspaceId::from_parts(clock::wall_ms(), clock::random_u80())
}

impl WorkspaceManager {
    /// Declares a workspace. It costs no process until something runs in it.
    ///
    /// # Errors
    ///
    /// Refuses a spec with mistakes, a label that is taken, and what this host can't enforce.
    pub async fn create(&self, spec: WorkspaceSpec) -> Result<WorkspaceView, ManagerError> {
        self.create_with_id(new_workspace_id(), spec).await
    }

    /// Declares a workspace under a given identifier.
    ///
    /// # Errors
    ///
    /// As [`Self::create`], and an identifier that is taken.
    pub async fn create_with_id(
        &self,
        id: WorkspaceId,
        spec: WorkspaceSpec,
    ) -> Result<WorkspaceView, ManagerError> {
        judge(&Card { workspace: Some(spec.clone()), ..Card::default() })?;
        self.ask(move |core| {
            core.declare_workspace(id, spec)?;
            core.workspace_view(id).ok_or(ManagerError::Closed)
        })
        .await?
    }

    /// Forgets a workspace and everything declared in it; ends what runs, by force after half a second.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn remove(&self, name: &str) -> Result<WorkspaceId, ManagerError> {
        let name = name.to_owned();
        let (id, handle) = self
            .ask(move |core| {
                let id = core.resolve_workspace(&name)?;
                // Marked before the processes end, so that a crash in between does not start them again.
                core.stop_units_of(id)?;
                Ok::<_, ManagerError>((id, core.live.get(&id).cloned()))
            })
            .await??;
        if let Some(handle) = handle {
            // What is removed is not worth a long farewell.
            if tokio::time::timeout(REMOVE_GRACE, handle.end(false)).await.is_err() {
                handle.end(true).await;
            }
        }
        self.ask(move |core| core.forget_workspace(id)).await??;
        Ok(id)
    }

    /// Ends everything in a workspace, which stays declared.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn stop_workspace(&self, name: &str, kill: bool) -> Result<WorkspaceView, ManagerError> {
        let name = name.to_owned();
        let (id, before, handle) = self
            .ask(move |core| {
                let id = core.resolve_workspace(&name)?;
                core.stop_units_of(id)?;
                let before = core.workspace_view(id).ok_or(ManagerError::Closed)?;
                Ok::<_, ManagerError>((id, before, core.live.get(&id).cloned()))
            })
            .await??;
        end(handle, kill).await;
        // One that was made for a client alone is gone with its end.
        Ok(self.ask(move |core| core.workspace_view(id)).await?.unwrap_or(before))
    }

    /// Keeps a pipeline under a name, in place of one that is there.
    ///
    /// # Errors
    ///
    /// Refuses a pipeline with mistakes.
    pub async fn save_pipeline(&self, name: &str, spec: PipelineSpec) -> Result<(), ManagerError> {
        judge(&Card { pipelines: vec![spec.clone()], ..Card::default() })?;
        if let Err(error) = shipote_card::check_label(name) {
            return Err(ManagerError::Conflict(format!("`{name}` can't be a name: {error}")));
        }
        let name = name.to_owned();
        self.ask(move |core| {
            core.commit(Change::new().put(PipelineEntry { name: name.clone(), spec }))?;
            core.publish("", "pipeline.saved", name, serde_json::Value::Null);
            Ok(())
        })
        .await?
    }

    /// Returns every saved pipeline, by name.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn list_saved_pipelines(&self) -> Result<Vec<SavedPipelineView>, ManagerError> {
        self.ask(|core| {
            let entries = core.declared.saved_pipelines.iter();
            entries
                .map(|entry| SavedPipelineView { name: entry.name.clone(), spec: entry.spec.clone() })
                .collect()
        })
        .await
    }

    /// Returns a saved pipeline.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn get_saved_pipeline(&self, name: &str) -> Result<SavedPipelineView, ManagerError> {
        let name = name.to_owned();
        self.ask(move |core| {
            let entry = core.saved_pipeline(&name)?;
            Ok(SavedPipelineView { name: entry.name.clone(), spec: entry.spec.clone() })
        })
        .await?
    }

    /// Forgets a saved pipeline.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn remove_saved_pipeline(&self, name: &str) -> Result<(), ManagerError> {
        let name = name.to_owned();
        self.ask(move |core| {
            let name = core.saved_pipeline(&name)?.name.clone();
            core.commit(Change::new().remove(Collection::SavedPipelines, name))
        })
        .await?
    }
}

/// Ends a workspace that may not be alive.
pub(super) async fn end(handle: Option<WorkspaceHandle>, kill: bool) {
    if let Some(handle) = handle {
        handle.end(kill).await;
    }
}

impl Core {
    /// Declares a workspace that has been judged.
    pub(super) fn declare_workspace(
        &mut self,
        id: WorkspaceId,
        spec: WorkspaceSpec,
    ) -> Result<(), ManagerError> {
        if self.labelled(&spec.label).next().is_some() {
            return Err(ManagerError::Conflict(format!(
                "a workspace called `{}` is there already",
                spec.label
            )));
        }
        if self.entry(id).is_some() {
            return Err(ManagerError::Conflict(format!("the identifier {id} is taken")));
        }
        self.incarnator.plan(&spec.soma).map_err(ManagerError::NotPermitted)?;
        let label = spec.label.clone();
        self.commit(Change::new().put(WorkspaceEntry::new(id, spec)))?;
        self.publish(&id.to_string(), "workspace.created", label, serde_json::Value::Null);
        Ok(())
    }

    /// Remembers that nothing in a workspace ought to run.
    pub(super) fn stop_units_of(&mut self, id: WorkspaceId) -> Result<(), ManagerError> {
        let mut draft = Draft::default();
        for entry in self.declared.commands_in(id) {
            draft.edit(entry, |entry| entry.desired = Desired::Stopped);
        }
        for entry in self.declared.pipelines_in(id) {
            draft.edit(entry, |entry| entry.desired = Desired::Stopped);
        }
        self.commit(draft.done())
    }

    fn forget_workspace(&mut self, id: WorkspaceId) -> Result<(), ManagerError> {
        let mut draft = Draft::default();
        for entry in self.declared.commands_in(id) {
            draft.remove(Collection::Commands, entry.id);
        }
        for entry in self.declared.pipelines_in(id) {
            draft.remove(Collection::LivePipelines, entry.id);
        }
        if self.declared.workspaces.get(&id).is_some() {
            draft.remove(Collection::Workspaces, id);
        }
        self.commit(draft.done())?;
        self.publish(&id.to_string(), "workspace.removed", id.to_string(), serde_json::Value::Null);
        self.after(move |core, durable| {
            if durable.is_ok() {
                core.last.remove(&id);
                core.history.remove(&id);
                core.logs.remove(&id.to_string());
            }
        });
        Ok(())
    }

    pub(super) fn saved_pipeline(&self, name: &str) -> Result<&PipelineEntry, ManagerError> {
        if let Some(entry) = self.declared.saved_pipelines.get(&name.to_owned()) {
            return Ok(entry);
        }
        let entries: Vec<&PipelineEntry> = self.declared.saved_pipelines.iter().collect();
        let named: Vec<Named> = entries
            .iter()
            .map(|entry| Named {
                id: String::new(),
                label: entry.name.clone(),
                kind: "saved pipeline",
                within: String::new(),
            })
            .collect();
        resolve(&named, name)
            .map(|index| entries[index])
            .map_err(|error| unresolved("saved pipeline", name, error))
    }
}
