"""Vendored files match their recorded digests, and no other files are loaded."""

import hashlib
import re

from config.setting_types import ROOT

EXPLORER = ROOT / "recommender" / "api" / "explorer"
VENDOR = EXPLORER / "static" / "vendor"


def test_vendored_files_have_the_hashes_and_licences_that_are_noted() -> None:
    note = (VENDOR / "README.md").read_text()
    noted = dict(re.findall(r"^\| `([\w.]+)` \| .*`([0-9a-f]{64})` \|$", note, re.MULTILINE))
    scripts = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}
    assert noted == scripts
    licences = re.findall(r"`([\w.]+LICENSE[\w.]*)`", note)
    assert len(licences) == len(scripts)
    for licence in licences:
        assert (VENDOR / licence).exists()


def test_pages_name_no_other_host_and_hold_no_script_or_style() -> None:
    for path in [*EXPLORER.rglob("*.html"), *EXPLORER.glob("static/*")]:
        if path.is_file():
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?:|//[\w.-]+\.\w+/|@import", text), path
            assert not re.search(r"<style|\bstyle=|\bon\w+=|<script(?! src=)|javascript:", text), path
