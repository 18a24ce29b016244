//! Edits that take an item away from all applications of its user: the bin, and deletion.

use super::edit::EditError;
use super::editor::Editor;
use crate::account::Account;
use crate::state::{Change, Content, Item, ItemSeq};

impl Editor<'_> {
    /// Moves an item to the bin, or restores it.
    pub(super) fn set_binned(&mut self, item: &str, binned: bool) -> Result<String, EditError> {
        let item = self.find_item(item, |item| item.binned != binned)?.clone();
        let id = item.id.clone();
        for (account, item) in self.everywhere(item) {
            let item = Box::new(Item { binned, ..item });
            self.world.record(Change::Item { account, item })?;
        }
        Ok(id)
    }

    /// Deletes all items in the user's bin for good.
    pub(super) fn empty_bin(&mut self) -> Result<String, EditError> {
        for account in self.world.accounts_of(&self.account.user) {
            let library = self.world.library(&account);
            let binned: Vec<ItemSeq> = library.binned().map(|item| item.seq).collect();
            for item in binned {
                self.world.record(Change::ItemGone { account: account.clone(), item })?;
            }
        }
        Ok(String::new())
    }

    /// Deletes an item for good.
    pub(super) fn delete_item(&mut self, item: &str) -> Result<String, EditError> {
        let item = self.find_item(item, |item| !item.binned)?.clone();
        let id = item.id.clone();
        for (account, item) in self.everywhere(item) {
            self.world.record(Change::ItemGone { account, item: item.seq })?;
        }
        Ok(id)
    }

    /// An item of this account, and the items that other applications of the user have of the same
    /// bytes: to the user they are one photo.
    fn everywhere(&mut self, item: Item) -> Vec<(Account, Item)> {
        let mut found = Vec::new();
        if let Content::Stored(sha256) = &item.content {
            for account in self.world.accounts_of(&self.account.user) {
                let theirs = self.world.library(&account).item_by_sha256(sha256);
                if let Some(theirs) = theirs.filter(|_| account != self.account) {
                    found.push((account, theirs.clone()));
                }
            }
        }
        found.push((self.account.clone(), item));
        found
    }
}
