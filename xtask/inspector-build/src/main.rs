//! `inspector-build IN.wasm DIRECTORY`: writes `inspector.js` and `inspector_bg.wasm`, what a browser takes, of what
//! the compiler made.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, directory] = arguments.as_slice() else {
        eprintln!("usage: inspector-build IN.wasm DIRECTORY");
        return ExitCode::from(2);
    };
    match build(input, directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("inspector-build: {message}");
            ExitCode::FAILURE
        }
    }
}

fn build(input: &str, directory: &str) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    // A module, of which the bundler of the page takes what is used.
    bindgen.web(true).map_err(|error| format!("{error:#}"))?;
    bindgen
        .input_path(input)
        .out_name("inspector")
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(directory)
        .map_err(|error| format!("{error:#}"))
}
