//! What a Perl source takes in: `use`, `no`, `require` and `do` with names that stand in it.
//!
//! Line by line, and rather too much than too little: nobody but perl can parse Perl, and a name that is
//! taken for an import counts only where such a module is in the image.

/// What is taken in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// A module: `List::Util`.
    Module(String),
    /// A file by its path, absolute or below a directory of modules.
    File(String),
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What.
    pub wanted: Wanted,
    /// The line, from 1.
    pub line: usize,
    /// Whether the source cannot be compiled without it.
    pub certain: bool,
}

/// All that a source says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// What it takes in, in its order.
    pub imports: Vec<Import>,
    /// The first line in which the name of what is required is computed.
    pub computed: Option<usize>,
}

/// Marks in a text of what perl takes in by itself for them.
const IMPLIED: [(&str, &[&str]); 8] = [
    ("glob", &["File::Glob"]),
    ("<*", &["File::Glob"]),
    // A file in memory: `open my $file, '<', \$text`.
    ("\\$", &["PerlIO::scalar"]),
    (":encoding(", &["PerlIO::encoding", "Encode"]),
    ("$!{", &["Errno"]),
    ("$+{", &["Tie::Hash::NamedCapture"]),
    ("$-{", &["Tie::Hash::NamedCapture"]),
    ("\\N{", &["_charnames"]),
];
/// Modules whose arguments are names of modules.
const NAMING: [&str; 3] = ["parent", "base", "if"];

/// Reads a source.
pub fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    let mut is_manual = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if is_manual {
            is_manual = !line.starts_with("=cut");
            continue;
        }
        is_manual = line
            .strip_prefix('=')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        let trimmed = line.trim();
        if is_manual || trimmed.starts_with('#') {
            continue;
        }
        if trimmed == "__END__" || trimmed == "__DATA__" {
            break;
        }
        for keyword in ["use", "no", "require", "do"] {
            for (at, _) in line.match_indices(keyword) {
                scan.statement(number, keyword, &line[..at], &line[at + keyword.len()..]);
            }
        }
        for (mark, modules) in IMPLIED {
            if line.contains(mark) {
                for module in modules {
                    scan.module(number, module, false);
                }
            }
        }
    }
    scan
}

impl Scan {
    fn add(&mut self, line: usize, wanted: Wanted, certain: bool) {
        self.imports.push(Import {
            wanted,
            line,
            certain,
        });
    }

    fn module(&mut self, line: usize, name: &str, certain: bool) {
        self.add(line, Wanted::Module(name.to_owned()), certain);
    }

    /// A keyword with what stands before and after it in its line.
    fn statement(&mut self, line: usize, keyword: &str, before: &str, after: &str) {
        let previous = before.chars().next_back();
        let is_word = |c: char| c.is_alphanumeric() || "_$@%&:>-.".contains(c);
        if previous.is_some_and(is_word) {
            return;
        }
        let rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if rest.len() == after.len() && !rest.starts_with(['"', '\'', '$']) {
            return;
        }
        let name = name_in(rest);
        match keyword {
            "use" | "no" => {
                let begun = before.trim_end();
                let begins = begun.is_empty() || begun.ends_with([';', '{', '}', '"', '\'']);
                let version = rest.strip_prefix('v').unwrap_or(rest);
                if version.starts_with(|c: char| c.is_ascii_digit()) {
                    self.module(line, "feature", false);
                    self.module(line, "strict", false);
                } else if begins && !name.is_empty() {
                    self.module(line, name, begun.is_empty());
                    if NAMING.contains(&name) {
                        for other in names_in(&rest[name.len()..]) {
                            self.module(line, other, false);
                        }
                    }
                }
            }
            _ => match rest.strip_prefix(['"', '\'']) {
                Some(quoted) => {
                    let literal = quoted.split(['"', '\'']).next().unwrap_or("");
                    match literal.contains(['$', '@']) {
                        true => self.computes(line),
                        false if literal.is_empty() => {}
                        false => self.add(line, Wanted::File(literal.to_owned()), false),
                    }
                }
                None if keyword == "do" => {}
                None if rest.starts_with('$') => self.computes(line),
                None if name.is_empty() => {}
                None => self.module(line, name, false),
            },
        }
    }

    fn computes(&mut self, line: usize) {
        self.computed.get_or_insert(line);
    }
}

/// The name of a module that a text begins with; empty when it begins with none.
fn name_in(text: &str) -> &str {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return "";
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text[..end].trim_end_matches(':')
}

/// What looks like names of modules in a list.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty() && name_in(word) == *word && *word != "qw")
}
