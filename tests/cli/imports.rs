//! Which source file imports which: read from the `use` declarations and paths of a crate.
//!
//! A name that a module re-exports leads to the file that defines it, so that a module may gather the
//! names of its submodules without a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path from the crate's root: empty for `lib.rs`.
type Module = Vec<String>;

/// For each file those that it imports; files are named by their path below `src`.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// One `use`d name.
struct Import {
    path: Vec<String>,
    /// The name it has here; `*` for all.
    name: String,
}

/// What one file says.
#[derive(Default)]
struct Source {
    file: String,
    imports: Vec<Import>,
    /// Which of `imports` are only passed on.
    passed_on: Vec<bool>,
    /// All other paths.
    paths: Vec<Vec<String>>,
    /// Names that are defined here.
    items: BTreeSet<String>,
}

/// The modules of one crate.
struct Crate(BTreeMap<Module, Source>);

/// Reads all files below a `src` directory, without unit tests.
pub fn graph(src: &Path) -> Graph {
    let mut files = Vec::new();
    collect(src, &mut files);
    assert!(files.len() > 1, "too few sources below {}", src.display());
    let files = files.into_iter().map(|path| {
        let file = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
        (file, code(&fs::read_to_string(&path).unwrap()))
    });
    graph_of(files)
}

/// As [`graph`], of files given as (path below `src`, code).
pub fn graph_of(files: impl IntoIterator<Item = (String, String)>) -> Graph {
    let mut modules = BTreeMap::new();
    for (file, code) in files {
        if file != "main.rs" {
            modules.insert(module(&file), read(file, &code));
        }
    }
    let krate = Crate(modules);
    let edges = |it: (&Module, &Source)| (it.1.file.clone(), krate.imported_by(it.0, it.1));
    krate.0.iter().map(edges).collect()
}

/// All Rust files below a directory but those of unit tests.
pub fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// Leaves out comments, and the unit tests that close a file: they may use what they like.
pub fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The groups of files that import each other, each sorted.
pub fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<_, _> = graph.keys().map(|it| (it, reachable(graph, it))).collect();
    let mut groups = BTreeSet::new();
    for file in graph.keys().filter(|it| reach[it].contains(*it)) {
        let both = |other: &&String| reach[file].contains(*other) && reach[other].contains(file);
        groups.insert(graph.keys().filter(both).cloned().collect::<Vec<_>>());
    }
    groups.into_iter().collect()
}

/// The shortest way from the first file of a group back to it.
pub fn shortest(graph: &Graph, group: &[String]) -> String {
    let ways = group.iter().filter_map(|start| way_back(graph, start));
    ways.min_by_key(Vec::len).unwrap_or_default().join(" → ")
}

fn way_back(graph: &Graph, start: &String) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in graph.get(way.last()?)? {
            let way: Vec<_> = way.iter().chain([next]).cloned().collect();
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push_back(way);
            }
        }
    }
    None
}

fn reachable(graph: &Graph, from: &String) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    while let Some(file) = left.pop() {
        for next in graph.get(file).into_iter().flatten() {
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    seen
}

fn module(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|it| *it != "lib").map(str::to_owned).collect()
}

/// Where a path leads.
enum Target {
    Module(Module),
    /// Something that this module's file defines.
    Item(Module),
}

impl Crate {
    fn imported_by(&self, module: &Module, source: &Source) -> BTreeSet<String> {
        let imports = source.imports.iter().zip(&source.passed_on);
        let used = imports.filter(|it| !it.1).map(|it| &it.0.path);
        let targets = used.chain(&source.paths).filter_map(|path| self.resolve(module, path, 0));
        let files = targets.filter_map(|it| match it {
            // The module's name alone: what is used of it counts, not where it is.
            Target::Module(_) => None,
            Target::Item(module) => Some(self.0[&module].file.clone()),
        });
        files.filter(|it| *it != source.file).collect()
    }

    /// Follows a path that stands in a module; `None` if it leads out of the crate.
    fn resolve(&self, here: &Module, path: &[String], depth: usize) -> Option<Target> {
        let first = path.first()?;
        match first.as_str() {
            "crate" => return self.walk(Module::new(), &path[1..], depth),
            "self" => return self.walk(here.clone(), &path[1..], depth),
            "super" => {
                let mut above = here.clone();
                let mut rest = path;
                while rest.first().is_some_and(|it| it == "super") {
                    above.pop()?;
                    rest = &rest[1..];
                }
                return self.walk(above, rest, depth);
            }
            _ => {}
        }
        let source = self.0.get(here)?;
        let child: Module = here.iter().chain([first]).cloned().collect();
        let known = self.0.contains_key(&child)
            || source.imports.iter().any(|it| it.name == *first && it.path.first() != Some(first));
        if known { self.walk(here.clone(), path, depth) } else { None }
    }

