//! The proof that ships with the program.

use std::process::Command;

use shipote_tests::{Need, has, program};

#[test]
fn the_shipped_proof_holds() {
    if !has(Need::Bash) {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/prove.sh");
    let output = Command::new("sh").arg(script).env("SHIPOTE", program()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert!(!out.contains("DOES NOT HOLD"), "{out}");
    for row in [
        "processes after the keeper was killed       10 -> 0                             10 -> 10 (setsid nohup)",
        "what was declared, after a restart          same id, pipeline relaunched        -",
        "a stage that fails in the middle            exit 1, because of filter           exit 0 (bash)",
        "one bit flipped in what was saved           refused at line 2, column 13",
    ] {
        assert!(out.contains(row), "missing: {row}\n{out}");
    }
}
