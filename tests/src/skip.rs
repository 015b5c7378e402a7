//! What a test needs of the host. Without it the test is skipped, loudly and counted; never silently.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Something that not every host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The tests run as root.
    Root,
    /// Another uid can be taken on: root, and setpriv(1).
    OtherUid,
    /// bash(1), to compare with.
    Bash,
    /// strace(1).
    Strace,
    /// A file system with cgroup v2 below which a directory can be made.
    Cgroup,
    /// File systems of this kind can be made in a file, mounted and shut down.
    PowerCuts(&'static str),
    /// A python3(1) with the module jsonschema, to hold our schemas and files against each other.
    JsonSchema,
    /// The program was built with the inspector page, as `cargo xtask test` builds it.
    Page,
}

impl Need {
    /// Returns the name that `SHIPOTE_REQUIRE` uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::OtherUid => "other_uid",
            Self::Bash => "bash",
            Self::Strace => "strace",
            Self::Cgroup => "cgroup",
            Self::PowerCuts(_) => "power_cuts",
            Self::JsonSchema => "json_schema",
            Self::Page => "page",
        }
    }

    /// Returns why it is not there; none where it is.
    fn missing(self) -> Option<String> {
        let program = |name: &str| (!is_here(name)).then(|| format!("{name} is not installed"));
        match self {
            Self::Root => (!is_root()).then(|| "not run as root".to_owned()),
            Self::OtherUid => Self::Root.missing().or_else(|| program("setpriv")),
            Self::PowerCuts(kind) => Self::Root
                .missing()
                .or_else(|| program(&format!("mkfs.{kind}")))
                .or_else(|| program("xfs_io"))
                .or_else(|| (!Path::new("/dev/loop-control").exists()).then(|| "no loop devices".to_owned())),
            Self::Bash => program("bash"),
            Self::JsonSchema => python_with_json_schema()
                .is_none()
                .then(|| "no python3 has the module jsonschema (Debian: python3-jsonschema)".to_owned()),
            Self::Strace => program("strace"),
            Self::Page => {
                let mut inspect = Command::new(crate::program());
                inspect.args(["inspect", "--empty", "-o", "-"]).stdout(Stdio::null()).stderr(Stdio::null());
                let has_it = inspect.status().is_ok_and(|status| status.success());
                (!has_it)
                    .then(|| "the program was built without the inspector page (SHIPOTE_PAGE)".to_owned())
            }
            Self::Cgroup => {
                let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
                let found = table.lines().any(|line| {
                    let mut fields = line.split(' ');
                    let kind = fields.nth(2);
                    kind == Some("cgroup2") && fields.next().is_some_and(|options| options.starts_with("rw"))
                });
                (!found || !is_root()).then(|| "no writable cgroup v2".to_owned())
            }
        }
    }
}

static SKIPPED: AtomicU32 = AtomicU32::new(0);

/// Tells whether this host has what a test needs. Where it has not, says so on stderr, past the capture of the test
/// runner.
///
/// # Panics
///
/// Panics where `SHIPOTE_REQUIRE`, a list with commas, names what is missing.
#[track_caller]
pub fn has(need: Need) -> bool {
    let Some(reason) = need.missing() else { return true };
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let required = std::env::var("SHIPOTE_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == need.name());
    assert!(!is_required, "{test} may not be skipped, SHIPOTE_REQUIRE names {}: {reason}", need.name());
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // The macros would be captured, and a skipped test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason} (number {count})");
    false
}

/// Returns a python3 that has the module jsonschema: the one in the path, or else Debian's.
#[must_use]
pub fn python_with_json_schema() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let mut import = Command::new(python);
        import.args(["-c", "from jsonschema import Draft202012Validator"]).stderr(Stdio::null());
        import.status().is_ok_and(|status| status.success())
    })
}

/// Tells whether the tests run as root.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn is_here(program: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).is_file())
}
