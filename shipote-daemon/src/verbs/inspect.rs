//! `inspect`: the page that the program carries, with state files in it, written and opened.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::{Context, Done};
use crate::cli::Inspect;
use crate::exit::{Code, Failure};
use crate::inspector::{self, Carried, MOST_CARRIED, MOST_OPENED};
use crate::place::private_directory;
use crate::render::printable::one_line;
use crate::state_files::{Content, StateFiles, generations};

/// The page's name where none is given.
const NAME: &str = "inspect.html";

/// What the names of files begin and end with that are renamed to pages when they are whole.
const TEMPORARY: (&str, &str) = (".shipote-inspect.", ".tmp");

/// Age from which on such a file is one that a killed run left.
const LEFT: Duration = Duration::from_secs(60 * 60);

/// How long a browser's launcher is watched for a failure.
const LAUNCH: Duration = Duration::from_secs(1);

/// Writes the page, and opens it where somebody can look at it.
pub fn inspect(context: &Context, args: &Inspect) -> Done {
    let out = &context.out;
    let to_stdout = args.page.as_deref() == Some(Path::new("-"));
    if to_stdout && out.is_json() {
        return Err(Failure::usage("-o - writes the page to stdout, where --output json has its document")
            .hint("name a file: -o page.html"));
    }
    if to_stdout && out.stdout_tty {
        return Err(Failure::usage("stdout is a terminal, and the page is nothing to read there")
            .hint("name a file: -o page.html; or send it on: shipote inspect -o - | …"));
    }
    let page = inspector::page()?;
    let sources = sources(context, args)?;
    let named: Vec<String> = sources.iter().map(|source| name_of(source, &sources)).collect();
    let carried: Vec<_> = named
        .iter()
        .zip(&sources)
        .map(|(name, source)| Carried { name: name.clone(), bytes: &source.bytes })
        .collect();
    let whole = inspector::with_files(&page, &carried)?;
    let names: Vec<_> = named.iter().map(|name| one_line(name)).collect();
    let secrets = format!("the page holds {}, values of environment variables included", names.join(", "));
    if to_stdout {
        if !sources.is_empty() {
            out.note(&format!("{secrets}; see to it that only you can read it"));
        }
        out.bytes(whole.as_bytes())?;
        return Ok(0);
    }

    let (path, is_new) = match &args.page {
        Some(named) => target(named)?,
        None => {
            let directory = own_directory()?;
            remove_left(&directory, SystemTime::now());
            (directory.join(NAME), false)
        }
    };
    // A page without files holds nothing that anybody else could not have.
    let mode = if sources.is_empty() { 0o666 } else { 0o600 };
    replace(&path, whole.as_bytes(), mode, is_new).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(Code::Conflict, format!("{} was made by somebody else meanwhile", path.display()))
                .hint("name another file; one that holds something else is never overwritten")
        }
        _ => Failure::file("write", &path, &error),
    })?;

    if !sources.is_empty() {
        out.note(&format!("{secrets}; only you can read it (mode 0600)"));
    } else if !args.empty {
        let dir = context.place().state_dir.display();
        out.note(&format!(
            "nothing is kept in {dir}; the page is empty, and takes the files that are dropped on it"
        ));
    }
    let mut opened = false;
    if args.page.is_none() && !args.no_open {
        match open(&path, out.stdout_tty) {
            Ok(()) => opened = true,
            Err(reason) => {
                out.note(&format!("{reason}; open the page in a browser, here or where you copy it to"));
            }
        }
    }
    let files: Vec<_> = sources
        .iter()
        .map(|source| json!({ "file": shown(&source.path), "bytes": source.bytes.len() }))
        .collect();
    let document = json!({ "page": shown(&path), "bytes": whole.len(), "files": files, "opened": opened });
    out.result(&document, || shown(&path))?;
    Ok(0)
}

/// Returns a path as text. Not every path is one, and JSON has nothing else.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Returns what goes into the page: the files that are named, or those of the state directory.
fn sources(context: &Context, args: &Inspect) -> Result<Vec<Content>, Failure> {
    if args.empty {
        return Ok(Vec::new());
    }
    let sources = if args.files.is_empty() {
        own_state(&context.place().state_dir)?
    } else {
        let mut room = MOST_OPENED;
        let mut read = |path: &PathBuf| {
            let bytes = bytes_of(path, room)?;
            room -= bytes.len() as u64;
            Ok(Content { path: path.clone(), bytes })
        };
        args.files.iter().map(&mut read).collect::<Result<_, Failure>>()?
    };
    let mut sum = 0;
    for source in &sources {
        sum += source.bytes.len() as u64;
        if sum > MOST_OPENED {
            return Err(inspector::too_much(&shown(&source.path), MOST_CARRIED));
        }
    }
    Ok(sources)
}

