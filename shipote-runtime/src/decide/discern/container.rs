//! Wrappings: gzip and zlib are peeled within bounds, zip and tar are named by their headers.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::{Guess, WINDOW};

/// Most bytes that a wrapping may unfold to.
const PEEL: usize = 2 * WINDOW;

/// Most members of one gzip stream that are unfolded.
const MEMBERS: usize = 256;

/// What was found inside a wrapping.
#[derive(Debug)]
pub(super) struct Peeled {
    pub(super) mime: &'static str,
    pub(super) inner: Vec<u8>,
    /// Whether `inner` is all that there is.
    pub(super) complete: bool,
    pub(super) why: &'static str,
}

/// Unfolds the beginning of a gzip or zlib stream.
pub(super) fn peel(window: &[u8], complete: bool) -> Option<Peeled> {
    gunzip(window, complete).or_else(|| unzlib(window, complete))
}

/// Joins the members of a gzip stream, as its readers do. The first must hold; what follows may be cut or damaged.
fn gunzip(window: &[u8], complete: bool) -> Option<Peeled> {
    let mut inner = vec![0; PEEL];
    let mut filled = 0;
    let mut rest = window.get(gzip_header(window)?..).unwrap_or_default();
    let mut state = Box::new(DecompressorOxide::new());
    let mut whole = false;
    for member in 0..MEMBERS {
        state.init();
        let (status, read, written) = decompress(&mut state, rest, &mut inner, filled, FLAGS);
        filled += written;
        rest = &rest[read..];
        whole = false;
        match status {
            TINFLStatus::Done => {}
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => break,
            _ if member == 0 => return None,
            _ => break,
        }
        let Some(next) = rest.get(8..) else { break };
        whole = true;
        let Some(header) = gzip_header(next) else { break };
        rest = next.get(header..).unwrap_or_default();
    }
    inner.truncate(filled);
    Some(Peeled { mime: "application/gzip", inner, complete: complete && whole, why: "gzip header" })
}

const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

/// Returns the length of the gzip header at the start of `bytes`, which may lie beyond their end.
fn gzip_header(bytes: &[u8]) -> Option<usize> {
    const CHECK: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let flags = *bytes.strip_prefix(b"\x1f\x8b\x08")?.first()?;
    if flags & 0xe0 != 0 {
        return None;
    }
    let mut at = 10;
    if flags & EXTRA != 0 {
        at += 2 + bytes.get(at..at + 2).map_or(0, |raw| usize::from(raw[0]) | usize::from(raw[1]) << 8);
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let tail = bytes.get(at..).unwrap_or_default();
            at += tail.iter().position(|byte| *byte == 0).map_or(tail.len(), |end| end + 1);
        }
    }
    Some(if flags & CHECK != 0 { at + 2 } else { at })
}

fn unzlib(window: &[u8], complete: bool) -> Option<Peeled> {
    let (method, flags) = (*window.first()?, *window.get(1)?);
    let header = u16::from_be_bytes([method, flags]);
    if method != 0x78 || !header.is_multiple_of(31) || flags & 0x20 != 0 || window.len() < 8 {
        return None;
    }
    let mut inner = vec![0; PEEL];
    let mut state = Box::new(DecompressorOxide::new());
    let (status, _, written) =
        decompress(&mut state, window, &mut inner, 0, FLAGS | TINFL_FLAG_PARSE_ZLIB_HEADER);
    inner.truncate(written);
    let whole = match status {
        TINFLStatus::Done => true,
        TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput if written >= 16 => false,
        _ => return None,
    };
    Some(Peeled {
        mime: "application/zlib",
        inner,
        complete: complete && whole,
        why: "zlib header that unfolds",
    })
}

/// Names archives, and gzip that does not unfold.
pub(super) fn recognise(window: &[u8]) -> Option<Guess> {
    zip(window).or_else(|| tar(window)).or_else(|| {
        gzip_header(window).map(|_| Guess::new("application/gzip", 600, "gzip header, but damaged behind it"))
    })
}

