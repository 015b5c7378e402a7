//! Answers: JSON, written member by member. Plain functions and no tree of values: a page has to carry all of this code.

use std::fmt::Write as _;

/// A JSON object that is being written.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self("{".to_owned())
    }

    fn key(&mut self, key: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&text(key));
        self.0.push(':');
        &mut self.0
    }

    /// Adds JSON that was written before.
    pub(crate) fn json(mut self, key: &str, json: &str) -> Self {
        self.key(key).push_str(json);
        self
    }

    /// Adds a text.
    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.json(key, &text(value))
    }

    /// Adds a text, or null.
    pub(crate) fn maybe(self, key: &str, value: Option<&str>) -> Self {
        self.json(key, &value.map_or_else(|| "null".to_owned(), text))
    }

    /// Adds a whole number. A page reads it as a double: what may exceed 2^53 is told as a text.
    pub(crate) fn number(mut self, key: &str, value: u64) -> Self {
        let _ = write!(self.key(key), "{value}");
        self
    }

    /// Adds a whole number, or null.
    pub(crate) fn maybe_number(self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self.json(key, "null"),
        }
    }

    /// Adds true or false.
    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.json(key, if value { "true" } else { "false" })
    }

    /// Adds a list of what was written before.
    pub(crate) fn list(self, key: &str, items: &[String]) -> Self {
        self.json(key, &list(items))
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Returns a JSON list of what was written before.
pub(crate) fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// Returns a JSON text.
pub(crate) fn text(value: &str) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Returns the answer to what can't be answered.
pub(crate) fn error(message: &str) -> String {
    Object::new().text("error", message).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_as_json() {
        let told = Object::new()
            .text("a\"", "</script>\u{1}")
            .number("b", u64::MAX)
            .maybe("c", None)
            .maybe_number("d", None)
            .flag("e", true)
            .list("f", &[text("x"), Object::new().end()])
            .end();
        insta::assert_snapshot!(told, @r#"{"a\"":"</script>\u0001","b":18446744073709551615,"c":null,"d":null,"e":true,"f":["x",{}]}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok());
    }
}
