"""The committed header: that it is what the sources say, and that C11 and C++17 compilers take it without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import cffi
import pytest
from build_script import ROOT, build

from building import Failed, paths, stages

INCLUDE = ROOT / "rust" / "include"
PUBLIC = (INCLUDE / "barter.h").read_text(encoding="utf-8")
FOR_CFFI = (INCLUDE / "barter_cffi.h").read_text(encoding="utf-8")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", str(INCLUDE)]
TWICE = '#include "barter.h"\n#include "barter.h"\n'


def code(header: str) -> str:
    """A header without comments and directives."""
    return re.sub(r"^\s*#.*$", "", re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL), flags=re.MULTILINE)


def enums(header: str) -> list[str]:
    """Everything that begins with the word enum, up to the first brace or semicolon."""
    return re.findall(r"\benum\b[^{;]*[{;]", code(header))


def functions(header: str) -> list[str]:
    """The functions' declarations, in order, blanks made equal."""
    return [" ".join(found.split()) for found in re.findall(r"^[a-z][^;{}=]*\([^;{}]*\);", code(header), re.MULTILINE)]


def types(header: str) -> dict[str, str]:
    """The bodies of structs and unions by name, blanks made equal."""
    found = re.findall(r"typedef (?:struct|union) \{([^}]*)\} (\w+);", code(header))
    return {name: " ".join(body.split()) for body, name in found}


def test_the_committed_header_is_what_the_sources_say() -> None:
    checked = build("header", "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.endswith("the header is current\n")


def test_a_header_that_is_not_current_fails_the_check_with_the_difference_and_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "INCLUDE", str(tmp_path))
    (tmp_path / "barter.h").write_text(PUBLIC.replace("BARTER_TIMEOUT = 1,", "BARTER_TIMEOUT = 7,"))
    (tmp_path / "barter_cffi.h").write_text(FOR_CFFI)

    with pytest.raises(Failed, match=r"-  BARTER_TIMEOUT = 7,\n\+  BARTER_TIMEOUT = 1,\n(?s:.*) not current"):
        stages.headers(check=True)
    stages.headers(check=False)
    assert (tmp_path / "barter.h").read_text() == PUBLIC


def test_a_strict_c11_compiler_takes_the_header_twice_without_a_warning(tmp_path: Path) -> None:
    program = tmp_path / "twice.c"
    program.write_text(TWICE)
    compiled = subprocess.run(["cc", "-std=c11", *STRICT, program], capture_output=True, text=True, check=False)
    assert (compiled.returncode, compiled.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler on this machine")
def test_a_strict_cpp17_compiler_takes_the_header_twice_without_a_warning(tmp_path: Path) -> None:
    program = tmp_path / "twice.cpp"
    program.write_text(TWICE)
    compiled = subprocess.run(["c++", "-std=c++17", *STRICT, program], capture_output=True, text=True, check=False)
    assert (compiled.returncode, compiled.stderr) == (0, "")


@pytest.mark.parametrize("header", [PUBLIC, FOR_CFFI], ids=["barter.h", "barter_cffi.h"])
def test_enums_have_no_name_so_nothing_can_have_their_type(header: str) -> None:
    assert len(enums(header)) > 5
    assert {" ".join(found.split()) for found in enums(header)} == {"enum {"}
    assert "typedef enum" not in header
    assert re.search(r"\}\s*\w+\s*;", re.sub(r"typedef (?:struct|union) \{[^}]*\} \w+;", "", code(header))) is None


def test_both_headers_declare_the_same() -> None:
    assert len(functions(PUBLIC)) > 30
    assert sorted(functions(PUBLIC)) == sorted(functions(FOR_CFFI))
    assert "barter_event" in types(PUBLIC)
    assert types(PUBLIC) == types(FOR_CFFI)
    names = [set(re.findall(r"\b(?:BARTER_\w+|barter_\w+)\b", code(header))) for header in (PUBLIC, FOR_CFFI)]
    limits = set(re.findall(r"^#define (BARTER_\w+) \w", PUBLIC, re.MULTILINE))
    assert names[0] | limits == names[1]


def test_cffi_takes_its_header_as_plain_c() -> None:
    assert not re.search(r"^\s*#", FOR_CFFI, re.MULTILINE)
    ffi = cffi.FFI()
    ffi.cdef(FOR_CFFI)
    assert ffi.sizeof("barter_event") == 128


def test_every_type_function_and_field_is_described() -> None:
    lines = PUBLIC.splitlines()
    bare = []
    for above, line in pairwise(lines):
        field = re.match(r"  [\w ]+[ *]\w+(\[\d+\])?;$", line)
        declaration = re.match(r"(typedef|extern) (?!\"C\")|barter_status \w|[\w ]+[ *]barter_\w+\(", line)
        if (field or declaration) and not above.rstrip().endswith("*/"):
            bare.append(line)
    assert bare == []


def test_the_header_begins_with_its_conventions_and_ends_with_the_test_helpers() -> None:
    assert PUBLIC.startswith("/*\n * barter.h: ")
    for convention in ("Status", "Handles", "Ownership", "Buffers", "Structs", "Numbers", "Threads", "Versions"):
        assert re.search(rf"^ \* {convention}  ", PUBLIC, re.MULTILINE), convention
    promised, helpers = PUBLIC.split("They stand outside the stability promise")
    assert all("barter_test_" not in declared for declared in functions(promised))
    assert all("barter_test_" in declared for declared in functions(helpers))
    assert len(functions(helpers)) > 5
