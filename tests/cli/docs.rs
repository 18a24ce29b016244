//! docs/CONFIGURATION.md and the examples in the documents agree with the code.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use gphotosfs::cli::Cli;
use gphotosfs::upload::{HIDDEN, TEMPORARY_NAMES};

/// A setting, and the commands that have it: none for one that all have.
struct Setting {
    arg: Arg,
    commands: Vec<String>,
}

fn settings() -> BTreeMap<String, Setting> {
    fn collect(command: &Command, top: bool, found: &mut BTreeMap<String, Setting>) {
        for arg in
            command.get_arguments().filter(|arg| arg.get_env().is_some() && !arg.is_hide_set())
        {
            let setting = found
                .entry(arg.get_id().to_string())
                .or_insert_with(|| Setting { arg: arg.clone(), commands: Vec::new() });
            if !top {
                setting.commands.push(format!("`{}`", command.get_name()));
            }
        }
        command.get_subcommands().for_each(|sub| collect(sub, false, found));
    }
    let mut found = BTreeMap::new();
    collect(&Cli::command(), true, &mut found);
    found
}

fn configuration() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Set a value by a flag, by an environment variable, or by a key in `config.toml` in the profile's\n\
         configuration directory, `~/.config/gphotosfs/PROFILE/`. A flag beats the environment, and the\n\
         environment beats the file. A `-o` option of `mount` beats all three. In the file, a value is a\n\
         string, a number, `true` or `false`, or a list of strings if a setting has several values:\n\n    \
         cache_size = \"20G\"\n    uploads = 8\n    allow_other = true\n\n\
         This page is made from the program's own definitions, by `UPDATE_DOCS=1 cargo test --test cli docs`.\n",
    );
    for (key, Setting { arg, commands }) in settings() {
        let flag = arg.get_long().unwrap();
        let value = arg.get_action().takes_values().then(|| {
            arg.get_value_names().map(|names| names[0].as_str().to_owned()).unwrap_or_default()
        });
        writeln!(text, "\n## `{key}`\n").unwrap();
        writeln!(text, "{}.\n", arg.get_help().unwrap()).unwrap();
        let whose = match commands.is_empty() {
            true => "all commands".to_owned(),
            false => commands.join(", "),
        };
        let value =
            value.filter(|it| !it.is_empty()).map_or_else(String::new, |it| format!(" {it}"));
        writeln!(text, "- flag of {whose}: `--{flag}{value}`").unwrap();
        writeln!(text, "- environment: `{}`", arg.get_env().unwrap().to_str().unwrap()).unwrap();
        for possible in
            arg.get_possible_values().iter().filter(|_| !arg.is_hide_possible_values_set())
        {
            let help = possible.get_help().map(|it| format!(": {it}")).unwrap_or_default();
            writeln!(text, "- `{}`{help}", possible.get_name()).unwrap();
        }
        if let [default] = arg.get_default_values() {
            writeln!(text, "- default: `{}`", default.to_str().unwrap()).unwrap();
        }
        if key == "profile" {
            writeln!(text, "- not a key of the file, which it chooses").unwrap();
        }
    }
    text
}

#[test]
fn the_configuration_reference_is_what_the_program_knows() {
    check("docs/CONFIGURATION.md", configuration());
}

fn temporary_names() -> String {
    let mut text = String::from(
        "# Temporary names\n\n\
         Programs give such names to files that are not complete, or that stand beside a file while it is open. These\n\
         files stay on this machine until they get another name, whatever their content. `*` stands for any text and\n\
         `?` for one character; upper and lower case are the same.\n\n\
         `temporary_names` in `config.toml` adds to the list, see [CONFIGURATION.md](CONFIGURATION.md#temporary_names):\n\n    \
         temporary_names = [\"*.wip\", \"export-*.raw.*\"]\n\n\
         A directory of a name marked with *yes*, or of a name that you have added, is no album: it stays here, too. So\n\
         does a hidden one.\n\n\
         This page is made from the program's own table, by `UPDATE_DOCS=1 cargo test --test cli docs`.\n\n\
         | name | programs | directories |\n|---|---|---|\n",
    );
    for it in [&HIDDEN].into_iter().chain(TEMPORARY_NAMES) {
        let dirs = if it.is_dir { "yes" } else { "" };
        writeln!(text, "| `{}` | {} | {dirs} |", it.pattern, it.programs).unwrap();
    }
    text
}

