"""A client of the notebook: `python drive.py http://127.0.0.1:8000 [--host NAME]`, usually through a recorder."""

from __future__ import annotations

import argparse
import uuid

import httpx


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--host", help="the name by which clients address the notebook")
    options = parser.parse_args()
    for number in range(2):
        headers = {"X-Session": str(uuid.uuid4()), **({"Host": options.host} if options.host else {})}
        with httpx.Client(base_url=options.url, headers=headers, timeout=10, trust_env=False) as client:
            name = str(uuid.uuid4())
            for text in (f"buy milk for {number + 1}", "milk bought"):
                client.put(f"/notes/{name}", json={"text": text}).raise_for_status()
                assert client.get(f"/notes/{name}").raise_for_status().json()["text"] == text
            names = client.get("/notes", params={"prefix": name}).raise_for_status().json()["names"]
            assert names == [name], names


if __name__ == "__main__":
    main()
