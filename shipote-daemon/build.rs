//! Puts the inspector page into the program: the file that `SHIPOTE_PAGE` names, deflated. Where it names none, the
//! program is built without, and says so when it is asked for the page.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the page takes files in, as `src/inspector.rs` looks for it.
const MARK: &str = "<!--carried-->";

/// Smallest, however long it takes: it is done once per page.
const LEVEL: u8 = 10;

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=SHIPOTE_PAGE");
    let named = std::env::var_os("SHIPOTE_PAGE").filter(|named| !named.is_empty());
    let packed = named.map(|named| packed(Path::new(&named))).transpose()?.unwrap_or_default();
    let out = std::env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
    let out = PathBuf::from(out).join("page.deflate");
    fs::write(&out, packed).map_err(|error| format!("{}: {error}", out.display()))
}

fn packed(named: &Path) -> Result<Vec<u8>, String> {
    // This script stands in the folder of its package, and whoever names the page in that of the workspace.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(named);
    println!("cargo::rerun-if-changed={}", path.display());
    let make = "`cargo xtask inspector` makes it";
    let page = fs::read_to_string(&path).map_err(|error| {
        format!("SHIPOTE_PAGE is {}, which can't be read: {error}; {make}", named.display())
    })?;
    if page.matches(MARK).count() != 1 {
        return Err(format!(
            "SHIPOTE_PAGE is {}, which is no inspector page of this version; {make}",
            named.display()
        ));
    }
    Ok(miniz_oxide::deflate::compress_to_vec(page.as_bytes(), LEVEL))
}
