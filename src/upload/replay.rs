//! (to come)
pub(super) fn replay(_shared: &super::Shared) -> Result<(), super::Error> {
    Ok(())
}
