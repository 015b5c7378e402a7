//! Binary objects that say where they end: MessagePack, CBOR, and protocol buffers behind their lengths.
//!
//! None of them has a signature, so each must bear up to the end of the window, and hold texts as keys or fields
//! as messages have them. Random bytes do not.

use super::Guess;

/// Text keys that a stream of objects must show.
const KEYS: usize = 4;

/// Deeper nesting is not followed.
const DEPTH: usize = 32;

/// Names streams of self-delimiting objects.
pub(super) fn recognise(window: &[u8], complete: bool) -> Option<Guess> {
    let msgpack: Walk = msgpack_item;
    let cbor: Walk = cbor_item;
    if let Some(keys) = walk(window, complete, msgpack) {
        return Some(Guess::new(
            "application/msgpack",
            if keys > 8 { 920 } else { 800 },
            "maps with texts as keys",
        ));
    }
    if let Some(keys) = walk(window, complete, cbor) {
        return Some(Guess::new(
            "application/cbor",
            if keys > 8 { 920 } else { 800 },
            "maps with texts as keys",
        ));
    }
    delimited(window, complete)
        .then(|| Guess::new("application/x-protobuf", 800, "messages behind their lengths"))
}

/// Why an object could not be read to its end.
enum Stop {
    /// The window ends first.
    End,
    /// It is no such object.
    Bad,
}

/// Reads one item at `at`, counts text keys, and returns where the item ends.
type Walk = fn(&[u8], usize, usize, &mut usize) -> Result<usize, Stop>;

/// Reads items to the end of the window and returns how many text keys they hold.
fn walk(window: &[u8], complete: bool, item: Walk) -> Option<usize> {
    let (mut at, mut keys) = (0, 0);
    while at < window.len() {
        let before = keys;
        match item(window, at, DEPTH, &mut keys) {
            // At the top, only collections make records; a stray number proves nothing.
            Ok(end) if keys > before => at = end,
            Ok(_) => return None,
            Err(Stop::End) if !complete => break,
            Err(_) => return None,
        }
    }
    (keys >= KEYS).then_some(keys)
}