/// Returns the files of a state directory in the order in which the page is to have them: it shows the state of the last
/// one, and gives a journal that fits none of several states to the last of them.
fn own_state(dir: &Path) -> Result<Vec<Content>, Failure> {
    let mut state = StateFiles::of_directory(dir)?;
    state.read_samples()?;
    let mut files = generations(dir)?;
    files.reverse();
    // The same bytes under two names, where a fold was cut off. The page keeps the first of them.
    files.retain(|file| state.checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.bytes != file.bytes));
    files.dedup_by(|later, earlier| later.bytes == earlier.bytes);
    // One without a line yet can only be told by its name, and the page goes by what is in a file.
    files.extend(state.samples.into_iter().chain(state.journals).filter(|file| !file.bytes.is_empty()));
    files.extend(state.checkpoint);
    Ok(files)
}

/// Reads a regular file of at most `most` bytes; `-` is stdin.
fn bytes_of(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        // Not blocking: the opening of a FIFO would wait for a writer.
        let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
        let file = File::options().read(true).custom_flags(flags.bits()).open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(no_file(path, meta.file_type()));
        }
        if meta.len() > most {
            return Err(inspector::too_much(&shown(path), MOST_CARRIED));
        }
        file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > most {
        return Err(inspector::too_much(&shown(path), MOST_CARRIED));
    }
    Ok(bytes)
}

/// Returns the failure of something that is no regular file.
fn no_file(path: &Path, kind: fs::FileType) -> Failure {
    let shown = path.display();
    let (what, hint) = if kind.is_dir() {
        let hint =
            format!("name files in it; or, if it is a state directory: shipote --state-dir {shown} inspect");
        ("a directory", hint)
    } else {
        let what = if kind.is_fifo() { "a FIFO" } else { "a device or socket" };
        (what, format!("- reads stdin: shipote inspect - < {shown}"))
    };
    Failure::usage(format!("read {shown}: it is {what}, and a page carries files")).hint(hint)
}

/// Returns the file's name, with as many of the directories before it as tell it from the others.
fn name_of(source: &Content, all: &[Content]) -> String {
    fn parts(path: &Path) -> impl Iterator<Item = Component<'_>> {
        path.components().rev()
    }
    let path = &source.path;
    let shared = |other: &Content| parts(path).zip(parts(&other.path)).take_while(|(a, b)| a == b).count();
    let others = all.iter().filter(|other| other.path != *path);
    let mut tail: Vec<_> = parts(path).take(others.map(shared).max().unwrap_or(0) + 1).collect();
    tail.reverse();
    tail.iter().collect::<PathBuf>().to_string_lossy().into_owned()
}

