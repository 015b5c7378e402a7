//! Whether what was declared for an edge agrees with what flows on it.
//!
//! Types form a lattice: an exact type lies below its structured suffix (`+json`, `+xml`, `+zip`), that below
//! `text/plain` where it is text, and everything below `application/octet-stream`.

use serde::{Deserialize, Serialize};

use super::Discerned;

/// How a declared type relates to what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The same type.
    Match,
    /// One is a more general name for the other.
    Compatible,
    /// The stream is something else.
    Mismatch,
    /// The bytes neither bear it out nor speak against it.
    Unknown,
}

/// Returns how the media type `declared` for a stream relates to what was `found` in it.
///
/// Wrappings count: where NDJSON was declared, gzip around NDJSON is a mismatch. A mismatch is worth acting upon
/// only when [`Discerned::outermost`] is [`Confidence::SURE`](super::Confidence::SURE).
#[must_use]
pub fn agrees(declared: &str, found: &Discerned) -> Agreement {
    let declared = Kind::of(declared);
    let (outer, confidence) = found.outermost();
    let seen = Kind::of(outer);
    if declared.is_anything() {
        return if seen.is_anything() { Agreement::Match } else { Agreement::Compatible };
    }
    if confidence.permille() == 0 || seen.0 == "inode/x-empty" {
        return Agreement::Unknown;
    }
    if declared == seen {
        return Agreement::Match;
    }
    let alternative = || found.alternatives.iter().any(|other| declared == Kind::of(&other.mime));
    if declared.covers(&seen) || seen.covers(&declared) && !seen.is_fallback() || alternative() {
        return Agreement::Compatible;
    }
    match (seen.is_anything(), seen.is_plain()) {
        // Nothing was recognised: that speaks only against types that would have been.
        (true, _) if declared.is_text() || declared.is_signed() => Agreement::Mismatch,
        (true, _) => Agreement::Unknown,
        (_, true) if declared.is_strict() || declared.is_signed() => Agreement::Mismatch,
        (_, true) => Agreement::Unknown,
        // A text of a kind that nothing here knows may look like one that is known.
        _ if seen.is_text() && declared.is_unknown_text() => Agreement::Unknown,
        _ => Agreement::Mismatch,
    }
}

/// A media type without parameters, in lower case, under its usual name.
#[derive(Debug, PartialEq, Eq)]
struct Kind(alloc::string::String);

/// Other names of the types that are recognised.
const ALIASES: &[(&str, &str)] = &[
    ("", "application/octet-stream"),
    ("*/*", "application/octet-stream"),
    ("application/binary", "application/octet-stream"),
    ("text/*", "text/plain"),
    ("text/json", "application/json"),
    ("application/ndjson", "application/x-ndjson"),
    ("application/jsonl", "application/x-ndjson"),
    ("application/jsonlines", "application/x-ndjson"),
    ("application/x-jsonlines", "application/x-ndjson"),
    ("text/xml", "application/xml"),
    ("text/tsv", "text/tab-separated-values"),
    ("application/csv", "text/csv"),
    ("text/yaml", "application/yaml"),
    ("text/x-yaml", "application/yaml"),
    ("application/x-yaml", "application/yaml"),
    ("text/x-toml", "application/toml"),
    ("text/toml", "application/toml"),
    ("application/logfmt", "text/x-logfmt"),
    ("text/logfmt", "text/x-logfmt"),
    ("text/x-patch", "text/x-diff"),
    ("application/x-sh", "text/x-shellscript"),
    ("application/javascript", "text/javascript"),
    ("application/x-gzip", "application/gzip"),
    ("application/x-zstd", "application/zstd"),
    ("application/xz", "application/x-xz"),
    ("application/bzip2", "application/x-bzip2"),
    ("application/x-zip-compressed", "application/zip"),
    ("application/tar", "application/x-tar"),
    ("application/x-sqlite3", "application/vnd.sqlite3"),
    ("application/x-parquet", "application/vnd.apache.parquet"),
    ("application/parquet", "application/vnd.apache.parquet"),
    ("application/x-avro", "application/avro"),
    ("avro/binary", "application/avro"),
    ("application/vnd.apache.avro", "application/avro"),
    ("application/x-msgpack", "application/msgpack"),
    ("application/vnd.msgpack", "application/msgpack"),
    ("application/protobuf", "application/x-protobuf"),
    ("application/vnd.google.protobuf", "application/x-protobuf"),
    ("application/x-debian-package", "application/vnd.debian.binary-package"),
    ("application/x-pcap", "application/vnd.tcpdump.pcap"),
    ("application/x-elf", "application/x-executable"),
    ("application/x-pie-executable", "application/x-executable"),
    ("application/x-java-applet", "application/java-vm"),
    ("application/x-bytecode.python", "application/x-python-code"),
    ("audio/x-wav", "audio/wav"),
    ("audio/vnd.wave", "audio/wav"),
    ("audio/x-flac", "audio/flac"),
    ("image/jpg", "image/jpeg"),
    ("image/x-icon", "image/vnd.microsoft.icon"),
];

