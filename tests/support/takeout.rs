//! Exports as Google Takeout makes them: several zips, folders of albums and of years, truncated
//! names, JSON files beside the photos.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The folder of all photos of Google Photos in an export.
const ROOT: &str = "Takeout/Google Photos";

/// An export. Each part is a list of paths and contents.
pub struct Takeout {
    pub parts: Vec<Vec<(String, Vec<u8>)>>,
}

impl Takeout {
    /// An export of so many parts.
    pub fn of(parts: usize) -> Self {
        Self { parts: vec![Vec::new(); parts] }
    }

    /// Adds a file below the folder of Google Photos.
    pub fn add(&mut self, part: usize, path: &str, content: impl Into<Vec<u8>>) {
        self.parts[part].push((format!("{ROOT}/{path}"), content.into()));
    }

    /// Adds the description of an album under a name in the user's language.
    pub fn album(&mut self, part: usize, folder: &str, title: &str, file: &str) {
        let date = json!({"timestamp": "1556442005", "formatted": "28.04.2019, 09:00:05 UTC"});
        let text = json!({"title": title, "description": "", "access": "protected", "date": date});
        self.add(part, &format!("{folder}/{file}.json"), text.to_string());
    }

    /// Adds a photo and the JSON file that describes it, each to its part.
    pub fn item(&mut self, (photo, paper): (usize, usize), item: &Item<'_>) {
        self.add(photo, &format!("{}/{}", item.folder, item.file()), item.content);
        self.paper(paper, item);
    }

    /// Adds the JSON file that describes a photo.
    pub fn paper(&mut self, part: usize, item: &Item<'_>) {
        self.add(part, &format!("{}/{}", item.folder, item.paper()), item.text());
    }

    /// Writes the zips, with names as Google gives them.
    pub fn zips(&self, dir: &Path) -> Vec<PathBuf> {
        let write = |(at, part): (usize, &Vec<(String, Vec<u8>)>)| {
            let path = dir.join(format!("takeout-20261101T120000Z-{:03}.zip", at + 1));
            let mut zip = ZipWriter::new(File::create(&path).unwrap());
            for (number, (name, content)) in part.iter().enumerate() {
                let method = match number % 2 {
                    0 => CompressionMethod::Stored,
                    _ => CompressionMethod::Deflated,
                };
                let options = SimpleFileOptions::default().compression_method(method);
                zip.start_file(name, options).unwrap();
                zip.write_all(content).unwrap();
            }
            zip.finish().unwrap();
            path
        };
        self.parts.iter().enumerate().map(write).collect()
    }

    /// Writes all files of all parts below a directory.
    pub fn extract(&self, dir: &Path) {
        for (name, content) in self.parts.iter().flatten() {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

/// A photo or video in a folder.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    pub folder: &'a str,
    pub title: &'a str,
    pub content: &'a [u8],
    /// Seconds since 1970.
    pub taken: i64,
    /// If an earlier photo in the folder has the same name: which one this is.
    pub number: u32,
}

impl<'a> Item<'a> {
    pub fn of(folder: &'a str, title: &'a str, content: &'a [u8]) -> Self {
        Self { folder, title, content, taken: 1_556_442_005, number: 0 }
    }

    /// Google replaces what Windows does not allow, and truncates the stem.
    fn plain(&self) -> String {
        let safe: String = self
            .title
            .chars()
            .map(|c| if r#"\/:*?"<>|&%"#.contains(c) { '_' } else { c })
            .collect();
        let (stem, extension) = safe.split_at(safe.rfind('.').unwrap_or(safe.len()));
        stem.chars().take(47).collect::<String>() + extension
    }

    fn number(&self) -> String {
        if self.number > 0 { format!("({})", self.number) } else { String::new() }
    }

    /// The name of the file.
    pub fn file(&self) -> String {
        let plain = self.plain();
        let (stem, extension) = plain.split_at(plain.rfind('.').unwrap_or(plain.len()));
        format!("{stem}{}{extension}", self.number())
    }

    /// The name of the JSON file.
    pub fn paper(&self) -> String {
        let name = format!("{}.supplemental-metadata", self.plain());
        format!("{}{}.json", name.chars().take(46).collect::<String>(), self.number())
    }

    /// The text of the JSON file.
    pub fn text(&self) -> String {
        let time = |seconds: i64| json!({"timestamp": seconds.to_string(), "formatted": ""});
        let place = json!({"latitude": 0.0, "longitude": 0.0, "altitude": 0.0});
        let bytes: u32 = self.content.iter().map(|&it| u32::from(it)).sum();
        let text = json!({
            "title": self.title,
            "description": "",
            "imageViews": "3",
            "creationTime": time(1_600_000_000),
            "photoTakenTime": time(self.taken),
            "geoData": place,
            "people": [{"name": "Ada"}],
            "url": format!("https://photos.google.com/{}-{}-{bytes}", self.title, self.number),
            "googlePhotosOrigin": {"webUpload": {"computerUpload": {}}},
        });
        text.to_string()
    }
}
