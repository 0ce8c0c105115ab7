"""Compares an image's bills of materials with the image itself, read by other means; or hands a document to its validator.

    sbom_compared.py image LAYOUT ARCHITECTURE BILLS LOCK CACHE
    sbom_compared.py cyclonedx|spdx3 DOCUMENT…    (run by the Python that has the validators)

BILLS is the beginning of the names of BILLS.spdx.json, BILLS.cdx.json and BILLS.syft.json.
"""

import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile


def of_image(layout, architecture, bills, lock, cache):
    faults = []

    def compare(what, found, expected):
        if found == expected:
            return
        found, expected = dict(found), dict(expected)
        for key in sorted(found.keys() | expected.keys(), key=str):
            if found.get(key) != expected.get(key):
                faults.append(f"{what}: {key} is {found.get(key)}, and should be {expected.get(key)}")

    document = lambda kind: json.loads(pathlib.Path(f"{bills}.{kind}.json").read_text())
    spdx, cyclonedx, syft = document("spdx"), document("cdx"), document("syft")
    files, links = entries_of(pathlib.Path(layout), architecture)

    # Files.
    sums = lambda file: {one["algorithm"]: one["checksumValue"] for one in file["checksums"]}
    compare("a file in SPDX", {file["fileName"].removeprefix("."): sums(file) for file in spdx["files"]},
            {path: {"SHA1": sha1, "SHA256": sha256} for path, (sha1, sha256) in files.items()})
    components = list(all_components(cyclonedx["components"]))
    of_kind = lambda kind: [one for one in components if one["type"] == kind]
    compare("a file in CycloneDX",
            {one["name"]: one["hashes"][0]["content"] for one in of_kind("file") if "hashes" in one},
            {path: sha256 for path, (_, sha256) in files.items()})
    target = lambda one: [each["value"] for each in one["properties"] if each["name"] == "basalt:symbolic-link"][0]
    compare("a link in CycloneDX", {one["name"]: target(one) for one in of_kind("file") if "hashes" not in one}, links)
    if len(spdx["files"]) != len(files) or not files:
        faults.append(f"SPDX has {len(spdx['files'])} files, the image {len(files)}")
    code = hashlib.sha1("".join(sorted(sha1 for sha1, _ in files.values())).encode()).hexdigest()
    compare("the code of all files", spdx["packages"][0]["packageVerificationCode"], {"packageVerificationCodeValue": code})

    # Packages: what the lock names, what syft finds, and what the package files themselves say. Of what syft finds, only what it takes
    # from Debian's records counts: by guesses it would find the programs of those packages again.
    locked = {one["name"]: one for one in lock["packages"] if one["architecture"] in (architecture, "all")}
    [image] = [one for one in lock["images"] if one["architecture"] == architecture and not one.get("variant")]
    expected = {name: locked[name]["version"] for name in image["packages"]}
    by_syft = {one["name"]: one["version"] for one in syft["artifacts"] if one["type"] == "deb"}
    compare("a package that syft finds", by_syft, expected)
    packages = [one for one in spdx["packages"] if one.get("primaryPackagePurpose") == "LIBRARY"]
    libraries = of_kind("library")
    compare("a package in SPDX", {one["name"]: one["versionInfo"] for one in packages}, expected)
    compare("a package in CycloneDX", {one["name"]: one["version"] for one in libraries}, expected)
    digest = lambda name: locked[name]["sha256"].removeprefix("sha256:")
    compare("a .deb in SPDX", {one["name"]: sums(one)["SHA256"] for one in packages}, {name: digest(name) for name in expected})
    compare("a .deb in CycloneDX", {one["name"]: one["hashes"][0]["content"] for one in libraries}, {name: digest(name) for name in expected})
    purls = {one["name"]: one["externalRefs"][0]["referenceLocator"] for one in packages}
    compare("a package URL in CycloneDX", {one["name"]: one["purl"] for one in libraries}, purls)
    for one in packages:
        if one["name"] not in expected:
            continue
        package = pathlib.Path(cache, "blobs/sha256", digest(one["name"])[:2], digest(one["name"]))
        if hashlib.sha256(package.read_bytes()).hexdigest() != sums(one)["SHA256"]:
            faults.append(f"{one['name']}: the package file has another digest")
        shown = subprocess.run(["dpkg-deb", "--field", package, "Package", "Version", "Architecture", "Maintainer"],
                               check=True, capture_output=True, text=True).stdout
        control = dict(line.split(": ", 1) for line in shown.splitlines())
        if (control["Package"], control["Version"]) != (one["name"], one["versionInfo"]):
            faults.append(f"{one['name']}: the package file is {control}")
        if f"arch={control['Architecture']}&distro=debian-13" not in purls[one["name"]]:
            faults.append(f"{one['name']}: its URL is {purls[one['name']]}")
        if control["Maintainer"].split("<")[0].strip().translate({40: None, 41: None}) not in one["supplier"]:
            faults.append(f"{one['name']}: its supplier is {one['supplier']}")
        if "://" in one["packageFileName"] or not one["packageFileName"].endswith(".deb"):
            faults.append(f"{one['name']}: its path is {one['packageFileName']}")
    # Syft's URLs name the source of each package too.
    upstream = lambda purl: [part for part in purl.split("?")[1].split("&") if part.startswith("upstream=")]
    compare("the source in a package URL", {name: upstream(purl) for name, purl in purls.items()},
            {one["name"]: upstream(one["purl"]) for one in syft["artifacts"] if one["type"] == "deb"})
    print("\n".join(faults[:40]))
    print(f"{len(files)} files, {len(links)} links, {len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


def entries_of(layout, architecture):
    """The regular files of an image with their digests, and its symbolic links with their targets."""

    def blob(digest):
        return layout / "blobs" / digest.replace(":", "/")

    entry = [one for one in json.loads((layout / "index.json").read_text())["manifests"] if "artifactType" not in one][0]
    index = json.loads(blob(entry["digest"]).read_text())
    [manifest] = [one for one in index["manifests"] if one["platform"]["architecture"] == architecture]
    files, links = {}, {}
    for layer in json.loads(blob(manifest["digest"]).read_text())["layers"]:
        with gzip.open(blob(layer["digest"])) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                path = "/" + member.name.removeprefix("./").strip("/")
                if member.islnk():
                    files[path] = files["/" + member.linkname.removeprefix("./").strip("/")]
                elif member.isreg():
                    data = archive.extractfile(member).read()
                    files[path] = (hashlib.sha1(data).hexdigest(), hashlib.sha256(data).hexdigest())
                elif member.issym():
                    links[path] = member.linkname
    return files, links


def all_components(components):
    for one in components:
        yield one
        yield from all_components(one.get("components", []))


def cyclonedx(name):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path(name).read_text(), all_errors=True)
    for error in errors or []:
        print(str(error)[:500])
    return 1 if errors else 0


def spdx3(name):
    import io

    from spdx_python_model import v3_0_1

    objects = v3_0_1.SHACLObjectSet()
    with open(name, "rb") as file:
        v3_0_1.JSONLDDeserializer().read(file, objects)
    missing = objects.link()
    # Writing checks that nothing is lacking.
    v3_0_1.JSONLDSerializer().write(objects, io.BytesIO())
    print(f"{len(list(objects.foreach()))} objects, missing: {missing}")
    return 1 if missing else 0


if __name__ == "__main__":
    kind, *names = sys.argv[1:]
    if kind == "image":
        layout, architecture, bills, lock, cache = names
        sys.exit(of_image(layout, architecture, bills, json.loads(pathlib.Path(lock).read_text()), cache))
    sys.exit(max({"cyclonedx": cyclonedx, "spdx3": spdx3}[kind](name) for name in names))
