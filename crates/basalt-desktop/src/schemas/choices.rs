//! The strings that a key may have, with numbers, as GLib packs them into words.

/// The longest run of words of one string.
const MAXIMUM_WORDS: usize = 65;
const ALIAS: u8 = 0xfe;
const CHOICE: u8 = 0xff;

/// Choices or values of an enumeration, and their aliases.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Choices {
    words: Vec<u32>,
    /// Names, with the number of each, or the one that it is an alias of.
    names: Vec<(String, Meaning)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Number(u32),
    Alias,
}

/// The words of a string: a mark, the bytes, and a mark at the very end. Between them are zeros.
fn packed(text: &str, mark: u8) -> Result<Vec<u32>, String> {
    let count = ((text.len() + 6) / 4).max(2);
    if count > MAXIMUM_WORDS {
        return Err(format!(
            "the name `{}…` is too long",
            text.chars().take(40).collect::<String>()
        ));
    }
    let mut bytes = vec![mark];
    bytes.extend(text.bytes());
    bytes.resize(count * 4 - 1, 0);
    bytes.push(0xff);
    Ok(bytes
        .chunks_exact(4)
        .map(|word| {
            word.iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        })
        .collect())
}

impl Choices {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// Whether a value is one of the choices, an alias not included.
    pub(super) fn allows(&self, text: &str) -> bool {
        self.names
            .iter()
            .any(|(name, meaning)| name == text && *meaning != Meaning::Alias)
    }

    fn fail_if_known(&self, name: &str) -> Result<(), String> {
        match self.names.iter().any(|(known, _)| known == name) {
            true => Err(format!("`{name}` is given twice")),
            false => Ok(()),
        }
    }

    /// Adds a choice.
    pub(super) fn add(&mut self, name: &str, number: u32) -> Result<(), String> {
        self.fail_if_known(name)?;
        self.words.push(number);
        self.words.extend(packed(name, CHOICE)?);
        self.names.push((name.to_owned(), Meaning::Number(number)));
        Ok(())
    }

    /// Adds a value of an enumeration, whose number must be its own.
    pub(super) fn add_value(&mut self, name: &str, number: u32) -> Result<(), String> {
        let is_taken = self
            .names
            .iter()
            .any(|(_, known)| *known == Meaning::Number(number));
        if is_taken {
            return Err(format!("the value of `{name}` is given twice"));
        }
        self.add(name, number)
    }

    /// Adds another name of a choice.
    pub(super) fn add_alias(&mut self, alias: &str, target: &str) -> Result<(), String> {
        self.fail_if_known(alias)?;
        let wanted = packed(target, CHOICE)?;
        // The number is where the string of the target begins, less the word of its own number.
        let place = self
            .words
            .get(1..)
            .unwrap_or_default()
            .windows(wanted.len())
            .position(|window| window == wanted);
        let place = place.and_then(|place| u32::try_from(place).ok());
        let Some(place) = place.filter(|_| self.allows(target)) else {
            return Err(format!(
                "`{alias}` is an alias of `{target}`, which is no choice"
            ));
        };
        self.words.push(place);
        self.words.extend(packed(alias, ALIAS)?);
        self.names.push((alias.to_owned(), Meaning::Alias));
        Ok(())
    }
}
