//! The same change in two embedded databases, each with the durability that a power cut asks for.

use std::path::Path;

use redb::{Database, Durability, TableDefinition};
use rusqlite::Connection;
use shipote_snapshot::{Entity, WorkspaceEntry};

use crate::made;

const TABLE: TableDefinition<'_, &str, &str> = TableDefinition::new("workspaces");

/// A key and the JSON of a workspace.
fn pair(entry: WorkspaceEntry) -> (String, String) {
    (entry.id.to_string(), Entity::Workspace(entry).to_json())
}

/// redb with [`Durability::Immediate`].
#[derive(Debug)]
pub struct Redb {
    database: Database,
    count: u64,
    made: u64,
}

impl Redb {
    /// Makes one that holds so many workspaces.
    pub fn make(path: &Path, count: u64) -> Self {
        let database = Database::create(path).expect("redb: make a database");
        let transaction = database.begin_write().expect("redb: begin");
        {
            let mut table = transaction.open_table(TABLE).expect("redb: open a table");
            for number in 0..count {
                let (key, json) = pair(made::workspace(number, 0, 0));
                table.insert(&*key, &*json).expect("redb: insert");
            }
        }
        transaction.commit().expect("redb: commit");
        Self { database, count, made: 0 }
    }

    /// Makes a change, and returns when it is durable.
    pub fn change(&mut self) {
        self.made += 1;
        let (key, json) = pair(made::workspace(self.made % self.count, self.made, 0));
        let mut transaction = self.database.begin_write().expect("redb: begin");
        transaction.set_durability(Durability::Immediate).expect("redb: durability");
        transaction
            .open_table(TABLE)
            .expect("redb: open a table")
            .insert(&*key, &*json)
            .expect("redb: insert");
        transaction.commit().expect("redb: commit");
    }
}

/// SQLite in WAL mode with `synchronous = FULL`.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    count: u64,
    made: u64,
}

impl Sqlite {
    /// Makes one that holds so many workspaces.
    pub fn make(path: &Path, count: u64) -> Self {
        let mut connection = Connection::open(path).expect("sqlite: open");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE workspaces (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;",
            )
            .expect("sqlite: make a table");
        let transaction = connection.transaction().expect("sqlite: begin");
        for number in 0..count {
            put(&transaction, pair(made::workspace(number, 0, 0)));
        }
        transaction.commit().expect("sqlite: commit");
        // What was planted shall not be checkpointed in the middle of a measurement.
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").expect("sqlite: checkpoint");
        Self { connection, count, made: 0 }
    }

    /// Makes a change, and returns when it is durable.
    pub fn change(&mut self) {
        self.made += 1;
        put(&self.connection, pair(made::workspace(self.made % self.count, self.made, 0)));
    }
}

fn put(connection: &Connection, (key, json): (String, String)) {
    let sql = "INSERT OR REPLACE INTO workspaces (id, body) VALUES (?1, ?2)";
    let mut statement = connection.prepare_cached(sql).expect("sqlite: prepare");
    statement.execute((key, json)).expect("sqlite: insert");
}
