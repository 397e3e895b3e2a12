# SPDX-License-Identifier: Apache-2.0
"""Writes messages of the golden vectors as inputs of fuzz_objects: python seeds.py DIRECTORY."""

import argparse
import json
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def message_of(vector):
    """Metadata, a zero byte, payload: what fuzz_input.hpp takes apart."""
    if "metadata" in vector:
        metadata = vector["metadata"].encode()
    else:
        metadata = bytes.fromhex(vector["metadata_hex"])
    return metadata + b"\0" + bytes.fromhex(vector["payload_hex"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(path.read_text(encoding="utf-8")):
            name = "".join(c if c.isalnum() else "_" for c in vector["name"])
            (directory / f"{path.stem}-{name}").write_bytes(message_of(vector))


if __name__ == "__main__":
    main()
