//! How a definition is read from YAML: as chisel reads it, whose parser takes any scalar for text, the
//! booleans of YAML 1.1, and a key without a value for one that is not there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use basalt_spec::SpecError;
use serde::de::{
    self, DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer};

use crate::definition::{Content, Definition, Essential, Slice};

/// The most values of one definition.
pub(crate) const MAXIMUM_NODES: usize = 50_000;

/// Reads a definition but for some of its slices.
///
/// # Errors
/// When it is malformed: with the slice that it was reading, if it was reading one.
pub(crate) fn read(
    path: &Path,
    text: &str,
    left_out: &BTreeMap<String, SpecError>,
) -> Result<Definition, (Option<String>, Box<SpecError>)> {
    let within = RefCell::new(None);
    let reader = Reader {
        left_out,
        within: &within,
    };
    let read = basalt_spec::from_yaml_by(path, text, MAXIMUM_NODES, DefinitionReader(reader));
    read.map_err(|error| (within.take(), Box::new(error)))
}

/// What the readers of a definition and of its slices know.
#[derive(Clone, Copy)]
struct Reader<'r> {
    /// Slices that are not read.
    left_out: &'r BTreeMap<String, SpecError>,
    /// The slice that is being read.
    within: &'r RefCell<Option<String>>,
}

struct DefinitionReader<'r>(Reader<'r>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "kebab-case")]
enum Key {
    Package,
    Archive,
    Store,
    DefaultTrack,
    Essential,
    V3Essential,
    Hint,
    Slices,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Essentials(#[serde(deserialize_with = "essentials")] Vec<Essential>);

impl<'de> DeserializeSeed<'de> for DefinitionReader<'_> {
    type Value = Definition;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Definition, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for DefinitionReader<'_> {
    type Value = Definition;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the slice definition of a package")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Definition, A::Error> {
        let mut package = None;
        let mut said = Definition::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Package => package = Some(map.next_value()?),
                Key::Archive => said.archive = map.next_value()?,
                Key::Store => said.store = map.next_value()?,
                Key::DefaultTrack => said.default_track = map.next_value()?,
                Key::Essential => said.essential = map.next_value::<Essentials>()?.0,
                Key::V3Essential => said.v3_essential = map.next_value::<Essentials>()?.0,
                Key::Hint => said.hint = map.next_value()?,
                Key::Slices => said.slices = map.next_value_seed(SlicesReader(self.0))?,
            }
        }
        said.package = package.ok_or_else(|| de::Error::missing_field("package"))?;
        Ok(said)
    }
}

struct SlicesReader<'r>(Reader<'r>);

impl<'de> DeserializeSeed<'de> for SlicesReader<'_> {
    type Value = BTreeMap<String, Slice>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for SlicesReader<'_> {
    type Value = BTreeMap<String, Slice>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slices by name")
    }
    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut slices = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.0.left_out.contains_key(&name) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.0.within.replace(Some(name.clone()));
            let slice = map.next_value::<Option<Slice>>()?;
            self.0.within.take();
            slices.insert(name, slice.unwrap_or_default());
        }
        Ok(slices)
    }
}

pub(crate) fn contents<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Content>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Content>>>::deserialize(deserializer)?;
    Ok(map
        .unwrap_or_default()
        .into_iter()
        .map(|(path, content)| (path, content.unwrap_or_default()))
        .collect())
}

/// A word; nothing when it is empty.
pub(crate) fn unless_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    let said = word.filter(|word| !word.is_empty());
    said.map(|word| T::deserialize(word.into_deserializer()))
        .transpose()
}

/// A boolean, as YAML 1.1 writes them too; not so when nothing is said.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Truth;
    impl Visitor<'_> for Truth {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`true` or `false`")
        }
        fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_bool<E: de::Error>(self, is_so: bool) -> Result<bool, E> {
            Ok(is_so)
        }
        fn visit_str<E: de::Error>(self, word: &str) -> Result<bool, E> {
            match word {
                "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On"
                | "ON" => Ok(true),
                "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off"
                | "OFF" => Ok(false),
                _ => Err(E::invalid_type(Unexpected::Str(word), &self)),
            }
        }
    }
    deserializer.deserialize_any(Truth)
}

pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word or a list of words")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Vec<String>, E> {
            Ok(Vec::new())
        }
        fn visit_str<E: de::Error>(self, word: &str) -> Result<Vec<String>, E> {
            Ok(vec![word.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut words = Vec::new();
            while let Some(word) = list.next_element::<Option<String>>()? {
                words.extend(word);
            }
            Ok(words)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Condition {
    #[serde(deserialize_with = "one_or_many")]
    arch: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    releases: Vec<String>,
}

/// A list of slices, or a mapping of them to conditions.
pub(crate) fn essentials<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Essential>, D::Error> {
    struct Essentials;
    impl<'de> Visitor<'de> for Essentials {
        type Value = Vec<Essential>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of slices, or a mapping of them to conditions")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(word) = list.next_element::<Option<String>>()? {
                if let Some(word) = word {
                    all.push(essential(&word, Condition::default())?);
                }
            }
            Ok(all)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(word) = map.next_key::<String>()? {
                let condition = map.next_value::<Option<Condition>>()?;
                all.push(essential(&word, condition.unwrap_or_default())?);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Essentials)
}

fn essential<E: de::Error>(word: &str, condition: Condition) -> Result<Essential, E> {
    Ok(Essential {
        reference: word.parse().map_err(E::custom)?,
        arch: condition.arch,
        releases: condition.releases,
    })
}