fn take(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Stop> {
    bytes.get(at..at.saturating_add(length)).ok_or(Stop::End)
}

fn number(bytes: &[u8], at: usize, width: usize) -> Result<usize, Stop> {
    let raw = take(bytes, at, width)?;
    let value = raw.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    // A length above this is none: nobody sends a gigabyte in one text.
    usize::try_from(value).ok().filter(|value| *value < 1 << 30).ok_or(Stop::Bad)
}

/// Passes over a text, which must be one as far as the window shows it.
fn text(bytes: &[u8], at: usize, length: usize) -> Result<usize, Stop> {
    let end = at.saturating_add(length);
    let seen = bytes.get(at..end.min(bytes.len())).unwrap_or_default();
    match core::str::from_utf8(seen) {
        Err(error) if error.error_len().is_some() || end <= bytes.len() => return Err(Stop::Bad),
        _ if seen.iter().any(|byte| *byte < 9) => return Err(Stop::Bad),
        _ => {}
    }
    if end > bytes.len() { Err(Stop::End) } else { Ok(end) }
}

fn msgpack_item(bytes: &[u8], at: usize, depth: usize, keys: &mut usize) -> Result<usize, Stop> {
    let head = *bytes.get(at).ok_or(Stop::End)?;
    let next = at + 1;
    let sized = |width: usize| number(bytes, next, width).map(|count| (next + width, count));
    let low = usize::from(head & 0x0f);
    match head {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Ok(next),
        0x80..=0x8f => msgpack_map(bytes, next, low, depth, keys),
        0x90..=0x9f => msgpack_list(bytes, next, low, depth, keys),
        0xa0..=0xbf => text(bytes, next, usize::from(head & 0x1f)),
        0xc4..=0xc6 => sized(1 << (head - 0xc4)).and_then(|(at, size)| skip(bytes, at, size)),
        0xc7..=0xc9 => sized(1 << (head - 0xc7)).and_then(|(at, size)| skip(bytes, at, size + 1)),
        0xca | 0xce | 0xd2 => skip(bytes, next, 4),
        0xcb | 0xcf | 0xd3 => skip(bytes, next, 8),
        0xcc | 0xd0 => skip(bytes, next, 1),
        0xcd | 0xd1 => skip(bytes, next, 2),
        0xd4..=0xd8 => skip(bytes, next, 1 + (1 << (head - 0xd4))),
        0xd9..=0xdb => sized(1 << (head - 0xd9)).and_then(|(at, size)| text(bytes, at, size)),
        0xdc | 0xdd => {
            sized(2 << (head - 0xdc)).and_then(|(at, count)| msgpack_list(bytes, at, count, depth, keys))
        }
        0xde | 0xdf => {
            sized(2 << (head - 0xde)).and_then(|(at, count)| msgpack_map(bytes, at, count, depth, keys))
        }
        0xc1 => Err(Stop::Bad),
    }
}

fn msgpack_map(
    bytes: &[u8],
    mut at: usize,
    count: usize,
    depth: usize,
    keys: &mut usize,
) -> Result<usize, Stop> {
    let depth = depth.checked_sub(1).ok_or(Stop::Bad)?;
    for _ in 0..count {
        let key = *bytes.get(at).ok_or(Stop::End)?;
        let named = matches!(key, 0xa1..=0xbf | 0xd9);
        at = msgpack_item(bytes, at, depth, keys)?;
        *keys += usize::from(named);
        at = msgpack_item(bytes, at, depth, keys)?;
    }
    Ok(at)
}

fn msgpack_list(
    bytes: &[u8],
    mut at: usize,
    count: usize,
    depth: usize,
    keys: &mut usize,
) -> Result<usize, Stop> {
    let depth = depth.checked_sub(1).ok_or(Stop::Bad)?;
    for _ in 0..count {
        at = msgpack_item(bytes, at, depth, keys)?;
    }
    Ok(at)
}

fn skip(bytes: &[u8], at: usize, length: usize) -> Result<usize, Stop> {
    take(bytes, at, length).map(|_| at + length)
}

fn cbor_item(bytes: &[u8], at: usize, depth: usize, keys: &mut usize) -> Result<usize, Stop> {
    let head = *bytes.get(at).ok_or(Stop::End)?;
    let depth = depth.checked_sub(1).ok_or(Stop::Bad)?;
    let (major, low) = (head >> 5, head & 0x1f);
    let (at, value) = match low {
        0..=23 => (at + 1, Some(usize::from(low))),
        24..=27 => {
            let width = 1 << (low - 24);
            let end = skip(bytes, at + 1, width)?;
            // Numbers may have any size, lengths may not.
            (end, if matches!(major, 0 | 1 | 6 | 7) { Some(0) } else { Some(number(bytes, at + 1, width)?) })
        }
        31 if matches!(major, 2..=5) => (at + 1, None),
        _ => return Err(Stop::Bad),
    };
    let ends = |at: usize| bytes.get(at).map(|byte| *byte == 0xff).ok_or(Stop::End);
    match (major, value) {
        (0 | 1 | 7, _) => Ok(at),
        (2, Some(length)) => skip(bytes, at, length),
        (3, Some(length)) => text(bytes, at, length),
        (6, _) => cbor_item(bytes, at, depth, keys),
        (2..=4, count) => {
            let (mut at, mut left) = (at, count);
            while left != Some(0) && !(left.is_none() && ends(at)?) {
                at = cbor_item(bytes, at, depth, keys)?;
                left = left.map(|left| left - 1);
            }
            Ok(at + usize::from(left.is_none()))
        }
        (_, count) => {
            let (mut at, mut left) = (at, count);
            while left != Some(0) && !(left.is_none() && ends(at)?) {
                let named = bytes.get(at).is_some_and(|key| matches!(key, 0x61..=0x78));
                at = cbor_item(bytes, at, depth, keys)?;
                *keys += usize::from(named);
                at = cbor_item(bytes, at, depth, keys)?;
                left = left.map(|left| left - 1);
            }
            Ok(at + usize::from(left.is_none()))
        }
    }
}

/// Whether lengths and messages alternate up to the end of the window.
fn delimited(window: &[u8], complete: bool) -> bool {
    let (mut at, mut messages) = (0, 0);
    while at < window.len() {
        let Ok((start, length)) = varint(window, at) else {
            // A length that the window cuts.
            if complete || window.len() - at > 5 {
                return false;
            }
            break;
        };
        let Some(end) =
            usize::try_from(length).ok().filter(|size| (2..1 << 24).contains(size)).map(|size| start + size)
        else {
            return false;
        };
        match message(window, start, end) {
            Ok(()) => messages += 1,
            Err(Stop::End) if !complete && end > window.len() => break,
            Err(_) => return false,
        }
        at = end;
    }
    messages >= 4 && window.len() >= 48
}

/// Walks the fields of one message.
fn message(bytes: &[u8], mut at: usize, end: usize) -> Result<(), Stop> {
    while at < end {
        let (next, tag) = varint(bytes, at)?;
        let field = tag >> 3;
        if field == 0 || field > 2000 {
            return Err(Stop::Bad);
        }
        at = match tag & 7 {
            0 => varint(bytes, next)?.0,
            1 => skip(bytes, next, 8)?,
            2 => {
                let (start, length) = varint(bytes, next)?;
                let length = usize::try_from(length).map_err(|_| Stop::Bad)?;
                if length > end.saturating_sub(start) {
                    return Err(Stop::Bad);
                }
                skip(bytes, start, length)?
            }
            5 => skip(bytes, next, 4)?,
            _ => return Err(Stop::Bad),
        };
    }
    if at == end { Ok(()) } else { Err(Stop::Bad) }
}

fn varint(bytes: &[u8], start: usize) -> Result<(usize, u64), Stop> {
    let mut value = 0u64;
    for (place, byte) in bytes.get(start..).unwrap_or_default().iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * place as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok((start + place + 1, value));
        }
    }
    if bytes.len().saturating_sub(start) < 10 { Err(Stop::End) } else { Err(Stop::Bad) }
}
