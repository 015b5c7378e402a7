//! No text, however damaged, makes the parser panic or answer with a place outside of it.

use alloc::format;

use super::tests::{USEFUL, full};
use super::*;

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(5_000), close.repeat(5_000));
    let parsed = parse(&deep("[", "]"), Syntax::Json, "stem");
    assert_eq!(parsed.problems[0].code, code::TOO_DEEP);
    assert!(parse(&format!("a = {}", deep("[", "]")), Syntax::Toml, "stem").card.is_none());
}

#[test]
fn every_prefix_of_a_card_is_survived() {
    for end in 0..=USEFUL.len() {
        _ = parse(&USEFUL[..end], Syntax::Toml, "stem");
    }
    let json = full(USEFUL);
    for end in 0..json.len() - 1 {
        assert!(parse(&json[..end], Syntax::Json, "stem").card.is_none(), "{end}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 128, ..Default::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}", syntax in proptest::bool::ANY) {
        _ = parse(&text, if syntax { Syntax::Toml } else { Syntax::Json }, "stem");
    }

    #[test]
    fn no_damage_to_a_card_makes_the_parser_panic(
        at in 0..USEFUL.len(), cut in 0..40_usize, put in "[\\[\\]{}\"'=,.a-z0-9\\n]{0,8}"
    ) {
        let end = (at + cut).min(USEFUL.len());
        let text = format!("{}{put}{}", &USEFUL[..at], &USEFUL[end..]);
        for problem in parse(&text, Syntax::Toml, "stem").problems {
            proptest::prop_assert!(problem.place.offset + problem.len <= text.len() as u64, "{problem:?}");
            proptest::prop_assert!(problem.place.line > 0 && problem.place.column > 0);
        }
    }
}

#[test]
fn a_text_of_only_mistakes_is_told_up_to_a_thousand_of_them() {
    let text: String = (0..3_000).map(|i| format!("k{i} = \n")).collect();
    let parsed = parse(&text, Syntax::Toml, "stem");
    assert!(parsed.card.is_none());
    assert_eq!(parsed.problems.len(), MAX_PROBLEMS + 1);
    let last = parsed.problems.last().unwrap();
    assert_eq!((last.code.as_str(), last.message.as_str()), (code::MORE_PROBLEMS, "and 2000 problems more"));
}