/// Types that are texts although they are not called so.
const TEXTS: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "application/json-seq",
    "application/xml",
    "application/yaml",
    "application/toml",
    "application/x-pem-file",
    "application/postscript",
    "application/sql",
    "application/x-plist",
];

/// Texts whose grammar is always noticed, so that a text without it is none of them.
const STRICT: &[&str] =
    &["application/json", "application/x-ndjson", "application/json-seq", "application/xml"];

/// Kinds of text that have a recogniser.
const KNOWN_TEXTS: &[&str] = &[
    "text/csv",
    "text/tab-separated-values",
    "text/html",
    "text/x-logfmt",
    "text/x-syslog",
    "text/x-common-log",
    "text/x-ini",
    "text/x-diff",
    "text/x-shellscript",
];

/// Binary types with a signature: bytes without it are something else.
const SIGNED: &[&str] = &[
    "application/gzip",
    "application/zstd",
    "application/x-xz",
    "application/x-bzip2",
    "application/x-lz4",
    "application/zip",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/x-archive",
    "application/vnd.debian.binary-package",
    "application/x-rpm",
    "application/pdf",
    "application/wasm",
    "application/vnd.sqlite3",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
    "application/avro",
    "application/x-npy",
    "application/x-hdf5",
    "application/vnd.tcpdump.pcap",
    "application/x-pcapng",
    "application/x-executable",
    "application/java-vm",
    "application/ogg",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/tiff",
    "image/bmp",
    "audio/flac",
    "audio/wav",
    "audio/ogg",
    "video/mp4",
    "video/webm",
];

impl Kind {
    fn of(mime: &str) -> Self {
        let bare = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let usual = ALIASES.iter().find(|(alias, _)| *alias == bare).map(|(_, usual)| *usual);
        Self(usual.map_or(bare, Into::into))
    }

    fn is_anything(&self) -> bool {
        self.0 == "application/octet-stream"
    }

    fn is_plain(&self) -> bool {
        self.0 == "text/plain"
    }

    /// Whether it is said of whatever has no better name.
    fn is_fallback(&self) -> bool {
        self.is_anything() || self.is_plain()
    }

    /// Returns the type that this one's suffix, or its being a zip inside, makes it a kind of.
    fn family(&self) -> Option<&'static str> {
        match self.0.as_str() {
            "application/xml" | "application/json" | "application/zip" => None,
            kind if kind.ends_with("+json") => Some("application/json"),
            kind if kind.ends_with("+xml") => Some("application/xml"),
            kind if kind.ends_with("+zip")
                || kind.contains("openxmlformats")
                || kind.contains("opendocument") =>
            {
                Some("application/zip")
            }
            "application/java-archive" | "application/vnd.android.package-archive" => Some("application/zip"),
            "application/x-sharedlib" | "application/x-object" | "application/x-coredump" => {
                Some("application/x-executable")
            }
            "application/vnd.debian.binary-package" => Some("application/x-archive"),
            "audio/ogg" | "video/ogg" => Some("application/ogg"),
            "video/webm" => Some("video/x-matroska"),
            _ => None,
        }
    }

    /// Whether this is a more general name for `other`.
    fn covers(&self, other: &Self) -> bool {
        other.family() == Some(self.0.as_str())
            || (self.is_plain() && other.is_text())
            // Every JSON text is a YAML text.
            || (self.0 == "application/yaml" && other.is_json())
            || (self.0.ends_with("/*") && other.0.starts_with(&self.0[..self.0.len() - 1]))
    }

    fn is_text(&self) -> bool {
        self.0.starts_with("text/")
            || TEXTS.contains(&self.0.as_str())
            || matches!(self.family(), Some("application/json" | "application/xml"))
    }

    fn is_json(&self) -> bool {
        self.family().unwrap_or(&self.0) == "application/json"
    }

    fn is_strict(&self) -> bool {
        STRICT.contains(&self.family().unwrap_or(&self.0))
    }

    fn is_signed(&self) -> bool {
        SIGNED.contains(&self.family().unwrap_or(&self.0))
    }

    fn is_unknown_text(&self) -> bool {
        self.0.starts_with("text/") && !KNOWN_TEXTS.contains(&self.0.as_str())
    }
}
