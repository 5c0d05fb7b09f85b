//! `docs/architecture.md` says which folder knows which; here the sources are held against it.
//!
//! Read as tokens, so that comments and texts do not count; what is compiled for tests only does not
//! either. A folder may be `src/x/` or the file `src/x.rs`, and `core/src/` has its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each folder of one crate uses of others, by name.
type Knows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn folders_know_what_the_architecture_says_and_nothing_else() {
    let document = include_str!("../../docs/architecture.md");
    let mut wrong = Vec::new();
    for (folder, found) in [("src", root()), ("core/src", core())] {
        let mut written = table(document, folder);
        for (name, uses) in &found {
            let Some(listed) = written.remove(name) else {
                wrong.push(format!("{folder}/{name} has no line"));
                continue;
            };
            // "everything": whoever wires it all up.
            let Some(listed) = listed else { continue };
            let line = |names: Vec<&String>| {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            };
            let unlisted = line(uses.difference(&listed).collect());
            let unused = line(listed.difference(uses).collect());
            if !unlisted.is_empty() {
                wrong.push(format!("{folder}/{name} uses {unlisted}: not listed"));
            }
            if !unused.is_empty() {
                wrong.push(format!("{folder}/{name} does not use {unused}: listed"));
            }
        }
        let gone = written.keys();
        wrong.extend(gone.map(|name| format!("{folder}/{name} has a line, but is not there")));
        wrong.extend(cycle(&found).map(|cycle| format!("{folder}: a cycle of {cycle}")));
    }
    assert!(
        wrong.is_empty(),
        "docs/architecture.md, \"Where things are\":\n{}",
        wrong.join("\n")
    );
}

#[test]
fn uses_are_found_however_they_are_written_and_tests_do_not_count() {
    let source = r##"
        //! Not [`crate::comment`].
        use crate::plain::Thing;
        pub use crate::{nested::{A, B}, alone};
        use doorward_core::inner as other;
        #[cfg(test)]
        use crate::test_only;
        #[cfg(test)]
        mod aside;
        fn f() -> crate::named::Type {
            println!("crate::text {}", crate::argument::of());
            super::sibling::f()
        }
        #[cfg(test)]
        mod tests { use crate::tested::X; }
        #[cfg(unix)]
        use crate::on_unix;
    "##;
    let mut found = Found::default();
    found.read(source.parse().unwrap(), 1);
    let expected = [
        "crate alone",
        "crate argument",
        "crate named",
        "crate nested",
        "crate on_unix",
        "crate plain",
        "crate sibling",
        "doorward_core inner",
    ];
    let uses: Vec<String> = found.uses.iter().map(|(a, b)| format!("{a} {b}")).collect();
    assert_eq!(uses, expected);
    assert_eq!(found.test_modules, BTreeSet::from(["aside".to_owned()]));
}

#[test]
fn cycles_are_found() {
    let knows = |pairs: &[(&str, &str)]| {
        let mut knows = Knows::new();
        for (one, other) in pairs {
            knows
                .entry((*one).into())
                .or_default()
                .insert((*other).into());
        }
        knows
    };
    assert_eq!(cycle(&knows(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = cycle(&knows(&[("a", "b"), ("b", "c"), ("c", "b"), ("x", "a")]));
    assert_eq!(found.as_deref(), Some("b, c"));
}

/// The sources of `doorward`: what stands in both crates is `core::x` where the inner one is meant.
fn root() -> Knows {
    let inner = core();
    let units = units("src");
    let own: BTreeSet<String> = units.keys().cloned().collect();
    let name = |unit: &str, place: &str, module: &str| match place {
        "doorward_core" if own.contains(module) => Some(format!("core::{module}")),
        "doorward_core" => Some(module.to_owned()),
        _ if module == unit => None,
        _ => Some(module.to_owned()),
    };
    let knows = units.into_iter().map(|(unit, uses)| {
        let uses = uses.iter();
        let uses = uses.filter_map(|(place, module)| name(&unit, place, module));
        // Functions and types of the crates' roots are no folders.
        let is_folder = |name: &String| {
            own.contains(name) || inner.contains_key(name) || name.starts_with("core::")
        };
        (unit.clone(), uses.filter(is_folder).collect())
    });
    knows.collect()
}

fn core() -> Knows {
    let units = units("core/src");
    let own: BTreeSet<String> = units.keys().cloned().collect();
    let knows = units.into_iter().map(|(unit, uses)| {
        let uses = uses.into_iter().map(|(_, module)| module);
        let uses = uses.filter(|module| *module != unit && own.contains(module));
        (unit.clone(), uses.collect())
    });
    knows.collect()
}

/// Each folder or file right below `folder`, with what it uses: a crate, and a module of it.
fn units(folder: &str) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut units: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let unit = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.join("mod.rs").exists() {
            module(
                &path.join("mod.rs"),
                &path,
                1,
                units.entry(unit).or_default(),
            );
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !matches!(&*unit, "lib" | "main")
        {
            let below = path.with_extension("");
            module(&path, &below, 1, units.entry(unit).or_default());
        }
    }
    units
}

/// Reads a module's file and those of its own modules in `below`; `depth` modules below the root.
fn module(file: &Path, below: &Path, depth: usize, uses: &mut BTreeSet<(String, String)>) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut found = Found::default();
    found.read(text.parse().unwrap(), depth);
    uses.append(&mut found.uses);
    let Ok(entries) = std::fs::read_dir(below) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if found.test_modules.contains(name) || name == "mod" {
            continue;
        }
        let has_file = below.join(name).with_extension("rs").exists();
        let (file, below): (PathBuf, PathBuf) = if !path.is_dir() {
            (path.clone(), path.with_extension(""))
        } else if has_file {
            // Read with its file.
            continue;
        } else {
            (path.join("mod.rs"), path)
        };
        if file.extension().is_some_and(|ending| ending == "rs") && file.exists() {
            module(&file, &below, depth + 1, uses);
        }
    }
}

