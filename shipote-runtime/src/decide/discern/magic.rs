//! Types that announce themselves: a signature at a fixed place, with a second look where it is short.

use super::Guess;

/// Signatures at the very start that no text has.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x04\x22\x4d\x18", "application/x-lz4"),
    (b"\x02\x21\x4c\x18", "application/x-lz4"),
    (b"LZIP\x01", "application/x-lzip"),
    (b"\xff\x06\x00\x00sNaPpY", "application/x-snappy-framed"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"MSCF\x00\x00\x00\x00", "application/vnd.ms-cab-compressed"),
    (b"\xed\xab\xee\xdb", "application/x-rpm"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"8BPS\x00\x01", "image/vnd.adobe.photoshop"),
    (b"\x00asm\x01\x00\x00\x00", "application/wasm"),
    (b"\x00asm\x0d\x00\x01\x00", "application/wasm"),
    (b"BC\xc0\xde", "application/x-llvm"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"Obj\x01", "application/avro"),
    (b"ARROW1\x00\x00", "application/vnd.apache.arrow.file"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (b"CDF\x01", "application/x-netcdf"),
    (b"CDF\x02", "application/x-netcdf"),
    (b"CDF\x05", "application/x-netcdf"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xac\xed\x00\x05", "application/x-java-serialized-object"),
    (b"PACK\x00\x00\x00\x02", "application/x-git-pack"),
    (b"QFI\xfb\x00\x00\x00", "application/x-qemu-disk"),
    (b"\xde\x12\x04\x95", "application/x-gettext-translation"),
    (b"\x95\x04\x12\xde", "application/x-gettext-translation"),
    (b"\xd9\xd9\xf7", "application/cbor"),
    (b"wOFF\x00\x01\x00\x00", "font/woff"),
    (b"OTTO\x00", "font/otf"),
    (b"ttcf\x00", "font/collection"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
];

/// Signatures made of printable characters: taken only when the bytes behind them are not a text.
const READABLE: &[(&[u8], &str)] = &[
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"PARE", "application/vnd.apache.parquet"),
    (b"ORC", "application/vnd.apache.orc"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "application/ogg"),
    (b"bplist0", "application/x-bplist"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"wOF2", "font/woff2"),
    (b"ID3", "audio/mpeg"),
    (b"TZif", "application/tzif"),
    (b"dex\n0", "application/vnd.android.dex"),
];

/// Signatures of formats that are texts, or may begin like one.
const LINES: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "text/rtf"),
    (b"SIMPLE  =  ", "application/fits"),
];

