//! How row numbers, names and words become SQL values.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::media::{
    AlbumId, ContentHash, DirId, EntryName, FileId, MediaId, PickId, PickerSessionId, UploadToken,
    VideoStatus, View,
};

/// The value that a stored word stands for.
pub(super) fn word<T: Copy, const N: usize>(
    value: ValueRef<'_>,
    all: [T; N],
    as_str: fn(T) -> &'static str,
) -> FromSqlResult<T> {
    let word = value.as_str()?;
    all.into_iter().find(|it| as_str(*it) == word).ok_or(FromSqlError::InvalidType)
}

fn video_word(status: VideoStatus) -> &'static str {
    match status {
        VideoStatus::Unspecified => "unspecified",
        VideoStatus::Processing => "processing",
        VideoStatus::Ready => "ready",
        VideoStatus::Failed => "failed",
    }
}

impl ToSql for VideoStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(video_word(*self).into())
    }
}
impl FromSql for VideoStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        use VideoStatus::{Failed, Processing, Ready, Unspecified};
        word(value, [Unspecified, Processing, Ready, Failed], video_word)
    }
}

macro_rules! row_number {
    ($($name:ident),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.into())
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_i64().map($name)
            }
        }
    )*};
}
row_number!(DirId, FileId, PickId);

impl ToSql for View {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.number().into())
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str().map($name::new)
            }
        }
    )*};
}
text!(AlbumId, MediaId, PickerSessionId, UploadToken);

impl ToSql for EntryName {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_bytes().into())
    }
}
impl FromSql for EntryName {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        EntryName::new(value.as_blob()?).map_err(FromSqlError::other)
    }
}

impl ToSql for ContentHash {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_slice().into())
    }
}
impl FromSql for ContentHash {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        bytes.try_into().map(ContentHash).map_err(|_| FromSqlError::InvalidType)
    }
}