/// What a file uses, and which of its modules are for tests only.
#[derive(Default)]
struct Found {
    uses: BTreeSet<(String, String)>,
    test_modules: BTreeSet<String>,
}

impl Found {
    fn read(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_for_tests(&tokens[at..]) {
                at = self.skip(&tokens, at + 2);
                continue;
            }
            if let TokenTree::Group(group) = &tokens[at] {
                self.read(group.stream(), depth);
            }
            at = self.path(&tokens, at, depth);
        }
    }

    /// Past the item that is for tests only, from behind its attribute.
    fn skip(&mut self, tokens: &[TokenTree], from: usize) -> usize {
        let end = tokens[from..].iter().position(|token| match token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            _ => false,
        });
        let item = &tokens[from..];
        let item = end.map_or(item, |end| &item[..=end]);
        if let [
            ..,
            TokenTree::Ident(word),
            TokenTree::Ident(name),
            TokenTree::Punct(_),
        ] = item
            && *word == "mod"
        {
            self.test_modules.insert(name.to_string());
        }
        // `use crate::{…};` ends with its semicolon: an empty statement harms nobody.
        end.map_or(tokens.len(), |end| from + end + 1)
    }

    /// Notes a path that begins here; returns where to go on.
    fn path(&mut self, tokens: &[TokenTree], at: usize, depth: usize) -> usize {
        let word = |at: usize| match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        };
        let colons = |at: usize| {
            let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
            is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))
        };
        let (place, mut next) = match word(at).as_deref() {
            Some("crate" | "doorward") if colons(at + 1) => ("crate", at + 3),
            Some("doorward_core") if colons(at + 1) => ("doorward_core", at + 3),
            Some("super") if colons(at + 1) => {
                let mut next = at;
                while word(next).as_deref() == Some("super") && colons(next + 1) {
                    next += 3;
                }
                if (next - at) / 3 < depth {
                    return next;
                }
                ("crate", next)
            }
            _ => return at + 1,
        };
        if let Some(module) = word(next) {
            self.uses.insert((place.to_owned(), module));
            next += 1;
        } else if let Some(TokenTree::Group(group)) = tokens.get(next) {
            let mut first = true;
            for token in group.stream() {
                match token {
                    TokenTree::Ident(module) if first => {
                        self.uses.insert((place.to_owned(), module.to_string()));
                        first = false;
                    }
                    TokenTree::Punct(punct) if punct.as_char() == ',' => first = true,
                    _ => {}
                }
            }
            next += 1;
        }
        next
    }
}

/// Whether `#[cfg(test)]` stands here.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] if hash.as_char() == '#' => {
            let mut words = attribute.stream().into_iter();
            let is = |token: Option<TokenTree>, text| token.is_some_and(|t| t.to_string() == text);
            matches!(words.next(), Some(TokenTree::Ident(word)) if word == "cfg")
                && is(words.next(), "(test)")
        }
        _ => false,
    }
}

/// The table's lines about folders right below `folder`: what each one knows, `None` for everything.
fn table(document: &str, folder: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut lines = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, first, _, knows, _] = cells[..] else {
            continue;
        };
        let Some(name) = first
            .strip_prefix('`')
            .and_then(|cell| cell.strip_suffix('`'))
        else {
            continue;
        };
        let Some(name) = name.strip_prefix(folder).and_then(|n| n.strip_prefix('/')) else {
            continue;
        };
        let name = name
            .trim_end_matches('/')
            .trim_end_matches(".rs")
            .to_owned();
        let knows = match knows {
            "everything" => None,
            "nothing" => Some(BTreeSet::new()),
            names => Some(names.split(", ").map(unquoted).collect()),
        };
        assert!(lines.insert(name, knows).is_none(), "twice: {line}");
    }
    assert!(!lines.is_empty(), "no table of {folder}");
    lines
}

fn unquoted(name: &str) -> String {
    let inner = name
        .strip_prefix('`')
        .and_then(|name| name.strip_suffix('`'));
    inner
        .unwrap_or_else(|| panic!("{name:?} is no name in backticks"))
        .to_owned()
}

/// Names that can be reached from themselves.
fn cycle(knows: &Knows) -> Option<String> {
    let reaches = |from: &String| {
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        let mut open: Vec<&String> = knows.get(from).into_iter().flatten().collect();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                open.extend(knows.get(name).into_iter().flatten());
            }
        }
        seen.contains(from)
    };
    let names: Vec<&str> = knows
        .keys()
        .filter(|name| reaches(name))
        .map(String::as_str)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}
