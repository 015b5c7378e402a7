//! What differs between two JSON texts, field by field: the comparison that diffs and histories are made of, for entities
//! that are at hand as text.

use alloc::string::String;
use alloc::vec::Vec;

use crate::diff::{FieldChange, compare};

/// Returns what differs, by path; none where one of the texts is not JSON.
#[must_use]
pub fn fields(old: &str, new: &str) -> Option<Vec<FieldChange>> {
    let value = |text: &str| serde_json::from_str(text).ok();
    let mut fields = Vec::new();
    compare(&value(old)?, &value(new)?, &mut String::new(), &mut fields);
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_by_path() {
        let told = fields(r#"{"a":1,"b":{"c":[1,2]}}"#, r#"{"b":{"c":[1,3]},"d":null}"#).unwrap();
        let told: Vec<&str> = told.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(told, ["/a", "/b/c/1", "/d"]);
        assert_eq!(fields("{", "{}"), None);
    }
}