#[test]
fn the_list_of_temporary_names_is_what_the_program_knows() {
    check("docs/TEMPORARY_NAMES.md", temporary_names());
}

/// A page that is made from definitions of the program is up to date.
#[expect(clippy::disallowed_methods, reason = "no setting of the program")]
fn check(page: &str, made: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, made, "run UPDATE_DOCS=1 cargo test --test cli docs");
}

/// Documents say what the program says, word for word: `` `a message` `` in a heading of TROUBLESHOOTING.md is in the
/// sources.
#[test]
fn messages_that_are_explained_are_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for entry in walkdir::WalkDir::new(root.join("src")) {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|it| it == "rs") {
            sources += &fs::read_to_string(entry.path()).unwrap();
        }
    }
    // Long literals are broken with a backslash.
    let sources = sources.split('\\').map(str::trim_start).collect::<Vec<_>>().join("");
    let text = fs::read_to_string(root.join("docs/TROUBLESHOOTING.md")).unwrap();
    let mut explained = 0;
    for heading in text.lines().filter_map(|line| line.strip_prefix("## ")) {
        // A single word is a name of something.
        for message in heading.split('`').skip(1).step_by(2).filter(|it| it.contains(' ')) {
            // `…` stands for what differs from case to case.
            for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
                assert!(sources.contains(part), "nothing says {part:?}");
            }
            explained += 1;
        }
    }
    assert!(explained >= 10, "{explained} messages explained");
}

/// The pages about commands follow one pattern, and name only options that their commands have.
#[test]
fn the_pages_of_commands_follow_one_pattern() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands");
    let program = Cli::command();
    let mut pages = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, ["Example", "Output", "Exit status", "JSON"], "{path:?}");
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        let commands: Vec<_> = title
            .split(", ")
            .map(|name| {
                let name = name.strip_prefix("gphotosfs ").unwrap();
                program.find_subcommand(name).unwrap_or_else(|| panic!("{path:?}: {name}"))
            })
            .collect();
        for row in text.lines().filter(|line| line.starts_with("| `")) {
            let flags = row.split('|').nth(1).unwrap().split([' ', '`']);
            for flag in flags.filter_map(|word| word.strip_prefix("--")) {
                let known = commands
                    .iter()
                    .any(|command| command.get_arguments().any(|arg| arg.get_long() == Some(flag)));
                assert!(known, "{path:?}: --{flag}");
            }
        }
        pages += 1;
    }
    assert!(pages >= 7, "{pages} pages");
}

/// Links between the documents lead somewhere.
#[test]
fn links_lead_to_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = walkdir::WalkDir::new(root.join("docs")).into_iter().map(Result::unwrap);
    let documents = documents.map(walkdir::DirEntry::into_path).chain([root.join("README.md")]);
    for document in documents.filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let target = document.parent().unwrap().join(file);
            assert!(link.contains("://") || target.exists(), "{document:?}: {link}");
        }
    }
}

/// The client file that docs/GOOGLE.md tells a user to write is one.
#[test]
fn the_client_file_to_write_by_hand_is_one() {
    let text = fs::read_to_string("docs/GOOGLE.md").unwrap();
    let start = text.find("{\"installed\"").unwrap();
    let end = start + text[start..].find("\n\n").unwrap();
    let client = gphotosfs::api::ClientSecret::parse(&text[start..end]).unwrap();
    assert_eq!(client.token_uri.as_str(), "https://oauth2.googleapis.com/token");
}
