//! The full form of a card as JSON: what the state and the API hold, without a short form left.

use alloc::string::String;

use crate::card::Card;

/// Returns `card` in its full form, as indented JSON with a final line end. Reading it again gives the same card.
///
/// # Panics
///
/// Never: every map of a card has texts as keys, which is all that JSON asks.
#[must_use]
pub fn canonical(card: &Card) -> String {
    let mut text = serde_json::to_string_pretty(card).expect("a card is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
