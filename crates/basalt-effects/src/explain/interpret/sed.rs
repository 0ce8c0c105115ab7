//! Scripts of `sed`, as far as to know that they only read.

/// Whether a call of `sed` neither writes a file nor runs a command.
pub(super) fn only_reads(words: &[String]) -> bool {
    let mut scripts: Vec<&str> = Vec::new();
    let mut operands: Vec<&str> = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--" => operands.extend(words.by_ref()),
            "--quiet" | "--silent" | "--regexp-extended" => {}
            option if option.len() > 1 && option.starts_with('-') => {
                let letters = option.strip_suffix('e');
                if letters.is_some() {
                    match words.next() {
                        Some(script) => scripts.push(script),
                        None => return false,
                    }
                }
                let mut letters = letters.unwrap_or(option).chars().skip(1);
                if !letters.all(|letter| "nErsz".contains(letter)) {
                    return false;
                }
            }
            operand => operands.push(operand),
        }
    }
    if scripts.is_empty() {
        scripts.extend(operands.first());
    }
    let text = scripts.join("\n");
    Script { rest: &text }.only_reads() == Some(true)
}

/// A script, from where it is not read yet.
struct Script<'t> {
    rest: &'t str,
}

impl Script<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or_default();
        Some(letter)
    }

    fn skip(&mut self, letters: &str) {
        self.rest = self
            .rest
            .trim_start_matches(|letter| letters.contains(letter));
    }

    /// Up to a mark that no backslash stands before.
    fn until(&mut self, mark: char) -> Option<()> {
        loop {
            match self.bump()? {
                '\n' => return None,
                '\\' => {
                    self.bump()?;
                }
                letter if letter == mark => return Some(()),
                _ => {}
            }
        }
    }

    /// A line's number, or a pattern that it fits; whether there is one.
    fn address(&mut self) -> Option<bool> {
        match self.peek() {
            Some('$') => {
                self.bump();
            }
            Some(digit) if digit.is_ascii_digit() => self.skip("0123456789~"),
            Some('/') => {
                self.bump();
                self.until('/')?;
                self.skip("I");
            }
            Some('\\') => {
                self.bump();
                let mark = self.bump().filter(char::is_ascii_punctuation)?;
                self.until(mark)?;
                self.skip("I");
            }
            _ => return Some(false),
        }
        Some(true)
    }

    /// Whether each command is one that only reads; nothing when that is not known.
    fn only_reads(mut self) -> Option<bool> {
        loop {
            self.skip(" \t\n;}");
            if self.rest.is_empty() {
                return Some(true);
            }
            if self.address()? && self.peek() == Some(',') {
                self.bump();
                self.skip(" +~");
                if !self.address()? {
                    return None;
                }
            }
            self.skip(" \t!");
            match self.bump()? {
                '{' => continue,
                'p' | 'P' | 'd' | 'D' | 'q' | 'h' | 'H' | 'g' | 'G' | 'x' | 'n' | 'N' | '=' => {}
                's' => {
                    let mark = self.bump().filter(char::is_ascii_punctuation)?;
                    self.until(mark)?;
                    self.until(mark)?;
                    self.skip("0123456789gpIiM");
                }
                'y' => {
                    let mark = self.bump().filter(char::is_ascii_punctuation)?;
                    self.until(mark)?;
                    self.until(mark)?;
                }
                _ => return Some(false),
            }
            self.skip(" \t");
            if !matches!(self.peek(), None | Some(';' | '\n' | '}')) {
                return Some(false);
            }
        }
    }
}
