//! Files that other tools own are not changed by proposals.

use super::Review;
use crate::support::forge::Kind;

#[test]
fn l12_no_proposal_changes_a_file_that_sops_signs() {
    let review = Review::new(Kind::GitHub, "group = \"tag\"");
    let table = review.forge.kind.table();
    let target = "[[target]]\nfrom = \"web:1\"\nyaml = { path = \"secrets.yaml\", at = \"image\" }\n";
    review.stage.settings(&format!("[publish]\ngroup = \"tag\"\n{table}{target}"));
    let pinned = format!("image: {}/web:1@{}\n", review.stage.registry.host(), review.stage.pin("web:1").unwrap());
    review.stage.commit("secrets.yaml", &format!("{pinned}sops:\n    mac: ENC[x]\n"));
    review.stage.push("web:2", 3);
    review.stage.ends(0, &[]);
    assert_eq!(review.only().branch, "pinstream/web+2");
    review.stage.push("web:1", 4);
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("`secrets.yaml` is signed by SOPS"), "{said}");
    assert_eq!(review.tip("pinstream/web+1"), None);
}
