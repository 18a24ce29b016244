//! Messages about answers that `login` does not take.

use crate::app::tell;

/// Prints why answers are not taken. Anybody may send them, so it stops after a few.
#[derive(Default)]
pub(super) struct Complaints(u32);

impl Complaints {
    /// How many it prints.
    const MAX: u32 = 5;

    pub(super) fn add(&mut self, text: String) {
        self.0 = self.0.saturating_add(1);
        if self.0 <= Self::MAX {
            tell(text);
        }
        if self.0 == Self::MAX {
            tell("More of these are not reported.");
        }
    }
}

/// The message that a connection was not of this user.
pub(super) fn other_user(user: Option<u32>) -> String {
    let whose = user.map_or_else(
        || "a process that has ended, or of another user".to_owned(),
        |user| format!("another user of this machine (number {user})"),
    );
    format!(
        "A connection of {whose} was refused: only your own browser may bring the answer. If it was \
         yours, copy the address of its last page and paste it here."
    )
}
