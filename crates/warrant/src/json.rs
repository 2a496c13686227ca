//! Strict JSON: one object, no name twice at any depth, bounded depth.
//!
//! A name that occurs twice is read as its first value by some and as its last by others, so a digest
//! over such a text would stand for two actions.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

/// How deep objects and arrays may nest in the arguments of a tool call.
pub(crate) const MAX_DEPTH: usize = 64;

/// Checks that the text is one JSON object without duplicate names, nested at most `max_depth` deep.
pub(crate) fn check_object(text: &str, max_depth: usize) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    (&mut deserializer).deserialize_map(Checked {
        remaining_depth: max_depth,
    })?;
    deserializer.end()
}

/// Reads a JSON object strictly.
pub(crate) fn parse_object<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    check_object(text, MAX_DEPTH)?;
    serde_json::from_str(text)
}

/// The same in one pass, for an object of known members without objects in it: `T` must deny unknown fields, and serde
/// refuses a known one that occurs twice.
pub(crate) fn parse_record<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    // serde alone would take a list of the members' values, too.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(serde_json::Error::custom("not a JSON object"));
    }
    serde_json::from_str(text)
}

/// A name, as it stands in the text unless escapes make it another.
#[derive(PartialEq, Eq, Hash, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Walks a value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Checked {
    remaining_depth: usize,
}

// === impl Checked ===

impl Checked {
    fn descend<E: Error>(self) -> Result<Self, E> {
        let remaining_depth = self
            .remaining_depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { remaining_depth })
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.descend()?;
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            map.next_value_seed(inner)?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name occurs twice in one object"));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.descend()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn objects_pass() {
        let texts = [
            "{}",
            " {\n} ",
            r#"{"a":1,"b":[1,-2.5e3,null,true,"x",{"a":{}}],"A":{"a":2}}"#,
        ];
        for text in texts.map(str::to_owned).into_iter().chain([nested(MAX_DEPTH)]) {
            assert!(check_object(&text, MAX_DEPTH).is_ok(), "{text}");
        }
    }

    #[test]
    fn all_else_is_refused() {
        let texts = [
            "",
            "null",
            "[]",
            "1",
            r#""{}""#,
            "{",
            "{}{}",
            "{} x",
            r#"{"a":1,}"#,
            "{'a':1}",
            r#"{"a":NaN}"#,
            "\u{FEFF}{}",
            r#"{"a":1e999}"#,
            r#"{"a":01}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"\ud800"}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"x":[[{"a":1,"a":1}]]}"#,
        ];
        let mut deep_array = "[".repeat(MAX_DEPTH);
        deep_array.push_str(&"]".repeat(MAX_DEPTH));
        let deep = [
            nested(MAX_DEPTH + 1),
            nested(100_000),
            format!(r#"{{"a":{deep_array}}}"#),
        ];
        for text in texts.map(str::to_owned).into_iter().chain(deep) {
            assert!(check_object(&text, MAX_DEPTH).is_err(), "{text:.60}");
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Record {
        #[expect(dead_code, reason = "only its presence matters")]
        a: u8,
    }

    #[test]
    fn a_record_has_its_members_and_no_others_once_each() {
        for parse in [parse_object::<Record>, parse_record::<Record>] {
            assert!(parse(" {\"\\u0061\":1}").is_ok());
            let refused = [
                "[1]",
                " [1]",
                "1",
                "",
                "{}",
                r#"{"a":1}{}"#,
                r#"{"a":1,"b":1}"#,
                r#"{"a":1,"a":1}"#,
                r#"{"a":1,"\u0061":1}"#,
            ];
            for text in refused {
                assert!(parse(text).is_err(), "{text}");
            }
        }
        assert!(serde_json::from_str::<Record>("[1]").is_ok(), "serde alone accepts it");
    }
}
