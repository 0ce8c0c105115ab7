"""Two trees compared path by path: type, mode, owner (by name, as each tree's own account files have it), link target, extended
attributes, content. What may differ is written here, with its reason, and nowhere else.

A tree is read from a directory, as root, or from the layers of an OCI layout, without unpacking it.
"""

import gzip
import hashlib
import json
import os
import re
import stat
import tarfile

# What may differ, and why: a pattern of whole paths, and the reason. A path that matches is not compared at all.
MAY_DIFFER = [
    (r"(dev|proc|sys|run|tmp|home)(/.*)?", "made by the runtime or by the spec"),
    (r"var/(cache|log|tmp)/.+", "caches and logs are no part of an image"),
    (r"var/cache/(apt|debconf|ldconfig)", "the folder of a cache"),
    (r"var/lib/apt/.+", "lists are fetched when apt is used"),
    (r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-", "backups of a program that edits accounts"),
    (r"var/lib/dpkg/[^/]+-old", "backups of dpkg"),
    (r"etc/\.pwd\.lock|var/lib/dpkg/(lock|lock-frontend|triggers/Lock)", "lock files"),
    (r"etc/machine-id|var/lib/dbus/machine-id", "made at the first start"),
    (r"(.*/)?__pycache__(/.*)?", "byte-compiled when first run"),
    (r"etc/(hostname|resolv\.conf|hosts|fstab)", "of mmdebstrap or of the host"),
    (r"etc/rc[0-6S]\.d(/.*)?", "an image has no init system, so no script of it is enabled"),
    (r"etc/systemd/(system|user)/[^/]+\.wants(/.*)?", "as little is a unit enabled"),
    (r"var/lib/systemd/deb-systemd-(user-)?helper-enabled(/.*)?", "the same units, as deb-systemd-helper remembers them"),
    (r"etc/apt/(sources\.list|sources\.list\.d/.*|apt\.conf\.d/99mmdebstrap)", "of the spec, of mmdebstrap"),
    (r"etc/dpkg/dpkg\.cfg\.d/99mmdebstrap", "of mmdebstrap"),
    (r"etc/nsswitch\.conf|app|usr/bin/python", "of the spec"),
]

# Further, where packages of all kinds are compared and not only those of the catalogue.
MAY_DIFFER_IN_ANY = [
    (r"etc/xml/[^/]+\.old|var/lib/sgml-base/supercatalog\.old", "backups of catalogs"),
    (r"var/lib/ucf/(hashfile|registry)\.[0-9]+", "backups of ucf, one for each file that it placed"),
    (r"etc/ssh/ssh_host_.+", "host keys: an image holds no secret"),
    (r"etc/ssl/(certs/ssl-cert-snakeoil\.pem|private/ssl-cert-snakeoil\.key)", "a self-signed certificate and its key: no secret either"),
    (r"etc/systemd/(system|user)/[^/]+\.requires(/.*)?", "no unit is enabled"),
    (r"usr/share/(.*/)?icon-theme\.cache", "a cache, beside what it is made of"),
    (r"usr/lib/udev/hwdb\.bin|usr/lib/systemd/catalog/database|var/lib/systemd/catalog(/.*)?", "the hardware database and the journal's catalogue: caches"),
]


def compiled(rules):
    return [re.compile(pattern) for pattern, _ in rules]


# What the default policy leaves out of packages. dpkg is told to leave it out too, but keeps the directories, links, and the
# names in its lists.
LEFT_OUT = re.compile(
    r"usr/share/doc/(?!([^/]+/)?copyright$).+"
    r"|usr/share/(man|info|gnome/help|gtk-doc|help|omf|apport|bug|doc-base|linda|lintian|reportbug)(/.*)?"
    r"|usr/share/locale/(?!locale\.alias$).+"
)


def is_never_made(path, entry):
    """Links that enabling a unit makes for its aliases, as an image enables none, and the one to a certificate that holds no secret."""
    if entry["kind"] != "link":
        return False
    is_unit = re.fullmatch(r"etc/systemd/(system|user)/[^/]+", path) and re.match(r"/(usr/)?lib/systemd/", entry["target"])
    return bool(is_unit or path.startswith("etc/ssl/certs/") and entry["target"] == "ssl-cert-snakeoil.pem")


def accounts(columns):
    """Ids of the system's range are each program's choice; our spec adds the user nonroot."""

    def change(text):
        lines = []
        for line in text.splitlines():
            row = line.split(":")
            if row[0] == "nonroot":
                continue
            for column in columns:
                if column < len(row) and row[column].isdigit() and 100 <= int(row[column]) < 1000:
                    row[column] = "some"
            lines.append(":".join(row))
        return "\n".join(sorted(lines))

    return change


def diversions(text):
    """Less those that protect the aliases of a merged /usr from upgrades between releases: here, nothing is left to move."""
    lines = text.splitlines()
    rows = zip(lines[0::3], lines[1::3], lines[2::3])
    return "\n".join(sorted("\n".join(row) for row in rows if not row[1].endswith(".usr-is-merged")))


def file_list(text):
    return "\n".join(line for line in text.splitlines() if not LEFT_OUT.fullmatch(line[1:]))


def status(text):
    """Fields in any order: dpkg has one of its own, and takes any."""
    stanzas = [re.split(r"\n(?! )", stanza) for stanza in text.strip().split("\n\n")]
    return "\n\n".join("\n".join(sorted(fields)) for fields in stanzas)


def less_our_lines(text):
    return "".join(line for line in text.splitlines(True) if not line.startswith(("IMAGE_", "VARIANT_")))


def lines_in_any_order(text):
    return "".join(sorted(text.splitlines(True)))


def any_order(text):
    return "\n".join(sorted(text.splitlines()))


def key_store(text):
    """The certificates of a Java key store by their names, less the times at which they were added, in any order; and whether the digest
    over all of it, keyed with the password that is the same everywhere, holds."""
    data = text.encode(errors="surrogateescape")
    if data[:8].hex() != "feedfeed00000002":
        return text
    place, rows = 12, []

    def counted(width):
        nonlocal place
        length = int.from_bytes(data[place : place + width], "big")
        place += width + length
        return data[place - length : place]

    for _ in range(int.from_bytes(data[8:12], "big")):
        kind = data[place : place + 4].hex()
        place += 4
        name = counted(2).decode(errors="replace")
        place += 8
        rows.append(f"{kind} {name} {counted(2).decode(errors='replace')} {hashlib.sha256(counted(4)).hexdigest()}")
    digest = hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + data[:place]).digest()
    return "\n".join([f"its digest holds: {digest == data[place:]}", *sorted(rows)])


