//! `update-xmlcatalog` and `update-catalog`.

use super::Interpreter;
use super::files::Arguments;
use super::simple::{Done, may_stand};
use crate::{Effect, Writer};

impl<'s> Interpreter<'s> {
    /// Registers an entry of a package's XML catalog, or of the root's. Without `--sort` the order would
    /// be that of a hash table.
    pub(super) fn xml_catalog(&mut self, words: &[String]) -> Option<Done> {
        if self.call.member != "postinst" {
            return None;
        }
        let arguments = Arguments::read(
            words,
            &["sort", "add", "root", "verbose"],
            &["type", "id", "package", "local"],
        )?;
        let value = |name: &str| arguments.value(&[name]);
        let (kind, id, package) = (value("type")?, value("id")?, value("package")?);
        let is_plain = |text: &str| !text.contains(['"', '<', '>']) && !text.contains('\n');
        let is_name = package
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-+.".contains(letter));
        if !arguments.has(&["sort"]) || !arguments.has(&["add"]) || !is_plain(id) || !is_name {
            return None;
        }
        let (element, attribute) = match kind {
            "public" => ("delegatePublic", "publicIdStartString"),
            "system" => ("delegateSystem", "systemIdStartString"),
            "uri" => ("delegateURI", "uriStartString"),
            _ => return None,
        };
        let (data, catalog) = match (arguments.has(&["root"]), value("local")) {
            (true, None) => ("catalog", format!("/etc/xml/{package}.xml")),
            (false, Some(local)) if may_stand(local) && is_plain(local) && package != "catalog" => {
                (package, local.to_owned())
            }
            _ => return None,
        };
        self.emit(Effect::Lines {
            path: format!("/var/lib/xml-core/{data}"),
            lines: vec![format!(
                "<{element} {attribute}=\"{id}\"><catalog=\"file://{catalog}\">"
            )],
        });
        self.run(Writer::XmlCatalogs, "an entry of an XML catalog")
    }

    /// The catalog of all SGML catalogs. An entry of another is not added: nobody knows when.
    pub(super) fn sgml_catalog(&mut self, words: &[String]) -> Option<Done> {
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "--quiet")
            .collect();
        match words.as_slice() {
            ["--update-super"] => self.run(Writer::SgmlCatalogs, "the catalog of SGML catalogs"),
            // Told to do it at the end, by a trigger.
            ["--add", "--super", _] => {
                self.run(Writer::SgmlCatalogs, "the catalog of SGML catalogs")
            }
            _ => None,
        }
    }
}
