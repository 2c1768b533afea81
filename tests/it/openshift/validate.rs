//! Names of streams and tags (openshift/openshift-apiserver, `validation_test.go`).

use crate::reconcile::stage::Stage;
use crate::support::sandbox::same;

#[test]
fn test_validate_image_stream() {
    let stage = Stage::new("");
    stage.push("web:1", 1);
    let half = "n".repeat(127);
    let (longest, tag) = (format!("{half}/{half}"), "T".repeat(128));
    // The shortest name, one with all characters, and the longest.
    let all = "abcdefghijklmnopqrstuvwxyz.0123456789_a-b__c";
    for name in ["a", all, &longest] {
        stage.commit(&format!("streams/{name}.toml"), &format!("[tags]\n{tag} = \"REGISTRY/web:1\"\n"));
    }
    stage.ends(0, &[]);
    for name in ["a", all, &longest] {
        assert!(stage.pin(&format!("{name}:{tag}")).is_some(), "{name}");
    }
    // One character more, and names that none can have.
    let wrong = [format!("{longest}n"), "Web".to_owned(), "-web".to_owned(), "a..b".to_owned()];
    for name in &wrong {
        stage.commit(&format!("streams/{name}.toml"), "");
    }
    stage.commit("streams/a.toml", &format!("[tags]\n{tag}T = \"REGISTRY/web:1\"\n"));
    stage.registry.forget();
    // A name that is too long is shown by its beginning.
    let said = stage.ends(1, &[]).replace(&half[..80], "[80 n]").replace(&tag[..80], "[80 T]");
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    same(
        &said.join("\n"),
        "
error: invalid stream name `-web`
error: invalid stream name `Web`
error: invalid stream name `a..b`
error: invalid tag name `[80 T]`
error: invalid stream name `[80 n]`
",
    );
    assert_eq!(stage.registry.requests().len(), 0);
}
