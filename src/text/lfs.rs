//! Git LFS pointers (git-lfs, `docs/spec.md`): short files that Git stores in place of the real ones.

/// A pointer is smaller than this, in bytes.
const POINTER_END: usize = 1024;
/// Starts of the first line: the version, and its name before Git LFS 1.0.
const VERSIONS: [&[u8]; 2] =
    [b"version https://git-lfs.github.com/spec/v", b"version https://hawser.github.com/spec/v"];
/// The reason for not using a file that is a pointer.
pub const POINTER: &str = "it is a Git LFS pointer, not the file itself";

/// Returns whether the bytes of a file are a pointer.
pub fn is_pointer(bytes: &[u8]) -> bool {
    bytes.len() < POINTER_END && VERSIONS.iter().any(|version| bytes.starts_with(version))
}

/// Returns the remedy for a file that is a pointer.
pub fn pointer_help(path: &str) -> String {
    format!(
        "take it out of Git LFS: run `git lfs pull`, remove its pattern from `.gitattributes`, run `git add --renormalize {path}` and commit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l13_a_pointer_is_recognized_by_its_first_line() {
        let oid = "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
        for version in ["https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1"] {
            assert!(is_pointer(format!("version {version}\n{oid}").as_bytes()), "{version}");
        }
        let long = format!("version https://git-lfs.github.com/spec/v1\n{oid}{}", "x".repeat(POINTER_END));
        for text in ["", oid, "version = 1\n", "# version https://git-lfs.github.com/spec/v1\n", &long] {
            assert!(!is_pointer(text.as_bytes()), "{text}");
        }
    }
}
