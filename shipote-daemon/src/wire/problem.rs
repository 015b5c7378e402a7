//! A failure as the API tells it: RFC 9457 problem details with the members `code`, `hint` and `problems`.

use serde::{Deserialize, Serialize};
use shipote_card::Problem;
use shipote_runtime::view::LaunchFailure;

use crate::exit::{Code, Failure};

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProblemDoc {
    /// A URI for the kind of problem.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The kind of problem in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What happened: the object and the cause.
    #[serde(default)]
    pub detail: String,
    /// Stable name for scripts.
    pub code: Code,
    /// What to do next.
    #[serde(default)]
    pub hint: String,
    /// Everything that is wrong with what was declared.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// What an ambiguous name could stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// Why a process could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Box<LaunchFailure>>,
}

impl From<&Failure> for ProblemDoc {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: format!("urn:shipote:problem:{}", failure.code.name()),
            title: failure.code.name().replace('_', " "),
            status: failure.code.status(),
            detail: failure.message.clone(),
            code: failure.code,
            hint: failure.hint.clone(),
            problems: failure.problems.clone(),
            candidates: failure.candidates.clone(),
            launch: failure.launch.clone(),
        }
    }
}

impl From<ProblemDoc> for Failure {
    fn from(doc: ProblemDoc) -> Self {
        Self {
            problems: doc.problems,
            candidates: doc.candidates,
            launch: doc.launch,
            ..Self::new(doc.code, doc.detail)
        }
        .hint(doc.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_crosses_the_wire_whole() {
        let mut failure = Failure::new(Code::Ambiguous, "web stands for two workspaces").hint("use the id");
        failure.candidates = vec!["web (3GQT7A)".to_owned()];
        let doc = ProblemDoc::from(&failure);
        let text = serde_json::to_string(&doc).unwrap();
        insta::assert_snapshot!(text, @r#"{"type":"urn:shipote:problem:ambiguous","title":"ambiguous","status":409,"detail":"web stands for two workspaces","code":"ambiguous","hint":"use the id","problems":[],"candidates":["web (3GQT7A)"]}"#);
        let back: ProblemDoc = serde_json::from_str(&text).unwrap();
        assert_eq!(Failure::from(back), failure);
    }
}
