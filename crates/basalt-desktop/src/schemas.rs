//! GSettings schemas, compiled as `glib-compile-schemas` does.
//!
//! That program leaves out a file that it does not understand, with a remark. Here, such a file is an error: whoever brings it
//! does not mean it to be left out.

mod choices;
mod key;
mod overrides;
mod read;

use crate::gvdb::{Held, Table, WriteError};
use crate::hash_order::{TooMany, order};
use crate::variant::{Type, Value, serialise};
use key::Key;

/// Why schemas cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A file is not understood.
    #[error("{file}: {cause}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// The compiled form cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<TooMany> for SchemaError {
    fn from(cause: TooMany) -> Self {
        Self::Write(cause.into())
    }
}

/// One schema, or what `<schema>` says.
#[derive(Debug)]
struct Schema {
    id: String,
    path: Option<String>,
    gettext_domain: Option<String>,
    /// The name and the number of the schema that this one adds to.
    extends: Option<(String, usize)>,
    list_of: Option<String>,
    /// Keys, overridden keys and children by name, in the order of the file.
    keys: Vec<(String, Key)>,
}

impl Schema {
    fn key(&self, name: &str) -> Option<&Key> {
        self.keys
            .iter()
            .find_map(|(known, key)| (known == name).then_some(key))
    }

    fn key_mut(&mut self, name: &str) -> Option<&mut Key> {
        self.keys
            .iter_mut()
            .find_map(|(known, key)| (known == name).then_some(key))
    }

    fn to_table(&self) -> Result<Table, TooMany> {
        let mut table = Table::default();
        for number in order(self.keys.iter().map(|(name, _)| name.as_str()))? {
            if let Some((name, key)) = self.keys.get(number) {
                table.child(name, Held::Value(key.to_bytes()?));
            }
        }
        let is_translated = self.keys.iter().any(|(_, key)| key.is_translated());
        let facts = [
            (".path", self.path.as_ref()),
            (".extends", self.extends.as_ref().map(|(name, _)| name)),
            (".list-of", self.list_of.as_ref()),
            (
                ".gettext-domain",
                self.gettext_domain.as_ref().filter(|_| is_translated),
            ),
        ];
        for (name, text) in facts {
            if let Some(text) = text {
                let value = Value::Text(text.clone());
                table.beside(name, Held::Value(as_variant(Type::Basic(b's'), value)));
            }
        }
        Ok(table)
    }
}

/// A value with its type, serialised.
fn as_variant(kind: Type, value: Value) -> Vec<u8> {
    serialise(&Type::Variant, &Value::Variant(Box::new((kind, value))))
}

/// The compiled form of a folder of schemas: its files by name, `*.gschema.xml`, `*.enums.xml` and
/// `*.gschema.override`; others do not count. `None` when there are no schemas, and so no compiled form.
///
/// # Errors
/// When a file is not understood, or something does not fit into the format.
pub fn compile(files: &[(String, String)]) -> Result<Option<Vec<u8>>, SchemaError> {
    let mut sorted: Vec<&(String, String)> = files.iter().collect();
    sorted.sort();
    let ending = |wanted: &[&str]| -> Vec<&(String, String)> {
        sorted
            .iter()
            .copied()
            .filter(|(name, _)| wanted.iter().any(|wanted| name.ends_with(wanted)))
            .collect()
    };
    // Enumerations come before what uses them, whatever their names.
    let mut sources = ending(&[".enums.xml"]);
    sources.extend(ending(&[".gschema.xml"]));
    if sources.is_empty() {
        return Ok(None);
    }
    let failed = |file: &str, cause| SchemaError::File {
        file: file.to_owned(),
        cause,
    };
    let mut found = read::Found::default();
    for (name, text) in sources {
        found.read(text).map_err(|cause| failed(name, cause))?;
    }
    for (name, text) in ending(&[".gschema.override"]) {
        overrides::apply(text, &mut found).map_err(|cause| failed(name, cause))?;
    }
    let mut table = Table::default();
    for number in order(found.schemas.iter().map(|schema| schema.id.as_str()))? {
        if let Some(schema) = found.schemas.get(number) {
            table.child(&schema.id, Held::Table(schema.to_table()?));
        }
    }
    Ok(Some(table.to_bytes()?))
}
