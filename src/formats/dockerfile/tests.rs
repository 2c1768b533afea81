//! Images of Dockerfiles: found and replaced.

use super::super::tests::{DIGEST, check, check_find};
use super::parse::Dockerfile;

#[track_caller]
fn at(place: &str, text: &str, expected: &str) {
    let expected = expected.replace("NEW", &format!("python:3.12@{DIGEST}")).replace("DIGEST", DIGEST);
    check(&format!("dockerfile = {{ path = \"Dockerfile\"{place} }}"), "Dockerfile", text, &expected);
}

#[test]
fn images_from_the_repository_are_replaced() {
    at(
        "",
        "# syntax=docker/dockerfile:1\r\nFROM --platform=$BUILDPLATFORM python:3 AS build\r\nFROM golang:1\r\nCOPY \
         --from=python:3 /a /a\r\nFROM build\r\n",
        "# syntax=docker/dockerfile:1\r\nFROM --platform=$BUILDPLATFORM NEW AS build\r\nFROM golang:1\r\nCOPY --from=NEW \
         /a /a\r\nFROM build\r\n",
    );
    at(
        "",
        "from \\\n  \"docker.io/python:3@sha256:00\" \\\n  as x",
        "2 ! `Dockerfile` has no image from `docker.io/library/python`; it has: `docker.io/python:3@sha256:00` (line 2)",
    );
    at("", "from \\\n  \"docker.io/python:3\" \\\n  as x", "from \\\n  \"docker.io/NEW\" \\\n  as x");
}

#[test]
fn a_stage_or_an_argument_is_selected() {
    let text = "ARG TAG=3 BASE=\"python:3\"\nFROM python:3 AS a\nFROM python:2\nFROM ${BASE} AS c\nARG TAG\n";
    at(", stage = \"A\"", text, &text.replace("FROM python:3", "FROM NEW"));
    at(", stage = \"1\"", text, &text.replace("python:2", "NEW"));
    at(", arg = \"BASE\"", text, &text.replace("\"python:3\"", "\"NEW\""));
    at(", arg = \"TAG\" }\nwrite = \"tag@digest\" #", text, &text.replace("TAG=3", "TAG=3.12@DIGEST"));
    at(
        "",
        text,
        "3 ! `Dockerfile` has images from `docker.io/library/python` with different tags: `python:3` (line 2), `python:2` (line 3); select one with `stage = \"…\"`",
    );
    at(", stage = \"c\"", text, "4 ! the image contains variables; select the variable, e.g. `arg = \"BASE\"`");
    at(", stage = \"d\"", text, "2 ! `Dockerfile` has no stage `d`; it has: `a`, `1` (`python:2`), `c`");
    at(", arg = \"BAS\"", text, "1 ! `Dockerfile` has no `ARG BAS`; it has: `TAG`, `BASE`, `TAG`");
    at(", arg = \"X\"", "ARG X\nFROM a\n", "1 ! `ARG X` has no default; write `ARG X=\"\"`");
    at(
        ", arg = \"X\"",
        "FROM a\nARG X=1\nARG X=2\n",
        "3 ! `ARG X` has several defaults; keep one: `ARG` without a default in a stage uses the first",
    );
    at(
        ", stage = \"a\"",
        "FROM x AS a\nFROM y AS a\n",
        "2 ! two stages are named `a`; rename one of them, or select one by its number, from 0",
    );
    at(", stage = \"a\"", "", "1 ! `Dockerfile` has no stage `a`; it has no stages");
}

#[test]
fn images_are_found_but_stages_are_not() {
    check_find(
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nFROM --platform=$BUILDPLATFORM golang:1.26 AS build\nFROM build AS test\n\
         from scratch\nCOPY --from=build /a /a\nCOPY --from=0 /a /a\nCOPY --from=nginx:1 --chown=1 /a /a\n\
         FROM Build\n",
        &[
            "1 docker/dockerfile:1 = docker.io/docker/dockerfile:1",
            "2 golang:1.26 = docker.io/library/golang:1.26",
            "4 scratch ! `scratch` is empty",
            "7 nginx:1 = docker.io/library/nginx:1",
        ],
    );
}

#[test]
fn mounts_and_onbuild_instructions_name_images() {
    check_find(
        "Dockerfile",
        "FROM a:1 AS base\nRUN --mount=type=cache,target=/x --mount=type=bind,from=b:1,target=/y --network=none make \
         --mount=from=no\nRUN --mount=from=base --mount=type=bind,\"from=c\" x\nRUN --mount='type=bind,from=d:1' x\n\
         ONBUILD COPY --from=e:1 /a /a\nONBUILD RUN --mount=from=$X y\nRUN tool --from=no\n",
        &[
            "1 a:1 = docker.io/library/a:1",
            "2 b:1 = docker.io/library/b:1",
            "3 c = docker.io/library/c:latest",
            "4 d:1 = docker.io/library/d:1",
            "5 e:1 = docker.io/library/e:1",
            "6 $X ! contains a variable without a value",
        ],
    );
}