/// Returns what the signature of `window` says, if it has one.
pub(super) fn recognise(window: &[u8]) -> Option<Guess> {
    let signed = |table: &[(&[u8], &'static str)]| {
        table.iter().find(|(signature, _)| window.starts_with(signature)).map(|(_, mime)| *mime)
    };
    let plain = signed(SIGNATURES).or_else(|| signed(LINES));
    let readable = || signed(READABLE).filter(|_| has_binary(window));
    if let Some(mime) = plain.or_else(readable) {
        let mime = if mime == "application/ogg" { ogg(window) } else { mime };
        return Some(Guess::new(mime, 990, "signature"));
    }
    SECOND_LOOK.iter().find_map(|look| look(window))
}

/// Takes a second look at bytes, for one format.
type Look = fn(&[u8]) -> Option<Guess>;

/// Formats whose signature alone would be too short, too common, or says too little.
const SECOND_LOOK: &[Look] = &[
    elf,
    jpeg,
    bzip2,
    skippable,
    riff,
    media,
    matroska,
    archive,
    cpio,
    arrow_stream,
    capture,
    cafebabe,
    pyc,
    pickle,
    executable,
    bitmap,
    icon,
    truetype,
    compress,
];

fn elf(window: &[u8]) -> Option<Guess> {
    if !window.starts_with(b"\x7fELF") {
        return None;
    }
    let little = window.get(5) != Some(&2);
    let kind = window.get(16..18).map(|raw| if little { le16(raw) } else { be16(raw) });
    let mime = match kind {
        Some(1) => "application/x-object",
        Some(3) if window.windows(8).any(|name| name == b"/lib/ld-" || name == b"lib64/ld") => {
            "application/x-pie-executable"
        }
        Some(3) => "application/x-sharedlib",
        Some(4) => "application/x-coredump",
        _ => "application/x-executable",
    };
    Some(Guess::new(mime, 990, "ELF header"))
}

fn jpeg(window: &[u8]) -> Option<Guess> {
    let marker = *window.strip_prefix(b"\xff\xd8\xff")?.first()?;
    matches!(marker, 0xc0..=0xcf | 0xdb | 0xdd | 0xe0..=0xef | 0xfe)
        .then(|| Guess::new("image/jpeg", 990, "start-of-image and a marker"))
}

fn bzip2(window: &[u8]) -> Option<Guess> {
    let rest = window.strip_prefix(b"BZh")?;
    if !rest.first()?.is_ascii_digit() {
        return None;
    }
    let block = &rest[1..rest.len().min(7)];
    let begins = b"1AY&SY".starts_with(block) || b"\x17\x72\x45\x38\x50\x90".starts_with(block);
    begins.then(|| Guess::new("application/x-bzip2", if block.len() == 6 { 990 } else { 600 }, "signature"))
}

/// A frame that a reader of zstd or lz4 passes over; the frame behind it says which.
fn skippable(window: &[u8]) -> Option<Guess> {
    if window.len() < 8 || window[0] & 0xf0 != 0x50 || window[1..4] != [0x2a, 0x4d, 0x18] {
        return None;
    }
    let next = usize::try_from(le32(&window[4..8]))
        .ok()
        .and_then(|length| window.get(8usize.checked_add(length)?..));
    Some(match next {
        Some(rest) if rest.starts_with(b"\x04\x22\x4d\x18") => {
            Guess::new("application/x-lz4", 990, "skippable frame, then an lz4 frame")
        }
        Some(rest) if rest.starts_with(b"\x28\xb5\x2f\xfd") => {
            Guess::new("application/zstd", 990, "skippable frame, then a zstd frame")
        }
        _ => Guess::new("application/zstd", 700, "skippable frame"),
    })
}

fn riff(window: &[u8]) -> Option<Guess> {
    let form = window.get(8..12)?;
    let mime = match (&window[..4], form) {
        (b"RIFF", b"WEBP") => "image/webp",
        (b"RIFF", b"WAVE") => "audio/wav",
        (b"RIFF", b"AVI ") => "video/x-msvideo",
        (b"FORM", b"AIFF" | b"AIFC") => "audio/aiff",
        _ => return None,
    };
    Some(Guess::new(mime, 990, "chunk header and form type"))
}

/// The ISO family: a box called `ftyp`, whose brand names the kind.
fn media(window: &[u8]) -> Option<Guess> {
    let brand = window.get(4..12)?.strip_prefix(b"ftyp")?;
    let mime = match brand {
        b"avif" | b"avis" => "image/avif",
        b"heic" | b"heix" | b"mif1" | b"msf1" => "image/heic",
        b"qt  " => "video/quicktime",
        b"M4A " | b"M4B " => "audio/mp4",
        [b'3', b'g', ..] => "video/3gpp",
        _ => "video/mp4",
    };
    (be32(window) < 4096).then(|| Guess::new(mime, 990, "ftyp box and brand"))
}

fn matroska(window: &[u8]) -> Option<Guess> {
    if !window.starts_with(b"\x1a\x45\xdf\xa3") {
        return None;
    }
    let webm = window[..window.len().min(64)].windows(4).any(|name| name == b"webm");
    Some(Guess::new(if webm { "video/webm" } else { "video/x-matroska" }, 990, "EBML header"))
}

fn ogg(window: &[u8]) -> &'static str {
    match window.get(28..).unwrap_or_default() {
        packet if packet.starts_with(b"\x01vorbis") || packet.starts_with(b"OpusHead") => "audio/ogg",
        packet if packet.starts_with(b"\x7fFLAC") || packet.starts_with(b"Speex") => "audio/ogg",
        packet if packet.starts_with(b"\x80theora") => "video/ogg",
        _ => "application/ogg",
    }
}

fn archive(window: &[u8]) -> Option<Guess> {
    let first = window.strip_prefix(b"!<arch>\n")?;
    Some(match first.starts_with(b"debian-binary") {
        true => {
            Guess::new("application/vnd.debian.binary-package", 990, "ar whose first member is debian-binary")
        }
        false => Guess::new("application/x-archive", 990, "signature"),
    })
}

fn cpio(window: &[u8]) -> Option<Guess> {
    let fields = match window.get(..6)? {
        b"070701" | b"070702" => 110,
        b"070707" => 76,
        _ => return None,
    };
    let digits = window.get(..fields)?.iter().all(u8::is_ascii_hexdigit);
    (digits && has_binary(window))
        .then(|| Guess::new("application/x-cpio", 990, "signature and header digits"))
}

/// Arrow's stream: a continuation mark, then the length of a message padded to eight bytes.
fn arrow_stream(window: &[u8]) -> Option<Guess> {
    let head = window.get(..12)?.strip_prefix(&[0xff; 4])?;
    let (length, root) = (le32(head), le32(&head[4..]));
    (length != 0 && length < 1 << 24 && length.is_multiple_of(8) && root >= 4 && root < length.min(256)).then(
        || Guess::new("application/vnd.apache.arrow.stream", 950, "continuation mark and message length"),
    )
}