# Contents that are compared but for a part: a pattern of paths, what is made of both sides' text before, and why.
SAME_BUT = [
    (r"etc/(passwd)", accounts((2, 3)), "ids of the system's range (100 to 999) are each program's choice, and so is the order"),
    (r"etc/(group)", accounts((2,)), "as `/etc/passwd`"),
    (r"etc/(shadow|gshadow)", accounts(()), "the order"),
    (r"(etc|usr/lib)/os-release", less_our_lines, "our image names itself"),
    (r"etc/ssl/certs/java/cacerts", key_store, "the times at which certificates were added, and the order that a hash table gives"),
    (r"etc/shells", any_order, "bookworm's order tells whether /usr was merged before or after the first run of update-shells"),
    (r"var/lib/dpkg/diversions", diversions, "diversions that protect the aliases of a merged /usr from upgrades"),
    (r"var/lib/dpkg/info/[^/]+\.list", file_list, "names that the default policy leaves out"),
    (r"var/lib/ucf/(hashfile|registry)", lines_in_any_order, "ucf's order is that of configuration"),
    (r"var/lib/dpkg/status", status, "the order of fields"),
    (r"var/lib/dpkg/statoverride", lines_in_any_order, "dpkg writes it in the order of its hash table"),
    (r"var/lib/dpkg/triggers/(?!Lock$).+", any_order, "dpkg's order is that of installation"),
]
SAME_BUT = [(re.compile(pattern), change, reason) for pattern, change, reason in SAME_BUT]

# Contents up to this size are kept, to show what differs.
SHOWN = 256 * 1024


def kind(mode):
    names = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return names.get(stat.S_IFMT(mode), "special file")


