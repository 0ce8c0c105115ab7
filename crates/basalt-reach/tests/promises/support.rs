//! Small trees.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use basalt_digest::Digest;
use basalt_elf::ElfFacts;
use basalt_reach::{Reach, ReachError, Wish, reach};
use basalt_tree::{Contents, Entry, Kind, Owner, Tree, TreePath};

/// All contents of these trees are in the trees.
struct Nothing;

impl Contents for Nothing {
    fn read(&self, package: &str, path: &TreePath) -> io::Result<Vec<u8>> {
        Err(io::Error::other(format!("{package} has no {path}")))
    }
}

pub fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

/// A tree of one package.
pub struct Place {
    pub tree: Tree,
}

impl Place {
    pub fn new() -> Self {
        Self { tree: Tree::new(0) }
    }

    pub fn owner() -> Owner {
        Owner::Package("example".to_owned())
    }

    pub fn file(mut self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.put(name, content.as_ref().to_vec(), mode, Self::owner());
        self
    }

    pub fn text(self, name: &str, content: &str) -> Self {
        self.file(name, content, 0o644)
    }

    pub fn script(self, name: &str, content: &str) -> Self {
        self.file(name, content, 0o755)
    }

    pub fn link(mut self, name: &str, target: &str) -> Self {
        self.tree
            .insert_symlink(&path(name), target, Self::owner())
            .expect("there is room");
        self
    }

    pub fn made(mut self, name: &str, content: &str, owner: Owner) -> Self {
        self.put(name, content.as_bytes().to_vec(), 0o644, owner);
        self
    }

    fn put(&mut self, name: &str, content: Vec<u8>, mode: u32, owner: Owner) {
        let kind = Kind::File {
            size: content.len() as u64,
            digest: Digest::of(&content),
        };
        let mut entry = Entry::new(kind, mode, 0);
        entry.elf = ElfFacts::read(&content).ok().flatten().map(Arc::new);
        self.tree
            .insert_generated(&path(name), entry, content, owner)
            .expect("there is room");
    }

    pub fn reach(&self, wish: &Wish) -> Result<Reach, ReachError> {
        let mut tree = self.tree.clone();
        let owner = Owner::Basalt("merged /usr".to_owned());
        tree.ensure_merged_links(&owner).expect("they are made");
        let first = reach(&tree, &Nothing, wish);
        if let (Ok(first), Ok(second)) = (&first, reach(&tree, &Nothing, wish)) {
            assert_eq!(*first, second, "twice the same answer");
        }
        first
    }

    pub fn from(&self, roots: &[&str]) -> Reach {
        self.reach(&roots_of(roots)).expect("all is well")
    }
}

pub fn roots_of(roots: &[&str]) -> Wish {
    Wish {
        roots: roots.iter().map(|root| (*root).to_owned()).collect(),
        ..Wish::default()
    }
}

/// Asserts that these are reached and those are not.
pub fn assert_reach(found: &Reach, reached: &[&str], not: &[&str]) {
    for name in reached {
        assert!(
            found.reached.contains_key(&path(name)),
            "{name} is not reached, but {:#?}",
            found.reached.keys()
        );
    }
    for name in not {
        let chain = found.chain(&path(name));
        assert!(chain.is_empty(), "{name} is reached: {chain:#?}");
    }
}

/// Whether a question has these words.
pub fn asks(found: &Reach, words: &str) -> bool {
    found.questions.iter().any(|one| one.text.contains(words))
}

/// Compiles C; gives the object's bytes. `arguments` are `cc`'s, in a folder with all former results.
pub fn compile(folder: &Path, output: &str, source: &str, arguments: &[&str]) -> Vec<u8> {
    let file = folder.join(format!("{output}.c"));
    fs::write(&file, source).expect("it is written");
    let result = Command::new("cc")
        .current_dir(folder)
        .args(["-w", "-o", output])
        .arg(&file)
        .args(arguments)
        .output()
        .expect("these tests compile with `cc`: install it");
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
    fs::read(folder.join(output)).expect("it is there")
}
