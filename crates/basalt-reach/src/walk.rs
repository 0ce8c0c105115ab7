//! The walk: what is reached so far, what is still to be looked at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use basalt_tree::{Contents, Kind, Owner, Placed, Tree, TreePath, glob};

use crate::error::ReachError;
use crate::libraries::Linker;
use crate::perl::{self, Perl};
use crate::python::Python;
use crate::reach::{Reached, Wish};
use crate::reason::Reason;
use crate::{configuration, elf, scripts};

/// How many links may follow each other, as Linux has it.
const MAXIMUM_LINKS: usize = 40;
/// Longest text that is read for what it names.
const MAXIMUM_TEXT: u64 = 8 << 20;
/// Most questions that are kept.
const MAXIMUM_QUESTIONS: usize = 100_000;

/// A step from one file to another.
#[derive(Clone)]
pub(crate) struct Step<'s> {
    pub reason: Reason,
    pub from: Option<&'s TreePath>,
    /// Whether this step is certain to be taken when the file it comes from is used.
    pub certain: bool,
}

/// A question while it is collected: what, about which path.
pub(crate) type Asked = (String, Option<TreePath>);

pub(crate) struct Walk<'a> {
    pub tree: &'a Tree,
    contents: &'a dyn Contents,
    wish: &'a Wish,
    pub reached: BTreeMap<TreePath, Reached>,
    visited: BTreeSet<TreePath>,
    /// Which file leads to which, and whether that is certain; also where the second was reached before.
    pub edges: BTreeMap<(TreePath, TreePath), bool>,
    certain: VecDeque<TreePath>,
    perhaps: VecDeque<TreePath>,
    pub questions: BTreeMap<Asked, BTreeSet<TreePath>>,
    /// Directories that are named: what in them is used is not known.
    pub directories: BTreeMap<TreePath, BTreeSet<TreePath>>,
    /// Programs that are named: whether they are started is not known.
    pub programs: BTreeMap<TreePath, BTreeSet<TreePath>>,
    pub absent: BTreeMap<String, BTreeSet<TreePath>>,
    pub left_out: BTreeMap<TreePath, TreePath>,
    pub broken: BTreeSet<String>,
    pub linker: Linker,
    pub python: Python,
    pub perl: Perl,
    /// Tables that were already added.
    pub services: BTreeSet<&'static str>,
}

impl<'a> Walk<'a> {
    pub fn new(
        tree: &'a Tree,
        contents: &'a dyn Contents,
        wish: &'a Wish,
    ) -> Result<Self, ReachError> {
        Ok(Self {
            tree,
            contents,
            wish,
            reached: BTreeMap::new(),
            visited: BTreeSet::new(),
            edges: BTreeMap::new(),
            certain: VecDeque::new(),
            perhaps: VecDeque::new(),
            questions: BTreeMap::new(),
            directories: BTreeMap::new(),
            programs: BTreeMap::new(),
            absent: BTreeMap::new(),
            left_out: BTreeMap::new(),
            broken: BTreeSet::new(),
            linker: Linker::new(tree, contents)?,
            python: Python::new(tree),
            perl: Perl::new(tree),
            services: BTreeSet::new(),
        })
    }

    /// Marks what is reached by itself.
    pub fn seed(&mut self) -> Result<(), ReachError> {
        let wish = self.wish;
        let mut seeds = Vec::new();
        for pattern in &wish.roots {
            let matches = self.matching(pattern);
            if matches.is_empty() {
                return Err(ReachError::NoSuchRoot {
                    pattern: pattern.clone(),
                });
            }
            seeds.extend(
                matches
                    .into_iter()
                    .map(|path| (path, Reason::Root(pattern.clone()))),
            );
        }
        for pattern in &wish.keep {
            let matches = self.matching(pattern);
            seeds.extend(
                matches
                    .into_iter()
                    .map(|path| (path, Reason::Keep(pattern.clone()))),
            );
        }
        // What is a file itself comes first, so that its reason is not that of a link to it.
        seeds.sort_by_key(|(path, _)| {
            let placed = self.tree.get(path);
            placed.is_none_or(|placed| matches!(placed.entry.kind, Kind::Symlink { .. }))
        });
        for (path, reason) in seeds {
            let step = Step {
                reason,
                from: None,
                certain: true,
            };
            self.seed_one(&path, step)?;
        }
        for (path, placed) in self.tree.iter() {
            self.seed_made(path, placed)?;
        }
        Ok(())
    }

