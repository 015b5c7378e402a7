//! Quantities for people: bytes, spans, ages, moments, and the short form of an identifier.

use shipote_card::ByteSize;

/// Stands where there is nothing to tell.
pub const NONE: &str = "-";

/// Characters of an identifier that tables show: its end, which is random, where its beginning is a time.
const SHORT_ID: usize = 6;

/// Returns the end of an identifier, enough to name it.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or(id)
}

/// Returns an amount of bytes with one decimal: `1.5 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

/// Returns an amount of bytes, or a dash.
#[must_use]
pub fn size_or_none(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| NONE.to_owned(), size)
}

/// Returns an exact count with thousands apart: `1 234 567`.
#[must_use]
pub fn exact(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Returns a span in its two largest units: `850ms`, `12.3s`, `3m05s`, `2h10m`, `4d02h`.
#[must_use]
pub fn span(ms: u64) -> String {
    let secs = ms / 1000;
    match secs {
        0 => format!("{ms}ms"),
        1..60 => format!("{secs}.{}s", ms % 1000 / 100),
        60..3_600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3_600..86_400 => format!("{}h{:02}m", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// Returns how long ago a moment was, in its largest unit, or a dash.
#[must_use]
pub fn age(at_ms: Option<u64>, now_ms: u64) -> String {
    let Some(at_ms) = at_ms else { return NONE.to_owned() };
    let secs = now_ms.saturating_sub(at_ms) / 1000;
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m", secs / 60),
        3_600..86_400 => format!("{}h", secs / 3_600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// Returns processor time from microseconds, or a dash.
#[must_use]
pub fn cpu(usec: Option<u64>) -> String {
    usec.map_or_else(|| NONE.to_owned(), |usec| span(usec / 1000))
}

/// Returns a moment as RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn moment(at_ms: u64) -> String {
    let (days, ms) = (at_ms / 86_400_000, at_ms % 86_400_000);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// Returns the moment that an RFC 3339 text names, in milliseconds since the Unix epoch.
#[must_use]
pub fn parse_moment(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| {
        text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<i64>().ok()
    };
    let sign = |at: usize, among: &[u8]| text.as_bytes().get(at).is_some_and(|byte| among.contains(byte));
    if !(sign(4, b"-") && sign(7, b"-") && sign(10, b"Tt ") && sign(13, b":") && sign(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        if digits == 0 {
            return None;
        }
        ms = format!("{:0<3}", &fraction[..digits.min(3)]).parse().ok()?;
        rest = &fraction[digits..];
    }
    let offset_minutes = match rest {
        "Z" | "z" => 0,
        _ if rest.len() == 6 && rest.is_ascii() && rest.as_bytes()[3] == b':' => {
            let minutes = rest[1..3].parse::<i64>().ok()? * 60 + rest[4..].parse::<i64>().ok()?;
            match rest.as_bytes()[0] {
                b'+' => minutes,
                b'-' => -minutes,
                _ => return None,
            }
        }
        _ => return None,
    };
    let secs = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - offset_minutes * 60;
    u64::try_from(secs * 1000 + ms).ok()
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar (Howard Hinnant's algorithm).
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let yoe = y % 400;
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Returns the present moment in milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a count with its noun: `1 command`, `2 commands`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_short_and_exact_counts_are_exact() {
        let shown: Vec<String> =
            [0, 850, 12_345, 185_000, 7_800_000, 352_800_000].into_iter().map(span).collect();
        insta::assert_compact_debug_snapshot!(shown, @r#"["0ms", "850ms", "12.3s", "3m05s", "2h10m", "4d02h"]"#);
        assert_eq!(exact(0), "0");
        assert_eq!(exact(999), "999");
        assert_eq!(exact(1_234_567), "1 234 567");
        assert_eq!(age(Some(1_000), 61_000), "1m");
        assert_eq!(age(None, 61_000), "-");
        assert_eq!(short_id("01J9Z3K4M5N6P7Q8R9S0T1V2W3"), "T1V2W3");
    }

    #[test]
    fn a_moment_reads_what_it_writes() {
        for ms in [0, 951_782_400_123, 1_760_000_000_000, 4_102_444_799_999] {
            assert_eq!(parse_moment(&moment(ms)), Some(ms));
        }
        assert_eq!(moment(1_760_000_000_000), "2025-10-09T08:53:20.000Z");
        assert_eq!(parse_moment("2025-10-09T10:53:20+02:00"), Some(1_760_000_000_000));
        assert_eq!(parse_moment("2025-10-09 08:53:20.5Z"), Some(1_760_000_000_500));
        for text in ["", "2025-10-09", "2025-13-09T08:53:20Z", "2025-10-09T08:53:20", "2025-10-09T08:53:20.Z"]
        {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
