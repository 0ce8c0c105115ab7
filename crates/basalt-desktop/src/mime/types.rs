//! The file of one type: what packages say about it, as libxml2 writes it.

use roxmltree::Node;

use super::NAMESPACE;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The elements about a type that are copied.
#[derive(Debug, Default)]
pub(super) struct Description {
    elements: Vec<Element>,
}

#[derive(Debug)]
struct Element {
    name: String,
    /// Names as they are written, and values.
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    fn language(&self) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|(name, value)| (name == "xml:lang").then_some(value.as_str()))
    }
}

impl Description {
    /// Copies an element. A comment takes the place of the one in the same language.
    pub(super) fn add(&mut self, node: Node<'_, '_>) -> Result<(), String> {
        if node.children().any(|child| !child.is_text()) {
            return Err(format!(
                "something stands in `<{}>` besides text",
                node.tag_name().name()
            ));
        }
        let mut attributes = Vec::new();
        for attribute in node.attributes() {
            let name = match attribute.namespace() {
                None => attribute.name().to_owned(),
                Some(XML_NAMESPACE) => format!("xml:{}", attribute.name()),
                Some(other) => return Err(format!("the attributes of {other} are not understood")),
            };
            attributes.push((name, attribute.value().to_owned()));
        }
        let element = Element {
            name: node.tag_name().name().to_owned(),
            attributes,
            text: node.children().filter_map(|child| child.text()).collect(),
        };
        if element.name == "comment" {
            let former = self.elements.iter().position(|other| {
                other.name == "comment" && other.language() == element.language()
            });
            if let Some(former) = former {
                self.elements.remove(former);
            }
        }
        self.elements.push(element);
        Ok(())
    }

    /// The file.
    pub(super) fn to_xml(&self, kind: &str) -> Vec<u8> {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<mime-type xmlns=\"{NAMESPACE}\" type=\"{}\">\n  \
             <!--Created automatically by update-mime-database. DO NOT EDIT!-->\n",
            escaped(kind, true)
        );
        for element in &self.elements {
            xml.push_str("  <");
            xml.push_str(&element.name);
            for (name, value) in &element.attributes {
                xml.push_str(&format!(" {name}=\"{}\"", escaped(value, true)));
            }
            if element.text.is_empty() {
                xml.push_str("/>\n");
            } else {
                xml.push_str(&format!(
                    ">{}</{}>\n",
                    escaped(&element.text, false),
                    element.name
                ));
            }
        }
        xml.push_str("</mime-type>\n");
        xml.into_bytes()
    }
}

fn escaped(text: &str, is_attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if is_attribute => out.push_str("&quot;"),
            '\n' if is_attribute => out.push_str("&#10;"),
            '\t' if is_attribute => out.push_str("&#9;"),
            letter => out.push(letter),
        }
    }
    out
}