class Tree:
    """The paths of a tree, each with `kind`, `mode`, `owner`, and what it holds: `target`, or `digest` and `text`."""

    def __init__(self, may_differ):
        self.may_differ = compiled(may_differ)
        self.found = {}

    def counts(self, path):
        return not any(pattern.fullmatch(path) for pattern in self.may_differ)

    def content(self, path, data):
        """What is compared of a file's content: a digest, and the text if it is short."""
        for pattern, change, _ in SAME_BUT:
            if pattern.fullmatch(path):
                data = change(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        text = data.decode(errors="replace") if len(data) <= SHOWN and b"\0" not in data[:4096] else f"{len(data)} bytes"
        return {"digest": hashlib.sha256(data).hexdigest(), "text": text}

    def name_owners(self, passwd, group):
        names = []
        for text in (passwd, group):
            rows = [line.split(":") for line in text.decode().splitlines()]
            names.append({int(row[2]): row[0] for row in rows if len(row) > 2})
        for entry in self.found.values():
            uid, gid = entry.pop("ids")
            entry["owner"] = f"{names[0].get(uid, uid)}:{names[1].get(gid, gid)}"

    @classmethod
    def of_directory(cls, root, may_differ=MAY_DIFFER):
        tree = cls(may_differ)
        tree.walk(root, "")
        tree.name_owners(*(read(root, path) for path in ("etc/passwd", "etc/group")))
        return tree

    def walk(self, root, directory):
        for entry in sorted(os.scandir(os.path.join(root, directory)), key=lambda entry: entry.name):
            path = os.path.join(directory, entry.name)
            if not self.counts(path):
                continue
            whole = os.path.join(root, path)
            facts = os.lstat(whole)
            found = {"kind": kind(facts.st_mode), "mode": stat.S_IMODE(facts.st_mode), "ids": (facts.st_uid, facts.st_gid)}
            names = (name for name in os.listxattr(whole, follow_symlinks=False) if not name.startswith("trusted.overlay."))
            found["xattrs"] = {name: os.getxattr(whole, name, follow_symlinks=False).hex() for name in names}
            if found["kind"] == "link":
                found["target"] = os.readlink(whole)
            elif found["kind"] == "file":
                found |= self.content(path, read(root, path))
            self.found[path] = found
            if found["kind"] == "directory":
                self.walk(root, path)

    @classmethod
    def of_layout(cls, layout, may_differ=MAY_DIFFER):
        """The tree of an OCI layout with one image. Ours have no whiteouts: what a layer adds, stays."""
        tree = cls(may_differ)
        account_files = {"etc/passwd": b"", "etc/group": b""}

        def blob(digest):
            return os.path.join(layout, "blobs", *digest.split(":"))

        def parsed(path):
            with open(path, "rb") as file:
                return json.load(file)

        document = parsed(os.path.join(layout, "index.json"))
        while "layers" not in document:
            # Beside the image stands what is attached to it.
            [only] = [entry for entry in document["manifests"] if "artifactType" not in entry]
            document = parsed(blob(only["digest"]))
        for layer in document["layers"]:
            # A layer is many gzip members end to end, which tarfile by itself does not read beyond the first.
            with gzip.open(blob(layer["digest"])) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
                for member in archive:
                    tree.add_member(archive, member, account_files)
        tree.name_owners(*account_files.values())
        return tree

    def add_member(self, archive, member, account_files):
        path = member.name.removeprefix("./").strip("/")
        if os.path.basename(path).startswith(".wh."):
            raise ValueError(f"{path} is a whiteout")
        data = archive.extractfile(member).read() if member.isreg() else b""
        if path in account_files:
            account_files[path] = data
        if not path or path == "." or not self.counts(path) or not self.counts_above(path):
            return
        if member.islnk():
            self.found[path] = dict(self.found[member.linkname.removeprefix("./").strip("/")])
            return
        kinds = {member.isreg(): "file", member.isdir(): "directory", member.issym(): "link"}
        found = {"kind": kinds.get(True, "special file"), "mode": member.mode, "ids": (member.uid, member.gid)}
        prefix = "SCHILY.xattr."
        found["xattrs"] = {
            name.removeprefix(prefix): value.encode(errors="surrogateescape").hex()
            for name, value in member.pax_headers.items()
            if name.startswith(prefix)
        }
        if member.issym():
            found["target"] = member.linkname
        elif member.isreg():
            found |= self.content(path, data)
        self.found[path] = found

    def counts_above(self, path):
        above = os.path.dirname(path)
        return not above or (self.counts(above) and self.counts_above(above))


def read(root, path):
    with open(os.path.join(root, path), "rb") as file:
        return file.read()


def shown(ours, theirs):
    """The first lines that only one of them has."""
    left, right = ours.splitlines(), theirs.splitlines()
    only = [f"    - {line[:160]}" for line in right if line not in left][:6]
    only += [f"    + {line[:160]}" for line in left if line not in right][:6]
    return "\n".join(only or ["    the same lines in another order or number"])


def differences(ours, dpkg):
    """Each difference that no rule explains, as a line or more."""
    for path in sorted(set(ours) | set(dpkg)):
        left, right = ours.get(path), dpkg.get(path)
        if left is None:
            if not LEFT_OUT.fullmatch(path) and not is_never_made(path, right):
                yield f"missing   {path} ({right['kind']})"
            continue
        if right is None:
            # The spec of the image busybox adds a link for each applet.
            if os.path.basename(left.get("target", "")) != "busybox":
                yield f"too much  {path} ({left['kind']})"
            continue
        if left["kind"] != right["kind"]:
            yield f"type      {path}: {left['kind']}, dpkg's is a {right['kind']}"
            continue
        for what in ("owner", "xattrs"):
            if left[what] != right[what]:
                yield f"{what:9} {path}: {left[what]}, dpkg's is {right[what]}"
        if left["kind"] == "link":
            if left["target"] != right["target"]:
                yield f"link      {path}: {left['target']}, dpkg's is {right['target']}"
            continue
        # Images have no set-id bits unless a spec keeps them by name.
        modes = [left["mode"], right["mode"]]
        if left["kind"] == "file" and not modes[0] & 0o6000:
            modes[1] &= ~0o6000
        if modes[0] != modes[1]:
            yield f"mode      {path}: {modes[0]:o}, dpkg's is {modes[1]:o}"
        if left["kind"] == "file" and left["digest"] != right["digest"]:
            yield f"content   {path}\n{shown(left['text'], right['text'])}"