/// Returns the file that a name for the page means, if nothing is lost by writing it, and whether it is yet to be made.
fn target(named: &Path) -> Result<(PathBuf, bool), Failure> {
    let failed = |error: io::Error| Failure::file("write", named, &error);
    let path = match fs::symlink_metadata(named) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return std::path::absolute(named).map(|path| (path, true)).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
        // What a link points at is written, and the link stays.
        Ok(_) => named.canonicalize().map_err(failed)?,
    };
    let meta = fs::metadata(&path).map_err(failed)?;
    if meta.is_dir() {
        return Err(Failure::file("write", named, &io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if !meta.is_file() {
        return Err(Failure::usage(format!("write {}: it is no regular file", named.display()))
            .hint("-o - writes to stdout, which can be any of these"));
    }
    let mut head = Vec::new();
    File::open(&path).and_then(|file| file.take(4096).read_to_end(&mut head)).map_err(failed)?;
    let is_page =
        head.starts_with(b"<!doctype html>") && String::from_utf8_lossy(&head).contains("shipote-build");
    if !head.is_empty() && !is_page {
        return Err(Failure::new(
            Code::Conflict,
            format!("{} is there, and is no page of the inspector", named.display()),
        )
        .hint("name another file; one that holds something else is never overwritten"));
    }
    Ok((path, false))
}

/// Returns a directory of this user's alone for the page: one that goes with the session, else one that stays.
fn own_directory() -> Result<PathBuf, Failure> {
    let owner = |path: &Path| fs::metadata(path).ok().map(|meta| meta.uid());
    let uid = nix::unistd::geteuid().as_raw();
    let mut last = None;
    for directory in directories(&|name| std::env::var_os(name), &owner, uid) {
        match private_directory(&directory) {
            Ok(()) => return Ok(directory),
            Err(failure) => last = Some(failure),
        }
    }
    let failure = last.unwrap_or_else(|| {
        Failure::new(Code::NotFound, "neither XDG_RUNTIME_DIR nor HOME tells where the page could go")
    });
    Err(failure.hint("name a place for the page: shipote inspect -o page.html"))
}

/// Returns where the page could go, the best first.
fn directories(
    env: &dyn Fn(&str) -> Option<OsString>,
    owner: &dyn Fn(&Path) -> Option<u32>,
    uid: u32,
) -> Vec<PathBuf> {
    // The XDG specification says to ignore a relative path.
    let var = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // After su it may still be that of the former user.
    let runtime = var("XDG_RUNTIME_DIR").filter(|path| owner(path) == Some(uid));
    let cache = var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
    runtime.into_iter().chain(cache).map(|path| path.join("shipote")).collect()
}

/// Removes what killed runs left in the program's own directory. What can't be removed is in nobody's way.
fn remove_left(directory: &Path, now: SystemTime) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1);
        let is_old = || {
            let written = entry.metadata().and_then(|meta| meta.modified()).ok();
            written.and_then(|at| now.duration_since(at).ok()).is_some_and(|age| age > LEFT)
        };
        if is_ours && is_old() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Puts a file in place, whole or not at all. One that is yet to be made takes nobody's place.
fn replace(path: &Path, bytes: &[u8], mode: u32, is_new: bool) -> io::Result<()> {
    let (temporary, mut file) = temporary(path, mode)?;
    let put = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| if is_new { put_new(&temporary, path) } else { fs::rename(&temporary, path) });
    if put.is_err() || is_new {
        // It is gone, has a second name by now, or can't be removed for the reason that is told.
        let _ = fs::remove_file(&temporary);
    }
    put
}

/// Makes a file beside `path`, of a name that nobody else has.
fn temporary(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let mut tried = 0;
    loop {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let id = format!("{}-{}-{tried}", std::process::id(), since.as_nanos());
        let temporary = path.with_file_name(format!("{}{id}{}", TEMPORARY.0, TEMPORARY.1));
        match File::options().write(true).create_new(true).mode(mode).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if tried < 8 => tried += 1,
            Err(_) => return Err(io::Error::other(format!("{} is in the way", temporary.display()))),
        }
    }
}

/// Gives a file a name that nobody has yet.
fn put_new(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(temporary, path).or_else(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        // Where a file has one name only, this takes the name first.
        File::options().write(true).create_new(true).open(path)?;
        fs::rename(temporary, path).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    })
}

