//! An error with its causes, mostly as text. Every chain of causes is walked here.

use std::error::Error;
use std::io;

type Dyn<'a> = &'a (dyn Error + 'static);

/// The error itself, then its cause, down to the root.
pub fn causes<'a>(error: impl Into<Option<Dyn<'a>>>) -> impl Iterator<Item = Dyn<'a>> {
    std::iter::successors(error.into(), |&it| it.source())
}

/// The number of the system's error among these if no file descriptor is free, in this process or on
/// this machine.
pub fn lack_of_descriptors(error: Dyn<'_>) -> Option<i32> {
    let errno = |it: Dyn<'_>| it.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    causes(error).filter_map(errno).find(|it| matches!(*it, libc::EMFILE | libc::ENFILE))
}

/// The error and all its causes on one line.
pub fn chain(error: Dyn<'_>) -> String {
    append_chain(String::new(), error)
}

/// `line` with all causes behind it.
pub fn append_chain<'a>(line: String, cause: impl Into<Option<Dyn<'a>>>) -> String {
    causes(cause).fold(line, |line, it| append(line, &it.to_string()))
}

/// `line` with the cause and the root cause behind it, for people. The causes between them explain the
/// program, not the failure.
pub fn append_ends<'a>(line: String, cause: impl Into<Option<Dyn<'a>>>) -> String {
    let cause = cause.into();
    let ends = [cause, causes(cause).last()].into_iter().flatten();
    // The error text of a program that we call ends with a newline.
    ends.fold(line, |line, it| append(line, without_number(&it.to_string()).trim_end()))
}

/// The error and its root cause, for people.
pub fn ends(error: Dyn<'_>) -> String {
    append_ends(String::new(), error)
}

/// The text of a system error without its number.
pub fn without_number(text: &str) -> &str {
    match text.rsplit_once(" (os error ") {
        Some((words, rest)) if rest.ends_with(')') => words,
        _ => text,
    }
}

/// A transparent wrapper repeats its cause, and some errors end with the text of theirs.
fn append(line: String, text: &str) -> String {
    if line.is_empty() {
        text.to_owned()
    } else if line.ends_with(text) {
        line
    } else {
        format!("{line}: {text}")
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Deep {
        #[error("cannot sync")]
        Top(#[source] Box<Deep>),
        #[error(transparent)]
        Same(Box<Deep>),
        #[error("error sending request")]
        Middle(#[source] io::Error),
    }

    fn deep() -> Deep {
        let root = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        Deep::Top(Box::new(Deep::Same(Box::new(Deep::Middle(root)))))
    }

    #[test]
    fn a_chain_has_each_text_once() {
        let expected = "cannot sync: error sending request: Connection refused (os error 111)";
        assert_eq!(chain(&deep()), expected);
        assert_eq!(append_chain("cannot sync".to_owned(), &deep() as Dyn<'_>), expected);
        assert_eq!(append_chain("alone".to_owned(), None), "alone");
    }

    #[test]
    fn the_ends_leave_out_the_middle_and_the_number() {
        let ends = append_ends("here".to_owned(), &deep() as Dyn<'_>);
        assert_eq!(ends, "here: cannot sync: Connection refused");
        assert_eq!(super::ends(&deep()), "cannot sync: Connection refused");
    }
}
