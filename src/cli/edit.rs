//! Changes of a root's files in its folder, for the commands by which people change them: thought through in memory,
//! read again as a whole, then written. Commits nothing.

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

use super::CliError;
use super::context::CommandContext;

/// What Windows programs put before text; it is no part of it, and stays where it is.
const MARK: &str = "\u{feff}";

/// A root's files, as they are and as they shall be.
#[derive(Debug)]
pub struct DefinitionEdit {
    /// Where they are.
    pub folder: WorkTree,
    before: RootFiles,
    after: RootFiles,
}

impl DefinitionEdit {
    /// Reads the files of the root that the current folder is in, right or wrong.
    ///
    /// # Errors
    /// Where there is none, or what is there is not fit to be read.
    pub fn begin(context: &CommandContext) -> Result<Self, CliError> {
        let folder = context.root_folder()?;
        let before = folder.read()?;
        Ok(Self { folder, after: before.clone(), before })
    }

    /// The root, as it shall be.
    ///
    /// # Errors
    /// Every problem that it would have.
    pub fn root(&self) -> Result<Root, Problems> {
        Root::read(&self.after)
    }

    /// Whether the root had problems before anything was changed.
    pub fn was_broken(&self) -> bool {
        Root::read(&self.before).is_err()
    }

    /// Changes the text of a stream's file, which is empty where there is none yet.
    ///
    /// # Errors
    /// Where it is no TOML.
    pub fn stream(
        &mut self,
        name: &StreamName,
        change: impl FnOnce(&str) -> Result<String, InvalidToml>,
    ) -> Result<(), CliError> {
        self.text(&path(name), change)
    }

    /// Changes the text of the settings.
    ///
    /// # Errors
    /// Where it is no text.
    pub fn settings(&mut self, change: impl FnOnce(&str) -> String) -> Result<(), CliError> {
        self.text(settings::FILE_NAME, |text| Ok(change(text)))
    }

    fn text(&mut self, path: &str, change: impl FnOnce(&str) -> Result<String, InvalidToml>) -> Result<(), CliError> {
        let bytes = self.after.get(path).map(Vec::as_slice).unwrap_or_default();
        let no_toml = |reason: String| {
            CliError::said(format!("`{path}` is no TOML: {reason}")).help("`pinstream check` shows where")
        };
        let text = std::str::from_utf8(bytes).map_err(|error| no_toml(error.to_string()))?;
        let (mark, text) = text.strip_prefix(MARK).map_or(("", text), |rest| (MARK, rest));
        let new = change(text).map_err(|error| no_toml(error.to_string()))?;
        if new != text {
            self.after.insert(path.to_owned(), format!("{mark}{new}").into_bytes());
        }
        Ok(())
    }

    /// Changes the lock.
    pub fn lock(&mut self, text: String) {
        self.after.insert(lock::FILE_NAME.to_owned(), text.into_bytes());
    }

    /// Changes a file that targets name.
    pub fn target(&mut self, file: EditedFile) {
        self.before.insert(file.path.clone(), file.old.into_bytes());
        self.after.insert(file.path, file.new.into_bytes());
    }

    /// Writes what was changed, definitions and files of targets before the lock, and gives the paths. A run that ends between two files
    /// leaves a root that the next pass reads: a rejection without the rollback is only that.
    ///
    /// # Errors
    /// Where a file was changed by somebody else meanwhile, or cannot be written.
    pub fn write(self) -> Result<Vec<String>, CliError> {
        let changed = self.after.iter().filter(|(path, bytes)| self.before.get(*path) != Some(*bytes));
        let (locks, mut files): (Vec<_>, Vec<_>) = changed.partition(|(path, _)| *path == lock::FILE_NAME);
        files.extend(locks);
        for (path, bytes) in &files {
            let is_before = self.folder.file(path)?.map(|file| file.bytes).as_ref() == self.before.get(*path);
            if !is_before {
                return Err(CliError::said(format!("`{path}` was changed meanwhile")).help("run it again"));
            }
            self.folder.put(path, bytes)?;
        }
        Ok(files.into_iter().map(|(path, _)| path.clone()).collect())
    }
}

/// The path of a stream's file.
pub fn path(stream: &StreamName) -> String {
    format!("{DIRECTORY}{stream}.toml")
}
