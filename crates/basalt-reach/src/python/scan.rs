//! What a Python source imports and names.
//!
//! It sees every `import` and `from … import` statement, wherever it stands: a statement under a
//! condition counts. It sees what is imported by a literal name through `import_module` and
//! `__import__`, and says where the name is not literal. It does not see what `exec` runs, modules put
//! into `sys.modules` by hand, and directories added to `sys.path`.

use super::tokens::{Placed, Token, Tokens};

/// Longest source that is read, in bytes.
pub const MAXIMUM_SOURCE: usize = 8 << 20;
/// Most findings of one source.
pub const MAXIMUM_FINDINGS: usize = 100_000;

/// One `import` or `from … import` of one module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// The line it begins in.
    pub line: usize,
    /// How many dots stand before the module: 0 for an absolute import.
    pub level: usize,
    /// The module, possibly empty after dots.
    pub module: String,
    /// What `from` takes from it: modules, or names that it defines.
    pub names: Vec<String>,
    /// Whether it takes everything (`*`).
    pub is_star: bool,
    /// Whether it stands below `if __name__ == "__main__"`: it counts only in a file that is run.
    pub is_main: bool,
}

/// An import by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dynamic {
    /// Of a literal name, with dots before it when it is relative.
    Named(String),
    /// Of a name that is put together, by this function.
    Unknown(&'static str),
}

/// What a source imports and names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Import statements.
    pub imports: Vec<Import>,
    /// Imports by calls, with their lines.
    pub dynamic: Vec<(usize, Dynamic)>,
    /// Codecs by literal names, with their lines.
    pub codecs: Vec<(usize, String)>,
    /// Texts that are absolute paths, with their lines.
    pub paths: Vec<(usize, String)>,
    /// Texts that are names of shared libraries, with their lines.
    pub libraries: Vec<(usize, String)>,
}

/// Why a source cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is too long.
    #[error("the source is longer than {MAXIMUM_SOURCE} bytes")]
    TooLong,
    /// Code within texts within code.
    #[error("line {line} nests texts and code too deep")]
    TooDeep {
        /// The line.
        line: usize,
    },
    /// It holds more than is kept.
    #[error("the source has more than {MAXIMUM_FINDINGS} imports and names")]
    TooMany,
}

/// Functions that import what they are given.
const IMPORTERS: [&str; 2] = ["__import__", "import_module"];
/// Functions that import what they find.
const FINDERS: [&str; 2] = ["iter_modules", "walk_packages"];
/// Functions whose first argument is a codec.
const CODERS: [&str; 7] = [
    "decode",
    "encode",
    "getdecoder",
    "getencoder",
    "getreader",
    "getwriter",
    "lookup",
];

/// Reads a source.
///
/// # Errors
/// When it is longer, deeper or fuller than is read.
///
/// ```
/// let found = basalt_reach::python::scan::scan("try: import a.b\nexcept ImportError: pass")?;
/// assert_eq!(found.imports[0].module, "a.b");
/// # Ok::<(), basalt_reach::python::scan::ScanError>(())
/// ```
pub fn scan(text: &str) -> Result<Scan, ScanError> {
    if text.len() > MAXIMUM_SOURCE {
        return Err(ScanError::TooLong);
    }
    let mut reader = Reader {
        tokens: Tokens::new(text),
        next: None,
        is_main: false,
    };
    let mut found = Scan::default();
    let mut begins = true;
    let mut before = None;
    while let Some((token, line, depth)) = reader.take()? {
        if begins && token != Token::End && reader.tokens.is_at_margin() {
            reader.is_main = token == Token::Name("if") && reader.asks_for_main()?;
        }
        match &token {
            Token::Name("import") if begins => reader.import(line, &mut found)?,
            Token::Name("from") if begins => reader.from(line, &mut found)?,
            Token::Name(name) if before != Some(Token::Name("def")) => {
                reader.name(name, line, &mut found)?;
            }
            Token::Text(Some(text)) => note(text, line, &mut found),
            _ => {}
        }
        let count = found.imports.len()
            + found.dynamic.len()
            + found.codecs.len()
            + found.paths.len()
            + found.libraries.len();
        if count > MAXIMUM_FINDINGS {
            return Err(ScanError::TooMany);
        }
        begins = match token {
            Token::End => true,
            Token::Operator(b':' | b';') => depth == 0,
            _ => false,
        };
        // A statement that imports ends with its line, which its reader leaves to be taken here.
        before = Some(token);
    }
    Ok(found)
}

fn note(text: &str, line: usize, found: &mut Scan) {
    if crate::names::is_library(text) {
        found.libraries.push((line, text.to_owned()));
    } else if crate::names::is_path(text) {
        found.paths.push((line, text.to_owned()));
    }
}

struct Reader<'t> {
    tokens: Tokens<'t>,
    next: Option<Placed<'t>>,
    /// Whether this is below `if __name__ == "__main__"`.
    is_main: bool,
}

