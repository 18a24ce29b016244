//! Each sentence in the lists of docs/SEMANTICS.md names a test, and that test quotes the sentence.

use std::collections::BTreeMap;
use std::fs;

/// Sentences by test, as the document has them.
fn document() -> BTreeMap<String, String> {
    let text = fs::read_to_string("docs/SEMANTICS.md").unwrap();
    let mut sentences = BTreeMap::new();
    for block in text.split("\n\n").flat_map(|block| block.split("\n- ")) {
        let Some(block) = block.strip_suffix('`').or_else(|| block.trim_end().strip_suffix('`'))
        else {
            continue;
        };
        let (sentence, test) = block.rsplit_once('`').unwrap();
        let before = sentences.insert(test.to_owned(), words(sentence.trim_start_matches("- ")));
        assert_eq!(before, None, "{test} is named twice");
    }
    sentences
}

/// Sentences by test, as the tests quote them.
fn quoted() -> BTreeMap<String, String> {
    let mut sentences = BTreeMap::new();
    for file in walkdir::WalkDir::new("tests").into_iter().map(Result::unwrap) {
        if file.path().extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let mut quote = String::new();
        for line in fs::read_to_string(file.path()).unwrap().lines() {
            if let Some(part) = line.strip_prefix("/// > ") {
                quote = words(&format!("{quote} {part}"));
            } else if let Some(rest) =
                line.trim_start_matches("async ").strip_prefix("fn ").filter(|_| !quote.is_empty())
            {
                let test = rest.split('(').next().unwrap();
                sentences.insert(test.to_owned(), std::mem::take(&mut quote));
            }
        }
    }
    sentences
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_sentence_has_its_test_and_every_test_its_sentence() {
    let (document, quoted) = (document(), quoted());
    assert!(document.len() > 10, "the document was not understood: {document:#?}");
    let differences: Vec<_> = document
        .keys()
        .chain(quoted.keys())
        .filter(|test| document.get(*test) != quoted.get(*test))
        .map(|test| (test, document.get(test), quoted.get(test)))
        .collect();
    assert!(differences.is_empty(), "test, document, quoted: {differences:#?}");
    let text = fs::read_to_string("docs/SEMANTICS.md").unwrap();
    let listed = text.lines().filter(|line| line.starts_with("- ")).count();
    assert_eq!(listed, document.len(), "a sentence names no test");
}