    /// What a pattern matches: files, links, and what is in directories.
    fn matching(&self, pattern: &str) -> Vec<TreePath> {
        let mut found = BTreeSet::new();
        // A path that is no pattern may lead through links.
        if let Ok(path) = TreePath::new(pattern)
            && let Ok((real, placed)) = self.tree.get_resolved(&path)
        {
            found.insert(path);
            if placed.entry.is_directory() {
                self.add_within(&real, &mut found);
            }
        }
        for (path, placed) in self.tree.iter() {
            if glob::matches(pattern, path) {
                found.insert(path.clone());
                if placed.entry.is_directory() {
                    self.add_within(path, &mut found);
                }
            }
        }
        found.into_iter().collect()
    }

    fn add_within(&self, directory: &TreePath, found: &mut BTreeSet<TreePath>) {
        let files = self
            .tree
            .iter_within(directory)
            .filter(|(_, placed)| !placed.entry.is_directory());
        found.extend(files.map(|(path, _)| path.clone()));
    }

    /// A root: it counts even where the wish leaves it out.
    fn seed_one(&mut self, path: &TreePath, step: Step<'_>) -> Result<(), ReachError> {
        // A link that leads nowhere was asked for all the same.
        if let Some(placed) = self.tree.get(path)
            && matches!(placed.entry.kind, Kind::Symlink { .. })
        {
            let reached = Reached {
                reason: step.reason.clone(),
                from: None,
                certain: true,
            };
            self.reached.entry(path.clone()).or_insert(reached);
        }
        self.follow(path, step).map(drop)
    }

    /// What the spec places is a root; what effects make is kept, and what it points to.
    fn seed_made(&mut self, path: &TreePath, placed: &Placed) -> Result<(), ReachError> {
        let (reason, is_root) = match &placed.owner {
            Owner::Package(_) => return Ok(()),
            Owner::Spec(place) => (Reason::Spec(place.clone()), true),
            Owner::Effect { effect, .. } if is_alternative(effect) => return Ok(()),
            Owner::Effect { package, effect } => (
                Reason::Made(format!("{effect} (effect of {package})")),
                false,
            ),
            Owner::Basalt(what) => (Reason::Made(what.clone()), false),
        };
        if placed.entry.is_directory() {
            return Ok(());
        }
        let step = Step {
            reason: reason.clone(),
            from: None,
            certain: is_root,
        };
        if is_root {
            return self.seed_one(path, step);
        }
        let reached = Reached {
            reason,
            from: None,
            certain: false,
        };
        self.reached.entry(path.clone()).or_insert(reached);
        // The merged links of the root lead to directories; all else leads to files.
        if matches!(placed.entry.kind, Kind::Symlink { .. }) {
            let step = Step {
                reason: Reason::MadeLink,
                from: Some(path),
                certain: false,
            };
            self.mark(path, step)?;
        }
        Ok(())
    }

