"""The generated parts of the documentation are fresh, and the README speaks of commands that exist."""

import re
import subprocess
import sys

from tests.docs import REPO, documents


def test_generated_documentation_is_fresh() -> None:
    stale = [file.name for file, text in documents().items() if file.read_text("utf-8") != text]
    assert not stale, f"run `make docs`: {stale}"


def test_every_command_of_the_readme_exists() -> None:
    shown = subprocess.run([sys.executable, "-m", "bot", "--help"], cwd=REPO, capture_output=True, text=True).stdout
    for command in set(re.findall(r"-m bot (\w+)", (REPO / "README.md").read_text("utf-8"))):
        assert re.search(rf"^\W*{command}\b", shown, re.M), command


def test_no_address_of_a_package_registry_or_machine_path_is_in_the_lock() -> None:
    lock = (REPO / "requirements.lock").read_text("utf-8")
    assert not re.search(r"https?://|--index-url|--find-links|file:", lock)
    assert "--hash=sha256:" in lock
