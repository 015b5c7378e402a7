//! Released versions do not change: the shape of each is held by a hash.

use super::std::format;
use super::std::string::String;
use sha2::{Digest, Sha256};

use crate::table;
use crate::wire::Kind;

/// Returns the shape of a version: every field with its type, whether it is required, and every variant.
fn shape(kind: &Kind) -> String {
    match kind {
        Kind::Object(object) => {
            let field = |field: &crate::wire::Field| {
                format!("{}{}:{}", field.name, if field.required { "!" } else { "" }, shape(field.kind))
            };
            let fields: super::std::vec::Vec<String> = object.fields.iter().map(field).collect();
            format!("{{{};{}}}", fields.join(","), object.one_of.join("|"))
        }
        Kind::Nullable(inner) => format!("?{}", shape(inner)),
        Kind::List(inner) => format!("[{}]", shape(inner)),
        Kind::Map(inner) => format!("<{}>", shape(inner)),
        Kind::Choice(choice) => {
            let variant = |v: &crate::wire::Variant| {
                format!("{}/{}{}", v.camel, v.snake, v.payload.map_or(String::new(), shape))
            };
            let variants: super::std::vec::Vec<String> = choice.variants.iter().map(variant).collect();
            format!("({};{})", variants.join("|"), choice.object.map_or(String::new(), shape))
        }
        Kind::Own(own) => own.schema.into(),
        scalar => format!("{scalar:?}"),
    }
}

#[test]
fn released_versions_do_not_change() {
    let hashes = (1..=4).map(|version| {
        let document = table::document(version).unwrap();
        let digest = Sha256::digest(shape(&Kind::Object(document)));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("v{version} {hex}")
    });
    let hashes: super::std::vec::Vec<String> = hashes.collect();
    insta::assert_snapshot!(hashes.join("\n"), @r#"
    v1 1567c2c77cd63889415cd5db176ea932fd89690974c9ea716a582fee31275dc8
    v2 3646dc37164ffdb7553e071580c7a7b90ebe32a8af1694c9240cd6ff7638a319
    v3 3095dedbba65166c711eac5b5bf6a9e06d84543610b0b2a8b40359109c3776e1
    v4 4dc579d53a275bb17b1190afdfe9bd895e6b0809a6b6466ac12c630f894cb971
    "#);
}

#[cfg(feature = "schema")]
#[test]
fn every_version_has_a_schema() {
    let parse = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let all = parse(crate::schema::every_schema());
    for version in 1..=5 {
        let schema = parse(crate::schema::json_schema(version).unwrap());
        assert_eq!(schema["properties"]["version"]["const"], version);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(all["$defs"][format!("v{version}")], schema);
    }
    assert_eq!(crate::schema::json_schema(6), None);
    assert_eq!(all["$defs"]["journal"], parse(crate::schema::journal_schema()));
}

/// A schema refers to objects by their names, so no two that differ may have the same one.
#[test]
fn a_name_stands_for_one_object() {
    fn walk(kind: &'static Kind, names: &mut super::std::collections::BTreeMap<&str, String>) {
        match kind {
            Kind::Object(object) => {
                let known = names.entry(object.name).or_insert_with(|| shape(kind));
                assert_eq!(*known, shape(kind), "{}", object.name);
                object.fields.iter().for_each(|field| walk(field.kind, names));
            }
            Kind::Nullable(inner) | Kind::List(inner) | Kind::Map(inner) => walk(inner, names),
            Kind::Choice(choice) => {
                let payloads = choice.variants.iter().filter_map(|variant| variant.payload);
                payloads.chain(choice.object).for_each(|kind| walk(kind, names));
            }
            Kind::Bool | Kind::Integer(_) | Kind::Float | Kind::Text | Kind::Id | Kind::Own(_) => {}
        }
    }
    for version in 1..=5 {
        let mut names = Default::default();
        for field in table::document(version).unwrap().fields {
            walk(field.kind, &mut names);
        }
        assert!(names.len() > 5, "{names:?}");
    }
}
