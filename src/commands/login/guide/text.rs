//! A page of documentation on a terminal: without marks of Markdown, and no wider than the terminal.

/// Longer lines are hard to read.
const WIDTH_MAX: usize = 90;

/// A text for this terminal.
pub(super) fn shown(markdown: &str) -> String {
    let (_, columns) = console::Term::stderr().size();
    of_width(markdown, usize::from(columns).clamp(40, WIDTH_MAX))
}

fn of_width(markdown: &str, width: usize) -> String {
    let mut shown = String::new();
    let mut paragraph = String::new();
    let mut indent = 0;
    for line in markdown.trim().lines() {
        let depth = line.len() - line.trim_start().len();
        let (line, item) = (line.trim(), mark(line.trim()));
        let is_code = depth >= 4 && paragraph.is_empty();
        let is_row = line.starts_with('|');
        if line.is_empty() || is_code || is_row || item > 0 {
            wrap(&mut shown, &paragraph, indent, width);
            paragraph.clear();
        }
        if is_code {
            shown.push_str(&format!("{}{line}\n", " ".repeat(depth)));
        } else if is_row {
            shown.push_str(&row(line));
        } else if line.is_empty() {
            shown.push('\n');
        } else {
            if paragraph.is_empty() {
                indent = item;
            } else {
                paragraph.push(' ');
            }
            paragraph.push_str(line);
        }
    }
    wrap(&mut shown, &paragraph, indent, width);
    shown
}

/// The length of the mark of an item, as `1. ` and `- `.
fn mark(line: &str) -> usize {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.get(digits..) {
        Some(rest) if digits > 0 && rest.starts_with(". ") => digits + 2,
        _ if line.starts_with("- ") => 2,
        _ => 0,
    }
}

/// A row of a table. That of the dashes says nothing.
fn row(line: &str) -> String {
    if line.contains("---") {
        return String::new();
    }
    let cells: Vec<_> = line.trim_matches('|').split('|').map(|it| plain(it.trim())).collect();
    format!("  {}\n", cells.join("  |  "))
}

/// Adds a paragraph. All its lines but the first stand behind the mark of the item.
fn wrap(shown: &mut String, paragraph: &str, indent: usize, width: usize) {
    if paragraph.is_empty() {
        return;
    }
    let mut column = 0;
    for word in plain(paragraph).split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            shown.push('\n');
            shown.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > 0 {
            shown.push(' ');
            column += 1;
        }
        shown.push_str(word);
        column += length;
    }
    shown.push('\n');
}

/// A text without marks: bold words are quoted. Of a link, the words stay, and where to look.
fn plain(text: &str) -> String {
    let text = text.replace("**", "\"").replace('*', "").replace(['<', '>'], "");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once('[')
        && let Some((words, behind)) = link.split_once("](")
        && let Some((target, after)) = behind.split_once(')')
    {
        plain.push_str(before);
        plain.push_str(words);
        if target.starts_with('#') {
            plain.push_str(" in docs/GOOGLE.md");
        }
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_lines_fit() {
        let markdown = "Open **Audience** (<https://a.example/x>) and\nchoose *one* ([below](#b)):\n\n\
            - **Publish app**, and confirm. Not\n  grey.\n- Leave it.\n\n    code  stays\n\n\
            | a | b |\n|---|---|\n| 1 | `2` |\n";
        let expected = "Open \"Audience\" (https://a.example/x) and\nchoose one (below in docs/GOOGLE.md):\n\n\
            - \"Publish app\", and confirm. Not grey.\n- Leave it.\n\n    code  stays\n\n\
            \x20 a  |  b\n  1  |  `2`\n";
        assert_eq!(of_width(markdown, 44), expected);
        assert_eq!(of_width("- one two three", 9), "- one two\n  three\n");
    }

    #[test]
    fn all_steps_can_be_shown() {
        for step in super::super::steps::before_login(super::super::steps::Way::Production) {
            let shown = of_width(&step.text, 80);
            assert!(!shown.contains("**") && !shown.contains("]("), "{shown}");
            for line in shown.lines().filter(|it| !it.starts_with("    ") && !it.contains("  |  "))
            {
                let is_address = line.split_whitespace().count() <= 2;
                assert!(line.chars().count() <= 80 || is_address, "{line}");
            }
        }
    }
}
