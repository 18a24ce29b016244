//! The steps of docs/GOOGLE.md, which is their only home.

use url::Url;

const GOOGLE: &str = include_str!("../../../../docs/GOOGLE.md");

/// How long a login shall last decides about the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Testing,
    Production,
}

/// A page of the console.
#[derive(Debug)]
pub(super) struct Step {
    pub title: String,
    pub text: String,
    /// The first address in the text, which is the page's.
    pub page: Option<Url>,
}

/// What to decide first.
pub(super) fn introduction() -> &'static str {
    let end = GOOGLE.find("\n<!-- ").unwrap_or(0);
    GOOGLE.get(..end).and_then(|it| it.split_once("\n\n")).map_or("", |(_, text)| text)
}

/// The pages up to the client file.
pub(super) fn before_login(way: Way) -> Vec<Step> {
    let is_needed = |step: &Step| way == Way::Production || !step.title.ends_with(BRANDING);
    sections().take_while(|it| !it.0.ends_with(LOGIN)).map(step).filter(is_needed).collect()
}

/// The pages of the login. The first paragraph is the command that runs already.
pub(super) fn of_login() -> &'static str {
    let section = sections().find(|it| it.0.ends_with(LOGIN));
    section.and_then(|(_, text)| text.split_once("\n\n")).map_or("", |(_, text)| text)
}

const BRANDING: &str = "Branding";
const LOGIN: &str = "Login";

/// The numbered sections, with their titles.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = GOOGLE.split("\n## ").skip(1).filter_map(|it| it.split_once("\n\n"));
    sections
        .take_while(|(title, _)| title.starts_with(|it: char| it.is_ascii_digit()))
        .map(|(title, text)| (title, text.split("\n### ").next().unwrap_or(text)))
}

fn step((title, text): (&'static str, &'static str)) -> Step {
    let address = text.split("<https://").nth(1).and_then(|it| it.split('>').next());
    let page = address.and_then(|it| Url::parse(&format!("https://{it}")).ok());
    Step { title: title.to_owned(), text: text.to_owned(), page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_there_in_the_order_of_the_console() {
        let titles = |way| -> Vec<_> {
            before_login(way).into_iter().map(|it| it.title).collect::<Vec<_>>()
        };
        let all = [
            "1. A project",
            "2. The API",
            "3. Get started",
            "4. Branding",
            "5. Audience",
            "6. Data access",
            "7. Clients",
        ];
        assert_eq!(titles(Way::Production), all);
        let shorter: Vec<_> = all.into_iter().filter(|it| !it.contains("Branding")).collect();
        assert_eq!(titles(Way::Testing), shorter);
        for step in before_login(Way::Production) {
            let page = step.page.map(|it| it.to_string()).unwrap_or_default();
            assert!(
                page.starts_with("https://console.cloud.google.com/"),
                "{}: {page}",
                step.title
            );
        }
        assert!(introduction().contains("In production") && introduction().contains("seven days"));
        assert!(of_login().starts_with("A browser opens.") && of_login().contains("three boxes"));
        assert!(!of_login().contains("without a browser"));
    }
}
