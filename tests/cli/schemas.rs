//! JSON agrees with the schemas in docs/schemas, here without a mount; tests/mount/info.rs has the rest.

use std::path::Path;

use clap::{Command, CommandFactory};
use gphotosfs::cli::Cli;
use gphotosfs::store::SCHEMA_VERSION;

use crate::backup::thawed;
use crate::support::schema;

#[test]
fn commands_without_a_mount_print_what_their_schemas_say() {
    let user = thawed(SCHEMA_VERSION);
    for (name, args) in [
        ("doctor", "doctor"),
        ("status", "status"),
        ("failed", "failed"),
        ("debug-queue", "debug queue"),
        ("pick", "pick --list"),
    ] {
        let said = user.run(&args.split(' ').chain(["--json"]).collect::<Vec<_>>());
        let found = schema::check(name, &said.stdout());
        assert_eq!(found["version"], 1, "{name}");
    }
    let queue = user.run(&["debug", "queue", "--json"]).stdout();
    let queue = schema::check("debug-queue", &queue);
    let picks = schema::check("pick", &user.run(&["pick", "--list", "--json"]).stdout());
    let status = schema::check("status", &user.run(&["status", "--json"]).stdout());
    assert_eq!((picks["picks"].as_array().unwrap().len(), &picks["picks"]), (2, &status["picks"]));
    // A file in each state, and those that have arrived.
    let paths = queue["files"].as_array().unwrap().iter().filter_map(|it| it["path"].as_str());
    let paths: Vec<_> =
        paths.chain(["Trip/again.jpg", "Trip/arrived.jpg", "Other/merged.jpg"]).collect();
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        let said = user.run(&["debug", "file", "--json", path]);
        said.exits(0);
        schema::check("debug-file", &said.stdout());
    }
}

/// Each command with `--json` has a schema, and each schema has a command.
#[test]
fn every_command_with_json_has_a_schema() {
    fn collect(command: &Command, above: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let name = format!("{above}{}", sub.get_name());
            let has_json =
                |command: &Command| command.get_arguments().any(|it| it.get_long() == Some("json"));
            match sub.has_subcommands() {
                true if has_json(sub) => {
                    found.extend(
                        sub.get_subcommands().map(|it| format!("{name}-{}", it.get_name())),
                    );
                }
                true => collect(sub, &format!("{name}-"), found),
                false if has_json(sub) => found.push(name),
                false => {}
            }
        }
    }
    let mut commands = Vec::new();
    collect(&Cli::command(), "", &mut commands);
    commands.sort();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let mut found: Vec<String> = std::fs::read_dir(schemas)
        .unwrap()
        .map(|it| it.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, commands);
}