#[test]
fn defaults_of_global_arguments_are_used() {
    check_find(
        "Dockerfile",
        "ARG VERSION=3.12\nARG BASE=\"python:${VERSION}\"\nARG UNSET\nFROM ${BASE}-slim\nARG VERSION=9\n\
         FROM quay.io/a/b:${VERSION}\nFROM a:$UNSET\nFROM a:${UNSET:-1}\n",
        &[
            "4 ${BASE}-slim = docker.io/library/python:3.12-slim",
            "6 quay.io/a/b:${VERSION} = quay.io/a/b:3.12",
            "7 a:$UNSET ! contains a variable without a value",
            "8 a:${UNSET:-1} = docker.io/library/a:1",
        ],
    );
}

#[test]
fn a_trailing_argument_decides_the_image() {
    let text = "ARG TAG=3 BASE='a:1'\nARG ALL=b:${TAG}\nFROM python:${TAG}\nFROM $BASE\nFROM ${BASE}-slim\nFROM $ALL\n\
                FROM c:$TAG$TAG\nFROM d:${NONE:-1}\n";
    let decided = Dockerfile::parse(text).images.into_iter().map(|site| &text[site.decided]).collect::<Vec<_>>();
    assert_eq!(decided, ["3", "a:1", "${BASE}-slim", "$ALL", "c:$TAG$TAG", "d:${NONE:-1}"]);
}

#[test]
fn continued_lines_comments_and_here_documents_are_parsed() {
    check_find(
        "Dockerfile",
        "FROM \\\n# a word\n\n  python:3 \\\n  AS x\nRUN <<EOF cat\nFROM inner\nEOF\nRUN echo \\\n FROM other\n",
        &["4 python:3 = docker.io/library/python:3"],
    );
    check_find(
        "Dockerfile",
        "# escape=`\nFROM `\n a:1\r\nFROM \"b:2\"",
        &["3 a:1 = docker.io/library/a:1", "4 b:2 = docker.io/library/b:2"],
    );
    check_find("Dockerfile", "FROM\nFROM A/b\n", &["2 A/b ! upper-case letters in repository `A/b`"]);
}

#[test]
fn f14_the_digest_is_appended_to_the_literal_part_of_an_image() {
    at(
        ", stage = \"0\"",
        "ARG PREFIX\nFROM ${PREFIX}python:3.11 AS a\nFROM golang:1\n",
        "ARG PREFIX\nFROM ${PREFIX}NEW AS a\nFROM golang:1\n",
    );
    at(
        "",
        "ARG HUB=docker.io\nFROM $HUB/python:3.11\nCOPY --from=${PREFIX}python:3.11 / /\n",
        "ARG HUB=docker.io\nFROM $HUB/NEW\nCOPY --from=${PREFIX}NEW / /\n",
    );
    at(
        ", stage = \"0\"",
        "ARG HUB=mirror.example\nFROM $HUB/python:3\n",
        "2 ! the image contains variables; select the variable, e.g. `arg = \"BASE\"`",
    );
    check_find(
        "Dockerfile",
        "ARG P=quay.io/\nFROM ${P}a/b:1\nFROM ${NONE}nginx:1.25\nFROM ${NONE}/nginx:1.25\n",
        &[
            "2 ${P}a/b:1 = quay.io/a/b:1",
            "3 ${NONE}nginx:1.25 = docker.io/library/nginx:1.25",
            "4 ${NONE}/nginx:1.25 ! contains a variable without a value",
        ],
    );
}

#[test]
fn f16_the_syntax_directive_names_an_image_that_is_writable() {
    at("", "# syntax = python:3 \r\nFROM a\n", "# syntax = NEW \r\nFROM a\n");
    for (text, expected) in [
        (
            "#!/usr/bin/env docker\n#escape=`\n#SYNTAX=docker.io/docker/dockerfile:1.7 x\nFROM scratch\n",
            "3 docker.io/docker/dockerfile:1.7 = docker.io/docker/dockerfile:1.7",
        ),
        ("# check=skip=all\n# syntax=a:1\nFROM scratch\n", "2 a:1 = docker.io/library/a:1"),
    ] {
        let from = format!("{} scratch ! `scratch` is empty", text.lines().count());
        check_find("Dockerfile", text, &[expected, &from]);
    }
    for text in ["# A comment.\n# syntax=a:1\nFROM b\n", "\n# syntax=a:1\nFROM b\n", "FROM b\n# syntax=a:1\n"] {
        let line = text.lines().position(|line| line.starts_with("FROM")).unwrap() + 1;
        check_find("Dockerfile", text, &[&format!("{line} b = docker.io/library/b:latest")]);
    }
}
