"""Where the sources are, and where build.py keeps what it makes of them."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUST = os.path.join(ROOT, "rust")
INCLUDE = os.path.join(RUST, "include")
LOCK = os.path.join(ROOT, "requirements.lock")
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
WORK = os.path.join(ROOT, ".build")
WHEELS = os.path.join(WORK, "wheels")
PEERS_VENV = os.path.join(WORK, "peers")
PEERS_LOCK = os.path.join(ROOT, "benches", "requirements.lock")