fn capture(window: &[u8]) -> Option<Guess> {
    let (mark, rest) = (be32(window.get(..4)?), &window[4..]);
    match mark {
        0x0a0d_0d0a => {
            let order = be32(rest.get(4..8)?);
            (order == 0x1a2b_3c4d || order == 0x4d3c_2b1a)
                .then(|| Guess::new("application/x-pcapng", 990, "section header and byte order mark"))
        }
        0xa1b2_c3d4 | 0xa1b2_3c4d => (be16(rest.get(..2)?) == 2).then(pcap),
        0xd4c3_b2a1 | 0x4d3c_b2a1 => (le16(rest.get(..2)?) == 2).then(pcap),
        _ => None,
    }
}

fn pcap() -> Guess {
    Guess::new("application/vnd.tcpdump.pcap", 990, "signature and version 2")
}

/// Java classes and universal Mach-O binaries begin alike; a class version is at least 45, a count of
/// architectures never is.
fn cafebabe(window: &[u8]) -> Option<Guess> {
    let number = be32(window.strip_prefix(b"\xca\xfe\xba\xbe")?.get(..4)?);
    match number {
        1..=30 => {
            Some(Guess::new("application/x-mach-binary", 970, "signature and a count of architectures"))
        }
        _ if (45..=99).contains(&(number & 0xffff)) => {
            Some(Guess::new("application/java-vm", 990, "signature and a class version"))
        }
        _ => None,
    }
}

fn pyc(window: &[u8]) -> Option<Guess> {
    let head = window.get(..17)?;
    let known = (3000..=3799).contains(&le16(head)) || (60_000..=62_299).contains(&le16(head));
    let code = |at: usize| head[at] & 0x7f == b'c';
    (known && head[2..4] == *b"\r\n" && (code(16) || code(12) || code(8)))
        .then(|| Guess::new("application/x-python-code", 970, "version number and a code object"))
}

fn pickle(window: &[u8]) -> Option<Guess> {
    let head = window.get(..11)?;
    (head[0] == 0x80 && matches!(head[1], 4 | 5) && head[2] == 0x95 && head[7..11] == [0; 4])
        .then(|| Guess::new("application/x-python-pickle", 950, "protocol and frame length"))
}

fn executable(window: &[u8]) -> Option<Guess> {
    let header = window.starts_with(b"MZ").then(|| window.get(0x3c..0x40)).flatten().map(le32)?;
    let at = usize::try_from(header).ok()?;
    match window.get(at..)?.starts_with(b"PE\x00\x00") {
        true => Some(Guess::new("application/vnd.microsoft.portable-executable", 990, "MZ and PE headers")),
        false => None,
    }
}

fn bitmap(window: &[u8]) -> Option<Guess> {
    let head = window.get(..18)?;
    let sized = matches!(le32(&head[14..]), 12 | 40 | 52 | 56 | 64 | 108 | 124);
    (head.starts_with(b"BM") && head[6..10] == [0; 4] && sized)
        .then(|| Guess::new("image/bmp", 970, "BM and a header size"))
}

fn icon(window: &[u8]) -> Option<Guess> {
    let head = window.get(..22)?;
    let (count, at) = (le16(&head[4..]), le32(&head[18..]));
    let plausible = (1..=64).contains(&count) && head[9] == 0 && at == 6 + 16 * u32::from(count);
    (head.starts_with(b"\x00\x00\x01\x00") && plausible)
        .then(|| Guess::new("image/vnd.microsoft.icon", 950, "icon directory"))
}

fn truetype(window: &[u8]) -> Option<Guess> {
    let head = window.get(..16)?;
    let tag = head[12..16].iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    (head.starts_with(b"\x00\x01\x00\x00") && (1..=64).contains(&be16(&head[4..])) && tag)
        .then(|| Guess::new("font/ttf", 970, "version, table count and a table tag"))
}

fn compress(window: &[u8]) -> Option<Guess> {
    let flags = *window.strip_prefix(b"\x1f\x9d")?.first()?;
    (flags & 0x60 == 0 && (9..=16).contains(&(flags & 0x1f)))
        .then(|| Guess::new("application/x-compress", 600, "two-byte signature"))
}

/// Whether something near the start is no text.
fn has_binary(window: &[u8]) -> bool {
    window.iter().take(128).any(|byte| (*byte < 0x20 && !byte.is_ascii_whitespace()) || *byte >= 0x7f)
}

fn le16(raw: &[u8]) -> u16 {
    u16::from_le_bytes([raw[0], raw[1]])
}

fn be16(raw: &[u8]) -> u16 {
    u16::from_be_bytes([raw[0], raw[1]])
}

fn le32(raw: &[u8]) -> u32 {
    u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])
}

fn be32(raw: &[u8]) -> u32 {
    u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]])
}