fn tar(window: &[u8]) -> Option<Guess> {
    let marked = window.get(257..262) == Some(b"ustar");
    let Some(header) = window.get(..512) else {
        return marked.then(|| Guess::new("application/x-tar", 900, "ustar mark"));
    };
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        })
        .sum();
    let mut noted = header[148..156]
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| matches!(byte, b'0'..=b'7'));
    let noted = noted.try_fold(0u32, |sum, digit| sum.checked_mul(8)?.checked_add(u32::from(digit - b'0')));
    match (noted == Some(sum) && header[0] != 0, marked) {
        (true, true) => Some(Guess::new("application/x-tar", 990, "ustar mark and header sum")),
        (true, false) => Some(Guess::new("application/x-tar", 950, "header sum of an old tar")),
        (false, true) => {
            Some(Guess::new("application/x-tar", 700, "ustar mark, but the header sum is wrong"))
        }
        (false, false) => None,
    }
}

/// Names a zip by its local headers: the directory at its end is not in sight.
fn zip(window: &[u8]) -> Option<Guess> {
    if window.starts_with(b"PK\x05\x06") {
        return Some(Guess::new("application/zip", 990, "empty zip"));
    }
    let first = Entry::at(window)?;
    if first.name == b"mimetype" && first.method == 0 {
        let declared = first.data.split(|byte| *byte == b'P').next().unwrap_or_default();
        if let Some(mime) = media_type(declared) {
            return Some(Guess::new(mime, 990, "zip whose first entry declares its type"));
        }
    }
    if first.name == b"[Content_Types].xml"
        && let Some(mime) = office(&first.unfold())
    {
        return Some(Guess::new(mime, 990, "zip with the content types of an office document"));
    }
    const FOLDERS: &[(&[u8], &str)] = &[
        (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
        (b"classes.dex", "application/vnd.android.package-archive"),
        (b"META-INF/MANIFEST.MF", "application/java-archive"),
    ];
    let mut office_like = false;
    let mut java = first.name == b"META-INF/";
    for at in 0..window.len().saturating_sub(30) {
        let Some(entry) = window[at..].starts_with(b"PK\x03\x04").then(|| Entry::at(&window[at..])).flatten()
        else {
            continue;
        };
        office_like |= entry.name == b"[Content_Types].xml" || entry.name.starts_with(b"_rels/");
        java |= entry.name.ends_with(b".class");
        if let Some((_, mime)) = FOLDERS.iter().find(|(folder, _)| entry.name.starts_with(folder))
            && (office_like || !mime.contains("openxml"))
        {
            return Some(Guess::new(*mime, 970, "zip with the entries of this format"));
        }
    }
    Some(match java {
        true => Guess::new("application/java-archive", 900, "zip with Java classes"),
        false => Guess::new("application/zip", 990, "local file header"),
    })
}

/// One local header of a zip, and what is in sight of its data.
struct Entry<'a> {
    method: u16,
    name: &'a [u8],
    data: &'a [u8],
}

impl<'a> Entry<'a> {
    fn at(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.strip_prefix(b"PK\x03\x04")?.get(..26)?;
        let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let size = u32::from_le_bytes([header[14], header[15], header[16], header[17]]);
        let (name, extra) = (usize::from(field(22)), usize::from(field(24)));
        let data = bytes.get(30 + name + extra..).unwrap_or_default();
        // A streamed entry notes its size behind the data, and 0 here.
        let size = if size == 0 { data.len() } else { usize::try_from(size).unwrap_or(usize::MAX) };
        let name = bytes.get(30..(30 + name).min(bytes.len()))?;
        Some(Self { method: field(4), name, data: &data[..size.min(data.len())] })
    }

    fn unfold(&self) -> Vec<u8> {
        if self.method != 8 {
            return self.data.to_vec();
        }
        let mut inner = vec![0; PEEL];
        let mut state = Box::new(DecompressorOxide::new());
        let (_, _, written) = decompress(&mut state, self.data, &mut inner, 0, FLAGS);
        inner.truncate(written);
        inner
    }
}

fn office(types: &[u8]) -> Option<&'static str> {
    const PARTS: &[(&[u8], &str)] = &[
        (
            b"wordprocessingml.document.main+xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (
            b"spreadsheetml.sheet.main+xml",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            b"presentationml.presentation.main+xml",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
    ];
    PARTS.iter().find(|(part, _)| types.windows(part.len()).any(|seen| seen == *part)).map(|(_, mime)| *mime)
}

fn media_type(bytes: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(bytes).ok()?.trim();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/.+-".contains(&byte);
    (text.starts_with("application/") && text.len() < 100 && text.bytes().all(plain))
        .then(|| text.to_string())
}
