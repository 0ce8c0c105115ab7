//! Python's tokens, as far as imports need them: names, operators, texts, ends of logical lines.
//!
//! `import` is a keyword, so a statement that imports is known by its tokens alone, whatever the
//! grammar of expressions is: that is why no parser of the whole language is needed. What this reader
//! takes apart is what could hide a keyword or fake one: texts with their prefixes, f-strings with
//! code in them, comments, brackets, and lines that go on.

/// Deepest nesting of code in f-strings.
const DEEPEST: usize = 32;

/// A token that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A name or keyword.
    Name(&'t str),
    /// A text as it is written between its quotes; none for an f-string with code in it.
    Text(Option<&'t str>),
    /// A number; only that one is there matters.
    Number,
    /// One byte of an operator or bracket.
    Operator(u8),
    /// The end of a logical line.
    End,
}

/// A token, the line it begins in, and whether it stands in brackets.
pub(super) type Placed<'t> = (Token<'t>, usize, usize);

pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    depth: usize,
    /// Where the last token began.
    start: usize,
}

impl<'t> Tokens<'t> {
    pub fn new(text: &'t str) -> Self {
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: 0,
            line: 1,
            depth: 0,
            start: 0,
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Whether the last token stands at the beginning of its line.
    pub fn is_at_margin(&self) -> bool {
        let before = self.start.checked_sub(1);
        before.is_none_or(|before| self.text.as_bytes().get(before) == Some(&b'\n'))
    }

    /// Goes over one byte, and counts its line.
    fn step(&mut self) {
        if self.byte(0) == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// The next token with its line and the brackets it stands in; `Err` when code is nested too deep.
    pub fn next(&mut self) -> Result<Option<Placed<'t>>, usize> {
        loop {
            let Some(byte) = self.byte(0) else {
                return Ok(None);
            };
            let line = self.line;
            self.start = self.at;
            match byte {
                b'\n' => {
                    self.step();
                    if self.depth == 0 {
                        return Ok(Some((Token::End, line, 0)));
                    }
                }
                b'\\' => {
                    // A line that goes on; the end may be CR LF.
                    self.step();
                    while self.byte(0) == Some(b'\r') {
                        self.step();
                    }
                    if self.byte(0) == Some(b'\n') {
                        self.step();
                    }
                }
                b' ' | b'\t' | b'\r' | 0x0c => self.step(),
                b'#' => self.skip_comment(),
                b'"' | b'\'' => return self.text_token(line, false, false).map(Some),
                b'0'..=b'9' => {
                    self.skip_word();
                    return Ok(Some((Token::Number, line, self.depth)));
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                    let start = self.at;
                    self.skip_word();
                    let name = self.text.get(start..self.at).unwrap_or_default();
                    if let Some(b'"' | b'\'') = self.byte(0)
                        && let Some((raw, formatted)) = prefix(name)
                    {
                        return self.text_token(line, raw, formatted).map(Some);
                    }
                    return Ok(Some((Token::Name(name), line, self.depth)));
                }
                _ => {
                    self.step();
                    let depth = self.depth;
                    match byte {
                        b'(' | b'[' | b'{' => self.depth += 1,
                        b')' | b']' | b'}' => self.depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    return Ok(Some((Token::Operator(byte), line, depth)));
                }
            }
        }
    }

    fn skip_comment(&mut self) {
        while self.byte(0).is_some_and(|byte| byte != b'\n') {
            self.step();
        }
    }

    fn skip_word(&mut self) {
        while self
            .byte(0)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80)
        {
            self.step();
        }
    }

    fn text_token(&mut self, line: usize, raw: bool, formatted: bool) -> Result<Placed<'t>, usize> {
        let (start, end, has_code) = self.skip_text(raw, formatted, 0)?;
        let text = self.text.get(start..end).filter(|_| !has_code);
        Ok((Token::Text(text), line, self.depth))
    }

    /// Goes over a text whose quote is next; gives where its content begins and ends, and whether code
    /// is in it. A text that is not ended ends with its line, as far as anybody can tell.
    fn skip_text(
        &mut self,
        raw: bool,
        formatted: bool,
        nesting: usize,
    ) -> Result<(usize, usize, bool), usize> {
        if nesting > DEEPEST {
            return Err(self.line);
        }
        let quote = self.byte(0).unwrap_or(b'"');
        let is_long = self.byte(1) == Some(quote) && self.byte(2) == Some(quote);
        let width = if is_long { 3 } else { 1 };
        for _ in 0..width {
            self.step();
        }
        let start = self.at;
        let mut has_code = false;
        loop {
            let Some(byte) = self.byte(0) else {
                return Ok((start, self.at, has_code));
            };
            if byte == quote {
                let ends = !is_long || (self.byte(1) == Some(quote) && self.byte(2) == Some(quote));
                if ends {
                    let end = self.at;
                    for _ in 0..width {
                        self.step();
                    }
                    return Ok((start, end, has_code));
                }
                self.step();
            } else if byte == b'\\' {
                // Even in a raw text, a quote after it does not end the text. In an f-string that is
                // not raw, `\N{…}` is a name.
                let is_name =
                    !raw && formatted && self.byte(1) == Some(b'N') && self.byte(2) == Some(b'{');
                self.step();
                if self.byte(0) == Some(b'\r') && self.byte(1) == Some(b'\n') {
                    self.step();
                }
                if self.byte(0).is_some() {
                    self.step();
                }
                if is_name {
                    self.step();
                }
            } else if byte == b'\n' && !is_long {
                return Ok((start, self.at, has_code));
            } else if formatted && byte == b'{' {
                self.step();
                if self.byte(0) == Some(b'{') {
                    self.step();
                } else {
                    has_code = true;
                    self.skip_code(raw, nesting + 1)?;
                }
            } else {
                self.step();
            }
        }
    }

    /// Goes over the code of a replacement field, to behind its closing brace.
    fn skip_code(&mut self, raw: bool, nesting: usize) -> Result<(), usize> {
        if nesting > DEEPEST {
            return Err(self.line);
        }
        let mut depth = 0usize;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'}' if depth == 0 => {
                    self.step();
                    return Ok(());
                }
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    self.step();
                }
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.step();
                }
                b'#' => self.skip_comment(),
                b':' if depth == 0 => return self.skip_format(raw, nesting),
                b'"' | b'\'' => drop(self.skip_text(false, false, nesting)?),
                byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                    let start = self.at;
                    self.skip_word();
                    let name = self.text.get(start..self.at).unwrap_or_default();
                    if let Some(b'"' | b'\'') = self.byte(0)
                        && let Some((raw, formatted)) = prefix(name)
                    {
                        self.skip_text(raw, formatted, nesting)?;
                    }
                }
                _ => self.step(),
            }
        }
        Ok(())
    }

    /// Goes over a format after a colon: quotes in it are fillers, braces are code again.
    fn skip_format(&mut self, raw: bool, nesting: usize) -> Result<(), usize> {
        while let Some(byte) = self.byte(0) {
            self.step();
            match byte {
                b'}' => return Ok(()),
                b'{' => self.skip_code(raw, nesting + 1)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a name before a quote is a text's prefix; then whether the text is raw, and has code in it.
fn prefix(name: &str) -> Option<(bool, bool)> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "r" | "br" | "rb" => Some((true, false)),
        "b" | "u" => Some((false, false)),
        "f" | "t" => Some((false, true)),
        "fr" | "rf" | "tr" | "rt" => Some((true, true)),
        _ => None,
    }
}
