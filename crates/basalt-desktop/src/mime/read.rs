//! The XML of packages.

use roxmltree::Node;

use super::magic::{Magic, TreeMagic, percent};
use super::{Database, Glob, NAMESPACE, NO_GLOBS};

/// Reads one file.
pub(super) fn read(text: &str, database: &mut Database) -> Result<(), String> {
    let document = crate::document(text)?;
    let root = document.root_element();
    if !root.has_tag_name((NAMESPACE, "mime-info")) {
        return Err("it is no `<mime-info>`".to_owned());
    }
    for node in root.children().filter(Node::is_element) {
        let place = document.text_pos_at(node.range().start).row;
        read_type(node, database).map_err(|cause| format!("line {place}: {cause}"))?;
    }
    Ok(())
}

fn needed<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, String> {
    node.attribute(name)
        .ok_or_else(|| format!("`<{}>` has no `{name}`", node.tag_name().name()))
}

/// Whether a name can be that of a type, and of a file.
fn is_type(kind: &str) -> bool {
    let is_good = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\0', '\n', ' '])
    };
    kind.split_once('/')
        .is_some_and(|(media, subtype)| is_good(media) && is_good(subtype))
}

fn read_type(node: Node<'_, '_>, database: &mut Database) -> Result<(), String> {
    if !node.has_tag_name((NAMESPACE, "mime-type")) {
        return Err(format!(
            "`<{}>` stands where `<mime-type>` is wanted",
            node.tag_name().name()
        ));
    }
    let kind = needed(node, "type")?;
    if !is_type(kind) {
        return Err(format!("`{kind}` is no name of a type"));
    }
    if database.types.get(kind).is_none() {
        database.types.set(kind, Default::default());
    }
    for field in node.children().filter(Node::is_element) {
        if field.tag_name().namespace() != Some(NAMESPACE) {
            return Err(format!(
                "`<{}>` of another namespace is not understood",
                field.tag_name().name()
            ));
        }
        if read_field(kind, field, database)?
            && let Some(description) = database.types.get_mut(kind)
        {
            description.add(field)?;
        }
    }
    Ok(())
}

/// Reads what stands in a `<mime-type>`; returns whether it stands in the type's own file too.
fn read_field(kind: &str, node: Node<'_, '_>, database: &mut Database) -> Result<bool, String> {
    match node.tag_name().name() {
        "glob" => {
            let pattern = needed(node, "pattern")?;
            if pattern.is_empty() || pattern == "*" || pattern.contains('\n') {
                return Err(format!("`{pattern}` is no pattern"));
            }
            let is_case_sensitive = node.attribute("case-sensitive") == Some("true");
            let pattern = match is_case_sensitive {
                true => pattern.to_owned(),
                false => pattern.to_ascii_lowercase(),
            };
            let weight = percent(node, "weight")?;
            add_glob(
                database,
                Glob {
                    pattern,
                    weight,
                    kind: kind.to_owned(),
                    is_reset: false,
                    is_case_sensitive,
                },
            );
        }
        "glob-deleteall" => add_glob(
            database,
            Glob {
                pattern: NO_GLOBS.to_owned(),
                weight: 0,
                kind: kind.to_owned(),
                is_reset: true,
                is_case_sensitive: false,
            },
        ),
        "magic" => {
            database.magic.push(Magic::read(node, kind)?);
            return Ok(false);
        }
        "magic-deleteall" => {
            database.magic.push(Magic::reset(kind));
            return Ok(false);
        }
        "treemagic" => {
            database.tree_magic.push(TreeMagic::read(node, kind)?);
            return Ok(false);
        }
        "comment" | "acronym" | "expanded-acronym" => {}
        "alias" => database.aliases.set(other_type(node)?, kind.to_owned()),
        "sub-class-of" => {
            let parent = other_type(node)?.to_owned();
            match database.parents.get_mut(kind) {
                Some(parents) => parents.push(parent),
                None => database.parents.set(kind, vec![parent]),
            }
        }
        "root-XML" => {
            let (space, name) = (needed(node, "namespaceURI")?, needed(node, "localName")?);
            if space.is_empty() && name.is_empty()
                || space.contains([' ', '\n'])
                || name.contains([' ', '\n'])
            {
                return Err("a `<root-XML>` has no name, or one with blanks".to_owned());
            }
            database
                .namespaces
                .set(&format!("{space} {name}"), kind.to_owned());
            return Ok(false);
        }
        "generic-icon" | "icon" => {
            let Some(icon) = node.attribute("name") else {
                return Ok(false);
            };
            let icons = match node.tag_name().name() {
                "icon" => &mut database.icons,
                _ => &mut database.generic_icons,
            };
            icons.set(kind, icon.to_owned());
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn add_glob(database: &mut Database, glob: Glob) {
    match database.globs.get_mut(&glob.pattern) {
        Some(globs) => globs.push(glob),
        None => database.globs.set(&glob.pattern.clone(), vec![glob]),
    }
}

fn other_type<'a>(node: Node<'a, '_>) -> Result<&'a str, String> {
    let kind = needed(node, "type")?;
    match kind.contains('/') {
        true => Ok(kind),
        false => Err(format!("`{kind}` is no name of a type")),
    }
}