    fn walk(&self, start: Module, path: &[String], depth: usize) -> Option<Target> {
        let mut at = start;
        for (i, name) in path.iter().enumerate() {
            let rest = &path[i + 1..];
            let child: Module = at.iter().chain([name]).cloned().collect();
            let source = self.0.get(&at)?;
            if self.0.contains_key(&child) && (!rest.is_empty() || !source.items.contains(name)) {
                at = child;
                continue;
            }
            if name == "*" || depth > 8 || source.items.contains(name) {
                return Some(Target::Item(at));
            }
            if let Some(import) = source.imports.iter().find(|it| it.name == *name) {
                return match self.resolve(&at, &import.path, depth + 1)? {
                    Target::Module(module) => self.walk(module, rest, depth + 1),
                    item => Some(item),
                };
            }
            let all = source.imports.iter().filter(|it| it.name == "*");
            for import in all {
                let (_, above) = import.path.split_last()?;
                if let Some(Target::Module(module)) = self.resolve(&at, above, depth + 1)
                    && self.0[&module].items.contains(name)
                {
                    return Some(Target::Item(module));
                }
            }
            return Some(Target::Item(at));
        }
        Some(Target::Module(at))
    }
}

fn read(file: String, code: &str) -> Source {
    let tokens = tokens(code);
    let mut source = Source { file, ..Source::default() };
    let mut i = 0;
    while i < tokens.len() {
        let before = i.checked_sub(1).map_or("", |it| tokens[it].as_str());
        match tokens[i].as_str() {
            "use" => {
                let end =
                    tokens[i..].iter().position(|it| it == ";").map_or(tokens.len(), |n| i + n);
                let passed_on = matches!(before, "pub" | ")");
                let from = source.imports.len();
                tree(&tokens[i + 1..end], &[], &mut source.imports);
                let count = source.imports.len() - from;
                source.passed_on.extend(std::iter::repeat_n(passed_on, count));
                i = end;
            }
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" => {
                source.items.extend(tokens.get(i + 1).filter(|it| is_word(it)).cloned());
            }
            word if is_word(word) && before != "." && before != "in" && before != "mod" => {
                let mut path = vec![word.to_owned()];
                while tokens.get(i + 1).is_some_and(|it| it == "::")
                    && tokens.get(i + 2).is_some_and(|it| is_word(it))
                {
                    path.push(tokens[i + 2].clone());
                    i += 2;
                }
                source.paths.push(path);
            }
            _ => {}
        }
        i += 1;
    }
    source
}

/// Flattens what follows `use`.
fn tree(tokens: &[String], above: &[String], imports: &mut Vec<Import>) {
    let mut path = above.to_vec();
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].as_str() {
            "::" => {}
            "{" => {
                let inside = &tokens[i + 1..];
                for part in parts(inside) {
                    tree(part, &path, imports);
                }
                return;
            }
            "as" => {
                let name = tokens.get(i + 1).cloned().unwrap_or_default();
                imports.push(Import { path, name });
                return;
            }
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        i += 1;
    }
    if let Some(name) = path.last().cloned() {
        imports.push(Import { path, name });
    }
}

/// The members of a braced list, whose opening brace has been read.
fn parts(tokens: &[String]) -> Vec<&[String]> {
    let (mut found, mut depth, mut from) = (Vec::new(), 0, 0);
    for (i, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => {
                found.push(&tokens[from..i]);
                break;
            }
            "}" => depth -= 1,
            "," if depth == 0 => {
                found.push(&tokens[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    found.retain(|it| !it.is_empty());
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::`, and single characters; strings, comments and lifetimes are left out.
fn tokens(code: &str) -> Vec<String> {
    let chars: Vec<char> = code.chars().collect();
    let is = |at: usize, c: char| chars.get(at) == Some(&c);
    let in_word = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '/' if is(i + 1, '/') => {
                while i < chars.len() && !is(i, '\n') {
                    i += 1;
                }
            }
            'r' if is(i + 1, '"') || is(i + 1, '#') && (is(i + 2, '"') || is(i + 2, '#')) => {
                let hashes = chars[i + 1..].iter().take_while(|it| **it == '#').count();
                i += hashes + 2;
                while i < chars.len() && !(is(i, '"') && (1..=hashes).all(|n| is(i + n, '#'))) {
                    i += 1;
                }
                i += hashes + 1;
            }
            '"' => {
                i += 1;
                while i < chars.len() && !is(i, '"') {
                    i += 1 + usize::from(is(i, '\\'));
                }
                i += 1;
            }
            '\'' if is(i + 1, '\\') => {
                i += 3;
                while i < chars.len() && !is(i, '\'') {
                    i += 1;
                }
                i += 1;
            }
            '\'' if is(i + 2, '\'') => i += 3,
            // A lifetime.
            '\'' => {
                i += 1;
                while in_word(i) {
                    i += 1;
                }
            }
            ':' if is(i + 1, ':') => {
                found.push("::".to_owned());
                i += 2;
            }
            _ if in_word(i) => {
                let from = i;
                while in_word(i) {
                    i += 1;
                }
                found.push(chars[from..i].iter().collect());
            }
            c => {
                if !c.is_whitespace() {
                    found.push(c.to_string());
                }
                i += 1;
            }
        }
    }
    found
}
