"""Whether the engines of this machine run more of the corpus than it says: runnable_engines.py ENGINE ADDRESS FOLDER COMMAND…

Pulls each case's image for amd64 and arm64 by COMMAND (podman, docker, ctr, with their options), and looks for its config among those of
the manifests that the corpus says are run. ctr does not tell which it unpacked: of it, only whether anything is."""

import base64
import json
import pathlib
import subprocess
import sys

engine, address, folder, *command = sys.argv[1:]


def run(*arguments):
    try:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, 1, "", "timeout")


def pulled(reference, platform):
    """The config's digest, or "" when it is not known; None when nothing was pulled."""
    if engine == "ctr":
        answer = run("images", "pull", "--plain-http", "--snapshotter", "native", "--platform", platform, reference)
        run("images", "remove", "--sync", reference)
        return "" if answer.returncode == 0 else None
    options = ["--tls-verify=false"] if engine == "podman" else []
    answer = run("pull", "--quiet", *options, "--platform", platform, reference)
    if answer.returncode:
        return None
    identity = run("image", "inspect", "--format", "{{.Id}}", reference).stdout.strip()
    run("rmi", "--force", identity)
    return identity.removeprefix("sha256:")


def configs(case, engines):
    """The hex digests of the configs of what the corpus says is run, as Go would read them: the last key that folds to it."""
    found = set()
    for name in engines:
        for digest in case["runs"][name]:
            document = base64.b64decode(case["blobs"][digest]).decode(errors="replace")
            found.update(digest.removeprefix("sha256:") for digest in case["blobs"] if digest in document)
            found.add("")
    return found


failures = checked = 0
for file in sorted(pathlib.Path(folder).glob("*.json")):
    case = json.loads(file.read_text())
    known = configs(case, {"podman": ["podman"], "docker": ["docker"], "ctr": ["containerd"]}[engine])
    for platform in ("linux/amd64", "linux/arm64"):
        config = pulled(f"{address}/case/{case['name']}:tag", platform)
        checked += config is not None
        # podman makes a config of its own for an image of schema 1.
        is_made = engine == "podman" and "schema-1" in case["name"] and bool(known)
        if config is not None and config not in known and not is_made:
            failures += 1
            print(f"{engine} runs {config or 'something'} of {file.name} for {platform}; the corpus does not say so")
print(f"{checked} pulled, {failures} that the corpus does not foresee")
sys.exit(failures > 0 or checked == 0)
