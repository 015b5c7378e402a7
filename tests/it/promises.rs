//! The page of promises names tests: every one of them is there.

use std::path::Path;

#[test]
fn every_promise_names_a_test_that_exists() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(here.join("../docs/promises.md")).unwrap();
    let mut found = 0;
    for (module, test) in page.split('`').filter_map(|word| word.split_once("::")) {
        let file = here.join("it").join(module).with_extension("rs");
        let source =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "no test {module}::{test}");
        found += 1;
    }
    for (file, test) in page.split('`').filter_map(|word| word.split_once(".test.mjs: ")) {
        let path = here.join("../shipote-inspect-wasm/web/tests").join(file).with_extension("test.mjs");
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(source.contains(&format!("\ntest(\"{test}\", ")), "no test {file}.test.mjs: {test}");
        found += 1;
    }
    // Each promise stands on a line of its own, numbered without gaps.
    let numbers: Vec<usize> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
    assert!(found >= numbers.len(), "{found} tests for {} promises", numbers.len());
}