    /// Looks at everything that is reached: first at what is certain, so that what is only named never
    /// hides a certain reason.
    pub fn run(&mut self) -> Result<(), ReachError> {
        while let Some(path) = self
            .certain
            .pop_front()
            .or_else(|| self.perhaps.pop_front())
        {
            if self.visited.insert(path.clone()) {
                self.visit(&path)?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, path: &TreePath) -> Result<(), ReachError> {
        let Some(placed) = self.tree.get(path) else {
            return Ok(());
        };
        match &placed.entry.kind {
            Kind::Hardlink { target } => {
                let step = Step {
                    reason: Reason::SameFile,
                    from: Some(path),
                    certain: true,
                };
                self.mark(target, step)?;
                Ok(())
            }
            Kind::File { size, .. } => match &placed.entry.elf {
                Some(facts) => elf::visit(self, path, *size, facts),
                None if *size <= MAXIMUM_TEXT => self.visit_text(path),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_text(&mut self, path: &TreePath) -> Result<(), ReachError> {
        let is_python = self.python.is_source(path);
        let is_configuration = configuration::is_one(path);
        let is_executable = self
            .tree
            .get(path)
            .is_some_and(|placed| placed.entry.mode & 0o111 != 0);
        let is_perl = self.perl.is_source(path);
        if !is_python && !is_perl && !is_configuration && !is_executable {
            return Ok(());
        }
        let content = self.read(path)?;
        if scripts::visit(self, path, &content)? {
            return Ok(());
        }
        if is_python {
            return crate::python::visit(self, path, &String::from_utf8_lossy(&content));
        }
        if is_perl {
            return perl::visit(self, path, &String::from_utf8_lossy(&content));
        }
        if is_configuration {
            configuration::visit(self, path, &content)?;
        }
        Ok(())
    }

    /// The content of a file.
    pub fn read(&self, path: &TreePath) -> Result<Vec<u8>, ReachError> {
        Ok(self.tree.read(path, self.contents)?)
    }

    /// The text of a file, if it is there.
    pub fn read_text(&self, path: &TreePath) -> Result<Option<String>, ReachError> {
        match self.tree.file(path) {
            Ok((real, placed)) if placed.entry.size() <= MAXIMUM_TEXT => {
                let content = self.read(&real)?;
                Ok(Some(String::from_utf8_lossy(&content).into_owned()))
            }
            _ => Ok(None),
        }
    }

    /// Marks the file that a path leads to, with every link on the way, unless the wish leaves it out.
    /// Gives the file; none when the path leads to a directory, or nowhere.
    pub fn mark(
        &mut self,
        path: &TreePath,
        step: Step<'_>,
    ) -> Result<Option<TreePath>, ReachError> {
        if !self.wish.leave_out.is_empty()
            && let Ok((real, _)) = self.tree.get_resolved(path)
            && !self.reached.contains_key(&real)
        {
            let leaves_out =
                |pattern: &String| glob::matches(pattern, &real) || glob::matches(pattern, path);
            if self.wish.leave_out.iter().any(leaves_out) {
                if let Some(from) = step.from {
                    self.left_out.entry(real).or_insert_with(|| from.clone());
                }
                return Ok(None);
            }
        }
        self.follow(path, step)
    }

    fn follow(&mut self, path: &TreePath, step: Step<'_>) -> Result<Option<TreePath>, ReachError> {
        let Some((links, end)) = self.way(path) else {
            return Ok(None);
        };
        let Some(placed) = self.tree.get(&end) else {
            return Ok(None);
        };
        if placed.entry.is_directory() {
            // A directory that is empty can still be asked for.
            if step.from.is_none() && links.is_empty() && self.tree.children(&end).next().is_none()
            {
                self.record(&end, &step, false);
            }
            return Ok(None);
        }
        let certain = step.certain
            && step
                .from
                .and_then(|from| self.reached.get(from))
                .is_none_or(|from| from.certain);
        if let Some(from) = step.from
            && *from != end
        {
            let edge = self.edges.entry((from.clone(), end.clone())).or_default();
            *edge |= step.certain;
        }
        for link in links {
            self.edges.insert((link.clone(), end.clone()), true);
            if let Some(from) = step.from {
                let edge = self.edges.entry((from.clone(), link.clone())).or_default();
                *edge |= step.certain;
            }
            let way = Step {
                reason: Reason::Link(end.absolute()),
                from: step.from,
                certain: step.certain,
            };
            self.record(&link, &way, certain);
        }
        if self.record(&end, &step, certain) {
            if certain {
                self.certain.push_back(end.clone());
            } else {
                self.perhaps.push_back(end.clone());
            }
        }
        Ok(Some(end))
    }

    /// Whether this is news.
    fn record(&mut self, path: &TreePath, step: &Step<'_>, certain: bool) -> bool {
        if let Some(known) = self.reached.get(path)
            && (known.certain || !certain)
        {
            // What is made is recorded before it is looked at.
            return !self.visited.contains(path) && known.from.is_none();
        }
        let reached = Reached {
            reason: step.reason.clone(),
            from: step.from.cloned(),
            certain,
        };
        self.reached.insert(path.clone(), reached);
        true
    }

    /// The links on the way to where a path ends, and that end; none when it ends nowhere.
    fn way(&self, path: &TreePath) -> Option<(Vec<TreePath>, TreePath)> {
        let mut links = Vec::new();
        let mut waiting: VecDeque<String> = path.as_str().split('/').map(str::to_owned).collect();
        let mut here = TreePath::root();
        while let Some(name) = waiting.pop_front() {
            if name.is_empty() || name == "." {
                continue;
            }
            if name == ".." {
                here = here.parent().unwrap_or_else(TreePath::root);
                continue;
            }
            let next = here.join(&name).ok()?;
            match self.tree.get(&next).map(|placed| &placed.entry.kind) {
                Some(Kind::Symlink { target }) => {
                    links.push(next);
                    if links.len() > MAXIMUM_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        here = TreePath::root();
                    }
                    for part in target.rsplit('/') {
                        waiting.push_front(part.to_owned());
                    }
                }
                Some(_) => here = next,
                None => return None,
            }
        }
        Some((links, here))
    }

    /// Asks what cannot be known.
    pub fn ask(
        &mut self,
        text: String,
        about: Option<TreePath>,
        seen: &TreePath,
    ) -> Result<(), ReachError> {
        if self.questions.len() >= MAXIMUM_QUESTIONS {
            return Err(ReachError::TooMuch {
                what: "questions",
                limit: MAXIMUM_QUESTIONS,
            });
        }
        let places = self.questions.entry((text, about)).or_default();
        places.insert(seen.clone());
        Ok(())
    }

    /// A name that is no file of the image.
    pub fn lacks(&mut self, name: &str, seen: &TreePath) {
        let places = self.absent.entry(name.to_owned()).or_default();
        places.insert(seen.clone());
    }
}

/// Whether an effect is a choice among programs, which are kept only when something else reaches them.
pub(crate) fn is_alternative(effect: &str) -> bool {
    effect.starts_with("alternative")
}