/// Opens a page in the browser of the session, where somebody sits in front of it, or tells why not.
fn open(path: &Path, stdout_tty: bool) -> Result<(), String> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !stdout_tty {
        return Err("nothing was opened, since stdout is no terminal".to_owned());
    }
    if !is_set("WAYLAND_DISPLAY") && !is_set("DISPLAY") {
        return Err("nothing was opened, since this is no graphical session".to_owned());
    }
    let mut command = Command::new("xdg-open");
    // In a group of its own, so that a browser that begins with it does not end with Ctrl-C here.
    command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "xdg-open is not installed (Debian: xdg-utils)".to_owned(),
        _ => format!("xdg-open can't be started: {}", crate::exit::plain(&error)),
    })?;
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("xdg-open found no browser ({status})")),
            // Some launchers stay for as long as their browser does.
            Ok(None) if began.elapsed() >= LAUNCH => return Ok(()),
            Ok(None) => sleep(Duration::from_millis(10)),
            Err(error) => return Err(format!("xdg-open is lost: {}", crate::exit::plain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_goes_where_only_its_user_looks() {
        let told = |vars: &[(&str, &str)]| {
            let env = |name: &str| {
                vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            let owner = |path: &Path| Some(if path.starts_with("/run/user/1000") { 1000 } else { 0 });
            let found = directories(&env, &owner, 1000);
            found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let home = ("HOME", "/home/u");
        insta::assert_snapshot!(told(&[("XDG_RUNTIME_DIR", "/run/user/1000"), home]), @"/run/user/1000/shipote /home/u/.cache/shipote");
        insta::assert_snapshot!(told(&[("XDG_RUNTIME_DIR", "/run/user/0"), home]), @"/home/u/.cache/shipote");
        insta::assert_snapshot!(told(&[("XDG_RUNTIME_DIR", "rel"), ("XDG_CACHE_HOME", "/c"), home]), @"/c/shipote");
        insta::assert_snapshot!(told(&[]), @"");
    }

    #[test]
    fn files_of_one_name_are_told_apart_by_their_directories() {
        let told = |paths: &str| {
            let content = |path: &str| Content { path: path.into(), bytes: Vec::new() };
            let all: Vec<Content> = paths.split(' ').map(content).collect();
            all.iter().map(|source| name_of(source, &all)).collect::<Vec<_>>().join(" ")
        };
        insta::assert_snapshot!(told("/var/state.json"), @"state.json");
        insta::assert_snapshot!(told("a/state.json a/state.journal b/state.json"), @"a/state.json state.journal b/state.json");
        insta::assert_snapshot!(told("/x/a/state.json /y/a/state.json /z/state.json"), @"x/a/state.json y/a/state.json z/state.json");
        insta::assert_snapshot!(told("state.json a/state.json /state.json"), @"state.json a/state.json /state.json");
        insta::assert_snapshot!(told("a/state.json a/state.json ../state.json -"), @"a/state.json a/state.json ../state.json -");
    }

    #[test]
    fn a_page_is_replaced_whole_and_something_else_never() {
        let dir = std::env::temp_dir().join(format!("shipote-inspect-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let at = |name: &str| dir.join(name);
        let head = "<!doctype html>\n<meta name=\"shipote-build\" content=\"0\">";
        for (name, text) in
            [("page.html", head), ("state.json", "{}"), ("new.html", ""), ("other.html", "<!doctype html>")]
        {
            fs::write(at(name), text).unwrap();
        }
        std::os::unix::fs::symlink("page.html", at("link.html")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling.html")).unwrap();
        assert_eq!(target(&at("page.html")), Ok((at("page.html").canonicalize().unwrap(), false)));
        assert_eq!(target(&at("link.html")), Ok((at("page.html").canonicalize().unwrap(), false)));
        assert_eq!(target(&at("absent.html")), Ok((at("absent.html"), true)));
        assert!(target(&at("new.html")).is_ok());
        for name in ["state.json", "other.html"] {
            assert_eq!(target(&at(name)).unwrap_err().code, Code::Conflict, "{name}");
        }
        assert_eq!(target(&at("dangling.html")).unwrap_err().code, Code::NotFound);
        assert!(target(&dir).is_err());
        assert_eq!(target(Path::new("/dev/null")).unwrap_err().code, Code::Usage);

        replace(&at("page.html"), b"whole", 0o600, false).unwrap();
        replace(&at("absent.html"), b"whole", 0o600, true).unwrap();
        for name in ["page.html", "absent.html"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"whole");
            assert_eq!(fs::metadata(at(name)).unwrap().mode() & 0o7777, 0o600);
        }
        assert!(replace(&at("absent/page.html"), b"whole", 0o600, true).is_err());
        // Somebody made it after it was looked at.
        let taken = replace(&at("state.json"), b"whole", 0o600, true).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("state.json")).unwrap(), b"{}");
        let left = || {
            let entries = fs::read_dir(&dir).unwrap().flatten();
            entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "tmp")).count()
        };
        assert_eq!(left(), 0);

        let (path, _) = temporary(&at("page.html"), 0o600).unwrap();
        let (other, _) = temporary(&at("page.html"), 0o600).unwrap();
        assert_ne!(path, other);
        fs::write(at("mine.tmp"), "").unwrap();
        remove_left(&dir, SystemTime::now());
        assert_eq!(left(), 3, "a run that goes on");
        remove_left(&dir, SystemTime::now() + LEFT + LEFT);
        assert_eq!(left(), 1, "what a killed run left, and nothing else");
        fs::remove_dir_all(&dir).unwrap();
    }
}
