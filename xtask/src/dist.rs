//! What is handed on, `cargo xtask dist`: one archive of the program, which carries the inspector page, and what belongs
//! beside it. It is looked at as those who get it will: unpacked, and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{self, cargo};
use crate::{Outcome, inspector, tools};

/// Files of the project that are in it, and what they are called there.
const BESIDE: [(&str, &str); 3] =
    [("LICENSE-APACHE", "LICENSE-APACHE"), ("LICENSE-MIT", "LICENSE-MIT"), ("docs/cli.md", "cli.md")];

/// Shells, and what each one's script for completion is called where the shell looks for it.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "shipote.bash"), ("fish", "shipote.fish"), ("zsh", "_shipote")];

/// The page's name beside the program.
const PAGE: &str = "shipote-inspect.html";

/// The sums of everything else.
const SUMS: &str = "SHA256SUMS";

/// Builds, packs and checks; `target` is the host where none is named.
pub fn run(root: &Path, target: Option<&str>) -> Outcome {
    tools::dist()?;
    let page = inspector::page(root)?;
    let target = target.map_or_else(host, |target| Ok(target.to_owned()))?;
    let version = version(root)?;
    let shipote = build(root, &target, &page)?;

    let name = format!("shipote-{version}-{target}");
    let dist = program::built(root, "dist")?;
    let folder = dist.join(&name);
    fill(root, &folder, &shipote, &page)?;
    let archive = dist.join(format!("{name}.tar.gz"));
    pack(&folder, &archive, moment(root))?;
    check(&archive, &name, &version, &page)?;

    print!("{}", listed(&dist, &name)?);
    println!("checked: unpacked, its sums compared, {version} run, the page in it the same as beside it");
    println!("{}", archive.display());
    Ok(())
}

/// Builds the program for a target, without the paths of this machine in it.
fn build(root: &Path, target: &str, page: &Path) -> Outcome<PathBuf> {
    let built = program::built(root, "")?;
    let hidden = format!(
        "{} --remap-path-prefix={}=shipote --remap-path-prefix={}=target",
        inspector::hidden_paths(),
        root.display(),
        built.display()
    );
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", target.to_uppercase().replace('-', "_"));
    // A folder of its own by the name of the target: what is built for tests stays as it is. The tables of lines are four
    // fifths of the program; without them a backtrace still names its functions.
    let build =
        ["rustc", "--release", "--locked", "--target", target, "-p", "shipote-daemon", "--bin", "shipote"];
    let strip = ["--", "-C", "strip=debuginfo"];
    program::run(cargo(root, &build).args(strip).env(flags, hidden).env("SHIPOTE_PAGE", page))?;
    Ok(built.join(target).join("release/shipote"))
}

/// Makes the folder that is packed.
fn fill(root: &Path, folder: &Path, shipote: &Path, page: &Path) -> Outcome {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    let completions = folder.join("completions");
    fs::create_dir_all(&completions).map_err(|error| failed(&completions, error))?;
    let copies = BESIDE.iter().map(|(from, to)| (root.join(from), *to));
    let built = [(shipote.to_owned(), "shipote"), (page.to_owned(), PAGE)];
    for (from, to) in copies.chain(built) {
        fs::copy(&from, folder.join(to)).map_err(|error| failed(&from, error))?;
    }
    for (shell, file) in COMPLETIONS {
        let script = program::read(Command::new(shipote).args(["completions", shell]))?;
        let path = completions.join(file);
        fs::write(&path, script).map_err(|error| failed(&path, error))?;
    }
    let sums = program::read(Command::new("sha256sum").args(files(folder)?).current_dir(folder))?;
    fs::write(folder.join(SUMS), sums).map_err(|error| failed(&folder.join(SUMS), error))
}

/// Returns the paths of all files below a folder, in order.
fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(below) = waiting.pop() {
        let path = folder.join(&below);
        let entries = fs::read_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for entry in entries.flatten() {
            let inner = below.join(entry.file_name());
            if entry.path().is_dir() { waiting.push(inner) } else { found.push(inner) }
        }
    }
    found.sort();
    Ok(found)
}

/// Packs a folder: the bytes depend on what is in it and on `moment`, and on nothing of this machine.
fn pack(folder: &Path, archive: &Path, moment: u64) -> Outcome {
    let (parent, name) = (folder.parent().unwrap_or(folder), folder.file_name().unwrap_or_default());
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mode=u=rwX,go=rX", "--use-compress-program=gzip -9n"])
        .arg(format!("--mtime=@{moment}"))
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(parent)
        .arg(name)
        .env("LC_ALL", "C");
    program::run(&mut tar)
}

