//! The validator: Python's jsonschema, which has read none of our code.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A text to be held against a schema.
#[derive(Debug, Clone)]
pub struct Case {
    /// A file in `docs/schema`.
    pub schema: String,
    /// The text.
    pub document: String,
}

impl Case {
    pub fn new(schema: impl Into<String>, document: impl Into<String>) -> Self {
        Self { schema: schema.into(), document: document.into() }
    }
}

/// What the validator says of it.
#[derive(Debug)]
pub struct Answer {
    /// Whether the text is JSON.
    pub json: bool,
    /// The rules that it breaks: schema, object, way from there.
    pub broken: Vec<String>,
}

impl Answer {
    pub fn is_accepted(&self) -> bool {
        self.json && self.broken.is_empty()
    }
}

/// Returns what the validator says of each case, in their order.
#[track_caller]
pub fn answers(cases: &[Case]) -> Vec<Answer> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = shipote_tests::python_with_json_schema().expect("a test that asked has it");
    let mut child = Command::new(python)
        .arg(here.join("it/schema/validate.py"))
        .arg(here.join("../docs/schema"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let asked: String = cases
        .iter()
        .map(|case| format!("{}\n", json!({ "schema": case.schema, "document": case.document })))
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(asked.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the validator ended with {}", output.status);
    let said = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Answer> = said.lines().map(answer).collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

fn answer(line: &str) -> Answer {
    let said: Value = serde_json::from_str(line).unwrap();
    let broken = said["broken"].as_array().unwrap().iter();
    let broken: Vec<String> = broken.map(|rule| rule.as_str().unwrap().to_owned()).collect();
    let json = said["json"].as_bool().unwrap();
    assert_eq!(said["valid"].as_bool().unwrap(), json && broken.is_empty(), "{line}");
    Answer { json, broken }
}