impl<'t> Reader<'t> {
    fn take(&mut self) -> Result<Option<Placed<'t>>, ScanError> {
        match self.next.take() {
            Some(token) => Ok(Some(token)),
            None => self
                .tokens
                .next()
                .map_err(|line| ScanError::TooDeep { line }),
        }
    }

    fn peek(&mut self) -> Result<Option<&Token<'t>>, ScanError> {
        if self.next.is_none() {
            self.next = self.take()?;
        }
        Ok(self.next.as_ref().map(|(token, ..)| token))
    }

    /// Takes the next token if it is this operator.
    fn takes(&mut self, operator: u8) -> Result<bool, ScanError> {
        let is = self.peek()? == Some(&Token::Operator(operator));
        if is {
            self.take()?;
        }
        Ok(is)
    }

    /// Takes the next token if it is this name.
    fn takes_name(&mut self, name: &str) -> Result<bool, ScanError> {
        let is = self.peek()? == Some(&Token::Name(name));
        if is {
            self.take()?;
        }
        Ok(is)
    }

    fn any_name(&mut self) -> Result<Option<&'t str>, ScanError> {
        if let Some(Token::Name(name)) = self.peek()? {
            let name = *name;
            self.take()?;
            return Ok(Some(name));
        }
        Ok(None)
    }

    /// Goes over `__name__ == "__main__"`.
    fn asks_for_main(&mut self) -> Result<bool, ScanError> {
        Ok(self.takes_name("__name__")?
            && self.takes(b'=')?
            && self.takes(b'=')?
            && self.peek()? == Some(&Token::Text(Some("__main__"))))
    }

    /// `a.b.c`, possibly nothing.
    fn dotted(&mut self) -> Result<String, ScanError> {
        let mut name = String::new();
        while let Some(part) = self.any_name()? {
            name.push_str(part);
            if !self.takes(b'.')? {
                break;
            }
            name.push('.');
        }
        Ok(name.trim_end_matches('.').to_owned())
    }

    /// What follows `import`: `a.b as c, d`.
    fn import(&mut self, line: usize, found: &mut Scan) -> Result<(), ScanError> {
        loop {
            let module = self.dotted()?;
            if module.is_empty() {
                return Ok(());
            }
            if self.takes_name("as")? {
                self.any_name()?;
            }
            found.imports.push(Import {
                line,
                module,
                is_main: self.is_main,
                ..Import::default()
            });
            if !self.takes(b',')? {
                return Ok(());
            }
        }
    }

    /// What follows `from`: `..a.b import (c as d, e)`, `a import *`.
    fn from(&mut self, line: usize, found: &mut Scan) -> Result<(), ScanError> {
        let mut import = Import {
            line,
            is_main: self.is_main,
            ..Import::default()
        };
        while self.takes(b'.')? {
            import.level += 1;
        }
        // `from . import x`: the keyword is no module.
        if self.peek()? != Some(&Token::Name("import")) {
            import.module = self.dotted()?;
        }
        if !self.takes_name("import")? || (import.module.is_empty() && import.level == 0) {
            return Ok(());
        }
        if self.takes(b'*')? {
            import.is_star = true;
        } else {
            let in_brackets = self.takes(b'(')?;
            while let Some(name) = self.any_name()? {
                import.names.push(name.to_owned());
                if import.names.len() > MAXIMUM_FINDINGS {
                    return Err(ScanError::TooMany);
                }
                if self.takes_name("as")? {
                    self.any_name()?;
                }
                if !self.takes(b',')? {
                    break;
                }
            }
            if in_brackets {
                self.takes(b')')?;
            }
        }
        found.imports.push(import);
        Ok(())
    }

    /// A name that may be a call with a literal that matters.
    fn name(&mut self, name: &str, line: usize, found: &mut Scan) -> Result<(), ScanError> {
        if name == "encoding" {
            if self.takes(b'=')?
                && let Some(Token::Text(Some(text))) = self.peek()?
            {
                found.codecs.push((line, (*text).to_owned()));
            }
            return Ok(());
        }
        let importer = IMPORTERS.iter().find(|one| **one == name);
        let finder = FINDERS.iter().find(|one| **one == name);
        let is_coder = CODERS.contains(&name);
        if (importer.is_none() && finder.is_none() && !is_coder) || !self.takes(b'(')? {
            return Ok(());
        }
        let literal = match self.peek()? {
            Some(Token::Text(Some(text))) => {
                let text = *text;
                self.take()?;
                // `"a" + b` is no literal.
                matches!(self.peek()?, Some(Token::Operator(b')' | b','))).then_some(text)
            }
            _ => None,
        };
        match (literal, importer.or(finder)) {
            (Some(module), Some(_)) if importer.is_some() => {
                found
                    .dynamic
                    .push((line, Dynamic::Named(module.to_owned())));
            }
            (_, Some(function)) => found.dynamic.push((line, Dynamic::Unknown(function))),
            (Some(codec), None) => found.codecs.push((line, codec.to_owned())),
            (None, None) => {}
        }
        Ok(())
    }
}
