//! The XML of schemas.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::Schema;
use super::choices::Choices;
use super::key::{Key, Names, Setting, Translation, is_of_strings};
use crate::variant::Type;
use crate::variant_text;

/// The longest name of a key.
const LONGEST_NAME: usize = 1024;

/// All that the files read so far have.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub schemas: Vec<Schema>,
    by_id: BTreeMap<String, usize>,
    enumerations: BTreeMap<String, Choices>,
    flags: BTreeMap<String, Choices>,
}

/// The elements in an element. Text between them may only be blank.
fn elements<'a, 'i>(node: Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, String> {
    for child in node.children().filter(Node::is_text) {
        if !child.text().unwrap_or_default().trim_ascii().is_empty() {
            return Err(at(child, "text may not stand here"));
        }
    }
    Ok(node.children().filter(Node::is_element).collect())
}

fn at(node: Node<'_, '_>, cause: &str) -> String {
    let place = node.document().text_pos_at(node.range().start);
    format!("line {}: {cause}", place.row)
}

fn unknown(node: Node<'_, '_>) -> String {
    at(
        node,
        &format!("`<{}>` may not stand here", node.tag_name().name()),
    )
}

fn needed<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, String> {
    node.attribute(name)
        .ok_or_else(|| at(node, &format!("`{name}` is missing")))
}

/// The text in an element, in which no element may stand.
fn text_of(node: Node<'_, '_>) -> Result<String, String> {
    if let Some(element) = node.children().find(Node::is_element) {
        return Err(unknown(element));
    }
    Ok(node
        .children()
        .filter(Node::is_text)
        .filter_map(|text| text.text())
        .collect())
}

fn check_name(name: &str) -> Result<(), String> {
    let letters =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let is_good = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(letters)
        && !name.contains("--")
        && !name.ends_with('-')
        && name.len() <= LONGEST_NAME;
    if is_good {
        Ok(())
    } else {
        Err(format!("`{name}` is no name of a key"))
    }
}

impl Found {
    /// Reads one file.
    pub(super) fn read(&mut self, text: &str) -> Result<(), String> {
        let document = crate::document(text)?;
        let list = document.root_element();
        if !list.has_tag_name("schemalist") {
            return Err(unknown(list));
        }
        let domain = list.attribute("gettext-domain");
        for element in elements(list)? {
            match element.tag_name().name() {
                "schema" => self.schema(element, domain)?,
                "enum" => {
                    let (id, choices) = numbered(element, false)?;
                    if self.enumerations.insert(id, choices).is_some() {
                        return Err(at(element, "the enumeration is given twice"));
                    }
                }
                "flags" => {
                    let (id, choices) = numbered(element, true)?;
                    if self.flags.insert(id, choices).is_some() {
                        return Err(at(element, "the flags are given twice"));
                    }
                }
                _ => return Err(unknown(element)),
            }
        }
        Ok(())
    }

    pub(super) fn schema_mut(&mut self, id: &str) -> Option<&mut Schema> {
        self.schemas.get_mut(*self.by_id.get(id)?)
    }

    fn schema(&mut self, node: Node<'_, '_>, domain: Option<&str>) -> Result<(), String> {
        let id = needed(node, "id")?;
        let fail = |cause: &str| at(node, &format!("the schema `{id}` {cause}"));
        if self.by_id.contains_key(id) {
            return Err(fail("is given twice"));
        }
        let extends = match node.attribute("extends") {
            None => None,
            Some(name) => {
                let number = self
                    .by_id
                    .get(name)
                    .ok_or_else(|| fail("extends one that is not given before it"))?;
                Some((name.to_owned(), *number))
            }
        };
        let parent = extends
            .as_ref()
            .and_then(|(_, number)| self.schemas.get(*number));
        if parent.is_some_and(|parent| parent.path.is_some()) {
            return Err(fail("extends one with a path"));
        }
        let list_of = match node.attribute("list-of") {
            Some(name) if !self.by_id.contains_key(name) => {
                return Err(fail("is a list of what is not given before it"));
            }
            Some(name) => Some(name.to_owned()),
            None => parent.and_then(|parent| parent.list_of.clone()),
        };
        let path = node.attribute("path").map(str::to_owned);
        if path
            .as_ref()
            .is_some_and(|path| !path.starts_with('/') || !path.ends_with('/'))
        {
            return Err(fail("has a path that does not begin and end with a slash"));
        }
        let mut schema = Schema {
            id: id.to_owned(),
            path,
            gettext_domain: node
                .attribute("gettext-domain")
                .or(domain)
                .map(str::to_owned),
            extends,
            list_of,
            keys: Vec::new(),
        };
        for element in elements(node)? {
            let name = needed(element, "name")?;
            let fail = |cause: String| at(element, &format!("{name}: {cause}"));
            let (name, key) = match element.tag_name().name() {
                "key" => {
                    check_name(name).map_err(fail)?;
                    (
                        name.to_owned(),
                        Key::Setting(Box::new(self.key(element, &schema)?)),
                    )
                }
                "override" => (
                    name.to_owned(),
                    Key::Setting(Box::new(self.overridden(element, name, &schema)?)),
                ),
                "child" => {
                    check_name(name).map_err(fail)?;
                    (
                        format!("{name}/"),
                        Key::Child(needed(element, "schema")?.to_owned()),
                    )
                }
                _ => return Err(unknown(element)),
            };
            if schema.key(&name).is_some() {
                return Err(fail("it is given twice".to_owned()));
            }
            schema.keys.push((name, key));
        }
        self.by_id.insert(schema.id.clone(), self.schemas.len());
        self.schemas.push(schema);
        Ok(())
    }

    fn key(&self, node: Node<'_, '_>, schema: &Schema) -> Result<Setting, String> {
        let [kind, enumeration, flags] = ["type", "enum", "flags"].map(|name| node.attribute(name));
        let not_known = || {
            at(
                node,
                "the enumeration or flags are not given before the key",
            )
        };
        let mut key = match (kind, enumeration, flags) {
            (Some(kind), None, None) => {
                let kind = Type::parse(kind).ok_or_else(|| at(node, "the type is none"))?;
                Setting::new(kind, Names::Choices, Choices::default())
            }
            (None, Some(id), None) => {
                let choices = self.enumerations.get(id).ok_or_else(not_known)?;
                Setting::new(Type::Basic(b's'), Names::Enumeration, choices.clone())
            }
            (None, None, Some(id)) => {
                let choices = self.flags.get(id).ok_or_else(not_known)?;
                let kind = Type::Array(Box::new(Type::Basic(b's')));
                Setting::new(kind, Names::Flags, choices.clone())
            }
            _ => return Err(at(node, "a key has one of `type`, `enum` and `flags`")),
        };
        for element in elements(node)? {
            let fail = |cause: String| at(element, &cause);
            match element.tag_name().name() {
                "default" if key.default.is_some() => {
                    return Err(at(element, "the default is given twice"));
                }
                "default" => default(&mut key, element, schema)?,
                "summary" | "description" => drop(text_of(element)?),
                "range" => key
                    .set_range(element.attribute("min"), element.attribute("max"))
                    .map_err(fail)?,
                "choices" => {
                    if key.names != Names::Choices
                        || !is_of_strings(&key.kind)
                        || !key.choices.is_empty()
                    {
                        return Err(at(element, "this key cannot have choices"));
                    }
                    for choice in elements(element)? {
                        key.choices.add(needed(choice, "value")?, 0).map_err(fail)?;
                    }
                }
                "aliases" => {
                    for alias in elements(element)? {
                        key.choices
                            .add_alias(needed(alias, "value")?, needed(alias, "target")?)
                            .map_err(fail)?;
                    }
                }
                _ => return Err(unknown(element)),
            }
        }
        match &key.default {
            None => Err(at(node, "a key has a `<default>`")),
            Some(value) if !key.allows(value) => Err(at(
                node,
                "the default is not among the values that the key may have",
            )),
            Some(_) => Ok(key),
        }
    }

    fn overridden(
        &self,
        node: Node<'_, '_>,
        name: &str,
        schema: &Schema,
    ) -> Result<Setting, String> {
        let mut parent = schema.extends.as_ref();
        while let Some(above) = parent.and_then(|(_, number)| self.schemas.get(*number)) {
            if let Some(Key::Setting(key)) = above.key(name) {
                let mut key = key.overridden();
                default(&mut key, node, schema)?;
                return Ok(key);
            }
            parent = above.extends.as_ref();
        }
        Err(at(node, &format!("`{name}` overrides no key")))
    }
}

/// Sets the default from the text of an element.
fn default(key: &mut Setting, node: Node<'_, '_>, schema: &Schema) -> Result<(), String> {
    let text = text_of(node)?;
    let category = match node.attribute("l10n") {
        None if node.attribute("context").is_some() => {
            return Err(at(node, "a context is for what is translated"));
        }
        None => None,
        Some("messages") => Some(b'm'),
        Some("time") => Some(b't'),
        Some(_) => return Err(at(node, "`l10n` is `messages` or `time`")),
    };
    if category.is_some() && schema.gettext_domain.is_none() {
        return Err(at(node, "what is translated needs a `gettext-domain`"));
    }
    key.translation = category.map(|category| {
        let message = text.trim_ascii();
        let message = match node.attribute("context") {
            Some(context) => format!("{context}\u{4}{message}"),
            None => message.to_owned(),
        };
        Translation { category, message }
    });
    let value = variant_text::parse(&key.kind, &text).map_err(|cause| at(node, &cause))?;
    key.default = Some(value);
    Ok(())
}

/// The values of an `<enum>` or of `<flags>`.
fn numbered(node: Node<'_, '_>, is_flags: bool) -> Result<(String, Choices), String> {
    let mut choices = Choices::default();
    for element in elements(node)? {
        let fail = |cause: String| at(element, &cause);
        if !element.has_tag_name("value") {
            return Err(unknown(element));
        }
        let nick = needed(element, "nick")?;
        if nick.len() < 2 {
            return Err(at(element, "a nick has two letters or more"));
        }
        let range = if is_flags {
            0..=i128::from(u32::MAX)
        } else {
            i32::MIN.into()..=i32::MAX.into()
        };
        let number = variant_text::whole(needed(element, "value")?)
            .filter(|number| range.contains(number))
            .ok_or_else(|| at(element, "the value is no number, or too large"))?;
        if is_flags && number.count_ones() > 1 {
            return Err(at(element, "a flag has one bit"));
        }
        // An empty set of flags is no flag of its own.
        if !is_flags || number != 0 {
            choices.add_value(nick, number as u32).map_err(fail)?;
        }
    }
    if choices.is_empty() {
        return Err(at(node, "there are no values"));
    }
    Ok((needed(node, "id")?.to_owned(), choices))
}