/// Returns the time that everything in the archive has: the one that `SOURCE_DATE_EPOCH` names, or that of the commit.
fn moment(root: &Path) -> u64 {
    let named = std::env::var("SOURCE_DATE_EPOCH").ok();
    let commit =
        || program::read(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root)).ok();
    named.or_else(commit).and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// Looks at an archive as those who get it will.
fn check(archive: &Path, name: &str, version: &str, page: &Path) -> Outcome {
    let place = archive.with_file_name("check");
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    if place.exists() {
        fs::remove_dir_all(&place).map_err(failed)?;
    }
    fs::create_dir_all(&place).map_err(failed)?;
    program::run(
        Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(&place),
    )?;
    let folder = place.join(name);
    program::read(
        Command::new("sha256sum").args(["--check", "--quiet", "--strict", SUMS]).current_dir(&folder),
    )?;
    let shipote = folder.join("shipote");
    let said = program::read(Command::new(&shipote).arg("--version"))?;
    if said.trim() != format!("shipote {version}") {
        return Err(format!("the program says that it is `{}`, and not of version {version}", said.trim()));
    }
    let written = folder.join("written.html");
    program::read(Command::new(&shipote).args(["inspect", "--empty", "-o"]).arg(&written))?;
    let bytes = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let wanted = bytes(page)?;
    if bytes(&written)? != wanted || bytes(&folder.join(PAGE))? != wanted {
        return Err("the page in the program, the one beside it and the one that was built differ".to_owned());
    }
    fs::remove_dir_all(&place).map_err(failed)
}

/// Returns a line with size and sum for each file of the folder, and for the archive.
fn listed(dist: &Path, name: &str) -> Outcome<String> {
    let archive = PathBuf::from(format!("{name}.tar.gz"));
    let mut paths: Vec<PathBuf> =
        files(&dist.join(name))?.into_iter().map(|path| Path::new(name).join(path)).collect();
    paths.push(archive);
    let sums = program::read(Command::new("sha256sum").args(&paths).current_dir(dist))?;
    let mut text = String::new();
    for (path, sum) in paths.iter().zip(sums.lines()) {
        let size = fs::metadata(dist.join(path)).map_or(0, |meta| meta.len());
        text.push_str(&format!("{size:>10}  {sum}\n"));
    }
    Ok(text)
}

/// Returns the version of the program.
fn version(root: &Path) -> Outcome<String> {
    let metadata = program::metadata(root)?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let daemon = packages.iter().find(|package| package["name"] == "shipote-daemon");
    let version = daemon.and_then(|package| package["version"].as_str());
    version.map(str::to_owned).ok_or_else(|| "cargo metadata names no shipote-daemon".to_owned())
}

/// Returns the target of this machine.
fn host() -> Outcome<String> {
    let told = program::read(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_same_files_are_the_same_archive_whoever_packs_them() {
        let place = std::env::temp_dir().join(format!("shipote-dist-{}", std::process::id()));
        let mut archives = Vec::new();
        for (turn, order) in [["b", "a", "c/d"], ["c/d", "a", "b"]].iter().enumerate() {
            let folder = place.join(turn.to_string()).join("shipote-1");
            fs::create_dir_all(folder.join("c")).unwrap();
            for name in order {
                let path = folder.join(name);
                fs::write(&path, format!("this is {name}")).unwrap();
                // What a umask leaves differs; that something can be executed stays.
                let mode = [0o600, 0o666][turn] | if *name == "a" { [0o100, 0o111][turn] } else { 0 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            assert_eq!(files(&folder).unwrap(), ["a", "b", "c/d"].map(PathBuf::from));
            let archive = place.join(format!("{turn}.tar.gz"));
            pack(&folder, &archive, 1_700_000_000).unwrap();
            archives.push(archive);
        }
        assert_eq!(fs::read(&archives[0]).unwrap(), fs::read(&archives[1]).unwrap());
        let told = program::read(Command::new("tar").arg("-tvf").arg(&archives[0]).env("TZ", "UTC")).unwrap();
        let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
        let modes: Vec<&str> = lines.iter().map(|line| line[0]).collect();
        assert_eq!(modes, ["drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--", "drwxr-xr-x", "-rw-r--r--"]);
        assert!(lines.iter().all(|line| line[1] == "0/0" && line[3] == "2023-11-14"), "{told}");
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn an_archive_that_was_changed_is_refused() {
        let place = std::env::temp_dir().join(format!("shipote-dist-changed-{}", std::process::id()));
        let folder = place.join("shipote-1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), "a").unwrap();
        fs::write(folder.join(SUMS), format!("{}  a\n", "0".repeat(64))).unwrap();
        let archive = place.join("shipote-1.tar.gz");
        pack(&folder, &archive, 0).unwrap();
        let refused = check(&archive, "shipote-1", "1", &folder.join("a")).unwrap_err();
        assert!(refused.contains("sha256sum"), "{refused}");
        fs::remove_dir_all(&place).unwrap();
    }
}
