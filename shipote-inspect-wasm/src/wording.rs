//! Quantities and rules in the words of people.

use shipote_card::{NetPolicy, Permissions, Span, TapPermission};

use crate::visible::visible;

/// Returns an amount of memory in binary units, to three digits: `1.5 GiB`.
pub(crate) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if amount < 1024 {
        return if amount == 1 { "1 byte".to_owned() } else { format!("{amount} bytes") };
    }
    // In hundredths, so that no fraction has to be printed.
    let mut hundredths = amount / 1024 * 100 + amount % 1024 * 100 / 1024;
    let mut unit = 0;
    while hundredths >= 99_950 && unit + 1 < UNITS.len() {
        hundredths = (hundredths + 512) / 1024;
        unit += 1;
    }
    let text = match hundredths {
        0..1_000 => fraction(hundredths, 2),
        1_000..10_000 => fraction((hundredths + 5) / 10, 1),
        _ => ((hundredths + 50) / 100).to_string(),
    };
    format!("{text} {}", UNITS[unit])
}

/// Returns a number with `places` decimal places, without zeros at its end.
fn fraction(number: u64, places: usize) -> String {
    let digits = format!("{number:0>width$}", width = places + 1);
    let (whole, rest) = digits.split_at(digits.len() - places);
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
}

/// Returns a number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns `1 thing` or `2 things`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {thing}{s}", grouped(number))
}

/// Joins parts to `a, b and c`.
pub(crate) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Returns a span of time, by its two largest units: `2 h 5 min`.
pub(crate) fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let largest = UNITS.iter().position(|(unit, _)| ms >= *unit).unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[largest];
    let text = format!("{} {name}", grouped(ms / unit));
    match UNITS.get(largest + 1) {
        Some((smaller, name)) if ms % unit >= *smaller => format!("{text} {} {name}", ms % unit / smaller),
        _ => text,
    }
}

/// Returns a percentage to a tenth, without a fraction where it is large.
pub(crate) fn percent(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    match tenths {
        -999..=999 => {
            format!("{}{}.{} %", if tenths < 0 { "-" } else { "" }, (tenths / 10).abs(), (tenths % 10).abs())
        }
        _ => format!("{} %", (tenths + 5 * tenths.signum()) / 10),
    }
}

/// Returns a life time.
pub(crate) fn ttl(ttl: Option<Span>) -> String {
    ttl.map_or_else(|| "no end".to_owned(), |ttl| span(ttl.as_millis()))
}

/// Returns what the processes of a workspace may do, in a few words.
pub(crate) fn permissions(permissions: &Permissions) -> String {
    let mut parts = vec![net(permissions.net.as_ref())];
    if let Some(files) = &permissions.files {
        let (read, write, execute) = (files.read.len(), files.write.len(), files.execute.len());
        parts.push(match (read, write, execute) {
            (0, 0, 0) => "no files".to_owned(),
            _ => {
                let named = [(read, "read"), (write, "write"), (execute, "execute")];
                let named = named.iter().filter(|(count, _)| *count > 0);
                let named: Vec<String> =
                    named.map(|(count, what)| format!("{what} {}", counted(*count as u64, "path"))).collect();
                named.join(", ")
            }
        });
    }
    parts.extend(permissions.syscalls.as_ref().map(|preset| format!("system calls: {}", visible(preset))));
    if !permissions.capabilities.is_empty() {
        let count = permissions.capabilities.len() as u64;
        let word = if count == 1 { "capability" } else { "capabilities" };
        parts.push(format!("{} {word}", grouped(count)));
    }
    if permissions.tap == TapPermission::Deny {
        parts.push("no taps".to_owned());
    }
    parts.join(" · ")
}

/// Returns what of the network is there.
pub(crate) fn net(policy: Option<&NetPolicy>) -> String {
    match policy {
        None => "network of the host".to_owned(),
        Some(NetPolicy::None) => "no network".to_owned(),
        Some(NetPolicy::Loopback) => "loopback only".to_owned(),
        Some(NetPolicy::Host) => "network of the host".to_owned(),
        Some(NetPolicy::Ports { connect, bind }) => {
            let ports = |list: &[u16]| list.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            match (connect.is_empty(), bind.is_empty()) {
                (true, true) => "no TCP port".to_owned(),
                (false, true) => format!("TCP to {}", ports(connect)),
                (true, false) => format!("TCP on {}", ports(bind)),
                (false, false) => format!("TCP to {}, on {}", ports(connect), ports(bind)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_to_three_digits() {
        let told: Vec<String> =
            [0, 1, 1023, 1024, 1536, 10_240, 536_870_912, 1_048_575, u64::MAX].map(bytes).into();
        insta::assert_snapshot!(told.join("; "), @"0 bytes; 1 byte; 1023 bytes; 1 KiB; 1.5 KiB; 10 KiB; 512 MiB; 1 MiB; 16 EiB");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        let told: Vec<String> = [0.0, 1.25, 99.94, 99.96, 1234.5, -0.5].map(percent).into();
        assert_eq!(told.join("; "), "0.0 %; 1.3 %; 99.9 %; 100 %; 1235 %; -0.5 %");
    }

    #[test]
    fn spans_are_told_by_two_units() {
        let told: Vec<String> = [5, 1_000, 61_000, 7_500_000, 90_000_000, 86_400_000].map(span).into();
        insta::assert_snapshot!(told.join("; "), @"5 ms; 1 s; 1 min 1 s; 2 h 5 min; 1 d 1 h; 1 d");
    }

    #[test]
    fn permissions_are_told_in_a_few_words() {
        let mut rules = Permissions::default();
        assert_eq!(permissions(&rules), "network of the host");
        rules.net = Some(NetPolicy::Ports { connect: vec![443], bind: vec![8080, 8081] });
        rules.files =
            Some(shipote_card::FilePermissions { read: vec!["/usr".into()], write: vec![], execute: vec![] });
        rules.capabilities = vec!["net_bind_service".into(), "chown".into()];
        rules.tap = TapPermission::Deny;
        insta::assert_snapshot!(permissions(&rules), @"TCP to 443, on 8080, 8081 · read 1 path · 2 capabilities · no taps");
    }
}
