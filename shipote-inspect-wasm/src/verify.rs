//! The verdict on a file, in the words of the command line.

/// Returns what `shipote state verify --output json` says of a file with these bytes and this name.
#[must_use]
pub fn verify(bytes: &[u8], file_name: &str) -> String {
    let report = shipote_snapshot::verify(bytes, file_name).with_sha256(bytes);
    // A report holds nothing that JSON could refuse: its keys are texts.
    serde_json::to_string(&report).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_as_the_command_line_judges_it() {
        let text = verify(br#"{"version":6,"timestamp_ms":1}"#, "/home/me/state.json");
        insta::assert_snapshot!(text, @r#"{"verdict":"newer","version":6,"file":"state.json","sha256":"606b1f8fdc4b20d6fec7e4dcdcc228cffbc5a2e2087819120d5e09d5f9e7cf38","counts":{"workspaces":0,"saved_pipelines":0,"live_pipelines":0,"commands":0,"held":0},"problems":[{"severity":"note","code":"version_newer","pointer":"/version","line":1,"column":12,"offset":11,"len":1,"message":"version 6 is newer than 5, the newest known here","hint":"use the Shipote that wrote it, or a later one","file":"state.json"}],"more":0}"#);
        let text = verify(b"{\"version\":5,\n\"workspaces\";[]}", "state.json");
        insta::assert_snapshot!(text, @r#"{"verdict":"invalid","version":null,"file":"state.json","sha256":"0a4b05f64b589b7c381c8f0f1ee0732122443c482407080fdbfb74275753b242","counts":{"workspaces":0,"saved_pipelines":0,"live_pipelines":0,"commands":0,"held":0},"problems":[{"severity":"fatal","code":"not_json","pointer":"","line":2,"column":13,"offset":26,"len":0,"message":"not JSON: expected `:`","hint":"an earlier generation may stand beside it: state.json.1 to state.json.3","file":"state.json"}],"more":0}"#);
    }
}
