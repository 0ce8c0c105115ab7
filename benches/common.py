"""What the benchmarks share: the program, timed runs, layouts, and packages given a newer version."""

import hashlib, json, os, shutil, subprocess, sys, time
from pathlib import Path

root = Path(__file__).resolve().parent.parent
target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
basalt = str(target / "release" / "basalt")


def run(command, **options):
    """Runs a command to its end; gives wall seconds and peak memory in MB of the largest process."""
    before = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - before
    if status != 0:
        sys.exit(f"bench: {' '.join(map(str, command))} failed:\n{errors.decode(errors='replace')}")
    return wall, usage.ru_maxrss / 1024


def install(packages):
    known = {p for p in packages if subprocess.run(["dpkg-query", "-s", p], capture_output=True).returncode == 0}
    missing = [p for p in packages if p not in known]
    if missing:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], check=True, stdout=subprocess.DEVNULL,
                       env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def layers(layout):
    """The layers that a client pulls, by digest with their bytes: those of the first manifest."""
    index = json.loads((layout / "index.json").read_text())
    while "manifests" in index:
        digest = index["manifests"][0]["digest"].split(":")[1]
        index = json.loads((layout / "blobs/sha256" / digest).read_text())
    return {layer["digest"]: layer["size"] for layer in index["layers"]}


def locked(path, name):
    """The lock at `path`, and a package's row in it."""
    lock = json.loads(path.read_text())
    return lock, next(p for p in lock["packages"] if p["name"] == name and p["architecture"] in ("amd64", "all"))


def blob(store, digest):
    digest = digest.removeprefix("sha256:")
    return store / "blobs/sha256" / digest[:2] / digest


def renew(store, package, work, mark):
    """Repacks a package of a lock, which a vendor store holds, under a newer version; the row and the store then have that."""
    tree = work / "renewed.tree"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", blob(store, package["sha256"]), tree], check=True)
    former = package["version"]
    package["version"] += f"+bench{mark}"
    control = tree / "DEBIAN/control"
    control.write_text("".join(f"Version: {package['version']}\n" if line.startswith("Version:") else line
                               for line in control.read_text().splitlines(keepends=True)))
    # A script that names its package's version names the new one.
    for script in (tree / "DEBIAN" / name for name in ("config", "preinst", "postinst", "prerm", "postrm")):
        if script.exists():
            script.write_text(script.read_text().replace(former, package["version"]))
    # A newer build has newer times, so every header and with them all compressed bytes differ.
    for path in tree.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (path.stat().st_mtime + 86400,) * 2)
    deb = work / "renewed.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-b", tree, deb], check=True, stdout=subprocess.DEVNULL)
    data = deb.read_bytes()
    # The image bears the date of its newest package: an update moves it.
    package["date"] = "2030-01-01T00:00:00Z"
    package["sha256"], package["size"] = f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)
    place = blob(store, package["sha256"])
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data)
