"""Tab completes commands and options, and does not load torch to do so."""

import os
import subprocess
import sys

import pytest

RUN = "import sys; from tbd.cli import main; code = main([]); sys.exit(99 if 'torch' in sys.modules else code)"


@pytest.mark.parametrize(
    ("typed", "wanted"), [("tbd man", "manifest"), ("tbd manifest exp", "export"), ("tbd eval --sui", "--suite")]
)
def test_tab_completes(typed, wanted):
    asked = {"_TBD_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    found = subprocess.run(
        [sys.executable, "-c", RUN], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [wanted]
