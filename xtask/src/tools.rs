//! What the tests need beyond cargo: installed where that can be done, named where it cannot.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, inspector, program};

/// Targets that something is built or checked for.
const TARGETS: &[&str] = &["wasm32-unknown-unknown", "wasm32v1-none", "x86_64-unknown-linux-musl"];

/// Parts of the toolchain: what they are called to rustup, and the program that shows they are there.
const COMPONENTS: &[(&str, &str)] = &[("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")];

/// Programs that tests run, and the Debian packages that hold them.
const NEEDED: &[(&str, &str)] = &[("zcat", "gzip"), ("sort", "coreutils")];

/// Programs that only some tests run; these count themselves as skipped without them.
const WELCOME: &[(&str, &str)] =
    &[("strace", "strace"), ("mkfs.xfs", "xfsprogs"), ("mkfs.ext4", "e2fsprogs")];

/// Programs that pack what is handed on, and the Debian packages that hold them.
const PACKERS: &[(&str, &str)] = &[("tar", "tar"), ("gzip", "gzip"), ("sha256sum", "coreutils")];

/// Programs that build the inspector page and look at it, and the Debian packages that hold them.
const BROWSER: &[(&str, &str)] =
    &[("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium"), ("xz", "xz-utils")];

/// Makes sure that everything is there, or says in one line what to install.
pub fn ensure(root: &Path) -> Outcome {
    let mut wanted = Vec::new();
    wanted.extend(targets(root).err());
    wanted.extend(components().err());
    wanted.extend(packages().err());
    for message in [debian(WELCOME).err(), validator().err()].into_iter().flatten() {
        println!("note: tests that need it are skipped without: {message}");
    }
    if wanted.is_empty() { Ok(()) } else { Err(format!("install first: {}", wanted.join("; "))) }
}

/// Makes sure that the programs of the crash matrix are there.
pub fn crash() -> Outcome {
    debian(WELCOME)
}

/// Makes sure that what packs is there, or says in one line what to install.
pub fn dist() -> Outcome {
    debian(PACKERS).map_err(|message| format!("install first: {message}"))
}

/// Makes sure that what builds and tests the inspector page is there.
pub fn inspector(root: &Path) -> Outcome {
    // Another browser of the same kind does as well, where its path is given.
    let given = std::env::var_os("CHROMIUM").is_some();
    let needed: Vec<(&str, &'static str)> =
        BROWSER.iter().copied().filter(|(program, _)| !(given && *program == "chromium")).collect();
    let missing = [targets(root).err(), debian(&needed).err()];
    let missing: Vec<String> = missing.into_iter().flatten().collect();
    if !missing.is_empty() {
        return Err(format!("install first: {}", missing.join("; ")));
    }
    let web = root.join(inspector::WEB);
    let (lock, installed) = (web.join("package-lock.json"), web.join("node_modules/installed-lock.json"));
    let (wanted, present) = (std::fs::read(&lock).ok(), std::fs::read(&installed).ok());
    if wanted.is_some() && wanted == present {
        return Ok(());
    }
    println!("npm ci");
    program::run(Command::new("npm").arg("ci").current_dir(&web))
        .map_err(|_| format!("install first: (cd {} && npm ci)", inspector::WEB))?;
    std::fs::copy(&lock, &installed).map(|_| ()).map_err(|error| format!("{}: {error}", installed.display()))
}

/// Makes sure that some python3 has the validator of JSON Schema that the schemas are held against.
fn validator() -> Outcome {
    let has_it = |python: &str| {
        program::read(Command::new(python).args(["-c", "from jsonschema import Draft202012Validator"]))
            .is_ok()
    };
    if ["python3", "/usr/bin/python3"].into_iter().any(has_it) {
        Ok(())
    } else {
        apt(&["python3-jsonschema"])
    }
}

/// Makes sure that the standard libraries of all targets are there.
pub fn targets(root: &Path) -> Outcome {
    let sysroot = program::read(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> =
        TARGETS.iter().copied().filter(|target| !library.join(target).is_dir()).collect();
    install(&missing, "rustup target add", Command::new("rustup").args(["target", "add"]).current_dir(root))
}

fn components() -> Outcome {
    let missing: Vec<&str> =
        COMPONENTS.iter().filter(|(_, program)| !is_here(program)).map(|(component, _)| *component).collect();
    install(&missing, "rustup component add", Command::new("rustup").args(["component", "add"]))
}

fn packages() -> Outcome {
    debian(NEEDED)
}

/// Makes sure that programs are there, which Debian's packages hold.
fn debian(needed: &[(&str, &'static str)]) -> Outcome {
    let missing: Vec<&str> =
        needed.iter().filter(|(program, _)| !is_here(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { apt(&missing) }
}

/// Installs packages of Debian's, which takes root.
fn apt(packages: &[&str]) -> Outcome {
    let root = program::read(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0");
    let typed = format!("apt-get install {}", packages.join(" "));
    if !root {
        return Err(typed);
    }
    println!("{typed}");
    let run = |arguments: &[&str]| {
        program::run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // A fresh machine has no list of packages yet, or an old one.
    run(&install).or_else(|_| run(&["update"]).and_then(|()| run(&install))).map_err(|_| typed)
}

/// Runs `installer` for what is missing; where it fails, the error is the line to type.
fn install(missing: &[&str], typed: &str, installer: &mut Command) -> Outcome {
    if missing.is_empty() {
        return Ok(());
    }
    println!("{typed} {}", missing.join(" "));
    program::run(installer.args(missing)).map_err(|_| format!("{typed} {}", missing.join(" ")))
}

fn is_here(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|directory| directory.join(program).is_file())
}
