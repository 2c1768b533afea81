//! Edits of a root's files for commands such as `tag` and `rollback`: made in memory, validated as a whole, then written.
//! Never commits.

use crate::formats::EditedFile;
use crate::git::RootFiles;
use crate::git::work_tree::WorkTree;
use crate::model::image::StreamName;
use crate::model::lock;
use crate::model::root::Root;
use crate::model::settings;
use crate::model::stream::edit::InvalidToml;
use crate::model::stream::validate::DIRECTORY;
use crate::text::diagnostics::Problems;

use crate::cli::{CliError, CommandContext};

/// Byte order mark of Windows programs; preserved.
const MARK: &str = "\u{feff}";

/// The files of a root before and after an edit.
#[derive(Debug)]
pub struct DefinitionEdit {
    /// Directory of the root.
    pub work_tree: WorkTree,
    before: RootFiles,
    after: RootFiles,
}

impl DefinitionEdit {
    /// Reads the files of the root that contains the working directory; they may have problems.
    ///
    /// # Errors
    /// Fails if there is no root or a file cannot be read.
    pub fn begin(context: &CommandContext) -> Result<Self, CliError> {
        let work_tree = context.root_directory()?;
        let before = work_tree.read()?;
        Ok(Self { work_tree, after: before.clone(), before })
    }

    /// Parses the edited root.
    ///
    /// # Errors
    /// Returns all problems of the edited files.
    pub fn root(&self) -> Result<Root, Problems> {
        Root::read(&self.after)
    }

    /// Returns true if the root had problems before the edit.
    pub fn was_broken(&self) -> bool {
        Root::read(&self.before).is_err()
    }

    /// Edits a stream file; a file that does not exist yet is empty.
    ///
    /// # Errors
    /// Fails if the file is not valid TOML.
    pub fn stream(
        &mut self,
        name: &StreamName,
        change: impl FnOnce(&str) -> Result<String, InvalidToml>,
    ) -> Result<(), CliError> {
        self.text(&path(name), change)
    }

    /// Edits the settings.
    ///
    /// # Errors
    /// Fails if the file is not text.
    pub fn settings(&mut self, change: impl FnOnce(&str) -> String) -> Result<(), CliError> {
        self.text(settings::FILE_NAME, |text| Ok(change(text)))
    }

    fn text(&mut self, path: &str, change: impl FnOnce(&str) -> Result<String, InvalidToml>) -> Result<(), CliError> {
        let bytes = self.after.get(path).map(Vec::as_slice).unwrap_or_default();
        let invalid = |reason: String| {
            CliError::new(format!("`{path}` is not valid TOML: {reason}")).help("run `pinstream check` to see the line")
        };
        let text = std::str::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?;
        let (mark, text) = text.strip_prefix(MARK).map_or(("", text), |rest| (MARK, rest));
        let new = change(text).map_err(|error| invalid(error.to_string()))?;
        if new != text {
            self.after.insert(path.to_owned(), format!("{mark}{new}").into_bytes());
        }
        Ok(())
    }

    /// Replaces the lock by `text`.
    pub fn lock(&mut self, text: String) {
        self.after.insert(lock::FILE_NAME.to_owned(), text.into_bytes());
    }

    /// Replaces files that contain targets.
    ///
    /// # Errors
    /// Returns the reasons why some of them must not be written.
    pub fn targets(&mut self, files: Vec<EditedFile>) -> Result<(), Problems> {
        Problems::check(files.iter().filter_map(|file| file.refusal.clone()).collect())?;
        for file in files {
            self.before.insert(file.path.clone(), file.old.into_bytes());
            self.after.insert(file.path, file.new.into_bytes());
        }
        Ok(())
    }

    /// Writes the changed files and returns their paths. The lock comes last: if the process is killed between two files,
    /// the root is still valid.
    ///
    /// # Errors
    /// Fails if a file was changed concurrently or cannot be written.
    pub fn write(self) -> Result<Vec<String>, CliError> {
        let changed = self.after.iter().filter(|(path, bytes)| self.before.get(*path) != Some(*bytes));
        let (locks, mut files): (Vec<_>, Vec<_>) = changed.partition(|(path, _)| *path == lock::FILE_NAME);
        files.extend(locks);
        for (path, bytes) in &files {
            let is_before = self.work_tree.file(path)?.map(|file| file.bytes).as_ref() == self.before.get(*path);
            if !is_before {
                return Err(
                    CliError::new(format!("`{path}` was changed by another process")).help("run the command again")
                );
            }
            self.work_tree.put(path, bytes)?;
        }
        Ok(files.into_iter().map(|(path, _)| path.clone()).collect())
    }
}

/// Returns the path of a stream file.
pub fn path(stream: &StreamName) -> String {
    format!("{DIRECTORY}{stream}.toml")
}
